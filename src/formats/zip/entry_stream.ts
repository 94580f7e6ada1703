/** What comes out of an entry, checked against what the archive says of it. */
import { crc32 } from "node:zlib";
import type { BlockSource, Bytes } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import type { UnpackedStream } from "../../core/unpack.ts";

/** Bytes of an entry that is stored as it is, one after the other. */
export class StoredStream implements UnpackedStream {
  readonly #source: BlockSource;
  #at = 0;

  /** `source` holds the entry only, and stays the caller's. */
  constructor(source: BlockSource) {
    this.#source = source;
  }

  get packedBytes(): number {
    return this.#at;
  }

  async read(into: Bytes): Promise<number> {
    const room = into.subarray(0, Math.min(into.length, this.#source.size - this.#at));
    if (room.length === 0) return 0;
    const count = await this.#source.readAt(this.#at, room);
    this.#at += count;
    return count;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** Another stream, of which the end is only told when the CRC-32 of all of it is right. */
export class CheckedStream implements UnpackedStream {
  readonly #stream: UnpackedStream;
  readonly #name: string;
  readonly #expected: number;
  #sum = 0;

  /** Takes over `stream`; `name` is that of the archive. */
  constructor(stream: UnpackedStream, name: string, expected: number) {
    this.#stream = stream;
    this.#name = name;
    this.#expected = expected;
  }

  get packedBytes(): number {
    return this.#stream.packedBytes;
  }

  /**
   * See {@linkcode UnpackedStream.read}.
   *
   * @throws {FormatError} at the end, when the content is not what was packed.
   */
  async read(into: Bytes): Promise<number> {
    const count = await this.#stream.read(into);
    this.#sum = crc32(into.subarray(0, count), this.#sum);
    if (count === 0 && this.#sum !== this.#expected) {
      throw new FormatError(
        `${this.#name} is damaged: its content does not fit its checksum`,
        this.packedBytes,
        "crc-32",
        { hint: "copy it again from where it came from" },
      );
    }
    return count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stream[Symbol.asyncDispose]();
  }
}
