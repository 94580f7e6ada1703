/**
 * How an EWF image is to be written: what the layouts can hold, and the plan of an image
 * checked against it,
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import { ImagingError } from "../../core/errors.ts";
import { formatBytes, formatCount } from "../../core/units.ts";
import type { ZlibLevel } from "../../core/zlib.ts";
import type { Compression, ImageOutput, ImagePlan } from "../image_format.ts";
import type { EwfLayout } from "./ewf_layouts.ts";
import { largestSegmentNumber } from "./ewf_names.ts";
import { NEW_TABLE_ENTRIES, OLD_TABLE_ENTRIES } from "./ewf_table.ts";

/** What the sections of a layout look like, and what they can hold. */
export interface WriteLayout {
  /** As it is asked for. */
  readonly name: string;
  readonly headers: EwfLayout;
  readonly maxTableEntries: number;
  /** Do tables have a base? Else offsets count from the beginning of the file, in 31 bits. */
  readonly hasTableBase: boolean;
  /** More than 2^32-1 sectors? */
  readonly hasWideCounts: boolean;
  /** Chunks lie in the table section itself, and are zlib streams always. */
  readonly isSmart: boolean;
  /** Does the volume tell the identifier of the set, the compression and so on? */
  readonly hasSetIdentifier: boolean;
  readonly hasError2: boolean;
  readonly hasDigest: boolean;
}

const ENCASE5: WriteLayout = {
  name: "encase5",
  headers: "encase5",
  maxTableEntries: OLD_TABLE_ENTRIES,
  hasTableBase: false,
  hasWideCounts: false,
  isSmart: false,
  hasSetIdentifier: true,
  hasError2: true,
  hasDigest: false,
};

const LINEN: WriteLayout = {
  ...ENCASE5,
  name: "linen",
  headers: "linen6",
  hasDigest: true,
};

const ALL: readonly WriteLayout[] = [
  {
    ...LINEN,
    name: "encase6",
    headers: "encase6",
    maxTableEntries: NEW_TABLE_ENTRIES,
    hasTableBase: true,
    hasWideCounts: true,
  },
  ENCASE5,
  { ...ENCASE5, name: "ftk", headers: "ftk", hasSetIdentifier: false },
  LINEN,
  {
    ...ENCASE5,
    name: "smart",
    headers: "smart",
    isSmart: true,
    hasSetIdentifier: false,
    hasError2: false,
  },
];

const LAYOUTS: ReadonlyMap<string, WriteLayout> = new Map(ALL.map((each) => [each.name, each]));

/** Other names of layouts. */
const ALIASES: Readonly<Record<string, string>> = { linen6: "linen" };

const LEVELS: Readonly<Record<Compression, ZlibLevel>> = { none: 0, fast: 1, best: 9 };

const DEFAULT_CHUNK_SECTORS = 64;
const MAX_CHUNK_SECTORS = 32768;

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** A little less than 2 GiB: every file system takes it. */
export const DEFAULT_SEGMENT_BYTES = 2 * GIB - MIB;
/** What the offsets in tables reach when they have no base. */
const MAX_OLD_SEGMENT_BYTES = 2 * GIB;
/** Room for headers and tables in each segment, beside two chunks. */
const SEGMENT_OVERHEAD_BYTES = 64 * 1024;

const MAX_COUNT = 0xffffffff;

/** The plan of an EWF image with every choice made. */
export interface EwfSettings {
  /** Of the first file, for messages and to make the names of the others. */
  readonly name: string;
  readonly layout: WriteLayout;
  /** Bytes of the medium; Infinity where it is not known. */
  readonly size: number;
  readonly sectorBytes: number;
  readonly chunkSectors: number;
  readonly chunkBytes: number;
  readonly compression: Compression;
  readonly level: ZlibLevel;
  /** Bytes that a file may have; Infinity where only the format bounds them. */
  readonly segmentBytes: number;
  readonly maxSegments: number;
}

/**
 * What is to be written; what cannot be is said before the first byte.
 *
 * @throws {ImagingError} `usage`
 */
