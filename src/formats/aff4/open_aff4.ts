/** Shows the disk inside an AFF4 container: AFF4 Standard v1.0, https://github.com/aff4/Standard */
import type { BlockSource } from "../../core/block.ts";
import { toHex } from "../../core/bytes.ts";
import { type Finding, FormatError, ImagingError } from "../../core/errors.ts";
import { mergeRanges, type Range } from "../../core/range.ts";
import { printable } from "../../core/text.ts";
import type { OpenedImage, OpenOptions, StoredDigest } from "../image_format.ts";
import { Aff4Media, hasChunks } from "./aff4_media.ts";
import { describeContainer, evidenceOf } from "./aff4_metadata.ts";
import type { Aff4Thing } from "./description.ts";
import { volumeNumber } from "./find_volumes.ts";
import { findingsOf } from "./findings.ts";
import { hashOf, type ToldHash, toldHashes } from "./hashes.ts";
import { contentOf, type ImageContent } from "./image_content.ts";
import { checkItself, linearHashes, readersOf } from "./own_checks.ts";
import { refused } from "./refused.ts";
import { UNREADABLE_DATA } from "./symbolic.ts";
import { LOGICAL, LOGICAL_HINT } from "./version.ts";
import { type Aff4Volume, openVolume } from "./volume.ts";

/** Classes of images that have a disk, or something else that is one row of bytes. */
const IMAGE_CLASSES: readonly string[] = [
  "Image",
  "ContiguousImage",
  "DiscontiguousImage",
  "DiskImage",
];

/** Classes of images of files. */
const LOGICAL_CLASSES: readonly string[] = ["FileImage", "FolderImage"];

/** Digests that others compute, too. */
const COMMON_HASHES: ReadonlySet<string> = new Set(["md5", "sha1", "sha256", "sha512"]);

const MAX_SECTOR_BYTES = 64 * 1024;

/**
 * Takes over a file; when it throws, the file is still open.
 *
 * @throws {FormatError} when the container is damaged, or its map is not what its hashes say.
 * @throws {ImagingError} when it is of a kind that is not read, or a part of it is missing.
 */
export async function openAff4(
  file: BlockSource,
  options: OpenOptions = {},
): Promise<OpenedImage> {
  const volume = await openVolume(file);
  const image = chooseImage(volume);
  const content = await contentOf(volume, image, options);
  try {
    await checkMapHashes(content);
    return openedImage(volume, image, content);
  } catch (error) {
    for (const other of content.others) await other[Symbol.asyncDispose]();
    throw error;
  }
}

function openedImage(
  volume: Aff4Volume,
  image: Aff4Thing,
  content: ImageContent,
): OpenedImage {
  const { others, table, targets } = content;
  const { sectorSize, findings } = sectorSizeOf(image);
  const close = async (): Promise<void> => {
    for (const each of [...others, volume]) await each[Symbol.asyncDispose]();
  };
  const media = new Aff4Media({ name: volume.name, sectorSize, table, targets, close });
  const hashes = hashesOf(volume, image);
  const packing = [...new Set(readersOf(content).map(({ stream }) => stream.codec.title))];
  const checked = { image, content, media, hashes, known: COMMON_HASHES };
  return {
    media,
    metadata: describeContainer({ volume, others, image, packing }),
    findings: [...findings, ...findingsOf(image, content)],
    evidence: evidenceOf(volume, image),
    digests: digestsOf(hashes),
    unreadable: unreadableOf(content),
    files: others.length === 0 ? undefined : inOrder([volume, ...others]),
    checkItself: (signal) => checkItself(checked, signal),
  };
}

/** The names of files, in the order of their numbers. */
function inOrder(volumes: readonly Aff4Volume[]): string[] {
  return volumes.map(({ name }) => name)
    .toSorted((a, b) => volumeNumber(a) - volumeNumber(b));
}

/** The only image of a disk. @throws {ImagingError} when there is none, or more than one. */
function chooseImage(volume: Aff4Volume): Aff4Thing {
  const things = [...volume.facts.graph.keys()].map((urn) => volume.thing(urn));
  const isOf = (thing: Aff4Thing, classes: readonly string[]): boolean =>
    classes.some((name) => thing.is(name));
  const [image, ...others] = things.filter((thing) =>
    isOf(thing, IMAGE_CLASSES) && !isOf(thing, LOGICAL_CLASSES)
  );
  if (image === undefined) {
    if (things.some((thing) => isOf(thing, LOGICAL_CLASSES))) {
      throw refused(volume.name, LOGICAL, LOGICAL_HINT);
    }
    throw refused(volume.name, "there is no image of a disk in it");
  }
  if (others.length === 0) return image;
  const urns = [image, ...others].slice(0, 10).map(({ urn }) => printable(urn));
  throw new ImagingError(
    "usage",
    `cannot tell which image in ${volume.name} is meant: ${urns.join(", ")}`,
    { hint: "take one of them out with aff4.py of pyaff4" },
  );
}

/** Hashes over all bytes of the image: its own, and those of the stream or map that it is. */
function hashesOf(volume: Aff4Volume, image: Aff4Thing): ToldHash[] {
  const stream = volume.thing(image.address("dataStream") ?? "");
  return [...linearHashes(image), ...linearHashes(stream)];
}

function digestsOf(hashes: readonly ToldHash[]): StoredDigest[] {
  const digests = new Map<string, StoredDigest>();
  for (const { kind: { id }, hex } of hashes) {
    if (COMMON_HASHES.has(id)) digests.set(`${id} ${hex}`, { algorithm: id, hex });
  }
  return [...digests.values()];
}

/** With another map all bytes would be at other places: nothing can be shown then. */
async function checkMapHashes({ map }: ImageContent): Promise<void> {
  if (map === undefined) return;
  const parts = [["mapPointHash", map.map], ["mapIdxHash", map.idx]] as const;
  for (const [property, bytes] of parts) {
    for (const hash of toldHashes(map.thing, property)) {
      if (toHex(await hashOf(hash.kind, [bytes])) === hash.hex) continue;
      throw new FormatError(
        `the AFF4 container ${map.volume.name} is damaged: its map does not have its ` +
          `${property} (${hash.kind.id})`,
        0,
        property,
        { hint: "copy it again from where it came from" },
      );
    }
  }
}

/** Places that could not be read when the image was made: section 4.4. */
function unreadableOf({ table, targets }: ImageContent): Range[] | undefined {
  const ranges = targets.flatMap((target, number) =>
    !hasChunks(target) && target.name === UNREADABLE_DATA ? table.placesOf(number) : []
  );
  return ranges.length === 0 ? undefined : mergeRanges(ranges);
}

function sectorSizeOf(
  image: Aff4Thing,
): { readonly sectorSize: number; readonly findings: readonly Finding[] } {
  const text = image.one("blockSize")?.value ?? "512";
  const size = Number(text);
  const isUsable = size >= 512 && size <= MAX_SECTOR_BYTES && Number.isInteger(Math.log2(size));
  if (isUsable) return { sectorSize: size, findings: [] };
  const message = `the sectors have ${
    text.slice(0, 20)
  } bytes, as the image tells: 512 is used`;
  return { sectorSize: 512, findings: [{ level: "warning", message }] };
}
