import { assertEquals, assertThrows } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import { SelectedSource } from "../../src/blocks/selected.ts";
import { SliceSource } from "../../src/blocks/slice.ts";
import { StreamSource } from "../../src/blocks/stdio.ts";
import { RangeMap } from "../../src/copy/range_map.ts";
import type { Bytes } from "../../src/core/block.ts";
import { endOf, gapsBetween, mergeRanges, type Range } from "../../src/core/range.ts";
import { FaultySource } from "../support/faulty_source.ts";
import { assertBytes, patternBytes, PatternSource } from "../support/pattern.ts";
import { seededNumbers, StrictSource } from "../volumes/image_tools.ts";

const KIB = 1024;

/** The content with zeros outside of the ranges. */
function expectedBytes(content: Uint8Array, ranges: readonly Range[]): Uint8Array {
  const bytes = new Uint8Array(content.length);
  for (const { offset, length } of ranges) {
    bytes.set(content.subarray(offset, offset + length), offset);
  }
  return bytes;
}

/** A medium without flaws that remembers what it was asked for. */
function watched(size: number, sectorSize = 512): FaultySource {
  return new FaultySource({ map: new RangeMap({ offset: 0, length: size }, "+"), sectorSize });
}

Deno.test("the ranges are there, everything else is zero", async () => {
  const next = seededNumbers(17);
  for (const sectorSize of [512, 4096]) {
    const content = patternBytes(1_000_000);
    for (let disk = 0; disk < 12; disk++) {
      const ranges = Array.from({ length: next(12) }, () => {
        const offset = next(content.length);
        return { offset, length: next(3) === 0 ? next(200_000) : next(3000) };
      });
      const strict = new StrictSource(content, sectorSize);
      const source = new SelectedSource(strict, ranges);
      const expected = expectedBytes(content, ranges);
      for (let round = 0; round < 25; round++) {
        // As a device wants it: whole sectors, but for the end.
        const offset = next(Math.ceil(content.length / sectorSize) + 2) * sectorSize;
        const into = new Uint8Array(next(40) * 4096).fill(0xee);
        const count = await source.readAt(offset, into);
        assertBytes(into.subarray(0, count), expected.slice(offset, offset + into.length));
        assertEquals(into.subarray(count).every((byte) => byte === 0xee), true);
      }
    }
  }
});

Deno.test("reads of any place and length", async () => {
  const next = seededNumbers(18);
  const content = patternBytes(10_000);
  const ranges = [{ offset: 100, length: 900 }, { offset: 1001, length: 1 }, {
    offset: 9_000,
    length: 5_000,
  }];
  const source = new SelectedSource(new MemorySource("medium", content), ranges);
  const expected = expectedBytes(content, ranges);
  for (let round = 0; round < 500; round++) {
    const offset = next(10_100);
    const into = new Uint8Array(next(3_000)).fill(0xee);
    const count = await source.readAt(offset, into);
    assertBytes(into.subarray(0, count), expected.slice(offset, offset + into.length));
  }
});

Deno.test("holes are what no range covers", () => {
  const next = seededNumbers(19);
  const size = 100_000;
  for (let disk = 0; disk < 50; disk++) {
    const ranges = mergeRanges(Array.from({ length: next(30) }, () => ({
      offset: next(size),
      length: next(3000),
    })));
    const source = new SelectedSource(new PatternSource(size), ranges);
    for (let round = 0; round < 50; round++) {
      const range = { offset: next(size + 1000), length: next(20_000) };
      const length = Math.max(0, Math.min(endOf(range), size) - range.offset);
      assertEquals(source.holes(range), gapsBetween({ ...range, length }, ranges));
    }
  }
});

