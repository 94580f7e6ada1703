/** Reading disks, volumes and files of made-up Windows machines. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { allocateAligned } from "../../ffi/memory.ts";
import * as windows from "../../ffi/windows_numbers.ts";
import { REFUSED } from "../../src/copy/read_policy.ts";
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import { ReadError } from "../../src/core/errors.ts";
import type { OpenSourceOptions } from "../../src/devices/device.ts";
import { openWindowsSource } from "../../src/devices/windows_source.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import {
  type DiskPlan,
  ERROR,
  FakeWindows,
  type MachinePlan,
  type MediumPlan,
  volumeOn,
} from "./fake_windows.ts";

const MIB = 1024 ** 2;
const DISK = "\\\\.\\PhysicalDrive1";

const NO_LENGTH = { [windows.IOCTL_DISK_GET_LENGTH_INFO]: ERROR.NOT_SUPPORTED };
const NO_GEOMETRY = {
  [windows.IOCTL_DISK_GET_DRIVE_GEOMETRY_EX]: ERROR.INVALID_FUNCTION,
  [windows.IOCTL_DISK_GET_DRIVE_GEOMETRY]: ERROR.INVALID_FUNCTION,
};

/** A machine with a disk 1 of 8 MiB, and E: on it from byte 1 MiB + 512. */
function machine(disk: Partial<DiskPlan> = {}, more: Partial<MachinePlan> = {}): FakeWindows {
  return new FakeWindows({
    disks: [{ number: 0, size: 64 * MIB }, { number: 1, size: 8 * MIB, ...disk }],
    volumes: [
      volumeOn("c", 0, 1, [MIB, 32 * MIB], "C:\\"),
      volumeOn("e", 1, 1, [MIB + 512, 3 * MIB], "E:\\"),
    ],
    files: { "C:\\card.img": { size: 100_001, id: 7 } },
    ...more,
  });
}

/** A machine with a volume V: that no disk is known of. */
function machineWithVolume(medium: MediumPlan): FakeWindows {
  return new FakeWindows({
    disks: [{ number: 0, size: 64 * MIB }],
    volumes: [
      volumeOn("c", 0, 1, [MIB, 32 * MIB], "C:\\"),
      { guid: "v", paths: ["V:\\"], device: [windows.FILE_DEVICE_DISK, 77, 0], medium },
    ],
  });
}

async function open(
  fake: FakeWindows,
  path = DISK,
  options: OpenSourceOptions = {},
): Promise<BlockSource> {
  return await openWindowsSource(fake, path, options, true);
}

async function read(source: BlockSource, offset: number, length: number): Promise<Bytes> {
  const bytes = new Uint8Array(length).fill(0xee);
  return bytes.subarray(0, await source.readAt(offset, bytes));
}

/** Opens, looks, closes; nothing may be left. */
async function withSource(
  fake: FakeWindows,
  path: string,
  body: (source: BlockSource) => void | Promise<void>,
): Promise<void> {
  {
    await using source = await open(fake, path);
    await body(source);
  }
  fake.assertNothingOpen();
  assertEquals(fake.disposals, 1, "the thread ends with the source");
}

async function failureOf(
  source: BlockSource,
  offset: number,
  length = 512,
): Promise<ReadError> {
  return await assertRejects(() => read(source, offset, length), ReadError);
}

Deno.test("a disk is read, past the caches, as what it holds", async () => {
  const fake = machine();
  await withSource(fake, "//./physicaldrive1", async (source) => {
    assertEquals([source.name, source.size, source.sectorSize], [DISK, 8 * MIB, 512]);
    assertBytes(await read(source, 0, 8 * MIB), fake.content(1, 0, 8 * MIB));
    assertEquals(fake.since(0, "open read"), [`open read ${DISK}`]);
    assertEquals(fake.since(0, "open write", "write", "LOCK_VOLUME", "DISMOUNT_VOLUME"), []);
  });
});

