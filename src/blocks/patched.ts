import {
  type BlockSource,
  type Bytes,
  type PlacedRead,
  type SeriesOutcome,
  seriesResult,
} from "../core/block.ts";
import { endOf, intersection, type Range } from "../core/range.ts";
import { ForwardingSource, type ReadSeries } from "./forwarding_source.ts";

/** Bytes that stand in place of those on the medium. */
export interface Patch {
  /** First byte that they replace. */
  readonly offset: number;
  readonly bytes: Bytes;
}

/**
 * A source that reads as if patches had been written to it, and as if it were longer or
 * shorter than it is: what lies behind the end of the medium, and in no patch, is zero.
 * The medium itself is never changed.
 */
export class PatchedSource extends ForwardingSource {
  readonly #patches: readonly Patch[];
  /** Does it end where the source does, wherever that is? */
  readonly #endsWithSource: boolean;
  /** Where the source ends, as far as that is known. */
  #sourceEnd: number;

  /**
   * `source` stays the caller's to close. Patches ascend and do not overlap; what of them
   * lies behind the end is not shown. `size` is that of the source where it is absent.
   *
   * @throws {RangeError} when the patches overlap, or are in another order.
   */
  constructor(source: BlockSource, patches: readonly Patch[], size?: number) {
    checkOrder(patches);
    super(source, { size });
    this.#patches = patches;
    this.#endsWithSource = size === undefined;
    this.#sourceEnd = source.size;
  }

  async readAt(offset: number, into: Bytes): Promise<number> {
    const length = Math.max(0, Math.min(into.length, this.size - offset));
    if (length === 0) return 0;
    const shown = into.subarray(0, length);
    // A stream goes on only by being read, also where nobody wants to see it.
    const isPatched = this.sequential !== true && this.#covers({ offset, length });
    const count = isPatched ? length : await this.#readSource(offset, shown);
    this.#apply(offset, shown.subarray(0, count));
    return count;
  }

  /** What the source has, zeros where it has ended. */
  async #readSource(offset: number, into: Bytes): Promise<number> {
    const wanted = Math.max(0, Math.min(into.length, this.#sourceEnd - offset));
    const count = wanted === 0 ? 0 : await this.source.readAt(offset, into.subarray(0, wanted));
    if (count < wanted) {
      // One that knows its size and ends before has lost something: that is not made up for.
      if (this.#endsWithSource || this.source.size < Infinity) return count;
      this.#sourceEnd = Math.min(this.#sourceEnd, offset + count);
    }
    if (this.#endsWithSource) return count;
    into.fill(0, count);
    return into.length;
  }

  #covers(range: Range): boolean {
    let at = range.offset;
    for (const patch of this.#patchesIn(range)) {
      if (patch.offset > at) return false;
      at = patch.offset + patch.bytes.length;
    }
    return at >= endOf(range);
  }

  #patchesIn(range: Range): readonly Patch[] {
    return this.#patches.filter((patch) =>
      intersection({ offset: patch.offset, length: patch.bytes.length }, range) !== undefined
    );
  }

  /** Puts the patches where they belong; `into` begins at `offset`. */
  #apply(offset: number, into: Bytes): void {
    const shown = { offset, length: into.length };
    for (const { offset: start, bytes } of this.#patchesIn(shown)) {
      const part = intersection({ offset: start, length: bytes.length }, shown);
      if (part === undefined) continue;
      into.set(bytes.subarray(part.offset - start, endOf(part) - start), part.offset - offset);
    }
  }

  protected override async series(
    read: ReadSeries,
    reads: readonly PlacedRead[],
    ahead: boolean,
  ): Promise<SeriesOutcome> {
    // Beyond one of the ends `readAt` has to be asked.
    const end = Math.min(this.size, this.source.size);
    const beyond = reads.findIndex(({ offset, into }) => offset + into.length > end);
    const outcome = await read(beyond < 0 ? reads : reads.slice(0, beyond), ahead);
    for (const [index, { offset, into }] of reads.entries()) {
      if (typeof seriesResult(outcome, index) === "number") this.#apply(offset, into);
    }
    return outcome;
  }

  override [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

function checkOrder(patches: readonly Patch[]): void {
  let end = 0;
  for (const { offset, bytes } of patches) {
    if (!(offset >= end)) throw new RangeError(`Patches overlap at byte ${offset}`);
    end = offset + bytes.length;
  }
}
