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
 * The phases and passes are in `phases.ts` (the places of pass 5 in `gap_walks.ts`), how one
 * area is gone through in `walk.ts`, how near trouble is in `trouble.ts`, and what follows
 * from that in `request_size.ts` and `skips.ts`. `read_pace.ts` knows which reads are slow,
 * `counted_map.ts` has the map and its totals. Here is what is asked for, and what becomes
 * of the map and of the walk when it comes back.
 *
 * Time: a binary search and a splice of the map a request, the logarithm of the number of
 * gaps for those of pass 5, and one scan of the map a pass (5, a few of trimming, 1,
 * retries). Memory: the map, the areas of the pass and the gaps, so a constant times the
 * areas of the map. Dead areas are split for the order of work (at most one area for each
 * 2 KiB of them) up to {@linkcode MAX_SPLIT_AREAS} areas of the map; beyond that, only by
 * what reading brings.
 */
import type { AreaStatus, RangeMap } from "../copy/range_map.ts";
import { endOf, type Range } from "../core/range.ts";
import { CountedMap, type RescueTotals } from "./counted_map.ts";
import { RescuePhases } from "./phases.ts";
import { ReadPace } from "./read_pace.ts";
import { requestBytes } from "./request_size.ts";
import { RescueSizes } from "./rescue_sizes.ts";
import { Skips } from "./skips.ts";
import type { RescuePhase, RescueStrategyOptions } from "./strategy_options.ts";
import { Trouble } from "./trouble.ts";
import { Walk, type WalkPlan } from "./walk.ts";

export { MAX_SPLIT_AREAS, type RescueTotals } from "./counted_map.ts";
export type { RescuePhase, RescueStrategyOptions } from "./strategy_options.ts";

/** Requests under way at once, where the next does not depend on the last. */
const RUN_AHEAD = 2;

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

interface Pending extends RescueRequest {
  readonly walk: Walk;
}

/** See the head of this file. */
export class RescueStrategy {
  readonly map: RangeMap;
  readonly #counted: CountedMap;
  readonly #sizes: RescueSizes;
  readonly #phases: RescuePhases;
  readonly #trouble: Trouble;
  readonly #skips: Skips;
  readonly #pace: ReadPace;
  readonly #maxBadAreas: number;
  /** What is gone through, the present one last. */
  readonly #walks: Walk[] = [];
  readonly #pending: Pending[] = [];
  /** Their bytes. */
  #ahead = 0;
  #position: number;
  #stopped: "max-bad-areas" | undefined;

  constructor(options: RescueStrategyOptions) {
    const { map, domain, maxBadAreas = Infinity } = options;
    this.map = map;
    this.#counted = new CountedMap(map, domain);
    this.#sizes = new RescueSizes(options);
    this.#phases = new RescuePhases(this.#counted, this.#sizes, options);
    this.#trouble = new Trouble(map, this.#sizes);
    this.#skips = new Skips(this.#sizes);
    this.#pace = new ReadPace(options);
    this.#maxBadAreas = maxBadAreas;
    this.#position = map.range.offset;
  }

  /** What is being done. */
  get phase(): RescuePhase {
    return this.#phases.phase;
  }

  /** Of the phase, 1-based. */
  get pass(): number {
    return this.#phases.pass;
  }

  /** The end of the last request in its direction: what a map's status line tells. */
  get position(): number {
    return this.#position;
  }

  /** Bytes of the largest request: what buffers must hold. */
  get maxRequestBytes(): number {
    return this.#sizes.largest;
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
    return this.#counted.totals;
  }

