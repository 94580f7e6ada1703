/**
 * In which order a failing medium is read. Knows no clock and no device: it answers what
 * to read next, is told how that went, and keeps the map.
 *
 * ```ts
 * const strategy = new RescueStrategy({ map, sectorSize: 512 }); // changes the map
 * for (let request = strategy.next(); request !== undefined; request = strategy.next()) {
 *   const ok = await tryToRead(request.range);
 *   for (const area of strategy.report(request.range, { ok, milliseconds })) {
 *     // what the failure made of the map: "*", "/" or "-"
 *   }
 * }
 * ```
 *
 * `next` may be called again before `report`; it answers undefined while the next request
 * depends on one under way (`pending` > 0), and when there is nothing left (`pending` 0).
 * `series` answers several requests at once, for reading up to the first that fails; those
 * behind it go back by `withdraw`, before anything is reported.
 *
 * The phases, passes and states are those of GNU ddrescue (manual 1.27, chapters
 * "Algorithm" and "Mapfile structure"), so each can go on with the other's map at any
 * moment. What is done within them differs:
 *
 * - A failing read costs far more than one that succeeds, and one of a single sector is
 *   never wasted: it has to be done once anyway. So the larger requests shrink with the
 *   distance to the last trouble and with the mean distance between troubles, and inside
 *   clusters of bad sectors, and where a dead area is left by skipping, single sectors
 *   are asked for at once.
 * - Drives have physical sectors of 4 KiB, and caches have pages of that: behind a bad
 *   sector the rest of its 4 KiB is put off until scraping.
 * - Copying, pass 1: forwards; failures near each other skip, growing four times each, and
 *   what led out of the last dead area is skipped at once in the next. Pass 2: backwards,
 *   into what was skipped, from its readable side up to the first failure. Passes 3 and 4:
 *   the same, forwards and backwards, no longer minding slow areas. Pass 5: places with
 *   trouble on both sides, those first from which most is expected between two failures,
 *   large ones from their middle outwards; then what is left, in order.
 * - Trimming, backwards: single sectors up to the first bad one, then growing requests;
 *   where more than one request failed, single sectors from the front, too. Where the area
 *   is dead at its front as well the rest is left for scraping.
 *
 * Time: a binary search and a splice of the map a request, the logarithm of the number of
 * gaps for those of pass 5, and one scan of the map a pass (5, a few of trimming, 1,
 * retries). Memory: the map, the areas of the pass and the gaps, so a constant times the
 * areas of the map. Dead areas are split for the order of work (at most one area for each
 * 2 KiB of them) up to {@linkcode MAX_SPLIT_AREAS} areas of the map; beyond that, only by
 * what reading brings.
 */
import type { AreaStatus, RangeMap } from "../copy/range_map.ts";
import { endOf, intersection, mergeRanges, type Range, totalLength } from "../core/range.ts";
import { type Gap, GapQueue } from "./gap_queue.ts";

/** What is being done: copying, trimming, scraping, retrying, nothing any more. */
export type RescuePhase = "?" | "*" | "/" | "-" | "+";

/** Behind a bad sector, the rest of such a block (on multiples of it) is put off. */
const PHYSICAL_BYTES = 4096;

/** Requests under way at once, where the next does not depend on the last. */
const RUN_AHEAD = 2;

/** So many clusters without trouble, and most likely the next one has none, either. */
const CALM_CLUSTERS = 2;

/** With more areas than that, nothing is split for the order of work alone. */
export const MAX_SPLIT_AREAS = 65_536;

/** A request is at most this part of the distance from the last trouble. */
const GROWTH = 1;

/** And at most this part of the way to trouble that lies ahead. */
const APPROACH = 1 / 16;

/** Troubles nearer to each other than this are one. */
const TROUBLE_BYTES = 1024 * 1024;

/** Bad places nearer to each other than this are a cluster: it is read by sectors. */
const CLUSTER_GAP_BYTES = 256 * 1024;

/** In a cluster: by sectors up to this many times the distance of its bad places. */
const CLUSTER_CALM = 4;

/** Troubles that many requests apart make failing requests and others cost the same. */
const REQUESTS_A_TROUBLE = 120;

/** Above this mean distance of troubles a request may be larger than a cluster. */
const HEALTHY_BYTES = 64 * 1024 * 1024;

/** A read that took less is not slow, whatever its rate: it may be a single sector. */
const SLOW_MILLISECONDS = 20;

