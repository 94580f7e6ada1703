import type { BlockSource, Bytes, PlacedRead, SeriesOutcome } from "../core/block.ts";

/**
 * Tells for how long a source has been asked in vain. While nobody asks, because nobody
 * takes what was read, its clock stands still.
 */
export class TimedSource implements BlockSource {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly sequential: boolean | undefined;
  readonly sectorPhase: number | undefined;
  readonly readSeries?: NonNullable<BlockSource["readSeries"]>;
  readonly #source: BlockSource;
  /** Reads under way. */
  #asked = 0;
  #idleSince = 0;
  #successAt = 0;

  /** Closing this closes `source`. */
  constructor(source: BlockSource) {
    this.name = source.name;
    this.size = source.size;
    this.sectorSize = source.sectorSize;
    this.sequential = source.sequential;
    this.sectorPhase = source.sectorPhase;
    this.#source = source;
    if (source.readSeries !== undefined) {
      const inner = source.readSeries.bind(source);
      this.readSeries = (reads, ahead) => this.#series(inner, reads, ahead);
    }
  }

  get fractionRead(): number | undefined {
    return this.#source.fractionRead;
  }

  /** How long it has been asked since a read succeeded, or since the first one. */
  get millisecondsSinceSuccess(): number {
    return (this.#asked > 0 ? performance.now() : this.#idleSince) - this.#successAt;
  }

  async readAt(offset: number, into: Bytes): Promise<number> {
    this.#begin();
    let isSuccess = false;
    try {
      const length = await this.#source.readAt(offset, into);
      isSuccess = true;
      return length;
    } finally {
      this.#end(isSuccess);
    }
  }

  async #series(
    inner: NonNullable<BlockSource["readSeries"]>,
    reads: readonly PlacedRead[],
    ahead: boolean,
  ): Promise<SeriesOutcome> {
    this.#begin();
    let isSuccess = false;
    try {
      const outcome = await inner(reads, ahead);
      isSuccess = outcome.milliseconds.length > 0;
      return outcome;
    } finally {
      this.#end(isSuccess);
    }
  }

  #begin(): void {
    if (this.#asked++ === 0) this.#successAt += performance.now() - this.#idleSince;
  }

  #end(isSuccess: boolean): void {
    const now = performance.now();
    if (isSuccess) this.#successAt = now;
    if (--this.#asked === 0) this.#idleSince = now;
  }

  cancel(): void {
    this.#source.cancel?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source[Symbol.asyncDispose]();
  }
}
