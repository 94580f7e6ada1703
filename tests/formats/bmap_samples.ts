/** Block maps written by hand from their public description, and media to go with them. */
import { createHash } from "node:crypto";
import type { Bytes } from "../../src/core/block.ts";
import { patternBytes } from "../support/pattern.ts";

/** A run of blocks, both ends included. */
export type BlockRun = readonly [first: number, last: number];

/** A medium of which only some blocks hold data. */
export function mediumOf(size: number, runs: readonly BlockRun[], blockSize = 4096): Bytes {
  const pattern = patternBytes(size);
  const medium = new Uint8Array(size);
  for (const [first, last] of runs) {
    const [start, end] = [first * blockSize, (last + 1) * blockSize];
    medium.set(pattern.subarray(start, end), start);
  }
  return medium;
}

/** A map by hand. */
export interface SampleOptions {
  readonly version: "1.2" | "1.3" | "1.4" | "2.0";
  readonly medium: Bytes;
  readonly runs: readonly BlockRun[];
  readonly blockSize?: number;
  /** As node:crypto calls it, and as the map does. */
  readonly algorithm?: string;
  readonly type?: string;
  /** Changes the text before its checksum is computed. */
  readonly change?: (text: string) => string;
}

/** The text of a map, laid out as bmap-tools did in that version. */
export function sampleMap(options: SampleOptions): string {
  const { version, medium, runs, blockSize = 4096, change = (text): string => text } = options;
  const isOld = version === "1.2" || version === "1.3";
  const { algorithm = isOld ? "sha1" : "sha256" } = options;
  const { type = algorithm } = options;
  const digest = (bytes: string | Uint8Array): string =>
    createHash(algorithm).update(bytes).digest("hex");
  const zeros = "0".repeat(digest("").length);
  const mapped = runs.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  const ranges = runs.map(([first, last]) => {
    const hex = digest(medium.subarray(first * blockSize, (last + 1) * blockSize));
    const text = first === last ? `${first}` : `${first}-${last}`;
    return `        <Range ${isOld ? "sha1" : "chksum"}="${hex}"> ${text} </Range>\n`;
  });
  const count = `    <!-- How many are mapped: <MappedBlocksCount> -->
    <MappedBlocksCount> ${mapped}    </MappedBlocksCount>\n`;
  const own = isOld
    ? `    <BmapFileSHA1> ${zeros} </BmapFileSHA1>\n`
    : `    <ChecksumType> ${type} </ChecksumType>
    <BmapFileChecksum> ${zeros} </BmapFileChecksum>\n`;
  const text = change(`<?xml version="1.0" ?>
<!-- A map by hand,
     over two lines -->
<bmap version="${version}">
    <ImageSize> ${medium.length} </ImageSize>
    <BlockSize> ${blockSize} </BlockSize>
    <BlocksCount> ${Math.ceil(medium.length / blockSize)} </BlocksCount>
${version === "1.2" ? "" : count + own}    <BlockMap>
${ranges.join("")}    </BlockMap>
${version === "1.2" ? count : ""}</bmap>
`);
  if (version === "1.2") return text;
  return text.replace(`> ${zeros} </BmapFile`, `> ${digest(text)} </BmapFile`);
}

/** The ranges of a map as they should be read. */
export function expectedRanges(
  medium: Bytes,
  runs: readonly BlockRun[],
  algorithm: string,
  blockSize = 4096,
): { offset: number; length: number; checksum: string }[] {
  return runs.map(([first, last]) => {
    const bytes = medium.subarray(first * blockSize, (last + 1) * blockSize);
    const checksum = createHash(algorithm).update(bytes).digest("hex");
    return { offset: first * blockSize, length: bytes.length, checksum };
  });
}
