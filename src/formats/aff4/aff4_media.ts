/** The content of an AFF4 image: AFF4 Standard v1.0, https://github.com/aff4/Standard */
import type { BlockSource, Bytes } from "../../core/block.ts";
import { DamageError, ReadError } from "../../core/errors.ts";
import { endOf, type Range } from "../../core/range.ts";
import type { ChunkContent, ChunkReader } from "./chunk_reader.ts";
import type { MapPiece, MapTable } from "./map_table.ts";
import { fillSymbolic, type SymbolicStream } from "./symbolic.ts";

/** What a map points to. */
export type MapTarget = SymbolicStream | ChunkReader;

/** Is it a stream of chunks, and no symbolic one? */
export function hasChunks(target: MapTarget | undefined): target is ChunkReader {
  return target !== undefined && "stream" in target;
}

/** Bytes of the image that are put together in one go, unless one chunk is larger. */
const BATCH_BYTES = 4 * 1024 * 1024;

/** What is unpacked at once: so many bytes, or one piece of the map; and so many pieces. */
const GROUP_BYTES = 32 * 1024 * 1024;
const GROUP_PIECES = 4096;

/** Unpacked chunks that are kept for the next read: one, or so many bytes. */
const CACHE_BYTES = 16 * 1024 * 1024;

/** What a medium needs to know. */
export interface Aff4MediaOptions {
  readonly name: string;
  readonly sectorSize: number;
  readonly table: MapTable;
  readonly targets: readonly MapTarget[];
  /** Closes the containers. */
  readonly close: () => Promise<void>;
}

/** See the head of this file. Closing it closes the containers. */
export class Aff4Media implements BlockSource {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly #options: Aff4MediaOptions;
  /** By target and number; the one used least recently comes first. */
  readonly #kept = new Map<string, Promise<ChunkContent>>();
  /** Bytes of each that is kept. */
  readonly #weights = new Map<string, number>();
  #keptBytes = 0;

  constructor(options: Aff4MediaOptions) {
    this.name = options.name;
    this.size = options.table.size;
    this.sectorSize = options.sectorSize;
    this.#options = options;
  }

  /**
   * See {@linkcode BlockSource.readAt}.
   *
   * @throws {DamageError} when a chunk is damaged.
   * @throws {ReadError} when a file does not deliver.
   */
  async readAt(offset: number, into: Bytes): Promise<number> {
    const end = Math.min(offset + into.length, this.size);
    for (let at = offset; at < end; at += BATCH_BYTES) {
      const length = Math.min(BATCH_BYTES, end - at);
      try {
        await this.#readBatch(at, into.subarray(at - offset, at - offset + length));
      } catch (error) {
        if (!(error instanceof ReadError)) throw error;
        const { message, hint, osCode } = error;
        // The place on the medium, not that in the file.
        throw new ReadError(message, at, { hint, osCode, cause: error });
      }
    }
    return Math.max(0, end - offset);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kept.clear();
    this.#weights.clear();
    this.#keptBytes = 0;
    await this.#options.close();
  }

