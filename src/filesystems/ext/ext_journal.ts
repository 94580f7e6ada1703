/** ext4 data structures, "Journal (jbd2)", https://docs.kernel.org/filesystems/ext4/journal.html */
import type { BlockSource } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { readAll } from "../used_ranges.ts";
import { hasCompat } from "./ext_features.ts";
import { readExtInode } from "./ext_inode.ts";
import { firstBlockOf } from "./ext_inode_blocks.ts";
import type { ExtSuperblock } from "./ext_superblock.ts";
import { superblockError } from "./ext_superblock_error.ts";

// The first block of the journal, big endian:
//  0 4 h_magic, C03B3998h
//  4 4 h_blocktype, 3 or 4 for a superblock of version 1 or 2
// 12 4 s_blocksize
// 28 4 s_start, a block; 0 when there is nothing to replay
// 32 4 s_errno
const MAGIC = 0xc03b3998;
const SUPERBLOCK_TYPES = [3, 4];
const READ_BYTES = 1024;

/**
 * Is there nothing to replay? The superblock says so as well, but programs that repair
 * would replay it nevertheless.
 *
 * @throws {FormatError} when there is, or when the journal cannot be looked at.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function checkJournal(
  volume: BlockSource,
  superblock: ExtSuperblock,
): Promise<void> {
  if (!hasCompat(superblock, "HAS_JOURNAL")) return;
  if (superblock.s_journal_inum === 0) {
    throw superblockError("s_journal_inum", "its journal is on another device");
  }
  const inode = await readExtInode(volume, superblock, superblock.s_journal_inum);
  const block = await firstBlockOf(volume, superblock, inode);
  const offset = block * superblock.blockBytes;
  const view = viewOf(await readAll(volume, offset, READ_BYTES, "journal"));
  const fail = (field: string, message: string): FormatError =>
    new FormatError(message, offset, field);
  if (view.getUint32(0) !== MAGIC || !SUPERBLOCK_TYPES.includes(view.getUint32(4))) {
    throw fail("h_magic", "its journal does not begin like one");
  }
  if (view.getUint32(12) !== superblock.blockBytes) {
    throw fail("s_blocksize", "its journal has blocks of another size");
  }
  if (view.getUint32(28) !== 0) {
    throw fail("s_start", "it was not cleanly unmounted: its journal has to be replayed first");
  }
  if (view.getUint32(32) !== 0) throw fail("s_errno", "its journal ended with an error");
}
