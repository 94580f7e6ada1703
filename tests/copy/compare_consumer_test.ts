import { assert, assertEquals, assertRejects } from "@std/assert";
import { addressOf, allocateAligned } from "../../ffi/memory.ts";
import { MemorySource } from "../../src/blocks/memory.ts";
import { CompareConsumer, type Comparison } from "../../src/copy/compare_consumer.ts";
import { compareMedia } from "../../src/copy/compare_media.ts";
import { RangeMap } from "../../src/copy/range_map.ts";
import type { ReadOutcome } from "../../src/copy/read_policy.ts";
import { makeChunk } from "../../src/copy/run_copy.ts";
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import { ImagingError, ReadError } from "../../src/core/errors.ts";
import { intersection, mergeRanges, type Range } from "../../src/core/range.ts";
import { InOrderReader } from "../../src/rescue/in_order_reader.ts";
import { FaultySource } from "../support/faulty_source.ts";
import { patternBytes, PatternSource } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

/** Compares bytes with another medium, in chunks that are under way all at once. */
async function compare(
  ours: Bytes,
  other: BlockSource,
  chunkBytes: number,
  bad: readonly Range[] = [],
): Promise<Comparison> {
  const consumer = new CompareConsumer(other);
  const chunks: Promise<void>[] = [];
  for (let at = 0; at < ours.length; at += chunkBytes) {
    const bytes = ours.slice(at, at + chunkBytes);
    const range = { offset: at, length: bytes.length };
    const badHere = bad.flatMap((each) => intersection(each, range) ?? []);
    chunks.push(consumer.consume(makeChunk(at, bytes, badHere)));
  }
  await Promise.all(chunks);
  return await consumer.finish();
}

for (const sectorSize of [512, 4096]) {
  Deno.test(`differences are whole sectors of ${sectorSize}, joined, over chunks or not`, async () => {
    const next = seededNumbers(sectorSize);
    for (let round = 0; round < 60; round++) {
      const sectors = 64;
      const tail = round % 3 === 0 ? 1 + next(sectorSize - 1) : 0;
      const ours = patternBytes(sectors * sectorSize + tail, { sectorSize });
      const theirs = ours.slice();
      for (let change = next(20); change > 0; change--) {
        const at = next(theirs.length);
        theirs[at] = ~(theirs[at] ?? 0);
      }
      // The model: which sectors hold a changed byte.
      const expected: Range[] = [];
      for (let at = 0; at < ours.length; at += sectorSize) {
        const length = Math.min(sectorSize, ours.length - at);
        const changed = ours.subarray(at, at + length).some((byte, i) =>
          byte !== theirs[at + i]
        );
        if (changed) expected.push({ offset: at, length });
      }
      const first = ours.findIndex((byte, index) => byte !== theirs[index]);
      const chunkBytes = sectorSize * (1 + next(9));
      const other = new MemorySource("other", theirs, sectorSize);
      const differing = mergeRanges(expected);
      assertEquals(await compare(ours, other, chunkBytes), {
        bytes: ours.length,
        differing,
        differingCount: differing.length,
        differingBytes: expected.reduce((sum, { length }) => sum + length, 0),
        firstDifference: first < 0 ? undefined : first,
        unreadable: [],
        missingBytes: 0,
      });
    }
  });
}

Deno.test("a difference on either side of a border of chunks is one range", async () => {
  const ours = patternBytes(4096 * 3);
  const theirs = ours.slice();
  for (const at of [4095, 4096]) theirs[at] = ~(theirs[at] ?? 0);
  const result = await compare(ours, new MemorySource("other", theirs), 4096);
  assertEquals(result.differing, [{ offset: 3584, length: 1024 }]);
  assertEquals([result.differingCount, result.firstDifference], [1, 4095]);
});

Deno.test("the same is the same, whatever order the other medium answers in", async () => {
  const next = seededNumbers(21);
  const size = 40 * 4096 + 100;
  const other = new FaultySource({
    map: new RangeMap({ offset: 0, length: size }, "+"),
    delay: () => new Promise((resolve) => setTimeout(resolve, next(5))),
  });
  const result = await compare(patternBytes(size), other, 4096);
  assertEquals([result.bytes, result.differingCount, result.missingBytes], [size, 0, 0]);
  assertEquals(result.firstDifference, undefined);
});

