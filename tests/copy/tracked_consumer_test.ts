import { assert, assertEquals, assertRejects } from "@std/assert";
import { sequentialPolicy } from "../../src/copy/read_policy.ts";
import { RangeMap } from "../../src/copy/range_map.ts";
import { resumePolicy } from "../../src/copy/resume_policy.ts";
import { makeChunk, runCopy } from "../../src/copy/run_copy.ts";
import { type SyncableConsumer, TrackedConsumer } from "../../src/copy/tracked_consumer.ts";
import type { Chunk } from "../../src/core/block.ts";
import { WriteError } from "../../src/core/errors.ts";
import { endOf, gapsBetween, mergeRanges, type Range } from "../../src/core/range.ts";
import { FaultySource } from "../support/faulty_source.ts";
import { patternBytes, PatternSource } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

const CHUNK_BYTES = 4096;

type Delay = () => Promise<void> | undefined;

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function randomDelays(seed: number, most: number): Delay {
  const next = seededNumbers(seed);
  return () => next(3) === 0 ? undefined : delay(next(most + 1));
}

/** A writer that knows what a power cut at this moment would leave. */
class ModelWriter implements SyncableConsumer<string> {
  readonly name = "model";
  readonly #delay: Delay;
  /** What was taken, in the order in which it was finished. */
  readonly taken: Range[] = [];
  durable: Range[] = [];
  readonly aborts: unknown[] = [];
  syncs = 0;
  finished = false;

  constructor(delay: Delay = () => undefined) {
    this.#delay = delay;
  }

  async consume({ offset, length }: Chunk): Promise<void> {
    await this.#delay();
    this.taken.push({ offset, length });
  }

  async sync(): Promise<void> {
    this.syncs++;
    const covered = [...this.taken];
    await this.#delay();
    // What was taken meanwhile may be lost.
    this.durable = mergeRanges(covered);
  }

  finish(): Promise<string> {
    this.finished = true;
    return Promise.resolve("finished");
  }

  abort(cause: unknown): Promise<void> {
    this.aborts.push(cause);
    return Promise.resolve();
  }
}

function newMap(size: number): RangeMap {
  return new RangeMap({ offset: 0, length: size });
}

Deno.test("a saved map never claims more than what is durable", async () => {
  let saves = 0;
  let early = 0;
  for (let seed = 1; seed <= 8; seed++) {
    const size = 150 * CHUNK_BYTES + 77;
    const writer = new ModelWriter(randomDelays(seed, 4));
    const map = newMap(size);
    const saved: RangeMap[] = [];
    const slow = randomDelays(seed + 40, 4);
    const tracked = new TrackedConsumer(writer, {
      map,
      intervalMilliseconds: 1,
      async save(snapshot): Promise<void> {
        const claimed = snapshot.ranges("+", "-");
        for (const range of claimed) assertEquals(gapsBetween(range, writer.durable), []);
        await slow();
        // The snapshot does not change while it is being written.
        assertEquals(snapshot.ranges("+", "-"), claimed);
        saved.push(snapshot);
      },
    });
    const { results } = await runCopy({
      policy: sequentialPolicy(new PatternSource(size), {
        chunkBytes: CHUNK_BYTES,
        onBad: "zero",
      }),
      consumers: [tracked],
      chunkBytes: CHUNK_BYTES,
    });
    assertEquals(results, ["finished"]);
    assertEquals(mergeRanges(writer.taken), [{ offset: 0, length: size }]);
    assertEquals([...map.areas()], [{ offset: 0, length: size, status: "+" }]);
    saves += saved.length;
    early += saved.filter((each) => each.total("+") < size).length;
    // Later maps know more.
    const totals = saved.map((each) => each.total("+"));
    assertEquals(totals, totals.toSorted((a, b) => a - b));
  }
  // Often enough that something could have been seen.
  assert(saves >= 16 && early >= 8, `saved ${saves} times, ${early} before the end`);
});

Deno.test("what is unreadable is entered as such, in exact sectors", async () => {
  const size = 20 * CHUNK_BYTES;
  const drive = new RangeMap({ offset: 0, length: size }, "+");
  drive.set({ offset: 512, length: 512 }, "-");
  drive.set({ offset: 8 * CHUNK_BYTES - 512, length: 1024 }, "-");
  const map = newMap(size);
  const tracked = new TrackedConsumer(new ModelWriter(), {
    map,
    intervalMilliseconds: Infinity,
    save: () => Promise.reject(new Error("it was not time to save")),
  });
  await runCopy({
    policy: sequentialPolicy(new FaultySource({ map: drive }), {
      chunkBytes: CHUNK_BYTES,
      onBad: "zero",
    }),
    consumers: [tracked],
    chunkBytes: CHUNK_BYTES,
  });
  assertEquals([...map.areas()], [...drive.areas()]);
});

