/**
 * The calls that reading and writing make on macOS, in their order, against a system that
 * records them and behaves as xnu's sources say.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { LibcArgument, LibcCall } from "../../ffi/libc.ts";
import type { LibcCalls } from "../../ffi/libc_thread.ts";
import type { SeriesReply } from "../../ffi/read_series.ts";
import * as macos from "../../ffi/macos.ts";
import { allocateAligned, nativeBytes } from "../../ffi/memory.ts";
import { fromCString } from "../../ffi/strings.ts";
import type { FileStatus } from "../../ffi/system_files.ts";
import type { BlockSource } from "../../src/core/block.ts";
import { ImagingError, ReadError, WriteError } from "../../src/core/errors.ts";
import { openMacosSink } from "../../src/devices/macos_sink.ts";
import { type MacosAccess, openMacosSource } from "../../src/devices/macos_source.ts";
import { macosSystem, renameNew } from "../../src/devices/macos_system.ts";
import { PosixFiles } from "../../src/devices/posix_files.ts";
import { HangingCalls } from "../support/hanging_calls.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { macosFailure, SampleMac } from "./macos_samples/sample_mac.ts";

const MIB = 1024 * 1024;

const REQUESTS = new Map<number, string>(
  ([
    "DKIOCGETBLOCKSIZE",
    "DKIOCGETBLOCKCOUNT",
    "DKIOCISWRITABLE",
    "DKIOCGETMAXBYTECOUNTREAD",
    "DKIOCGETMAXBYTECOUNTWRITE",
    "DKIOCSYNCHRONIZE",
    "DKIOCSYNCHRONIZECACHE",
  ] as const).map((name) => [macos[name], name]),
);

const FLAGS = [
  "O_WRONLY",
  "O_RDWR",
  "O_NONBLOCK",
  "O_EXLOCK",
  "O_CREAT",
  "O_TRUNC",
  "O_DIRECTORY",
  "O_CLOEXEC",
] as const;

/** How the fake disk is. */
interface DiskPlan {
  readonly content?: Uint8Array;
  readonly sectorSize?: number;
  readonly writable?: boolean;
  /** What the driver answers for the longest request. */
  readonly maxRead?: number;
  readonly maxWrite?: number;
}

/** A thread of a Mac with one disk, which is behind whatever is opened. */
class FakeThread implements LibcCalls {
  /** "ioctl 3 DKIOCGETBLOCKSIZE" and so on. */
  readonly calls: string[] = [];
  /** Errors by the first words of a call's line. */
  readonly failures = new Map<string, string>();
  readonly content: Uint8Array;
  disposed = false;
  /** Sectors that the disk says it has, where that is not the truth. */
  blocks: number | undefined;
  /** Bytes that the disk gives or takes at a time, at most. */
  shortBytes = Infinity;
  /** Calls whose line begins so hang. */
  hangs: string | undefined;
  readonly hanging = new HangingCalls();
  readonly #plan: DiskPlan;
  #descriptors = 3;

  constructor(plan: DiskPlan = {}) {
    this.#plan = plan;
    this.content = plan.content ?? patternBytes(4 * MIB);
  }

  /** The calls since the last look. */
  take(): string[] {
    return this.calls.splice(0);
  }

  call(call: LibcCall, ...args: LibcArgument[]): Promise<number> {
    assert(!this.disposed, `${call} on a thread that has ended`);
    const line = this.#line(call, args);
    this.calls.push(line);
    const isHung = this.hangs !== undefined && line.startsWith(this.hangs);
    if (isHung || this.hanging.isBusy) {
      return this.hanging.hang(call, () => this.#answer(call, args));
    }
    const failure = [...this.failures].find(([begin]) => `${line} `.startsWith(`${begin} `));
    if (failure !== undefined) return Promise.reject(macosFailure(call, failure[1]));
    return Promise.resolve(this.#answer(call, args));
  }

  abandon(): Promise<void> {
    return this.hanging.abandon();
  }

  async readSeries(
    ...[descriptor, reads]: Parameters<LibcCalls["readSeries"]>
  ): Promise<SeriesReply> {
    const done: [number, number][] = [];
    for (const [index, { address, length, offset }] of reads.entries()) {
      const count = await this.call(
        "pread",
        descriptor,
        address,
        BigInt(length),
        BigInt(offset),
      );
      if (count < length) break;
      done.push([index, 1]);
    }
    return { done, failed: undefined };
  }

  #line(call: LibcCall, args: readonly LibcArgument[]): string {
    const words = args.map((arg) => arg instanceof Uint8Array ? fromCString(arg) : String(arg));
    if (call === "open") {
      const flags = Number(args[1]);
      const names = FLAGS.filter((name) => (flags & macos[name]) !== 0);
      const known = names.reduce((sum, name) => sum | macos[name], 0);
      assertEquals(flags & ~known, 0, "unknown flags");
      return `open ${words[0]} ${names.join("|")}`;
    }
    if (call === "ioctl") return `ioctl ${words[0]} ${REQUESTS.get(Number(args[1]))}`;
    // Where the memory is matters to nobody.
    if (call === "pread" || call === "pwrite") return `${call} ${words[2]} at ${words[3]}`;
    if (call === "mmap") return `mmap ${words.slice(1).join(" ")}`;
    if (call === "msync" || call === "munmap") return [call, ...words.slice(1)].join(" ");
    return [call, ...words].join(" ");
  }

  #answer(call: LibcCall, args: readonly LibcArgument[]): number {
    switch (call) {
      case "open":
        return this.#descriptors++;
      case "ioctl":
        this.#request(Number(args[1]), BigInt(args[2] as bigint));
        return 0;
      case "pread":
      case "pwrite":
        return this.#transfer(call, args);
      case "mmap":
        return 0x70000000;
      default:
        return 0;
    }
  }

