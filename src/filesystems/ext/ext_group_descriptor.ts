/** ext4 data structures, "Block Group Descriptors", https://docs.kernel.org/filesystems/ext4/group_descr.html */
import { safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { crc16From, crc32cFrom, CRC_START, littleEndian32 } from "./ext_checksums.ts";
import { hasDescriptorChecksums, hasIncompat, hasRoCompat } from "./ext_features.ts";
import { inodeTableBlocks } from "./ext_geometry.ts";
import type { ExtSuperblock } from "./ext_superblock.ts";

// 32 bytes, or s_desc_size of them with 64bit, little endian:
//  0  4 bg_block_bitmap_lo
//  4  4 bg_inode_bitmap_lo
//  8  4 bg_inode_table_lo
// 12  2 bg_free_blocks_count_lo, in clusters
// 18  2 bg_flags: 1 inode table unused, 2 no block bitmap, 4 inode table zeroed
// 24  2 bg_block_bitmap_csum_lo
// 30  2 bg_checksum
// 32  4 bg_block_bitmap_hi, from here on with 64bit only
// 36  4 bg_inode_bitmap_hi
// 40  4 bg_inode_table_hi
// 44  2 bg_free_blocks_count_hi
// 56  2 bg_block_bitmap_csum_hi
const CHECKSUM_OFFSET = 30;
const CHECKSUM_END = 32;
const BLOCK_UNINIT = 0x2;
const KNOWN_FLAGS = 0x7;

/** What is said of a block group. Its places lie within the file system. */
export interface ExtGroupDescriptor {
  readonly group: number;
  /** Blocks, as the next two. */
  readonly bg_block_bitmap: number;
  readonly bg_inode_bitmap: number;
  readonly bg_inode_table: number;
  /** In clusters. */
  readonly bg_free_blocks_count: number;
  /** 32 bits of it with 64bit, else 16. */
  readonly bg_block_bitmap_csum: number;
  /** Was its bitmap never written? Then it holds nothing but its own metadata. */
  readonly isBlockUninit: boolean;
}

/**
 * Reads the descriptor of a group. `offset` is its place on the volume, for the errors.
 *
 * @throws {FormatError} when its checksum is wrong, or it makes no sense.
 */
export function parseExtGroupDescriptor(
  bytes: Uint8Array,
  superblock: ExtSuperblock,
  group: number,
  offset: number,
): ExtGroupDescriptor {
  const fail = (field: string, message: string): FormatError =>
    new FormatError(`${message} of block group ${group}`, offset, field);
  const view = viewOf(bytes);
  const isWide = hasIncompat(superblock, "SIXTY_FOUR_BIT");
  if (!isChecksumRight(bytes, superblock, group)) {
    throw fail("bg_checksum", "wrong checksum in the descriptor");
  }
  const flags = view.getUint16(18, true);
  if ((flags & ~KNOWN_FLAGS) !== 0) throw fail("bg_flags", "unknown flags in the descriptor");
  const isBlockUninit = (flags & BLOCK_UNINIT) !== 0;
  if (isBlockUninit && !hasDescriptorChecksums(superblock)) {
    throw fail("bg_flags", "no bitmap, which needs checksums, in the descriptor");
  }
  const place = (low: number, high: number, blocks: number, field: string): number => {
    const upper = isWide ? view.getUint32(high, true) : 0;
    const block = safeNumber(
      BigInt(upper) << 32n | BigInt(view.getUint32(low, true)),
      field,
      offset,
    );
    const { s_first_data_block, s_blocks_count } = superblock;
    if (block > s_first_data_block && block + blocks <= s_blocks_count) return block;
    throw fail(field, `impossible ${field} in the descriptor`);
  };
  const wide16 = (low: number, high: number): number =>
    view.getUint16(low, true) + (isWide ? view.getUint16(high, true) * 65536 : 0);
  return {
    group,
    bg_block_bitmap: place(0, 32, 1, "bg_block_bitmap"),
    bg_inode_bitmap: place(4, 36, 1, "bg_inode_bitmap"),
    bg_inode_table: place(8, 40, inodeTableBlocks(superblock), "bg_inode_table"),
    bg_free_blocks_count: wide16(12, 44),
    bg_block_bitmap_csum: wide16(24, 56),
    isBlockUninit,
  };
}

/** Also true where there are no checksums. */
function isChecksumRight(
  bytes: Uint8Array,
  superblock: ExtSuperblock,
  group: number,
): boolean {
  const expected = viewOf(bytes).getUint16(CHECKSUM_OFFSET, true);
  const number = littleEndian32(group);
  const before = bytes.subarray(0, CHECKSUM_OFFSET);
  const behind = bytes.subarray(CHECKSUM_END);
  if (hasRoCompat(superblock, "METADATA_CSUM")) {
    const parts = [number, before, new Uint8Array(2), behind];
    return (parts.reduce(crc32cFrom, superblock.checksumSeed) & 0xffff) === expected;
  }
  if (hasRoCompat(superblock, "GDT_CSUM")) {
    const parts = [superblock.s_uuid, number, before, behind];
    return parts.reduce(crc16From, CRC_START) === expected;
  }
  return true;
}
