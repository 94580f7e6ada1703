import type { AreaStatus } from "../copy/range_map.ts";
import { endOf, type Range } from "../core/range.ts";
import type { CountedMap } from "./counted_map.ts";
import type { RescueSizes } from "./rescue_sizes.ts";

/** How an area is gone through, in one direction. */
export interface WalkPlan {
  readonly area: Range;
  /** What is read of it. */
  readonly status: AreaStatus;
  readonly forward: boolean;
  /** After the first failure: stay, skip growing parts, or leave the rest. */
  readonly onFailure: "stay" | "skip" | "leave";
  /** What becomes of a rest that was left ("keep"). */
  readonly rest?: "keep" | "gap" | "scrape" | undefined;
  /** Requests grow with the distance from trouble, or are single sectors ("grow"). */
  readonly size?: "grow" | "sector" | undefined;
  /** Does trouble lie before the beginning? Then requests begin small. */
  readonly fromTrouble?: boolean | undefined;
  /** Does trouble lie behind the end? Requests shrink toward it. */
  readonly towardTrouble: boolean;
  /** Bytes to the next failure, as far as one can guess (Infinity). */
  readonly expected?: number | undefined;
  /** The other side of the place where it began: read, too, if anything could be here. */
  readonly twin?: Range | undefined;
  /** The first walk of an area to be trimmed: by sectors up to the first bad one. */
  readonly trims?: boolean | undefined;
  /** More than one request failed here: a bad sector is to be found from each end. */
  readonly hasSeveral?: boolean | undefined;
}

/** An area that is gone through, and what is left of it. */
export class Walk {
  readonly plan: WalkPlan;
  readonly forward: boolean;
  readonly status: AreaStatus;
  /** Bytes it brought. */
  gained = 0;
  /** Its rest is not for now. */
  left = false;
  /** Does it still look for the first bad sector of an area to be trimmed? */
  trims: boolean;
  /** What is left of it. */
  #low: number;
  #high: number;
  /** A request larger than a cluster failed: none larger up to there. */
  #coarseLow = Infinity;
  #coarseHigh = -Infinity;

  constructor(plan: WalkPlan) {
    this.plan = plan;
    this.forward = plan.forward;
    this.status = plan.status;
    this.trims = plan.trims === true;
    this.#low = plan.area.offset;
    this.#high = endOf(plan.area);
  }

  /** What was not asked for. */
  get remains(): Range {
    return between(this.#low, this.#high);
  }

  /** Is it going through a failed request again? */
  get isCoarse(): boolean {
    return this.forward ? this.#low < this.#coarseHigh : this.#high > this.#coarseLow;
  }

  /** Goes to the next place in its state; undefined at its end. */
  find(map: CountedMap): Range | undefined {
    while (this.#low < this.#high && !this.left) {
      const area = map.areaAt(this.forward ? this.#low : this.#high - 1);
      if (area === undefined) return undefined;
      if (area.status === this.status) {
        return between(
          Math.max(area.offset, this.#low),
          Math.min(endOf(area), this.#high),
        );
      }
      if (this.forward) this.#low = endOf(area);
      else this.#high = area.offset;
    }
    return undefined;
  }

  /** Takes a request of at most so many bytes off a place that `find` gave. */
  cut(place: Range, bytes: number, sizes: RescueSizes): Range {
    const { sector, physical } = sizes;
    const grain = bytes % physical === 0 ? physical : sector;
    const low = place.offset;
    const high = endOf(place);
    if (this.forward) {
      this.#low = Math.min(sizes.alignDown(low, grain) + bytes, high);
      return between(low, this.#low);
    }
    this.#high = Math.max(low, sizes.alignDown(high - 1, grain) + grain - bytes);
    return between(this.#high, high);
  }

  /** What was asked for is asked for again. */
  giveBack(range: Range): void {
    if (this.forward) this.#low = Math.min(this.#low, range.offset);
    else this.#high = Math.max(this.#high, endOf(range));
  }

  /** What was cut since this remained is to be cut again. */
  goBack(remains: Range): void {
    this.#low = remains.offset;
    this.#high = endOf(remains);
  }

  /** What was asked for is asked for again, by clusters. */
  refine(range: Range): void {
    this.#coarseLow = Math.min(this.#coarseLow, range.offset);
    this.#coarseHigh = Math.max(this.#coarseHigh, endOf(range));
    this.giveBack(range);
  }

  /** Steps over so many bytes, to the beginning of a physical block. */
  skip(bytes: number, sizes: RescueSizes): void {
    if (this.forward) {
      const to = this.#low + bytes;
      this.#low = Math.min(this.#high, to - sizes.inPhysical(to));
    } else {
      const to = this.#high - bytes;
      this.#high = Math.max(this.#low, to - sizes.inPhysical(to));
    }
  }

  /** Steps over what is left of the physical block in which it stands, and answers that. */
  skipPhysical(map: CountedMap, sizes: RescueSizes): Range {
    const none = { offset: this.#low, length: 0 };
    if (!map.canSplit || this.#low >= this.#high) return none;
    const at = this.forward ? this.#low : this.#high;
    const within = sizes.inPhysical(at);
    if (within === 0) return none;
    const area = map.areaAt(this.forward ? at : at - 1);
    if (area === undefined || area.status !== this.status) return none;
    if (this.forward) {
      this.#low = Math.min(at - within + sizes.physical, this.#high, endOf(area));
      return between(at, this.#low);
    }
    this.#high = Math.max(at - within, this.#low, area.offset);
    return between(this.#high, at);
  }
}

/** The bytes between two places. */
export function between(low: number, high: number): Range {
  return { offset: low, length: high - low };
}