  #request(request: number, address: bigint): void {
    const { sectorSize = 512, writable = true, maxRead = MIB, maxWrite = MIB } = this.#plan;
    const put = (bytes: 4 | 8, value: number): void => {
      const view = new DataView(nativeBytes(address, bytes).buffer);
      if (bytes === 4) view.setUint32(0, value, true);
      else view.setBigUint64(0, BigInt(value), true);
    };
    switch (request) {
      case macos.DKIOCGETBLOCKSIZE:
        return put(4, sectorSize);
      case macos.DKIOCGETBLOCKCOUNT:
        return put(8, this.blocks ?? (sectorSize === 0 ? 0 : this.content.length / sectorSize));
      case macos.DKIOCISWRITABLE:
        return put(4, writable ? 1 : 0);
      case macos.DKIOCGETMAXBYTECOUNTREAD:
        return put(8, maxRead);
      case macos.DKIOCGETMAXBYTECOUNTWRITE:
        return put(8, maxWrite);
      case macos.DKIOCSYNCHRONIZE:
        // Reserved bytes that are not zero are EINVAL, options a mere barrier.
        assertBytes(nativeBytes(address, 24), new Uint8Array(24));
        return;
      case macos.DKIOCSYNCHRONIZECACHE:
        assertEquals(address, 0n);
        return;
    }
    throw new Error(`unknown request ${request.toString(16)}`);
  }

  #transfer(call: "pread" | "pwrite", args: readonly LibcArgument[]): number {
    const [, address, length, offset] = args.map(Number) as [number, number, number, number];
    const { sectorSize = 512 } = this.#plan;
    assertEquals([offset % sectorSize, length % sectorSize], [0, 0], "not whole sectors");
    const count = Math.min(length, this.content.length - offset, this.shortBytes);
    if (count <= 0) return 0;
    const memory = nativeBytes(BigInt(address), count);
    if (call === "pread") memory.set(this.content.subarray(offset, offset + count));
    else this.content.set(memory, offset);
    return count;
  }

  [Symbol.dispose](): void {
    this.disposed = true;
  }
}

function accessTo(thread: FakeThread, queries = new SampleMac()): MacosAccess {
  return { queries, startThread: () => thread };
}

const OPEN_SOURCE = [
  "open /dev/rdisk4 O_CLOEXEC",
  "fcntl 3 48 1",
  "ioctl 3 DKIOCGETBLOCKCOUNT",
  "ioctl 3 DKIOCGETBLOCKSIZE",
  "ioctl 3 DKIOCGETMAXBYTECOUNTREAD",
];

Deno.test("a disk is read by its raw node past the cache, under the name that was given", async () => {
  for (const path of ["/dev/disk4", "/dev/rdisk4", "/card"]) {
    const thread = new FakeThread();
    {
      await using source = await openMacosSource(path, {}, accessTo(thread));
      assertEquals(
        [source.name, source.size, source.sectorSize],
        [path, 4 * MIB, 512],
      );
      assertEquals(thread.take(), OPEN_SOURCE);
    }
    assertEquals(thread.take(), ["close 3"]);
    assert(thread.disposed);
  }
});

Deno.test("a partition is read by its own raw node", async () => {
  const thread = new FakeThread();
  await using _ = await openMacosSource("/dev/disk4s1", {}, accessTo(thread));
  assertEquals(thread.take()[0], "open /dev/rdisk4s1 O_CLOEXEC");
});

