/** ext4 data structures, section "The Super Block", https://docs.kernel.org/filesystems/ext4/super.html */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { uuidText, viewOf } from "../core/bytes.ts";
import type { Range } from "../core/range.ts";
import { crc32c } from "./checksum.ts";
import {
  type FileSystem,
  type FileSystemIdentity,
  isBlank,
  labelText,
  notRecognised,
} from "./file_system.ts";

// 1024 bytes at 1024, little endian:
//    0  4 s_inodes_count
//    4  4 s_blocks_count_lo
//   24  4 s_log_block_size, block size is 1024 << this
//   32  4 s_blocks_per_group
//   56  2 s_magic, EF53h
//   76  4 s_rev_level, 0 (no feature fields, no label) or 1
//   92  4 s_feature_compat
//   96  4 s_feature_incompat
//  100  4 s_feature_ro_compat
//  104 16 s_uuid
//  120 16 s_volume_name
// 1020  4 s_checksum, CRC-32C without the last inversion, over the bytes before
const SUPERBLOCK_OFFSET = 1024;
const SUPERBLOCK_BYTES = 1024;
const MAGIC = 0xef53;
const MAX_LOG_BLOCK_SIZE = 6;

const COMPAT_HAS_JOURNAL = 0x0004;
const INCOMPAT_JOURNAL_DEV = 0x0008;
const RO_COMPAT_METADATA_CSUM = 0x0400;

// What the ext3 driver understood: filetype, recover, meta_bg; sparse_super,
// large_file, btree_dir. Anything else needs ext4.
const EXT3_INCOMPAT = 0x0002 | 0x0004 | 0x0010;
const EXT3_RO_COMPAT = 0x0001 | 0x0002 | 0x0004;

/** ext2, ext3 and ext4. */
export const ext: FileSystem = {
  id: "ext",
  title: "ext2/3/4",
  probe,
  identify,
  async usedRanges(volume: BlockSource): Promise<readonly Range[]> {
    return await (await import("./ext/ext_used_ranges.ts")).extUsedRanges(volume);
  },
};

interface ExtSuperblock {
  readonly s_feature_compat: number;
  readonly s_feature_incompat: number;
  readonly s_feature_ro_compat: number;
  readonly s_uuid: Uint8Array;
  readonly s_volume_name: Uint8Array;
  readonly isChecksumRight: boolean;
}

function parse(head: Uint8Array): ExtSuperblock | undefined {
  const bytes = head.subarray(SUPERBLOCK_OFFSET, SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES);
  if (bytes.length < SUPERBLOCK_BYTES) return undefined;
  const view = viewOf(bytes);
  const revision = view.getUint32(76, true);
  if (view.getUint16(56, true) !== MAGIC || revision > 1) return undefined;
  if (view.getUint32(24, true) > MAX_LOG_BLOCK_SIZE) return undefined;
  const feature = (at: number): number => revision === 0 ? 0 : view.getUint32(at, true);
  const s_feature_incompat = feature(96);
  const isJournal = (s_feature_incompat & INCOMPAT_JOURNAL_DEV) !== 0;
  if (!isJournal && (view.getUint32(0, true) === 0 || view.getUint32(32, true) === 0)) {
    return undefined;
  }
  const s_feature_ro_compat = feature(100);
  return {
    s_feature_compat: feature(92),
    s_feature_incompat,
    s_feature_ro_compat,
    s_uuid: bytes.subarray(104, 120),
    s_volume_name: bytes.subarray(120, 136),
    isChecksumRight: (s_feature_ro_compat & RO_COMPAT_METADATA_CSUM) === 0 ||
      (~crc32c(bytes.subarray(0, 1020)) >>> 0) === view.getUint32(1020, true),
  };
}

function probe(input: ProbeInput): ProbeScore {
  const superblock = parse(input.head);
  if (superblock === undefined) return "no";
  return superblock.isChecksumRight ? "exact" : "maybe";
}

function identify(input: ProbeInput): FileSystemIdentity {
  const superblock = parse(input.head);
  if (superblock === undefined) throw notRecognised(ext.title);
  const { s_uuid, s_volume_name } = superblock;
  return {
    ...kindOf(superblock),
    family: ext.id,
    label: labelText(s_volume_name),
    uuid: isBlank(s_uuid) ? undefined : uuidText(s_uuid),
  };
}

function kindOf(superblock: ExtSuperblock): Pick<FileSystemIdentity, "id" | "title"> {
  const { s_feature_compat, s_feature_incompat, s_feature_ro_compat } = superblock;
  if (s_feature_incompat & INCOMPAT_JOURNAL_DEV) {
    return { id: "jbd", title: "external journal of ext3/4" };
  }
  if ((s_feature_incompat & ~EXT3_INCOMPAT) || (s_feature_ro_compat & ~EXT3_RO_COMPAT)) {
    return { id: "ext4", title: "ext4" };
  }
  return s_feature_compat & COMPAT_HAS_JOURNAL
    ? { id: "ext3", title: "ext3" }
    : { id: "ext2", title: "ext2" };
}
