import type { BlockSource, Bytes, Chunk, ChunkConsumer } from "../core/block.ts";
import { ImagingError, ReadError } from "../core/errors.ts";

/** A stream of bytes as a source: once, from the first byte to the last. */
export class StreamSource implements BlockSource {
  readonly name: string;
  readonly size = Infinity;
  readonly sectorSize = 512;
  readonly sequential = true;
  readonly #reader: ReadableStreamBYOBReader;
  #at = 0;
  #ended = false;
  /** Taken from the stream, not yet asked for. */
  #ahead: Uint8Array = new Uint8Array();
  #turn: Promise<unknown> = Promise.resolve();

  /** Takes over the stream. */
  constructor(name: string, stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.name = name;
    this.#reader = stream.getReader({ mode: "byob" });
  }

  /** Waits for the first bytes; is there none? Call it before anything is read. */
  async isEmpty(): Promise<boolean> {
    this.#ahead = await this.#next(new Uint8Array(STREAM_READ_BYTES)) ?? new Uint8Array();
    return this.#ended;
  }

  /** Offsets must be asked for in order, without gaps. */
  readAt(offset: number, into: Bytes): Promise<number> {
    const result = this.#turn.then(() => this.#read(offset, into));
    this.#turn = result.catch(() => {});
    return result;
  }

  async #read(offset: number, into: Bytes): Promise<number> {
    // Whoever reads ahead asks for more before the end is known.
    if (this.#ended && this.#ahead.length === 0) return 0;
    if (offset !== this.#at) {
      throw new RangeError(`Cannot read ${this.name} at ${offset}: it is at ${this.#at}`);
    }
    const ahead = this.#ahead.subarray(0, into.length);
    into.set(ahead);
    this.#ahead = this.#ahead.subarray(ahead.length);
    let length = ahead.length;
    let scratch: Bytes = new Uint8Array(STREAM_READ_BYTES);
    while (length < into.length) {
      const piece = await this.#next(scratch.subarray(0, into.length - length));
      if (piece === undefined) break;
      into.set(piece, length);
      length += piece.length;
      scratch = new Uint8Array(piece.buffer);
    }
    this.#at += length;
    return length;
  }

  /** The next bytes, in the memory of `scratch`; undefined at the end. */
  async #next(scratch: Bytes): Promise<Bytes | undefined> {
    let result: ReadableStreamReadResult<Bytes>;
    try {
      result = await this.#reader.read(scratch);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new ReadError(`cannot read ${this.name}: ${reason}`, this.#at, { cause });
    }
    if (!result.done && result.value !== undefined) return result.value;
    this.#ended = true;
    return undefined;
  }

  /** A read that waits for bytes ends as if the stream did. */
  cancel(): void {
    // What the stream says to that cannot matter any more.
    this.#reader.cancel().catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel();
  }
}

const STREAM_READ_BYTES = 256 * 1024;

/** Writes every chunk to a stream, raw, in order. */
export class StreamConsumer implements ChunkConsumer<void> {
  readonly name: string;
  readonly #write: (bytes: Bytes) => Promise<number>;
  #turn: Promise<void> = Promise.resolve();

  /** `write` answers how many of the bytes it took. */
  constructor(name: string, write: (bytes: Bytes) => Promise<number>) {
    this.name = name;
    this.#write = write;
  }

  consume(chunk: Chunk): Promise<void> {
    this.#turn = this.#turn.then(() => this.#writeAll(chunk.bytes));
    return this.#turn;
  }

  async finish(): Promise<void> {
    await this.#turn;
  }

  abort(): Promise<void> {
    return Promise.resolve();
  }

  async #writeAll(bytes: Bytes): Promise<void> {
    let at = 0;
    while (at < bytes.length) {
      try {
        at += await this.#write(bytes.subarray(at));
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new ImagingError("environment", `cannot write to ${this.name}: ${reason}`, {
          cause,
          hint: "the program that reads the output ended early",
        });
      }
    }
  }
}