Deno.test("requests are whole sectors, and no longer than the driver takes", async () => {
  // Not a multiple of the sectors of 4096 bytes.
  const thread = new FakeThread({ sectorSize: 4096, maxRead: 10_000 });
  await using source = await openMacosSource("/dev/disk4", {}, accessTo(thread));
  thread.take();
  using memory = allocateAligned(20_480);
  assertEquals(await source.readAt(4096, memory.bytes), 20_480);
  assertBytes(memory.bytes, thread.content.subarray(4096, 24_576));
  assertEquals(thread.take(), [
    "pread 8192 at 4096",
    "pread 8192 at 12288",
    "pread 4096 at 20480",
  ]);
});

Deno.test("what is not aligned is read in whole sectors around it", async () => {
  const thread = new FakeThread({ sectorSize: 4096, maxRead: 4096 });
  await using source = await openMacosSource("/dev/disk4", {}, accessTo(thread));
  thread.take();
  const into = new Uint8Array(5000);
  assertEquals(await source.readAt(4000, into), 5000);
  assertBytes(into, thread.content.subarray(4000, 9000));
  assertEquals(thread.take(), ["pread 4096 at 0", "pread 4096 at 4096", "pread 4096 at 8192"]);
  // The end of the medium ends the read.
  assertEquals(await source.readAt(4 * MIB - 100, into), 100);
  assertBytes(into.subarray(0, 100), thread.content.subarray(4 * MIB - 100));
  assertEquals(await source.readAt(4 * MIB, into), 0);
});

Deno.test("a short read is gone on with", async () => {
  const thread = new FakeThread();
  thread.shortBytes = 1536;
  await using source = await openMacosSource("/dev/disk4", {}, accessTo(thread));
  thread.take();
  const into = new Uint8Array(4096);
  assertEquals(await source.readAt(0, into), 4096);
  assertBytes(into, thread.content.subarray(0, 4096));
  assertEquals(thread.take(), ["pread 4096 at 0", "pread 2560 at 1536", "pread 1024 at 3072"]);
});

Deno.test("a driver that names no limit, or does not know the request, is asked for 1 MiB", async () => {
  const silent = new FakeThread({ maxRead: 0 });
  const unknown = new FakeThread();
  unknown.failures.set("ioctl 3 DKIOCGETMAXBYTECOUNTREAD", "ENOTTY");
  for (const thread of [silent, unknown]) {
    await using source = await openMacosSource("/dev/disk4", {}, accessTo(thread));
    thread.take();
    using memory = allocateAligned(2 * MIB);
    await source.readAt(0, memory.bytes);
    assertEquals(thread.take(), [`pread ${MIB} at 0`, `pread ${MIB} at ${MIB}`]);
  }
});

Deno.test("a limit below one sector still lets a sector through", async () => {
  const thread = new FakeThread({ sectorSize: 4096, maxRead: 512 });
  await using source = await openMacosSource("/dev/disk4", {}, accessTo(thread));
  thread.take();
  await source.readAt(0, new Uint8Array(8192));
  assertEquals(thread.take(), ["pread 4096 at 0", "pread 4096 at 4096"]);
});

Deno.test("a drive without a medium has no size", async () => {
  const thread = new FakeThread({ sectorSize: 0 });
  await using source = await openMacosSource("/dev/disk4", {}, accessTo(thread));
  assertEquals([source.size, source.sectorSize], [0, 512]);
  assertEquals(await source.readAt(0, new Uint8Array(512)), 0);
});

Deno.test("a bad sector is a ReadError with the system's code", async () => {
  const thread = new FakeThread();
  await using source = await openMacosSource("/dev/disk4", {}, accessTo(thread));
  thread.failures.set("pread", "EIO");
  const error = await assertRejects(() => source.readAt(512, new Uint8Array(512)), ReadError);
  assertEquals(
    [error.message, error.osCode, error.offset],
    ["cannot read /dev/disk4 at byte 512: input/output error (EIO)", "EIO", 512],
  );
});

