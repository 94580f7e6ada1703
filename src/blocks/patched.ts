import type { BlockSource, Bytes } from "../core/block.ts";
import { intersection } from "../core/range.ts";

/** A source whose beginning reads as other bytes than those on the medium. */
export class PatchedSource implements BlockSource {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly #source: BlockSource;
  readonly #beginning: Uint8Array;

  /** `source` stays the caller's to close. */
  constructor(source: BlockSource, beginning: Uint8Array) {
    this.name = source.name;
    this.size = source.size;
    this.sectorSize = source.sectorSize;
    this.#source = source;
    this.#beginning = beginning;
  }

  async readAt(offset: number, into: Bytes): Promise<number> {
    const count = await this.#source.readAt(offset, into);
    const patch = intersection(
      { offset, length: count },
      { offset: 0, length: this.#beginning.length },
    );
    if (patch !== undefined) {
      const bytes = this.#beginning.subarray(patch.offset, patch.offset + patch.length);
      into.set(bytes, patch.offset - offset);
    }
    return count;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
