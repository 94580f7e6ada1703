import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import { makeUnpackService } from "../../src/copy/unpack/unpack_service.ts";
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import { FormatError, ReadError } from "../../src/core/errors.ts";
import type { Packing, UnpackedStream } from "../../src/core/unpack.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { needs } from "../support/tools.ts";
import {
  deflated,
  diskContent,
  gzipped,
  joined,
  pipeThrough,
  unpackAll,
} from "./unpack_tools.ts";
import { NewWorkers } from "./worker_threads.ts";

const MIB = 1024 * 1024;

/** Everything on a thread, and everything where it is asked for. */
const SERVICES = [
  { name: "on a thread", smallBytes: 0 },
  { name: "on the spot", smallBytes: Infinity },
];

/** A file that remembers how it is read, and can be slow or fail. */
class WatchedFile implements BlockSource {
  readonly name = "packed";
  readonly size: number;
  readonly sectorSize = 512;
  readonly #bytes: Bytes;
  readBytes = 0;
  readsUnderWay = 0;
  /** Reads from here on fail. */
  failsFrom = Infinity;
  /** What each read waits for. */
  wait: (offset: number) => Promise<void> = () => Promise.resolve();

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
    this.size = bytes.length;
  }

  async readAt(offset: number, into: Bytes): Promise<number> {
    assertEquals(offset, this.readBytes, "it is read in order");
    assertEquals(this.readsUnderWay, 0, "reads do not overlap");
    this.readsUnderWay++;
    await this.wait(offset);
    this.readsUnderWay--;
    if (offset + into.length > this.failsFrom) throw new ReadError("no more", this.failsFrom);
    const piece = this.#bytes.subarray(offset, offset + into.length);
    into.set(piece);
    this.readBytes += piece.length;
    return piece.length;
  }

  [Symbol.asyncDispose](): Promise<void> {
    throw new Error("It is not the service's to close");
  }
}

async function readAll(stream: UnpackedStream, portionBytes = 333_333): Promise<Bytes> {
  const parts: Uint8Array[] = [];
  for (;;) {
    const into = new Uint8Array(portionBytes);
    const length = await stream.read(into);
    if (length === 0) return joined(...parts);
    parts.push(into.subarray(0, length));
    if (length < into.length) assertEquals(await stream.read(into), 0);
  }
}

