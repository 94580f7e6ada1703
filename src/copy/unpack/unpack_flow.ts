/**
 * What a decoder reads from and writes to. A decoder is a generator: it stops where it needs
 * more packed bytes, or room for what it unpacked, and goes on when it was given that.
 */
import type { Bytes } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";

/** What a decoder waits for: packed bytes, or room for unpacked ones. */
export type Need = "packed" | "room";

/** A part of decoding, which may have to wait on the way to its result. */
export type Decoding<Result = void> = Generator<Need, Result, void>;

/** Unpacks all that `input` brings; returns when it ended as it should. */
export type Decoder = (input: PackedInput, output: UnpackedOutput) => Decoding;

const NOTHING: Bytes = new Uint8Array();

/** A packed file, piece by piece. */
export class PackedInput {
  #piece: Bytes = NOTHING;
  #at = 0;
  /** Offset of the piece in the file. */
  #start = 0;
  #hasEnded = false;

  /** Offset of the next byte in the file. */
  get offset(): number {
    return this.#start + this.#at;
  }

  /** What is there of the file from that offset on; see {@linkcode more}. */
  get rest(): Bytes {
    return this.#piece.subarray(this.#at);
  }

  /** The next piece of the file, which "packed" asks for: all before it is used. */
  supply(piece: Bytes): void {
    this.#piece = piece;
  }

  /** The file has no more pieces. */
  end(): void {
    this.#hasEnded = true;
  }

  /** Of the rest so many bytes were used. */
  use(length: number): void {
    this.#at += length;
  }

  /** Waits until there is a rest; false at the end of the file. */
  *more(): Decoding<boolean> {
    while (this.#at === this.#piece.length) {
      // Whoever brought the piece takes it back now.
      this.#start += this.#at;
      this.#at = 0;
      this.#piece = NOTHING;
      if (this.#hasEnded) return false;
      yield "packed";
    }
    return true;
  }

  /**
   * The next bytes, exactly so many. They may be a part of the piece: use them before more
   * is asked for.
   *
   * @throws {FormatError} when the file ends before that.
   */
  *bytes(length: number, field: string): Decoding<Bytes> {
    if (this.#piece.length - this.#at >= length) {
      this.#at += length;
      return this.#piece.subarray(this.#at - length, this.#at);
    }
    const bytes = new Uint8Array(length);
    for (let have = 0; have < length;) {
      if (!(yield* this.more())) throw this.truncated(field);
      const part = this.rest.subarray(0, length - have);
      bytes.set(part, have);
      have += part.length;
      this.use(part.length);
    }
    return bytes;
  }

  /** The next byte. */
  *byte(field: string): Decoding<number> {
    return (yield* this.bytes(1, field))[0] ?? 0;
  }

  /**
   * Passes over so many bytes without keeping them.
   *
   * @throws {FormatError} when the file ends before that.
   */
  *skip(length: number, field: string): Decoding {
    for (let left = length; left > 0;) {
      if (!(yield* this.more())) throw this.truncated(field);
      const count = Math.min(left, this.rest.length);
      this.use(count);
      left -= count;
    }
  }

  /** The file ends where it must not. */
  truncated(field: string): FormatError {
    return new FormatError(
      `the packed file is cut: it ends at byte ${this.offset}, in the ${field}`,
      this.offset,
      field,
    );
  }
}

/** Where unpacked bytes go, one buffer after the other. */
export class UnpackedOutput {
  #into: Bytes = NOTHING;
  #length = 0;

  /** Bytes that were put into the buffer. */
  get length(): number {
    return this.#length;
  }

  /** What is free of the buffer; see {@linkcode some}. */
  get room(): Bytes {
    return this.#into.subarray(this.#length);
  }

  /** A new buffer in place of the one before. */
  supply(into: Bytes): void {
    this.#into = into;
    this.#length = 0;
  }

  /** So many bytes were put at the beginning of the room. */
  made(length: number): void {
    this.#length += length;
  }

  /** Waits until there is room. */
  *some(): Decoding {
    while (this.#length === this.#into.length) yield "room";
  }

  /** Puts all of these bytes. */
  *put(bytes: Bytes): Decoding {
    for (let at = 0; at < bytes.length;) {
      yield* this.some();
      const part = bytes.subarray(at, at + this.#into.length - this.#length);
      this.#into.set(part, this.#length);
      this.#length += part.length;
      at += part.length;
    }
  }
}

/** Follows a decoder: what it waits for, and whether it is done. */
export class Unpacking {
  readonly input: PackedInput = new PackedInput();
  readonly output: UnpackedOutput = new UnpackedOutput();
  readonly #decoding: Decoding;

  constructor(decoder: Decoder) {
    this.#decoding = decoder(this.input, this.output);
  }

  /**
   * Goes on until something is needed, or all is unpacked and right.
   *
   * @throws {FormatError} when the packed file is not as it should be.
   */
  run(): Need | "end" {
    const { done, value } = this.#decoding.next();
    return done === true ? "end" : value;
  }
}
