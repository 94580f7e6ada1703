import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Area,
  AREA_STATUSES,
  type AreaStatus,
  RangeMap,
} from "../../src/copy/range_map.ts";
import { endOf, gapsBetween, intersection, type Range } from "../../src/core/range.ts";
import {
  type RescueRequest,
  RescueStrategy,
  type RescueStrategyOptions,
} from "../../src/rescue/rescue_strategy.ts";
import { referenceRescue } from "./ddrescue_reference.ts";
import {
  type DriveFaults,
  FAULT_KINDS,
  inBlocks,
  makeFaults,
  seededRandom,
  SimulatedDrive,
} from "./simulated_drive.ts";

const MIB = 2 ** 20;

/** What a rescue of a simulated drive came to. */
interface Rescued {
  readonly drive: SimulatedDrive;
  readonly map: RangeMap;
  readonly strategy: RescueStrategy;
  readonly requests: readonly RescueRequest[];
  /** When 99 % of what is readable was there. */
  readonly millisecondsTo99: number;
}

/** Rescues with so many requests under way; checks every step against the rules of maps. */
function rescue(
  faults: DriveFaults,
  options: Partial<RescueStrategyOptions> = {},
  { checks = false, steps = Infinity, series = false, twoThreads = false }: {
    readonly checks?: boolean;
    readonly steps?: number;
    /** Several neighbours at once, read up to the first failure. */
    readonly series?: boolean;
    /** Where it is calm, some behind the first failure are read, too. */
    readonly twoThreads?: boolean;
  } = {},
): Rescued {
  const drive = new SimulatedDrive(faults);
  const map = options.map ?? new RangeMap({ offset: 0, length: faults.size });
  const strategy = new RescueStrategy({ ...options, map });
  const requests: RescueRequest[] = [];
  let millisecondsTo99 = 0;
  const enough = 0.99 * drive.readableBytes;
  for (;;) {
    const round: RescueRequest[] = [];
    if (series) {
      const ahead = twoThreads && strategy.isCalm ? 3 : 0;
      round.push(...readable(drive, strategy, strategy.series(SERIES_BYTES, 50), ahead));
      requests.push(...round);
    }
    while (!series && requests.length < steps) {
      const request = strategy.next();
      if (request === undefined) break;
      round.push(request);
      requests.push(request);
    }
    if (round.length === 0) break;
    for (const { range } of round) {
      const before = checks ? map.clone() : map;
      const { ok, milliseconds } = drive.read(range);
      const failed = strategy.report(range, { ok, milliseconds });
      if (checks) {
        assert(ok ? failed.length === 0 : true);
        checkStep(before, map, ok ? [range] : failed.map((area) => area.range), ok);
        for (const area of failed) {
          assertEquals(map.areaAt(area.range.offset)?.status, area.status);
        }
      }
    }
    if (millisecondsTo99 === 0 && strategy.totals.bytes["+"] >= enough) {
      millisecondsTo99 = drive.milliseconds;
    }
  }
  return { drive, map, strategy, requests, millisecondsTo99 };
}

const SERIES_BYTES = 256 * 1024;

/**
 * The requests of a series up to the first that fails, and a few that another thread read
 * meanwhile, up to one that fails, too; the others are given back.
 */
function readable(
  drive: SimulatedDrive,
  strategy: RescueStrategy,
  series: readonly RescueRequest[],
  ahead = 0,
): readonly RescueRequest[] {
  const total = series.reduce((sum, { range }) => sum + range.length, 0);
  assert(series.length <= 50 && (total <= SERIES_BYTES || series.length === 1));
  for (const [index, { range }] of series.entries()) {
    const { range: last } = series[index - 1] ?? { range };
    const isNext = range === last || range.offset === endOf(last) ||
      endOf(range) === last.offset;
    assert(isNext, "a series is of neighbours");
  }
  const failsAt = (from: number): number => {
    const index = series.slice(from).findIndex(({ range }) => !drive.canRead(range));
    return index < 0 ? series.length : from + index;
  };
  const first = failsAt(0) + 1;
  const tried = ahead === 0 ? first : Math.min(first + ahead, failsAt(first) + 1);
  for (const { range } of series.slice(tried).reverse()) strategy.withdraw(range);
  return series.slice(0, tried);
}

