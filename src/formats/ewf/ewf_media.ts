import type { BlockSource, Bytes } from "../../core/block.ts";
import { DamageError, ReadError } from "../../core/errors.ts";
import { endOf, intersection, type Range } from "../../core/range.ts";
import { formatCount } from "../../core/units.ts";
import { type BufferLease, BufferPool } from "./buffer_pool.ts";
import type { ChunkDamage } from "./ewf_chunk_index.ts";
import type { ChunkContent, ChunkReader } from "./ewf_chunk_reader.ts";
import type { SegmentFiles } from "./ewf_segments.ts";

/** Unpacked bytes that are asked for in one go, unless one chunk is larger. */
const BATCH_BYTES = 8 * 1024 * 1024;

/** What is kept at most of chunks that were wanted in part: one, or so many bytes. */
const CACHE_BYTES = 8 * 1024 * 1024;
const CACHE_CHUNKS = 64;

/** What a medium needs to know of its image. */
export interface EwfMediaOptions {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** As the image counts them. */
  readonly sectorBytes: number;
  readonly chunkBytes: number;
  readonly reader: ChunkReader;
  readonly files: SegmentFiles;
}

/** The medium inside of an EWF image. Closing it closes the segment files. */
export class EwfMedia implements BlockSource {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly #options: EwfMediaOptions;
  readonly #buffers = new BufferPool();
  readonly #batchChunks: number;
  readonly #cacheChunks: number;
  /** By number; the one used least recently comes first. */
  readonly #cache = new Map<number, Promise<ChunkContent>>();

