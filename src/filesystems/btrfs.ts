/** Btrfs on-disk format, section "Superblock", https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html */
import { createHash } from "node:crypto";
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { hasAscii, toHex, uuidText, viewOf } from "../core/bytes.ts";
import type { Range } from "../core/range.ts";
import { crc32c } from "./checksum.ts";
import {
  type FileSystem,
  type FileSystemIdentity,
  labelText,
  notRecognised,
} from "./file_system.ts";

// 4096 bytes at 64 KiB, little endian:
//   0  32 csum, over the bytes from 32
//  32  16 fsid
//  48   8 bytenr, the place of this superblock
//  64   8 magic, "_BHRfS_M"
// 196   2 csum_type, 0 CRC-32C, 1 xxHash64, 2 SHA-256, 3 BLAKE2b
// 299 256 label
const SUPERBLOCK_OFFSET = 64 * 1024;
const SUPERBLOCK_BYTES = 4096;
const CSUM_BYTES = 32;

/** Btrfs. */
export const btrfs: FileSystem = {
  id: "btrfs",
  title: "Btrfs",
  probe,
  identify,
  async usedRanges(volume: BlockSource): Promise<readonly Range[]> {
    return await (await import("./btrfs/btrfs_used_ranges.ts")).btrfsUsedRanges(volume);
  },
};

function superblockOf(head: Uint8Array): Uint8Array | undefined {
  const bytes = head.subarray(SUPERBLOCK_OFFSET, SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES);
  if (bytes.length < SUPERBLOCK_BYTES || !hasAscii(bytes, 64, "_BHRfS_M")) return undefined;
  return viewOf(bytes).getBigUint64(48, true) === BigInt(SUPERBLOCK_OFFSET) ? bytes : undefined;
}

function probe(input: ProbeInput): ProbeScore {
  const superblock = superblockOf(input.head);
  if (superblock === undefined) return "no";
  return isChecksumRight(superblock) ? "exact" : "maybe";
}

/** Checksums of the kinds that are not at hand count as right. */
function isChecksumRight(superblock: Uint8Array): boolean {
  const view = viewOf(superblock);
  const content = superblock.subarray(CSUM_BYTES);
  switch (view.getUint16(196, true)) {
    case 0:
      return crc32c(content) === view.getUint32(0, true);
    case 2:
      return createHash("sha256").update(content).digest("hex") ===
        toHex(superblock.subarray(0, CSUM_BYTES));
    default:
      return true;
  }
}

function identify(input: ProbeInput): FileSystemIdentity {
  const superblock = superblockOf(input.head);
  if (superblock === undefined) throw notRecognised(btrfs.title);
  return {
    id: btrfs.id,
    family: btrfs.id,
    title: btrfs.title,
    label: labelText(superblock.subarray(299, 555)),
    uuid: uuidText(superblock.subarray(32, 48)),
  };
}
