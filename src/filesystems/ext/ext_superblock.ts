/** ext4 data structures, "The Super Block", https://docs.kernel.org/filesystems/ext4/super.html */
import { safeNumber, viewOf } from "../../core/bytes.ts";
import { crc32cFrom, CRC_START } from "./ext_checksums.ts";
import { checkFeatures, type ExtFeatures, hasIncompat, hasRoCompat } from "./ext_features.ts";
import {
  SUPERBLOCK_BYTES,
  SUPERBLOCK_OFFSET,
  superblockError as fail,
} from "./ext_superblock_error.ts";

// 1024 bytes at 1024, little endian. Those behind 84 mean something in revision 1 only, but
// for s_reserved_gdt_blocks, which is zero in revision 0.
//    0  4 s_inodes_count
//    4  4 s_blocks_count_lo
//   12  4 s_free_blocks_count_lo
//   20  4 s_first_data_block, 1 where the superblock is block 1
//   24  4 s_log_block_size, block size is 1024 << this
//   28  4 s_log_cluster_size, cluster size is 1024 << this
//   32  4 s_blocks_per_group
//   36  4 s_clusters_per_group
//   40  4 s_inodes_per_group
//   56  2 s_magic, EF53h
//   58  2 s_state: 1 cleanly unmounted, 2 errors, 4 orphans are being recovered
//   76  4 s_rev_level, 0 or 1
//   88  2 s_inode_size
//   92  4 s_feature_compat
//   96  4 s_feature_incompat
//  100  4 s_feature_ro_compat
//  104 16 s_uuid
//  206  2 s_reserved_gdt_blocks, behind each copy of the descriptors
//  224  4 s_journal_inum, 0 when the journal is on another device
//  232  4 s_last_orphan, an inode
//  254  2 s_desc_size, with 64bit
//  260  4 s_first_meta_bg, with meta_bg: how many blocks of descriptors lie in the old way
//  336  4 s_blocks_count_hi, with 64bit
//  344  4 s_free_blocks_count_hi, with 64bit
//  352  4 s_flags
//  360  8 s_mmp_block
//  373  1 s_checksum_type, 1 is CRC-32C
//  404  4 s_error_count
//  588  8 s_backup_bgs[2], with sparse_super2
//  624  4 s_checksum_seed, with csum_seed
// 1020  4 s_checksum, CRC-32C without the last inversion, over the bytes before

const MAGIC = 0xef53;
const MAX_LOG_BLOCK_SIZE = 6;
const MAX_LOG_CLUSTER_SIZE = 29;
const STATE_CLEAN = 1;
const FLAGS_OF_SNAPSHOTS = 0x0010 | 0x0020 | 0x0040;
const CHECKSUM_TYPE_CRC32C = 1;
const CHECKSUM_OFFSET = 1020;
const OLD_INODE_BYTES = 128;
const OLD_DESCRIPTOR_BYTES = 32;

/** What of a superblock says where things are. All of it was checked. */
export interface ExtSuperblock extends ExtFeatures {
  readonly s_inodes_count: number;
  readonly s_blocks_count: number;
  /** Blocks, also where clusters are larger than blocks. */
  readonly s_free_blocks_count: number;
  readonly s_first_data_block: number;
  readonly s_blocks_per_group: number;
  readonly s_clusters_per_group: number;
  readonly s_inodes_per_group: number;
  readonly s_reserved_gdt_blocks: number;
  readonly s_journal_inum: number;
  /** 0 without meta_bg. */
  readonly s_first_meta_bg: number;
  readonly s_mmp_block: number;
  readonly s_backup_bgs: readonly [number, number];
  readonly s_uuid: Uint8Array;
  readonly blockBytes: number;
  /** Blocks of a cluster: 1 without bigalloc. */
  readonly clusterBlocks: number;
  readonly inodeBytes: number;
  readonly descriptorBytes: number;
  /** What the checksums of metadata_csum begin with. */
  readonly checksumSeed: number;
}

/**
 * Reads the superblock of a file system that was cleanly unmounted and has no feature that
 * is not known. Whether its numbers are possible is for `checkGeometry`.
 *
 * @throws {FormatError} for any other one, or when it is damaged.
 */
export function parseExtSuperblock(bytes: Uint8Array): ExtSuperblock {
  const view = viewOf(bytes);
  const features = readFeatures(view);
  checkChecksum(bytes, features);
  checkFeatures(features);
  checkState(view);
  return { ...features, ...readCounts(view, features), ...readSizes(view, features) };
}

type Counts = Omit<ExtSuperblock, keyof ExtFeatures | keyof Sizes>;

