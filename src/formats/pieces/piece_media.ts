/** The content of images that are a row of pieces, each of which is packed on its own. */
import type { BlockSource, Bytes } from "../../core/block.ts";
import { readBytes } from "../../core/bytes.ts";
import { DamageError, ReadError } from "../../core/errors.ts";
import { endOf, intersection, type Range } from "../../core/range.ts";
import { formatCount } from "../../core/units.ts";
import type { PiecePacking, ZlibService } from "../../core/zlib.ts";
import type { PieceTable } from "./piece_table.ts";

/** Unpacked bytes that are asked for in one go, unless one piece is larger. */
const BATCH_BYTES = 8 * 1024 * 1024;

/** What is kept of pieces that were wanted in part: one, or so many bytes. */
const CACHE_BYTES = 16 * 1024 * 1024;

/** What became of a piece: its content, or what is wrong with it, in words. */
type PieceContent = Bytes | string;

/** What a medium needs to know of its file. */
export interface PieceMediaOptions {
  readonly file: BlockSource;
  readonly table: PieceTable;
  readonly zlib: ZlibService;
  readonly packing: PiecePacking;
  /** Are these bytes of the file what the table says of the piece of this number? */
  readonly isPiece: (bytes: Bytes, number: number) => boolean;
}

/** See the head of this file. Closing it closes the file. */
export class PieceMedia implements BlockSource {
  readonly name: string;
  readonly size: number;
  readonly sectorSize = 512;
  readonly #options: PieceMediaOptions;
  /** By number; the one used least recently comes first. */
  readonly #cache = new Map<number, Promise<PieceContent>>();

  constructor(options: PieceMediaOptions) {
    this.name = options.file.name;
    this.size = options.table.contentBytes;
    this.#options = options;
  }

  /**
   * See {@linkcode BlockSource.readAt}.
   *
   * @throws {DamageError} when a piece is damaged; what comes before it is read.
   * @throws {ReadError} when the file does not deliver.
   */
  async readAt(offset: number, into: Bytes): Promise<number> {
    const end = Math.min(offset + into.length, this.size);
    for (let at = offset; at < end;) {
      const numbers = this.#batch(at, end);
      const stop = Math.min(end, endOf(this.#options.table.content(numbers.at(-1) ?? 0)));
      try {
        await this.#readBatch(numbers, at, into.subarray(at - offset, stop - offset));
      } catch (error) {
        if (!(error instanceof ReadError)) throw error;
        const { message, hint, osCode } = error;
        // The place on the medium, not that in the file.
        throw new ReadError(message, at, { hint, osCode, cause: error });
      }
      at = stop;
    }
    return Math.max(0, end - offset);
  }

  /** The pieces with content from byte `at` on that are unpacked together. */
  #batch(at: number, end: number): number[] {
    const { table } = this.#options;
    const numbers: number[] = [];
    let bytes = 0;
    for (let number = table.find(at); number < table.count; number++) {
      const { offset, length } = table.content(number);
      if (offset >= end || (numbers.length > 0 && bytes + length > BATCH_BYTES)) break;
      if (length > 0) numbers.push(number);
      bytes += length;
    }
    return numbers;
  }

  async #readBatch(numbers: readonly number[], offset: number, into: Bytes): Promise<void> {
    const { table } = this.#options;
    const wanted = { offset, length: into.length };
    const contents = await this.#contents(numbers, wanted);
    for (const [index, number] of numbers.entries()) {
      const range = table.content(number);
      const content = contents[index] ?? "is not there";
      if (typeof content === "string") throw this.#damage(numbers, contents, index);
      const part = intersection(wanted, range) ?? { offset, length: 0 };
      const start = part.offset - range.offset;
      into.set(content.subarray(start, start + part.length), part.offset - offset);
    }
  }

