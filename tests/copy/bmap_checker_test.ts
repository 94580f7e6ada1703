import { assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { MemorySource } from "../../src/blocks/memory.ts";
import { BmapChecker } from "../../src/copy/bmap/bmap_checker.ts";
import type { CheckableMap, CheckableRange } from "../../src/copy/bmap/bmap_check.ts";
import { bmapPolicy } from "../../src/copy/bmap/bmap_policy.ts";
import { THREAD_THRESHOLD_BYTES } from "../../src/copy/hash_consumers.ts";
import { makeChunk, runCopy } from "../../src/copy/run_copy.ts";
import { SinkConsumer } from "../../src/copy/sink_consumer.ts";
import type { Bytes } from "../../src/core/block.ts";
import { VerifyError } from "../../src/core/errors.ts";
import { endOf } from "../../src/core/range.ts";
import { patternBytes } from "../support/pattern.ts";
import { StrictSink } from "../support/strict_sink.ts";
import { seededNumbers, withFlippedByte } from "../volumes/image_tools.ts";
import { NewWorkers } from "./worker_threads.ts";

const BLOCK = 4096;

/** Ranges of a medium with their checksums. */
function mapOf(
  medium: Bytes,
  places: readonly (readonly [offset: number, length: number])[],
  algorithm = "sha256",
): CheckableMap & { readonly imageSize: number } {
  const ranges = places.map(([offset, length]): CheckableRange => {
    const bytes = medium.subarray(offset, offset + length);
    return { offset, length, checksum: createHash(algorithm).update(bytes).digest("hex") };
  });
  return { imageSize: medium.length, algorithm, ranges };
}

/** Lets the whole medium pass, in pieces. */
async function check(
  map: CheckableMap,
  medium: Uint8Array,
  chunkBytes: number,
): ReturnType<BmapChecker["finish"]> {
  const checker = new BmapChecker(map, "card.img");
  try {
    for (let at = 0; at < medium.length; at += chunkBytes) {
      await checker.consume(makeChunk(at, medium.slice(at, at + chunkBytes)));
    }
    return await checker.finish();
  } finally {
    await checker.abort();
  }
}

const MEDIUM = patternBytes(50 * BLOCK - 33);
const MAP = mapOf(MEDIUM, [
  [0, BLOCK],
  [2 * BLOCK, 10 * BLOCK],
  [12 * BLOCK, BLOCK],
  [49 * BLOCK, BLOCK - 33],
]);

Deno.test("a true image passes, whatever the chunks", async () => {
  for (const algorithm of ["sha256", "sha1", "md5", "sha3-256", "blake2b512"]) {
    for (const chunkBytes of [511, BLOCK, 3 * BLOCK, 1 << 20]) {
      const places = MAP.ranges.map(({ offset, length }) => [offset, length] as const);
      assertEquals(await check(mapOf(MEDIUM, places, algorithm), MEDIUM, chunkBytes), {
        checkedRanges: 4,
        checkedBytes: 13 * BLOCK - 33,
        uncheckedBytes: 0,
      });
    }
  }
});

Deno.test("one changed byte in a range is found, and the range named", async () => {
  const next = seededNumbers(11);
  for (let round = 0; round < 60; round++) {
    const range = MAP.ranges[next(MAP.ranges.length)];
    if (range === undefined) throw new Error("there is no range");
    const damaged = withFlippedByte(MEDIUM, range.offset + next(range.length));
    const bytes = damaged.subarray(range.offset, endOf(range));
    const error = await assertRejects(
      () => check(MAP, damaged, 512 * (1 + next(99))),
      VerifyError,
    );
    const { offset, length, checksum } = range;
    assertEquals(error.ranges, [{ offset, length }]);
    assertEquals(
      error.message,
      `card.img is not what its block map says: the ${length} bytes at byte ${offset} ` +
        `have the sha256 ${createHash("sha256").update(bytes).digest("hex")}, not ${checksum}`,
    );
  }
});

Deno.test("what no range holds may be anything", async () => {
  for (const at of [BLOCK, 2 * BLOCK - 1, 13 * BLOCK, 49 * BLOCK - 1]) {
    const { checkedRanges } = await check(MAP, withFlippedByte(MEDIUM, at), 5000);
    assertEquals(checkedRanges, 4);
  }
});

Deno.test("ranges without a checksum are counted", async () => {
  const ranges = MAP.ranges.map((range, index) =>
    index === 1 ? { ...range, checksum: undefined } : range
  );
  assertEquals(await check({ ...MAP, ranges }, MEDIUM, 7 * BLOCK), {
    checkedRanges: 3,
    checkedBytes: 3 * BLOCK - 33,
    uncheckedBytes: 10 * BLOCK,
  });
});

Deno.test("bytes of a range that do not come are no success", async () => {
  const short = MEDIUM.subarray(0, MEDIUM.length - 1);
  await assertRejects(() => check(MAP, short, 3 * BLOCK), RangeError, "on did not come");
  const checker = new BmapChecker(MAP, "card.img");
  await checker.consume(makeChunk(0, MEDIUM.subarray(0, 3 * BLOCK)));
  const late = makeChunk(4 * BLOCK, MEDIUM.subarray(4 * BLOCK));
  await assertRejects(() => checker.consume(late), RangeError, "did not come");
  const none = new BmapChecker(MAP, "card.img");
  await assertRejects(() => none.finish(), RangeError, "Bytes from 0 on did not come");
});

/** Writes the mapped ranges of an image and checks them meanwhile. */
async function write(image: Uint8Array, map: typeof MAP): Promise<StrictSink> {
  const sink = new StrictSink(new Uint8Array(image.length));
  const chunkBytes = 64 * 1024;
  await runCopy({
    policy: bmapPolicy(new MemorySource("card.img", image), map, { chunkBytes }),
    consumers: [new BmapChecker(map, "card.img"), new SinkConsumer(sink)],
    chunkBytes,
  });
  return sink;
}

Deno.test("in the flow, on a thread too, damage ends the copy before it is complete", async () => {
  const size = THREAD_THRESHOLD_BYTES + 3 * BLOCK;
  const medium = patternBytes(size);
  for (const scale of [1, 1000]) {
    const places: (readonly [number, number])[] = [];
    const step = Math.ceil(size / scale / BLOCK) * BLOCK;
    for (let at = 0; at < size; at += step + BLOCK) {
      places.push([at, Math.min(step, size - at)]);
    }
    const map = mapOf(medium, places);
    const sink = await write(medium, map);
    assertEquals(sink.calls.at(-1), { call: "flush" });
    const last = map.ranges.at(-1);
    if (last === undefined) throw new Error("there is no range");
    const damaged = withFlippedByte(medium, endOf(last) - 1);
    const error = await assertRejects(() => write(damaged, map), VerifyError);
    assertEquals(error.ranges, [{ offset: last.offset, length: last.length }]);
  }
});

Deno.test({
  name: "no thread of a checker is left",
  ignore: Deno.build.os !== "linux",
  async fn(): Promise<void> {
    const workers = new NewWorkers();
    const large = { offset: 0, length: THREAD_THRESHOLD_BYTES, checksum: undefined };
    const checkers = Array.from(
      { length: 2 },
      () => new BmapChecker({ algorithm: "md5", ranges: [large] }, "card.img"),
    );
    await workers.become(2);
    const bytes = new Uint8Array(THREAD_THRESHOLD_BYTES);
    await checkers[0]?.consume(makeChunk(0, bytes));
    assertEquals((await checkers[0]?.finish())?.uncheckedBytes, bytes.length);
    await checkers[1]?.abort();
    await workers.become(0);
  },
});
