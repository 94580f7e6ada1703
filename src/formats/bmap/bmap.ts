/**
 * Block maps of bmap-tools, versions 1.2, 1.3, 1.4 and 2.0, in XML
 * (https://github.com/yoctoproject/bmaptool, README and the comments in each map).
 *
 * ```
 * <bmap version="2.0">
 *     <ImageSize> bytes </ImageSize>
 *     <BlockSize> bytes </BlockSize>
 *     <BlocksCount> blocks, the last may be short </BlocksCount>
 *     <MappedBlocksCount> blocks in all ranges </MappedBlocksCount>
 *     <ChecksumType> sha256 </ChecksumType>
 *     <BmapFileChecksum> of this file, with zeros for these digits </BmapFileChecksum>
 *     <BlockMap>
 *         <Range chksum="..."> first-last </Range>
 *         <Range chksum="..."> only </Range>
 *     </BlockMap>
 * </bmap>
 * ```
 *
 * 1.4 is the same by another name. In 1.3 the checksum is always SHA-1: no ChecksumType, and
 * BmapFileSHA1 and the attribute sha1 instead. 1.2 has no checksum of the file.
 */
import type { Range } from "../../core/range.ts";

/** A run of mapped blocks, in bytes. The last one ends where the image does. */
export interface BmapRange extends Range {
  /** Lower-case hexadecimal; undefined where the map gives none. */
  readonly checksum: string | undefined;
}

/** What of an image has to be written. */
export interface Bmap {
  /** Bytes. */
  readonly imageSize: number;
  /** Bytes. Ranges begin and, but for the end of the image, end on multiples of it. */
  readonly blockSize: number;
  /** Of all checksums, as node:crypto calls it: "sha256". */
  readonly algorithm: string;
  /** Ascending, without overlaps; they may touch. */
  readonly ranges: readonly BmapRange[];
}
