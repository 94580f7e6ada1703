import { assert, assertEquals, assertRejects } from "@std/assert";
import { RangeMap } from "../../src/copy/range_map.ts";
import type { Chunk } from "../../src/core/block.ts";
import { ImagingError, ReadError } from "../../src/core/errors.ts";
import { endOf, type Range } from "../../src/core/range.ts";
import {
  RescueStrategy,
  type RescueStrategyOptions,
} from "../../src/rescue/rescue_strategy.ts";
import {
  type RescueOptions,
  type RescueProgress,
  runRescue,
} from "../../src/rescue/run_rescue.ts";
import { FaultySource, type FaultySourceOptions } from "../support/faulty_source.ts";
import { patternBytes } from "../support/pattern.ts";

const MIB = 2 ** 20;

/** A rescue of a faulty source into memory, with a durable map beside it. */
class Rescue {
  readonly source: FaultySource;
  readonly durable: RangeMap;
  readonly strategy: RescueStrategy;
  readonly image: Uint8Array;
  readonly progress: RescueProgress[] = [];
  readonly phases: string[] = [];
  chunks = 0;
  consuming = 0;
  mostConsuming = 0;
  /** Awaited before a chunk is taken. */
  slowly: (() => Promise<void>) | undefined;

  constructor(
    faults: Omit<FaultySourceOptions, "map"> & {
      readonly size: number;
      readonly bad: readonly (readonly [offset: number, length: number])[];
    },
    options: Partial<RescueStrategyOptions> = {},
  ) {
    const map = new RangeMap({ offset: 0, length: faults.size }, "+");
    for (const [offset, length] of faults.bad) map.set({ offset, length }, "-");
    this.source = new FaultySource({ ...faults, map });
    this.durable = new RangeMap({ offset: 0, length: faults.size });
    this.strategy = new RescueStrategy({ ...options, map: this.durable.clone() });
    this.image = new Uint8Array(faults.size);
  }

  async run(options: Partial<RescueOptions> = {}): Promise<string> {
    return await runRescue({
      source: this.source,
      strategy: this.strategy,
      consumer: { name: "memory", consume: (chunk) => this.#consume(chunk) },
      onFailed: (areas) => {
        for (const { range, status } of areas) this.durable.set(range, status);
      },
      onProgress: (progress) => this.progress.push(progress),
      onPhase: (phase, pass) => this.phases.push(`${phase}${pass}`),
      ...options,
    });
  }

  async #consume(chunk: Chunk): Promise<void> {
    this.chunks++;
    this.mostConsuming = Math.max(this.mostConsuming, ++this.consuming);
    await this.slowly?.();
    this.image.set(chunk.bytes, chunk.offset);
    this.durable.set(chunk, "+");
    this.consuming--;
  }

  /** What the durable map calls rescued is there. */
  assertHonest(): void {
    const expected = patternBytes(this.image.length);
    for (const range of this.durable.ranges("+")) {
      assertEquals(
        this.image.subarray(range.offset, endOf(range)),
        expected.subarray(range.offset, endOf(range)),
      );
    }
  }
}

/** The same for sources that read one place at a time, and several in one go. */
function test(name: string, run: (series: boolean) => Promise<void>): void {
  Deno.test(name, () => run(false));
  Deno.test(`in series: ${name}`, () => run(true));
}

const BAD = [[65_536 + 512, 512], [MIB, 8192], [3 * MIB + 1024, 1024]] as const;

test("all that can be read is in the image, and both maps say so", async (series) => {
  const rescue = new Rescue({ series, size: 4 * MIB, bad: BAD });
  assertEquals(await rescue.run(), "finished");
  assertEquals([...rescue.durable.areas()], [...rescue.strategy.map.areas()]);
  assertEquals(
    rescue.durable.ranges("-"),
    BAD.map(([offset, length]) => ({ offset, length })),
  );
  rescue.assertHonest();
  assertEquals(rescue.durable.total("+"), 4 * MIB - 512 - 8192 - 1024);
  assertEquals(rescue.phases[0], "?1");
  assert(rescue.phases.includes("*1"));
  const last = rescue.progress.at(-1);
  assertEquals(last?.phase, "+");
  assertEquals([last?.unreadableBytes, last?.badAreas, last?.pendingBytes], [9728, 3, 0]);
});