Deno.test("a letter is read as the whole disk under it", async () => {
  const fake = machine();
  await withSource(fake, "e:", (source) => {
    assertEquals([source.name, source.size], [DISK, 8 * MIB]);
  });
});

Deno.test("a volume is read from its first byte to its very last", async () => {
  const fake = machine();
  await withSource(fake, "\\\\.\\E:", async (source) => {
    assertEquals([source.name, source.size], ["\\\\.\\E:", 3 * MIB]);
    assertBytes(await read(source, 0, 3 * MIB), fake.content(1, MIB + 512, 3 * MIB));
    assertEquals(await read(source, 3 * MIB, 512), new Uint8Array());
    const asked = fake.since(0, "open read", "ALLOW_EXTENDED_DASD_IO", "read");
    assertEquals(asked.slice(0, 2), [
      "open read \\\\.\\E:",
      "ALLOW_EXTENDED_DASD_IO \\\\.\\E:",
    ]);
  });
});

Deno.test("a file system that has nothing to allow does not stand in the way", async () => {
  for (const error of [ERROR.NOT_SUPPORTED, ERROR.INVALID_FUNCTION, ERROR.INVALID_PARAMETER]) {
    const fake = machine({ refuses: { [windows.FSCTL_ALLOW_EXTENDED_DASD_IO]: error } });
    await withSource(fake, "\\\\.\\E:", async (source) => {
      assertEquals((await read(source, 0, 512)).length, 512);
    });
  }
  const fake = machine({
    refuses: { [windows.FSCTL_ALLOW_EXTENDED_DASD_IO]: ERROR.ACCESS_DENIED },
  });
  await assertRejects(() => open(fake, "\\\\.\\E:"), Error, "ACCESS_DENIED");
  fake.assertNothingOpen();
});

Deno.test("reads at odd places come through, aligned for the disk", async () => {
  for (const sectorSize of [512, 4096]) {
    const fake = machine({ sectorSize });
    await withSource(fake, DISK, async (source) => {
      const places = [[0, 1], [1, 1], [511, 2], [513, 70_000], [4095, 4098], [8 * MIB - 1, 1]];
      for (const [offset = 0, length = 0] of places) {
        const content = fake.content(1, offset, length);
        assertBytes(await read(source, offset, length), content, `${offset}+${length}`);
      }
      using memory = allocateAligned(8192);
      // Aligned memory at an aligned place goes without a copy; at an odd place it does not.
      for (const offset of [4096, 4097]) {
        assertEquals(await source.readAt(offset, memory.bytes), 8192);
        assertBytes(memory.bytes, fake.content(1, offset, 8192), `into memory, ${offset}`);
      }
      const behind = memory.bytes.subarray(100, 1000);
      assertEquals(await source.readAt(5000, behind), 900);
      assertBytes(behind, fake.content(1, 5000, 900), "into a part of memory");
    });
  }
});

Deno.test("what reaches behind the end is short, and what begins there is empty", async () => {
  const fake = machine();
  await withSource(fake, DISK, async (source) => {
    const size = 8 * MIB;
    assertBytes(await read(source, size - 700, 5000), fake.content(1, size - 700, 700));
    for (const offset of [size, size + 1, size + MIB]) {
      assertEquals((await read(source, offset, 512)).length, 0);
    }
    assertEquals((await read(source, 0, 0)).length, 0);
  });
});

// --- How large it is ---

Deno.test("the size is what the driver tells, before what the geometry has", async () => {
  const fake = machine({ geometrySize: 7 * MIB });
  await withSource(fake, DISK, (source) => {
    assertEquals(source.size, 8 * MIB);
    assertEquals(fake.since(0, "read"), []);
  });
});

Deno.test("a disk without a length has the size of its geometry", async () => {
  const fake = machine({ refuses: NO_LENGTH, geometrySize: 8 * MIB - 512 });
  await withSource(fake, DISK, (source) => {
    assertEquals(source.size, 8 * MIB - 512);
    assertEquals(fake.since(0, "read"), []);
  });
});

