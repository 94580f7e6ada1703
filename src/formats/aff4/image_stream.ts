/**
 * What a container tells of an image stream: AFF4 Standard v1.0, sections 3 and 6.2,
 * https://github.com/aff4/Standard
 */
import { type ChunkCodec, codecOf, STORED } from "./codecs.ts";
import { descriptionError } from "./description.ts";
import { AFF4_HASHES, type Aff4Hash } from "./hashes.ts";
import { refused } from "./refused.ts";
import type { Aff4Volume } from "./volume.ts";

/** Chunks of other sizes make no sense; some of the largest are in memory at once. */
const MIN_CHUNK_BYTES = 512;
const MAX_CHUNK_BYTES = 16 * 1024 * 1024;

/** Their index has 12 bytes for each, their hashes up to 212. */
const MAX_CHUNKS_IN_BEVY = 256 * 1024;

/** A stream of chunks, in bevies of as many chunks each. */
export interface ImageStream {
  readonly urn: string;
  readonly volume: Aff4Volume;
  /** Bytes. */
  readonly size: number;
  readonly chunkBytes: number;
  readonly chunksInBevy: number;
  readonly codec: ChunkCodec;
  /** Hashes that every chunk has, in the order of the standard. */
  readonly chunkHashes: readonly Aff4Hash[];
}

/**
 * Reads what is told of a stream.
 *
 * @throws {FormatError} when something is missing or impossible.
 * @throws {ImagingError} `environment` when it is encrypted, or packed in a way that is not
 * read.
 */
export function imageStreamOf(volume: Aff4Volume, urn: string): ImageStream {
  const thing = volume.thing(urn);
  if (thing.is("EncryptedStream") || thing.all("keyBag").length > 0) {
    throw refused(volume.name, "its image is encrypted");
  }
  if (!thing.is("ImageStream")) {
    throw descriptionError("type", `${urn}, which holds the image, is no aff4:ImageStream`);
  }
  const needed = (name: string, least: number, most: number): number => {
    const value = thing.number(name, least, most);
    if (value === undefined) throw descriptionError(name, `${urn} has no aff4:${name}`);
    return value;
  };
  const size = needed("size", 0, Number.MAX_SAFE_INTEGER);
  const chunkBytes = needed("chunkSize", MIN_CHUNK_BYTES, MAX_CHUNK_BYTES);
  const chunksInBevy = needed("chunksInSegment", 1, MAX_CHUNKS_IN_BEVY);
  const chunkHashes = AFF4_HASHES.filter(({ id }) =>
    volume.facts.graph.has(blockHashesUrn(urn, id)) || hashUrn(volume, urn, 0, id) !== undefined
  );
  const codec = codecFor(volume, urn, thing.address("compressionMethod"));
  return { urn, volume, size, chunkBytes, chunksInBevy, codec, chunkHashes };
}

function codecFor(volume: Aff4Volume, urn: string, address: string | undefined): ChunkCodec {
  if (address === undefined) return STORED;
  const codec = codecOf(address);
  if (codec !== undefined) return codec;
  throw refused(volume.name, `${urn} in it is packed with ${address}, which is not known`);
}

/** How many chunks a stream has. */
export function chunkCount({ size, chunkBytes }: ImageStream): number {
  return Math.ceil(size / chunkBytes);
}

/** How many bevies a stream has. */
export function bevyCount(stream: ImageStream): number {
  return Math.ceil(chunkCount(stream) / stream.chunksInBevy);
}

/** How many chunks a bevy has: the last one has what is left. */
export function chunksOfBevy(stream: ImageStream, bevy: number): number {
  return Math.min(stream.chunksInBevy, chunkCount(stream) - bevy * stream.chunksInBevy);
}

/** The address of a bevy; its index is the same with ".index". */
export function bevyUrn(urn: string, bevy: number): string {
  return `${urn}/${String(bevy).padStart(8, "0")}`;
}

/**
 * The address of the hashes of a bevy's chunks: as the standard has it, or as its reference
 * images have it; undefined where there are none.
 */
export function hashUrn(
  volume: Aff4Volume,
  urn: string,
  bevy: number,
  id: string,
): string | undefined {
  const start = bevyUrn(urn, bevy);
  return [`${start}.blockHash.${id}`, `${start}.${id}`].find((each) => volume.has(each));
}

/** The address of all block hashes of a kind: section 6.2. */
export function blockHashesUrn(urn: string, id: string): string {
  return `${urn}/blockhash.${id}`;
}
