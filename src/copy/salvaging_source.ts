import type { BlockSource, Bytes } from "../core/block.ts";
import { mergeRanges, type Range } from "../core/range.ts";
import { readWithSalvage } from "./read_policy.ts";

/**
 * A source that delivers zeros for sectors that cannot be read, and remembers them: for
 * whoever wants to understand a medium as far as it can be read.
 */
export class SalvagingSource implements BlockSource {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly #source: BlockSource;
  #bad: readonly Range[] = [];

  /** `source` stays the caller's to close. */
  constructor(source: BlockSource) {
    this.name = source.name;
    this.size = source.size;
    this.sectorSize = source.sectorSize;
    this.#source = source;
  }

  /** Every place that was asked for and could not be read. */
  get bad(): readonly Range[] {
    return this.#bad;
  }

  /** @throws {ReadError} when the medium went away. */
  async readAt(offset: number, into: Bytes): Promise<number> {
    const range = { offset, length: into.length };
    const outcome = await readWithSalvage(this.#source, range, into);
    this.#bad = mergeRanges([...this.#bad, ...outcome.bad]);
    return outcome.length;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
