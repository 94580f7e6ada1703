/**
 * Where the bytes of an image are: AFF4 Standard v1.0, sections 2 to 4,
 * https://github.com/aff4/Standard
 */
import type { Bytes } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import type { OpenOptions } from "../image_format.ts";
import { hasChunks, type MapTarget } from "./aff4_media.ts";
import { ChunkReader } from "./chunk_reader.ts";
import { type Aff4Thing, descriptionError } from "./description.ts";
import { findVolumes } from "./find_volumes.ts";
import { imageStreamOf } from "./image_stream.ts";
import { MAP_ENTRY_BYTES, MapTable, parseMap } from "./map_table.ts";
import { SCHEMA, URN_START } from "./names.ts";
import { refused } from "./refused.ts";
import { symbolicStream } from "./symbolic.ts";
import type { Aff4Volume } from "./volume.ts";

/** This bounds what a map can make us remember: 160 MiB. */
const MAX_MAP_ENTRIES = 4 * 1024 * 1024;

/** Bytes of the list of targets, and how many there can be. */
const MAX_LIST_BYTES = 1024 * 1024;
const MAX_TARGETS = 4096;

/** The segments of a map, as they are hashed. */
export interface MapSegments {
  readonly volume: Aff4Volume;
  readonly thing: Aff4Thing;
  readonly map: Bytes;
  readonly idx: Uint8Array;
  /** Undefined where there is none. What it says is not used. */
  readonly mapPath: Uint8Array | undefined;
}

/** Where the bytes of an image are. */
export interface ImageContent {
  readonly table: MapTable;
  readonly targets: readonly MapTarget[];
  /** Undefined where the image is a stream as it is. */
  readonly map: MapSegments | undefined;
  /** Further containers, which the caller closes. */
  readonly others: readonly Aff4Volume[];
}

/**
 * Finds the content of an image.
 *
 * @throws {FormatError} when something is missing, damaged or impossible.
 * @throws {ImagingError} when it is of a kind that is not read, or another container is not
 * found.
 */
export async function contentOf(
  volume: Aff4Volume,
  image: Aff4Thing,
  options: OpenOptions,
): Promise<ImageContent> {
  const urn = image.address("dataStream");
  if (urn === undefined) throw descriptionError("dataStream", "the image has no dataStream");
  const thing = volume.thing(urn);
  const size = sizeOf(volume, image, thing);
  const map = thing.is("Map") ? await readMapSegments(volume, thing) : undefined;
  const addresses = map === undefined ? [urn] : listOf(map.idx);
  const gap = thing.address("mapGapDefaultStream") ?? `${SCHEMA}Zero`;
  if (map !== undefined) addresses.push(gap);
  const { targets, others } = await openTargets(volume, addresses, options);
  try {
    if (map !== undefined && hasChunks(targets.at(-1))) {
      throw refused(volume.name, `gaps in its map are filled from ${gap}, which is not known`);
    }
    const targetSizes = targets.map((each) => hasChunks(each) ? each.stream.size : Infinity);
    const whole = { offset: 0, length: size, target: 0, targetOffset: 0 };
    const table = map === undefined
      ? new MapTable(size, size === 0 ? [] : [whole], 1)
      : parseMap(map.map, { size, targetSizes, gapTarget: targets.length - 1 });
    return { table, targets, map, others };
  } catch (error) {
    for (const other of others) await other[Symbol.asyncDispose]();
    throw error;
  }
}

/** Bytes of the image: those of its map or stream. @throws {FormatError} when they differ. */
function sizeOf(volume: Aff4Volume, image: Aff4Thing, stream: Aff4Thing): number {
  const huge = [image, stream].map((each) => each.one("size")?.value ?? "")
    .find((text) => /^\d{1,30}$/.test(text) && !Number.isSafeInteger(Number(text)));
  if (huge !== undefined) {
    const most = Number.MAX_SAFE_INTEGER;
    throw refused(volume.name, `its image has ${huge} bytes, and at most ${most} can be read`);
  }
  const size = stream.number("size", 0, Number.MAX_SAFE_INTEGER);
  if (size === undefined) throw descriptionError("size", `${stream.urn} has no aff4:size`);
  const told = image.number("size", 0, Number.MAX_SAFE_INTEGER) ?? size;
  if (told === size) return size;
  throw descriptionError(
    "size",
    `the image has ${told} bytes, and what it consists of ${size}`,
  );
}

/** The segments of a map. @throws {FormatError} when one is missing, damaged or too long. */
export async function readMapSegments(
  volume: Aff4Volume,
  thing: Aff4Thing,
): Promise<MapSegments> {
  const { urn } = thing;
  const most = MAX_MAP_ENTRIES * MAP_ENTRY_BYTES;
  const hasPath = volume.has(`${urn}/mapPath`);
  return {
    volume,
    thing,
    map: await volume.read(`${urn}/map`, most),
    idx: await volume.read(`${urn}/idx`, MAX_LIST_BYTES),
    mapPath: hasPath ? await volume.read(`${urn}/mapPath`, most) : undefined,
  };
}

/** The addresses of targets, by their numbers: section 4.1. */
function listOf(idx: Uint8Array): string[] {
  const lines = new TextDecoder().decode(idx).split("\n");
  if (lines.at(-1) === "") lines.pop();
  if (lines.length <= MAX_TARGETS) return lines;
  throw new FormatError(`the map has more than ${MAX_TARGETS} targets`, 0, "idx");
}

/** Opens what a map points to, and the containers of it. */
async function openTargets(
  volume: Aff4Volume,
  addresses: readonly string[],
  { folder, zlib }: OpenOptions,
): Promise<{ readonly targets: MapTarget[]; readonly others: Aff4Volume[] }> {
  const wanted = new Set(
    addresses.map((address) => volumeOf(volume, address)).filter((urn) => urn !== volume.urn),
  );
  const others = await findVolumes(volume, wanted, folder);
  try {
    const readers = new Map<string, ChunkReader>();
    const targets: MapTarget[] = [];
    for (const address of addresses) {
      const target = symbolicStream(address) ?? readers.get(address) ??
        new ChunkReader(imageStreamOf(ownerOf(volume, others, address), address), zlib);
      if (hasChunks(target)) readers.set(address, target);
      targets.push(target);
    }
    return { targets, others };
  } catch (error) {
    for (const other of others) await other[Symbol.asyncDispose]();
    throw error;
  }
}

/** The address of the container of a stream. */
function volumeOf(volume: Aff4Volume, address: string): string {
  if (symbolicStream(address) !== undefined) return volume.urn;
  const thing = volume.thing(address);
  if (thing.properties.size === 0 || !address.startsWith(URN_START)) {
    throw refused(volume.name, `its map points to ${address}, which is not known`);
  }
  if (thing.is("Map")) throw refused(volume.name, "its map points to another map");
  return thing.address("stored")?.replace(/\/$/, "") ?? volume.urn;
}

function ownerOf(
  volume: Aff4Volume,
  others: readonly Aff4Volume[],
  address: string,
): Aff4Volume {
  const urn = volumeOf(volume, address);
  return others.find((other) => other.urn === urn) ?? volume;
}