/** Until calls that were asked for are under way. */
function underWay(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** The codes of reads that fail. */
async function codesOf(...reads: Promise<number>[]): Promise<(string | undefined)[]> {
  return await Promise.all(reads.map(async (read) => {
    const error: ReadError = await assertRejects(() => read, ReadError);
    return error.osCode;
  }));
}

/** A disk whose first thread hangs at its reads, and the threads that it is given. */
async function hangingDisk(
  mac = new SampleMac(),
): Promise<{ readonly source: BlockSource; readonly threads: FakeThread[] }> {
  const threads: FakeThread[] = [];
  const startThread = (): FakeThread => {
    const thread = new FakeThread();
    if (threads.length === 0) thread.hangs = "pread";
    threads.push(thread);
    return thread;
  };
  return {
    source: await openMacosSource("/dev/disk4", {}, { queries: mac, startThread }),
    threads,
  };
}

Deno.test("a disk that hangs is opened again on another thread, read-only", async () => {
  const { source, threads } = await hangingDisk();
  const hung = source.readAt(512, new Uint8Array(512));
  // Its memory is aligned, so that the driver would write into it.
  using memory = allocateAligned(4096);
  const behind = source.readAt(4096, memory.bytes);
  await underWay();
  const returned = source.abandon?.();
  assertEquals(await codesOf(hung, behind), ["ETIMEDOUT", "ETIMEDOUT"]);
  const [first, second] = threads;
  assertEquals(second?.take(), OPEN_SOURCE);
  const into = new Uint8Array(512);
  assertEquals(await source.readAt(512, into), 512);
  assertBytes(into, patternBytes(512, { offset: 512 }));
  assertEquals(second?.take(), ["pread 512 at 512"]);
  // What hangs is closed when the system returns from it.
  assertEquals([first?.take().at(-1), first?.disposed], ["pread 4096 at 4096", false]);
  if (first !== undefined) first.hangs = undefined;
  first?.hanging.answer();
  await returned;
  assertEquals([first?.take(), first?.disposed], [["close 3"], true]);
  await source[Symbol.asyncDispose]();
  assertEquals([second?.take(), second?.disposed, threads.length], [["close 3"], true, 2]);
});

Deno.test("a disk that answers nowhere is waited for, and says nothing about a place", async () => {
  const threads = [new FakeThread(), new FakeThread()];
  const [first, second] = threads as [FakeThread, FakeThread];
  const startThread = (): FakeThread => threads.shift() ?? second;
  const access = { queries: new SampleMac(), startThread };
  await using source = await openMacosSource("/dev/disk4", {}, access);
  await source.readAt(8192, new Uint8Array(512));
  for (const thread of [first, second]) thread.hangs = "pread";
  const codes = codesOf(source.readAt(0, new Uint8Array(512)));
  let isTold = false;
  codes.then(() => {
    isTold = true;
  });
  await underWay();
  const returned = source.abandon?.();
  await underWay();
  assertEquals([isTold, source.abandon?.()], [false, undefined]);
  assertEquals(second.take(), [...OPEN_SOURCE, "pread 512 at 8192"]);
  second.hangs = undefined;
  second.hanging.answer();
  assertEquals(await codes, ["ETIMEDOUT"]);
  first.hangs = undefined;
  first.hanging.answer();
  await returned;
});

Deno.test("where another medium is in its place, a disk that hangs went away", async () => {
  const ways: Record<string, (mac: SampleMac) => void> = {
    "its node is gone": (mac) => mac.files.delete("/dev/rdisk4"),
    "its node was made anew": (mac) =>
      mac.files.set("/dev/rdisk4", { kind: "character", inode: 700n }),
  };
  for (const [way, happen] of Object.entries(ways)) {
    const mac = new SampleMac();
    const { source, threads } = await hangingDisk(mac);
    const hung = source.readAt(0, new Uint8Array(512));
    await underWay();
    happen(mac);
    assert(source.abandon?.() !== undefined);
    const later = source.readAt(0, new Uint8Array(512));
    assertEquals(await codesOf(hung, later), ["ENODEV", "ENODEV"], way);
    assertEquals(source.abandon?.(), undefined);
    await source[Symbol.asyncDispose]();
    // The one that hangs stays open: nobody can close it.
    assertEquals(threads.map(({ disposed }) => disposed), [false, true], way);
    assertEquals(threads[1]?.take().at(-1), "close 3", way);
  }
});

Deno.test("a file is waited for", async () => {
  const thread = new FakeThread();
  const mac = new SampleMac();
  mac.files.set("/image", { kind: "file", inode: 900n, size: 4096 });
  await using source = await openMacosSource("/image", {}, accessTo(thread, mac));
  assertEquals(source.abandon, undefined);
});

Deno.test("a disk that went away is told from a bad sector, in each way that it shows", async () => {
  const ways: Record<string, (thread: FakeThread, mac: SampleMac) => void> = {
    "reads say so": (thread) => thread.failures.set("pread", "ENXIO"),
    "its size cannot be had": (thread) => {
      thread.failures.set("pread", "EIO");
      thread.failures.set("ioctl 3 DKIOCGETBLOCKCOUNT", "EBADF");
    },
    "its size is another": (thread) => {
      thread.failures.set("pread", "EIO");
      thread.blocks = 0;
    },
    "its node is gone": (thread, mac) => {
      thread.failures.set("pread", "EIO");
      mac.files.delete("/dev/rdisk4");
    },
  };
  for (const [way, happen] of Object.entries(ways)) {
    const thread = new FakeThread();
    const mac = new SampleMac();
    await using source = await openMacosSource("/dev/disk4", {}, accessTo(thread, mac));
    happen(thread, mac);
    const error = await assertRejects(() => source.readAt(0, new Uint8Array(512)), ReadError);
    assertEquals(error.message, "cannot read /dev/disk4 at byte 0: the device went away", way);
    assertEquals(error.osCode, "ENODEV", way);
    assertStringIncludes(error.hint ?? "", "plug it in again");
  }
});

Deno.test("what keeps a disk from being opened is told with a way out", async () => {
  const hints = { EACCES: "run it with sudo", EPERM: "full disk access", EBUSY: "unmount it" };
  for (const [code, hint] of Object.entries(hints)) {
    const thread = new FakeThread();
    thread.failures.set("open", code);
    const error = await assertRejects(
      () => openMacosSource("/dev/disk4", {}, accessTo(thread)),
      ImagingError,
      "cannot open /dev/disk4: ",
    );
    assertEquals(error.osCode, code);
    assertStringIncludes(error.hint ?? "", hint);
    assert(thread.disposed);
  }
  const thread = new FakeThread();
  const error = await assertRejects(
    () => openMacosSource("/dev/disk5", {}, accessTo(thread)),
    ImagingError,
  );
  assertEquals(error.osCode, "ENOENT");
  assert(thread.disposed);
});

Deno.test("when opening fails half-way, nothing stays open", async () => {
  for (const failing of ["fcntl", "ioctl 3 DKIOCGETBLOCKSIZE"]) {
    const thread = new FakeThread();
    thread.failures.set(failing, "ENXIO");
    await assertRejects(
      () => openMacosSource("/dev/disk4", {}, accessTo(thread)),
      ImagingError,
      "device not configured (ENXIO)",
    );
    assertEquals(thread.take().at(-1), "close 3");
    assert(thread.disposed);
  }
});

/** A Mac with a file of that many bytes. */
function macWithFile(size: number): SampleMac {
  const mac = new SampleMac();
  mac.files.set("/card.img", { kind: "file", inode: 9n, size });
  return mac;
}

Deno.test("a file is read as it is, through the cache", async () => {
  const thread = new FakeThread({ sectorSize: 1 });
  {
    await using source = await openMacosSource(
      "/card.img",
      {},
      accessTo(thread, macWithFile(1000)),
    );
    assertEquals([source.size, source.sectorSize], [1000, 512]);
    const into = new Uint8Array(600);
    assertEquals(await source.readAt(700, into), 300);
    assertBytes(into.subarray(0, 300), thread.content.subarray(700, 1000));
  }
  assertEquals(thread.take(), ["open /card.img O_CLOEXEC", "pread 300 at 700", "close 3"]);
  assert(thread.disposed);
});

Deno.test("for a direct read the kernel forgets the file first, in bounded windows", async () => {
  const size = 2 * 1024 ** 3 + 5;
  const thread = new FakeThread();
  await using _ = await openMacosSource(
    "/card.img",
    { direct: true },
    accessTo(thread, macWithFile(size)),
  );
  const gib = 1024 ** 3;
  // PROT_READ, MAP_SHARED; MS_SYNC|MS_INVALIDATE.
  const window = (start: number, length: number): string[] => [
    `mmap ${length} 1 1 3 ${start}`,
    `msync ${length} ${0x12}`,
    `munmap ${length}`,
  ];
  assertEquals(thread.take(), [
    "open /card.img O_CLOEXEC",
    "fcntl 3 48 1",
    "fsync 3",
    ...window(0, gib),
    ...window(gib, gib),
    ...window(2 * gib, 5),
  ]);
});

Deno.test("a file that cannot be mapped is read all the same; no mapping is left", async () => {
  for (const [failing, last] of [["mmap", "mmap"], ["msync", "munmap"]] as const) {
    const thread = new FakeThread();
    thread.failures.set(failing, "ENODEV");
    const access = accessTo(thread, macWithFile(100));
    await using source = await openMacosSource("/card.img", { direct: true }, access);
    assertEquals(source.size, 100);
    assertEquals(thread.take().at(-1)?.split(" ")[0], last);
  }
});

const OPEN_SINK = [
  "open /dev/rdisk4 O_RDWR|O_NONBLOCK|O_EXLOCK|O_CLOEXEC",
  "fcntl 3 48 1",
  "ioctl 3 DKIOCGETBLOCKCOUNT",
  "ioctl 3 DKIOCGETBLOCKSIZE",
  "ioctl 3 DKIOCGETMAXBYTECOUNTWRITE",
  "ioctl 3 DKIOCISWRITABLE",
];

Deno.test("a disk is opened for writing with a lock, and never made", async () => {
  const thread = new FakeThread();
  {
    await using sink = await openMacosSink("/dev/disk4", accessTo(thread));
    assertEquals(
      [sink.name, sink.size, sink.sectorSize, sink.mediumNumber],
      ["/dev/disk4", 4 * MIB, 512, "641"],
    );
    assertEquals(thread.take(), OPEN_SINK);
    assertEquals(await sink.announce(), []);
    assertEquals(thread.take(), []);
  }
  assertEquals(thread.take(), ["close 3"]);
  assert(thread.disposed);
});

Deno.test("the medium of a partition is that of its disk, as in the list", async () => {
  const thread = new FakeThread();
  await using sink = await openMacosSink("/dev/disk4s1", accessTo(thread));
  assertEquals(thread.take()[0], "open /dev/rdisk4s1 O_RDWR|O_NONBLOCK|O_EXLOCK|O_CLOEXEC");
  assertEquals(sink.mediumNumber, "641");
});

Deno.test("writes are whole sectors, no longer than the driver takes; zeros fill the last", async () => {
  const thread = new FakeThread({ maxWrite: 1500 });
  await using sink = await openMacosSink("/dev/disk4", accessTo(thread));
  thread.take();
  const before = thread.content.slice();
  const bytes = patternBytes(2100, { seed: 7 });
  await sink.writeAt(512, bytes);
  assertEquals(thread.take(), [
    "pwrite 1024 at 512",
    "pwrite 1024 at 1536",
    "pwrite 512 at 2560",
  ]);
  const expected = before.slice();
  expected.set(bytes, 512);
  expected.fill(0, 2612, 3072);
  assertBytes(thread.content, expected);
});

Deno.test("a write past the end is refused before anything is written", async () => {
  const thread = new FakeThread();
  await using sink = await openMacosSink("/dev/disk4", accessTo(thread));
  thread.take();
  const error = await assertRejects(
    () => sink.writeAt(4 * MIB - 512, new Uint8Array(1024)),
    WriteError,
    "larger than its 4194304 bytes",
  );
  assertEquals(error.hint, "choose a larger target");
  assertEquals(thread.take(), []);
});

Deno.test("a failing write tells the system's code and the place", async () => {
  const thread = new FakeThread();
  await using sink = await openMacosSink("/dev/disk4", accessTo(thread));
  thread.failures.set("pwrite", "ENXIO");
  const error = await assertRejects(() => sink.writeAt(512, new Uint8Array(512)), WriteError);
  assertEquals([error.osCode, error.offset], ["ENXIO", 512]);
});

Deno.test("a flush is asked of the device; older requests and none are known", async () => {
  const thread = new FakeThread();
  await using sink = await openMacosSink("/dev/disk4", accessTo(thread));
  thread.take();
  await sink.flush();
  assertEquals(thread.take(), ["ioctl 3 DKIOCSYNCHRONIZE"]);
  const [request, older] = ["ioctl 3 DKIOCSYNCHRONIZE", "ioctl 3 DKIOCSYNCHRONIZECACHE"];
  for (const code of ["ENOTTY", "ENOTSUP", "EOPNOTSUPP"]) {
    thread.failures.set(request, code);
    thread.failures.delete(older);
    await sink.flush();
    assertEquals(thread.take(), [request, older]);
    thread.failures.set(older, code);
    await sink.flush();
    assertEquals(thread.take(), [request, older]);
    thread.failures.set(older, "EIO");
    await assertRejects(() => sink.flush(), WriteError, "what was written may be lost");
    thread.take();
  }
});

Deno.test("a flush that fails is an error, at once", async () => {
  const thread = new FakeThread();
  await using sink = await openMacosSink("/dev/disk4", accessTo(thread));
  thread.take();
  thread.failures.set("ioctl 3 DKIOCSYNCHRONIZE", "EIO");
  const error = await assertRejects(() => sink.flush(), WriteError);
  assertEquals(error.osCode, "EIO");
  assertEquals(thread.take(), ["ioctl 3 DKIOCSYNCHRONIZE"]);
});

Deno.test("what was written is read again by a descriptor of its own, past the cache", async () => {
  const thread = new FakeThread();
  await using sink = await openMacosSink("/dev/disk4", accessTo(thread));
  thread.take();
  {
    await using again = await sink.reread();
    assertEquals(thread.take(), OPEN_SOURCE.map((line) => line.replace(" 3 ", " 4 ")));
    assertEquals(again.name, "/dev/disk4");
    const into = new Uint8Array(512);
    await again.readAt(512, into);
    assertBytes(into, thread.content.subarray(512, 1024));
    thread.take();
  }
  assertEquals(thread.take(), ["close 4"]);
  // The sink still has its thread.
  await sink.flush();
  thread.failures.set("open", "EACCES");
  await assertRejects(() => sink.reread(), ImagingError, "cannot open /dev/disk4 to verify it");
});

Deno.test("a disk that is in use: the error names by what", async () => {
  const thread = new FakeThread();
  thread.failures.set("open", "EBUSY");
  const error = await assertRejects(
    () => openMacosSink("/dev/rdisk4", accessTo(thread)),
    ImagingError,
  );
  assertEquals(
    error.message,
    "cannot open /dev/rdisk4 for writing: resource busy (EBUSY): " +
      "/dev/disk4s1 is mounted at /Volumes/CARD & CO",
  );
  assertEquals(error.osCode, "EBUSY");
  assertStringIncludes(error.hint ?? "", "unmount it");
  assert(thread.disposed);
});

Deno.test("in use by nobody knows what: another program, or diskutil does not answer", async () => {
  const mac = new SampleMac();
  mac.answers.set("list -plist", { code: 1, stdout: "", stderr: "no" });
  for (const [code, queries] of [["EBUSY", mac], ["EAGAIN", new SampleMac()]] as const) {
    const thread = new FakeThread();
    thread.failures.set("open", code);
    const error = await assertRejects(
      () => openMacosSink("/dev/disk4", accessTo(thread, queries)),
      ImagingError,
    );
    assert(error.message.endsWith(`(${code})`), error.message);
    assertStringIncludes(error.hint ?? "", "close the program");
  }
});

Deno.test("locks that are not supported are done without; other errors are not", async () => {
  for (const code of ["ENOTSUP", "EOPNOTSUPP"]) {
    const thread = new FakeThread();
    thread.failures.set("open /dev/rdisk4 O_RDWR|O_NONBLOCK|O_EXLOCK|O_CLOEXEC", code);
    await using _ = await openMacosSink("/dev/disk4", accessTo(thread));
    assertEquals(thread.take().slice(0, 2), [
      "open /dev/rdisk4 O_RDWR|O_NONBLOCK|O_EXLOCK|O_CLOEXEC",
      "open /dev/rdisk4 O_RDWR|O_NONBLOCK|O_CLOEXEC",
    ]);
  }
  const thread = new FakeThread();
  thread.failures.set("open", "EPERM");
  const error = await assertRejects(
    () => openMacosSink("/dev/disk4", accessTo(thread)),
    ImagingError,
  );
  assertStringIncludes(error.hint ?? "", "Full Disk Access");
  assertEquals(thread.take().length, 1);
});

Deno.test("a disk that is not writable is closed again", async () => {
  const thread = new FakeThread({ writable: false });
  const error = await assertRejects(
    () => openMacosSink("/dev/disk4", accessTo(thread)),
    ImagingError,
    "cannot open /dev/disk4 for writing: read-only file system (EROFS)",
  );
  assertStringIncludes(error.hint ?? "", "lock switch");
  assertEquals(thread.take().at(-1), "close 3");
  assert(thread.disposed);
});

Deno.test("nothing but a disk is opened for writing", async () => {
  const mac = macWithFile(100);
  mac.files.set("/dev/disk9", { kind: "file", inode: 4n });
  for (const path of ["/card.img", "/dev/null", "/", "/dev/disk9"]) {
    const thread = new FakeThread();
    const error = await assertRejects(
      () => openMacosSink(path, accessTo(thread, mac)),
      ImagingError,
      `cannot write to ${path}: it is not a disk`,
    );
    assertEquals([error.kind, thread.take()], ["usage", []]);
    assert(thread.disposed);
  }
  const thread = new FakeThread();
  await assertRejects(
    () => openMacosSink("/dev/disk5", accessTo(thread)),
    ImagingError,
    "no such file or directory (ENOENT)",
  );
  assertEquals(thread.take(), []);
});

Deno.test("image files are flushed to the medium; where nobody knows how, to the drive", async () => {
  const thread = new FakeThread({ sectorSize: 1 });
  await using files = new PosixFiles({ ...macosSystem, sizeOf: () => 0 }, () => thread);
  await using image = await files.openImage("/Volumes/Work/a.part");
  assertEquals(thread.take(), [
    "open /Volumes/Work/a.part O_RDWR|O_CREAT|O_CLOEXEC",
    "flock 3 6",
  ]);
  await image.writeAt(0, new Uint8Array(10));
  await image.flush();
  assertEquals(thread.take(), ["pwrite 10 at 0", "fcntl 3 51 0"]);
  for (const code of ["ENOTSUP", "ENOTTY", "EINVAL", "EOPNOTSUPP"]) {
    thread.failures.set("fcntl 3 51", code);
    await image.flush();
    assertEquals(thread.take(), ["fcntl 3 51 0", "fsync 3"], code);
  }
  thread.failures.set("fcntl 3 51", "EIO");
  await assertRejects(() => image.flush(), WriteError, "input/output error (EIO)");
  assertEquals(thread.take(), ["fcntl 3 51 0"]);
});

Deno.test("a second run finds the image locked", async () => {
  const thread = new FakeThread();
  await using files = new PosixFiles(macosSystem, () => thread);
  thread.failures.set("flock", "EAGAIN");
  await assertRejects(
    () => files.openImage("/a.part"),
    ImagingError,
    "another run is writing it",
  );
});

/** An empty file. */
function emptyFile(inode: bigint): FileStatus {
  return { kind: "file", size: 0, rdev: "0:0", dev: "1:4", inode, permissions: 0o644 };
}

Deno.test("a lock is a file that is removed while it is still locked", async () => {
  const thread = new FakeThread();
  // The one that left it removes it when we have opened it already.
  const inodes = new Map<string | number, bigint[]>([
    ["/a.lock", [7n, 8n, 8n, 8n, 8n]],
    [3, [7n]],
    [4, [8n, 8n]],
  ]);
  const statusOf = (name: string | number): FileStatus => {
    const inode = inodes.get(name)?.shift();
    if (inode === undefined) throw macosFailure("stat", "ENOENT");
    return emptyFile(inode);
  };
  await using files = new PosixFiles({ ...macosSystem, statusOf }, () => thread);
  const lock = await files.lock("/a.lock");
  const opening = "open /a.lock O_RDWR|O_CREAT|O_CLOEXEC";
  assertEquals(thread.take(), [opening, "flock 3 6", "close 3", opening, "flock 4 6"]);
  await lock?.[Symbol.asyncDispose]();
  assertEquals(thread.take(), ["unlink /a.lock", "close 4"]);
});

Deno.test("a lock that another run has is left to it", async () => {
  const thread = new FakeThread();
  const statusOf = (): FileStatus => emptyFile(7n);
  await using files = new PosixFiles({ ...macosSystem, statusOf }, () => thread);
  thread.failures.set("flock", "EAGAIN");
  assertEquals(await files.lock("/a.lock"), undefined);
  assertEquals(thread.take().slice(-2), ["flock 3 6", "close 3"]);
  thread.failures.set("flock", "ENOTSUP");
  await assertRejects(() => files.lock("/a.lock"), ImagingError, "cannot lock /a.lock: ");
  assertEquals(thread.take().slice(-2), ["flock 4 6", "close 4"]);
});

Deno.test("an image gets its name without replacing another, and durably", async () => {
  const thread = new FakeThread();
  await using files = new PosixFiles(macosSystem, () => thread);
  await files.rename("/Volumes/Work/a.part", "/Volumes/Work/a.img", false);
  assertEquals(thread.take(), [
    "renamex_np /Volumes/Work/a.part /Volumes/Work/a.img 4",
    "open /Volumes/Work O_DIRECTORY|O_CLOEXEC",
    "fcntl 3 51 0",
    "close 3",
  ]);
  thread.failures.set("renamex_np", "EEXIST");
  await assertRejects(
    () => files.rename("/a.part", "/a.img", false),
    ImagingError,
    "it exists by now",
  );
  assertEquals(thread.take().length, 1);
});

Deno.test("a folder that no request can flush does not undo the rename", async () => {
  const thread = new FakeThread();
  await using files = new PosixFiles(macosSystem, () => thread);
  thread.failures.set("fcntl 3 51", "ENOTSUP");
  thread.failures.set("fsync", "ENOTSUP");
  await files.rename("/a.part", "/a.img", true);
  assertEquals(thread.take().slice(-3), ["fcntl 3 51 0", "fsync 3", "close 3"]);
});

Deno.test("where RENAME_EXCL is not known, a look before is all there is", async () => {
  for (const code of ["ENOTSUP", "EINVAL", "ENOSYS"]) {
    const thread = new FakeThread();
    thread.failures.set("renamex_np", code);
    await renameNew(thread, "/a", "/b", () => false);
    assertEquals(thread.take(), ["renamex_np /a /b 4", "rename /a /b"]);
    const error = await assertRejects(() => renameNew(thread, "/a", "/b", () => true));
    assertStringIncludes(String(error), "EEXIST");
    assertEquals(thread.take(), ["renamex_np /a /b 4"]);
  }
  const thread = new FakeThread();
  thread.failures.set("renamex_np", "EXDEV");
  await assertRejects(() => renameNew(thread, "/a", "/b", () => false), Error, "EXDEV");
  assertEquals(thread.take(), ["renamex_np /a /b 4"]);
});
