/** XFS Algorithms & Data Structures, section "Superblocks", https://mirrors.edge.kernel.org/pub/linux/utils/fs/xfs/docs/xfs_filesystem_structure.pdf */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { hasAscii, uuidText, viewOf } from "../core/bytes.ts";
import type { Range } from "../core/range.ts";
import { crc32c, withoutField } from "./checksum.ts";
import {
  type FileSystem,
  type FileSystemIdentity,
  isPowerOfTwo,
  labelText,
  notRecognised,
} from "./file_system.ts";

// At 0, big endian:
//   0  4 sb_magicnum, "XFSB"
//   4  4 sb_blocksize
//   8  8 sb_dblocks
//  32 16 sb_uuid
// 100  2 sb_versionnum, the version in the low four bits
// 102  2 sb_sectsize
// 108 12 sb_fname
// 224  4 sb_crc (version 5), CRC-32C of the sector, little endian
const SUPERBLOCK_BYTES = 264;
const CRC_OFFSET = 224;

/** XFS. */
export const xfs: FileSystem = {
  id: "xfs",
  title: "XFS",
  probe,
  identify,
  async usedRanges(volume: BlockSource): Promise<readonly Range[]> {
    return await (await import("./xfs/xfs_used_ranges.ts")).xfsUsedRanges(volume);
  },
};

interface XfsSuperblock {
  readonly sb_uuid: Uint8Array;
  readonly sb_fname: Uint8Array;
  readonly isChecksumRight: boolean;
}

function parse(head: Uint8Array): XfsSuperblock | undefined {
  if (head.length < SUPERBLOCK_BYTES || !hasAscii(head, 0, "XFSB")) return undefined;
  const view = viewOf(head);
  const blockBytes = view.getUint32(4);
  if (!isPowerOfTwo(blockBytes) || blockBytes < 512 || blockBytes > 65536) return undefined;
  const sectorBytes = view.getUint16(102);
  if (!isPowerOfTwo(sectorBytes) || sectorBytes < 512 || sectorBytes > 32768) return undefined;
  if (view.getBigUint64(8) === 0n) return undefined;
  const version = view.getUint16(100) & 0xf;
  const sector = head.subarray(0, sectorBytes);
  return {
    sb_uuid: head.subarray(32, 48),
    sb_fname: head.subarray(108, 120),
    isChecksumRight: version !== 5 ||
      crc32c(withoutField(sector, CRC_OFFSET, 4)) === view.getUint32(CRC_OFFSET, true),
  };
}

function probe(input: ProbeInput): ProbeScore {
  const superblock = parse(input.head);
  if (superblock === undefined) return "no";
  return superblock.isChecksumRight ? "exact" : "maybe";
}

function identify(input: ProbeInput): FileSystemIdentity {
  const superblock = parse(input.head);
  if (superblock === undefined) throw notRecognised(xfs.title);
  return {
    id: xfs.id,
    family: xfs.id,
    title: xfs.title,
    label: labelText(superblock.sb_fname),
    uuid: uuidText(superblock.sb_uuid),
  };
}
