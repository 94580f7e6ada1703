/**
 * Checks of what a container keeps of itself, and reading its content does not check: AFF4
 * Standard v1.0, section 6, https://github.com/aff4/Standard
 *
 * The hash of a map is over its segments one behind the other in the standard's reference
 * images, and over their hashes in its text: either counts. The hash of the indexes of a
 * stream is in the images only. What the `imageStreamHash` of these images is over is
 * nowhere said: it is not checked.
 */
import { crc32 } from "node:zlib";
import type { BlockSource } from "../../core/block.ts";
import { readBytes } from "../../core/bytes.ts";
import { DamageError, FormatError, ReadError } from "../../core/errors.ts";
import { endOf, type Range } from "../../core/range.ts";
import type { OwnCheck } from "../image_format.ts";
import { hasChunks } from "./aff4_media.ts";
import type { Bevy } from "./bevies.ts";
import type { ChunkReader } from "./chunk_reader.ts";
import type { Aff4Thing } from "./description.ts";
import { type Aff4Hash, hashOf, hexOf, type ToldHash, toldHash } from "./hashes.ts";
import type { ImageContent, MapSegments } from "./image_content.ts";
import { bevyCount, bevyUrn, blockHashesUrn, chunkCount } from "./image_stream.ts";

/** Read in one go. */
const PIECE_BYTES = 4 * 1024 * 1024;

/** What is checked. */
export interface CheckedImage {
  readonly image: Aff4Thing;
  readonly content: ImageContent;
  readonly media: BlockSource;
  /** Hashes of the content, and which kinds of them others check. */
  readonly hashes: readonly ToldHash[];
  readonly known: ReadonlySet<string>;
}

type Parts = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** Makes all checks. @throws the reason of `signal`, which ends them early. */
export async function checkItself(
  checked: CheckedImage,
  signal: AbortSignal | undefined,
): Promise<readonly OwnCheck[]> {
  const checks = new Checks(signal);
  const { map } = checked.content;
  if (map !== undefined) await checkMap(checks, map);
  for (const reader of readersOf(checked.content)) {
    await checkStream(checks, reader, map === undefined);
  }
  await checkBlockMap(checks, checked);
  await checkContent(checks, checked);
  return checks.made;
}

/** The streams of an image, each once. */
export function readersOf({ targets }: ImageContent): ChunkReader[] {
  return [...new Set(targets)].filter(hasChunks);
}

class Checks {
  readonly made: OwnCheck[] = [];
  readonly #signal: AbortSignal | undefined;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  throwIfEnded(): void {
    this.#signal?.throwIfAborted();
  }

  /** Compares each of these hashes with what `parts` hash to. */
  async add(
    name: string,
    expected: readonly ToldHash[],
    parts: (hash: Aff4Hash) => Parts,
  ): Promise<void> {
    for (const { kind, hex } of expected) {
      let actual: string;
      try {
        actual = await hexOf(kind, this.#watched(parts(kind)));
      } catch (error) {
        actual = problemOf(error);
      }
      this.made.push({ name, algorithm: kind.id, expected: hex, actual });
    }
  }

  async *#watched(parts: Parts): AsyncGenerator<Uint8Array> {
    for await (const part of parts) {
      this.throwIfEnded();
      yield part;
    }
  }
}

/** What stands in the place of a hash that there is none of. @throws what is no such problem. */
function problemOf(error: unknown): string {
  const isKnown = error instanceof FormatError || error instanceof DamageError ||
    error instanceof ReadError;
  if (!isKnown) throw error;
  return `none: ${error.message}`;
}

/** The hashes that are told with a property. */
function told(thing: Aff4Thing, property: string): ToldHash[] {
  return thing.all(property).flatMap((term) => toldHash(term) ?? []);
}

async function checkMap(checks: Checks, map: MapSegments): Promise<void> {
  const { thing, map: points, idx, mapPath } = map;
  await checks.add("mapPointHash", told(thing, "mapPointHash"), () => [points]);
  await checks.add("mapIdxHash", told(thing, "mapIdxHash"), () => [idx]);
  const path = mapPath ?? new Uint8Array();
  await checks.add("mapPathHash", told(thing, "mapPathHash"), () => [path]);
  const parts = mapPath === undefined ? [points, idx] : [points, idx, mapPath];
  for (const hash of told(thing, "mapHash")) {
    const { kind, hex } = hash;
    const hashes = await Promise.all(parts.map((part) => hashOf(kind, [part])));
    const isOverHashes = await hexOf(kind, hashes) === hex;
    await checks.add("mapHash", [hash], () => isOverHashes ? hashes : parts);
  }
}

async function checkStream(
  checks: Checks,
  reader: ChunkReader,
  isImage: boolean,
): Promise<void> {
  const { volume, urn, chunkHashes } = reader.stream;
  const thing = volume.thing(urn);
  for (const kind of chunkHashes) {
    const hashes = told(volume.thing(blockHashesUrn(urn, kind.id)), "hash");
    await checks.add(`blockhash.${kind.id}`, hashes, () => blockHashes(reader, kind));
  }
  const indexes = told(thing, "imageStreamIndexHash");
  await checks.add("imageStreamIndexHash", indexes, () => indexesOf(reader));
  const linear = linearHashes(thing);
  // Those of a stream that is the image are checked with the image.
  if (!isImage) await checks.add("the image stream", linear, () => streamBytes(reader));
  // Nothing else tells whether its chunks are right.
  if (chunkHashes.length === 0 && linear.length === 0) await checkBevies(checks, reader);
}

