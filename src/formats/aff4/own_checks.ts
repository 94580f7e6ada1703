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
import { toHex } from "../../core/bytes.ts";
import type { OwnCheck } from "../image_format.ts";
import { Crc32Sum } from "../pieces/crc32.ts";
import { hasChunks } from "./aff4_media.ts";
import { Checks, problemOf } from "./check_list.ts";
import { blockHashes, indexesOf, piecesOf, streamBytes } from "./check_parts.ts";
import type { ChunkReader } from "./chunk_reader.ts";
import type { Aff4Thing } from "./description.ts";
import { volumeNumber } from "./find_volumes.ts";
import { type Aff4Hash, hashOf, type ToldHash, toldHashes } from "./hashes.ts";
import { type ImageContent, type MapSegments, readMapSegments } from "./image_content.ts";
import { bevyCount, bevyUrn, blockHashesUrn, type ImageStream } from "./image_stream.ts";
import type { Aff4Volume } from "./volume.ts";

/** What is checked. */
export interface CheckedImage {
  readonly image: Aff4Thing;
  readonly content: ImageContent;
  readonly media: BlockSource;
  /** Hashes of the content, and which kinds of them others check. */
  readonly hashes: readonly ToldHash[];
  readonly known: ReadonlySet<string>;
}

/** Makes all checks. @throws the reason of `signal`, which ends them early. */
export async function checkItself(
  checked: CheckedImage,
  signal: AbortSignal | undefined,
): Promise<readonly OwnCheck[]> {
  const checks = new Checks(signal);
  const maps = await mapsOf(checked);
  for (const map of maps) await checkMap(checks, map, (name) => nameIn(maps, name, map));
  for (const reader of readersOf(checked.content)) {
    await checkStream(checks, reader, maps.length === 0);
  }
  await checkBlockMaps(checks, checked, maps);
  await checkContent(checks, checked);
  return checks.made;
}

/**
 * The maps of all containers, in the order of these. Only the first one is used.
 *
 * @throws {FormatError} when a container has none, or it is damaged.
 */
async function mapsOf({ image, content }: CheckedImage): Promise<MapSegments[]> {
  const { map, others } = content;
  if (map === undefined) return [];
  const maps = [map];
  for (const other of others) {
    const urn = other.thing(image.urn).address("dataStream");
    if (urn === undefined) continue;
    maps.push(await readMapSegments(other, other.thing(urn)));
  }
  return maps.toSorted((a, b) => volumeNumber(a.volume.name) - volumeNumber(b.volume.name));
}

/** The streams of an image, each once. */
export function readersOf({ targets }: ImageContent): ChunkReader[] {
  return [...new Set(targets)].filter(hasChunks);
}

/** The properties that tell the hashes of a map's segments: section 6.2. */
const MAP_PROPERTIES = {
  map: "mapPointHash",
  idx: "mapIdxHash",
  mapPath: "mapPathHash",
} as const;

async function checkMap(
  checks: Checks,
  segments: MapSegments,
  nameOf: (name: string) => string,
): Promise<void> {
  const { thing, map, idx, mapPath = new Uint8Array() } = segments;
  for (const [name, bytes] of Object.entries({ map, idx, mapPath })) {
    const property = MAP_PROPERTIES[name as keyof typeof MAP_PROPERTIES];
    await checks.add(nameOf(property), toldHashes(thing, property), () => [bytes]);
  }
  const parts = partsOf(segments);
  for (const hash of toldHashes(thing, "mapHash")) {
    const { kind, hex } = hash;
    const hashes = await Promise.all(parts.map((part) => hashOf(kind, [part])));
    const isOverHashes = toHex(await hashOf(kind, hashes)) === hex;
    await checks.add(nameOf("mapHash"), [hash], () => isOverHashes ? hashes : parts);
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
    const hashes = toldHashes(volume.thing(blockHashesUrn(urn, kind.id)), "hash");
    await checks.add(`blockhash.${kind.id}`, hashes, () => blockHashes(reader, kind));
  }
  const indexes = toldHashes(thing, "imageStreamIndexHash");
  await checks.add("imageStreamIndexHash", indexes, () => indexesOf(reader));
  const linear = linearHashes(thing);
  // Those of a stream that is the image are checked with the image.
  if (!isImage) await checks.add("the image stream", linear, () => streamBytes(reader));
  // Nothing else tells whether its chunks are right.
  if (chunkHashes.length === 0 && linear.length === 0) await checkBevies(checks, reader);
}

