/** Flash-Friendly File System, section "On-disk Layout", https://docs.kernel.org/filesystems/f2fs.html; fields from struct f2fs_super_block, https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/linux/f2fs_fs.h */
import type { ProbeInput, ProbeScore } from "../core/block.ts";
import { utf16Text, uuidText, viewOf } from "../core/bytes.ts";
import { plainCrc32 } from "./checksum.ts";
import {
  type FileSystem,
  type FileSystemIdentity,
  isBlank,
  nonEmpty,
  notRecognised,
} from "./file_system.ts";

// At 1024, little endian:
//    0    4 magic, F2F52010h
//    8    4 log_sectorsize, 9 to 12
//   16    4 log_blocksize, 12 to 16
//   32    4 checksum_offset
//  108   16 uuid
//  124 1024 volume_name, UTF-16
// 2180    4 feature
const SUPERBLOCK_OFFSET = 1024;
const SUPERBLOCK_BYTES = 3072;
const MAGIC = 0xf2f52010;
const FEATURE_SB_CHKSUM = 0x0800;

/** F2FS, common in phones. */
export const f2fs: FileSystem = { id: "f2fs", title: "F2FS", probe, identify };

function superblockOf(head: Uint8Array): Uint8Array | undefined {
  const bytes = head.subarray(SUPERBLOCK_OFFSET, SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES);
  if (bytes.length < SUPERBLOCK_BYTES) return undefined;
  const view = viewOf(bytes);
  const logSectorSize = view.getUint32(8, true);
  const logBlockSize = view.getUint32(16, true);
  const isPlausible = view.getUint32(0, true) === MAGIC && logSectorSize >= 9 &&
    logSectorSize <= 12 && logBlockSize >= 12 && logBlockSize <= 16;
  return isPlausible ? bytes : undefined;
}

function probe(input: ProbeInput): ProbeScore {
  const superblock = superblockOf(input.head);
  if (superblock === undefined) return "no";
  return isChecksumRight(superblock) ? "exact" : "maybe";
}

function isChecksumRight(superblock: Uint8Array): boolean {
  const view = viewOf(superblock);
  if ((view.getUint32(2180, true) & FEATURE_SB_CHKSUM) === 0) return true;
  const checksumOffset = view.getUint32(32, true);
  if (checksumOffset + 4 > superblock.length) return false;
  return plainCrc32(superblock.subarray(0, checksumOffset), MAGIC) ===
    view.getUint32(checksumOffset, true);
}

function identify(input: ProbeInput): FileSystemIdentity {
  const superblock = superblockOf(input.head);
  if (superblock === undefined) throw notRecognised(f2fs.title);
  const uuid = superblock.subarray(108, 124);
  return {
    id: f2fs.id,
    family: f2fs.id,
    title: f2fs.title,
    label: nonEmpty(utf16Text(superblock.subarray(124, 1148))),
    uuid: isBlank(uuid) ? undefined : uuidText(uuid),
  };
}