Deno.test("a volume never takes the size of its disk", async () => {
  const fake = machine({ refuses: NO_LENGTH });
  await withSource(fake, "\\\\.\\E:", (source) => {
    assertEquals(source.size, 3 * MIB);
  });
});

/** Answers behind the end that mean that there is nothing more. */
const ENDS = [0, ERROR.SECTOR_NOT_FOUND, ERROR.INVALID_PARAMETER, ERROR.HANDLE_EOF];

Deno.test("where nothing tells it, reading shows the size to the sector", async () => {
  for (const behindEnd of ENDS) {
    for (const sectors of [1, 2, 3, 4, 5, 1000, 1023, 1024, 1025, 6_000_000_001]) {
      const fake = machine({
        size: sectors * 512,
        refuses: { ...NO_LENGTH, ...NO_GEOMETRY },
        behindEnd,
      });
      await withSource(fake, DISK, (source) => {
        assertEquals(source.size, sectors * 512, `${sectors} sectors, ${behindEnd}`);
        assert(fake.since(0, "read").length < 250, `${fake.record.length} calls`);
      });
    }
  }
});

Deno.test("a sector that cannot be read while looking for the end is there", async () => {
  // These are asked: powers of two on the way up, then middles.
  const bad = Object.fromEntries([1, 4, 512, 768, 999].map((sector) => [sector, ERROR.CRC]));
  const fake = machineWithVolume({ size: 1000 * 512, bad, refuses: NO_LENGTH, behindEnd: 0 });
  await withSource(fake, "\\\\.\\V:", (source) => {
    assertEquals(source.size, 1000 * 512);
  });
});

Deno.test("what cannot even be begun with has no size, and its error is told", async () => {
  const refuses = { ...NO_LENGTH, ...NO_GEOMETRY };
  const fake = machine({ refuses, broken: ERROR.IO_DEVICE });
  const error = await assertRejects(() => open(fake), Error);
  assertStringIncludes(error.message, "ERROR_IO_DEVICE");
  fake.assertNothingOpen();
  const volume = machineWithVolume({ size: MIB, bad: { 0: ERROR.CRC }, refuses: NO_LENGTH });
  await assertRejects(() => open(volume, "\\\\.\\V:"), Error, "ERROR_CRC");
  volume.assertNothingOpen();
});

Deno.test("an empty medium has no bytes", async () => {
  const fake = machineWithVolume({ size: 0, refuses: NO_LENGTH });
  const error = await assertRejects(() => open(fake, "\\\\.\\V:"), Error);
  assertStringIncludes(error.message, "ERROR_NOT_READY");
  fake.assertNothingOpen();
});

Deno.test("the disk's own sectors count, not 512 bytes, when its size is looked for", async () => {
  const fake = machine({
    sectorSize: 4096,
    refuses: {
      ...NO_LENGTH,
      [windows.IOCTL_DISK_GET_DRIVE_GEOMETRY_EX]: ERROR.INVALID_FUNCTION,
    },
  });
  await withSource(fake, DISK, (source) => {
    assertEquals([source.size, source.sectorSize], [8 * MIB, 4096]);
  });
});

// --- What goes wrong ---

Deno.test("a bad sector is a ReadError with the system's name for it", async () => {
  const fake = machine({ bad: { 100: ERROR.CRC, 5000: ERROR.IO_DEVICE } });
  await withSource(fake, DISK, async (source) => {
    const error = await failureOf(source, 100 * 512);
    assertEquals([error.offset, error.osCode, error.kind], [
      51_200,
      "ERROR_CRC",
      "environment",
    ]);
    assertStringIncludes(error.message, `cannot read ${DISK} at byte 51200: `);
    assertEquals((await failureOf(source, 4999 * 512, 2048)).osCode, "ERROR_IO_DEVICE");
    assertBytes(await read(source, 101 * 512, 512), fake.content(1, 101 * 512, 512));
    assertBytes(await read(source, 99 * 512, 512), fake.content(1, 99 * 512, 512));
  });
});

