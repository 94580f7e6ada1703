/** ext4 data structures, "Index Nodes", https://docs.kernel.org/filesystems/ext4/inodes.html */
import type { BlockSource } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { readAll } from "../used_ranges.ts";
import { readExtDescriptor } from "./ext_descriptor_table.ts";
import type { ExtSuperblock } from "./ext_superblock.ts";

// s_inode_size bytes, little endian:
// 32  4 i_flags
// 40 60 i_block: block numbers, or the root of the extent tree
const FLAG_EXTENTS = 0x80000;

/** What of an inode leads to the blocks of its file. */
export interface ExtInode {
  readonly number: number;
  readonly hasExtents: boolean;
  readonly i_block: Uint8Array;
}

/**
 * Reads an inode.
 *
 * @throws {FormatError} when there is none of that number.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function readExtInode(
  volume: BlockSource,
  superblock: ExtSuperblock,
  number: number,
): Promise<ExtInode> {
  const { s_inodes_per_group, s_inodes_count, inodeBytes, blockBytes } = superblock;
  const group = Math.floor((number - 1) / s_inodes_per_group);
  const descriptor = number >= 1 && number <= s_inodes_count
    ? await readExtDescriptor(volume, superblock, group)
    : undefined;
  if (descriptor === undefined) throw new FormatError(`it has no inode ${number}`, 0, "inode");
  const offset = descriptor.bg_inode_table * blockBytes +
    (number - 1) % s_inodes_per_group * inodeBytes;
  const bytes = await readAll(volume, offset, inodeBytes, "inode table");
  return {
    number,
    hasExtents: (viewOf(bytes).getUint32(32, true) & FLAG_EXTENTS) !== 0,
    i_block: bytes.subarray(40, 100),
  };
}
