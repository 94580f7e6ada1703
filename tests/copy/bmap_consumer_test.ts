import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { BmapBuild, type FoundMap } from "../../src/copy/bmap/bmap_build.ts";
import { BmapConsumer } from "../../src/copy/bmap/bmap_consumer.ts";
import { THREAD_THRESHOLD_BYTES } from "../../src/copy/hash_consumers.ts";
import {
  type ReadOutcome,
  type ReadPolicy,
  readWithSalvage,
  sequentialPolicy,
} from "../../src/copy/read_policy.ts";
import { makeChunk, runCopy } from "../../src/copy/run_copy.ts";
import { MemorySource } from "../../src/blocks/memory.ts";
import type { Bytes } from "../../src/core/block.ts";
import { endOf, gapsBetween, type Range } from "../../src/core/range.ts";
import { patternBytes } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";
import { NewWorkers } from "./worker_threads.ts";

const BLOCK = 4096;

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Block for block: data is what is not zero, or was not read. */
function expectedMap(medium: Bytes, bad: readonly Range[] = []): FoundMap {
  const ranges: { offset: number; length: number; checksum: string }[] = [];
  for (let offset = 0; offset < medium.length; offset += BLOCK) {
    const block = medium.subarray(offset, offset + BLOCK);
    const isBad = bad.some((range) => range.offset < offset + BLOCK && endOf(range) > offset);
    if (!isBad && block.every((byte) => byte === 0)) continue;
    const last = ranges.at(-1);
    if (last !== undefined && endOf(last) === offset) last.length += block.length;
    else ranges.push({ offset, length: block.length, checksum: "" });
  }
  return {
    imageSize: medium.length,
    blockSize: BLOCK,
    algorithm: "sha256",
    ranges: ranges.map((range) => ({
      ...range,
      checksum: sha256(medium.subarray(range.offset, endOf(range))),
    })),
  };
}

/** Runs of data and of zeros, of which some data is a single byte somewhere. */
function randomMedium(next: (limit: number) => number, size: number): Bytes {
  const medium = patternBytes(size, { seed: next(1000) });
  for (let at = 0; at < size;) {
    const length = next(3) === 0 ? next(40) * BLOCK : next(3 * BLOCK);
    const end = Math.min(at + length, size);
    const kind = next(3);
    if (kind > 0) medium.fill(0, at, end);
    if (kind > 1 && end > at) medium[at + next(end - at)] = 1;
    at = end;
  }
  return medium;
}

/** Gives the medium to a build in pieces of odd lengths, mostly. */
function build(
  medium: Bytes,
  next: (limit: number) => number,
  job = new BmapBuild(),
): FoundMap {
  const odd = next(3);
  for (let at = 0; at < medium.length;) {
    const length = odd === 0 ? next(9000) + 1 : odd === 1 ? 512 * (next(300) + 1) : 65_536;
    const bytes = medium.subarray(at, at + length);
    job.add(at, bytes, []);
    at += bytes.length;
  }
  return job.finish();
}

Deno.test("blocks of zeros are found to the block, however the bytes come", () => {
  const next = seededNumbers(3);
  for (let round = 0; round < 60; round++) {
    const medium = randomMedium(next, next(200 * BLOCK));
    assertEquals(build(medium, next), expectedMap(medium), `round ${round}`);
  }
});

Deno.test("a single byte anywhere in a block makes it data", () => {
  for (const at of [0, 1, 511, 512, 2047, 4094, 4095]) {
    const medium = new Uint8Array(40 * BLOCK);
    medium[17 * BLOCK + at] = 1;
    const { ranges } = build(medium, seededNumbers(at));
    assertEquals(ranges.map(({ offset, length }) => [offset, length]), [[17 * BLOCK, BLOCK]]);
  }
});

Deno.test("what could not be read is data, in whole blocks", () => {
  const next = seededNumbers(4);
  for (let round = 0; round < 40; round++) {
    const medium = randomMedium(next, 64 * BLOCK + next(BLOCK));
    const bad = Array.from({ length: next(5) }, () => {
      const offset = next(medium.length / 512) * 512;
      return { offset, length: Math.min(512 * (1 + next(20)), medium.length - offset) };
    });
    for (const range of bad) medium.fill(0, range.offset, endOf(range));
    const job = new BmapBuild();
    for (let at = 0; at < medium.length;) {
      const bytes = medium.subarray(at, at + 512 * (1 + next(40)));
      const end = at + bytes.length;
      job.add(at, bytes, bad.filter((range) => range.offset < end && endOf(range) > at));
      at = end;
    }
    assertEquals(job.finish(), expectedMap(medium, bad), `round ${round}`);
  }
});