Deno.test("what the map calls done is not written again, and the rest is", async () => {
  const next = seededNumbers(31);
  for (let round = 0; round < 30; round++) {
    const size = 60_000;
    const map = newMap(size);
    for (let area = next(8); area > 0; area--) {
      map.set(
        { offset: next(size), length: next(12_000) },
        (["+", "-", "?", "*"] as const)[next(4)] ?? "?",
      );
    }
    const before = map.clone();
    const writer = new ModelWriter();
    const tracked = new TrackedConsumer(writer, {
      map,
      intervalMilliseconds: Infinity,
      save: () => Promise.resolve(),
    });
    await runCopy({
      policy: resumePolicy({
        source: new PatternSource(size),
        saved: new PatternSource(size, { seed: 2 }),
        map: before,
        chunkBytes: CHUNK_BYTES,
        withSaved: true,
      }),
      consumers: [tracked],
      chunkBytes: CHUNK_BYTES,
    });
    assertEquals(mergeRanges(writer.taken), mergeRanges(before.ranges("?", "*", "/")));
    // What was unreadable stays so; everything else is there now.
    assertEquals(map.ranges("-"), before.ranges("-"));
    assertEquals(map.total("+", "-"), size);
  }
});

Deno.test("a chunk that is done only in part is written", async () => {
  const map = newMap(8192);
  map.set({ offset: 0, length: 4095 }, "+");
  const writer = new ModelWriter();
  const tracked = new TrackedConsumer(writer, {
    map,
    intervalMilliseconds: Infinity,
    save: () => Promise.resolve(),
  });
  await tracked.consume(makeChunk(0, patternBytes(4096)));
  assertEquals(writer.taken, [{ offset: 0, length: 4096 }]);
});

for (const place of ["save", "sync"] as const) {
  Deno.test(`a ${place} that fails ends the copy with its error`, async () => {
    const error = new WriteError("no space left on device (ENOSPC)", 0);
    const writer = new ModelWriter(() => delay(1));
    if (place === "sync") writer.sync = () => Promise.reject(error);
    const source = new FaultySource({
      map: new RangeMap({ offset: 0, length: 3000 * CHUNK_BYTES }, "+"),
    });
    const tracked = new TrackedConsumer(writer, {
      map: newMap(3000 * CHUNK_BYTES),
      intervalMilliseconds: 2,
      save: () => place === "save" ? Promise.reject(error) : Promise.resolve(),
    });
    const thrown = await assertRejects(() =>
      runCopy({
        policy: sequentialPolicy(source, { chunkBytes: CHUNK_BYTES, onBad: "zero" }),
        consumers: [tracked],
        chunkBytes: CHUNK_BYTES,
      })
    );
    assertEquals(thrown, error);
    assertEquals([writer.finished, writer.aborts], [false, [error]]);
    // Soon, not at the end.
    assert(source.reads.length < 1000, `${source.reads.length} chunks later`);
  });
}

Deno.test("a save that fails after the last chunk is still an error", async () => {
  const error = new WriteError("input/output error (EIO)", 0);
  const gate = Promise.withResolvers<void>();
  const tracked = new TrackedConsumer(new ModelWriter(), {
    map: newMap(CHUNK_BYTES),
    intervalMilliseconds: 0,
    save: () => gate.promise,
  });
  await tracked.consume(makeChunk(0, patternBytes(CHUNK_BYTES)));
  const finished = assertRejects(() => tracked.finish(), WriteError);
  gate.reject(error);
  assertEquals(await finished, error);
});

Deno.test("finishing waits for the save that is under way", async () => {
  const gate = Promise.withResolvers<void>();
  const writer = new ModelWriter();
  const tracked = new TrackedConsumer(writer, {
    map: newMap(CHUNK_BYTES),
    intervalMilliseconds: 0,
    save: () => gate.promise,
  });
  await tracked.consume(makeChunk(0, patternBytes(CHUNK_BYTES)));
  const finished = tracked.finish();
  await delay(10);
  assertEquals(writer.finished, false);
  gate.resolve();
  assertEquals([await finished, writer.finished], ["finished", true]);
});

Deno.test("the last save holds everything, and never meets one that is under way", async () => {
  const saved: number[] = [];
  let underWay = 0;
  const tracked = new TrackedConsumer(new ModelWriter(), {
    map: newMap(3 * CHUNK_BYTES),
    intervalMilliseconds: 0,
    async save(map): Promise<void> {
      // Both write the same file.
      assertEquals(++underWay, 1, "two maps are being saved at once");
      await delay(saved.length === 0 ? 30 : 1);
      saved.push(map.total("+"));
      underWay--;
    },
  });
  await tracked.consume(makeChunk(0, patternBytes(CHUNK_BYTES)));
  await delay(5);
  assertEquals(underWay, 1);
  await tracked.consume(makeChunk(CHUNK_BYTES, patternBytes(CHUNK_BYTES)));
  // As after Ctrl-C: while the regular save still runs.
  await tracked.abort(new Error("cancelled"));
  await tracked.saveNow();
  assertEquals(saved.at(-1), 2 * CHUNK_BYTES);
  assertEquals(underWay, 0);
});