/** States go one way only, and nothing changes but what is said to. */
function checkStep(
  before: RangeMap,
  after: RangeMap,
  changed: readonly Range[],
  ok: boolean,
): void {
  const areas = [...after.areas()];
  assertEquals(RangeMap.fromAreas(areas).areaCount, areas.length, "neighbours differ");
  assertEquals(totalOf(areas), before.range.length);
  for (const area of areas) {
    for (let at = area.offset; at < endOf(area);) {
      const old = before.areaAt(at);
      if (old === undefined) throw new Error(`${at} is not in the map`);
      const end = Math.min(endOf(old), endOf(area));
      if (old.status !== area.status) {
        const part = { offset: at, length: end - at };
        assert(
          AREA_STATUSES.indexOf(area.status) > AREA_STATUSES.indexOf(old.status),
          `${old.status} became ${area.status}`,
        );
        assertEquals(area.status === "+", ok);
        assertEquals(gapsBetween(part, changed), []);
      }
      at = end;
    }
  }
}

function totalOf(areas: readonly Area[]): number {
  return areas.reduce((sum, { length }) => sum + length, 0);
}

/** What must be unreadable at the end is, and everything else is rescued. */
function assertComplete({ map, drive, strategy }: Rescued): void {
  assertEquals(map.ranges("-"), drive.bad);
  assertEquals(map.total("?", "*", "/"), 0);
  assertEquals(map.total("+"), drive.readableBytes);
  assertEquals(strategy.phase, "+");
  for (const status of AREA_STATUSES) {
    assertEquals(strategy.totals.bytes[status], map.total(status));
  }
  assertEquals(strategy.totals.badAreas, map.ranges("-").length);
}

/** All combinations that change the way. */
const VARIANTS: readonly Partial<RescueStrategyOptions>[] = [
  {},
  { reverse: true },
  { skipMin: 0 },
  { skipMin: 64 * 1024, skipMax: 128 * 1024 },
  { clusterBytes: 4096, maxRequestBytes: 4096 },
  { maxRequestBytes: 64 * MIB },
  { minRate: 0 },
  { minRate: 1e12, reverse: true },
  { slowMilliseconds: 0.01 },
  { trim: true, scrape: true, retries: 2 },
];

Deno.test("every readable sector is rescued, whatever is wrong with the drive", () => {
  for (const kind of FAULT_KINDS.filter((kind) => kind !== "flaky")) {
    for (let seed = 0; seed < 2 * VARIANTS.length; seed++) {
      const grain = seed % 3 === 0 ? 4096 : 512;
      const faults = makeFaults(kind, { seed, size: 32 * MIB, grain });
      const variant = VARIANTS[seed % VARIANTS.length];
      assertComplete(rescue(faults, variant));
      assertComplete(rescue(faults, variant, { series: true }));
      assertComplete(rescue(faults, variant, { series: true, twoThreads: true }));
    }
  }
});

Deno.test("the map goes one way only, and changes where the strategy says", () => {
  for (const kind of FAULT_KINDS) {
    for (const [seed, variant] of VARIANTS.entries()) {
      const faults = makeFaults(kind, { seed, size: 4 * MIB });
      rescue(faults, variant, { checks: true });
      rescue(faults, variant, { checks: true, series: true });
      rescue(faults, variant, { checks: true, series: true, twoThreads: true });
    }
  }
});

Deno.test("a rescue goes on from any map, at any moment, also one of ddrescue's", () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = seededRandom(seed);
    const kind = FAULT_KINDS[seed % 3] ?? "mixed";
    const faults = makeFaults(kind, { seed, size: 16 * MIB });
    const { map, strategy } = rescue(faults, {}, { steps: Math.floor(random() * 2000) });
    const { phase, pass } = strategy;
    assertComplete(rescue(faults, { map: map.clone(), phase, pass }));

    const theirs = new RangeMap({ offset: 0, length: faults.size });
    let reads = Math.floor(random() * 2000);
    try {
      const onRead = (): void => {
        if (--reads < 0) throw new Stop();
      };
      referenceRescue(new SimulatedDrive(faults), theirs, { onRead });
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
    }
    assertComplete(rescue(faults, { map: theirs, phase: "*", pass: 1 }));

    const ours = map.clone();
    referenceRescue(new SimulatedDrive(faults), ours);
    assertEquals(ours.ranges("-"), faults.bad, "ddrescue goes on with our map");
  }
});

