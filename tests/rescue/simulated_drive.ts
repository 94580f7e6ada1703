/** A drive that is only arithmetic: which reads fail, and what each of them costs. */
import { endOf, type Range } from "../../src/core/range.ts";

/** What reads cost, milliseconds. */
export interface DriveCosts {
  /** Each request. */
  readonly request: number;
  /** More, where it does not begin where the last one ended. */
  readonly seek: number;
  readonly bytesPerMillisecond: number;
  /** More, where it fails. */
  readonly failure: number;
}

/** A drive between a fast disk and what network block devices look like. */
export const USUAL_COSTS: DriveCosts = {
  request: 0.1,
  seek: 0.02,
  bytesPerMillisecond: 500_000,
  failure: 50,
};

/** Where and how a drive is ill. */
export interface DriveFaults {
  readonly size: number;
  /** Places that cannot be read; ascending, not touching. */
  readonly bad: readonly Range[];
  /** Bad places that can be read at the n-th try of a request that touches them. */
  readonly tries?: ReadonlyMap<number, number>;
  /** Places that are read at a part of the speed; ascending. */
  readonly slow?: readonly (Range & { readonly factor: number })[];
}

/** What a read of the drive came to. */
export interface SimulatedRead {
  readonly ok: boolean;
  readonly milliseconds: number;
}

/** See the head of this file. Times and failures are summed up. */
export class SimulatedDrive {
  readonly size: number;
  readonly bad: readonly Range[];
  reads = 0;
  failures = 0;
  milliseconds = 0;
  readonly #faults: DriveFaults;
  readonly #costs: DriveCosts;
  readonly #tried = new Map<number, number>();
  #head = 0;

  constructor(faults: DriveFaults, costs: DriveCosts = USUAL_COSTS) {
    this.size = faults.size;
    this.bad = faults.bad;
    this.#faults = faults;
    this.#costs = costs;
  }

