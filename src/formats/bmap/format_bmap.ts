/**
 * Block maps of bmap-tools, version 2.0, see bmap.ts
 * (https://github.com/yoctoproject/bmaptool, README and the comments in each map).
 */
import { endOf } from "../../core/range.ts";
import { formatBytes } from "../../core/units.ts";
import type { Bmap, BmapRange } from "./bmap.ts";
import { type BmapChecksum, checksumOfAlgorithm, checksumOfText } from "./bmap_checksums.ts";

const FILE_CHECKSUM = "    <BmapFileChecksum> ";

/** The text of a block map, with its own checksum. */
export function formatBmap(bmap: Bmap): string {
  const checksum = checksumOfAlgorithm(bmap.algorithm);
  if (checksum === undefined) throw new RangeError(`No block map can hold ${bmap.algorithm}`);
  const head = formatHead(bmap, checksum);
  const at = head.indexOf(FILE_CHECKSUM) + FILE_CHECKSUM.length;
  const lines = bmap.ranges.map((range) => formatRange(range, bmap));
  const text = `${head}${lines.join("")}    </BlockMap>\n</bmap>\n`;
  const hex = checksumOfText(text, at, checksum);
  return text.slice(0, at) + hex + text.slice(at + hex.length);
}

/** All that stands before the ranges, with zeros for the checksum. */
function formatHead(bmap: Bmap, checksum: BmapChecksum): string {
  const { imageSize, blockSize, ranges } = bmap;
  const blockCount = Math.ceil(imageSize / blockSize);
  const mappedBytes = ranges.reduce((sum, { length }) => sum + length, 0);
  const mappedCount = ranges.reduce(
    (sum, { length }) => sum + Math.ceil(length / blockSize),
    0,
  );
  const percent = blockCount === 0 ? 0 : mappedCount / blockCount * 100;
  return `<?xml version="1.0" ?>
<!-- A map of the blocks of an image that hold data. Only these must be written to the target;
     the others hold zeros, or nothing that is in use. Format: block map of bmap-tools. -->

<bmap version="2.0">
    <!-- ${formatBytes(imageSize)} -->
    <ImageSize> ${imageSize} </ImageSize>
    <BlockSize> ${blockSize} </BlockSize>
    <BlocksCount> ${blockCount} </BlocksCount>

    <!-- ${formatBytes(mappedBytes)}, ${percent.toFixed(1)}% of the image -->
    <MappedBlocksCount> ${mappedCount} </MappedBlocksCount>

    <!-- Of this file, computed with zeros for these digits, and of each range -->
    <ChecksumType> ${checksum.type} </ChecksumType>
${FILE_CHECKSUM}${"0".repeat(checksum.hexDigits)} </BmapFileChecksum>

    <!-- First and last block of each range -->
    <BlockMap>
`;
}

function formatRange(range: BmapRange, { blockSize, imageSize }: Bmap): string {
  const { offset, length, checksum } = range;
  const end = endOf(range);
  const isWhole = offset % blockSize === 0 && (end % blockSize === 0 || end === imageSize);
  if (!isWhole || length <= 0 || end > imageSize) {
    throw new RangeError(`A block map cannot hold ${length} bytes at ${offset}`);
  }
  const first = offset / blockSize;
  const last = Math.ceil(end / blockSize) - 1;
  const attribute = checksum === undefined ? "" : ` chksum="${checksum}"`;
  return `        <Range${attribute}> ${
    first === last ? first : `${first}-${last}`
  } </Range>\n`;
}