/** The checksums of the archive over bevies: each that is wrong, or the one over all. */
async function checkBevies(checks: Checks, { stream }: ChunkReader): Promise<void> {
  const { urn } = stream;
  const all = new Crc32Sum();
  let isRight = true;
  for (let bevy = 0; bevy < bevyCount(stream); bevy++) {
    const name = `segment ${bevyUrn(urn, bevy)}`;
    const { expected, actual, length } = await checkBevy(checks, stream, bevy);
    all.add(Number.parseInt(expected, 16), length);
    if (expected === actual) continue;
    isRight = false;
    checks.made.push({ name, algorithm: "crc32", expected, actual });
  }
  const sum = hexOf32(all.value);
  if (!isRight) return;
  checks.made.push({ name: "bevies", algorithm: "crc32", expected: sum, actual: sum });
}

async function checkBevy(
  checks: Checks,
  { volume, urn }: ImageStream,
  bevy: number,
): Promise<Pick<OwnCheck, "expected" | "actual"> & { readonly length: number }> {
  let [expected, length] = ["", 0];
  try {
    const place = await volume.locate(bevyUrn(urn, bevy));
    [expected, length] = [hexOf32(place.crc32), place.length];
    let sum = 0;
    for await (const piece of piecesOf(volume.facts.file, place)) {
      checks.throwIfEnded();
      sum = crc32(piece, sum);
    }
    return { expected, actual: hexOf32(sum), length };
  } catch (error) {
    return { expected, actual: problemOf(error), length };
  }
}

/**
 * The hashes over the hashes of blocks and map: section 6.2. That of the image is the one of
 * its map. Where several containers have a map each, it is over those of all maps, in the
 * order of the containers: so it is in the reference images.
 */
async function checkBlockMaps(
  checks: Checks,
  { image, content }: CheckedImage,
  maps: readonly MapSegments[],
): Promise<void> {
  if (!isBlockMapClear(image, content)) return;
  for (const map of maps) {
    for (const hash of toldHashes(map.thing, "blockMapHash")) {
      const name = nameIn(maps, "blockMapHash", map);
      await checks.add(name, [hash], () => blockMapParts(map, content, hash.kind));
    }
  }
  const ofImage = toldHashes(image, "hash").filter(({ isBlockMap }) => isBlockMap);
  const [only, ...others] = maps;
  if (only === undefined) return;
  for (const hash of ofImage) {
    const { kind } = hash;
    await checks.add(
      "blockMapHash of the image",
      [hash],
      () =>
        others.length === 0
          ? blockMapParts(only, content, kind)
          : maps.values().map((map) => hashOf(kind, blockMapParts(map, content, kind))),
    );
  }
}

/**
 * Is it clear what the hash of a block map is over? The standard does not say in which order
 * streams in the same container count, nor what counts of a container without a map.
 */
export function isBlockMapClear(image: Aff4Thing, content: ImageContent): boolean {
  const { map, others } = content;
  return map !== undefined &&
    [map.volume, ...others].every((volume) =>
      readersIn(content, volume).length <= 1 &&
      volume.thing(image.urn).address("dataStream") !== undefined
    );
}

/** What the hash of a block map is over: those of the streams in its container, and its own. */
async function* blockMapParts(
  map: MapSegments,
  content: ImageContent,
  kind: Aff4Hash,
): AsyncGenerator<Uint8Array> {
  for (const reader of readersIn(content, map.volume)) {
    for (const each of reader.stream.chunkHashes) {
      yield await hashOf(kind, blockHashes(reader, each));
    }
  }
  for (const part of partsOf(map)) yield await hashOf(kind, [part]);
}

/** The streams of an image that are in a container. */
export function readersIn(content: ImageContent, volume: Aff4Volume): ChunkReader[] {
  return readersOf(content).filter(({ stream }) => stream.volume === volume);
}

/** The segments of a map in the order in which they are hashed. */
function partsOf({ map, idx, mapPath }: MapSegments): Uint8Array[] {
  return mapPath === undefined ? [map, idx] : [map, idx, mapPath];
}

/** What a check is called: also with its container, where there are several. */
function nameIn(maps: readonly MapSegments[], name: string, { volume }: MapSegments): string {
  return maps.length > 1 ? `${name} (${volume.name})` : name;
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
  return toldHashes(thing, "hash").filter(({ isBlockMap }) => !isBlockMap);
}

function hexOf32(value: number): string {
  return value.toString(16).padStart(8, "0");
}