Deno.test("differences come ascending and the first is the first, in whatever order", async () => {
  const next = seededNumbers(22);
  const size = 40 * 4096;
  const theirs = patternBytes(size);
  for (const chunk of [3, 11, 39]) {
    theirs[chunk * 4096 + 700] = 1 ^ (theirs[chunk * 4096 + 700] ?? 0);
  }
  const other = new FaultySource({
    map: new RangeMap({ offset: 0, length: size }, "+"),
    content: new MemorySource("theirs", theirs),
    delay: () => new Promise((resolve) => setTimeout(resolve, next(6))),
  });
  const result = await compare(patternBytes(size), other, 4096);
  assertEquals(
    result.differing,
    [3, 11, 39].map((chunk) => ({ offset: chunk * 4096 + 512, length: 512 })),
  );
  assertEquals(result.firstDifference, 3 * 4096 + 700);
});

Deno.test("what the other medium cannot deliver is unreadable, not different", async () => {
  const size = 16 * 4096;
  const map = new RangeMap({ offset: 0, length: size }, "+");
  map.set({ offset: 5 * 512, length: 1024 }, "-");
  map.set({ offset: 4096 * 4 - 512, length: 1024 }, "-");
  const theirs = patternBytes(size);
  // Beside an unreadable sector, and inside of one, where nobody can know.
  theirs[4 * 512 + 3] = 1 ^ (theirs[4 * 512 + 3] ?? 0);
  theirs[5 * 512 + 3] = 1 ^ (theirs[5 * 512 + 3] ?? 0);
  const other = new FaultySource({ map, content: new MemorySource("theirs", theirs) });
  const result = await compare(patternBytes(size), other, 4096);
  assertEquals(result.differing, [{ offset: 4 * 512, length: 512 }]);
  // Joined, also over a border of chunks, as what is bad in a copy.
  assertEquals(result.unreadable, map.ranges("-"));
  assertEquals([result.bytes, result.firstDifference], [size, 4 * 512 + 3]);
});

Deno.test("what could not be read here is not different either", async () => {
  const ours = patternBytes(8 * 4096);
  const bad = [{ offset: 512, length: 512 }, { offset: 4096 * 2 - 512, length: 1024 }];
  for (const { offset, length } of bad) ours.fill(0, offset, offset + length);
  const same = await compare(ours, new PatternSource(ours.length), 4096, bad);
  assertEquals([same.differingCount, same.firstDifference], [0, undefined]);
  ours[0] = 1 ^ (ours[0] ?? 0);
  const other = await compare(ours, new PatternSource(ours.length), 4096, bad);
  assertEquals(other.differing, [{ offset: 0, length: 512 }]);
});

Deno.test("what the other medium lacks is missing, the rest is compared", async () => {
  for (const theirSize of [0, 1, 4095, 4096, 4097, 20_000]) {
    const ours = patternBytes(20_001);
    const result = await compare(ours, new PatternSource(theirSize), 4096);
    assertEquals(
      [result.bytes, result.missingBytes, result.differingCount],
      [theirSize, 20_001 - theirSize, 0],
    );
    if (theirSize === 0) continue;
    ours[theirSize - 1] = 1 ^ (ours[theirSize - 1] ?? 0);
    const changed = await compare(ours, new PatternSource(theirSize), 4096);
    assertEquals([changed.differingCount, changed.firstDifference], [1, theirSize - 1]);
  }
});

Deno.test("a longer medium is compared as far as what comes", async () => {
  const result = await compare(patternBytes(5000), new PatternSource(1_000_000), 4096);
  assertEquals([result.bytes, result.differingCount, result.missingBytes], [5000, 0, 0]);
});

Deno.test("beyond ten thousand ranges they are counted, as ranges, and not kept", async () => {
  const alone = 10_003;
  const run = 300;
  const sectors = 2 * alone + run;
  const ours = new Uint8Array(sectors * 512);
  const theirs = ours.slice();
  // Every other sector, then many in a row, which are one range.
  for (let range = 0; range < alone; range++) theirs[range * 1024] = 1;
  for (let sector = 0; sector < run; sector++) theirs[(2 * alone + sector) * 512] = 1;
  const result = await compare(ours, new MemorySource("other", theirs), 1024 * 1024);
  assertEquals(result.differing.length, 10_000);
  assertEquals(result.differing.at(-1), { offset: 9_999 * 1024, length: 512 });
  assertEquals(result.differingBytes, (alone + run) * 512);
  assertEquals(result.differingCount, alone + 1);
});

