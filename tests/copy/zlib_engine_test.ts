import { Buffer } from "node:buffer";
import { deflateSync, gzipSync, inflateRawSync } from "node:zlib";
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  KeepingEngine,
  packedBound,
  PlainEngine,
  type StreamForm,
  type ZlibEngine,
} from "../../src/copy/zlib_engine.ts";
import { type Libdeflate, openLibdeflate } from "../../ffi/libdeflate.ts";
import { LibdeflateEngine } from "../../src/copy/libdeflate_engine.ts";
import { makeEngine } from "../../src/copy/make_engine.ts";
import type { Bytes } from "../../src/core/block.ts";
import { patternBytes } from "../support/pattern.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

const RUNTIME = { plain: new PlainEngine(), keeping: new KeepingEngine() };

const ENGINES: Readonly<Record<string, ZlibEngine>> = {
  ...RUNTIME,
  ...(needs("libdeflate.so.0") ? {} : { libdeflate: libdeflateEngine() }),
};

function libdeflate(): Libdeflate {
  const library = openLibdeflate();
  if (library === undefined) throw new Error("libdeflate is there, but cannot be used");
  return library;
}

function libdeflateEngine(library = libdeflate()): LibdeflateEngine {
  return new LibdeflateEngine(library, new PlainEngine());
}

const ADLER_32: readonly (readonly [number, number])[] = [
  [0, 0x00000001],
  [1, 0x00010001],
  [5552, 0x5a8ccb2f],
  [5553, 0x269acbff],
  [32768, 0x498ec3b2],
  [70001, 0x6edf3681],
];

function zlibForm(level: number): StreamForm {
  return { packing: "zlib", level };
}

/** Bytes of each kind that zlib treats in another way. */
function samples(length: number): readonly Bytes[] {
  const next = seededNumbers(length + 1);
  const noise = patternBytes(length, { seed: 3, sectorSize: 1024 * 1024 });
  return [
    new Uint8Array(length),
    noise,
    // Nine bits each with fixed codes (RFC 1951, 3.2.6).
    noise.map((byte) => 144 + byte % 112),
    Uint8Array.from({ length }, () => next(4)),
    Uint8Array.from({ length }, (_, index) => index >> 6),
  ];
}

Deno.test("this runtime has what the keeping engine needs", () => {
  assert(KeepingEngine.isPossible());
});

for (const [name, engine] of Object.entries(ENGINES)) {
  Deno.test(`${name}: what is packed has room and is unpacked as it was`, () => {
    for (const length of [1, 2, 1000, 32_768, 100_000]) {
      const into = new Uint8Array(packedBound(length));
      const out = new Uint8Array(length + 1);
      for (const sample of samples(length)) {
        for (let level = 0; level <= 9; level++) {
          const count = engine.pack(sample, zlibForm(level), into);
          assertEquals(engine.unpack(into.subarray(0, count), "zlib", out), length);
          assertEquals(out.subarray(0, length), sample);
        }
      }
    }
  });

  Deno.test(`${name}: the Adler-32 of any length is what Python's zlib says`, () => {
    // zlib.adler32(bytes(i * 7 % 256 for i in range(n))), of zlib 1.2.13
    for (const [length, sum] of ADLER_32) {
      const piece = Uint8Array.from({ length }, (_, index) => index * 7 % 256);
      assertEquals(engine.adler32(piece), sum, `${length} bytes`);
    }
  });

  Deno.test(`${name}: goes on after it gave back what it held`, () => {
    const bytes = patternBytes(5000);
    const into = new Uint8Array(packedBound(bytes.length));
    const out = new Uint8Array(bytes.length + 1);
    for (let round = 0; round < 3; round++) {
      const stream = into.subarray(0, engine.pack(bytes, zlibForm(6), into));
      assertEquals(engine.unpack(stream, "zlib", out), bytes.length);
      engine[Symbol.dispose]();
    }
  });

  Deno.test(`${name}: refuses to pack where there is no room`, () => {
    for (const level of [0, 1, 6, 9]) {
      const bytes = patternBytes(5000);
      assertThrows(() => engine.pack(bytes, zlibForm(level), new Uint8Array(100)), RangeError);
    }
  });

  Deno.test(`${name}: reads a stream that Python made`, () => {
    // zlib.compress(b"Wikipedia").hex(), of zlib 1.2.13
    const stream = Uint8Array.fromHex("789c0bcfccce2c484dc94c040011e60398");
    const out = new Uint8Array(100);
    const length = engine.unpack(stream, "zlib", out);
    assertEquals(new TextDecoder().decode(out.subarray(0, length)), "Wikipedia");
  });

  Deno.test(`${name}: no room, no bytes, damage: undefined, and the next stream is read`, () => {
    const bytes = patternBytes(5000);
    const into = new Uint8Array(packedBound(bytes.length));
    const stream = into.subarray(0, engine.pack(bytes, zlibForm(6), into));
    const out = new Uint8Array(bytes.length + 1);
    const flipped = stream.slice();
    flipped[1000] = ~(flipped[1000] ?? 0);
    const bad: readonly (readonly [string, Bytes, Bytes])[] = [
      ["no room", stream, out.subarray(1)],
      ["much too little room", stream, new Uint8Array(10)],
      ["nothing", new Uint8Array(), out],
      ["only a head", stream.subarray(0, 2), out],
      ["without its last byte", stream.subarray(0, -1), out],
      ["half of it", stream.subarray(0, 2500), out],
      ["a flipped byte", flipped, out],
      ["a dictionary", Uint8Array.of(0x78, 0xbb, 1, 2, 3, 4, 5, 6), out],
      ["no zlib stream", patternBytes(100), out],
    ];
    for (const [what, damaged, room] of bad) {
      assertEquals(engine.unpack(damaged, "zlib", room), undefined, what);
      assertEquals(engine.unpack(stream, "zlib", out), bytes.length, `after ${what}`);
      assertEquals(out.subarray(0, -1), bytes, `after ${what}`);
    }
    const longer = new Uint8Array(stream.length + 100).fill(0x78);
    longer.set(stream);
    assertEquals(engine.unpack(longer, "zlib", out), bytes.length);
  });
}

