/** Numbers of variable length: .xz file format, 1.2. Seven bits a byte, the lowest first. */
import { FormatError } from "../../core/errors.ts";
import { safeNumber } from "../../core/bytes.ts";

/** Bytes of the longest number. */
const MOST_BYTES = 9;

/** Takes bytes one by one until the number is whole. */
export class XzNumber {
  readonly #field: string;
  readonly #offset: number;
  #value = 0n;
  #count = 0;

  /** `offset` is its place in the file, for errors. */
  constructor(field: string, offset: number) {
    this.#field = field;
    this.#offset = offset;
  }

  /** The number, when this was its last byte. */
  take(byte: number): number | undefined {
    this.#value |= BigInt(byte & 0x7f) << BigInt(7 * this.#count);
    this.#count++;
    const isLast = byte < 0x80;
    // A number has one form only: the shortest.
    if (isLast ? byte === 0 && this.#count > 1 : this.#count === MOST_BYTES) {
      throw new FormatError(
        `the xz stream is damaged at byte ${this.#offset}: its ${this.#field} is no number`,
        this.#offset,
        this.#field,
      );
    }
    return isLast ? safeNumber(this.#value, this.#field, this.#offset) : undefined;
  }
}