Deno.test("the medium is asked for whole sectors of the ranges only", async () => {
  const medium = watched(1024 * KIB);
  const source = new SelectedSource(medium, [
    { offset: 700, length: 100 },
    // 64 KiB behind the end of the sector before: too far.
    { offset: 66_560, length: 1 },
    // Just near enough.
    { offset: 66_560 + 512 + 65_535, length: 10 },
    { offset: 900 * KIB, length: 4 * KIB },
  ]);
  const into = new Uint8Array(1024 * KIB);
  assertEquals(await source.readAt(0, into), 1024 * KIB);
  assertEquals(medium.reads, [
    { offset: 512, length: 512 },
    { offset: 66_560, length: 66_560 },
    { offset: 900 * KIB, length: 4 * KIB },
  ]);
  medium.reads.length = 0;
  assertEquals(await source.readAt(200 * KIB, new Uint8Array(700 * KIB)), 700 * KIB);
  assertEquals(medium.reads, []);
});

Deno.test("a part that begins within a sector is read by the sectors of its disk", async () => {
  const medium = watched(64 * KIB, 4096);
  const slice = new SliceSource(medium, { offset: 1024, length: 63 * KIB });
  const source = new SelectedSource(slice, [{ offset: 8000, length: 100 }]);
  assertEquals(source.sectorPhase, 1024);
  const into = new Uint8Array(63 * KIB);
  assertEquals(await source.readAt(0, into), 63 * KIB);
  // 9024 to 9124 of the disk lie in its third sector.
  assertEquals(medium.reads, [{ offset: 8192, length: 4096 }]);
  const content = patternBytes(64 * KIB, { sectorSize: 4096 }).subarray(1024);
  assertBytes(into, expectedBytes(content, [{ offset: 8000, length: 100 }]));
});

Deno.test("unreadable places count only where somebody wants them", async () => {
  const map = new RangeMap({ offset: 0, length: 1024 * KIB }, "+");
  map.set({ offset: 512 * KIB, length: 4 * KIB }, "-");
  const medium = new FaultySource({ map });
  const ranges = [{ offset: 0, length: 100 * KIB }, { offset: 800 * KIB, length: 8 * KIB }];
  const into = new Uint8Array(1024 * KIB);
  await new SelectedSource(medium, ranges).readAt(0, into);
  assertBytes(into, expectedBytes(patternBytes(1024 * KIB), ranges));
});

Deno.test("a medium that ends early says so", async () => {
  const map = new RangeMap({ offset: 0, length: 10_240 }, "+");
  const medium = new FaultySource({ map, endsAt: 5_000 });
  const ranges = [{ offset: 600, length: 100 }, { offset: 4_000, length: 4_000 }];
  const into = new Uint8Array(10_240);
  assertEquals(await new SelectedSource(medium, ranges).readAt(0, into), 5_000);
  const expected = expectedBytes(patternBytes(10_240), ranges).slice(0, 5_000);
  assertBytes(into.subarray(0, 5_000), expected);
});

Deno.test("a series goes up to the first read of which something is left out", async () => {
  const map = new RangeMap({ offset: 0, length: 8192 }, "+");
  const medium = new FaultySource({ map, series: true });
  const source = new SelectedSource(medium, [{ offset: 512, length: 3000 }]);
  const readsAt = (...offsets: number[]): { offset: number; into: Bytes }[] =>
    offsets.map((offset) => ({ offset, into: new Uint8Array(512) }));
  const count = async (...offsets: number[]): Promise<number | undefined> =>
    (await source.readSeries?.(readsAt(...offsets), false))?.milliseconds.length;
  assertEquals(await count(512, 1024, 3072, 1536), 2);
  assertEquals(await count(0, 512), 0);
  assertEquals(await count(512, 4096), 1);
  assertEquals(new SelectedSource(watched(512), []).readSeries, undefined);
});

Deno.test("streams are refused; cancelling reaches the medium, closing does not", async () => {
  const stream = new StreamSource("stream", new ReadableStream({ type: "bytes" }));
  assertThrows(() => new SelectedSource(stream, []), RangeError);
  let cancelled = 0;
  const medium = Object.assign(new PatternSource(1000), { cancel: () => void cancelled++ });
  const source = new SelectedSource(medium, []);
  source.cancel();
  await source[Symbol.asyncDispose]();
  assertEquals([cancelled, medium.closed], [1, false]);
});
