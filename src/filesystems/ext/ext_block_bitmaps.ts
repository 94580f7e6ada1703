/** ext4 data structures, "Block and inode Bitmaps", https://docs.kernel.org/filesystems/ext4/bitmaps.html */
import type { BlockSource, Bytes } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import { intersection, mergeRanges, type Range } from "../../core/range.ts";
import { readAll, runsOfSetBits } from "../used_ranges.ts";
import { crc32cFrom } from "./ext_checksums.ts";
import { hasIncompat, hasRoCompat } from "./ext_features.ts";
import { groupClusters, groupFirstBlock, inodeTableBlocks } from "./ext_geometry.ts";
import type { ExtGroupDescriptor } from "./ext_group_descriptor.ts";
import { clustersOf, fixedBlocks } from "./ext_group_layout.ts";
import type { ExtSuperblock } from "./ext_superblock.ts";

/** Bytes that are read in one go at most, where blocks are smaller. */
const READ_BYTES = 1024 * 1024;

/** What lies between two bitmaps is read with them up to that many bytes: it is faster. */
const BRIDGED_BYTES = 64 * 1024;

/** What a group uses. */
export interface GroupUse {
  readonly descriptor: ExtGroupDescriptor;
  /** Clusters of the group, ascending, joined. */
  readonly clusters: readonly Range[];
}

/**
 * What these groups use, in any order: after their bitmaps, or computed where there is none.
 *
 * @throws {FormatError} when the checksum of a bitmap is wrong.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function* readGroupUse(
  volume: BlockSource,
  superblock: ExtSuperblock,
  descriptors: readonly ExtGroupDescriptor[],
): AsyncGenerator<GroupUse> {
  const written: ExtGroupDescriptor[] = [];
  for (const descriptor of descriptors) {
    if (!descriptor.isBlockUninit) written.push(descriptor);
    else yield { descriptor, clusters: computedUse(superblock, descriptor) };
  }
  for (const neighbours of neighbouringBitmaps(superblock, written)) {
    yield* readNeighbours(volume, superblock, neighbours);
  }
}

/** What the descriptor of a group places, in blocks: anywhere, with flex_bg. */
export function placedBlocks(
  superblock: ExtSuperblock,
  descriptor: ExtGroupDescriptor,
): Range[] {
  return [
    { offset: descriptor.bg_block_bitmap, length: 1 },
    { offset: descriptor.bg_inode_bitmap, length: 1 },
    { offset: descriptor.bg_inode_table, length: inodeTableBlocks(superblock) },
  ];
}

/** A group whose bitmap was never written holds its own metadata, as far as it is in it. */
function computedUse(superblock: ExtSuperblock, descriptor: ExtGroupDescriptor): Range[] {
  const { group } = descriptor;
  const whole = {
    offset: groupFirstBlock(superblock, group),
    length: groupClusters(superblock, group) * superblock.clusterBlocks,
  };
  const own = [...fixedBlocks(superblock, group), ...placedBlocks(superblock, descriptor)]
    .map((blocks) => intersection(whole, blocks))
    .filter((blocks) => blocks !== undefined);
  return mergeRanges(own.map((blocks) => clustersOf(superblock, group, blocks)));
}

/** The descriptors in the order of their bitmaps, in parts that can be read in one go. */
function neighbouringBitmaps(
  { blockBytes }: ExtSuperblock,
  descriptors: readonly ExtGroupDescriptor[],
): ExtGroupDescriptor[][] {
  const parts: ExtGroupDescriptor[][] = [];
  let begin = 0;
  let last = -Infinity;
  for (
    const descriptor of descriptors.toSorted((a, b) => a.bg_block_bitmap - b.bg_block_bitmap)
  ) {
    const at = descriptor.bg_block_bitmap;
    const isNear = (at - last - 1) * blockBytes <= BRIDGED_BYTES &&
      (at + 1 - begin) * blockBytes <= READ_BYTES;
    const part = parts.at(-1);
    if (isNear && part !== undefined) part.push(descriptor);
    else {
      parts.push([descriptor]);
      begin = at;
    }
    last = at;
  }
  return parts;
}

async function* readNeighbours(
  volume: BlockSource,
  superblock: ExtSuperblock,
  descriptors: readonly ExtGroupDescriptor[],
): AsyncGenerator<GroupUse> {
  const { blockBytes } = superblock;
  const first = descriptors.at(0)?.bg_block_bitmap ?? 0;
  const last = descriptors.at(-1)?.bg_block_bitmap ?? 0;
  const length = (last + 1 - first) * blockBytes;
  const bytes = await readAll(volume, first * blockBytes, length, "block bitmaps");
  for (const descriptor of descriptors) {
    const at = (descriptor.bg_block_bitmap - first) * blockBytes;
    const bitmap = bytes.subarray(at, at + superblock.s_clusters_per_group / 8);
    checkBitmap(bitmap, superblock, descriptor);
    const bits = groupClusters(superblock, descriptor.group);
    yield { descriptor, clusters: [...runsOfSetBits(bitmap, bits)] };
  }
}

/** Its checksum covers as many bits as a whole group has, also in a short one. */
function checkBitmap(
  bitmap: Bytes,
  superblock: ExtSuperblock,
  { group, bg_block_bitmap, bg_block_bitmap_csum }: ExtGroupDescriptor,
): void {
  if (!hasRoCompat(superblock, "METADATA_CSUM")) return;
  const checksum = crc32cFrom(superblock.checksumSeed, bitmap);
  const kept = hasIncompat(superblock, "SIXTY_FOUR_BIT") ? checksum : checksum & 0xffff;
  if (kept === bg_block_bitmap_csum) return;
  throw new FormatError(
    `the checksum of the block bitmap of block group ${group} is wrong`,
    bg_block_bitmap * superblock.blockBytes,
    "bg_block_bitmap_csum",
  );
}