for (const { name, smallBytes } of SERVICES) {
  Deno.test(`unpacked ${name}: every packing, in any portions`, {
    ignore: needs("gzip", "zstd", "xz", "bzip2", "lz4"),
  }, async () => {
    const content = diskContent(5_000_000, 2);
    const packings: [Packing, Bytes][] = [
      ["gzip", await pipeThrough(["gzip", "-c"], content)],
      ["zstd", await pipeThrough(["zstd", "-c"], content)],
      ["xz", await pipeThrough(["xz", "-1", "-c"], content)],
      ["bzip2", await pipeThrough(["bzip2", "-c"], content)],
      ["lz4", await pipeThrough(["lz4", "-c"], content)],
      ["deflate", deflated(content)],
    ];
    for (const [packing, packed] of packings) {
      for (const readBytes of [77_777, 4 * MIB, 8_000_000]) {
        const found = await unpackAll(packing, packed, { smallBytes, readBytes });
        assertBytes(found, content, `${packing} in ${readBytes} bytes`);
      }
    }
  });

  Deno.test(`unpacked ${name}: nothing is read before something is asked for`, async () => {
    const file = new WatchedFile(gzipped(diskContent(100_000)));
    {
      await using stream = makeUnpackService({ smallBytes }).unpack("gzip", file);
      assertEquals(stream.packedBytes, 0);
    }
    assertEquals(file.readBytes, 0);
  });

  Deno.test(`unpacked ${name}: an empty content, an empty file`, async () => {
    const service = makeUnpackService({ smallBytes });
    const empty = gzipped(new Uint8Array());
    await using stream = service.unpack("gzip", new MemorySource("packed", empty));
    assertEquals(await stream.read(new Uint8Array(10)), 0);
    assertEquals(stream.packedBytes, empty.length);
    for (const packing of ["gzip", "zstd", "xz", "bzip2", "lz4", "deflate"] as const) {
      await using none = service.unpack(packing, new MemorySource("none", new Uint8Array()));
      const error = await assertRejects(() => none.read(new Uint8Array(10)), FormatError);
      assertEquals(error.offset, 0);
    }
  });

  Deno.test(`unpacked ${name}: damage is an error, again and again, never an end`, async () => {
    const content = patternBytes(3_000_000);
    const packed = gzipped(content);
    packed[packed.length - 6] = (packed.at(-6) ?? 0) ^ 1;
    const file = new WatchedFile(packed);
    await using stream = makeUnpackService({ smallBytes }).unpack("gzip", file);
    const error = await assertRejects(() => readAll(stream), FormatError);
    assertStringIncludes(error.message, "CRC-32 is wrong");
    assertEquals([error.offset, error.field, error.kind], [
      packed.length - 8,
      "CRC32",
      "corrupt",
    ]);
    for (let again = 0; again < 2; again++) {
      await assertRejects(() => stream.read(new Uint8Array(10)), FormatError, "CRC-32");
    }
  });

  Deno.test(
    `unpacked ${name}: a hint comes with the error`,
    { ignore: needs("xz") },
    async () => {
      const packed = await pipeThrough(["xz", "-c", "--x86", "--lzma2"], diskContent(1000));
      const file = new MemorySource("packed", packed);
      await using stream = makeUnpackService({ smallBytes }).unpack("xz", file);
      const error = await assertRejects(() => readAll(stream), FormatError);
      assertEquals(error.hint, "unpack it with xz");
    },
  );

  Deno.test(`unpacked ${name}: a file that fails is a ReadError, never an end`, async () => {
    const file = new WatchedFile(gzipped(patternBytes(6_000_000)));
    file.failsFrom = 3_000_000;
    await using stream = makeUnpackService({ smallBytes }).unpack("gzip", file);
    const error = await assertRejects(() => readAll(stream), ReadError);
    assertEquals(error.offset, 3_000_000);
    await assertRejects(() => stream.read(new Uint8Array(10)), ReadError);
  });

  Deno.test(`unpacked ${name}: progress grows from nothing to all`, async () => {
    const packed = gzipped(patternBytes(9_000_000));
    const file = new MemorySource("packed", packed);
    await using stream = makeUnpackService({ smallBytes }).unpack("gzip", file);
    const seen = [stream.packedBytes];
    while (await stream.read(new Uint8Array(1_000_000)) > 0) seen.push(stream.packedBytes);
    seen.push(stream.packedBytes);
    assertEquals(seen.toSorted((a, b) => a - b), seen);
    assertEquals([seen[0], seen.at(-1)], [0, packed.length]);
    const half = seen[Math.floor(seen.length / 2)] ?? 0;
    assert(half > packed.length / 4 && half < packed.length * 0.9, `${half} in the middle`);
  });

  Deno.test(`unpacked ${name}: closing waits for the file, and ends reads`, async () => {
    const file = new WatchedFile(gzipped(patternBytes(3_000_000)));
    const gate = Promise.withResolvers<void>();
    file.wait = (offset) => offset > 0 ? gate.promise : Promise.resolve();
    const stream = makeUnpackService({ smallBytes }).unpack("gzip", file);
    const reading = stream.read(new Uint8Array(4_000_000));
    const failed = assertRejects(() => reading, Error, "was closed");
    while (file.readsUnderWay === 0 || file.readBytes === 0) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    let isClosed = false;
    const closing = Promise.resolve(stream[Symbol.asyncDispose]()).then(() => isClosed = true);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assertEquals(isClosed, false);
    gate.resolve();
    await closing;
    await failed;
    assertEquals(file.readsUnderWay, 0);
    await assertRejects(() => stream.read(new Uint8Array(1)), Error, "was closed");
  });
}

Deno.test("what is unpacked ahead is bounded, and so is what is read ahead", async () => {
  const file = new WatchedFile(gzipped(patternBytes(40 * MIB), { level: 0 }));
  await using stream = makeUnpackService({ smallBytes: 0 }).unpack("gzip", file);
  await stream.read(new Uint8Array(1));
  let before = -1;
  while (before !== file.readBytes) {
    before = file.readBytes;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert(file.readBytes >= 8 * MIB, `${file.readBytes} bytes were read`);
  assert(file.readBytes <= 14 * MIB, `${file.readBytes} bytes were read`);
});

Deno.test("a bomb is unpacked in bounded memory, and can be left at any time", async () => {
  // 1 MiB that stands for 1 GiB.
  const part = deflated(new Uint8Array(64 * MIB), { level: 9, finishFlush: 3 });
  const bomb = joined(...Array.from({ length: 16 }, () => part));
  for (const { smallBytes } of SERVICES) {
    await using stream = makeUnpackService({ smallBytes })
      .unpack("deflate", new MemorySource("bomb", bomb));
    for (let reads = 0; reads < 3; reads++) {
      assertEquals(await stream.read(new Uint8Array(MIB)), MIB);
    }
    assert(stream.packedBytes < 20_000, `${stream.packedBytes} bytes were used`);
  }
});

Deno.test("a thread runs for a stream only as long as it is needed", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  const workers = new NewWorkers();
  const service = makeUnpackService({ smallBytes: 0 });
  const packed = gzipped(patternBytes(20_000_000));
  {
    await using first = service.unpack("gzip", new MemorySource("first", packed));
    await using second = service.unpack("gzip", new MemorySource("second", packed));
    assertEquals(workers.count, 0);
    await first.read(new Uint8Array(10));
    await second.read(new Uint8Array(10));
    await workers.become(2);
    await readAll(first);
    await workers.become(1);
  }
  await workers.become(0);
  const small = makeUnpackService();
  await using stream = small.unpack(
    "gzip",
    new MemorySource("small", packed.slice(0, 100_000)),
  );
  await stream.read(new Uint8Array(10));
  assertEquals(workers.count, 0);
});
