import { assert, assertEquals, assertRejects } from "@std/assert";
import { TimedSource } from "../../src/blocks/timed_source.ts";
import { RangeMap } from "../../src/copy/range_map.ts";
import { ReadError } from "../../src/core/errors.ts";
import { FaultySource } from "../support/faulty_source.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";

const SIZE = 8192;

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}

/** A drive that takes its time, of which the first sector is bad. */
function slowDrive(series = false): FaultySource {
  const map = new RangeMap({ offset: 0, length: SIZE }, "+");
  map.set({ offset: 0, length: 512 }, "-");
  return new FaultySource({ map, sectorPhase: 256, series, delay: pause });
}

Deno.test("a timed source reads as its source does", async () => {
  for (const series of [false, true]) {
    const drive = slowDrive(series);
    const timed = new TimedSource(drive);
    const { name, size, sectorSize, sectorPhase, sequential, fractionRead } = timed;
    assertEquals(
      [name, size, sectorSize, sectorPhase, sequential, fractionRead],
      ["faulty", SIZE, 512, 256, undefined, undefined],
    );
    const into = new Uint8Array(SIZE);
    assertEquals(await timed.readAt(512, into), SIZE - 512);
    assertBytes(into.subarray(0, SIZE - 512), patternBytes(SIZE).subarray(512));
    await assertRejects(() => timed.readAt(0, into), ReadError, "EIO");
    assertEquals(timed.readSeries === undefined, !series);
    const reads = [512, 0].map((offset) => ({ offset, into: new Uint8Array(512) }));
    const outcome = await timed.readSeries?.(reads, false);
    assertEquals(outcome?.milliseconds.length, series ? 1 : undefined);
    assertEquals(outcome?.error?.osCode, series ? "EIO" : undefined);
  }
});

Deno.test("a timed source counts from the last success, and only while it is asked", async () => {
  const timed = new TimedSource(slowDrive(true));
  const into = new Uint8Array(512);
  assertEquals(timed.millisecondsSinceSuccess, 0);
  await pause();
  assertEquals(timed.millisecondsSinceSuccess, 0);
  await assertRejects(() => timed.readAt(0, into), ReadError);
  const first = timed.millisecondsSinceSuccess;
  assert(first > 0);
  await pause();
  assertEquals(timed.millisecondsSinceSuccess, first, "it counts while nobody asks");
  const series = timed.readSeries?.([{ offset: 0, into }], false);
  const second = timed.millisecondsSinceSuccess;
  await series;
  assert(second >= first);
  assert(timed.millisecondsSinceSuccess > second, "a series that brings nothing counts");
  await timed.readAt(512, into);
  assertEquals(timed.millisecondsSinceSuccess, 0);
  await assertRejects(() => timed.readAt(0, into), ReadError);
  assert(timed.millisecondsSinceSuccess > 0);
  await timed.readSeries?.([{ offset: 1024, into }, { offset: 0, into }], false);
  assertEquals(timed.millisecondsSinceSuccess, 0, "the first of the series succeeded");
});
