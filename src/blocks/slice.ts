import type { BlockSource, Bytes, PlacedRead, SeriesOutcome } from "../core/block.ts";
import type { Range } from "../core/range.ts";
import { ForwardingSource, type ReadSeries } from "./forwarding_source.ts";

/** A part of a source, as a source of its own. Closing it closes the whole. */
export class SliceSource extends ForwardingSource {
  readonly #offset: number;

  /** The part is cut where the whole ends. */
  constructor(whole: BlockSource, range: Range) {
    super(whole, {
      size: Math.max(0, Math.min(range.length, whole.size - range.offset)),
      sectorPhase: ((whole.sectorPhase ?? 0) + range.offset) % whole.sectorSize,
    });
    this.#offset = range.offset;
  }

  readAt(offset: number, into: Bytes): Promise<number> {
    const length = Math.max(0, Math.min(into.length, this.size - offset));
    return this.source.readAt(this.#offset + offset, into.subarray(0, length));
  }

  protected override series(
    read: ReadSeries,
    reads: readonly PlacedRead[],
    ahead: boolean,
  ): Promise<SeriesOutcome> {
    return read(this.#placed(reads), ahead);
  }

  /** The reads as the whole counts, up to the end of this part. */
  #placed(reads: readonly PlacedRead[]): PlacedRead[] {
    const end = reads.findIndex(({ offset, into }) => offset + into.length > this.size);
    const inside = end < 0 ? reads : reads.slice(0, end);
    return inside.map(({ offset, into }) => ({ offset: this.#offset + offset, into }));
  }
}
