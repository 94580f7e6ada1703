/** ext4 data structures, "Layout", https://docs.kernel.org/filesystems/ext4/blockgroup.html */
import { isPowerOfTwo } from "../file_system.ts";
import { hasIncompat, hasRoCompat } from "./ext_features.ts";
import type { ExtSuperblock } from "./ext_superblock.ts";
import { superblockError } from "./ext_superblock_error.ts";

const MIN_INODE_BYTES = 128;
const MIN_DESCRIPTOR_BYTES = 32;
const MIN_DESCRIPTOR_BYTES_64BIT = 64;
const MAX_DESCRIPTOR_BYTES = 1024;

/** Bounds memory: 128 TiB in blocks of 4 KiB. */
const MAX_GROUPS = 2 ** 20;

/** Block groups; the last one may be short. */
export function groupCount(superblock: ExtSuperblock): number {
  const { s_blocks_count, s_first_data_block, s_blocks_per_group } = superblock;
  return Math.ceil((s_blocks_count - s_first_data_block) / s_blocks_per_group);
}

/** The block with which a group begins. */
export function groupFirstBlock(superblock: ExtSuperblock, group: number): number {
  return superblock.s_first_data_block + group * superblock.s_blocks_per_group;
}

/** Clusters of a group: bits of its bitmap that mean something. */
export function groupClusters(superblock: ExtSuperblock, group: number): number {
  const { s_blocks_count, s_blocks_per_group, clusterBlocks } = superblock;
  const left = s_blocks_count - groupFirstBlock(superblock, group);
  return Math.ceil(Math.min(left, s_blocks_per_group) / clusterBlocks);
}

/** How many group descriptors are in a block of them. */
export function descriptorsPerBlock(superblock: ExtSuperblock): number {
  return superblock.blockBytes / superblock.descriptorBytes;
}

/** Blocks of each copy of all descriptors. */
export function descriptorBlocks(superblock: ExtSuperblock): number {
  return Math.ceil(groupCount(superblock) / descriptorsPerBlock(superblock));
}

/** Blocks of the inode table of each group. */
export function inodeTableBlocks(superblock: ExtSuperblock): number {
  const { s_inodes_per_group, inodeBytes, blockBytes } = superblock;
  return Math.ceil(s_inodes_per_group * inodeBytes / blockBytes);
}

/**
 * Are its numbers possible, and does it lie within the volume? What is divided by and
 * looped over elsewhere is bounded by this.
 *
 * @throws {FormatError} when not.
 */
export function checkGeometry(superblock: ExtSuperblock, volumeBytes: number): void {
  checkBlocks(superblock, volumeBytes);
  checkClusters(superblock);
  checkInodes(superblock);
  checkDescriptors(superblock);
}

function checkBlocks(superblock: ExtSuperblock, volumeBytes: number): void {
  const { s_blocks_count, s_first_data_block, blockBytes, clusterBlocks } = superblock;
  if (!(s_blocks_count * blockBytes <= volumeBytes)) {
    throw superblockError(
      "s_blocks_count",
      `it has ${s_blocks_count} blocks of ${blockBytes} bytes, more than the volume`,
    );
  }
  const first = blockBytes === 1024 && clusterBlocks === 1 ? 1 : 0;
  if (s_first_data_block !== first) throw impossible(superblock, "s_first_data_block");
  // The superblock, a block of descriptors, two bitmaps and an inode table at least.
  if (s_blocks_count < first + 5) throw impossible(superblock, "s_blocks_count");
}

function checkClusters(superblock: ExtSuperblock): void {
  const { s_blocks_per_group, s_clusters_per_group, blockBytes, clusterBlocks } = superblock;
  if (clusterBlocks !== 1 && !hasRoCompat(superblock, "BIGALLOC")) {
    throw superblockError("s_log_cluster_size", "it has clusters without bigalloc");
  }
  if (
    s_clusters_per_group === 0 || s_clusters_per_group % 8 !== 0 ||
    s_clusters_per_group > 8 * blockBytes
  ) {
    throw impossible(superblock, "s_clusters_per_group");
  }
  if (s_blocks_per_group !== s_clusters_per_group * clusterBlocks) {
    throw impossible(superblock, "s_blocks_per_group");
  }
  if (groupCount(superblock) > MAX_GROUPS) throw impossible(superblock, "s_blocks_per_group");
}

function checkInodes(superblock: ExtSuperblock): void {
  const { s_inodes_count, s_inodes_per_group, inodeBytes, blockBytes } = superblock;
  if (!isPowerOfTwo(inodeBytes) || inodeBytes < MIN_INODE_BYTES || inodeBytes > blockBytes) {
    throw superblockError("s_inode_size", `its s_inode_size is impossible: ${inodeBytes}`);
  }
  if (s_inodes_per_group === 0 || s_inodes_per_group > 8 * blockBytes) {
    throw impossible(superblock, "s_inodes_per_group");
  }
  if (s_inodes_count !== groupCount(superblock) * s_inodes_per_group) {
    throw impossible(superblock, "s_inodes_count");
  }
}

function checkDescriptors(superblock: ExtSuperblock): void {
  const { descriptorBytes, blockBytes } = superblock;
  const least = hasIncompat(superblock, "SIXTY_FOUR_BIT")
    ? MIN_DESCRIPTOR_BYTES_64BIT
    : MIN_DESCRIPTOR_BYTES;
  if (
    !isPowerOfTwo(descriptorBytes) || descriptorBytes < least ||
    descriptorBytes > Math.min(MAX_DESCRIPTOR_BYTES, blockBytes)
  ) {
    throw superblockError("s_desc_size", `its s_desc_size is impossible: ${descriptorBytes}`);
  }
  if (superblock.s_first_meta_bg > descriptorBlocks(superblock)) {
    throw impossible(superblock, "s_first_meta_bg");
  }
  // As many as a block of block numbers holds. With meta_bg there are none: the kernel and
  // e2fsprogs do not agree on where they would be.
  const mostReserved = hasIncompat(superblock, "META_BG") ? 0 : blockBytes / 4;
  if (superblock.s_reserved_gdt_blocks > mostReserved) {
    throw impossible(superblock, "s_reserved_gdt_blocks");
  }
}

function impossible(
  superblock: ExtSuperblock,
  field: keyof ExtSuperblock & `s_${string}`,
): Error {
  return superblockError(field, `its ${field} is impossible: ${superblock[field]}`);
}
