import type { Range } from "../core/range.ts";

/** A place with trouble on both sides. */
export interface Gap extends Range {
  /** Bytes that reading there may bring until the next failure. */
  readonly expected: number;
}

/**
 * Gaps by what is expected of them, most first. `push` and `pop` cost the logarithm of their
 * number.
 */
export class GapQueue {
  /** A heap: of none more is expected than of the one at half its index (1-based). */
  readonly #gaps: Gap[] = [];

  push(gap: Gap): void {
    const gaps = this.#gaps;
    let index = gaps.push(gap) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#expected(parent) >= gap.expected) break;
      this.#move(parent, index);
      index = parent;
    }
    gaps[index] = gap;
  }

  /** Takes out the best; undefined when there is none. */
  pop(): Gap | undefined {
    const gaps = this.#gaps;
    const first = gaps[0];
    const last = gaps.pop();
    if (last === undefined || gaps.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= gaps.length) break;
      if (child + 1 < gaps.length && this.#expected(child + 1) > this.#expected(child)) child++;
      if (last.expected >= this.#expected(child)) break;
      this.#move(child, index);
      index = child;
    }
    gaps[index] = last;
    return first;
  }

  #expected(index: number): number {
    return this.#gaps[index]?.expected ?? 0;
  }

  #move(from: number, to: number): void {
    const gap = this.#gaps[from];
    if (gap !== undefined) this.#gaps[to] = gap;
  }
}