/** How to rescue. */
export interface RescueStrategyOptions {
  /** What is known; changed by `report`. */
  readonly map: RangeMap;
  /** Only these places, in bytes of the medium; all of the map when absent. */
  readonly domain?: readonly Range[] | undefined;
  /** Smallest request, bytes (512): a power of two times 512, or what the device has. */
  readonly sectorSize?: number | undefined;
  /** As `BlockSource.sectorPhase`. */
  readonly sectorPhase?: number | undefined;
  /** Largest area that becomes "*" by one failing read, bytes (64 KiB). */
  readonly clusterBytes?: number | undefined;
  /** Largest request, bytes (1 MiB); at least `clusterBytes`. */
  readonly maxRequestBytes?: number | undefined;
  /** How often bad sectors are tried again; Infinity is allowed (0). */
  readonly retries?: number | undefined;
  readonly trim?: boolean | undefined;
  readonly scrape?: boolean | undefined;
  /** Every pass the other way round. */
  readonly reverse?: boolean | undefined;
  /** First skip, bytes (16 KiB, or a 100,000th of the medium); 0: nothing is skipped. */
  readonly skipMin?: number | undefined;
  /** Largest skip, bytes (a 32nd of the medium, at least 1 MiB). */
  readonly skipMax?: number | undefined;
  /**
   * Areas read at fewer bytes a second are skipped in passes 1 and 2. 0: a tenth of the
   * average so far. Absent: no area is slow.
   */
  readonly minRate?: number | undefined;
  /** In passes 1 and 2 a read that took longer is slow, too (Infinity). */
  readonly slowMilliseconds?: number | undefined;
  /** With more areas of bad sectors than this it is given up. */
  readonly maxBadAreas?: number | undefined;
  /** Where the map's status line says that an earlier run was. */
  readonly phase?: RescuePhase | "F" | "G" | undefined;
  readonly pass?: number | undefined;
}

/** What to read now. */
export interface RescueRequest {
  readonly range: Range;
  readonly phase: RescuePhase;
  /** 1-based: copying has up to five. */
  readonly pass: number;
}

/** How a read went. */
export interface ReadReport {
  /** Did it bring all bytes? */
  readonly ok: boolean;
  readonly milliseconds: number;
}

/** What a failure made of a part of the map. */
export interface FailedArea {
  readonly range: Range;
  readonly status: AreaStatus;
}

/** Bytes of the domain in each state, and more. */
export interface RescueTotals {
  readonly bytes: Readonly<Record<AreaStatus, number>>;
  /** Areas of bad sectors in the map. */
  readonly badAreas: number;
}

/** A part of a state that is gone through in one direction. */
interface Walk {
  /** What is left of it. */
  low: number;
  high: number;
  readonly status: AreaStatus;
  readonly forward: boolean;
  /** After the first failure: stay, skip growing parts, or leave the rest. */
  readonly onFailure: "stay" | "skip" | "leave";
  /** What becomes of a rest that was left. */
  readonly rest: "keep" | "gap" | "scrape";
  /** Bytes to the next failure, as far as one can guess. */
  readonly expected: number;
  /** Bytes it brought. */
  gained: number;
  /** The other side of the place where it began: read, too, if anything could be here. */
  readonly twin: Range | undefined;
  /** Its rest is not for now. */
  left: boolean;
  readonly size: "grow" | "sector";
  /** Does trouble lie behind the end? Requests shrink toward it. */
  readonly towardTrouble: boolean;
  /** A request larger than a cluster failed: none larger up to there. */
  coarseLow: number;
  coarseHigh: number;
  /** The first walk of an area to be trimmed: by sectors up to the first bad one. */
  trims: boolean;
  /** More than one request failed here: a bad sector is to be found from each end. */
  readonly hasSeveral: boolean;
}

interface Pending extends RescueRequest {
  readonly walk: Walk;
}

