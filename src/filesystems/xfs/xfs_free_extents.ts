/** The free extents of an XFS allocation group. */

/** Runs of free blocks, ascending. */
export class FreeExtents {
  readonly #starts: number[] = [];
  readonly #lengths: number[] = [];
  #total = 0;
  #longest = 0;

  get count(): number {
    return this.#starts.length;
  }

  /** Blocks. */
  get total(): number {
    return this.#total;
  }

  /** Blocks. */
  get longest(): number {
    return this.#longest;
  }

  /** Takes one that lies behind all others. */
  push(start: number, length: number): void {
    this.#starts.push(start);
    this.#lengths.push(length);
    this.#total += length;
    this.#longest = Math.max(this.#longest, length);
  }

  /** Is this one of them? */
  has(start: number, length: number): boolean {
    const index = this.#lastUpTo(start);
    return this.#starts[index] === start && this.#lengths[index] === length;
  }

  /** Is one of these blocks free? */
  overlaps(start: number, length: number): boolean {
    const index = this.#lastUpTo(start + length - 1);
    return index >= 0 && this.#start(index) + this.#length(index) > start;
  }

  /** What lies between them in a group of so many blocks. */
  *gaps(blocks: number): Generator<{ readonly start: number; readonly length: number }> {
    let at = 0;
    for (let index = 0; index < this.count; index++) {
      const start = this.#start(index);
      if (start > at) yield { start: at, length: start - at };
      at = start + this.#length(index);
    }
    if (at < blocks) yield { start: at, length: blocks - at };
  }

  /** The last that starts at this block or before it; -1 where there is none. */
  #lastUpTo(block: number): number {
    let low = -1;
    let high = this.count;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#start(middle) <= block) low = middle;
      else high = middle;
    }
    return low;
  }

  #start(index: number): number {
    return this.#starts[index] ?? 0;
  }

  #length(index: number): number {
    return this.#lengths[index] ?? 0;
  }
}