  /** The first damage; what follows it without a gap belongs to its range. */
  #damage(
    numbers: readonly number[],
    contents: readonly PieceContent[],
    first: number,
  ): DamageError {
    const { table, file } = this.#options;
    let last = first;
    while (typeof contents[last + 1] === "string") last++;
    const number = numbers[first] ?? 0;
    const { offset } = table.content(number);
    const length = endOf(table.content(numbers[last] ?? number)) - offset;
    const place = formatCount(table.stored(number).offset);
    return new DamageError(
      `${file.name} is damaged: the piece at byte ${place} of it ${contents[first]}`,
      { offset, length },
      { hint: "copy it again from where it came from; the other pieces can be read" },
    );
  }

  /** The content of these pieces; of those that are wanted in part it is kept. */
  async #contents(numbers: readonly number[], wanted: Range): Promise<PieceContent[]> {
    const { table } = this.#options;
    const kept = numbers.map((number) => this.#kept(number));
    const fresh = numbers.filter((_, index) => kept[index] === undefined);
    const loading = this.#load(fresh);
    for (const number of fresh) {
      const range = table.content(number);
      if (range.offset >= wanted.offset && endOf(range) <= endOf(wanted)) continue;
      const index = fresh.indexOf(number);
      this.#keep(number, loading.then((contents) => contents[index] ?? "is not there"));
    }
    const loaded = new Map((await loading).map((content, index) => [fresh[index], content]));
    return await Promise.all(
      numbers.map((number, index) => kept[index] ?? loaded.get(number) ?? "is not there"),
    );
  }

  #kept(number: number): Promise<PieceContent> | undefined {
    const content = this.#cache.get(number);
    if (content === undefined) return undefined;
    this.#cache.delete(number);
    this.#cache.set(number, content);
    return content;
  }

  #keep(number: number, content: Promise<PieceContent>): void {
    // Not the whole buffer that it shares with others.
    const own = content.then((each) => typeof each === "string" ? each : ownBytes(each));
    this.#cache.set(number, own);
    // A place that failed may be read better the next time; the caller learns of it.
    own.catch(() => {
      if (this.#cache.get(number) === own) this.#cache.delete(number);
    });
    const { table } = this.#options;
    let bytes = [...this.#cache.keys()].reduce(
      (sum, key) => sum + table.content(key).length,
      0,
    );
    for (const oldest of this.#cache.keys()) {
      if (bytes <= CACHE_BYTES || oldest === number) break;
      this.#cache.delete(oldest);
      bytes -= table.content(oldest).length;
    }
  }

  /** Reads pieces, those that lie one behind the other in one go, and unpacks them. */
  async #load(numbers: readonly number[]): Promise<PieceContent[]> {
    const runs = await Promise.all(
      consecutive(numbers).map(async (run) => await this.#loadRun(run)),
    );
    return runs.flat();
  }

  async #loadRun(numbers: readonly number[]): Promise<readonly PieceContent[]> {
    const { file, table } = this.#options;
    const places = numbers.map((number) => table.stored(number));
    const [first, last] = [places[0], places.at(-1)];
    if (first === undefined || last === undefined) return [];
    const bytes = await readBytes(file, first.offset, endOf(last) - first.offset);
    const pieces = places.map(({ offset, length }) =>
      bytes.subarray(offset - first.offset, offset - first.offset + length)
    );
    return await this.#unpack(numbers, pieces);
  }

  async #unpack(
    numbers: readonly number[],
    pieces: readonly Bytes[],
  ): Promise<readonly PieceContent[]> {
    const { table, zlib, packing, isPiece } = this.#options;
    const isGood = pieces.map((piece, index) => isPiece(piece, numbers[index] ?? 0));
    const lengths = numbers.map((number) => table.content(number).length);
    const good = pieces.filter((_, index) => isGood[index]);
    const contents = await zlib.unpack(good, Math.max(...lengths), packing);
    let next = 0;
    return lengths.map((length, index) => {
      if (!isGood[index]) return "is not what the index of the file says";
      const content = contents[next++];
      if (content === undefined) return "does not fit its checksum";
      if (content.length === length) return content;
      return `holds ${formatCount(content.length)} bytes instead of ${formatCount(length)}`;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cache.clear();
    await this.#options.file[Symbol.asyncDispose]();
  }
}

/** Numbers that follow each other, together. */
function consecutive(numbers: readonly number[]): number[][] {
  const runs: number[][] = [];
  for (const number of numbers) {
    const last = runs.at(-1);
    if (last !== undefined && last.at(-1) === number - 1) last.push(number);
    else runs.push([number]);
  }
  return runs;
}

/** The same bytes in a buffer without others. */
function ownBytes(bytes: Bytes): Bytes {
  return bytes.length === bytes.buffer.byteLength ? bytes : bytes.slice();
}