/** See the head of this file. */
export class RescueStrategy {
  readonly map: RangeMap;
  readonly #domain: readonly Range[];
  readonly #sector: number;
  readonly #sectorPhase: number;
  readonly #clusterBytes: number;
  readonly #maxBytes: number;
  readonly #physical: number;
  readonly #skipMin: number;
  readonly #skipMax: number;
  readonly #options: RescueStrategyOptions;
  readonly #bytes: Record<AreaStatus, number> = { "?": 0, "*": 0, "/": 0, "-": 0, "+": 0 };
  #badAreas = 0;
  #phase: RescuePhase = "?";
  #pass = 0;
  /** Areas of this pass that were not begun, the next one last. */
  #work: Range[] = [];
  /** What is gone through, the present one last. */
  readonly #walks: Walk[] = [];
  readonly #gaps = new GapQueue();
  /** The second half of pass 5. */
  #sweeps = false;
  readonly #pending: Pending[] = [];
  /** Their bytes. */
  #ahead = 0;
  /** Bytes read without trouble up to here, in this walk and its kin. */
  #clean = Infinity;
  /** By sectors, until that many bytes were clean. */
  #calm = 0;
  /** The larger of the last two distances between bad places. */
  #gap = Infinity;
  /** Failures without a success between them. */
  #failures = 0;
  /** Failures each of which was near the one before. */
  #near = 0;
  /** The physical block of the last failure. */
  #troubleBlock = -1;
  /** Skips without a success between them, and their bytes. */
  #skips = 0;
  #skipped = 0;
  /** Bytes that led out of the last dead area; 0 where the last trouble was small. */
  #usualSkip = 0;
  #slowReads = 0;
  /** Of the whole run: what the mean distance between troubles comes from. */
  #okBytes = 0;
  #troubles = 1;
  #readBytes = 0;
  #readMilliseconds = 0;
  #position: number;
  #stopped: "max-bad-areas" | undefined;

