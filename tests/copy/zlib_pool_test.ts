import { Buffer } from "node:buffer";
import { crc32, inflateRawSync } from "node:zlib";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { allocateAligned } from "../../ffi/memory.ts";
import { ZlibPool } from "../../src/copy/zlib_pool.ts";
import type { Bytes } from "../../src/core/block.ts";
import type { ZlibLevel } from "../../src/core/zlib.ts";
import { adler32 } from "../../src/formats/ewf/adler32.ts";
import { patternBytes } from "../support/pattern.ts";
import { run, shell } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";
import { pythonPack, type PythonSettings, pythonUnpack } from "./python_zlib.ts";
import { NewWorkers } from "./worker_threads.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const PIECE_BYTES = 32 * KIB;
const LEVELS: readonly ZlibLevel[] = [0, 1, 6, 9];

/** Words, noise and zeros in turn, in stretches of any length: as on a disk. */
function mixedBytes(length: number, seed: number): Bytes {
  const next = seededNumbers(seed);
  const words = Array.from({ length: 64 }, () => `word${next(1000)} `).join("");
  const text = new TextEncoder().encode(words);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const part = bytes.subarray(at, at + 1 + next(100_000));
    const kind = next(3);
    if (kind === 0) part.set(patternBytes(part.length, { seed: next(1000) }));
    if (kind === 1) {
      for (let i = 0; i < part.length; i++) part[i] = text[i % text.length] ?? 0;
    }
    at += part.length;
  }
  return bytes;
}

/** The bytes in pieces. */
function piecesOf(bytes: Bytes, pieceBytes: number): Bytes[] {
  const count = Math.ceil(bytes.length / pieceBytes);
  return Array.from(
    { length: count },
    (_, index) => bytes.subarray(index * pieceBytes, (index + 1) * pieceBytes),
  );
}

