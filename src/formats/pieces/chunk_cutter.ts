/** Chunks of one size, cut from a flow whose pieces are of any size. */
import { Buffer } from "node:buffer";
import type { Bytes } from "../../core/block.ts";

/** Cuts what comes in pieces of any size into chunks. */
export class ChunkCutter {
  readonly #chunkBytes: number;
  /** The beginning of the next chunk, in a buffer for all of it. */
  #rest: Bytes | undefined;
  #restBytes = 0;

  constructor(chunkBytes: number) {
    this.#chunkBytes = chunkBytes;
  }

  /** The chunks that these bytes complete: parts of them, but for the first one maybe. */
  cut(bytes: Bytes): Bytes[] {
    const chunks: Bytes[] = [];
    let at = 0;
    if (this.#rest !== undefined) {
      at = this.#keep(bytes);
      if (this.#restBytes < this.#chunkBytes) return chunks;
      chunks.push(this.#rest);
      this.#rest = undefined;
      this.#restBytes = 0;
    }
    for (; at + this.#chunkBytes <= bytes.length; at += this.#chunkBytes) {
      chunks.push(bytes.subarray(at, at + this.#chunkBytes));
    }
    if (at < bytes.length) this.#keep(bytes.subarray(at));
    return chunks;
  }

  /** What is left of the last chunk at the end of the medium; undefined when nothing is. */
  end(): Bytes | undefined {
    return this.#rest?.subarray(0, this.#restBytes);
  }

  /** Copies as much as the next chunk still needs; answers how many bytes that were. */
  #keep(bytes: Bytes): number {
    const rest = this.#rest ??= new Uint8Array(this.#chunkBytes);
    const part = bytes.subarray(0, this.#chunkBytes - this.#restBytes);
    rest.set(part, this.#restBytes);
    this.#restBytes += part.length;
    return part.length;
  }
}

/** Bytes are compared with it piece by piece, by the runtime's own comparison. */
const ZEROS = new Uint8Array(32 * 1024);

/** Is every byte zero? */
export function isZero(bytes: Bytes): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const piece = bytes.subarray(at, at + ZEROS.length);
    if (!isSame(piece, ZEROS.subarray(0, piece.length))) return false;
  }
  return true;
}

/** Are both byte for byte the same? */
export function isSame(a: Bytes, b: Bytes): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}
