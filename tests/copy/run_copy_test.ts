import { assert, assertEquals, assertRejects } from "@std/assert";
import { StreamSource } from "../../src/blocks/stdio.ts";
import { type ReadOutcome, sequentialPolicy } from "../../src/copy/read_policy.ts";
import { RangeMap } from "../../src/copy/range_map.ts";
import { makeChunk, runCopy } from "../../src/copy/run_copy.ts";
import { type CopyProgress, ZERO_BLOCK_BYTES } from "../../src/core/block.ts";
import { ImagingError, ReadError, WriteError } from "../../src/core/errors.ts";
import type { Range } from "../../src/core/range.ts";
import { CollectingConsumer } from "../support/collecting_consumer.ts";
import { FaultySource, type FaultySourceOptions } from "../support/faulty_source.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

const CHUNK_BYTES = 4096;

/** A drive without bad sectors. */
function healthy(size: number, options: Partial<FaultySourceOptions> = {}): FaultySource {
  return new FaultySource({ map: new RangeMap({ offset: 0, length: size }, "+"), ...options });
}

/** Waits some milliseconds. */
function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Delays from 0 up to this many milliseconds, a third of them none at all. */
function randomDelays(seed: number, most: number): () => Promise<void> | undefined {
  const next = seededNumbers(seed);
  return () => next(3) === 0 ? undefined : delay(next(most + 1));
}

const OPTIONS = { chunkBytes: CHUNK_BYTES, onBad: "zero" } as const;

for (const ringBytes of [undefined, 2 * CHUNK_BYTES, 1]) {
  Deno.test(`whatever is slow, every consumer gets every byte in order (ring ${ringBytes})`, async () => {
    for (let seed = 1; seed <= 6; seed++) {
      const size = 60 * CHUNK_BYTES + 100 * seed;
      // A read fills its buffer with garbage first, then waits: a buffer that is used
      // again too early is seen by who still holds it.
      const source = healthy(size, { delay: randomDelays(seed, 4) });
      const consumers = [
        new CollectingConsumer({ name: "quick" }),
        new CollectingConsumer({ name: "slow", delay: randomDelays(seed + 50, 6) }),
        new CollectingConsumer({ name: "slower", delay: randomDelays(seed + 99, 9) }),
      ] as const;
      const { bytes, bad, results } = await runCopy({
        policy: sequentialPolicy(source, OPTIONS),
        consumers,
        chunkBytes: CHUNK_BYTES,
        ringBytes,
      });
      assertEquals([bytes, bad], [size, []]);
      const expected = patternBytes(size);
      for (const result of results) assertBytes(result, expected);
      for (const consumer of consumers) {
        assertEquals([consumer.finished, consumer.held, consumer.aborts], [true, 0, []]);
        assertEquals(consumer.chunks.length, 61);
        assert(consumer.mostHeld <= 16);
      }
    }
  });
}

Deno.test("reading runs ahead, but only as far as there are buffers", async () => {
  const gate = Promise.withResolvers<void>();
  const source = healthy(100 * CHUNK_BYTES);
  const stuck = new CollectingConsumer({ delay: () => gate.promise });
  const quick = new CollectingConsumer();
  const copy = runCopy({
    policy: sequentialPolicy(source, OPTIONS),
    consumers: [quick, stuck],
    chunkBytes: CHUNK_BYTES,
    ringBytes: 6 * CHUNK_BYTES,
  });
  await delay(30);
  assertEquals(source.reads.length, 6);
  // The quick one was not held up by the other within the ring.
  assertEquals(quick.chunks.length, 6);
  gate.resolve();
  assertEquals((await copy).bytes, 100 * CHUNK_BYTES);
});

Deno.test("reads overlap: a medium with a long way to it is not asked one by one", async () => {
  let most = 0;
  const source: FaultySource = healthy(32 * CHUNK_BYTES, {
    delay: () => {
      most = Math.max(most, source.underWay);
      return delay(2);
    },
  });
  await runCopy({
    policy: sequentialPolicy(source, OPTIONS),
    consumers: [new CollectingConsumer()],
    chunkBytes: CHUNK_BYTES,
    ringBytes: 4 * CHUNK_BYTES,
  });
  assertEquals(most, 4);
});

