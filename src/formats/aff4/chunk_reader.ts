/**
 * Reads chunks of an image stream: AFF4 Standard v1.0, sections 3.2 and 6.2,
 * https://github.com/aff4/Standard
 */
import type { Bytes } from "../../core/block.ts";
import { readBytes, toHex } from "../../core/bytes.ts";
import { endOf, type Range } from "../../core/range.ts";
import type { ZlibService } from "../../core/zlib.ts";
import { Bevies, type Bevy } from "./bevies.ts";
import type { UnpackChunks } from "./codecs.ts";
import type { Aff4Hash } from "./hashes.ts";
import type { ImageStream } from "./image_stream.ts";

/** What came of a chunk: its content without what lies behind the stream, or what is wrong. */
export type ChunkContent = Bytes | string;

/** Bytes between two chunks that are read along: less than asking twice. */
const GAP_BYTES = 16 * 1024;

/** Packed bytes that are read in one go. */
const RUN_BYTES = 8 * 1024 * 1024;

/** A chunk that is wanted, and where it stands. */
interface PlacedChunk {
  readonly number: number;
  readonly bevy: Bevy;
  readonly place: Range;
}

/** Reads chunks and checks them. Keeps none. */
export class ChunkReader {
  readonly stream: ImageStream;
  readonly bevies: Bevies;
  readonly #unpack: UnpackChunks | undefined;

  constructor(stream: ImageStream, zlib: ZlibService | undefined) {
    this.stream = stream;
    this.bevies = new Bevies(stream);
    this.#unpack = stream.codec.unpack?.(zlib);
  }

  /**
   * Chunks by their numbers, which ascend.
   *
   * @throws {ReadError} when the file does not deliver.
   */
  async read(numbers: readonly number[]): Promise<Map<number, ChunkContent>> {
    const contents = new Map<number, ChunkContent>();
    const placed: PlacedChunk[] = [];
    for (const number of numbers) {
      const found = await this.#place(number);
      if (typeof found === "string") contents.set(number, found);
      else placed.push(found);
    }
    for (const run of runsOf(placed)) {
      for (const [number, content] of await this.#readRun(run)) contents.set(number, content);
    }
    return contents;
  }

  async #place(number: number): Promise<PlacedChunk | string> {
    const { chunksInBevy, chunkBytes } = this.stream;
    const bevy = await this.bevies.get(Math.floor(number / chunksInBevy));
    if (typeof bevy === "string") return `cannot be found: ${bevy}`;
    const place = bevy.chunk(number % chunksInBevy, chunkBytes);
    return place === undefined ? "is not where its index says" : { number, bevy, place };
  }

  async #readRun(run: readonly PlacedChunk[]): Promise<Map<number, ChunkContent>> {
    const start = run[0]?.place.offset ?? 0;
    const end = run.reduce((last, { place }) => Math.max(last, endOf(place)), start);
    const bytes = await readBytes(this.stream.volume.facts.file, start, end - start);
    const packed = run.map(({ place }) =>
      bytes.subarray(place.offset - start, endOf(place) - start)
    );
    const unpacked = await this.#unpacked(packed);
    const contents = new Map<number, ChunkContent>();
    for (const [index, chunk] of run.entries()) {
      contents.set(chunk.number, await this.#checked(chunk, unpacked[index]));
    }
    return contents;
  }

  /** A chunk is stored as it is when it is as long as chunks are: section 3.2. */
  async #unpacked(packed: readonly Bytes[]): Promise<(Bytes | undefined)[]> {
    const { chunkBytes } = this.stream;
    const unpack = this.#unpack;
    if (unpack === undefined) return packed.map((bytes) => bytes.slice());
    const isPacked = (bytes: Bytes): boolean => bytes.length !== chunkBytes;
    const contents = await unpack(packed.filter(isPacked), chunkBytes);
    let next = 0;
    return packed.map((bytes) => isPacked(bytes) ? contents[next++] : bytes.slice());
  }

  /**
   * The content, if it is as long as it should be, and hashes to what the bevy says. The last
   * chunk may hold more than what the stream needs, or just that.
   */
  async #checked(chunk: PlacedChunk, content: Bytes | undefined): Promise<ChunkContent> {
    const { size, chunkBytes, chunkHashes, chunksInBevy } = this.stream;
    const wanted = Math.min(chunkBytes, size - chunk.number * chunkBytes);
    if (content === undefined) return "cannot be unpacked";
    if (content.length !== chunkBytes && content.length !== wanted) {
      return `has ${content.length} bytes instead of ${wanted}`;
    }
    const used = content.subarray(0, wanted);
    const parts = used.length === content.length ? [used] : [used, content];
    for (const hash of chunkHashes) {
      const { digestBytes } = hash.algorithm;
      const expected = chunk.bevy.hash(hash.id, chunk.number % chunksInBevy, digestBytes);
      if (!await hashesTo(hash, parts, expected)) return `does not have its ${hash.id} hash`;
    }
    return used;
  }
}

/** Does one of them hash to that? */
async function hashesTo(
  { algorithm }: Aff4Hash,
  parts: readonly Bytes[],
  expected: string,
): Promise<boolean> {
  for (const part of parts) {
    const hasher = await algorithm.create();
    hasher.update(part);
    if (toHex(hasher.digest()) === expected) return true;
  }
  return false;
}

/** Chunks of the same bevy that stand close behind each other, together. */
function runsOf(chunks: readonly PlacedChunk[]): PlacedChunk[][] {
  const runs: PlacedChunk[][] = [];
  for (const chunk of chunks) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    const gap = last === undefined ? -1 : chunk.place.offset - endOf(last.place);
    const start = run?.[0]?.place.offset ?? 0;
    const isNear = last?.bevy === chunk.bevy && gap >= 0 && gap <= GAP_BYTES &&
      endOf(chunk.place) - start <= RUN_BYTES;
    if (isNear) run?.push(chunk);
    else runs.push([chunk]);
  }
  return runs;
}
