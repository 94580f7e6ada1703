/** The content of a packed file as a medium that is read once, in order. */
import type { BlockSource, Bytes } from "../../core/block.ts";
import { FormatError, ImagingError } from "../../core/errors.ts";
import type { Packing, UnpackedStream } from "../../core/unpack.ts";
import type { OpenedImage, OpenOptions } from "../image_format.ts";

/** Bytes of the content's beginning that are shown beside it. */
const HEAD_BYTES = 1024 * 1024;

/** Settings of {@linkcode openPackedStream}. */
export interface PackedStreamOptions extends OpenOptions {
  /** Bytes of the content, where they are certain before it is unpacked. */
  readonly contentBytes?: number | undefined;
}

/**
 * Unpacks a file that is nothing but packed. Takes over `file`, which is closed when this
 * fails.
 *
 * @throws {FormatError} when the file is damaged at its beginning.
 * @throws {ImagingError} `usage` when nobody is there to unpack.
 */
export async function openPackedStream(
  file: BlockSource,
  packing: Packing,
  options: PackedStreamOptions,
): Promise<OpenedImage> {
  const { unpack, contentBytes = Infinity } = options;
  if (unpack === undefined) {
    await file[Symbol.asyncDispose]();
    throw new ImagingError("usage", `cannot read ${file.name}: it is packed with ${packing}`);
  }
  const media = new PackedStreamSource(file, unpack.unpack(packing, file), contentBytes);
  try {
    const head = await media.readHead(HEAD_BYTES);
    return { media, head, metadata: [], findings: [], isPacking: true };
  } catch (error) {
    await media[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * What comes out of a packed file. The end of the medium is answered only when the packed
 * stream ended there, too, with all its checksums right.
 */
export class PackedStreamSource implements BlockSource {
  readonly name: string;
  readonly size: number;
  readonly sectorSize = 512;
  readonly sequential = true;
  readonly #file: BlockSource;
  readonly #stream: UnpackedStream;
  /** Unpacked, not yet asked for. */
  #ahead: Uint8Array = new Uint8Array();
  /** Bytes that were unpacked. */
  #unpacked = 0;
  /** The next byte to be asked for. */
  #at = 0;
  #hasEnded = false;
  #failure: { readonly error: unknown } | undefined;
  #closing: Promise<void> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  /** Takes over both. `size` is Infinity where it is not known. */
  constructor(file: BlockSource, stream: UnpackedStream, size: number) {
    this.name = file.name;
    this.size = size;
    this.#file = file;
    this.#stream = stream;
  }

  get fractionRead(): number | undefined {
    const { size } = this.#file;
    return Number.isFinite(size) && size > 0
      ? Math.min(1, this.#stream.packedBytes / size)
      : undefined;
  }

  /** The first bytes, which are read again later. Call it before anything is read. */
  async readHead(length: number): Promise<Bytes> {
    const head = new Uint8Array(length);
    const count = await this.#inTurn(() => this.#unpack(head));
    this.#ahead = head.subarray(0, count);
    return head.subarray(0, count);
  }

  /** Offsets must be asked for in order, without gaps. */
  readAt(offset: number, into: Bytes): Promise<number> {
    return this.#inTurn(() => this.#read(offset, into));
  }

  #inTurn(read: () => Promise<number>): Promise<number> {
    const result = this.#turn.then(async () => {
      if (this.#failure !== undefined) throw this.#failure.error;
      try {
        return await read();
      } catch (error) {
        if (error instanceof RangeError) throw error;
        // A stream that failed once has no end that could be believed.
        this.#failure ??= { error };
        throw this.#failure.error;
      }
    });
    this.#turn = result.catch(() => {});
    return result;
  }

  async #read(offset: number, into: Bytes): Promise<number> {
    // Whoever reads ahead asks for more before the end is known.
    if (this.#hasEnded && this.#ahead.length === 0) return 0;
    if (offset !== this.#at) {
      throw new RangeError(`Cannot read ${this.name} at ${offset}: it is at ${this.#at}`);
    }
    const ahead = this.#ahead.subarray(0, into.length);
    into.set(ahead);
    this.#ahead = this.#ahead.subarray(ahead.length);
    const length = ahead.length + await this.#unpack(into.subarray(ahead.length));
    this.#at += length;
    return length;
  }

  /** Fills `into` as far as the content goes. At its end nothing may follow. */
  async #unpack(into: Bytes): Promise<number> {
    let length = 0;
    while (!this.#hasEnded && length < into.length && this.#unpacked < this.size) {
      const room = Math.min(into.length - length, this.size - this.#unpacked);
      const count = await this.#stream.read(into.subarray(length, length + room));
      if (count === 0) this.#end();
      length += count;
      this.#unpacked += count;
    }
    if (!this.#hasEnded && this.#unpacked === this.size) {
      // Nobody asks beyond a known size: the checksums behind it would not be looked at.
      if (await this.#stream.read(new Uint8Array(1)) > 0) throw this.#wrongSize("goes on");
      this.#end();
    }
    return length;
  }

  #end(): void {
    if (Number.isFinite(this.size) && this.#unpacked < this.size) {
      throw this.#wrongSize(`ends at ${this.#unpacked}`);
    }
    this.#hasEnded = true;
  }

  #wrongSize(what: string): FormatError {
    return new FormatError(
      `${this.name} says that it holds ${this.size} bytes, but its content ${what}`,
      this.#stream.packedBytes,
      "content size",
    );
  }

  /** Reads under way fail as cancelled. */
  cancel(): void {
    this.#failure ??= {
      error: new ImagingError("cancelled", `reading ${this.name} was cancelled`),
    };
    this.#file.cancel?.();
    // What closing says cannot matter any more; it is said again when all is closed.
    this.#closeStream().catch(() => {});
  }

  #closeStream(): Promise<void> {
    return this.#closing ??= Promise.resolve(this.#stream[Symbol.asyncDispose]());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#closeStream();
    } finally {
      await this.#file[Symbol.asyncDispose]();
    }
  }
}
