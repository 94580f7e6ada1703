import { assert, assertEquals } from "@std/assert";
import { KeepingEngine, packedBound, PlainEngine } from "../../src/copy/zlib_engine.ts";
import type { Bytes } from "../../src/core/block.ts";
import type { ZlibLevel } from "../../src/core/zlib.ts";
import { patternBytes } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

const ENGINES = { plain: new PlainEngine(), keeping: new KeepingEngine() };

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
          const count = engine.deflate(sample, level as ZlibLevel, into);
          assertEquals(engine.inflate(into.subarray(0, count), out), length);
          assertEquals(out.subarray(0, length), sample);
        }
      }
    }
  });

  Deno.test(`${name}: reads a stream that Python made`, () => {
    // zlib.compress(b"Wikipedia").hex(), of zlib 1.2.13
    const stream = Uint8Array.fromHex("789c0bcfccce2c484dc94c040011e60398");
    const out = new Uint8Array(100);
    const length = engine.inflate(stream, out);
    assertEquals(new TextDecoder().decode(out.subarray(0, length)), "Wikipedia");
  });

  Deno.test(`${name}: no room, no bytes, damage: undefined, and the next stream is read`, () => {
    const bytes = patternBytes(5000);
    const into = new Uint8Array(packedBound(bytes.length));
    const stream = into.subarray(0, engine.deflate(bytes, 6, into));
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
      assertEquals(engine.inflate(damaged, room), undefined, what);
      assertEquals(engine.inflate(stream, out), bytes.length, `after ${what}`);
      assertEquals(out.subarray(0, -1), bytes, `after ${what}`);
    }
    const longer = new Uint8Array(stream.length + 100).fill(0x78);
    longer.set(stream);
    assertEquals(engine.inflate(longer, out), bytes.length);
  });
}

Deno.test("both make the same streams", () => {
  const [a, b] = [new Uint8Array(packedBound(32_768)), new Uint8Array(packedBound(32_768))];
  for (const sample of samples(32_768)) {
    for (const level of [0, 2, 6, 9] as const) {
      const plain = ENGINES.plain.deflate(sample, level, a);
      const keeping = ENGINES.keeping.deflate(sample, level, b);
      assertEquals(a.subarray(0, plain), b.subarray(0, keeping), `level ${level}`);
    }
  }
});
