/** A map as text and as a picture, with the partitions of its disk where they are known. */
import { pictureOf, summarizeMap, totalsIn } from "../../copy/map_algebra.ts";
import type { RangeMap } from "../../copy/range_map.ts";
import { ImagingError } from "../../core/errors.ts";
import { endOf, type Range } from "../../core/range.ts";
import { printable } from "../../core/text.ts";
import { formatCount } from "../../core/units.ts";
import type { Location } from "../../devices/device.ts";
import { mapSvg, SVG_COLUMNS, SVG_ROWS } from "../../report/map_svg.ts";
import {
  mapLines,
  type MapPart,
  type MapRow,
  partLines,
  PICTURE_COLUMNS,
} from "../../report/map_text.ts";
import type { CommandContext } from "../command.ts";
import type { DiskContent } from "../media/disk_content.ts";
import { fileSystemText } from "../media/file_system_text.ts";
import type { LoadedMap } from "./map_input.ts";
import { MAP_STATES } from "./map_states.ts";
import { openMedium } from "../media/open_medium.ts";
import { checkNames } from "../read/read_destination.ts";
import { PHASE_NAMES } from "../rescue/phase_names.ts";

/** Lines of the picture in the terminal. */
const TEXT_ROWS = 12;

/** Bad areas that the text names. */
const LONGEST_BAD = 10;

/** A part of a disk and what it is called. */
export interface NamedPart {
  readonly number: string;
  readonly label: string;
  readonly range: Range;
}

/** The partitions of an image, and where it lies. */
export interface NamedParts {
  readonly parts: readonly NamedPart[];
  readonly location: Location | undefined;
}

/** What is known of no image. */
export const NO_PARTS: NamedParts = { parts: [], location: undefined };

/** Looks for partitions in the image (or on the disk) that a map belongs to. */
export async function readParts(
  context: CommandContext,
  path: string,
  map: RangeMap,
): Promise<NamedParts> {
  await using medium = await openMedium(context, path);
  const { source, location } = medium;
  // Loaded when it is needed: most verbs never look into a disk.
  const { readDiskContent } = await import("../media/disk_content.ts");
  const content = await readDiskContent(source);
  for (const finding of content.findings) context.note(finding);
  const end = endOf(map.range);
  if (source.size < end) {
    context.note({
      level: "warning",
      message: `${printable(path)} has ${formatCount(source.size)} bytes, the map goes to ` +
        `byte ${formatCount(end)}: do they belong together?`,
    });
  }
  return { parts: partsOf(content, source.size), location };
}

function partsOf({ partitions, fileSystem }: DiskContent, size: number): NamedPart[] {
  if (partitions.length === 0) {
    if (fileSystem === undefined) return [];
    const range = { offset: 0, length: size };
    return [{ number: "", label: fileSystemText(fileSystem), range }];
  }
  // A container would hide the logical partitions in it.
  return partitions.filter(({ partition }) => partition.kind !== "extended").map((each) => {
    const { number, start, length, name, typeName } = each.partition;
    const content = each.fileSystem === undefined ? typeName : fileSystemText(each.fileSystem);
    const label = name === undefined ? content : `${content}, named "${printable(name)}"`;
    return { number: String(number), label, range: { offset: start, length } };
  }).toSorted((a, b) => a.range.offset - b.range.offset);
}

function rowsOf(map: RangeMap): MapRow[] {
  const { totals } = summarizeMap(map, 0);
  return MAP_STATES.map(({ status, name }) => {
    const total = totals.find((each) => each.status === status);
    return { mark: status, name, bytes: total?.bytes ?? 0, areas: total?.areas ?? 0 };
  });
}

function rescuedParts(map: RangeMap, parts: readonly NamedPart[]): MapPart[] {
  return parts.map((part) => {
    const totals = totalsIn(map, part.range);
    return {
      ...part,
      coveredBytes: Object.values(totals).reduce((sum, bytes) => sum + bytes, 0),
      rescuedBytes: totals["+"],
      badBytes: totals["-"],
    };
  });
}

function progressText({ file }: LoadedMap): string {
  const { currentPhase, currentPass, currentPosition } = file;
  return `${PHASE_NAMES[currentPhase]}, pass ${currentPass}, ` +
    `at byte ${formatCount(currentPosition)}`;
}

/** A map for people. */
export function mapText(
  loaded: LoadedMap,
  { parts }: NamedParts,
  sectorSize: number,
): string[] {
  const { map } = loaded.file;
  const { totals, longestBad } = summarizeMap(map, LONGEST_BAD);
  const lines = mapLines({
    name: loaded.name,
    range: map.range,
    rows: rowsOf(map),
    progress: progressText(loaded),
    longestBad,
    badCount: totals.find(({ status }) => status === "-")?.areas ?? 0,
    sectorSize,
    picture: pictureOf(map, TEXT_ROWS * PICTURE_COLUMNS),
  });
  return parts.length === 0 ? lines : [...lines, "", ...partLines(rescuedParts(map, parts))];
}

/** A map as SVG. */
export function mapPicture(loaded: LoadedMap, { parts }: NamedParts): string {
  const { map } = loaded.file;
  return mapSvg({
    title: loaded.name,
    range: map.range,
    rows: rowsOf(map),
    progress: progressText(loaded),
    picture: pictureOf(map, SVG_ROWS * SVG_COLUMNS),
    parts: rescuedParts(map, parts),
  });
}

/**
 * Refuses a name for a picture that could only do harm: before anything is read.
 *
 * @throws {ImagingError} `usage`
 */
export async function checkPicturePath(
  { backend }: CommandContext,
  path: string,
  replace: boolean,
): Promise<void> {
  const refuse = (reason: string, hint: string): never => {
    const message = `cannot write the picture ${printable(path)}: ${reason}`;
    throw new ImagingError("usage", message, { hint });
  };
  const { kind } = await backend.locate(path);
  if (kind === "file") {
    if (!replace) refuse("it exists", "choose another name, or add --force to replace it");
    return;
  }
  const another = "give the picture a file name such as card.svg";
  if (kind === "device") refuse("it is a disk", another);
  if (kind !== "missing") {
    refuse(kind === "directory" ? "it is a folder" : "it is no ordinary file", another);
  }
  const folderPath = backend.host.paths.folderOf(path);
  const folder = await backend.locate(folderPath);
  if (folder.kind !== "directory") {
    return refuse(`there is no folder ${printable(folderPath)}`, "make the folder first");
  }
  if (folder.forDevices) refuse(`${folderPath} is for devices`, "choose another folder");
}

/**
 * Refuses a picture that would take the place of a map or an image it is made of.
 *
 * @throws {ImagingError} `usage`
 */
export async function checkPictureNames(
  context: CommandContext,
  path: string,
  sources: readonly (Location | undefined)[],
): Promise<void> {
  const own = [
    { path, role: "the picture" },
    { path: `${path}.tmp`, role: "the picture being saved" },
  ];
  for (const source of sources) await checkNames(context, own, source);
}