class Stop extends Error {}

Deno.test("a random map is finished without a byte being read that was rescued", () => {
  for (let seed = 0; seed < 40; seed++) {
    const random = seededRandom(seed);
    const size = 8 * MIB;
    const faults = makeFaults("mixed", { seed, size });
    const map = new RangeMap({ offset: 0, length: size });
    for (let i = 0; i < 50; i++) {
      const status = AREA_STATUSES[Math.floor(random() * AREA_STATUSES.length)] ?? "?";
      const offset = Math.floor(random() * size / 512) * 512;
      const range = { offset, length: 512 * (1 + Math.floor(random() * 1000)) };
      // "-" is not read again without retries, and "+" never: only where that is right.
      if (status === "+" || status === "-") continue;
      map.set(range, status);
    }
    for (const bad of faults.bad.slice(0, 20)) map.set(bad, "-");
    const done = { offset: 0, length: faults.bad[0]?.offset ?? 0 };
    map.set(done, "+");
    const rescued = rescue(faults, { map });
    assertComplete(rescued);
    for (const { range } of rescued.requests) {
      assertEquals(intersection(range, done), undefined);
    }
  }
});

Deno.test("nothing outside the domain is read or changed", () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = seededRandom(seed);
    const faults = makeFaults("mixed", { seed, size: 16 * MIB });
    const domain = Array.from({ length: 8 }, (_, index) => ({
      offset: index * 2 * MIB + Math.floor(random() * 1024) * 512,
      length: Math.floor(random() * 1024) * 512,
    }));
    const { map, requests, strategy } = rescue(faults, { domain });
    const inside = (range: Range): boolean =>
      domain.some((part) => intersection(part, range)?.length === range.length);
    assert(requests.every(({ range }) => inside(range)));
    const size = domain.reduce((sum, { length }) => sum + length, 0);
    assertEquals(map.total("+", "-"), size);
    assertEquals(map.total("?"), faults.size - size);
    assertEquals(strategy.totals.bytes["+"], map.total("+"));
  }
});

Deno.test("requests keep to the sectors of the device, and to the largest size", () => {
  const faults = makeFaults("mixed", { seed: 5, size: 16 * MIB + 1536, grain: 4096 });
  const sectorPhase = 1536;
  const { requests } = rescue(faults, {
    sectorSize: 2048,
    sectorPhase,
    clusterBytes: 32 * 1024,
    maxRequestBytes: 128 * 1024,
  });
  for (const { range } of requests) {
    const isStart = range.offset === 0 || (range.offset + sectorPhase) % 2048 === 0;
    const isEnd = endOf(range) === faults.size || (endOf(range) + sectorPhase) % 2048 === 0;
    assert(isStart && isEnd && range.length <= 128 * 1024, JSON.stringify(range));
  }
});

Deno.test("without trimming or scraping the failed areas stay", () => {
  const faults = makeFaults("clusters", { seed: 3, size: 32 * MIB });
  const untrimmed = rescue(faults, { trim: false });
  assert(untrimmed.map.total("*") > 0);
  assertEquals(untrimmed.map.total("?"), 0);
  assert(untrimmed.requests.every(({ phase }) => phase !== "*"));
  const unscraped = rescue(faults, { scrape: false });
  assert(unscraped.map.total("/") > 0);
  assertEquals(unscraped.map.total("?", "*"), 0);
});

Deno.test("sectors that read at the n-th try are rescued by as many retries", () => {
  for (let seed = 0; seed < 10; seed++) {
    const faults = makeFaults("flaky", { seed, size: 8 * MIB });
    const { map, requests } = rescue(faults, { retries: 6 });
    assertEquals(map.total("+"), faults.size);
    const last = requests.at(-1);
    assert(last?.phase === "-" && last.pass <= 6);
  }
});