function readCounts(view: DataView, features: ExtFeatures): Counts {
  const u32 = (at: number): number => view.getUint32(at, true);
  const is64Bit = hasIncompat(features, "SIXTY_FOUR_BIT");
  const wide = (low: number, high: number, field: string): number =>
    is64Bit
      ? safeNumber(BigInt(u32(high)) << 32n | BigInt(u32(low)), field, SUPERBLOCK_OFFSET)
      : u32(low);
  const mmpBlock = hasIncompat(features, "MMP") ? view.getBigUint64(360, true) : 0n;
  return {
    s_inodes_count: u32(0),
    s_blocks_count: wide(4, 336, "s_blocks_count"),
    s_free_blocks_count: wide(12, 344, "s_free_blocks_count"),
    s_first_data_block: u32(20),
    s_blocks_per_group: u32(32),
    s_clusters_per_group: u32(36),
    s_inodes_per_group: u32(40),
    s_reserved_gdt_blocks: view.getUint16(206, true),
    s_journal_inum: u32(224),
    s_first_meta_bg: hasIncompat(features, "META_BG") ? u32(260) : 0,
    s_mmp_block: safeNumber(mmpBlock, "s_mmp_block", SUPERBLOCK_OFFSET),
    s_backup_bgs: [u32(588), u32(592)],
  };
}

type Sizes = Pick<
  ExtSuperblock,
  "blockBytes" | "clusterBlocks" | "inodeBytes" | "descriptorBytes" | "s_uuid" | "checksumSeed"
>;

function readSizes(view: DataView, features: ExtFeatures): Sizes {
  const s_log_block_size = view.getUint32(24, true);
  const s_log_cluster_size = view.getUint32(28, true);
  if (s_log_block_size > MAX_LOG_BLOCK_SIZE) {
    throw fail("s_log_block_size", `its s_log_block_size is impossible: ${s_log_block_size}`);
  }
  if (s_log_cluster_size < s_log_block_size || s_log_cluster_size > MAX_LOG_CLUSTER_SIZE) {
    throw fail(
      "s_log_cluster_size",
      `its s_log_cluster_size is impossible: ${s_log_cluster_size}`,
    );
  }
  const isOld = view.getUint32(76, true) === 0;
  const s_uuid = new Uint8Array(view.buffer, view.byteOffset + 104, 16).slice();
  return {
    blockBytes: 1024 << s_log_block_size,
    clusterBlocks: 2 ** (s_log_cluster_size - s_log_block_size),
    inodeBytes: isOld ? OLD_INODE_BYTES : view.getUint16(88, true),
    descriptorBytes: hasIncompat(features, "SIXTY_FOUR_BIT")
      ? view.getUint16(254, true)
      : OLD_DESCRIPTOR_BYTES,
    s_uuid,
    checksumSeed: hasIncompat(features, "CSUM_SEED")
      ? view.getUint32(624, true)
      : crc32cFrom(CRC_START, s_uuid),
  };
}

/** Also sees to the magic number and the revision, on which they depend. */
function readFeatures(view: DataView): ExtFeatures {
  if (view.byteLength < SUPERBLOCK_BYTES || view.getUint16(56, true) !== MAGIC) {
    throw fail("s_magic", "there is no superblock of ext2/3/4");
  }
  const revision = view.getUint32(76, true);
  if (revision > 1) throw fail("s_rev_level", `its revision ${revision} is not known`);
  const features = {
    s_feature_compat: view.getUint32(92, true),
    s_feature_incompat: view.getUint32(96, true),
    s_feature_ro_compat: view.getUint32(100, true),
  };
  if (revision === 0 && Object.values(features).some((value) => value !== 0)) {
    throw fail("s_rev_level", "it has features although it is of revision 0");
  }
  return features;
}

function checkChecksum(bytes: Uint8Array, features: ExtFeatures): void {
  if (!hasRoCompat(features, "METADATA_CSUM")) return;
  const type = bytes[373];
  if (type !== CHECKSUM_TYPE_CRC32C) {
    throw fail("s_checksum_type", `its kind of checksums is not known: ${type}`);
  }
  const expected = viewOf(bytes).getUint32(CHECKSUM_OFFSET, true);
  if (crc32cFrom(CRC_START, bytes.subarray(0, CHECKSUM_OFFSET)) !== expected) {
    throw fail("s_checksum", "the checksum of its superblock is wrong");
  }
}

/** Anything that is left to do at the next mount can change what is in use. */
function checkState(view: DataView): void {
  const s_state = view.getUint16(58, true);
  if ((s_state & STATE_CLEAN) === 0) throw fail("s_state", "it was not cleanly unmounted");
  if (s_state !== STATE_CLEAN) throw fail("s_state", "it has errors that were not repaired");
  if (view.getUint32(76, true) === 0) return;
  if (view.getUint32(404, true) !== 0) {
    throw fail("s_error_count", "it has errors that were not repaired");
  }
  if (view.getUint32(232, true) !== 0) {
    throw fail("s_last_orphan", "it was not cleanly unmounted: it has orphans");
  }
  if (view.getUint32(352, true) & FLAGS_OF_SNAPSHOTS) {
    throw fail("s_flags", "it has snapshots, which are not supported");
  }
}
