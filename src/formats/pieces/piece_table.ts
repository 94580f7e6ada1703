import type { Range } from "../../core/range.ts";

/** More pieces than this are not looked for: 4 TiB in pieces of 1 MiB. */
export const MAX_PIECES = 4 * 1024 * 1024;

/** Room for heads, and for what packing makes larger. */
const SLACK_BYTES = 64 * 1024;

/** Where the pieces of an image stand in its file, and what of the medium they hold. */
export class PieceTable {
  /** Bytes of the medium in front of each piece, and in all. */
  readonly #contents: Float64Array;
  /** Bytes of the file in front of each piece, and up to the end of the last one. */
  readonly #places: Float64Array;

  /** The pieces stand one behind the other, from the beginning of the file. */
  constructor(contentBytes: ArrayLike<number>, storedBytes: ArrayLike<number>) {
    this.#contents = sums(contentBytes);
    this.#places = sums(storedBytes);
  }

  get count(): number {
    return this.#contents.length - 1;
  }

  get contentBytes(): number {
    return this.#contents.at(-1) ?? 0;
  }

  /** What of the medium a piece holds. */
  content(number: number): Range {
    return between(this.#contents, number);
  }

  /** Where a piece stands in the file. */
  stored(number: number): Range {
    return between(this.#places, number);
  }

  /** The piece that holds this byte of the medium; the number of pieces behind its end. */
  find(offset: number): number {
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((this.#contents[middle + 1] ?? Infinity) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Can a piece take so much room? Packing makes nothing much larger. */
export function isPlausible(contentBytes: number, storedBytes: number): boolean {
  return storedBytes <= contentBytes * 2 + SLACK_BYTES;
}

function sums(lengths: ArrayLike<number>): Float64Array {
  const result = new Float64Array(lengths.length + 1);
  let sum = 0;
  for (let index = 0; index < lengths.length; index++) {
    sum += lengths[index] ?? 0;
    result[index + 1] = sum;
  }
  return result;
}

function between(ends: Float64Array, number: number): Range {
  const offset = ends[number] ?? 0;
  return { offset, length: (ends[number + 1] ?? offset) - offset };
}