  constructor(options: RescueStrategyOptions) {
    const { map, sectorSize = 512, sectorPhase = 0, clusterBytes = 64 * 1024 } = options;
    this.map = map;
    this.#options = options;
    this.#domain = domainOf(map.range, options.domain);
    this.#sector = sectorSize;
    this.#sectorPhase = sectorPhase;
    this.#clusterBytes = Math.max(sectorSize, clusterBytes);
    this.#maxBytes = Math.max(this.#clusterBytes, options.maxRequestBytes ?? 1024 * 1024);
    this.#physical = Math.max(PHYSICAL_BYTES, sectorSize);
    const size = map.range.length;
    this.#skipMin = options.skipMin ?? Math.max(16 * 1024, size / 100_000);
    this.#skipMax = Math.max(
      this.#skipMin,
      options.skipMax ?? Math.max(1024 * 1024, size / 32),
    );
    this.#position = map.range.offset;
    this.#countMap();
    const { phase = "?", pass = 1 } = options;
    // Only copying and retrying go on within their passes, as ddrescue's do.
    if (phase === "?") this.#pass = Math.min(5, Math.max(1, pass)) - 1;
  }

  /** What is being done. */
  get phase(): RescuePhase {
    return this.#phase;
  }

  /** Of the phase, 1-based. */
  get pass(): number {
    return Math.max(1, this.#pass);
  }

  /** The end of the last request in its direction: what a map's status line tells. */
  get position(): number {
    return this.#position;
  }

  /** Bytes of the largest request: what buffers must hold. */
  get maxRequestBytes(): number {
    return this.#maxBytes;
  }

  /** Requests that were not reported. */
  get pending(): number {
    return this.#pending.length;
  }

  /** Why it gave up; undefined while it did not. */
  get stopped(): "max-bad-areas" | undefined {
    return this.#stopped;
  }

  /** Bytes of the domain in each state; costs nothing. */
  get totals(): RescueTotals {
    return { bytes: { ...this.#bytes }, badAreas: this.#badAreas };
  }

  /** What to read now; see the head of this file for undefined. */
  next(): RescueRequest | undefined {
    if (this.#stopped !== undefined) return undefined;
    if (this.#pending.length > 0 && !this.#runsAhead()) return undefined;
    for (;;) {
      const walk = this.#walks.at(-1);
      if (walk === undefined) {
        // What is to be done next can depend on every request of this walk.
        if (this.#pending.length > 0 || !this.#begin()) return undefined;
        continue;
      }
      const range = this.#cut(walk);
      if (range === undefined) {
        if (this.#pending.length > 0) return undefined;
        this.#end(walk);
        continue;
      }
      return this.#ask(walk, range);
    }
  }

  /**
   * Is trouble far from here? Then a drive may be asked for the next request of a series
   * while it is at one: if that fails, the other most likely succeeds.
   */
  get isCalm(): boolean {
    const walk = this.#walks.at(-1);
    if (this.#pending.length > 0 || walk === undefined || walk.left) return false;
    if (walk.status !== "?" || this.#failures > 0 || this.#slowReads > 0) return false;
    return !isCoarse(walk) && this.#clean >= CALM_CLUSTERS * this.#clusterBytes;
  }

  /**
   * What to read now, and what follows it if that succeeds, and so on: neighbours, in the
   * order in which they are to be read, up to the first that fails. Empty where `next`
   * answers undefined. At most `maxBytes` and `maxCount`, but always the first.
   */
  series(maxBytes: number, maxCount: number): RescueRequest[] {
    const first = this.next();
    if (first === undefined) return [];
    const requests = [first];
    const walk = this.#walks.at(-1);
    let last = first.range;
    let { length } = last;
    while (walk !== undefined && requests.length < maxCount) {
      const { low, high } = walk;
      const range = this.#cut(walk);
      const follows = range !== undefined && length + range.length <= maxBytes &&
        (walk.forward ? range.offset === endOf(last) : endOf(range) === last.offset);
      if (!follows) {
        walk.low = low;
        walk.high = high;
        break;
      }
      requests.push(this.#ask(walk, range));
      last = range;
      length += range.length;
    }
    return requests;
  }

  /** Nobody will read this: it is asked for again. The last ones of a series first. */
  withdraw(range: Range): void {
    const { walk } = this.#take(range);
    if (walk.forward) walk.low = Math.min(walk.low, range.offset);
    else walk.high = Math.max(walk.high, endOf(range));
  }

  #ask(walk: Walk, range: Range): RescueRequest {
    const request = { range, phase: this.#phase, pass: this.#pass, walk };
    this.#pending.push(request);
    this.#ahead += range.length;
    this.#position = walk.forward ? range.offset : endOf(range);
    return { range, phase: request.phase, pass: request.pass };
  }

  #take(range: Range): Pending {
    const index = this.#pending.findIndex((each) => each.range.offset === range.offset);
    const [request] = index < 0 ? [] : this.#pending.splice(index, 1);
    if (request === undefined) throw new RangeError(`Nobody asked for ${range.offset}`);
    this.#ahead -= request.range.length;
    return request;
  }

  /**
   * How a request went that `next` gave. Answers the areas whose state a failure
   * changed, with their new states.
   */
  report(range: Range, { ok, milliseconds }: ReadReport): FailedArea[] {
    const request = this.#take(range);
    if (!ok) return this.#failed(request);
    request.walk.gained += range.length;
    this.#set(range, "+");
    this.#clean += range.length;
    this.#okBytes += range.length;
    this.#noteEscape();
    this.#failures = 0;
    if (this.#isSlow(request, milliseconds)) this.#leaveSlow(request);
    else this.#slowReads = 0;
    return [];
  }

  /**
   * After a success the next requests can go out before the last one is back. Most of them
   * succeed, too; single sectors that fail had to be tried anyway.
   */
  #runsAhead(): boolean {
    const walk = this.#walks.at(-1);
    if (walk === undefined || walk.left || this.#pending.length >= RUN_AHEAD) return false;
    // All of these are tried one by one, whatever comes.
    if (walk.status === "/" || walk.status === "-") return true;
    if (this.#failures > 0 || this.#slowReads > 0 || isCoarse(walk)) return false;
    const isSector = this.#requestBytes(walk) === this.#sector;
    // While copying, one sector of a bad block is enough to know.
    return isSector ? walk.status !== "?" : this.#clean >= CALM_CLUSTERS * this.#clusterBytes;
  }

  // Phases and passes ------------------------------------------------------------------

  /** Begins the next walk, if need be in the next pass or phase. */
  #begin(): boolean {
    for (;;) {
      const area = this.#work.pop();
      if (area !== undefined) {
        this.#walkArea(area);
        return true;
      }
      if (this.#phase === "?" && this.#pass === 5) {
        const gap = this.#gaps.pop();
        if (gap !== undefined) {
          this.#probe(gap);
          return true;
        }
        if (!this.#sweeps) {
          this.#sweeps = true;
          this.#collect("?", true);
          continue;
        }
      }
      if (!this.#nextPass()) return false;
    }
  }

  #nextPass(): boolean {
    if (this.#phase === "+") return false;
    if (this.#phase === "?") {
      if (this.#bytes["?"] > 0 && this.#pass < 5) {
        this.#pass++;
        this.#collect("?", this.#pass % 2 === 1);
        if (this.#pass === 5) this.#queueGaps();
        return true;
      }
      this.#phase = "*";
      this.#pass = 0;
    }
    if (this.#phase === "*") {
      if (this.#options.trim !== false && this.#bytes["*"] > 0) {
        this.#pass = 1;
        // Again, while smaller requests failed inside such areas; each made a bad sector.
        this.#collect("*", false);
        return true;
      }
      this.#phase = "/";
      this.#pass = 0;
    }
    if (this.#phase === "/") {
      if (this.#options.scrape !== false && this.#pass === 0 && this.#bytes["/"] > 0) {
        this.#pass = 1;
        this.#collect("/", true);
        return true;
      }
      this.#phase = "-";
      const { phase, pass = 1 } = this.#options;
      this.#pass = phase === "-" ? Math.max(1, pass) - 1 : 0;
    }
    if (this.#bytes["-"] > 0 && this.#pass < (this.#options.retries ?? 0)) {
      this.#pass++;
      this.#collect("-", this.#pass % 2 === 1);
      return true;
    }
    this.#phase = "+";
    this.#pass = 1;
    return false;
  }

  /** The areas of a state are this pass' work, in its direction. */
  #collect(status: AreaStatus, forward: boolean): void {
    const found = this.#inDomain(this.map.ranges(status));
    this.#work = forward !== this.#isReverse ? found.reverse() : found;
  }

  /** Pass 5 takes the largest gaps first. */
  #queueGaps(): void {
    this.#sweeps = false;
    for (const { offset, length } of this.#work) {
      this.#queueGap({ offset, length, expected: length / 4 });
    }
    this.#work = [];
  }

  /** What is not worth its place in the queue is left for the end of the pass. */
  #queueGap({ offset, length, expected }: Gap): void {
    const isWorth = length > this.#clusterBytes || expected >= this.#physical;
    if (!isWorth || length <= 0 || this.#options.skipMin === 0) return;
    if (this.map.areaCount >= MAX_SPLIT_AREAS) return;
    this.#gaps.push({ offset, length, expected: Math.min(expected, length / 4) });
  }

  get #isReverse(): boolean {
    return this.#options.reverse === true;
  }

  /** Begins an area of this pass. */
  #walkArea(area: Range): void {
    const passForward = this.#phase === "*" ? false : this.#pass % 2 === 1;
    const forward = passForward !== this.#isReverse;
    const before = this.#isTrouble(area.offset - 1);
    const behind = this.#isTrouble(endOf(area));
    const [start, end] = forward ? [before, behind] : [behind, before];
    const common = { area, forward, towardTrouble: end };
    if (this.#phase === "?" && this.#pass > 1 && !this.#sweeps) {
      // From the readable side only; pass 5 takes what has none.
      if (start) return;
      const size = end && area.length <= CLUSTER_GAP_BYTES ? "sector" : "grow";
      this.#walk({ ...common, onFailure: "leave", size });
    } else if (this.#phase === "?") {
      const size = this.#sweeps && area.length <= TROUBLE_BYTES ? "sector" : "grow";
      this.#walk({ ...common, onFailure: this.#pass === 1 ? "skip" : "stay", size });
      if (start) this.#clean = 0;
    } else if (this.#phase === "*") {
      const hasSeveral = area.length > this.#clusterBytes;
      this.#walk({ ...common, status: "*", onFailure: "stay", trims: true, hasSeveral });
    } else {
      const status = this.#phase === "/" ? "/" : "-";
      this.#walk({ ...common, status, onFailure: "stay", size: "sector" });
    }
  }

  /** Tries the middle of a gap and reads on from there; a small one from its front. */
  #probe(gap: Gap): void {
    const { offset, length, expected } = gap;
    if (length <= this.#clusterBytes) {
      this.#walkGap(gap, !this.#isReverse, expected);
      return;
    }
    const middle = offset + Math.floor(length / 2);
    const low = Math.max(offset, middle - this.#inPhysical(middle));
    this.#walkGap(between(low, endOf(gap)), true, expected, between(offset, low));
  }

  #walkGap(area: Range, forward: boolean, expected: number, twin?: Range): void {
    this.#walk({
      area,
      forward,
      onFailure: "leave",
      rest: "gap",
      size: area.length <= CLUSTER_GAP_BYTES ? "sector" : "grow",
      towardTrouble: true,
      expected,
      twin,
    });
    this.#clean = 0;
    if (expected < CLUSTER_GAP_BYTES) this.#calm = CLUSTER_CALM * expected;
  }

  /** Begins a walk; nothing is known of the beginning. */
  #walk(
    options: Pick<Walk, "forward" | "onFailure" | "towardTrouble"> & {
      readonly area: Range;
      readonly status?: AreaStatus;
      readonly rest?: Walk["rest"];
      readonly size?: Walk["size"];
      readonly trims?: boolean;
      readonly hasSeveral?: boolean;
      readonly twin?: Range | undefined;
      readonly expected?: number;
    },
  ): void {
    const { area, forward, onFailure, towardTrouble } = options;
    const { status = "?", rest = "keep", size = "grow", trims = false } = options;
    this.#walks.push({
      low: area.offset,
      high: endOf(area),
      status,
      forward,
      onFailure,
      rest,
      twin: options.twin,
      expected: options.expected ?? Infinity,
      gained: 0,
      left: false,
      size,
      towardTrouble,
      coarseLow: Infinity,
      coarseHigh: -Infinity,
      trims,
      hasSeveral: options.hasSeveral ?? false,
    });
    this.#clean = Infinity;
    this.#calm = 0;
    this.#gap = Infinity;
    this.#failures = 0;
    this.#near = 0;
    this.#slowReads = 0;
  }

  /** A walk has nothing left to ask for, or left its rest. */
  #end(walk: Walk): void {
    this.#walks.pop();
    if (walk.rest !== "gap") return;
    const { gained, twin } = walk;
    const expected = gained > 0 ? (walk.expected + 3 * gained) / 4 : walk.expected / 4;
    this.#queueGap({ ...between(walk.low, walk.high), expected });
    if (twin === undefined || twin.length === 0) return;
    if (gained > 0) this.#walkGap(twin, !walk.forward, expected);
    else this.#queueGap({ ...twin, expected });
  }

  // Requests ---------------------------------------------------------------------------

  /** The next request of a walk, which goes on behind it; undefined at its end. */
  #cut(walk: Walk): Range | undefined {
    while (walk.low < walk.high && !walk.left) {
      const area = this.map.areaAt(walk.forward ? walk.low : walk.high - 1);
      if (area === undefined) return undefined;
      if (area.status !== walk.status) {
        if (walk.forward) walk.low = endOf(area);
        else walk.high = area.offset;
        continue;
      }
      const low = Math.max(area.offset, walk.low);
      const high = Math.min(endOf(area), walk.high);
      const bytes = this.#requestBytes(walk);
      const grain = bytes % this.#physical === 0 ? this.#physical : this.#sector;
      const range = walk.forward
        ? between(low, Math.min(this.#alignDown(low, grain) + bytes, high))
        : between(Math.max(low, this.#alignDown(high - 1, grain) + grain - bytes), high);
      if (walk.forward) walk.low = endOf(range);
      else walk.high = range.offset;
      return range;
    }
    return undefined;
  }

  /** How much to ask for: a sector times a power of two. */
  #requestBytes(walk: Walk): number {
    // What is under way is thought to succeed: a series ends at the first failure.
    const clean = this.#clean + this.#ahead;
    if (walk.size === "sector" || walk.trims || clean < this.#calm) return this.#sector;
    let bytes = isCoarse(walk) ? this.#clusterBytes : this.#healthyBytes();
    bytes = Math.min(bytes, clean * GROWTH);
    if (walk.towardTrouble) bytes = Math.min(bytes, (walk.high - walk.low) * APPROACH);
    const unit = bytes >= 2 * this.#physical ? this.#physical : this.#sector;
    return Math.max(unit, bytes - bytes % unit);
  }

  /** Bytes a request far from trouble: by the mean distance between troubles. */
  #healthyBytes(): number {
    const mean = (this.#okBytes + HEALTHY_BYTES / 2) / this.#troubles;
    if (mean >= HEALTHY_BYTES) {
      return Math.min(this.#maxBytes, Math.max(this.#clusterBytes, mean / 64));
    }
    return Math.min(this.#clusterBytes, Math.max(this.#physical, mean / REQUESTS_A_TROUBLE));
  }

  #alignDown(offset: number, bytes: number): number {
    return offset - (offset + this.#sectorPhase) % bytes;
  }

  /** Bytes between the beginning of a physical block and this place in it. */
  #inPhysical(offset: number): number {
    return (offset + this.#sectorPhase) % this.#physical;
  }

  // Failures ---------------------------------------------------------------------------

  #failed(request: Pending): FailedArea[] {
    const { range, walk } = request;
    if (range.length > this.#clusterBytes) {
      // Nothing is entered: it is gone through again by clusters.
      walk.coarseLow = Math.min(walk.coarseLow, range.offset);
      walk.coarseHigh = Math.max(walk.coarseHigh, endOf(range));
      if (walk.forward) walk.low = Math.min(walk.low, range.offset);
      else walk.high = Math.max(walk.high, endOf(range));
      return [];
    }
    if (!walk.left) this.#noteTrouble(range);
    const failed: FailedArea[] = [];
    const enter = (area: Range, status: AreaStatus): void => {
      if (area.length <= 0) return;
      this.#set(area, status);
      failed.push({ range: area, status });
    };
    const isSector = this.#alignDown(endOf(range) - 1, this.#sector) <= range.offset;
    if (isSector) {
      enter(range, "-");
      if (walk.status === "?" || walk.status === "*") {
        enter(this.#restOfPhysical(walk), "/");
      }
    } else enter(range, "*");
    this.#afterFailure(walk, enter);
    const { maxBadAreas = Infinity } = this.#options;
    if (this.#badAreas > maxBadAreas) this.#stopped = "max-bad-areas";
    return failed;
  }

  /** How near the bad places are to each other. */
  #noteTrouble(range: Range): void {
    const block = Math.floor((range.offset + this.#sectorPhase) / this.#physical);
    // Sectors of one physical block fail together.
    if (block === this.#troubleBlock && this.#clean < this.#physical) return;
    this.#troubleBlock = block;
    const distance = this.#clean;
    this.#failures++;
    this.#clean = 0;
    this.#near = distance < CLUSTER_GAP_BYTES ? this.#near + 1 : 0;
    if (this.#failures > 1) return;
    if (distance >= TROUBLE_BYTES) this.#troubles++;
    const isCluster = distance < CLUSTER_GAP_BYTES;
    const before = this.#gap < CLUSTER_GAP_BYTES ? this.#gap : 0;
    this.#calm = isCluster
      ? Math.min(CLUSTER_CALM * Math.max(distance, before), CLUSTER_GAP_BYTES)
      : 0;
    this.#gap = distance + range.length;
  }

  /** What is left of the physical block in which a walk stands; it steps over it. */
  #restOfPhysical(walk: Walk): Range {
    const none = { offset: walk.low, length: 0 };
    if (this.map.areaCount >= MAX_SPLIT_AREAS || walk.low >= walk.high) return none;
    const at = walk.forward ? walk.low : walk.high;
    const within = this.#inPhysical(at);
    if (within === 0) return none;
    const area = this.map.areaAt(walk.forward ? at : at - 1);
    if (area === undefined || area.status !== walk.status) return none;
    if (walk.forward) {
      walk.low = Math.min(at - within + this.#physical, walk.high, endOf(area));
      return { offset: at, length: walk.low - at };
    }
    walk.high = Math.max(at - within, walk.low, area.offset);
    return { offset: walk.high, length: at - walk.high };
  }

  /** Where a walk goes on behind a failure. */
  #afterFailure(walk: Walk, enter: (area: Range, status: AreaStatus) => void): void {
    if (walk.left) return;
    const rest = { offset: walk.low, length: walk.high - walk.low };
    if (walk.trims) {
      walk.trims = false;
      if (!walk.hasSeveral) return;
      walk.left = true;
      const options = {
        onFailure: "stay",
        status: "*",
        trims: true,
        towardTrouble: true,
      } as const;
      this.#walk({ ...options, area: rest, forward: !walk.forward, hasSeveral: false });
    } else if (walk.rest === "scrape") {
      enter(rest, "/");
      walk.left = true;
    } else if (walk.status === "*" && this.#failures > 1) {
      // Dead at this end: at the other one, too, it is gone up to a bad sector.
      walk.left = true;
      this.#walk({
        area: rest,
        status: "*",
        forward: !walk.forward,
        onFailure: "leave",
        rest: "scrape",
        size: "sector",
        towardTrouble: true,
      });
    } else if (walk.onFailure === "skip") this.#skip(walk, this.#near);
    else if (walk.onFailure === "leave") walk.left = true;
  }

  /**
   * Steps over a part that grows with the failures near each other; where the last trouble
   * was a dead area, over one of its size at once.
   */
  #skip(walk: Walk, near: number): void {
    if (this.#skipMin === 0) return;
    const grown = near < 1 ? 0 : this.#skipMin * 4 ** (near - 1);
    const bytes = Math.min(Math.max(grown, this.#usualSkip), this.#skipMax);
    if (bytes === 0) return;
    this.#skipped += bytes;
    this.#skips++;
    if (walk.forward) {
      const to = walk.low + bytes;
      walk.low = Math.min(walk.high, to - this.#inPhysical(to));
    } else {
      const to = walk.high - bytes;
      walk.high = Math.max(walk.low, to - this.#inPhysical(to));
    }
  }

  /** A read succeeded: the skips before it, if any, led out of something. */
  #noteEscape(): void {
    if (this.#skips > 1) this.#usualSkip = this.#skipped;
    else if (this.#failures > 0) this.#usualSkip = this.#skips === 1 ? this.#usualSkip / 2 : 0;
    if (this.#usualSkip < this.#skipMin) this.#usualSkip = 0;
    this.#skips = 0;
    this.#skipped = 0;
  }

  // Slow areas -------------------------------------------------------------------------

  /** Is the place slower than what passes 1 and 2 wait for? */
  #isSlow(request: Pending, milliseconds: number): boolean {
    const { minRate, slowMilliseconds = Infinity } = this.#options;
    const { length } = request.range;
    const rate = length / Math.max(milliseconds, 0.001) * 1000;
    const average = this.#readBytes / Math.max(1, this.#readMilliseconds) * 1000;
    const limit = minRate === 0 ? average / 10 : minRate ?? 0;
    const isSlow = milliseconds > slowMilliseconds ||
      (milliseconds >= SLOW_MILLISECONDS && rate < limit);
    if (!isSlow) {
      this.#readBytes += length;
      this.#readMilliseconds += milliseconds;
    }
    return isSlow && request.phase === "?" && request.pass <= 2;
  }

  #leaveSlow({ walk }: Pending): void {
    this.#slowReads++;
    // A large request would take long here.
    this.#clean = this.#clusterBytes;
    if (walk.onFailure === "skip") this.#skip(walk, this.#slowReads);
    else walk.left = true;
  }

  // The map ----------------------------------------------------------------------------

  #set(range: Range, status: AreaStatus): void {
    const around = { offset: range.offset - 1, length: range.length + 2 };
    this.#badAreas -= this.#countBadAreas(around);
    for (const part of this.#areasIn(range)) this.#bytes[part.status] -= part.length;
    this.map.set(range, status);
    this.#bytes[status] += range.length;
    this.#badAreas += this.#countBadAreas(around);
  }

  #countBadAreas(range: Range): number {
    let count = 0;
    for (const { status } of this.#areasIn(range)) if (status === "-") count++;
    return count;
  }

  /** The areas that a range touches, cut to it. */
  *#areasIn(range: Range): Generator<Range & { readonly status: AreaStatus }> {
    let at = Math.max(range.offset, this.map.range.offset);
    while (at < endOf(range)) {
      const area = this.map.areaAt(at);
      if (area === undefined) return;
      const end = Math.min(endOf(area), endOf(range));
      yield { offset: at, length: end - at, status: area.status };
      at = end;
    }
  }

  #isTrouble(offset: number): boolean {
    const status = this.map.areaAt(offset)?.status;
    return status === "*" || status === "/" || status === "-";
  }

  /** What the domain holds of these ranges; both ascending. */
  #inDomain(ranges: readonly Range[]): Range[] {
    const found: Range[] = [];
    let index = 0;
    for (const range of ranges) {
      for (;;) {
        const part = this.#domain[index];
        if (part === undefined) return found;
        const common = intersection(range, part);
        if (common !== undefined) found.push(common);
        if (endOf(part) > endOf(range)) break;
        index++;
      }
    }
    return found;
  }

  /** What the map holds at the beginning. */
  #countMap(): void {
    const statuses: readonly AreaStatus[] = ["?", "*", "/", "-", "+"];
    for (const status of statuses) {
      const ranges = this.#inDomain(this.map.ranges(status));
      this.#bytes[status] = totalLength(ranges);
    }
    let before = -Infinity;
    for (const { offset, length, status } of this.map.areas()) {
      if (status === "-") this.#badAreas++;
      if (status === "+") this.#okBytes += length;
      else if (status !== "?") {
        if (offset - before >= TROUBLE_BYTES) this.#troubles++;
        before = offset + length;
      }
    }
  }
}

/** Is it going through a failed request again? */
function isCoarse(walk: Walk): boolean {
  return walk.forward ? walk.low < walk.coarseHigh : walk.high > walk.coarseLow;
}

/** What is asked of a map; ascending, without overlaps. */
function domainOf(whole: Range, domain: readonly Range[] | undefined): Range[] {
  const parts = domain === undefined ? [whole] : mergeRanges(domain);
  return parts.map((part) => intersection(part, whole)).filter((part) => part !== undefined);
}

/** The bytes between two places. */
function between(low: number, high: number): Range {
  return { offset: low, length: high - low };
}