Deno.test("retries turn round after each pass, and go on in the pass of the map", () => {
  const bad = [{ offset: 512, length: 1024 }, { offset: 8192, length: 512 }];
  const faults = { size: 16_384, bad };
  const first = rescue(faults);
  const offsets = ({ requests }: Rescued, pass: number): number[] =>
    requests.filter((each) => each.phase === "-" && each.pass === pass)
      .map(({ range }) => range.offset);
  const again = rescue(faults, { map: first.map.clone(), retries: 2 });
  assertEquals(offsets(again, 1), [512, 1024, 8192]);
  assertEquals(offsets(again, 2), [8192, 1024, 512]);
  const resumed = rescue(faults, { map: first.map.clone(), retries: 2, phase: "-", pass: 2 });
  assertEquals([offsets(resumed, 1), offsets(resumed, 2)], [[], [8192, 1024, 512]]);
});

Deno.test("too many bad areas end it", () => {
  const faults = makeFaults("scattered", { seed: 8, size: 32 * MIB });
  const { strategy, map } = rescue(faults, { maxBadAreas: 10 });
  assertEquals([strategy.stopped, strategy.totals.badAreas], ["max-bad-areas", 11]);
  assertEquals(map.ranges("-").length, 11);
});

Deno.test("a dead area is left in a few steps, and comes last", () => {
  const dead = { offset: 100 * MIB, length: 16 * MIB };
  const faults = { size: 256 * MIB, bad: [dead] };
  const { requests, drive } = rescue(faults);
  const failed = (pass: number): number =>
    requests.filter((each) =>
      each.phase === "?" && each.pass === pass && intersection(each.range, dead) !== undefined
    ).length;
  assert(failed(1) <= 10, `${failed(1)} in pass 1`);
  assert(failed(2) <= 4, `${failed(2)} in pass 2`);
  // Each sector once, and what it took to find the two ends.
  assert(drive.failures <= dead.length / 512 + 8, `${drive.failures}`);
});

Deno.test("two bad places in neighbouring requests fail twice each, as with ddrescue", () => {
  const bad = [MIB + 30 * 1024, MIB + 100 * 1024].map((offset) => ({ offset, length: 512 }));
  const faults = { size: 4 * MIB, bad };
  const map = new RangeMap({ offset: 0, length: faults.size }, "+");
  map.set({ offset: MIB, length: 128 * 1024 }, "*");
  const { drive } = rescue(faults, { map, phase: "*" }, { series: true });
  assertEquals(drive.failures, 2);
  assertEquals(map.ranges("-"), bad);
});

Deno.test("slow areas are left for later, then read", () => {
  const slow = { offset: 128 * MIB, length: 256 * MIB, factor: 5000 };
  const faults = { size: 1024 * MIB, bad: [], slow: [slow] };
  for (const options of [{ minRate: 1_000_000 }, { minRate: 0 }, { slowMilliseconds: 30 }]) {
    const rescued = rescue(faults, options);
    assertComplete(rescued);
    const fast = rescued.requests.findIndex(({ range }) => range.offset >= 640 * MIB);
    const before = rescued.requests.slice(0, fast)
      .filter(({ range }) => intersection(range, slow) !== undefined);
    assert(before.length <= 24, `${before.length} slow reads come first`);
    assert(rescued.requests.some(({ pass }) => pass > 2), JSON.stringify(options));
  }
});

Deno.test("what is given back is asked for again, as if it had not been asked for", () => {
  const faults = makeFaults("mixed", { seed: 11, size: 4 * MIB });
  for (const reverse of [false, true]) {
    const strategies = [1, 2].map(() =>
      new RescueStrategy({ map: new RangeMap({ offset: 0, length: faults.size }), reverse })
    );
    const [once, twice] = strategies;
    const drive = new SimulatedDrive(faults);
    if (once === undefined || twice === undefined) throw new Error("two of them");
    for (let steps = 0;; steps++) {
      const request = once.next();
      const series = twice.series(SERIES_BYTES, 50);
      assertEquals(series[0], request, `step ${steps}`);
      if (request === undefined) break;
      for (const { range } of series.slice(1).reverse()) twice.withdraw(range);
      const report = drive.read(request.range);
      for (const strategy of strategies) strategy.report(request.range, report);
    }
  }
});

