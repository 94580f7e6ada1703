import { assert, assertEquals, assertRejects } from "@std/assert";
import { RangeMap } from "../../src/copy/range_map.ts";
import {
  type ReadAlready,
  type Rescued,
  RescuingPolicy,
  type RescuingPolicyOptions,
} from "../../src/copy/rescuing_policy.ts";
import { runCopy } from "../../src/copy/run_copy.ts";
import { ImagingError, ReadError } from "../../src/core/errors.ts";
import { endOf, type Range } from "../../src/core/range.ts";
import { CollectingConsumer } from "../support/collecting_consumer.ts";
import { FaultySource } from "../support/faulty_source.ts";
import { assertBytes, patternBytes, PatternSource } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

const SIZE = 40_000;
const CHUNK_BYTES = 4096;

/** A drive on which these places fail. */
function faulty(
  bad: readonly Range[],
  delay?: (read: number, offset: number) => Promise<void> | undefined,
): FaultySource {
  const map = new RangeMap({ offset: 0, length: SIZE }, "+");
  for (const range of bad) map.set(range, "-");
  return new FaultySource({ map, ...(delay === undefined ? {} : { delay }) });
}

/** What a rescue was asked for. */
interface Call {
  readonly from: number;
  readonly already: Range[];
  /** Reads of the source that were under way. */
  readonly underWay: number;
}

/** A rescue that finds everything but what is bad, in a medium with another pattern. */
function rescuer(
  source: FaultySource,
  bad: readonly Range[],
  calls: Call[],
): RescuingPolicyOptions["rescue"] {
  return (from: number, already: readonly ReadAlready[]): Promise<Rescued> => {
    for (const { offset, bytes } of already) {
      assertBytes(bytes, patternBytes(bytes.length, { offset }));
    }
    calls.push({
      from,
      already: already.map(({ offset, bytes }) => ({ offset, length: bytes.length })),
      underWay: source.underWay,
    });
    return Promise.resolve({ content: new PatternSource(SIZE, { seed: 2 }), bad });
  };
}

/** What the images get: the first pattern up to a byte, the second from there on. */
function expectedBytes(from: number, bad: readonly Range[]): Uint8Array<ArrayBuffer> {
  const bytes = patternBytes(SIZE, { seed: 2 });
  bytes.set(patternBytes(SIZE).subarray(0, from));
  for (const range of bad) bytes.fill(0, range.offset, endOf(range));
  return bytes;
}

Deno.test("rescuing policy: in order up to the first trouble, the rest from the rescue", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const next = seededNumbers(seed);
    const bad = Array.from({ length: next(4) }, () => ({
      offset: next(SIZE / 512 - 3) * 512,
      length: 512 * (1 + next(2)),
    })).toSorted((a, b) => a.offset - b.offset);
    // Answers come in any order.
    const source = faulty(bad, () => new Promise((resolve) => setTimeout(resolve, next(3))));
    const knownFrom = next(2) === 0 ? SIZE : next(SIZE);
    const calls: Call[] = [];
    const policy = new RescuingPolicy({
      source,
      chunkBytes: CHUNK_BYTES,
      knownFrom,
      rescue: rescuer(source, bad, calls),
    });
    const collected = new CollectingConsumer();
    const { bytes, bad: told } = await runCopy({
      policy,
      consumers: [collected],
      chunkBytes: CHUNK_BYTES,
    });
    assertEquals(bytes, SIZE);
    const first = Math.min(bad[0]?.offset ?? Infinity);
    const from = first < knownFrom ? Math.floor(first / CHUNK_BYTES) * CHUNK_BYTES : knownFrom;
    const isRescued = from < SIZE;
    assertEquals(calls.map((call) => [call.from, call.underWay]), isRescued ? [[from, 0]] : []);
    for (const range of calls[0]?.already ?? []) assert(range.offset >= from);
    const lost = new RangeMap({ offset: 0, length: SIZE }, "+");
    for (const range of bad) lost.set(range, "-");
    assertEquals(told, isRescued ? lost.ranges("-") : [], `seed ${seed}`);
    assertBytes(collected.content(), expectedBytes(from, isRescued ? bad : []), `seed ${seed}`);
  }
});

Deno.test("rescuing policy: what came from behind the trouble belongs to the rescue", async () => {
  const bad = [{ offset: 4096, length: 512 }];
  const behind = Promise.withResolvers<void>();
  const source = faulty(bad, (_, offset) => {
    if (offset === 4096) return behind.promise;
    if (offset === 8192) setTimeout(behind.resolve, 5);
    return undefined;
  });
  const calls: Call[] = [];
  const rescue = rescuer(source, bad, calls);
  const policy = new RescuingPolicy({
    source,
    chunkBytes: CHUNK_BYTES,
    knownFrom: SIZE,
    rescue,
  });
  const collected = new CollectingConsumer();
  await runCopy({ policy, consumers: [collected], chunkBytes: CHUNK_BYTES });
  const [{ from, already, underWay } = { from: -1, already: [], underWay: -1 }] = calls;
  assertEquals([calls.length, from, underWay], [1, 4096, 0]);
  assertEquals(already[0], { offset: 8192, length: 4096 });
  assert(already.every(({ offset }) => offset > 4096));
  assertBytes(collected.content(), expectedBytes(4096, bad));
});

Deno.test("rescuing policy: a drive that is gone is not rescued", async () => {
  const map = new RangeMap({ offset: 0, length: SIZE }, "+");
  const source = new FaultySource({ map, goneAtRead: 2 });
  const calls: Call[] = [];
  const policy = new RescuingPolicy({
    source,
    chunkBytes: CHUNK_BYTES,
    knownFrom: 12_000,
    rescue: rescuer(source, [], calls),
  });
  const copy = runCopy({
    policy,
    consumers: [new CollectingConsumer()],
    chunkBytes: CHUNK_BYTES,
  });
  await assertRejects(() => copy, ReadError, "ENODEV");
  assertEquals(calls, []);
});

Deno.test("rescuing policy: a failure of the rescue ends the flow, and its end the rescue", async () => {
  const source = faulty([{ offset: 0, length: 512 }]);
  const options = { source, chunkBytes: CHUNK_BYTES, knownFrom: SIZE };
  const full = new ImagingError("environment", "no space");
  await assertRejects(
    () =>
      runCopy({
        policy: new RescuingPolicy({ ...options, rescue: () => Promise.reject(full) }),
        consumers: [new CollectingConsumer()],
        chunkBytes: CHUNK_BYTES,
      }),
    ImagingError,
    "no space",
  );
  const cancel = new AbortController();
  const ended = Promise.withResolvers<Rescued>();
  let wasEnded = false;
  const copy = runCopy({
    policy: new RescuingPolicy({
      ...options,
      rescue: (_from, _already, signal) => {
        signal.addEventListener("abort", () => {
          wasEnded = true;
          ended.reject(new ImagingError("cancelled", "cancelled"));
        });
        setTimeout(() => cancel.abort(), 5);
        return ended.promise;
      },
    }),
    consumers: [new CollectingConsumer()],
    chunkBytes: CHUNK_BYTES,
    signal: cancel.signal,
  });
  await assertRejects(() => copy, ImagingError, "cancelled");
  assert(wasEnded, "the rescue was not told");
});