/** The checksums of the archive over bevies. */
async function checkBevies(checks: Checks, { stream }: ChunkReader): Promise<void> {
  const { volume, urn } = stream;
  const { file } = volume.facts;
  for (let bevy = 0; bevy < bevyCount(stream); bevy++) {
    let expected = "";
    let actual: string;
    try {
      const place = await volume.locate(bevyUrn(urn, bevy));
      expected = hexOf32(place.crc32);
      let sum = 0;
      for await (const piece of piecesOf(file, place)) sum = crc32(piece, sum);
      actual = hexOf32(sum);
    } catch (error) {
      actual = problemOf(error);
    }
    checks.throwIfEnded();
    checks.made.push({
      name: `segment ${bevyUrn(urn, bevy)}`,
      algorithm: "crc32",
      expected,
      actual,
    });
  }
}

/** The hash over the hashes of blocks and map, of the image and of its map: section 6.2. */
async function checkBlockMap(checks: Checks, { image, content }: CheckedImage): Promise<void> {
  const { map } = content;
  const [reader, ...others] = localReaders(content);
  if (map === undefined || others.length > 0) return;
  const hashes = [
    ...told(image, "hash").filter(({ isBlockMap }) => isBlockMap),
    ...told(map.thing, "blockMapHash"),
  ];
  await checks.add("blockMapHash", hashes, async function* (kind): AsyncGenerator<Uint8Array> {
    for (const each of reader?.stream.chunkHashes ?? []) {
      yield await hashOf(kind, blockHashes(reader as ChunkReader, each));
    }
    const { map: points, idx, mapPath } = map;
    for (const part of mapPath === undefined ? [points, idx] : [points, idx, mapPath]) {
      yield await hashOf(kind, [part]);
    }
  });
}

/**
 * The streams that a block map hash is over: of an image with several containers, each of
 * which has a map, that in the container of the map.
 */
export function localReaders(content: ImageContent): ChunkReader[] {
  const urn = content.map?.volume.urn;
  return readersOf(content).filter(({ stream }) => stream.volume.urn === urn);
}

/** Hashes of the whole content that are of a kind which nobody else checks. */
async function checkContent(
  checks: Checks,
  { hashes, media, known }: CheckedImage,
): Promise<void> {
  const whole = { offset: 0, length: media.size };
  const unknown = hashes.filter(({ kind }) => !known.has(kind.id));
  await checks.add("the image", unknown, () => piecesOf(media, whole));
}

/** Hashes over the bytes of a thing: section 6.1. */
export function linearHashes(thing: Aff4Thing): ToldHash[] {
  return told(thing, "hash").filter(({ isBlockMap }) => !isBlockMap);
}

/** All bevies of a stream. @throws {FormatError} when one is damaged. */
async function* beviesOf({ stream, bevies }: ChunkReader): AsyncGenerator<Bevy> {
  for (let number = 0; number < bevyCount(stream); number++) {
    const bevy = await bevies.get(number);
    if (typeof bevy === "string") throw new FormatError(bevy, 0, bevyUrn(stream.urn, number));
    yield bevy;
  }
}

/** The hashes of all chunks of a stream, of one kind. */
async function* blockHashes(reader: ChunkReader, { id }: Aff4Hash): AsyncGenerator<Uint8Array> {
  for await (const bevy of beviesOf(reader)) yield bevy.hashes.get(id) ?? new Uint8Array();
}

async function* indexesOf(reader: ChunkReader): AsyncGenerator<Uint8Array> {
  for await (const bevy of beviesOf(reader)) yield bevy.index;
}

/** The content of a stream. @throws {FormatError} when a chunk is damaged. */
async function* streamBytes(reader: ChunkReader): AsyncGenerator<Uint8Array> {
  const { stream } = reader;
  const [count, inOneGo] = [chunkCount(stream), Math.ceil(PIECE_BYTES / stream.chunkBytes)];
  for (let first = 0; first < count; first += inOneGo) {
    const length = Math.min(inOneGo, count - first);
    const numbers = Array.from({ length }, (_, index) => first + index);
    const contents = await reader.read(numbers);
    for (const number of numbers) {
      const content = contents.get(number) ?? "is not there";
      if (typeof content !== "string") yield content;
      else throw new FormatError(`chunk ${number} ${content}`, 0, stream.urn);
    }
  }
}

/** A part of a source, piece by piece. */
async function* piecesOf(source: BlockSource, range: Range): AsyncGenerator<Uint8Array> {
  for (let at = range.offset; at < endOf(range); at += PIECE_BYTES) {
    yield await readBytes(source, at, Math.min(PIECE_BYTES, endOf(range) - at));
  }
}

function hexOf32(value: number): string {
  return value.toString(16).padStart(8, "0");
}