Deno.test("unreadable places are zeros, told in each chunk and joined at the end", async () => {
  const size = 8 * CHUNK_BYTES;
  const map = new RangeMap({ offset: 0, length: size }, "+");
  map.set({ offset: 512, length: 512 }, "-");
  // Over a border of chunks.
  map.set({ offset: 2 * CHUNK_BYTES - 1024, length: 2048 }, "-");
  map.set({ offset: size - 512, length: 512 }, "-");
  const consumer = new CollectingConsumer();
  const seen: CopyProgress[] = [];
  const { bytes, bad, results: [content] } = await runCopy({
    policy: sequentialPolicy(new FaultySource({ map, delay: randomDelays(1, 2) }), OPTIONS),
    consumers: [consumer],
    chunkBytes: CHUNK_BYTES,
    onProgress: (progress) => seen.push(progress),
  });
  assertEquals([bytes, bad], [size, map.ranges("-")]);
  const expected = patternBytes(size);
  for (const { offset, length } of bad) expected.fill(0, offset, offset + length);
  assertBytes(content, expected);
  assertEquals(consumer.chunks[1]?.bad, [{ offset: 2 * CHUNK_BYTES - 1024, length: 1024 }]);
  assertEquals(consumer.chunks[2]?.bad, [{ offset: 2 * CHUNK_BYTES, length: 1024 }]);
  assertEquals(seen.at(-1), { doneBytes: size, totalBytes: size, badBytes: 3072 });
});

Deno.test("progress only grows, and tells what went through every consumer", async () => {
  const size = 40 * CHUNK_BYTES + 7;
  const slow = new CollectingConsumer({ delay: randomDelays(3, 4) });
  let last = 0;
  await runCopy({
    policy: sequentialPolicy(healthy(size), OPTIONS),
    consumers: [slow],
    chunkBytes: CHUNK_BYTES,
    onProgress({ doneBytes, totalBytes }): void {
      assert(doneBytes > last && doneBytes <= size);
      assertEquals(totalBytes, size);
      const came = slow.chunks.reduce((sum, { length }) => sum + length, 0);
      assert(doneBytes <= came - slow.held * 7);
      last = doneBytes;
    },
  });
  assertEquals(last, size);
});

Deno.test("an empty medium is finished at once", async () => {
  const consumer = new CollectingConsumer();
  const source = healthy(0);
  const { bytes, bad, results } = await runCopy({
    policy: sequentialPolicy(source, OPTIONS),
    consumers: [consumer],
  });
  assertEquals([bytes, bad, results[0]], [0, [], new Uint8Array()]);
  assertEquals([source.reads.length, consumer.finished], [0, true]);
});

Deno.test("a consumer that fails ends everything, and everybody is told why", async () => {
  for (const chunk of [0, 1, 17, 59]) {
    const error = new WriteError("no space left on device (ENOSPC)", 0);
    const failing = new CollectingConsumer({ failAt: { chunk, error }, name: "failing" });
    const slow = new CollectingConsumer({ delay: randomDelays(chunk + 1, 5) });
    const quick = new CollectingConsumer();
    const consumers = [slow, failing, quick] as const;
    const source = healthy(60 * CHUNK_BYTES, { delay: randomDelays(chunk + 9, 2) });
    const thrown = await assertRejects(() =>
      runCopy({
        policy: sequentialPolicy(source, OPTIONS),
        consumers,
        chunkBytes: CHUNK_BYTES,
        ringBytes: 4 * CHUNK_BYTES,
      })
    );
    assertEquals(thrown, error);
    for (const consumer of consumers) {
      assertEquals([consumer.aborts, consumer.finished], [[error], false]);
      // Nobody looks at a buffer any more.
      assertEquals(consumer.held, 0);
    }
    assertEquals(source.underWay, 0);
    assert(failing.chunks.length <= chunk + 5, "it went on");
  }
});

Deno.test("of several failures the first one is told", async () => {
  const first = new WriteError("first", 0);
  const second = new WriteError("second", 0);
  const consumers = [
    new CollectingConsumer({
      failAt: { chunk: 0, error: second },
      delay: (chunk) => chunk === 0 ? delay(20) : undefined,
    }),
    new CollectingConsumer({ failAt: { chunk: 1, error: first } }),
  ] as const;
  const thrown = await assertRejects(() =>
    runCopy({
      policy: sequentialPolicy(healthy(9 * CHUNK_BYTES), OPTIONS),
      consumers,
      chunkBytes: CHUNK_BYTES,
    })
  );
  assertEquals(thrown, first);
});