Deno.test("a disk that was pulled out went away; it has no bad sector", async () => {
  const fake = machine();
  await withSource(fake, DISK, async (source) => {
    await read(source, 0, 512);
    fake.change(1, { unplugged: true });
    const error = await failureOf(source, 1024);
    assertEquals([error.osCode, error.offset], ["ENODEV", 1024]);
    assertEquals(error.message, `cannot read ${DISK} at byte 1024: the device went away`);
    assertStringIncludes(error.hint ?? "", "plug it in again");
  });
});

Deno.test("a disk that fails like one with a bad sector is asked whether it is there", async () => {
  const fake = machine({ bad: { 3: ERROR.IO_DEVICE } });
  await withSource(fake, DISK, async (source) => {
    let presence = 0;
    fake.fail = (entry) => entry.startsWith("STORAGE_CHECK_VERIFY2") ? presence : undefined;
    for (const gone of [ERROR.DEVICE_NOT_CONNECTED, ERROR.NOT_READY, ERROR.NO_MEDIA_IN_DRIVE]) {
      presence = gone;
      assertEquals((await failureOf(source, 3 * 512)).osCode, "ENODEV", `${gone}`);
    }
    // It answers that it does not know the question: so it is there.
    presence = ERROR.INVALID_FUNCTION;
    assertEquals((await failureOf(source, 3 * 512)).osCode, "ERROR_IO_DEVICE");
  });
});

Deno.test("a card that was taken out is not looked for again", async () => {
  for (const error of [ERROR.NOT_READY, ERROR.NO_MEDIA_IN_DRIVE]) {
    const fake = machine();
    await withSource(fake, DISK, async (source) => {
      fake.change(1, { broken: error });
      const start = fake.record.length;
      assertEquals((await failureOf(source, 0)).osCode, "ENODEV");
      assertEquals(fake.since(start, "STORAGE_CHECK_VERIFY2"), []);
    });
  }
});

Deno.test("a device that refuses every read says so, for all of it", async () => {
  const cases = [
    [ERROR.INVALID_FUNCTION, "ERROR_INVALID_FUNCTION"],
    [ERROR.NOT_SUPPORTED, "ERROR_NOT_SUPPORTED"],
    [ERROR.ACCESS_DENIED, "ERROR_ACCESS_DENIED"],
  ] as const;
  for (const [number, code] of cases) {
    const fake = machine({ broken: number });
    await withSource(fake, DISK, async (source) => {
      const error = await failureOf(source, 0);
      assertEquals(error.osCode, code);
      assert(REFUSED.includes(error.osCode), `${code} must not be taken for a bad sector`);
    });
  }
});

// --- Files, and opening ---

Deno.test("a file is read at every place", async () => {
  const content = patternBytes(100_001, { seed: 7 });
  for (const direct of [false, true]) {
    const file = machine();
    {
      await using source = await open(file, "C:\\card.img", { direct });
      assertEquals([source.size, source.name, source.sectorSize], [
        100_001,
        "C:\\card.img",
        512,
      ]);
      assertBytes(await read(source, 0, 200_000), content);
      assertBytes(await read(source, 777, 10_000), content.subarray(777, 10_777));
      assertBytes(await read(source, 99_000, 5000), content.subarray(99_000));
      assertEquals((await read(source, 100_001, 10)).length, 0);
    }
    file.assertNothingOpen();
    assertEquals(file.disposals, 1);
    assertEquals(file.since(0, "STORAGE_CHECK_VERIFY2"), []);
  }
});

