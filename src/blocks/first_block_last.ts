import type { BlockSink, Bytes } from "../core/block.ts";

/** What is held back: boot code, partition table, the first GPT with its entries. */
export const FIRST_BLOCK_BYTES = 1024 * 1024;

/**
 * A sink that writes zeros in place of its first MiB and keeps the true bytes until
 * {@linkcode FirstBlockLastSink.release}: a medium whose writing was interrupted
 * has no partition table and does not pretend to be whole.
 */
export class FirstBlockLastSink implements BlockSink {
  readonly name: string;
  readonly sectorSize: number;
  readonly #sink: BlockSink;
  readonly #held: { readonly offset: number; readonly bytes: Bytes }[] = [];

  /** `sink` stays the caller's to close. */
  constructor(sink: BlockSink) {
    this.name = sink.name;
    this.sectorSize = sink.sectorSize;
    this.#sink = sink;
  }

  /**
   * Puts zeros over the first block, durably, so that the old table is gone before
   * the first of the new bytes is there. `size` is what will be written.
   */
  async blank(size: number): Promise<void> {
    await this.#sink.writeAt(0, new Uint8Array(Math.min(FIRST_BLOCK_BYTES, size)));
    await this.#sink.flush();
  }

  async writeAt(offset: number, bytes: Bytes): Promise<void> {
    const heldBytes = Math.min(bytes.length, Math.max(0, FIRST_BLOCK_BYTES - offset));
    if (heldBytes > 0) this.#held.push({ offset, bytes: bytes.slice(0, heldBytes) });
    const rest = bytes.subarray(heldBytes);
    if (rest.length > 0) await this.#sink.writeAt(offset + heldBytes, rest);
  }

  flush(): Promise<void> {
    return this.#sink.flush();
  }

  /** Writes what was held back, durably. */
  async release(): Promise<void> {
    for (const { offset, bytes } of this.#held) await this.#sink.writeAt(offset, bytes);
    await this.#sink.flush();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