Deno.test("a read that fails ends everything; what lies behind it is not handed on", async () => {
  for (const onBad of ["zero", "fail"] as const) {
    const map = new RangeMap({ offset: 0, length: 40 * CHUNK_BYTES }, "+");
    if (onBad === "fail") map.set({ offset: 10 * CHUNK_BYTES, length: 512 }, "-");
    const source = new FaultySource({
      map,
      delay: randomDelays(5, 3),
      ...(onBad === "zero" ? { goneAtRead: 10 } : {}),
    });
    const consumer = new CollectingConsumer({ delay: randomDelays(6, 3) });
    const thrown = await assertRejects(
      () =>
        runCopy({
          policy: sequentialPolicy(source, { chunkBytes: CHUNK_BYTES, onBad }),
          consumers: [consumer],
          chunkBytes: CHUNK_BYTES,
          ringBytes: 4 * CHUNK_BYTES,
        }),
      ReadError,
    );
    assertEquals(thrown.osCode, onBad === "fail" ? "EIO" : "ENODEV");
    assertEquals([consumer.aborts, consumer.finished, consumer.held], [[thrown], false, 0]);
    const content = consumer.content();
    assert(content.length <= 10 * CHUNK_BYTES);
    assertBytes(content, patternBytes(content.length));
    assertEquals(source.underWay, 0);
  }
});

Deno.test("a consumer that cannot finish is the failure of the copy", async () => {
  const error = new WriteError("the flush failed", 0);
  const other = new CollectingConsumer();
  const thrown = await assertRejects(() =>
    runCopy({
      policy: sequentialPolicy(healthy(9 * CHUNK_BYTES), OPTIONS),
      consumers: [new CollectingConsumer({ failFinish: error }), other],
      chunkBytes: CHUNK_BYTES,
    })
  );
  assertEquals(thrown, error);
  // The other one has ended, one way or the other: nothing of it is left running.
  assert(other.finished || other.aborts.length > 0);
});

Deno.test("memory does not grow with the size of the disk", async () => {
  // As many chunks as a disk of 1.2 TB has.
  const count = 300_000;
  const chunkBytes = 512;
  let at = 0;
  let most = 0;
  const before = Deno.memoryUsage().heapUsed;
  await runCopy({
    policy: {
      totalBytes: count * chunkBytes,
      next: () => at < count ? { offset: chunkBytes * at++, length: chunkBytes } : undefined,
      read: (range) => Promise.resolve({ length: range.length, bad: [] }),
    },
    consumers: [{
      name: "nothing",
      consume(): Promise<void> {
        if (at % 1000 !== 0) return Promise.resolve();
        most = Math.max(most, Deno.memoryUsage().heapUsed - before);
        return delay(0);
      },
      finish: () => Promise.resolve(),
      abort: () => Promise.resolve(),
    }],
    chunkBytes,
  });
  assert(most < 48 * 1024 ** 2, `the heap grew by ${Math.round(most / 1024 ** 2)} MiB`);
});

/** The promise of the program is a second; slow machines get a little more. */
const CANCEL_LIMIT_MILLISECONDS = 1500;

Deno.test("a copy whose read hangs is cancelled within a second", async () => {
  const hang = Promise.withResolvers<void>();
  const source = healthy(20 * CHUNK_BYTES, {
    delay: (read) => read === 7 ? hang.promise : undefined,
  });
  const consumer = new CollectingConsumer();
  const cancel = new AbortController();
  const copy = runCopy({
    policy: sequentialPolicy(source, OPTIONS),
    consumers: [consumer],
    chunkBytes: CHUNK_BYTES,
    signal: cancel.signal,
  });
  const outcome = assertRejects(() => copy, ImagingError);
  await delay(30);
  assertEquals(consumer.chunks.length, 7);
  const start = performance.now();
  cancel.abort(new Error("Ctrl-C"));
  const error = await outcome;
  assert(performance.now() - start < CANCEL_LIMIT_MILLISECONDS);
  assertEquals(error.kind, "cancelled");
  assertEquals([consumer.aborts, consumer.finished], [[error], false]);
  // The call that nobody could stop comes back: its memory must still be there.
  hang.resolve();
  await delay(10);
  assertEquals([source.underWay, consumer.chunks.length], [0, 7]);
});

Deno.test("a copy whose consumer hangs is cancelled within a second", async () => {
  const hang = Promise.withResolvers<void>();
  const stuck = new CollectingConsumer({
    delay: (chunk) => chunk === 3 ? hang.promise : undefined,
  });
  const quick = new CollectingConsumer();
  const cancel = new AbortController();
  const copy = runCopy({
    policy: sequentialPolicy(healthy(99 * CHUNK_BYTES), OPTIONS),
    consumers: [stuck, quick],
    chunkBytes: CHUNK_BYTES,
    signal: cancel.signal,
  });
  const outcome = assertRejects(() => copy, ImagingError);
  await delay(30);
  const start = performance.now();
  cancel.abort();
  assertEquals((await outcome).kind, "cancelled");
  assert(performance.now() - start < CANCEL_LIMIT_MILLISECONDS);
  assertEquals([stuck.aborts.length, quick.aborts.length], [1, 1]);
  hang.resolve();
  // What it held did not change meanwhile: it says so itself.
  await delay(10);
  assertEquals(stuck.held, 0);
});

