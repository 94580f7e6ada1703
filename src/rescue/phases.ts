import type { AreaStatus } from "../copy/range_map.ts";
import { endOf, type Range } from "../core/range.ts";
import type { CountedMap } from "./counted_map.ts";
import { GapWalks } from "./gap_walks.ts";
import type { RescueSizes } from "./rescue_sizes.ts";
import type { RescuePhase, RescueStrategyOptions } from "./strategy_options.ts";
import { CLUSTER_GAP_BYTES, TROUBLE_BYTES } from "./trouble.ts";
import type { Walk, WalkPlan } from "./walk.ts";

/** Passes of copying. */
const COPY_PASSES = 5;

/**
 * The phases of a rescue and their passes, one after the other, as GNU ddrescue has them
 * (manual 1.27, chapter "Algorithm"): which area is gone through next, and how.
 */
export class RescuePhases {
  readonly #map: CountedMap;
  readonly #sizes: RescueSizes;
  readonly #options: RescueStrategyOptions;
  #phase: RescuePhase = "?";
  #pass = 0;
  /** Areas of this pass that were not begun, the next one last. */
  #work: Range[] = [];
  /** The first half of pass 5. */
  readonly #gaps: GapWalks;
  /** The second one. */
  #sweeps = false;

  constructor(map: CountedMap, sizes: RescueSizes, options: RescueStrategyOptions) {
    this.#map = map;
    this.#sizes = sizes;
    this.#options = options;
    this.#gaps = new GapWalks(map, sizes, this.#isReverse);
    const { phase = "?", pass = 1 } = options;
    // Only copying and retrying go on within their passes, as ddrescue's do.
    if (phase === "?") this.#pass = Math.min(COPY_PASSES, Math.max(1, pass)) - 1;
  }

  /** What is being done. */
  get phase(): RescuePhase {
    return this.#phase;
  }

  /** Of the phase, 1-based. */
  get pass(): number {
    return Math.max(1, this.#pass);
  }

  get #isReverse(): boolean {
    return this.#options.reverse === true;
  }

  /** How the next area is gone through, if need be in the next pass or phase. */
  next(): WalkPlan | undefined {
    for (;;) {
      const area = this.#work.pop();
      if (area !== undefined) {
        const plan = this.#planOf(area);
        if (plan !== undefined) return plan;
        continue;
      }
      if (this.#phase === "?" && this.#pass === COPY_PASSES) {
        const plan = this.#gaps.next();
        if (plan !== undefined) return plan;
        if (!this.#sweeps) {
          this.#sweeps = true;
          this.#collect("?", true);
          continue;
        }
      }
      if (!this.#nextPass()) return undefined;
    }
  }

  /** A walk has ended: what follows from that, before anything else. */
  afterWalk(walk: Walk): WalkPlan | undefined {
    return walk.plan.rest === "gap" ? this.#gaps.afterWalk(walk) : undefined;
  }

  /** Goes on to the next pass in which there is something to do. */
  #nextPass(): boolean {
    const { trim, scrape, retries = 0, phase, pass = 1 } = this.#options;
    if (this.#phase === "+") return false;
    if (this.#phase === "?") {
      if (this.#map.bytes("?") > 0 && this.#pass < COPY_PASSES) {
        this.#pass++;
        this.#collect("?", this.#pass % 2 === 1);
        if (this.#pass === COPY_PASSES) this.#queueGaps();
        return true;
      }
      this.#phase = "*";
      this.#pass = 0;
    }
    if (this.#phase === "*") {
      if (trim !== false && this.#map.bytes("*") > 0) {
        this.#pass = 1;
        // Again, while smaller requests failed inside such areas; each made a bad sector.
        this.#collect("*", false);
        return true;
      }
      this.#phase = "/";
      this.#pass = 0;
    }
    if (this.#phase === "/") {
      if (scrape !== false && this.#pass === 0 && this.#map.bytes("/") > 0) {
        this.#pass = 1;
        this.#collect("/", true);
        return true;
      }
      this.#phase = "-";
      this.#pass = phase === "-" ? Math.max(1, pass) - 1 : 0;
    }
    if (this.#map.bytes("-") > 0 && this.#pass < retries) {
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
    const found = this.#map.ranges(status);
    this.#work = forward !== this.#isReverse ? found.reverse() : found;
  }

  /** Pass 5 takes the largest gaps first. */
  #queueGaps(): void {
    this.#sweeps = false;
    for (const { offset, length } of this.#work) {
      this.#gaps.add({ offset, length, expected: length / 4 });
    }
    this.#work = [];
  }

  /** How an area of this pass is gone through; undefined where it is for a later one. */
  #planOf(area: Range): WalkPlan | undefined {
    const passForward = this.#phase === "*" ? false : this.#pass % 2 === 1;
    const forward = passForward !== this.#isReverse;
    const before = this.#map.isTrouble(area.offset - 1);
    const behind = this.#map.isTrouble(endOf(area));
    const [start, end] = forward ? [before, behind] : [behind, before];
    const common = { area, forward, towardTrouble: end };
    switch (this.#phase) {
      case "?":
        return this.#copyPlan({ ...common, status: "?", fromTrouble: start });
      case "*": {
        const hasSeveral = area.length > this.#sizes.cluster;
        return { ...common, status: "*", onFailure: "stay", trims: true, hasSeveral };
      }
      default: {
        const status = this.#phase === "/" ? "/" : "-";
        return { ...common, status, onFailure: "stay", size: "sector" };
      }
    }
  }

  #copyPlan(common: Omit<WalkPlan, "onFailure">): WalkPlan | undefined {
    const { area, fromTrouble, towardTrouble } = common;
    if (this.#pass === 1) return { ...common, onFailure: "skip" };
    if (this.#sweeps) {
      const size = area.length <= TROUBLE_BYTES ? "sector" : "grow";
      return { ...common, onFailure: "stay", size };
    }
    // From the readable side only; pass 5 takes what has none.
    if (fromTrouble) return undefined;
    const size = towardTrouble && area.length <= CLUSTER_GAP_BYTES ? "sector" : "grow";
    return { ...common, onFailure: "leave", size };
  }
}