Deno.test("saveNow makes durable what it claims", async () => {
  const writer = new ModelWriter(randomDelays(3, 3));
  const map = newMap(20 * CHUNK_BYTES);
  const claims: Range[] = [];
  const tracked = new TrackedConsumer(writer, {
    map,
    intervalMilliseconds: Infinity,
    save(snapshot): Promise<void> {
      for (const range of snapshot.ranges("+")) {
        assertEquals(gapsBetween(range, writer.durable), []);
        claims.push(range);
      }
      return Promise.resolve();
    },
  });
  const chunks: Promise<void>[] = [];
  for (let chunk = 0; chunk < 20; chunk++) {
    chunks.push(tracked.consume(makeChunk(chunk * CHUNK_BYTES, patternBytes(CHUNK_BYTES))));
    if (chunk % 5 === 4) {
      await delay(1);
      await tracked.saveNow();
    }
  }
  await Promise.all(chunks);
  await tracked.saveNow();
  assertEquals(claims.at(-1), { offset: 0, length: 20 * CHUNK_BYTES });
  assert(claims.every((range) => endOf(range) <= 20 * CHUNK_BYTES));
});

/** The system reports lost bytes at one flush; the next one succeeds without them. */
class ForgetfulWriter extends ModelWriter {
  #fails: boolean;

  constructor(failing: "sync" | "finish") {
    super();
    this.#fails = true;
    this.failing = failing;
  }

  readonly failing: "sync" | "finish";

  override async sync(): Promise<void> {
    if (this.failing === "sync") this.#failOnce();
    await super.sync();
  }

  override finish(): Promise<string> {
    if (this.failing === "finish") this.#failOnce();
    return super.finish();
  }

  #failOnce(): void {
    if (!this.#fails) return;
    this.#fails = false;
    throw new WriteError("cannot flush model: input/output error (EIO)", 0);
  }
}

for (const failing of ["sync", "finish"] as const) {
  Deno.test(`behind a ${failing} that failed no map is saved any more`, async () => {
    const map = new RangeMap({ offset: 0, length: 2 * CHUNK_BYTES });
    const saved: RangeMap[] = [];
    const writer = new ForgetfulWriter(failing);
    const tracked = new TrackedConsumer(writer, {
      map,
      save(copy): Promise<void> {
        saved.push(copy);
        return Promise.resolve();
      },
      intervalMilliseconds: Infinity,
    });
    await tracked.consume(makeChunk(0, patternBytes(CHUNK_BYTES)));
    const first = failing === "sync" ? () => tracked.saveNow() : () => tracked.finish();
    await assertRejects(first, WriteError, "cannot flush");
    await assertRejects(() => tracked.saveNow(), WriteError, "cannot flush");
    assertEquals(saved, []);
  });
}

Deno.test("what could not be read is entered, and saved with what is durable", async () => {
  const writer = new ModelWriter();
  const map = newMap(4 * CHUNK_BYTES);
  const saved: RangeMap[] = [];
  const tracked = new TrackedConsumer(writer, {
    map,
    save: (snapshot) => Promise.resolve(void saved.push(snapshot)),
    intervalMilliseconds: 1e9,
  });
  // Out of order, as a rescue brings it.
  await tracked.consume(makeChunk(2 * CHUNK_BYTES, new Uint8Array(CHUNK_BYTES)));
  tracked.mark({ offset: 0, length: CHUNK_BYTES }, "*");
  tracked.mark({ offset: 0, length: 512 }, "-");
  await tracked.saveNow();
  assertEquals([...saved[0]?.areas() ?? []], [
    { offset: 0, length: 512, status: "-" },
    { offset: 512, length: CHUNK_BYTES - 512, status: "*" },
    { offset: CHUNK_BYTES, length: CHUNK_BYTES, status: "?" },
    { offset: 2 * CHUNK_BYTES, length: CHUNK_BYTES, status: "+" },
    { offset: 3 * CHUNK_BYTES, length: CHUNK_BYTES, status: "?" },
  ]);
  assertEquals(writer.taken, [{ offset: 2 * CHUNK_BYTES, length: CHUNK_BYTES }]);
});

Deno.test("maps are saved one at a time, whoever asks", async () => {
  const map = newMap(64 * CHUNK_BYTES);
  let underWay = 0;
  let most = 0;
  const tracked = new TrackedConsumer(new ModelWriter(() => delay(1)), {
    map,
    save: async () => {
      most = Math.max(most, ++underWay);
      await delay(2);
      underWay--;
    },
    intervalMilliseconds: 0,
  });
  const work: Promise<void>[] = [];
  for (let index = 0; index < 30; index++) {
    work.push(tracked.consume(makeChunk(index * CHUNK_BYTES, new Uint8Array(CHUNK_BYTES))));
    if (index % 3 === 0) work.push(tracked.saveNow());
    if (index % 5 === 0) await delay(1);
  }
  await Promise.all(work);
  await tracked.finish();
  assertEquals([most, underWay], [1, 0]);
});
