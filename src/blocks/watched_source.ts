import type { BlockSource, Bytes, SeriesOutcome } from "../core/block.ts";
import { ReadError } from "../core/errors.ts";

/** Counts the reads of a source that fail, for a report. */
export class WatchedSource implements BlockSource {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly sequential: boolean | undefined;
  readonly sectorPhase: number | undefined;
  readonly readSeries?: NonNullable<BlockSource["readSeries"]>;
  readonly abandon?: NonNullable<BlockSource["abandon"]>;
  readonly #source: BlockSource;
  #errors = 0;

  /** Closing this closes `source`. */
  constructor(source: BlockSource) {
    this.name = source.name;
    this.size = source.size;
    this.sectorSize = source.sectorSize;
    this.sequential = source.sequential;
    this.sectorPhase = source.sectorPhase;
    this.#source = source;
    if (source.abandon !== undefined) this.abandon = source.abandon.bind(source);
    if (source.readSeries !== undefined) {
      const inner = source.readSeries.bind(source);
      this.readSeries = (reads, ahead) => this.#counted(inner(reads, ahead));
    }
  }

  get fractionRead(): number | undefined {
    return this.#source.fractionRead;
  }

  /** Reads that failed so far. */
  get errors(): number {
    return this.#errors;
  }

  async readAt(offset: number, into: Bytes): Promise<number> {
    try {
      return await this.#source.readAt(offset, into);
    } catch (error) {
      if (error instanceof ReadError) this.#errors++;
      throw error;
    }
  }

  async #counted(series: Promise<SeriesOutcome>): Promise<SeriesOutcome> {
    const outcome = await series;
    if (outcome.error !== undefined) this.#errors++;
    if (outcome.secondError !== undefined) this.#errors++;
    return outcome;
  }

  cancel(): void {
    this.#source.cancel?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source[Symbol.asyncDispose]();
  }
}