test("neighbours are written together", async (series) => {
  const rescue = new Rescue({ series, size: 4 * MIB, bad: BAD });
  await rescue.run();
  assert(rescue.chunks < rescue.source.reads.length / 3, `${rescue.chunks} chunks`);
});

test("reading goes on while a bounded number of chunks is written", async (series) => {
  const rescue = new Rescue({ series, size: 64 * MIB, bad: [] }, {
    maxRequestBytes: 256 * 1024,
  });
  const gate = Promise.withResolvers<void>();
  rescue.slowly = () => gate.promise;
  const running = rescue.run({ slots: 4 });
  await new Promise((resolve) => setTimeout(resolve, 300));
  // One buffer may still wait for neighbours.
  assert(rescue.consuming >= 3, `${rescue.consuming} chunks`);
  gate.resolve();
  assertEquals(await running, "finished");
  assert(rescue.mostConsuming <= 4);
});

test("a request that hangs stops neither progress nor Ctrl-C", async (series) => {
  const never = new Promise<void>(() => {});
  const rescue = new Rescue({
    series,
    size: 4 * MIB,
    bad: BAD,
    delay: (read) => read === 30 ? never : undefined,
  });
  const abort = new AbortController();
  const running = rescue.run({ signal: abort.signal });
  await new Promise((resolve) => setTimeout(resolve, 500));
  const told = rescue.progress.length;
  assert(told >= 3, `told ${told} times`);
  const last = rescue.progress.at(-1);
  assert((last?.requestMilliseconds ?? 0) > 250 && (last?.millisecondsSinceSuccess ?? 0) > 250);
  const start = performance.now();
  abort.abort();
  const error = await assertRejects(() => running, ImagingError);
  assertEquals(error.kind, "cancelled");
  assert(performance.now() - start < 1000);
  rescue.assertHonest();
});

test("without a success for too long it is given up", async (series) => {
  const never = new Promise<void>(() => {});
  const rescue = new Rescue({
    series,
    size: 4 * MIB,
    bad: [],
    delay: (read) => read === 5 ? never : undefined,
  });
  assertEquals(await rescue.run({ timeoutMilliseconds: 300 }), "timeout");
  rescue.assertHonest();
});

test("a medium that goes away ends it; the map tells what is there", async (series) => {
  const rescue = new Rescue({ series, size: 4 * MIB, bad: BAD, goneAtRead: 40 });
  const error = await assertRejects(() => rescue.run(), ReadError);
  assertEquals(error.osCode, "ENODEV");
  rescue.assertHonest();
  assert(rescue.durable.total("+") > 0);
});

test("a medium that is shorter than it was is no bad sector", async (series) => {
  const rescue = new Rescue({ series, size: 4 * MIB, bad: [], endsAt: 3 * MIB });
  await assertRejects(() => rescue.run(), ReadError, "it ends there");
  assertEquals(rescue.durable.total("*", "/", "-"), 0);
});

test("on-error abort ends at the first failure", async (series) => {
  const rescue = new Rescue({ series, size: 4 * MIB, bad: BAD });
  const error = await assertRejects(() => rescue.run({ onError: "abort" }), ReadError);
  assertEquals(error.osCode, "EIO");
});

test("a consumer that fails ends it", async (series) => {
  const rescue = new Rescue({ series, size: 4 * MIB, bad: BAD });
  rescue.slowly = () => Promise.reject(new ImagingError("environment", "no space"));
  await assertRejects(() => rescue.run(), ImagingError, "no space");
});

test("too many bad areas end it, and a pause follows each failure", async (series) => {
  const rescue = new Rescue({ series, size: 4 * MIB, bad: BAD }, { maxBadAreas: 1 });
  const start = performance.now();
  assertEquals(await rescue.run({ pauseMilliseconds: 30 }), "max-bad-areas");
  const failures = rescue.progress.at(-1)?.readErrors ?? 0;
  assert(failures >= 2 && performance.now() - start >= 25 * failures);
});

/** Where a request hangs that touches it. */
const STUCK = MIB + 70_656;

/** A drive on which requests hang that touch {@linkcode STUCK}, and all others behind them. */
class StuckDrive {
  readonly rescue: Rescue;
  readonly told: Range[] = [];
  /** How often it was given up when a request began to hang. */
  #stuckSince = -1;

