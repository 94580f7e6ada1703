import type { BlockSink, Bytes } from "../core/block.ts";
import type { Range } from "../core/range.ts";

/** What is held back: boot code, partition table, the first GPT with its entries. */
export const FIRST_BLOCK_BYTES = 1024 * 1024;

/**
 * A sink that writes zeros in place of its first MiB and keeps the true bytes until
 * {@linkcode FirstBlockLastSink.release}: a medium whose writing was interrupted has no
 * partition table and does not pretend to be whole. Bytes that nobody writes stay as they
 * are, also in the first MiB.
 */
export class FirstBlockLastSink implements BlockSink {
  readonly name: string;
  readonly sectorSize: number;
  readonly #sink: BlockSink;
  readonly #block = new Uint8Array(FIRST_BLOCK_BYTES);
  #heldBytes = 0;
  /** Settles when the zeros of the first write are durable. */
  #blanked: Promise<void> | undefined;

  /** `sink` stays the caller's to close. */
  constructor(sink: BlockSink) {
    this.name = sink.name;
    this.sectorSize = sink.sectorSize;
    this.#sink = sink;
  }

  /** What was held back so far, from the first byte on. */
  get heldBack(): Bytes {
    return this.#block.subarray(0, this.#heldBytes);
  }

  /**
   * Bytes must come in ascending order. The old table is gone, durably, before the first
   * of the new bytes is there.
   */
  async writeAt(offset: number, bytes: Bytes): Promise<void> {
    const heldBytes = Math.min(bytes.length, Math.max(0, FIRST_BLOCK_BYTES - offset));
    if (heldBytes > 0) {
      this.#block.set(bytes.subarray(0, heldBytes), offset);
      this.#heldBytes = Math.max(this.#heldBytes, offset + heldBytes);
    }
    const isFirst = this.#blanked === undefined;
    this.#blanked ??= this.#blank(offset, heldBytes).then(() => this.#sink.flush());
    await this.#blanked;
    if (heldBytes > 0 && !isFirst) await this.#blank(offset, heldBytes);
    const rest = bytes.subarray(heldBytes);
    if (rest.length > 0) await this.#sink.writeAt(offset + heldBytes, rest);
  }

  /**
   * Changes bytes that were written before, or come behind all of them: what is held back
   * stays so.
   */
  async patch(offset: number, bytes: Bytes): Promise<void> {
    const heldBytes = Math.min(bytes.length, Math.max(0, this.#heldBytes - offset));
    if (heldBytes > 0) this.#block.set(bytes.subarray(0, heldBytes), offset);
    const rest = bytes.subarray(heldBytes);
    if (rest.length > 0) await this.#sink.writeAt(offset + heldBytes, rest);
  }

  /**
   * Puts zeros there, without sending them where the medium can do that itself. Not for
   * what is held back.
   */
  async writeZeros(range: Range): Promise<boolean> {
    if (range.offset < FIRST_BLOCK_BYTES || this.#blanked === undefined) return false;
    await this.#blanked;
    return await this.#sink.writeZeros?.(range) ?? false;
  }

  flush(): Promise<void> {
    return this.#sink.flush();
  }

  /** Writes what was held back, durably. */
  async release(): Promise<void> {
    await this.#sink.writeAt(0, this.heldBack);
    await this.#sink.flush();
  }

  /** Puts zeros where the first block was released to, durably. */
  async revoke(): Promise<void> {
    await this.#blank(0, this.#heldBytes);
    await this.#sink.flush();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #blank(offset: number, length: number): Promise<void> {
    return this.#sink.writeAt(offset, new Uint8Array(length));
  }
}