  /** What to read now; see the head of this file for undefined. */
  next(): RescueRequest | undefined {
    if (this.#stopped !== undefined) return undefined;
    if (this.#pending.length > 0 && !this.#runsAhead()) return undefined;
    for (;;) {
      const walk = this.#walks.at(-1);
      const range = walk === undefined ? undefined : this.#cut(walk);
      if (walk !== undefined && range !== undefined) return this.#ask(walk, range);
      // What is to be done next can depend on every request of this walk.
      if (this.#pending.length > 0) return undefined;
      if (walk !== undefined) this.#end(walk);
      else if (!this.#beginNext()) return undefined;
    }
  }

  /**
   * Is trouble far from here? Then a drive may be asked for the next request of a series
   * while it is at one: if that fails, the other most likely succeeds.
   */
  get isCalm(): boolean {
    const walk = this.#walks.at(-1);
    if (this.#pending.length > 0 || walk === undefined || walk.left) return false;
    if (walk.status !== "?" || this.#trouble.isHere) return false;
    return !walk.isCoarse && this.#trouble.isFar;
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
      const { remains } = walk;
      const range = this.#cut(walk);
      const follows = range !== undefined && length + range.length <= maxBytes &&
        (walk.forward ? range.offset === endOf(last) : endOf(range) === last.offset);
      if (!follows) {
        walk.goBack(remains);
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
    this.#take(range).walk.giveBack(range);
  }

  /**
   * How a request went that `next` gave. Answers the areas whose state a failure
   * changed, with their new states.
   */
  report(range: Range, { ok, milliseconds }: ReadReport): FailedArea[] {
    const request = this.#take(range);
    if (!ok) return this.#failed(request);
    this.#succeeded(request, milliseconds);
    return [];
  }

  // Requests ---------------------------------------------------------------------------

  /**
   * After a success the next requests can go out before the last one is back. Most of them
   * succeed, too; single sectors that fail had to be tried anyway.
   */
  #runsAhead(): boolean {
    const walk = this.#walks.at(-1);
    if (walk === undefined || walk.left || this.#pending.length >= RUN_AHEAD) return false;
    // All of these are tried one by one, whatever comes.
    if (walk.status === "/" || walk.status === "-") return true;
    if (this.#trouble.isHere || walk.isCoarse) return false;
    const isSector = this.#requestBytes(walk) === this.#sizes.sector;
    // While copying, one sector of a bad block is enough to know.
    return isSector ? walk.status !== "?" : this.#trouble.isFar;
  }

  #ask(walk: Walk, range: Range): RescueRequest {
    const { phase, pass } = this.#phases;
    this.#pending.push({ range, phase, pass, walk });
    this.#ahead += range.length;
    this.#position = walk.forward ? range.offset : endOf(range);
    return { range, phase, pass };
  }

  #take(range: Range): Pending {
    const index = this.#pending.findIndex((each) => each.range.offset === range.offset);
    const [request] = index < 0 ? [] : this.#pending.splice(index, 1);
    if (request === undefined) throw new RangeError(`Nobody asked for ${range.offset}`);
    this.#ahead -= request.range.length;
    return request;
  }

  // Walks ------------------------------------------------------------------------------

  /** Begins the next area, if need be of the next pass or phase; false at the end of all. */
  #beginNext(): boolean {
    const plan = this.#phases.next();
    if (plan !== undefined) this.#begin(plan);
    return plan !== undefined;
  }

  #begin(plan: WalkPlan): void {
    this.#walks.push(new Walk(plan));
    this.#trouble.begin(plan);
  }

  /** The present walk has nothing left to ask for, or left its rest. */
  #end(walk: Walk): void {
    this.#walks.pop();
    const plan = this.#phases.afterWalk(walk);
    if (plan !== undefined) this.#begin(plan);
  }

  /** The next request of a walk, which goes on behind it; undefined at its end. */
  #cut(walk: Walk): Range | undefined {
    const place = walk.find(this.#counted);
    if (place === undefined) return undefined;
    return walk.cut(place, this.#requestBytes(walk), this.#sizes);
  }

  #requestBytes(walk: Walk): number {
    return requestBytes(walk, this.#trouble, this.#sizes, this.#ahead);
  }

  /** Steps over a part, or over none, as so many troubles near each other suggest. */
  #skip(walk: Walk, near: number): void {
    const bytes = this.#skips.next(near);
    if (bytes > 0) walk.skip(bytes, this.#sizes);
  }

  // What became of requests ------------------------------------------------------------

  #succeeded({ range, walk, phase, pass }: Pending, milliseconds: number): void {
    walk.gained += range.length;
    this.#counted.set(range, "+");
    this.#skips.escaped(this.#trouble.failures > 0);
    this.#trouble.succeeded(range.length);
    const isSlow = this.#pace.isSlow(range.length, milliseconds);
    // Later passes take slow areas as they are.
    const isLeft = isSlow && phase === "?" && pass <= 2;
    this.#trouble.timed(isLeft);
    if (!isLeft) return;
    if (walk.plan.onFailure === "skip") this.#skip(walk, this.#trouble.slowReads);
    else walk.left = true;
  }

  #failed({ range, walk }: Pending): FailedArea[] {
    const { cluster, sector } = this.#sizes;
    if (range.length > cluster) {
      // Nothing is entered: it is gone through again by clusters.
      walk.refine(range);
      return [];
    }
    if (!walk.left) this.#trouble.failed(range);
    const failed: FailedArea[] = [];
    const enter = (area: Range, status: AreaStatus): void => {
      if (area.length <= 0) return;
      this.#counted.set(area, status);
      failed.push({ range: area, status });
    };
    const isSector = this.#sizes.alignDown(endOf(range) - 1, sector) <= range.offset;
    enter(range, isSector ? "-" : "*");
    if (isSector && (walk.status === "?" || walk.status === "*")) {
      enter(walk.skipPhysical(this.#counted, this.#sizes), "/");
    }
    this.#afterFailure(walk, enter);
    if (this.#counted.badAreas > this.#maxBadAreas) this.#stopped = "max-bad-areas";
    return failed;
  }

  /** Where a walk goes on behind a failure. */
  #afterFailure(walk: Walk, enter: (area: Range, status: AreaStatus) => void): void {
    if (walk.left) return;
    const { onFailure, rest, hasSeveral } = walk.plan;
    const { status, remains } = walk;
    const turned = { area: remains, status, forward: !walk.forward, towardTrouble: true };
    if (walk.trims) {
      walk.trims = false;
      if (hasSeveral !== true) return;
      walk.left = true;
      this.#begin({ ...turned, onFailure: "stay", trims: true });
    } else if (rest === "scrape") {
      enter(remains, "/");
      walk.left = true;
    } else if (status === "*" && this.#trouble.failures > 1) {
      // Dead at this end: at the other one, too, it is gone up to a bad sector.
      walk.left = true;
      this.#begin({ ...turned, onFailure: "leave", rest: "scrape", size: "sector" });
    } else if (onFailure === "skip") this.#skip(walk, this.#trouble.near);
    else if (onFailure === "leave") walk.left = true;
  }
}