Deno.test("another medium that goes away is an error", async () => {
  const other = new FaultySource({
    map: new RangeMap({ offset: 0, length: 8 * 4096 }, "+"),
    goneAtRead: 3,
  });
  const consumer = new CompareConsumer(other);
  const ours = patternBytes(8 * 4096);
  const chunks = [0, 1, 2, 3, 4].map((chunk) =>
    consumer.consume(makeChunk(chunk * 4096, ours.slice(chunk * 4096, chunk * 4096 + 4096)))
  );
  const results = await Promise.allSettled(chunks);
  assertEquals(results.map(({ status }) => status), [
    "fulfilled",
    "fulfilled",
    "fulfilled",
    "rejected",
    "rejected",
  ]);
  await assertRejects(() => chunks[3] ?? Promise.resolve(), ReadError, "ENODEV");
  await consumer.abort();
});

Deno.test("giving up in the middle leaves alone what a blocked call still fills", async () => {
  const hang = Promise.withResolvers<void>();
  const other = new FaultySource({
    map: new RangeMap({ offset: 0, length: 8192 }, "+"),
    delay: () => hang.promise,
  });
  const consumer = new CompareConsumer(other);
  const chunk = consumer.consume(makeChunk(0, patternBytes(4096)));
  await consumer.abort();
  hang.resolve();
  await chunk;
  assertEquals(other.underWay, 0);
});

Deno.test("media are compared from end to end, and the differences told", async () => {
  const theirs = patternBytes(300_000);
  theirs[123_456] = 1 ^ (theirs[123_456] ?? 0);
  const map = new RangeMap({ offset: 0, length: 200_000 }, "+");
  map.set({ offset: 2048, length: 512 }, "-");
  const seen: number[] = [];
  const result = await compareMedia(
    new FaultySource({ map }),
    new MemorySource("theirs", theirs),
    { chunkBytes: 16_384, onProgress: ({ doneBytes }) => seen.push(doneBytes) },
  );
  assertEquals(result.differing, [{ offset: 241 * 512, length: 512 }]);
  assertEquals(result.unreadableHere, [{ offset: 2048, length: 512 }]);
  assertEquals([result.bytes, result.firstDifference], [200_000, 123_456]);
  assertEquals(seen.at(-1), 200_000);
});

Deno.test("a comparison can be cancelled, also when the other medium hangs", async () => {
  const hang = Promise.withResolvers<void>();
  const other = new FaultySource({
    map: new RangeMap({ offset: 0, length: 100_000 }, "+"),
    delay: () => hang.promise,
  });
  const cancel = new AbortController();
  const comparison = compareMedia(new PatternSource(100_000), other, {
    chunkBytes: 4096,
    signal: cancel.signal,
  });
  const outcome = assertRejects(() => comparison, ImagingError);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const start = performance.now();
  cancel.abort();
  assertEquals((await outcome).kind, "cancelled");
  assert(performance.now() - start < 1500);
  hang.resolve();
  await new Promise((resolve) => setTimeout(resolve, 10));
});

Deno.test("memory that a hanging read was given is not compared, nor used again", async () => {
  const size = 8 * 1024 * 1024;
  // Several requests: what the first one brought is there when another one is made.
  const chunkBytes = 4 * 1024 * 1024;
  const stuck = { offset: 70_656, length: 512 };
  const ours = patternBytes(size);
  const source = new FaultySource({
    map: new RangeMap({ offset: 0, length: size }, "+"),
    abandons: Infinity,
    delay: (_read, offset, length) =>
      intersection(stuck, { offset, length }) === undefined ? undefined : new Promise(() => {}),
  });
  const reader = new InOrderReader(source, { readTimeoutMilliseconds: 40 });
  const consumer = new CompareConsumer(source, reader);
  for (let at = 0; at < size; at += chunkBytes) {
    await consumer.consume(makeChunk(at, ours.slice(at, at + chunkBytes)));
  }
  const { bytes, differing, unreadable } = await consumer.finish();
  assertEquals([bytes, differing, unreadable], [size, [], [stuck]]);
});

Deno.test("memory that the system still has is not freed with the rest", async () => {
  const length = 8192;
  const returned = Promise.withResolvers<void>();
  const lost: bigint[] = [];
  const consumer = new CompareConsumer(new PatternSource(length), {
    read(range, into, lent): Promise<ReadOutcome> {
      lost.push(addressOf(into));
      lent?.(returned.promise);
      const bytes = patternBytes(range.length, range);
      return Promise.resolve({ length: range.length, bad: [], bytes });
    },
  });
  await consumer.consume(makeChunk(0, patternBytes(length)));
  assertEquals((await consumer.finish()).differingCount, 0);
  await consumer.abort();
  const others = Array.from({ length: 4 }, () => allocateAligned(length));
  assert(others.every(({ address }) => !lost.includes(address)));
  for (const memory of others) memory[Symbol.dispose]();
  returned.resolve();
});
