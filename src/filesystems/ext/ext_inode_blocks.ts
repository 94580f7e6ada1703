/** ext4 data structures, "The Contents of inode.i_block", https://docs.kernel.org/filesystems/ext4/ifork.html */
import type { BlockSource } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { readAll } from "../used_ranges.ts";
import type { ExtInode } from "./ext_inode.ts";
import type { ExtSuperblock } from "./ext_superblock.ts";

// A node of the extent tree, little endian; behind its header the entries, 12 bytes each:
//  0 2 eh_magic, F30Ah
//  2 2 eh_entries
//  6 2 eh_depth, 0 in a leaf
// 12 4 ei_block or ee_block: the first block of the file that it is about
// 16 4 ei_leaf_lo, in a leaf ee_len and ee_start_hi
// 20 4 ei_leaf_hi (2), in a leaf ee_start_lo
const EXTENT_MAGIC = 0xf30a;
const MAX_DEPTH = 5;

/**
 * The block that holds the beginning of a file.
 *
 * @throws {FormatError} when there is none.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function firstBlockOf(
  volume: BlockSource,
  superblock: ExtSuperblock,
  inode: ExtInode,
): Promise<number> {
  const view = viewOf(inode.i_block);
  if (!inode.hasExtents) return checkedBlock(superblock, inode, view.getUint32(0, true));
  const depth = view.getUint16(6, true);
  if (depth > MAX_DEPTH) throw damaged(inode);
  let node = view;
  for (let level = depth; level > 0; level--) {
    const child = checkedBlock(superblock, inode, firstEntry(node, inode, level));
    const { blockBytes } = superblock;
    node = viewOf(await readAll(volume, child * blockBytes, blockBytes, "extent tree"));
  }
  return checkedBlock(superblock, inode, firstEntry(node, inode, 0));
}

/** The block to which the first entry of a node leads. */
function firstEntry(node: DataView, inode: ExtInode, depth: number): number {
  const isRight = node.getUint16(0, true) === EXTENT_MAGIC && node.getUint16(2, true) > 0 &&
    node.getUint16(6, true) === depth && node.getUint32(12, true) === 0;
  if (!isRight) throw damaged(inode);
  const low = node.getUint32(depth > 0 ? 16 : 20, true);
  const high = node.getUint16(depth > 0 ? 20 : 18, true);
  return high * 2 ** 32 + low;
}

function checkedBlock(superblock: ExtSuperblock, inode: ExtInode, block: number): number {
  const { s_first_data_block, s_blocks_count } = superblock;
  if (block > s_first_data_block && block < s_blocks_count) return block;
  throw damaged(inode);
}

function damaged(inode: ExtInode): FormatError {
  return new FormatError(`inode ${inode.number} does not lead to its file`, 0, "i_block");
}