for (const [name, engine] of Object.entries(ENGINES)) {
  Deno.test(`${name}: open deflate blocks, one behind the other, are one stream`, () => {
    const parts: Bytes[] = [];
    const pieces = [5, 0, 7, 9].flatMap((level) =>
      [1, 1000, 70_000].flatMap((length) => samples(length).map((bytes) => ({ level, bytes })))
    );
    for (const { level, bytes } of pieces) {
      const into = new Uint8Array(packedBound(bytes.length));
      const form = { packing: "deflate", level, isOpen: true } as const;
      parts.push(into.subarray(0, engine.pack(bytes, form, into)));
    }
    // An empty last block with fixed codes (RFC 1951, 3.2.3).
    const stream = Buffer.concat([...parts, Uint8Array.of(3, 0)]);
    const whole = Buffer.concat(pieces.map(({ bytes }) => bytes));
    assert(inflateRawSync(stream).equals(whole));
  });

  Deno.test(`${name}: deflate blocks that are closed need nothing behind them`, () => {
    const into = new Uint8Array(packedBound(50_000));
    for (const bytes of samples(50_000)) {
      const length = engine.pack(bytes, { packing: "deflate", level: 6 }, into);
      assert(inflateRawSync(into.subarray(0, length)).equals(bytes));
    }
  });

  Deno.test(`${name}: a frame tells its size, and ends with the XXH64 of its content`, () => {
    for (const length of [0, 1, 255, 256, 65_791, 65_792, 300_000]) {
      const into = new Uint8Array(packedBound(length));
      const out = new Uint8Array(length + 64);
      for (const level of [1, 3, 12]) {
        for (const bytes of samples(length)) {
          const count = engine.pack(bytes, { packing: "zstd", level }, into);
          const frame = into.subarray(0, count);
          assertEquals(contentSize(frame), length);
          assertEquals(engine.unpack(frame, "zstd", out), length);
          assertEquals(out.subarray(0, length), bytes);
        }
      }
    }
    // The low half of XXH64 of nothing, ef46db3751d8e999 (xxhsum -H64 /dev/null).
    const into = new Uint8Array(packedBound(0));
    const count = engine.pack(new Uint8Array(), { packing: "zstd", level: 3 }, into);
    assertEquals(into.subarray(count - 4, count).toHex(), "99e9d851");
  });

  for (const packing of ["gzip", "zstd"] as const) {
    Deno.test(`${name}: of ${packing}, damage and what follows is undefined`, () => {
      const bytes = patternBytes(5000).fill(3, 100, 4000);
      const stream = packing === "gzip"
        ? Uint8Array.from(gzipSync(bytes))
        : packedBy(engine, bytes, { packing, level: 3 });
      const out = new Uint8Array(bytes.length + 1);
      const bad: readonly (readonly [string, Bytes, Bytes])[] = [
        ["no room", stream, out.subarray(1)],
        ["only a head", stream.subarray(0, 12), out],
        ["a byte behind it", Uint8Array.of(...stream, 0), out],
        ["another one behind it", Uint8Array.of(...stream, ...stream), out],
        [
          "a flipped checksum",
          flipped(stream, stream.length - (packing === "gzip" ? 6 : 2)),
          out,
        ],
        ["another packing", Uint8Array.from(deflateSync(bytes)), out],
        ["noise", patternBytes(100), out],
      ];
      for (const [what, damaged, room] of bad) {
        const length = engine.unpack(damaged, packing, room);
        // Of what is cut, Zstandard shows what there is; it is never all.
        assert(length === undefined || length < bytes.length, `${what}: ${length}`);
        assertEquals(engine.unpack(stream, packing, out), bytes.length, `after ${what}`);
        assertEquals(out.subarray(0, -1), bytes, `after ${what}`);
      }
    });
  }
}

