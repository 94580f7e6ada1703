import type { RescueSizes } from "./rescue_sizes.ts";

/** How much of a dead area is stepped over before it is tried again. */
export class Skips {
  readonly #sizes: RescueSizes;
  /** Skips without a success between them, and their bytes. */
  #count = 0;
  #bytes = 0;
  /** Bytes that led out of the last dead area; 0 where the last trouble was small. */
  #usual = 0;

  constructor(sizes: RescueSizes) {
    this.#sizes = sizes;
  }

  /**
   * Bytes of the next skip, 0 for none: they grow with the failures near each other; where
   * the last trouble was a dead area, they are its size at once.
   */
  next(near: number): number {
    const { skipMin, skipMax } = this.#sizes;
    if (skipMin === 0) return 0;
    const grown = near < 1 ? 0 : skipMin * 4 ** (near - 1);
    const bytes = Math.min(Math.max(grown, this.#usual), skipMax);
    if (bytes === 0) return 0;
    this.#count++;
    this.#bytes += bytes;
    return bytes;
  }

  /**
   * A read succeeded: the skips before it, if any, led out of something.
   *
   * @param hadFailed did the read before it fail?
   */
  escaped(hadFailed: boolean): void {
    if (this.#count > 1) this.#usual = this.#bytes;
    else if (hadFailed) this.#usual = this.#count === 1 ? this.#usual / 2 : 0;
    if (this.#usual < this.#sizes.skipMin) this.#usual = 0;
    this.#count = 0;
    this.#bytes = 0;
  }
}