export function ewfSettings(output: ImageOutput, plan: ImagePlan): EwfSettings {
  const { size, sectorSize = 512, chunkSectors = DEFAULT_CHUNK_SECTORS, folder } = plan;
  const name = folder?.name ?? output.name;
  const layout = layoutOf(name, plan.layout);
  const compression = plan.compression ?? "fast";
  const largest = layout.hasTableBase ? Infinity : MAX_OLD_SEGMENT_BYTES;
  const settings: EwfSettings = {
    name,
    layout,
    size,
    sectorBytes: sectorSize,
    chunkSectors,
    chunkBytes: chunkSectors * sectorSize,
    compression,
    level: LEVELS[compression],
    segmentBytes: folder === undefined ? largest : plan.segmentBytes ?? DEFAULT_SEGMENT_BYTES,
    maxSegments: folder === undefined ? 1 : largestSegmentNumber(name),
  };
  checkChunk(settings);
  checkSegment(settings, largest);
  if (Number.isFinite(size)) checkSize(settings, size);
  return settings;
}

function layoutOf(name: string, wanted: string | undefined): WriteLayout {
  // What is called .S01 is taken for SMART's by its name alone.
  const byName = /\.s01$/i.test(name) ? "smart" : "encase6";
  const layout = LAYOUTS.get(ALIASES[wanted ?? ""] ?? wanted ?? byName);
  if (layout !== undefined) return layout;
  throw refusal(
    name,
    `there is no EWF layout "${wanted}"`,
    `there are ${[...LAYOUTS.keys()].join(", ")}`,
  );
}

function checkChunk({ name, chunkSectors }: EwfSettings): void {
  const isPower = Number.isInteger(Math.log2(chunkSectors));
  if (isPower && chunkSectors >= 1 && chunkSectors <= MAX_CHUNK_SECTORS) return;
  throw refusal(
    name,
    `it cannot have chunks of ${chunkSectors} sectors`,
    `give a power of two, up to ${MAX_CHUNK_SECTORS}`,
  );
}

function checkSegment(settings: EwfSettings, largest: number): void {
  const { name, segmentBytes, chunkBytes } = settings;
  if (segmentBytes > largest) {
    throw refusal(
      name,
      `a file of this layout cannot be larger than ${formatBytes(largest)}`,
      "give a smaller segment size, or use the layout encase6",
    );
  }
  const smallest = SEGMENT_OVERHEAD_BYTES + 2 * chunkBytes;
  if (segmentBytes < smallest) {
    throw refusal(
      name,
      `files of ${formatBytes(segmentBytes)} are too small for chunks of ${
        formatBytes(chunkBytes)
      }`,
      `give a segment size of at least ${formatBytes(smallest)}`,
    );
  }
}

function checkSize(settings: EwfSettings, size: number): void {
  const { name, sectorBytes, segmentBytes, maxSegments } = settings;
  if (size % sectorBytes !== 0) throw oddSize(settings, size);
  checkCounts(settings, size / sectorBytes);
  // As if nothing got smaller: better to hear of it now than after hours.
  const segments = Math.ceil(size / segmentBytes);
  if (segments > maxSegments) throw tooManySegments(name, maxSegments, segmentBytes);
}

/**
 * Can the volume section tell of so many sectors?
 *
 * @throws {ImagingError} `usage`
 */
export function checkCounts(settings: EwfSettings, sectorCount: number): void {
  const { name, layout, chunkSectors } = settings;
  if (!layout.hasWideCounts && sectorCount > MAX_COUNT) {
    throw refusal(
      name,
      `this layout cannot hold more than ${formatCount(MAX_COUNT)} sectors`,
      "use the layout encase6",
    );
  }
  if (Math.ceil(sectorCount / chunkSectors) > MAX_COUNT) {
    throw refusal(
      name,
      `it cannot hold more than ${formatCount(MAX_COUNT)} chunks`,
      "pack more sectors in a chunk",
    );
  }
}

/** The error of a medium that ends within a sector. */
export function oddSize({ name, sectorBytes }: EwfSettings, size: number): ImagingError {
  return refusal(
    name,
    `${formatCount(size)} bytes are no whole sectors of ${sectorBytes} bytes, and an E01 ` +
      "holds whole sectors",
    "use .img",
  );
}

/** The error of an image that needs more files than there are names. */
export function tooManySegments(
  name: string,
  maxSegments: number,
  segmentBytes: number,
): ImagingError {
  return refusal(
    name,
    maxSegments === 1
      ? `it does not fit into one file of ${formatBytes(segmentBytes)}`
      : `it does not fit into ${formatCount(maxSegments)} files of ${
        formatBytes(segmentBytes)
      }, and there are names for no more`,
    maxSegments === 1
      ? "give it a name that ends in .E01, so that there can be more, and the layout encase6"
      : "give a larger segment size",
  );
}

function refusal(name: string, reason: string, hint: string): ImagingError {
  return new ImagingError("usage", `cannot write ${name}: ${reason}`, { hint });
}