Deno.test("a copy that was cancelled before it began reads nothing", async () => {
  const source = healthy(20 * CHUNK_BYTES);
  const consumer = new CollectingConsumer();
  const error = await assertRejects(
    () =>
      runCopy({
        policy: sequentialPolicy(source, OPTIONS),
        consumers: [consumer],
        signal: AbortSignal.abort(),
      }),
    ImagingError,
  );
  assertEquals([error.kind, source.reads.length], ["cancelled", 0]);
  assertEquals([consumer.aborts.length, consumer.finished], [1, false]);
});

Deno.test("a copy that was finished takes no notice of its signal", async () => {
  const cancel = new AbortController();
  const consumer = new CollectingConsumer();
  const { bytes } = await runCopy({
    policy: sequentialPolicy(healthy(CHUNK_BYTES), OPTIONS),
    consumers: [consumer],
    signal: cancel.signal,
  });
  cancel.abort();
  await delay(1);
  assertEquals([bytes, consumer.aborts], [CHUNK_BYTES, []]);
});

for (const size of [0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 20 * 4096 - 1, 20 * 4096]) {
  Deno.test(`a stream of ${size} bytes, of which nobody knew the length`, async () => {
    const content = patternBytes(size);
    await using source = new StreamSource("stdin", new Blob([content]).stream());
    const consumers = [
      new CollectingConsumer(),
      new CollectingConsumer({ delay: randomDelays(size + 1, 3) }),
    ] as const;
    const seen: CopyProgress[] = [];
    const { bytes, results } = await runCopy({
      policy: sequentialPolicy(source, OPTIONS),
      consumers,
      chunkBytes: CHUNK_BYTES,
      onProgress: (progress) => seen.push(progress),
    });
    assertEquals(bytes, size);
    for (const result of results) assertBytes(result, content);
    // No empty chunk at the end, also when it falls on a border of chunks.
    assertEquals(consumers[0].chunks.length, Math.ceil(size / CHUNK_BYTES));
    assert(seen.every(({ totalBytes }) => totalBytes === Infinity));
  });
}

Deno.test("zeros are found in whole blocks of 64 KiB on multiples of it", () => {
  const next = seededNumbers(8);
  const unit = ZERO_BLOCK_BYTES;
  for (let round = 0; round < 150; round++) {
    const offset = [0, unit, 512, unit - 1, 3 * unit + 4096][round % 5] ?? 0;
    const bytes = new Uint8Array(next(6 * unit) + 1);
    for (let mark = next(4); mark > 0; mark--) bytes[next(bytes.length)] = 1;
    const chunk = makeChunk(offset, bytes);
    // The model: every block that begins in the chunk on a multiple and has no other byte.
    const expected: { offset: number; length: number }[] = [];
    for (let at = Math.ceil(offset / unit) * unit; at < offset + bytes.length; at += unit) {
      const block = bytes.subarray(at - offset, at - offset + unit);
      if (block.some((byte) => byte !== 0)) continue;
      const last = expected.at(-1);
      if (last !== undefined && last.offset + last.length === at) last.length += block.length;
      else expected.push({ offset: at, length: block.length });
    }
    assertEquals(chunk.zeros(), expected);
  }
});

Deno.test("a chunk tells its place, its bytes and what was bad", () => {
  const bad: readonly Range[] = [{ offset: 600, length: 100 }];
  const bytes = patternBytes(1000);
  const chunk = makeChunk(512, bytes, bad);
  assertEquals([chunk.offset, chunk.length, chunk.bytes, chunk.bad], [512, 1000, bytes, bad]);
  assertEquals(makeChunk(0, bytes).bad, []);
});

Deno.test("a buffer that the system still has is not used again", async () => {
  const size = 20 * CHUNK_BYTES;
  const policy = sequentialPolicy(healthy(size), OPTIONS);
  const lost: Uint8Array[] = [];
  const consumer = new CollectingConsumer({ name: "memory", delay: () => delay(1) });
  const { results: [content] } = await runCopy({
    policy: {
      totalBytes: size,
      next: () => policy.next(),
      async read(range, into, lent): Promise<ReadOutcome> {
        const outcome = await policy.read(range, into);
        if (range.offset === 2 * CHUNK_BYTES) {
          lent?.(new Promise(() => {}));
          lost.push(into);
        }
        // It is written to when that chunk is through.
        if (range.offset > 5 * CHUNK_BYTES) lost.forEach((bytes) => bytes.fill(0xee));
        return outcome;
      },
    },
    consumers: [consumer],
    chunkBytes: CHUNK_BYTES,
    ringBytes: 2 * CHUNK_BYTES,
  });
  assertBytes(content, patternBytes(size));
});
