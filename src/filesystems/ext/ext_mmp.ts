/** ext4 data structures, "Multiple Mount Protection", https://docs.kernel.org/filesystems/ext4/mmp.html */
import type { BlockSource } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { readAll } from "../used_ranges.ts";
import { hasIncompat } from "./ext_features.ts";
import type { ExtSuperblock } from "./ext_superblock.ts";
import { superblockError } from "./ext_superblock_error.ts";

// 1024 bytes, little endian:
// 0 4 mmp_magic, 004D4D50h
// 4 4 mmp_seq, FF4D4D50h when nobody uses the file system
const MMP_MAGIC = 0x004d4d50;
const MMP_SEQ_CLEAN = 0xff4d4d50;
const MMP_BYTES = 1024;

/**
 * Does nobody use the file system, as far as it says?
 *
 * @throws {FormatError} when somebody does.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function checkMmp(volume: BlockSource, superblock: ExtSuperblock): Promise<void> {
  if (!hasIncompat(superblock, "MMP")) return;
  const { s_mmp_block, s_first_data_block, s_blocks_count, blockBytes } = superblock;
  if (s_mmp_block <= s_first_data_block || s_mmp_block >= s_blocks_count) {
    throw superblockError("s_mmp_block", `its s_mmp_block is impossible: ${s_mmp_block}`);
  }
  const offset = s_mmp_block * blockBytes;
  const view = viewOf(await readAll(volume, offset, MMP_BYTES, "multiple mount protection"));
  if (view.getUint32(0, true) !== MMP_MAGIC) {
    throw new FormatError("its multiple mount protection is damaged", offset, "mmp_magic");
  }
  if (view.getUint32(4, true) !== MMP_SEQ_CLEAN) {
    throw new FormatError("it is in use, maybe by another machine", offset, "mmp_seq");
  }
}
