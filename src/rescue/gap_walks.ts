import { endOf, type Range } from "../core/range.ts";
import type { CountedMap } from "./counted_map.ts";
import { type Gap, GapQueue } from "./gap_queue.ts";
import type { RescueSizes } from "./rescue_sizes.ts";
import { CLUSTER_GAP_BYTES } from "./trouble.ts";
import { between, type Walk, type WalkPlan } from "./walk.ts";

/**
 * The first half of pass 5 of copying: places with trouble on both sides, the best first.
 * What a walk leaves of one is a smaller gap, of which as much is expected as that brought.
 */
export class GapWalks {
  readonly #map: CountedMap;
  readonly #sizes: RescueSizes;
  readonly #isReverse: boolean;
  readonly #gaps = new GapQueue();

  constructor(map: CountedMap, sizes: RescueSizes, isReverse: boolean) {
    this.#map = map;
    this.#sizes = sizes;
    this.#isReverse = isReverse;
  }

  /** What is not worth its place in the queue is left for the end of the pass. */
  add({ offset, length, expected }: Gap): void {
    const { cluster, physical, skipMin } = this.#sizes;
    const isWorth = length > cluster || expected >= physical;
    if (!isWorth || length <= 0 || skipMin === 0) return;
    if (!this.#map.canSplit) return;
    this.#gaps.push({ offset, length, expected: Math.min(expected, length / 4) });
  }

  /**
   * Takes out the best gap: its middle is tried, and from there it is read on; a small one
   * from its front. Undefined when there is none.
   */
  next(): WalkPlan | undefined {
    const gap = this.#gaps.pop();
    if (gap === undefined) return undefined;
    const { offset, length, expected } = gap;
    if (length <= this.#sizes.cluster) return planOf(gap, !this.#isReverse, expected);
    const middle = offset + Math.floor(length / 2);
    const low = Math.max(offset, middle - this.#sizes.inPhysical(middle));
    return planOf(between(low, endOf(gap)), true, expected, between(offset, low));
  }

  /** A walk of a gap has ended: what it left is a gap, and its twin is read if it paid. */
  afterWalk({ plan, gained, forward, remains }: Walk): WalkPlan | undefined {
    const { twin, expected: before = Infinity } = plan;
    const expected = gained > 0 ? (before + 3 * gained) / 4 : before / 4;
    this.add({ ...remains, expected });
    if (twin === undefined || twin.length === 0) return undefined;
    if (gained > 0) return planOf(twin, !forward, expected);
    this.add({ ...twin, expected });
    return undefined;
  }
}

function planOf(area: Range, forward: boolean, expected: number, twin?: Range): WalkPlan {
  return {
    area,
    status: "?",
    forward,
    onFailure: "leave",
    rest: "gap",
    size: area.length <= CLUSTER_GAP_BYTES ? "sector" : "grow",
    fromTrouble: true,
    towardTrouble: true,
    expected,
    twin,
  };
}