Deno.test("whatever fails in between, a source leaves nothing open", async () => {
  for (const path of ["E:", "\\\\.\\E:", "C:\\card.img"]) {
    const whole = machine();
    await (await open(whole, path))[Symbol.asyncDispose]();
    assert(whole.record.length > 8);
    for (let step = 0; step < whole.record.length; step++) {
      const fake = machine();
      fake.fail = (entry, index) =>
        index === step && !entry.startsWith("close") ? ERROR.GEN_FAILURE : undefined;
      try {
        await (await open(fake, path))[Symbol.asyncDispose]();
      } catch (error) {
        const told = /ERROR_GEN_FAILURE|cannot tell which disk Windows runs from/;
        assertMatch(error instanceof Error ? error.message : "", told);
      }
      assertEquals(fake.openPaths(), [], `${path}, ${whole.record[step]}`);
    }
  }
});

Deno.test("a disk that may not be opened: the system's answer, and nothing open", async () => {
  const fake = machine({}, { elevated: false });
  await assertRejects(() => open(fake), Error, "ERROR_ACCESS_DENIED");
  fake.assertNothingOpen();
});

// --- What hangs ---

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

/** The machine on two threads: what is open on one is open on both. */
async function hangingDisk(path: string, disk: Partial<DiskPlan> = {}): Promise<{
  readonly source: BlockSource;
  readonly first: FakeWindows;
  readonly second: FakeWindows;
}> {
  const first = machine(disk);
  const second = machine(disk);
  const source = await openWindowsSource(first, path, {}, true, () => second);
  first.hangs = "read ";
  return { source, first, second };
}

Deno.test("a disk or volume that hangs is opened again on another thread, read-only", async () => {
  for (
    const [path, node, start] of [[DISK, DISK, 0], [
      "\\\\.\\E:",
      "\\\\.\\E:",
      MIB + 512,
    ]] as const
  ) {
    const { source, first, second } = await hangingDisk(path);
    const hung = source.readAt(512, new Uint8Array(512));
    const behind = source.readAt(1024, new Uint8Array(100));
    await underWay();
    const returned = source.abandon?.();
    assertEquals(await codesOf(hung, behind), ["ETIMEDOUT", "ETIMEDOUT"]);
    assertEquals(second.since(0, "open read", "open write"), [`open read ${node}`]);
    assertBytes(await read(source, 512, 512), second.content(1, start + 512, 512));
    assertEquals([first.openPaths(), first.disposals], [[node], 0]);
    first.hangs = undefined;
    first.hanging.answer();
    await returned;
    assertEquals([first.openPaths(), first.disposals], [[], 1]);
    await source[Symbol.asyncDispose]();
    assertEquals([second.openPaths(), second.disposals], [[], 1]);
  }
});

Deno.test("where another disk is in its place, one that hangs went away", async () => {
  const others: Partial<DiskPlan>[] = [
    { serial: "another" },
    { size: 7 * MIB },
    { mediaChanges: 2 },
    { unplugged: true },
  ];
  for (const other of others) {
    const one = { serial: "one", mediaChanges: 1 };
    const { source, first, second } = await hangingDisk(DISK, one);
    second.change(1, other);
    const hung = source.readAt(0, new Uint8Array(512));
    await underWay();
    assert(source.abandon?.() !== undefined);
    const later = source.readAt(0, new Uint8Array(512));
    assertEquals(await codesOf(hung, later), ["ENODEV", "ENODEV"], JSON.stringify(other));
    assertEquals(source.abandon?.(), undefined);
    await source[Symbol.asyncDispose]();
    // What hangs stays open: nobody can close it.
    assertEquals([second.openPaths(), second.disposals], [[], 1]);
    assertEquals([first.openPaths(), first.disposals], [[DISK], 0]);
  }
});

Deno.test("a file, and a disk without further threads, are waited for", async () => {
  for (const path of ["C:\\card.img", DISK]) {
    await using source = await open(machine(), path);
    assertEquals(source.abandon, undefined);
  }
});