  async #readBatch(offset: number, into: Bytes): Promise<void> {
    const { table, targets } = this.#options;
    const range = { offset, length: into.length };
    for (const pieces of groupsOf(table.within(range), targets)) {
      const chunks = await this.#chunks(pieces);
      for (const piece of pieces) {
        const part = into.subarray(piece.offset - offset, endOf(piece) - offset);
        const target = targets[piece.target];
        if (hasChunks(target)) putChunks(piece, target, chunks.get(piece.target), part);
        else if (target !== undefined) fillSymbolic(target, piece.targetOffset, part);
      }
    }
  }

  /** The chunks that pieces need, by target and number. */
  async #chunks(pieces: readonly MapPiece[]): Promise<Map<number, Chunks>> {
    const wanted = new Map<number, Set<number>>();
    for (const { target, targetOffset, length } of pieces) {
      const reader = this.#options.targets[target];
      if (!hasChunks(reader)) continue;
      const { chunkBytes } = reader.stream;
      let numbers = wanted.get(target);
      if (numbers === undefined) wanted.set(target, numbers = new Set());
      const last = Math.floor((targetOffset + length - 1) / chunkBytes);
      for (let each = Math.floor(targetOffset / chunkBytes); each <= last; each++) {
        numbers.add(each);
      }
    }
    const loaded = await Promise.all(
      [...wanted].map(async ([target, numbers]) =>
        [target, await this.#load(target, [...numbers].sort((a, b) => a - b))] as const
      ),
    );
    return new Map(loaded);
  }

  async #load(target: number, numbers: readonly number[]): Promise<Chunks> {
    const reader = this.#options.targets[target];
    if (!hasChunks(reader)) return new Map();
    const keyOf = (number: number): string => `${target} ${number}`;
    const kept = new Map(numbers.map((number) => [number, this.#use(keyOf(number))]));
    const fresh = numbers.filter((number) => kept.get(number) === undefined);
    const loading = reader.read(fresh);
    for (const number of fresh) {
      const content = loading.then((contents) => contents.get(number) ?? MISSING);
      this.#keep(keyOf(number), content, reader.stream.chunkBytes);
    }
    const contents = new Map(await loading);
    for (const [number, content] of kept) {
      if (content !== undefined) contents.set(number, await content);
    }
    return contents;
  }

  #use(key: string): Promise<ChunkContent> | undefined {
    const content = this.#kept.get(key);
    if (content === undefined) return undefined;
    this.#kept.delete(key);
    this.#kept.set(key, content);
    return content;
  }

  #keep(key: string, content: Promise<ChunkContent>, bytes: number): void {
    this.#kept.set(key, content);
    this.#weights.set(key, bytes);
    this.#keptBytes += bytes;
    // A place that failed may be read better the next time; the caller learns of it.
    content.catch(() => {
      if (this.#kept.get(key) === content) this.#drop(key);
    });
    for (const oldest of this.#kept.keys()) {
      if (this.#keptBytes <= CACHE_BYTES || oldest === key) break;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    this.#kept.delete(key);
    this.#keptBytes -= this.#weights.get(key) ?? 0;
    this.#weights.delete(key);
  }
}

/** Pieces together whose chunks are in memory at once. */
function* groupsOf(
  pieces: Iterable<MapPiece>,
  targets: readonly MapTarget[],
): Generator<readonly MapPiece[]> {
  let group: MapPiece[] = [];
  let bytes = 0;
  let last = "";
  for (const piece of pieces) {
    const target = targets[piece.target];
    if (hasChunks(target)) {
      const { chunkBytes } = target.stream;
      const first = Math.floor(piece.targetOffset / chunkBytes);
      const end = Math.ceil((piece.targetOffset + piece.length) / chunkBytes);
      // Pieces mostly go on where the one before them ended.
      const isSame = last === `${piece.target} ${first}`;
      const added = (end - first - Number(isSame)) * chunkBytes;
      if (group.length > 0 && bytes + added > GROUP_BYTES) {
        yield group;
        [group, bytes] = [[], 0];
      }
      bytes += added;
      last = `${piece.target} ${end - 1}`;
    }
    group.push(piece);
    if (group.length < GROUP_PIECES) continue;
    yield group;
    [group, bytes] = [[], 0];
  }
  if (group.length > 0) yield group;
}

/** Chunks by their numbers. */
type Chunks = ReadonlyMap<number, ChunkContent>;

const MISSING = "is not there";

/** Puts what a piece has of its chunks. @throws {DamageError} when one is damaged. */
function putChunks(
  piece: MapPiece,
  { stream }: ChunkReader,
  chunks: Chunks | undefined,
  into: Bytes,
): void {
  const { chunkBytes } = stream;
  /** The part of the piece from `done` on that one chunk holds. */
  const partAt = (done: number): { number: number; start: number; length: number } => {
    const at = piece.targetOffset + done;
    const number = Math.floor(at / chunkBytes);
    const start = at - number * chunkBytes;
    return { number, start, length: Math.min(chunkBytes - start, piece.length - done) };
  };
  for (let done = 0; done < piece.length;) {
    const { number, start, length } = partAt(done);
    const content = chunks?.get(number) ?? MISSING;
    if (typeof content === "string") {
      // What follows it and is damaged, too, belongs to its range.
      let end = done + length;
      while (end < piece.length && typeof chunks?.get(partAt(end).number) === "string") {
        end += partAt(end).length;
      }
      const range = { offset: piece.offset + done, length: end - done };
      throw damage(stream.volume.name, number, content, range);
    }
    into.set(content.subarray(start, start + length), done);
    done += length;
  }
}

function damage(name: string, number: number, problem: string, range: Range): DamageError {
  return new DamageError(`${name} is damaged: chunk ${number} ${problem}`, range, {
    hint: "copy it again from where it came from; the other chunks can be read",
  });
}
