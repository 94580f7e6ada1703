import { assertEquals } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import { SliceSource } from "../../src/blocks/slice.ts";
import { RangeMap } from "../../src/copy/range_map.ts";
import { FaultySource } from "../support/faulty_source.ts";
import { assertBytes, patternBytes, PatternSource } from "../support/pattern.ts";

const content = patternBytes(10_000);

Deno.test("a part has the bytes of its place, and its own end", async () => {
  for (
    const [offset, length] of [[0, 10_000], [512, 1024], [9_999, 1], [100, 0], [
      9_000,
      5_000,
    ]] as const
  ) {
    const slice = new SliceSource(new MemorySource("whole", content), { offset, length });
    const expected = content.slice(offset, offset + length);
    assertEquals(slice.size, expected.length);
    const into = new Uint8Array(length + 100).fill(0xee);
    assertEquals(await slice.readAt(0, into), expected.length);
    assertBytes(into.subarray(0, expected.length), expected);
    assertEquals(into.subarray(expected.length).every((byte) => byte === 0xee), true);
    // What lies behind the part on the whole is not shown.
    assertEquals(await slice.readAt(slice.size, new Uint8Array(10)), 0);
    assertEquals(await slice.readAt(slice.size + 5, new Uint8Array(10)), 0);
  }
});

Deno.test("a part behind the end is empty", async () => {
  const whole = new MemorySource("whole", content);
  for (const offset of [10_000, 10_001, 2 ** 40]) {
    const slice = new SliceSource(whole, { offset, length: 512 });
    assertEquals(slice.size, 0);
    assertEquals(await slice.readAt(0, new Uint8Array(512)), 0);
  }
});

Deno.test("a part without an end ends with the whole", () => {
  const whole = new PatternSource(10_000, { sectorSize: 4096 });
  const slice = new SliceSource(whole, { offset: 4096, length: Infinity });
  assertEquals([slice.size, slice.sectorSize, slice.name], [5904, 4096, "pattern"]);
});

Deno.test("parts of parts", async () => {
  const whole = new MemorySource("whole", content);
  const outer = new SliceSource(whole, { offset: 1000, length: 5000 });
  const inner = new SliceSource(outer, { offset: 500, length: 10_000 });
  assertEquals(inner.size, 4500);
  const into = new Uint8Array(4500);
  assertEquals(await inner.readAt(0, into), 4500);
  assertBytes(into, content.slice(1500, 6000));
});

Deno.test("closing the part closes the whole", async () => {
  const whole = new PatternSource(1000);
  await new SliceSource(whole, { offset: 0, length: 10 })[Symbol.asyncDispose]();
  assertEquals(whole.closed, true);
});

Deno.test("a series of reads is that of the whole, up to the end of the part", async () => {
  const map = new RangeMap({ offset: 0, length: 8192 }, "+");
  map.set({ offset: 4096, length: 512 }, "-");
  const whole = new FaultySource({ map, series: true });
  const slice = new SliceSource(whole, { offset: 1024, length: 2048 });
  const reads = [512, 1024, 1536, 2048].map((offset) => ({
    offset,
    into: new Uint8Array(512),
  }));
  const outcome = await slice.readSeries?.(reads, false);
  assertEquals([outcome?.milliseconds.length, outcome?.error], [3, undefined]);
  assertEquals(whole.reads.map(({ offset }) => offset), [1536, 2048, 2560]);
  assertBytes(reads[1]?.into ?? new Uint8Array(), patternBytes(8192).slice(2048, 2560));
  assertEquals(
    new SliceSource(new FaultySource({ map }), { offset: 0, length: 512 }).readSeries,
    undefined,
  );
});