  read(range: Range): SimulatedRead {
    const { request, seek, bytesPerMillisecond, failure } = this.#costs;
    const ok = this.#isReadable(range);
    let milliseconds = request + (this.#head === range.offset ? 0 : seek);
    if (ok) milliseconds += range.length * this.#slowness(range) / bytesPerMillisecond;
    else milliseconds += failure;
    this.#head = endOf(range);
    this.reads++;
    if (!ok) this.failures++;
    this.milliseconds += milliseconds;
    return { ok, milliseconds };
  }

  /** Would a read succeed now? It is not tried. */
  canRead(range: Range): boolean {
    const { bad, tries } = this.#faults;
    for (let index = firstBehind(bad, range.offset); index < bad.length; index++) {
      const place = bad[index];
      if (place === undefined || place.offset >= endOf(range)) break;
      const tried = (this.#tried.get(place.offset) ?? 0) + 1;
      if (tried < (tries?.get(place.offset) ?? Infinity)) return false;
    }
    return true;
  }

  /** Bytes that can be read, at whatever try. */
  get readableBytes(): number {
    const { bad, tries = new Map<number, number>() } = this.#faults;
    return bad.reduce(
      (sum, { offset, length }) => sum - (tries.has(offset) ? 0 : length),
      this.size,
    );
  }

  #isReadable(range: Range): boolean {
    const { bad, tries } = this.#faults;
    let ok = true;
    for (let index = firstBehind(bad, range.offset); index < bad.length; index++) {
      const place = bad[index];
      if (place === undefined || place.offset >= endOf(range)) break;
      const needed = tries?.get(place.offset) ?? Infinity;
      const tried = (this.#tried.get(place.offset) ?? 0) + 1;
      if (needed < Infinity) this.#tried.set(place.offset, tried);
      if (tried < needed) {
        ok = false;
        break;
      }
    }
    return ok;
  }

  #slowness(range: Range): number {
    const { slow = [] } = this.#faults;
    const place = slow[firstBehind(slow, range.offset)];
    return place !== undefined && place.offset < endOf(range) ? place.factor : 1;
  }
}

/** Index of the first range that ends behind an offset. */
function firstBehind(ranges: readonly Range[], offset: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const range = ranges[middle];
    if (range !== undefined && endOf(range) <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Ranges rounded to blocks, ascending, joined where they touch. */
export function inBlocks(ranges: readonly Range[], block: number, size: number): Range[] {
  const found: { offset: number; length: number }[] = [];
  for (const range of ranges.toSorted((a, b) => a.offset - b.offset)) {
    const offset = range.offset - range.offset % block;
    const end = Math.min(size, Math.ceil(endOf(range) / block) * block);
    const last = found.at(-1);
    if (offset >= end) continue;
    if (last !== undefined && offset <= endOf(last)) {
      last.length = Math.max(endOf(last), end) - last.offset;
    } else found.push({ offset, length: end - offset });
  }
  return found;
}

/** How a drive may be ill. */
export const FAULT_KINDS = [
  "scattered",
  "dead",
  "clusters",
  "stripes",
  "flaky",
  "slow",
  "mixed",
] as const;

/** One of {@linkcode FAULT_KINDS}. */
export type FaultKind = typeof FAULT_KINDS[number];

/** A drive of that kind; `grain`: bytes that fail together. */
export function makeFaults(
  kind: FaultKind,
  { seed, size, grain = 512 }: {
    readonly seed: number;
    readonly size: number;
    readonly grain?: number;
  },
): DriveFaults {
  const random = seededRandom(seed);
  const pick = (below: number): number => Math.floor(random() * below);
  const scattered = (count: number): Range[] =>
    Array.from({ length: count }, () => ({ offset: pick(size / 512) * 512, length: 512 }));
  const dead = (bytes: number): Range[] => [{ offset: pick(size - bytes), length: bytes }];
  const clusters = (count: number): Range[] =>
    Array.from({ length: count }).flatMap(() => {
      const region = pick(size / 2 ** 20 - 1) * 2 ** 20;
      return Array.from(
        { length: 4 + pick(61) },
        () => ({ offset: region + pick(2048) * 512, length: 512 }),
      );
    });
  const stripes = (): Range[] => {
    const period = 2 ** (18 + pick(3));
    const from = pick(size / 2);
    const count = Math.min(12, Math.floor((size - from) / period / 4));
    return Array.from(
      { length: count },
      (_, index) => ({ offset: from + index * 4 * period, length: period / 4 }),
    );
  };
  const parts: Record<FaultKind, () => Range[]> = {
    scattered: () => scattered(1 + pick(200)),
    dead: () => dead(2 ** (12 + pick(9))),
    clusters: () => clusters(1 + pick(10)),
    stripes,
    flaky: () => scattered(40),
    slow: () => scattered(20),
    mixed: () => [...scattered(pick(30)), ...dead(2 ** (12 + pick(7))), ...clusters(pick(4))],
  };
  const bad = inBlocks(parts[kind](), grain, size);
  if (kind === "flaky") {
    return { size, bad, tries: new Map(bad.map(({ offset }) => [offset, 2 + pick(4)])) };
  }
  if (kind === "slow") {
    const offset = pick(size / 2);
    return { size, bad, slow: [{ offset, length: Math.floor(size / 8), factor: 200 }] };
  }
  return { size, bad };
}

/** The three drives of 1 GiB that rescues are measured on. */
export function benchFaults(
  kind: "scattered" | "dead" | "clusters",
  grain: number,
  seed = 1,
  deadBytes = 64 * 2 ** 20,
): DriveFaults {
  const size = 2 ** 30;
  const random = seededRandom(seed);
  const pick = (below: number): number => Math.floor(random() * below);
  const bad: Range[] = [];
  if (kind === "scattered") {
    for (let i = 0; i < 200; i++) bad.push({ offset: pick(size / 512) * 512, length: 512 });
  } else if (kind === "dead") bad.push({ offset: 400 * 2 ** 20 + 12 * 512, length: deadBytes });
  else {
    const regions = new Set<number>();
    while (regions.size < 40) regions.add(pick(1024));
    for (const region of regions) {
      const sectors = new Set<number>();
      const count = 4 + pick(61);
      while (sectors.size < count) sectors.add(pick(2048));
      for (const sector of sectors) {
        bad.push({ offset: region * 2 ** 20 + sector * 512, length: 512 });
      }
    }
  }
  return { size, bad: inBlocks(bad, grain, size) };
}