Deno.test("what nobody asked for cannot be reported", () => {
  const strategy = new RescueStrategy({ map: new RangeMap({ offset: 0, length: 4096 }) });
  assertThrows(
    () => strategy.report({ offset: 0, length: 512 }, { ok: true, milliseconds: 1 }),
    RangeError,
  );
});

Deno.test("compared with ddrescue: no more failing reads, sooner at 99 %, sooner done", () => {
  const kinds = ["scattered", "dead", "clusters", "stripes", "mixed"] as const;
  for (const kind of kinds) {
    for (const grain of [512, 4096]) {
      const sums = { ours: [0, 0, 0], theirs: [0, 0, 0] };
      for (let seed = 1; seed <= 6; seed++) {
        const faults = makeFaults(kind, { seed, size: 128 * MIB, grain });
        const ours = rescue(faults, {}, { series: true });
        const drive = new SimulatedDrive(faults);
        const map = new RangeMap({ offset: 0, length: faults.size });
        let to99 = 0;
        let count = 0;
        const onRead = (): void => {
          if (to99 > 0 || count++ % 16 !== 0) return;
          if (map.total("+") >= 0.99 * drive.readableBytes) to99 = drive.milliseconds;
        };
        referenceRescue(drive, map, { onRead });
        assertEquals(map.ranges("-"), faults.bad);
        add(sums.ours, ours.drive.failures, ours.drive.milliseconds, ours.millisecondsTo99);
        add(sums.theirs, drive.failures, drive.milliseconds, to99);
      }
      const [failures = 9, end = 9, to99 = 9] = sums.ours.map((sum, index) =>
        sum / (sums.theirs[index] ?? 0)
      );
      const text = `${kind} ${grain}: ${failures} ${end} ${to99}`;
      // Requests of a sector cost a little here, too: as little as they gain in order.
      assert(failures <= 1 && end <= 1.05 && to99 <= 1.1, text);
    }
  }
});

function add(sums: number[], ...values: readonly number[]): void {
  for (const [index, value] of values.entries()) sums[index] = (sums[index] ?? 0) + value;
}

/** A drive of 4 TB with so many bad areas of a few sectors. */
function largeFaults(areas: number): DriveFaults {
  const size = 4e12 - 4e12 % 4096;
  const random = seededRandom(areas);
  const bad = Array.from({ length: areas }, () => ({
    offset: Math.floor(random() * size / 512) * 512,
    length: 512 * (1 + Math.floor(random() * 8)),
  }));
  return { size, bad: inBlocks(bad, 512, size) };
}

Deno.test("4 TB with ten thousand bad areas take seconds, twice as many twice that", () => {
  const seconds = [10_000, 20_000].map((areas) => {
    const faults = largeFaults(areas);
    const start = performance.now();
    const rescued = rescue(faults, { maxRequestBytes: 16 * MIB });
    assertComplete(rescued);
    return (performance.now() - start) / 1000;
  });
  const [once = 0, twice = 0] = seconds;
  assert(once < 30, `${once} s`);
  assert(twice < 3.5 * once, `${once} s, then ${twice} s`);
});

Deno.test("a large dead area does not make a large map", () => {
  const status: AreaStatus = "?";
  const faults = { size: 64 * MIB, bad: [{ offset: 4 * MIB, length: 48 * MIB }] };
  const map = new RangeMap({ offset: 0, length: faults.size }, status);
  const strategy = new RescueStrategy({ map });
  const drive = new SimulatedDrive(faults);
  let most = 0;
  for (let request = strategy.next(); request !== undefined; request = strategy.next()) {
    strategy.report(request.range, drive.read(request.range));
    most = Math.max(most, map.areaCount);
  }
  assert(most <= 2 * 48 * MIB / 4096 + 100, `${most} areas`);
});