  constructor(options: EwfMediaOptions) {
    const { chunkBytes, sectorBytes } = options;
    this.name = options.name;
    this.size = options.size;
    // Whoever asks for whole sectors counts on a power of two.
    const isUsual = sectorBytes >= 512 && (sectorBytes & (sectorBytes - 1)) === 0;
    this.sectorSize = isUsual ? sectorBytes : 512;
    this.#options = options;
    this.#batchChunks = Math.max(1, Math.floor(BATCH_BYTES / chunkBytes));
    this.#cacheChunks = Math.max(
      1,
      Math.min(CACHE_CHUNKS, Math.floor(CACHE_BYTES / chunkBytes)),
    );
  }

  /**
   * Reads from the image; see {@linkcode BlockSource.readAt}.
   *
   * @throws {DamageError} when a chunk is damaged; what comes before it is read.
   * @throws {ReadError} when a segment file does not deliver.
   */
  async readAt(offset: number, into: Bytes): Promise<number> {
    const end = Math.min(offset + into.length, this.size);
    const { chunkBytes } = this.#options;
    for (let at = offset; at < end;) {
      const batch = Math.floor(at / chunkBytes) + this.#batchChunks;
      const stop = Math.min(end, batch * chunkBytes);
      try {
        await this.#readBatch(at, into.subarray(at - offset, stop - offset));
      } catch (error) {
        if (!(error instanceof ReadError)) throw error;
        const { message, hint, osCode } = error;
        // The place on the medium, not that in a file.
        throw new ReadError(message, at, { hint, osCode, cause: error });
      }
      at = stop;
    }
    return Math.max(0, end - offset);
  }

  async #readBatch(offset: number, into: Bytes): Promise<void> {
    const first = Math.floor(offset / this.#options.chunkBytes);
    const wanted = { offset, length: into.length };
    const damages: ChunkDamage[] = [];
    using lease = this.#buffers.lease();
    for (const [index, content] of (await this.#contents(wanted, into, lease)).entries()) {
      const checked = this.#checked(first + index, content);
      if ("problem" in checked) {
        damages.push(checked);
        continue;
      }
      const chunk = this.#rangeOf(first + index, 1);
      const part = intersection(wanted, chunk) ?? { offset, length: 0 };
      const start = part.offset - chunk.offset;
      const place = into.subarray(part.offset - offset, part.offset - offset + part.length);
      if (!isAt(checked, place)) place.set(checked.subarray(start, start + part.length));
    }
    if (damages.length > 0) throw this.#damageError(damages);
  }

  /**
   * The chunks in which these bytes lie; those that are wanted in part are kept, others may
   * be where they belong in `into` already.
   */
  async #contents(wanted: Range, into: Bytes, lease: BufferLease): Promise<ChunkContent[]> {
    const { chunkBytes, reader } = this.#options;
    const first = Math.floor(wanted.offset / chunkBytes);
    const count = Math.ceil(endOf(wanted) / chunkBytes) - first;
    const kept = Array.from({ length: count }, (_, index) => this.#kept(first + index));
    const from = kept.indexOf(undefined);
    if (from < 0) return await Promise.all(kept.filter((each) => each !== undefined));
    const to = kept.lastIndexOf(undefined);
    const lastBytes = this.#rangeOf(first + to, 1).length;
    const placeOf = (number: number): Bytes | undefined => {
      const { offset, length } = this.#rangeOf(number, 1);
      const isWhole = offset >= wanted.offset && offset + length <= endOf(wanted);
      const start = offset - wanted.offset;
      return isWhole ? into.subarray(start, start + length) : undefined;
    };
    const fresh = reader.read(first + from, to - from + 1, lastBytes, placeOf, lease.take);
    for (const index of new Set([0, count - 1])) {
      const chunk = this.#rangeOf(first + index, 1);
      const isWhole = chunk.offset >= wanted.offset && endOf(chunk) <= endOf(wanted);
      if (isWhole || kept[index] !== undefined) continue;
      this.#keep(first + index, fresh.then((contents) => contents[index - from]));
    }
    const contents = await fresh;
    return await Promise.all(
      kept.map((each, index) => each ?? present(contents[index - from])),
    );
  }

  #kept(number: number): Promise<ChunkContent> | undefined {
    const content = this.#cache.get(number);
    if (content === undefined) return undefined;
    this.#cache.delete(number);
    this.#cache.set(number, content);
    return content;
  }

  #keep(number: number, content: Promise<ChunkContent | undefined>): void {
    const own = content.then((each) => ownBytes(present(each)));
    this.#cache.set(number, own);
    // A place that failed may be read better the next time; the caller learns of it.
    own.catch(() => {
      if (this.#cache.get(number) === own) this.#cache.delete(number);
    });
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= this.#cacheChunks) break;
      this.#cache.delete(oldest);
    }
  }

  /** Bytes of the medium that these chunks stand for. */
  #rangeOf(number: number, count: number): Range {
    const { chunkBytes } = this.#options;
    const whole = { offset: number * chunkBytes, length: count * chunkBytes };
    return intersection(whole, { offset: 0, length: this.size }) ?? { ...whole, length: 0 };
  }

  #checked(number: number, content: ChunkContent): ChunkContent {
    if ("problem" in content) return content;
    const { length } = this.#rangeOf(number, 1);
    if (content.length >= length) return content;
    const problem = `a chunk holds ${formatCount(content.length)} bytes instead of ` +
      formatCount(length);
    return { segment: undefined, first: number, count: 1, problem };
  }

  /** The first damage; what follows it without a gap belongs to its range. */
  #damageError(damages: readonly ChunkDamage[]): DamageError {
    const [first] = damages;
    if (first === undefined) throw new RangeError("There is no damage");
    let end = first.first + first.count;
    for (const next of damages) {
      if (next.first <= end) end = Math.max(end, next.first + next.count);
    }
    const range = this.#rangeOf(first.first, end - first.first);
    const { files, name, sectorBytes } = this.#options;
    const from = Math.floor(range.offset / sectorBytes);
    const to = Math.floor((endOf(range) - 1) / sectorBytes);
    const file = first.segment === undefined ? name : files.nameOf(first.segment);
    return new DamageError(
      `${file} is damaged in sectors ${formatCount(from)} to ${formatCount(to)}: ` +
        first.problem,
      range,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cache.clear();
    await this.#options.files[Symbol.asyncDispose]();
  }
}

/** Does it begin where that lies? */
function isAt(content: Bytes, place: Bytes): boolean {
  return content.buffer === place.buffer && content.byteOffset === place.byteOffset;
}

function present(content: ChunkContent | undefined): ChunkContent {
  if (content === undefined) throw new Error("A chunk was not answered");
  return content;
}

/** Bytes that do not hold a larger buffer in memory. */
function ownBytes(content: ChunkContent): ChunkContent {
  if ("problem" in content) return content;
  return content.length < content.buffer.byteLength ? content.slice() : content;
}
