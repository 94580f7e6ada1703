import type { Bytes } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import type { Decoding, PackedInput } from "./unpack_flow.ts";

/** Bits of a packed file, most significant first, with so many bytes ahead in one buffer. */
export class BitWindow {
  readonly #input: PackedInput;
  readonly #aheadBytes: number;
  /** Larger than what is ahead, so that it has to be moved seldom. */
  readonly bytes: Bytes;
  /** Bytes of the buffer that are there. */
  length = 0;
  /** The next byte of the buffer whose bits were not taken into {@linkcode word}. */
  at = 0;
  /** The bits that are next: its lowest {@linkcode count} ones. */
  word = 0;
  count = 0;

  constructor(input: PackedInput, aheadBytes: number) {
    this.#input = input;
    this.#aheadBytes = aheadBytes;
    this.bytes = new Uint8Array(2 * aheadBytes);
  }

  /** Offset in the file of the byte that the next bit is in. */
  get offset(): number {
    return this.#input.offset - this.length + this.at - Math.ceil(this.count / 8);
  }

  /** Reads ahead: after that as much is there as was promised, or all of the file. */
  *fill(): Decoding {
    if (this.length - this.at >= this.#aheadBytes) return;
    this.bytes.copyWithin(0, this.at, this.length);
    this.length -= this.at;
    this.at = 0;
    while (this.length < this.bytes.length && (yield* this.#input.more())) {
      const part = this.#input.rest.subarray(0, this.bytes.length - this.length);
      this.bytes.set(part, this.length);
      this.length += part.length;
      this.#input.use(part.length);
    }
  }

  /** Is there nothing left, up to bits that fill the last byte? */
  get hasEnded(): boolean {
    return this.at === this.length && this.count < 8;
  }

  /** Passes over the bits that fill the byte. */
  alignToByte(): void {
    this.count -= this.count % 8;
  }

  /**
   * The next 1 to 24 bits.
   *
   * @throws {FormatError} when the file ends before that.
   */
  bits(count: number): number {
    while (this.count < count) {
      if (this.at === this.length) throw this.truncated();
      this.word = this.word << 8 | (this.bytes[this.at++] ?? 0);
      this.count += 8;
    }
    this.count -= count;
    return this.word >>> this.count & (1 << count) - 1;
  }

  /** The next 32 bits. */
  bits32(): number {
    return this.bits(16) * 0x1_0000 + this.bits(16);
  }

  /** The file ends where it must not. */
  truncated(): FormatError {
    const { offset } = this.#input;
    return new FormatError(
      `the packed file is cut: it ends at byte ${offset}, in the bzip2 stream`,
      offset,
      "bzip2 stream",
    );
  }
}
