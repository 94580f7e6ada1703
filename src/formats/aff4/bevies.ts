/**
 * Index and hashes of the chunks of a bevy: AFF4 Standard v1.0, sections 3 and 6.2,
 * https://github.com/aff4/Standard
 *
 * ```
 * index entry   0  u64 byte of the bevy where the chunk begins   8  u32 bytes of the chunk
 * ```
 */
import type { Bytes } from "../../core/block.ts";
import { toHex, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import type { Range } from "../../core/range.ts";
import { isPlausible } from "../pieces/piece_table.ts";
import { bevyUrn, chunksOfBevy, hashUrn, type ImageStream } from "./image_stream.ts";
import type { StoredSegment } from "./segments.ts";

export const INDEX_ENTRY_BYTES = 12;

/** What is kept of bevies for the next read: one, or so many bytes. */
const CACHE_BYTES = 16 * 1024 * 1024;

/** Where the chunks of a bevy are, and what they hash to. */
export class Bevy {
  readonly place: StoredSegment;
  readonly index: Bytes;
  /** By kind of hash, one behind the other. */
  readonly hashes: ReadonlyMap<string, Bytes>;

  constructor(place: StoredSegment, index: Bytes, hashes: ReadonlyMap<string, Bytes>) {
    this.place = place;
    this.index = index;
    this.hashes = hashes;
  }

  /** Bytes in memory. */
  get bytes(): number {
    return [...this.hashes.values()].reduce(
      (sum, each) => sum + each.length,
      this.index.length,
    );
  }

  /** Where a chunk is in the file, by its number in the bevy; undefined when nowhere. */
  chunk(number: number, chunkBytes: number): Range | undefined {
    const view = viewOf(this.index);
    const start = view.getBigUint64(number * INDEX_ENTRY_BYTES, true);
    const length = view.getUint32(number * INDEX_ENTRY_BYTES + 8, true);
    const { offset, length: bevyBytes } = this.place;
    const isInside = length > 0 && start + BigInt(length) <= BigInt(bevyBytes);
    if (!isInside || !isPlausible(chunkBytes, length)) return undefined;
    return { offset: offset + Number(start), length };
  }

  /** What a chunk hashes to, in hexadecimal. */
  hash(id: string, number: number, digestBytes: number): string {
    const bytes = this.hashes.get(id) ?? new Uint8Array();
    return toHex(bytes.subarray(number * digestBytes, (number + 1) * digestBytes));
  }
}

/** The bevies of a stream. Those used last are kept. */
export class Bevies {
  readonly #stream: ImageStream;
  /** In the order of their last use. */
  readonly #kept = new Map<number, Bevy>();

  constructor(stream: ImageStream) {
    this.#stream = stream;
  }

  /**
   * A bevy; or what is wrong with it, in words.
   *
   * @throws {ReadError} when the file does not deliver.
   */
  async get(number: number): Promise<Bevy | string> {
    const kept = this.#kept.get(number);
    if (kept !== undefined) {
      this.#kept.delete(number);
      this.#kept.set(number, kept);
      return kept;
    }
    try {
      const bevy = await readBevy(this.#stream, number);
      this.#keep(number, bevy);
      return bevy;
    } catch (error) {
      if (error instanceof FormatError) return error.message;
      throw error;
    }
  }

  #keep(number: number, bevy: Bevy): void {
    this.#kept.set(number, bevy);
    let bytes = [...this.#kept.values()].reduce((sum, each) => sum + each.bytes, 0);
    for (const [oldest, each] of this.#kept) {
      if (bytes <= CACHE_BYTES || oldest === number) break;
      this.#kept.delete(oldest);
      bytes -= each.bytes;
    }
  }
}

/** @throws {FormatError} when a segment of it is missing, damaged, or of another length. */
async function readBevy(stream: ImageStream, number: number): Promise<Bevy> {
  const { volume, urn } = stream;
  const count = chunksOfBevy(stream, number);
  const segment = async (address: string, bytes: number): Promise<Bytes> => {
    const content = await volume.read(address, bytes);
    if (content.length === bytes) return content;
    throw new FormatError(
      `the segment ${address} has ${content.length} bytes instead of ${bytes}`,
      0,
      address,
    );
  };
  const start = bevyUrn(urn, number);
  const place = await volume.locate(start);
  const index = await segment(`${start}.index`, count * INDEX_ENTRY_BYTES);
  const hashes = new Map<string, Bytes>();
  for (const { id, algorithm } of stream.chunkHashes) {
    const address = hashUrn(volume, urn, number, id) ?? `${start}.${id}`;
    hashes.set(id, await segment(address, count * algorithm.digestBytes));
  }
  return new Bevy(place, index, hashes);
}