  constructor(faults: Partial<FaultySourceOptions>, options: Partial<RescueStrategyOptions>) {
    this.rescue = new Rescue({
      size: 4 * MIB,
      bad: BAD,
      abandons: Infinity,
      ...faults,
      delay: (_read, offset, length) => {
        const { abandoned } = this.rescue.source;
        if (offset <= STUCK && STUCK < offset + length) this.#stuckSince = abandoned;
        return this.#stuckSince === abandoned ? new Promise(() => {}) : undefined;
      },
    }, options);
  }

  run(options: Partial<RescueOptions> = {}): Promise<string> {
    return this.rescue.run({
      readTimeoutMilliseconds: 40,
      onAbandoned: (range) => this.told.push(range),
      ...options,
    });
  }
}

for (const reverse of [false, true]) {
  const where = reverse ? "from the end" : "from the beginning";
  test(`what hangs is given up and counts as failed, ${where}`, async (series) => {
    const drive = new StuckDrive({ series }, { reverse });
    const { rescue, told } = drive;
    assertEquals(await drive.run(), "finished");
    const stuck = { offset: STUCK, length: 512 };
    const bad = BAD.map(([offset, length]) => ({ offset, length }));
    assertEquals(
      rescue.durable.ranges("-"),
      [...bad, stuck].toSorted((a, b) => a.offset - b.offset),
    );
    assertEquals([...rescue.durable.areas()], [...rescue.strategy.map.areas()]);
    assertEquals(rescue.durable.total("+"), 4 * MIB - 512 - 8192 - 1024 - 512);
    // Also what was read of a series before it hung, and was in a buffer that is in use.
    rescue.assertHonest();
    assertEquals(told.length, rescue.source.abandoned);
    // What only waited behind it has not failed.
    for (const { offset, length } of told) {
      assert(offset <= STUCK && STUCK < offset + length, `${offset}+${length} did not hang`);
    }
    assertEquals(told.at(-1)?.length, 512);
  });
}

test("what can no more be given up is waited for, and Ctrl-C ends that", async (series) => {
  const drive = new StuckDrive({ series, abandons: 1 }, {});
  const abort = new AbortController();
  const running = drive.run({ signal: abort.signal });
  await new Promise((resolve) => setTimeout(resolve, 600));
  assertEquals([drive.rescue.source.abandoned, drive.told.length], [1, 1]);
  assert((drive.rescue.progress.at(-1)?.requestMilliseconds ?? 0) > 200);
  abort.abort();
  const error = await assertRejects(() => running, ImagingError);
  assertEquals(error.kind, "cancelled");
  drive.rescue.assertHonest();
});

test("a medium that cannot be opened again went away: nothing is called bad", async (series) => {
  const drive = new StuckDrive({ series, abandonedCode: "ENODEV" }, {});
  const error = await assertRejects(() => drive.run(), ReadError);
  assertEquals([error.osCode, drive.told], ["ENODEV", []]);
  const places = drive.rescue.durable.ranges("*", "/", "-");
  assert(places.every(({ offset, length }) => offset > STUCK || offset + length <= STUCK));
  drive.rescue.assertHonest();
});

Deno.test("what was read behind a failure, by another thread, is not read again", async () => {
  const bad = [[5 * MIB + 512, 512], [5 * MIB + 100 * 1024, 512]] as const;
  const rescue = new Rescue({ series: true, size: 16 * MIB, bad });
  assertEquals(await rescue.run(), "finished");
  const good = rescue.source.reads.filter(({ offset, length }) =>
    bad.every(([at]) => at < offset || at >= offset + length)
  );
  assertEquals(
    good.reduce((sum, { length }) => sum + length, 0),
    rescue.durable.total("+"),
  );
  assertEquals(rescue.durable.total("+"), 16 * MIB - 1024);
  rescue.assertHonest();
});

Deno.test("what a series brought before it hung is not read again", async () => {
  const drive = new StuckDrive({ series: true }, {});
  await drive.run();
  const before = drive.rescue.source.reads.filter(({ offset, length }) =>
    offset >= MIB + 8192 && offset + length <= STUCK
  ).toSorted((a, b) => a.offset - b.offset);
  assert(before.length > 1);
  for (const [index, read] of before.entries()) {
    const next = before[index + 1];
    if (next !== undefined) assertEquals(next.offset, endOf(read));
  }
});
