/** A medium in memory, for tests and for small structures. */
import type { BlockSource, Bytes } from "../core/block.ts";

/** Bytes in memory as a medium. The bytes stay the caller's; nothing is copied at first. */
export class MemorySource implements BlockSource {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly #bytes: Uint8Array;

  constructor(name: string, bytes: Uint8Array, sectorSize = 512) {
    this.name = name;
    this.size = bytes.length;
    this.sectorSize = sectorSize;
    this.#bytes = bytes;
  }

  /** Copies from memory; see {@linkcode BlockSource.readAt}. Never fails. */
  readAt(offset: number, into: Bytes): Promise<number> {
    const piece = this.#bytes.subarray(offset, offset + into.length);
    into.set(piece);
    return Promise.resolve(piece.length);
  }

  /** Holds nothing that needs closing. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
