import type { BlockSink, Bytes } from "../core/block.ts";

/** What is held back: boot code, partition table, the first GPT with its entries. */
export const FIRST_BLOCK_BYTES = 1024 * 1024;

/**
 * A sink that keeps the bytes of its first MiB until {@linkcode FirstBlockLastSink.release}:
 * a medium whose writing was interrupted has no partition table and does not pretend to
 * be whole.
 */
export class FirstBlockLastSink implements BlockSink {
  readonly name: string;
  readonly sectorSize: number;
  readonly #sink: BlockSink;
  readonly #block = new Uint8Array(FIRST_BLOCK_BYTES);
  #blockBytes = 0;

  /** `sink` stays the caller's to close. */
  constructor(sink: BlockSink) {
    this.name = sink.name;
    this.sectorSize = sink.sectorSize;
    this.#sink = sink;
  }

  /** What was held back so far, from the first byte on. */
  get heldBack(): Bytes {
    return this.#block.subarray(0, this.#blockBytes);
  }

  /**
   * Puts zeros over the first block, durably: the old table is gone before the first of
   * the new bytes is there. `size` is the number of bytes that the medium has.
   */
  async blank(size: number): Promise<void> {
    await this.#sink.writeAt(0, new Uint8Array(Math.min(FIRST_BLOCK_BYTES, size)));
    await this.#sink.flush();
  }

  async writeAt(offset: number, bytes: Bytes): Promise<void> {
    const heldBytes = Math.min(bytes.length, Math.max(0, FIRST_BLOCK_BYTES - offset));
    if (heldBytes > 0) {
      this.#block.set(bytes.subarray(0, heldBytes), offset);
      this.#blockBytes = Math.max(this.#blockBytes, offset + heldBytes);
    }
    const rest = bytes.subarray(heldBytes);
    if (rest.length > 0) await this.#sink.writeAt(offset + heldBytes, rest);
  }

  flush(): Promise<void> {
    return this.#sink.flush();
  }

  /** Writes what was held back, durably. */
  async release(): Promise<void> {
    await this.#sink.writeAt(0, this.heldBack);
    await this.#sink.flush();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
