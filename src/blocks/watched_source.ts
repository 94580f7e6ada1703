import {
  type Bytes,
  type PlacedRead,
  type SeriesOutcome,
  seriesResult,
} from "../core/block.ts";
import { ReadError } from "../core/errors.ts";
import { ForwardingSource, type ReadSeries } from "./forwarding_source.ts";

/** Counts the reads of a source that fail, for a report. */
export class WatchedSource extends ForwardingSource {
  #errors = 0;

  /** Reads that failed so far. */
  get errors(): number {
    return this.#errors;
  }

  async readAt(offset: number, into: Bytes): Promise<number> {
    try {
      return await this.source.readAt(offset, into);
    } catch (error) {
      if (error instanceof ReadError) this.#errors++;
      throw error;
    }
  }

  protected override async series(
    read: ReadSeries,
    reads: readonly PlacedRead[],
    ahead: boolean,
  ): Promise<SeriesOutcome> {
    const outcome = await read(reads, ahead);
    for (const index of reads.keys()) {
      if (seriesResult(outcome, index) instanceof ReadError) this.#errors++;
    }
    return outcome;
  }
}