function packedBy(engine: ZlibEngine, bytes: Bytes, form: StreamForm): Bytes {
  const into = new Uint8Array(packedBound(bytes.length));
  return into.slice(0, engine.pack(bytes, form, into));
}

function flipped(bytes: Bytes, at: number): Bytes {
  const copy = bytes.slice();
  copy[at] = ~(copy[at] ?? 0);
  return copy;
}

/** What the head of a frame of one segment says (RFC 8878, 3.1.1.1). */
function contentSize(frame: Bytes): number {
  const view = new DataView(frame.buffer, frame.byteOffset);
  assertEquals(view.getUint32(0, true), 0xfd2fb528);
  const descriptor = view.getUint8(4);
  assertEquals(descriptor & 0b0011_1111, 0b0010_0100, "one segment, checksum, no dictionary");
  return [view.getUint8(5), view.getUint16(5, true) + 256, view.getUint32(5, true)][
    descriptor >>> 6
  ] ?? -1;
}

Deno.test("both make the same streams", () => {
  const [a, b] = [new Uint8Array(packedBound(32_768)), new Uint8Array(packedBound(32_768))];
  for (const sample of samples(32_768)) {
    for (const level of [0, 2, 6, 9] as const) {
      const plain = RUNTIME.plain.pack(sample, zlibForm(level), a);
      const keeping = RUNTIME.keeping.pack(sample, zlibForm(level), b);
      assertEquals(a.subarray(0, plain), b.subarray(0, keeping), `level ${level}`);
    }
  }
});

Deno.test({
  name: "libdeflate is taken where it is there, and its fast streams are shorter",
  ignore: needs("libdeflate.so.0"),
  fn(): void {
    using engine = makeEngine();
    assert(engine instanceof LibdeflateEngine);
    const path = Deno.execPath();
    using file = Deno.openSync(path);
    const bytes = new Uint8Array(32_768);
    let [fast, runtime] = [0, 0];
    const into = new Uint8Array(packedBound(bytes.length));
    for (let index = 0; index < 100; index++) {
      assertEquals(file.readSync(bytes), bytes.length);
      fast += engine.pack(bytes, zlibForm(1), into);
      runtime += RUNTIME.keeping.pack(bytes, zlibForm(1), into);
    }
    assert(fast < runtime, `${fast} against ${runtime} bytes`);
  },
});

Deno.test({
  name: "libdeflate's memory is given back, once, and a level is asked for once",
  ignore: needs("libdeflate.so.0"),
  fn(): void {
    const library = libdeflate();
    const held: Deno.PointerValue[] = [];
    const levels: number[] = [];
    const engine = libdeflateEngine({
      ...library,
      libdeflate_alloc_compressor(level: number): Deno.PointerValue {
        levels.push(level);
        held.push(library.libdeflate_alloc_compressor(level));
        return held.at(-1) ?? null;
      },
      libdeflate_free_compressor(compressor: Deno.PointerValue): void {
        const place = held.findIndex((each) => Deno.UnsafePointer.equals(each, compressor));
        assert(place >= 0, "freed twice, or never allocated");
        held.splice(place, 1);
        library.libdeflate_free_compressor(compressor);
      },
    });
    const bytes = patternBytes(5000);
    const into = new Uint8Array(packedBound(bytes.length));
    for (const level of [1, 6, 1, 9, 6]) engine.pack(bytes, zlibForm(level), into);
    engine.pack(bytes, { packing: "deflate", level: 9 }, into);
    assertEquals([levels, held.length], [[1, 6, 9], 3]);
    engine[Symbol.dispose]();
    engine[Symbol.dispose]();
    assertEquals(held, []);
  },
});

Deno.test({
  name: "where libdeflate gets no memory the other engine packs",
  ignore: needs("libdeflate.so.0"),
  fn(): void {
    using engine = libdeflateEngine({
      ...libdeflate(),
      libdeflate_alloc_compressor: (): null => null,
    });
    const bytes = patternBytes(5000).fill(0, 100, 4000);
    const [a, b] = [new Uint8Array(packedBound(5000)), new Uint8Array(packedBound(5000))];
    const length = engine.pack(bytes, zlibForm(1), a);
    assertEquals(RUNTIME.plain.pack(bytes, zlibForm(1), b), length);
    assertEquals(a, b);
  },
});
