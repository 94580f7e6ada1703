import { createHash, type Hash } from "node:crypto";
import type { Bytes } from "../../core/block.ts";
import { endOf, type Range } from "../../core/range.ts";

/** A range and what is known of its content. */
export interface CheckableRange extends Range {
  /** Lower-case hexadecimal; undefined where nothing is known. */
  readonly checksum: string | undefined;
}

/** What a block map says that can be checked. */
export interface CheckableMap {
  /** As node:crypto calls it. */
  readonly algorithm: string;
  /** Ascending, without overlaps. */
  readonly ranges: readonly CheckableRange[];
}

/** A range whose content is not what the map says. */
export interface WrongRange extends Range {
  /** The checksum in the map, and that of the content. */
  readonly expected: string;
  readonly actual: string;
}

/** What was checked, when all was right. */
export interface CheckedMap {
  readonly checkedRanges: number;
  readonly checkedBytes: number;
  /** Bytes in ranges for which the map has no checksum. */
  readonly uncheckedBytes: number;
}

/**
 * Compares the checksum of each range with the bytes that pass. All bytes of the ranges must
 * come, in ascending order; what lies between them may come, too.
 */
export class BmapCheck {
  readonly #map: CheckableMap;
  /** The range that is next, or under way. */
  #index = 0;
  /** Bytes of it that came. */
  #taken = 0;
  #hash: Hash | undefined;
  #checkedRanges = 0;
  #checkedBytes = 0;
  #uncheckedBytes = 0;

  constructor(map: CheckableMap) {
    this.#map = map;
  }

  /**
   * Answers the first range that ends in these bytes and is wrong.
   *
   * @throws {RangeError} when bytes of a range were left out.
   */
  add(offset: number, bytes: Bytes): WrongRange | undefined {
    const end = offset + bytes.length;
    for (;;) {
      const range = this.#map.ranges[this.#index];
      if (range === undefined || range.offset >= end) return undefined;
      const start = range.offset + this.#taken;
      if (start < offset) throw new RangeError(`Bytes ${start} to ${offset - 1} did not come`);
      const stop = Math.min(endOf(range), end);
      this.#take(range, bytes.subarray(start - offset, stop - offset));
      if (stop < endOf(range)) return undefined;
      const wrong = this.#end(range);
      if (wrong !== undefined) return wrong;
    }
  }

  /** @throws {RangeError} when there are ranges that did not come. */
  finish(): CheckedMap {
    const next = this.#map.ranges[this.#index];
    if (next !== undefined) {
      throw new RangeError(`Bytes from ${next.offset + this.#taken} on did not come`);
    }
    return {
      checkedRanges: this.#checkedRanges,
      checkedBytes: this.#checkedBytes,
      uncheckedBytes: this.#uncheckedBytes,
    };
  }

  #take({ checksum }: CheckableRange, bytes: Bytes): void {
    this.#taken += bytes.length;
    if (checksum === undefined) return;
    this.#hash ??= createHash(this.#map.algorithm);
    this.#hash.update(bytes);
  }

  /** All of the range came. */
  #end({ offset, length, checksum }: CheckableRange): WrongRange | undefined {
    const actual = this.#hash?.digest("hex");
    this.#hash = undefined;
    this.#taken = 0;
    this.#index++;
    if (checksum === undefined || actual === undefined) {
      this.#uncheckedBytes += length;
      return undefined;
    }
    if (actual !== checksum) return { offset, length, expected: checksum, actual };
    this.#checkedRanges++;
    this.#checkedBytes += length;
    return undefined;
  }
}
