import type { Bytes, PlacedRead, SeriesOutcome } from "../core/block.ts";
import { DamageError } from "../core/errors.ts";
import { endOf, intersection, mergeRanges, type Range } from "../core/range.ts";
import { ForwardingSource, type ReadSeries } from "./forwarding_source.ts";

/**
 * The content of an image of which parts are damaged: these read as zeros and are
 * remembered. Whoever uses it says so to the person.
 */
export class DamageTolerantSource extends ForwardingSource {
  #damaged: readonly Range[] = [];

  /** Every damaged place that was asked for; ascending, neighbours joined. */
  get damaged(): readonly Range[] {
    return this.#damaged;
  }

  async readAt(offset: number, into: Bytes): Promise<number> {
    try {
      return await this.source.readAt(offset, into);
    } catch (error) {
      if (!(error instanceof DamageError)) throw error;
      const asked = { offset, length: Math.min(into.length, this.size - offset) };
      const damaged = intersection(error.range, asked);
      // A complaint about another place would be repeated without end.
      if (damaged === undefined) throw error;
      this.#damaged = mergeRanges([...this.#damaged, damaged]);
      into.fill(0, damaged.offset - offset, endOf(damaged) - offset);
      for (
        const part of [
          { offset, length: damaged.offset - offset },
          { offset: endOf(damaged), length: endOf(asked) - endOf(damaged) },
        ]
      ) {
        if (part.length <= 0) continue;
        const start = part.offset - offset;
        const rest = into.subarray(start, start + part.length);
        if (await this.readAt(part.offset, rest) < part.length) return start;
      }
      return asked.length;
    }
  }

  protected override async series(
    read: ReadSeries,
    reads: readonly PlacedRead[],
    ahead: boolean,
  ): Promise<SeriesOutcome> {
    try {
      return await read(reads, ahead);
    } catch (error) {
      if (!(error instanceof DamageError)) throw error;
      // `readAt` has to be asked.
      return { milliseconds: [], error: undefined };
    }
  }
}
