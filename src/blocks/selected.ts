import type { BlockSource, Bytes, PlacedRead, SeriesOutcome } from "../core/block.ts";
import { endOf, gapsBetween, intersection, mergeRanges, type Range } from "../core/range.ts";
import { ForwardingSource, type ReadSeries } from "./forwarding_source.ts";

/** Shorter gaps are read together with what is around them: that costs less than a request. */
const GAP_BYTES = 64 * 1024;

/**
 * A source of which only some ranges are of interest: all others read as zeros, and the
 * medium is not asked for them (but for short gaps between two ranges, and what else is in
 * the sectors where ranges begin and end).
 */
export class SelectedSource extends ForwardingSource {
  /** Ascending, joined. */
  readonly #ranges: readonly Range[];

  /**
   * `source` stays the caller's to close.
   *
   * @throws {RangeError} for a stream: nothing of it can be left out.
   */
  constructor(source: BlockSource, ranges: readonly Range[]) {
    if (source.sequential === true) throw new RangeError(`${source.name} is a stream`);
    super(source);
    this.#ranges = mergeRanges(ranges);
  }

  /** The parts of a range that are zeros because nobody asked for them; ascending. */
  holes(range: Range): readonly Range[] {
    const length = Math.max(0, Math.min(endOf(range), this.size) - range.offset);
    const whole = { offset: range.offset, length };
    return length === 0 ? [] : gapsBetween(whole, this.#pieces(whole));
  }

  async readAt(offset: number, into: Bytes): Promise<number> {
    const length = Math.max(0, Math.min(into.length, this.size - offset));
    const wanted = { offset, length };
    const pieces = this.#pieces(wanted);
    for (const request of this.#requests(pieces, wanted)) {
      const start = request.offset - offset;
      const part = into.subarray(start, start + request.length);
      const count = await this.source.readAt(request.offset, part);
      // The medium ended where it should not: what lies behind is nobody's zeros.
      if (count < request.length) {
        fillGaps(into, { offset, length: start + count }, pieces);
        return start + count;
      }
    }
    fillGaps(into, wanted, pieces);
    return length;
  }

  /** What of the range is of interest. */
  #pieces(range: Range): Range[] {
    const pieces: Range[] = [];
    for (let index = this.#firstBehind(range.offset); index < this.#ranges.length; index++) {
      const piece = intersection(this.#ranges[index] ?? range, range);
      if (piece === undefined) break;
      pieces.push(piece);
    }
    return pieces;
  }

  /** Index of the first range that ends behind this byte. */
  #firstBehind(offset: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const range = this.#ranges[middle];
      if (range !== undefined && endOf(range) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The pieces in whole sectors, as far as `wanted` reaches, near ones in one go. */
  #requests(pieces: readonly Range[], wanted: Range): readonly Range[] {
    const requests: { offset: number; length: number }[] = [];
    for (const piece of pieces) {
      const part = intersection(this.#inSectors(piece), wanted) ?? piece;
      const last = requests.at(-1);
      if (last !== undefined && part.offset - endOf(last) < GAP_BYTES) {
        last.length = endOf(part) - last.offset;
      } else requests.push({ ...part });
    }
    return requests;
  }

  #inSectors(range: Range): Range {
    const { sectorSize, sectorPhase = 0 } = this;
    const before = (range.offset + sectorPhase) % sectorSize;
    const over = (endOf(range) + sectorPhase) % sectorSize;
    const behind = over === 0 ? 0 : sectorSize - over;
    return { offset: range.offset - before, length: before + range.length + behind };
  }

  protected override series(
    read: ReadSeries,
    reads: readonly PlacedRead[],
    ahead: boolean,
  ): Promise<SeriesOutcome> {
    return read(this.#wholeReads(reads), ahead);
  }

  /** The reads before the first of which a part is left out. */
  #wholeReads(reads: readonly PlacedRead[]): readonly PlacedRead[] {
    const other = reads.findIndex(({ offset, into }) => {
      const range = this.#ranges[this.#firstBehind(offset)];
      const end = offset + into.length;
      return range === undefined || range.offset > offset || endOf(range) < end;
    });
    return other < 0 ? reads : reads.slice(0, other);
  }

  override [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** Puts zeros between the pieces; `into` begins at the beginning of `range`. */
function fillGaps(into: Bytes, range: Range, pieces: readonly Range[]): void {
  for (const gap of gapsBetween(range, pieces)) {
    into.fill(0, gap.offset - range.offset, endOf(gap) - range.offset);
  }
}
