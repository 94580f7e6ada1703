import type { BlockSource, Bytes, PlacedRead } from "../core/block.ts";
import type { Range } from "../core/range.ts";

/** A part of a source, as a source of its own. Closing it closes the whole. */
export class SliceSource implements BlockSource {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly sequential: boolean | undefined;
  readonly sectorPhase: number;
  readonly readSeries?: NonNullable<BlockSource["readSeries"]>;
  readonly abandon?: NonNullable<BlockSource["abandon"]>;
  readonly #whole: BlockSource;
  readonly #offset: number;

  /** The part is cut where the whole ends. */
  constructor(whole: BlockSource, range: Range) {
    this.name = whole.name;
    this.sectorSize = whole.sectorSize;
    this.sequential = whole.sequential;
    this.sectorPhase = ((whole.sectorPhase ?? 0) + range.offset) % whole.sectorSize;
    this.#whole = whole;
    this.#offset = range.offset;
    this.size = Math.max(0, Math.min(range.length, whole.size - range.offset));
    if (whole.abandon !== undefined) this.abandon = whole.abandon.bind(whole);
    if (whole.readSeries !== undefined) {
      const readWhole = whole.readSeries.bind(whole);
      this.readSeries = (reads, ahead) => readWhole(this.#placed(reads), ahead);
    }
  }

  /** Of the whole: a part may be done before that is. */
  get fractionRead(): number | undefined {
    return this.#whole.fractionRead;
  }

  readAt(offset: number, into: Bytes): Promise<number> {
    const length = Math.max(0, Math.min(into.length, this.size - offset));
    return this.#whole.readAt(this.#offset + offset, into.subarray(0, length));
  }

  /** The reads as the whole counts, up to the end of this part. */
  #placed(reads: readonly PlacedRead[]): PlacedRead[] {
    const end = reads.findIndex(({ offset, into }) => offset + into.length > this.size);
    const inside = end < 0 ? reads : reads.slice(0, end);
    return inside.map(({ offset, into }) => ({ offset: this.#offset + offset, into }));
  }

  cancel(): void {
    this.#whole.cancel?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#whole[Symbol.asyncDispose]();
  }
}