Deno.test("when there are many ranges small holes become data, and the map stays true", () => {
  const next = seededNumbers(5);
  const medium = patternBytes(4000 * BLOCK);
  for (let block = 0; block < 4000; block += 1 + next(3)) {
    const length = next(10) === 0 ? 20 : 1;
    medium.fill(0, block * BLOCK, (block + length) * BLOCK);
  }
  const exact = build(medium, next);
  assertEquals(exact, expectedMap(medium));
  const most = 50;
  const { ranges } = build(medium, next, new BmapBuild(most));
  assert(exact.ranges.length > 500);
  assert(ranges.length > 2 * most && ranges.length < 4 * most, `${ranges.length} ranges`);
  assertEquals(ranges.slice(0, most), exact.ranges.slice(0, most));
  for (const { offset, length, checksum } of ranges) {
    assertEquals(checksum, sha256(medium.subarray(offset, offset + length)));
  }
  const holes = gapsBetween({ offset: 0, length: medium.length }, ranges);
  assert(
    holes.every((hole) => medium.subarray(hole.offset, endOf(hole)).every((each) => !each)),
  );
  // All but the first and the last, which have no range beside them.
  const inner = holes.filter(({ offset }) => offset > (ranges[most + 1]?.offset ?? 0)).slice(
    0,
    -1,
  );
  assert(inner.every(({ length }) => length >= 4 * BLOCK));
});

Deno.test("a medium must come whole and in order", async () => {
  const consumer = new BmapConsumer(100);
  await assertRejects(() => consumer.consume(makeChunk(512, new Uint8Array(512))), RangeError);
  await consumer.consume(makeChunk(0, new Uint8Array(700)));
  await assertRejects(() => consumer.consume(makeChunk(512, new Uint8Array(512))), RangeError);
  await assertRejects(() => consumer.consume(makeChunk(1024, new Uint8Array(512))), RangeError);
  await consumer.abort();
});

Deno.test("no bytes at all have a map without ranges", async () => {
  for (const totalBytes of [0, Infinity]) {
    assertEquals(await new BmapConsumer(totalBytes).finish(), expectedMap(new Uint8Array()));
  }
});

/** The map of a medium, as a copy makes it. */
async function copied(policy: ReadPolicy, totalBytes: number): Promise<FoundMap> {
  const { results: [map] } = await runCopy({
    policy,
    consumers: [new BmapConsumer(totalBytes)],
    chunkBytes: 100 * 1024,
  });
  return map;
}

Deno.test("in the flow, on a thread or not, it is the same", async () => {
  const next = seededNumbers(6);
  const medium = randomMedium(next, 5_000_001);
  const expected = expectedMap(medium);
  assert(expected.ranges.length > 20);
  for (const totalBytes of [medium.length, THREAD_THRESHOLD_BYTES, Infinity]) {
    const source = new MemorySource("card.img", medium);
    const policy = sequentialPolicy(source, { chunkBytes: 100 * 1024, onBad: "fail" });
    assertEquals(await copied(policy, totalBytes), expected);
  }
});

Deno.test("the thread is told what could not be read", async () => {
  const medium = new Uint8Array(100 * BLOCK);
  const bad = { offset: 77 * BLOCK + 512, length: 512 };
  const source = new MemorySource("card.img", medium);
  const sequential = sequentialPolicy(source, { chunkBytes: 100 * 1024, onBad: "zero" });
  const policy: ReadPolicy = {
    ...sequential,
    async read(range, into): Promise<ReadOutcome> {
      const outcome = await readWithSalvage(source, range, into);
      const isThere = range.offset <= bad.offset && endOf(range) > bad.offset;
      return { ...outcome, bad: isThere ? [bad] : [] };
    },
  };
  const { ranges } = await copied(policy, Infinity);
  assertEquals(ranges.map(({ offset, length }) => [offset, length]), [[77 * BLOCK, BLOCK]]);
});

Deno.test({
  name: "no thread is left, whether it was finished, aborted, or died of a mistake",
  ignore: Deno.build.os !== "linux",
  async fn(): Promise<void> {
    const workers = new NewWorkers();
    const finished = new BmapConsumer(Infinity);
    const aborted = new BmapConsumer(Infinity);
    const mistaken = new BmapConsumer(Infinity);
    await workers.become(3);
    const bytes = new Uint8Array(BLOCK);
    await finished.consume(makeChunk(0, bytes));
    await finished.finish();
    const late = aborted.consume(makeChunk(0, bytes));
    await late;
    await aborted.abort();
    await aborted.abort();
    await assertRejects(() => mistaken.consume(makeChunk(512, bytes)), Error, "at 0");
    await assertRejects(() => mistaken.finish(), Error, "died");
    await mistaken.abort();
    await workers.become(0);
    await assertRejects(() => aborted.consume(makeChunk(BLOCK, bytes)), Error, "ended");
  },
});
