/** ext4 data structures, "Layout", https://docs.kernel.org/filesystems/ext4/blockgroup.html */
import { endOf, type Range } from "../../core/range.ts";
import { hasCompat, hasIncompat, hasRoCompat } from "./ext_features.ts";
import { descriptorBlocks, descriptorsPerBlock, groupFirstBlock } from "./ext_geometry.ts";
import type { ExtSuperblock } from "./ext_superblock.ts";

/**
 * What a group holds at its beginning, in blocks: a copy of the superblock, copies of
 * descriptors, and the blocks that are reserved for more of these. Which of them it has
 * follows from its number alone; bitmaps and inode tables are where its descriptor says.
 */
export function fixedBlocks(superblock: ExtSuperblock, group: number): Range[] {
  const first = groupFirstBlock(superblock, group);
  const superblocks = superblockBlocks(superblock, group, first);
  const descriptors = descriptorCopyBlocks(superblock, group);
  const length = superblocks + descriptors;
  const end = Math.min(first + length, superblock.s_blocks_count);
  return end > first ? [{ offset: first, length: end - first }] : [];
}

/** Where block `index` of the descriptors that are in use lies, in blocks. */
export function descriptorBlockAt(superblock: ExtSuperblock, index: number): number {
  const isOld = !hasIncompat(superblock, "META_BG") || index < superblock.s_first_meta_bg;
  const group = isOld ? 0 : index * descriptorsPerBlock(superblock);
  const first = groupFirstBlock(superblock, group);
  return first + superblockBlocks(superblock, group, first) + (isOld ? index : 0);
}

/** Blocks in front of the descriptors of a group. */
function superblockBlocks(superblock: ExtSuperblock, group: number, first: number): number {
  if (!hasSuperblock(superblock, group)) return 0;
  // In block 0 of 1 KiB there is room for boot code; the superblock is block 1.
  return first === 0 && superblock.blockBytes === 1024 ? 2 : 1;
}

function descriptorCopyBlocks(superblock: ExtSuperblock, group: number): number {
  const { s_first_meta_bg, s_reserved_gdt_blocks } = superblock;
  const perBlock = descriptorsPerBlock(superblock);
  if (!hasIncompat(superblock, "META_BG")) {
    return hasSuperblock(superblock, group)
      ? descriptorBlocks(superblock) + s_reserved_gdt_blocks
      : 0;
  }
  if (Math.floor(group / perBlock) < s_first_meta_bg) {
    return hasSuperblock(superblock, group) ? s_first_meta_bg : 0;
  }
  // One block of descriptors in the first, second and last group of those it describes.
  return [0, 1, perBlock - 1].includes(group % perBlock) ? 1 : 0;
}

/** Does a group begin with a superblock? */
function hasSuperblock(superblock: ExtSuperblock, group: number): boolean {
  if (group === 0) return true;
  if (hasCompat(superblock, "SPARSE_SUPER2")) return superblock.s_backup_bgs.includes(group);
  if (group === 1 || !hasRoCompat(superblock, "SPARSE_SUPER")) return true;
  return [3, 5, 7].some((base) => isPowerOf(base, group));
}

function isPowerOf(base: number, value: number): boolean {
  let power = base;
  while (power < value) power *= base;
  return power === value;
}

/** Where `blocks` lies, in clusters of the group: every cluster that it touches. */
export function clustersOf(superblock: ExtSuperblock, group: number, blocks: Range): Range {
  const { clusterBlocks } = superblock;
  const first = groupFirstBlock(superblock, group);
  const offset = Math.floor((blocks.offset - first) / clusterBlocks);
  return { offset, length: Math.ceil((endOf(blocks) - first) / clusterBlocks) - offset };
}
