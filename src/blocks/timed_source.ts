import {
  type Bytes,
  type PlacedRead,
  type SeriesOutcome,
  seriesResult,
} from "../core/block.ts";
import { ForwardingSource, type ReadSeries } from "./forwarding_source.ts";

/**
 * Tells for how long a source has been asked in vain. While nobody asks, because nobody
 * takes what was read, its clock stands still.
 */
export class TimedSource extends ForwardingSource {
  /** Reads under way. */
  #asked = 0;
  #idleSince = 0;
  #successAt = 0;

  /** How long it has been asked since a read succeeded, or since the first one. */
  get millisecondsSinceSuccess(): number {
    return (this.#asked > 0 ? performance.now() : this.#idleSince) - this.#successAt;
  }

  async readAt(offset: number, into: Bytes): Promise<number> {
    this.#begin();
    let isSuccess = false;
    try {
      const length = await this.source.readAt(offset, into);
      isSuccess = true;
      return length;
    } finally {
      this.#end(isSuccess);
    }
  }

  protected override async series(
    read: ReadSeries,
    reads: readonly PlacedRead[],
    ahead: boolean,
  ): Promise<SeriesOutcome> {
    this.#begin();
    let isSuccess = false;
    try {
      const outcome = await read(reads, ahead);
      isSuccess = reads.some((_, index) => typeof seriesResult(outcome, index) === "number");
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
}
