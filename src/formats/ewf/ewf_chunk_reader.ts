/**
 * EWF, section "Data chunk",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import type { Bytes } from "../../core/block.ts";
import { formatCount } from "../../core/units.ts";
import type { ZlibService } from "../../core/zlib.ts";
import type { ChunkDamage, ChunkPlace } from "./ewf_chunk_index.ts";
import { inflateAll } from "./ewf_inflate.ts";
import { hasChecksum } from "./ewf_sections.ts";
import type { SegmentFiles } from "./ewf_segments.ts";

// A plain chunk is its content and the Adler-32 of it, a packed one a zlib stream.
const CHECKSUM_BYTES = 4;

/** Chunks with less than this between them are read in one go. */
const MAX_GAP_BYTES = 64 * 1024;

/** At most so much is read in one go, unless one chunk is larger. */
const MAX_RUN_BYTES = 16 * 1024 * 1024;

/** The content of a chunk, or why it cannot be had. */
export type ChunkContent = Bytes | ChunkDamage;

/** A chunk that is not stored: the same eight bytes again and again. */
export interface ChunkFill {
  /** Of the medium, from 0. */
  readonly number: number;
  readonly pattern: Bytes;
}

/** Knows where chunks lie. */
export interface ChunkLocator {
  /** Where `count` chunks are, from this one; they must exist. */
  locate(
    first: number,
    count: number,
  ): Promise<readonly (ChunkPlace | ChunkFill | ChunkDamage)[]>;
}

/** Chunks that are read in one go. */
interface Run {
  readonly segment: number;
  readonly offset: number;
  readonly places: ChunkPlace[];
  /** Byte behind the last one. */
  end: number;
}

/** Where chunks come from. */
export interface ChunkReaderOptions {
  readonly files: SegmentFiles;
  readonly index: ChunkLocator;
  /** Bytes of a chunk; the last one may hold fewer. */
  readonly chunkBytes: number;
  readonly zlib: ZlibService | undefined;
}

/** Reads chunks and checks them. Keeps none. */
export class ChunkReader {
  readonly #options: ChunkReaderOptions;

  constructor(options: ChunkReaderOptions) {
    this.#options = options;
  }

  /**
   * Reads `count` chunks from this one on. `lastBytes` is what the last one should hold.
   * What is answered can hold fewer bytes or more, and share buffers.
   *
   * @param placeOf where the content of a chunk, by its number, may be put
   * @param memory what is answered can lie in: room for so many bytes
   * @throws {ReadError} when a segment file does not deliver.
   */
  async read(
    first: number,
    count: number,
    lastBytes: number,
    placeOf?: (number: number) => Bytes | undefined,
    memory?: (length: number) => Bytes,
  ): Promise<ChunkContent[]> {
    const { index } = this.#options;
    const located = await index.locate(first, count);
    const places = located.filter((each) => "isPacked" in each)
      .map((place) => ({ ...place, length: Math.min(place.length, this.#limit(place)) }));
    const last = { number: first + count - 1, bytes: lastBytes };
    const contents = await this.#unpack(await this.#readStored(places, memory), last, placeOf);
    return located.map((each, i) => {
      if ("problem" in each) return each;
      if ("pattern" in each) {
        const wanted = each.number === last.number ? lastBytes : this.#options.chunkBytes;
        return filled(each, wanted, placeOf?.(each.number));
      }
      const content = contents.get(first + i);
      if (content === undefined) throw new Error(`Chunk ${first + i} was not read`);
      return content;
    });
  }

  /** What stored chunks hold, by number. */
  async #unpack(
    stored: ReadonlyMap<ChunkPlace, Bytes>,
    last: { readonly number: number; readonly bytes: number },
    placeOf: ((number: number) => Bytes | undefined) | undefined,
  ): Promise<Map<number, ChunkContent>> {
    const { chunkBytes, zlib } = this.#options;
    const contents = new Map<number, ChunkContent>();
    const packed = [...stored].filter(([place]) => place.isPacked);
    const streams = packed.map(([, bytes]) => bytes);
    const places = packed.map(([{ number }]) => placeOf?.(number));
    const unpacked = await inflateAll(streams, chunkBytes, zlib, places);
    for (const [i, [place]] of packed.entries()) {
      contents.set(place.number, unpacked[i] ?? damage(place, "cannot be unpacked"));
    }
    for (const [place, bytes] of stored) {
      if (place.isPacked) continue;
      const wanted = place.number === last.number ? last.bytes : chunkBytes;
      contents.set(place.number, plainContent(place, bytes, wanted, chunkBytes));
    }
    return contents;
  }

  /** A chunk ends before this, whatever lies behind it. */
  #limit({ isPacked }: ChunkPlace): number {
    const { chunkBytes } = this.#options;
    // Packers that do badly still stay below 9/8.
    return isPacked ? Math.ceil(chunkBytes * 1.25) + 4096 : chunkBytes + CHECKSUM_BYTES;
  }

  /** The bytes of each chunk as they are in the file; fewer where the file ends. */
  async #readStored(
    places: readonly ChunkPlace[],
    memory: ((length: number) => Bytes) | undefined,
  ): Promise<Map<ChunkPlace, Bytes>> {
    const { files } = this.#options;
    const stored = new Map<ChunkPlace, Bytes>();
    const reads = runsOf(places).map(async (run) => {
      const length = run.end - run.offset;
      const bytes = await files.read(run.segment, run.offset, length, memory);
      for (const place of run.places) {
        const start = place.offset - run.offset;
        stored.set(place, bytes.subarray(start, start + place.length));
      }
    });
    // All of them, also after a failure: then nobody writes to the memory any more.
    await Promise.allSettled(reads);
    await Promise.all(reads);
    return stored;
  }
}

/** Chunks that lie one behind the other, together. */
function runsOf(places: readonly ChunkPlace[]): Run[] {
  const runs: Run[] = [];
  for (const place of places) {
    const { segment, offset } = place;
    const end = offset + place.length;
    const last = runs.at(-1);
    const isNear = last !== undefined && last.segment === segment &&
      offset >= last.offset && offset <= last.end + MAX_GAP_BYTES &&
      end - last.offset <= MAX_RUN_BYTES;
    if (isNear) {
      last.places.push(place);
      last.end = Math.max(last.end, end);
    } else runs.push({ segment, offset, places: [place], end });
  }
  return runs;
}

/**
 * The content of a plain chunk. It takes all the room that there is; where that is more
 * than a chunk, or something else follows, it is as long as it should be.
 */
function plainContent(
  place: ChunkPlace,
  stored: Bytes,
  wantedBytes: number,
  chunkBytes: number,
): ChunkContent {
  for (const length of [stored.length - CHECKSUM_BYTES, wantedBytes]) {
    if (length < 0 || length > chunkBytes) continue;
    if (hasChecksum(stored, length)) return stored.subarray(0, length);
  }
  return damage(place, "does not fit its checksum");
}

/** A chunk full of its pattern, in `place` where it has room there. */
function filled({ pattern }: ChunkFill, length: number, place: Bytes | undefined): Bytes {
  const hasRoom = place !== undefined && place.length >= length;
  const bytes = hasRoom ? place.subarray(0, length) : new Uint8Array(length);
  bytes.set(pattern.subarray(0, length));
  for (let done = pattern.length; done < length; done *= 2) bytes.copyWithin(done, 0, done);
  return bytes;
}

function damage({ number, segment, offset }: ChunkPlace, what: string): ChunkDamage {
  const problem = `what lies at byte ${formatCount(offset)} ${what}`;
  return { segment, first: number, count: 1, problem };
}