function totalBytes(parts: readonly Bytes[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

/** Compares without writing megabytes into a message. */
function assertSame(
  actual: readonly (Bytes | undefined)[],
  expected: readonly (Bytes | undefined)[],
  message: string,
): void {
  assertEquals(actual.length, expected.length, message);
  for (const [index, piece] of expected.entries()) {
    const found = actual[index];
    const same = found === undefined || piece === undefined
      ? found === piece
      : found.length === piece.length && found.every((byte, at) => byte === piece[at]);
    assert(same, `${message}: piece ${index} of ${expected.length}`);
  }
}

/** The outcome of something that might never end. */
async function outcomeOf(work: Promise<unknown>): Promise<string> {
  const late = Promise.withResolvers<string>();
  const timer = setTimeout(() => late.resolve("nothing came"), 10_000);
  const outcome = await Promise.race([
    work.then(() => "resolved", () => "rejected"),
    late.promise,
  ]);
  clearTimeout(timer);
  return outcome;
}

for (
  const [length, pieceBytes] of [
    [0, PIECE_BYTES],
    [1, PIECE_BYTES],
    [PIECE_BYTES - 1, PIECE_BYTES],
    [PIECE_BYTES, PIECE_BYTES],
    [PIECE_BYTES + 1, PIECE_BYTES],
    [256 * KIB - 1, PIECE_BYTES],
    [256 * KIB, PIECE_BYTES],
    [256 * KIB + 1, PIECE_BYTES],
    [2 * MIB, PIECE_BYTES],
    [2 * MIB + 7, 30_001],
    [300 * KIB, 257],
    [3 * MIB, MIB],
    [3 * MIB - 1, 16 * MIB],
  ] as const
) {
  Deno.test({
    name: `Python unpacks ${length} bytes that were packed by ${pieceBytes}`,
    ignore: needs("python3"),
    async fn(): Promise<void> {
      using pool = new ZlibPool();
      using native = allocateAligned(length);
      native.bytes.set(mixedBytes(length, length + 1));
      // Ordinary memory, and such that begins anywhere.
      const shifted = new Uint8Array(length + 3).subarray(3);
      shifted.set(native.bytes);
      const expected = piecesOf(shifted, pieceBytes);
      for (const level of LEVELS) {
        const packed = await pool.deflate(native.bytes, pieceBytes, level);
        assertSame(await pythonUnpack(packed), expected, `level ${level}`);
        const other = await pool.deflate(shifted, pieceBytes, level);
        assertSame(other, packed, `level ${level}, of ordinary memory`);
        const unpacked = await pool.inflate(packed, pieceBytes);
        assertSame(unpacked, expected, `level ${level}, read again`);
      }
    },
  });
}

Deno.test({
  name: "streams are as small as zlib's, and the smaller the higher the level",
  ignore: needs("python3"),
  async fn(): Promise<void> {
    const bytes: Bytes = (await Deno.readFile(Deno.execPath())).subarray(8 * MIB, 16 * MIB);
    using pool = new ZlibPool();
    const sizes: number[] = [];
    for (const level of [0, 1, 6, 9] as const) {
      const ours = totalBytes(await pool.deflate(bytes, PIECE_BYTES, level));
      const most = totalBytes(await pythonPack(bytes, PIECE_BYTES, { level })) * 1.05;
      assert(ours <= most, `level ${level}: ${ours}, at most ${most}`);
      sizes.push(ours);
    }
    assertEquals(sizes.toSorted((a, b) => b - a), sizes);
  },
});

Deno.test("deflate blocks of pieces, with their CRC-32 and the room that was asked for", async () => {
  using pool = new ZlibPool({ threads: 2 });
  for (
    const [length, pieceBytes] of [[100_000, 30_000], [3 * MIB + 5, MIB], [2 * MIB, 100_000]]
  ) {
    const bytes = mixedBytes(length ?? 0, 21);
    const form = { packing: "deflate", level: 6, before: 21, after: 8 } as const;
    const packed = await pool.pack(bytes, pieceBytes ?? 1, form);
    const expected = piecesOf(bytes, pieceBytes ?? 1);
    assertEquals(packed.map((piece) => piece.crc32), expected.map((piece) => crc32(piece)));
    const unpacked = packed.map((piece) =>
      Uint8Array.from(inflateRawSync(piece.bytes.subarray(21, -8)))
    );
    assertSame(unpacked, expected, `${length}`);
    // The room of one is not that of another.
    for (const piece of packed) piece.bytes.fill(1, 0, 21).fill(2, piece.bytes.length - 8);
    const again = packed.map((piece) =>
      Uint8Array.from(inflateRawSync(piece.bytes.subarray(21, -8)))
    );
    assertSame(again, expected, `${length}, with the room used`);
  }
});

Deno.test({
  name: "frames and members of pieces are read by zstd and gzip, and theirs by us",
  ignore: needs("zstd", "gzip"),
  async fn(): Promise<void> {
    using pool = new ZlibPool({ threads: 2 });
    await using folder = await TemporaryFolder.create();
    const bytes = mixedBytes(3 * MIB + 5, 22);
    for (const level of [1, 3, 12]) {
      const packed = await pool.pack(bytes, MIB, { packing: "zstd", level });
      const frames = packed.map((piece) => piece.bytes);
      const path = await folder.write("frames.zst", Buffer.concat(frames));
      await run("zstd", ["-q", "-d", "-f", path, "-o", folder.file("plain")]);
      assertSame([await Deno.readFile(folder.file("plain"))], [bytes], "zstd");
      assertSame(await pool.unpack(frames, MIB, "zstd"), piecesOf(bytes, MIB), "frames");
      const tight = await pool.unpack(frames, MIB - 1, "zstd");
      assertEquals(tight.map((piece) => piece?.length), [undefined, undefined, undefined, 5]);
    }
    for (const [tool, packing] of [["gzip", "gzip"], ["zstd", "zstd"]] as const) {
      const theirs: Bytes[] = [];
      for (const piece of piecesOf(bytes, MIB)) {
        const path = await folder.write("piece", piece);
        await shell(`${tool} -c "$1" > "$1.packed"`, path);
        theirs.push(await Deno.readFile(`${path}.packed`));
      }
      assertSame(await pool.unpack(theirs, MIB, packing), piecesOf(bytes, MIB), tool);
      const spoiled = theirs.map((piece, index) =>
        flipped(piece, piece.length - 5 + index % 2)
      );
      const read = await pool.unpack([...theirs, ...spoiled], MIB, packing);
      assertSame(read.slice(0, 4), piecesOf(bytes, MIB), `${tool}, beside damage`);
      for (const [index, piece] of read.slice(4).entries()) {
        const content = piecesOf(bytes, MIB)[index];
        assert(piece === undefined || !piece.every((byte, at) => byte === content?.[at]));
      }
    }
  },
});

Deno.test("of pieces that do not get shorter the checksum alone can be kept", async () => {
  using pool = new ZlibPool({ threads: 2 });
  for (const length of [4 * PIECE_BYTES, 3 * MIB + 1000]) {
    const bytes = mixedBytes(length, 5);
    crypto.getRandomValues(bytes.subarray(PIECE_BYTES, 2 * PIECE_BYTES));
    const whole = await pool.deflate(bytes, PIECE_BYTES, 1);
    const kept = await pool.deflate(bytes, PIECE_BYTES, 1, true);
    const pieces = piecesOf(bytes, PIECE_BYTES);
    const isShorter = pieces.map((piece, index) => (whole[index]?.length ?? 0) < piece.length);
    assertEquals(new Set(isShorter).size, 2);
    assertSame(
      kept,
      whole.map((stream, index) => isShorter[index] ? stream : stream.subarray(-4)),
      `${length}`,
    );
  }
});

Deno.test("checksums of pieces, on this thread and on others", async () => {
  using pool = new ZlibPool({ threads: 2 });
  for (const length of [0, 1, 100_000, 2 * MIB + 77]) {
    const bytes = mixedBytes(length, 23);
    const expected = piecesOf(bytes, PIECE_BYTES);
    const sums = await pool.checksums(bytes, PIECE_BYTES, "crc32");
    assertEquals([...sums], expected.map((piece) => crc32(piece)));
    const others = await pool.checksums(bytes, PIECE_BYTES, "adler32");
    assertEquals([...others], expected.map((piece) => adler32(piece)));
  }
  // RFC 1950 has no example; this is zlib.adler32(b"Wikipedia") of Python.
  const text = new TextEncoder().encode("Wikipedia");
  assertEquals([...await pool.checksums(text, 9, "adler32")], [0x11e60398]);
  await assertRejects(() => pool.checksums(text, 0, "crc32"), RangeError);
});

const SETTINGS: Readonly<Record<string, PythonSettings>> = {
  "stored": { level: 0 },
  "fast": { level: 1 },
  "best": { level: 9 },
  "a small window": { windowBits: 9 },
  "no repetitions": { strategy: 2 },
  "runs": { strategy: 3 },
  "fixed codes": { strategy: 4 },
};

for (const [name, settings] of Object.entries(SETTINGS)) {
  Deno.test({
    name: `what Python packed is read: ${name}`,
    ignore: needs("python3"),
    async fn(): Promise<void> {
      using pool = new ZlibPool();
      for (const length of [100_000, 1_000_001]) {
        const bytes = mixedBytes(length, 5);
        const streams = await pythonPack(bytes, PIECE_BYTES, settings);
        const expected = piecesOf(bytes, PIECE_BYTES);
        assertSame(await pool.inflate(streams, PIECE_BYTES), expected, `${length}`);
        // One byte less is too little for all but the last.
        const tight = await pool.inflate(streams, PIECE_BYTES - 1);
        const last = expected.map((piece) => piece.length < PIECE_BYTES ? piece : undefined);
        assertSame(tight, last, `${length}, with too little room`);
        assertSame(await pool.inflate(streams, 3 * MIB), expected, `${length}, much room`);
        const longer = streams.map((stream, index) => {
          const whole = new Uint8Array(stream.length + index).fill(0x78);
          whole.set(stream);
          return whole;
        });
        assertSame(await pool.inflate(longer, PIECE_BYTES), expected, "bytes behind the end");
      }
    },
  });
}

Deno.test({
  name: "a stream that is damaged, cut or something else is undefined; the others are read",
  ignore: needs("python3"),
  async fn(): Promise<void> {
    using pool = new ZlibPool();
    const bytes = mixedBytes(2 * MIB, 6);
    const pieces = piecesOf(bytes, PIECE_BYTES);
    const good = await pythonPack(bytes, PIECE_BYTES);
    const gzip = await pythonPack(bytes, PIECE_BYTES, { windowBits: 31 });
    const bare = await pythonPack(bytes, PIECE_BYTES, { windowBits: -15 });
    const next = seededNumbers(7);
    const spoil: readonly ((stream: Bytes, index: number) => Bytes)[] = [
      (stream) => stream.subarray(0, stream.length - 1),
      (stream) => stream.subarray(0, next(stream.length)),
      () => new Uint8Array(),
      (stream) => flipped(stream, stream.length - 1 - next(4)),
      (stream) => flipped(stream, next(2)),
      // With a dictionary that nobody has (RFC 1950, 2.2): FDICT, and a right check.
      (stream) => Uint8Array.of(0x78, 0xbb, 1, 2, 3, 4, ...stream.subarray(2)),
      (_, index) => gzip[index] ?? new Uint8Array(),
      (_, index) => bare[index] ?? new Uint8Array(),
      () => new Uint8Array(1000),
      () => patternBytes(1000, { seed: next(1000) }),
    ];
    for (const count of [good.length, 5]) {
      const mixed = good.slice(0, count).map((stream, index) =>
        index % 3 === 0 ? stream : spoil[index % spoil.length]?.(stream, index) ?? stream
      );
      const expected = pieces.slice(0, count)
        .map((piece, index) => index % 3 === 0 ? piece : undefined);
      assertSame(await pool.inflate(mixed, PIECE_BYTES), expected, `of ${count}`);
    }
  },
});

function flipped(bytes: Bytes, at: number): Bytes {
  const copy = bytes.slice();
  copy[at] = ~(copy[at] ?? 0);
  return copy;
}

Deno.test("a flipped byte anywhere never gives other bytes than those packed", async () => {
  using pool = new ZlibPool();
  const bytes = mixedBytes(20_000, 8);
  const [stream = new Uint8Array()] = await pool.deflate(bytes, bytes.length, 6);
  const all = Array.from(stream, (_, at) => flipped(stream, at));
  const read = await pool.inflate(all, bytes.length);
  assertEquals(read.length, stream.length);
  // The check sum finds every change of a single byte, so none may come out.
  assertEquals(read.findIndex((each) => each !== undefined), -1);
});

Deno.test({
  name: "streams that hold far more than they may take no memory and no time",
  ignore: needs("python3"),
  async fn(): Promise<void> {
    using pool = new ZlibPool({ threads: 2 });
    const [bomb = new Uint8Array()] = await pythonPack(new Uint8Array(64 * MIB), 64 * MIB);
    assert(bomb.length < 70_000);
    const bombs = Array.from({ length: 400 }, () => bomb);
    const before = Deno.memoryUsage().rss;
    const start = performance.now();
    const read = await pool.inflate(bombs, PIECE_BYTES);
    assertEquals(read, bombs.map(() => undefined));
    // They hold 25 GiB.
    assert(Deno.memoryUsage().rss - before < 200 * MIB, "takes memory");
    assert(performance.now() - start < 10_000, "takes time");
    const [whole] = await pool.inflate([bomb], 64 * MIB);
    assertEquals(whole?.length, 64 * MIB);
    assertEquals(whole?.findIndex((byte) => byte !== 0), -1);
    assertEquals(await pool.inflate([bomb], 64 * MIB - 1), [undefined]);
  },
});

Deno.test("many calls at once keep apart, and each is in order", async () => {
  using pool = new ZlibPool({ threads: 3 });
  const next = seededNumbers(9);
  await Promise.all(Array.from({ length: 40 }, async (_, index) => {
    const bytes = mixedBytes(next(1_500_000), index + 100);
    const pieceBytes = [4096, PIECE_BYTES, 100_000, 600_000][index % 4] ?? 1;
    using native = allocateAligned(bytes.length);
    native.bytes.set(bytes);
    const packed = await pool.deflate(
      index % 2 ? bytes : native.bytes,
      pieceBytes,
      LEVELS[next(4)] ?? 1,
    );
    const unpacked = await pool.inflate(packed, pieceBytes);
    assertSame(unpacked, piecesOf(bytes, pieceBytes), `call ${index}`);
  }));
});

Deno.test("streams in small arrays of their own are read where they lie", async () => {
  using pool = new ZlibPool({ threads: 2 });
  const packed = await pool.deflate(new Uint8Array(8 * MIB), PIECE_BYTES, 9);
  assert(
    packed.every(({ length }) => length < 64),
    "the runtime keeps arrays of up to 64 bytes elsewhere",
  );
  const works = Array.from({ length: 20 }, () => {
    const streams = packed.map((stream) => Uint8Array.from(stream));
    const work = pool.inflate(streams, PIECE_BYTES);
    // Makes the garbage collector move what is young.
    for (let i = 0; i < 100_000; i++) Uint8Array.of(i);
    return work;
  });
  for (const pieces of await Promise.all(works)) {
    assertEquals(pieces.filter((piece) => piece?.length !== PIECE_BYTES), []);
  }
});

Deno.test("zeros come out as zeros, of every length, also when an answer was changed", async () => {
  using pool = new ZlibPool({ threads: 1 });
  for (let round = 0; round < 2; round++) {
    for (let pieceBytes = 30_000; pieceBytes < 30_020; pieceBytes++) {
      const packed = await pool.deflate(new Uint8Array(MIB), pieceBytes, 1);
      const unpacked = await pool.inflate(packed, pieceBytes);
      assertSame(unpacked, piecesOf(new Uint8Array(MIB), pieceBytes), `${pieceBytes}`);
      for (const stream of packed) stream.fill(0xff);
    }
  }
});

Deno.test("pieces of no size are refused", async () => {
  using pool = new ZlibPool();
  for (const pieceBytes of [0, -1, 0.5, NaN, Infinity]) {
    await assertRejects(() => pool.deflate(new Uint8Array(10), pieceBytes, 1), RangeError);
  }
});

Deno.test({
  name: "threads are started by the first large call, as many as were asked for",
  ignore: Deno.build.os !== "linux",
  async fn(): Promise<void> {
    const workers = new NewWorkers();
    {
      using pool = new ZlibPool({ threads: 3 });
      const packed = await pool.deflate(patternBytes(255 * KIB), PIECE_BYTES, 1);
      await pool.inflate(packed.slice(0, 7), PIECE_BYTES);
      await new Promise((resolve) => setTimeout(resolve, 50));
      assertEquals(workers.count, 0);
      for (let i = 0; i < 3; i++) await pool.deflate(new Uint8Array(2 * MIB), PIECE_BYTES, 1);
      assertEquals(workers.count, 3);
    }
    await workers.become(0);
    {
      using pool = new ZlibPool({ threads: 1000 });
      await pool.deflate(new Uint8Array(32 * MIB), PIECE_BYTES, 0);
      assertEquals(workers.count, 16);
    }
    await workers.become(0);
    {
      using pool = new ZlibPool({ threads: 0 });
      await pool.inflate(Array.from({ length: 1000 }, () => new Uint8Array(100)), MIB);
      assertEquals(workers.count, 1);
    }
    await workers.become(0);
  },
});

Deno.test({
  name: "calls under way are rejected at the end, when their memory is free; no thread stays",
  ignore: Deno.build.os !== "linux",
  async fn(): Promise<void> {
    const workers = new NewWorkers();
    const streams = await new ZlibPool().deflate(mixedBytes(200_000, 10), PIECE_BYTES, 6);
    // It takes some time to pack programs.
    const program = (await Deno.readFile(Deno.execPath())).subarray(8 * MIB, 10 * MIB);
    for (let round = 0; round < 20; round++) {
      const pool = new ZlibPool({ threads: 2 });
      const calls = Array.from({ length: 30 }, async () => {
        using native = allocateAligned(program.length);
        native.bytes.set(program);
        // At the end of this scope the memory is gone: who looks at it then dies.
        await pool.deflate(native.bytes, PIECE_BYTES, 9);
      });
      const many = Array.from({ length: 500 }, () => [...streams]).flat();
      calls.push(pool.inflate(many, PIECE_BYTES).then(() => {}));
      await new Promise((resolve) => setTimeout(resolve, round * 5));
      pool[Symbol.dispose]();
      const outcomes = await Promise.all(calls.map(outcomeOf));
      // The first may have been done by then.
      assertEquals(outcomes.slice(25), calls.slice(25).map(() => "rejected"), `${round}`);
      assert(!outcomes.includes("nothing came"));
      await assertRejects(() => pool.deflate(new Uint8Array(10), 10, 1), Error, "ended");
      await assertRejects(() => pool.inflate([], 10), Error, "ended");
    }
    await workers.become(0);
  },
});

Deno.test("a thread that dies rejects what it had; others and later calls go on", async () => {
  using pool = new ZlibPool({ threads: 2 });
  const bytes = mixedBytes(2 * MIB, 11);
  for (let round = 0; round < 3; round++) {
    const wrong = pool.deflate(bytes, bytes.length, 42 as ZlibLevel);
    await assertRejects(() => wrong, Error, "died");
    const packed = await pool.deflate(bytes, PIECE_BYTES, 1);
    const unpacked = await pool.inflate(packed, PIECE_BYTES);
    assertSame(unpacked, piecesOf(bytes, PIECE_BYTES), `round ${round}`);
  }
  // Of many parts the first that fails is enough.
  await assertRejects(() =>
    pool.deflate(mixedBytes(16 * MIB, 12), PIECE_BYTES, 42 as ZlibLevel)
  );
  // On this thread nothing dies.
  await assertRejects(() => pool.deflate(bytes.subarray(0, 1000), 100, 42 as ZlibLevel));
});

Deno.test({
  name: "what was packed is put in its place where there is room, by the threads and without",
  ignore: needs("python3"),
  async fn(): Promise<void> {
    using pool = new ZlibPool({ threads: 2 });
    for (const count of [3, 40]) {
      const bytes = mixedBytes(count * PIECE_BYTES - 100, count);
      const pieces = piecesOf(bytes, PIECE_BYTES);
      const streams = [...await pythonPack(bytes, PIECE_BYTES, { level: 6 })];
      streams[1] = (streams[1] ?? bytes).slice(0, 20);
      using memory = allocateAligned(count * PIECE_BYTES);
      memory.bytes.fill(0xaa);
      const places = pieces.map((_, index) => {
        const length = index === 2 ? 100 : PIECE_BYTES;
        const start = index * PIECE_BYTES;
        return index === 0 ? undefined : memory.bytes.subarray(start, start + length);
      });
      const found = await pool.inflate(streams, PIECE_BYTES, places);
      const expected = pieces.map((piece, index) => index === 1 ? undefined : piece);
      assertSame(found, expected, `${count} pieces`);
      const isPlaced = (index: number): boolean => found[index]?.buffer === memory.bytes.buffer;
      assertEquals([0, 1, 2].map(isPlaced), [false, false, false]);
      for (let index = 3; index < count; index++) assert(isPlaced(index), `${index} in place`);
      const untouched = memory.bytes.subarray(0, 3 * PIECE_BYTES);
      assert(untouched.every((byte) => byte === 0xaa), "no place without its piece is touched");
    }
  },
});
