import type { BlockSource, Bytes } from "../../core/block.ts";
import { readBytes } from "../../core/bytes.ts";

/** The tail of a segment and the small segments behind it mostly fit. */
const WINDOW_BYTES = 4096;

/** A file that is looked at in small pieces, mostly one behind the other. */
export class FileWindow {
  readonly #file: BlockSource;
  #offset = 0;
  #bytes: Bytes = new Uint8Array();

  constructor(file: BlockSource) {
    this.#file = file;
  }

  /**
   * Bytes from `offset`, at most 4096; fewer only where the file ends.
   *
   * @throws {ReadError} when the file cannot be read.
   */
  async bytes(offset: number, length: number): Promise<Bytes> {
    const end = Math.min(offset + length, this.#file.size);
    if (offset < this.#offset || end > this.#offset + this.#bytes.length) {
      this.#bytes = await readBytes(this.#file, offset, WINDOW_BYTES);
      this.#offset = offset;
    }
    const start = offset - this.#offset;
    return this.#bytes.subarray(start, start + length);
  }
}
