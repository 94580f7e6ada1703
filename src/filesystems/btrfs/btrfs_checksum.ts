/** Btrfs on-disk format, section "Superblock", https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html */
import { createHash } from "node:crypto";
import { viewOf } from "../../core/bytes.ts";
import { crc32c } from "../checksum.ts";

// A superblock, and a block of a tree, begins with its checksum:
//   0 32 csum, over all bytes from 32; shorter ones at the beginning
const CSUM_BYTES = 32;

/** What csum_type says about the checksums of tree blocks. */
export type BtrfsChecksum = "crc32c" | "sha256";

/** The kind of a csum_type; undefined for those that cannot be checked here. */
export function checksumOfType(type: number): BtrfsChecksum | undefined {
  switch (type) {
    case 0:
      return "crc32c";
    case 2:
      return "sha256";
    default:
      // 1 is xxHash64, 3 is BLAKE2b with 256 bits.
      return undefined;
  }
}

/** Does the block begin with the checksum of the rest of it? */
export function isChecksumRight(block: Uint8Array, kind: BtrfsChecksum): boolean {
  const content = block.subarray(CSUM_BYTES);
  if (kind === "crc32c") return crc32c(content) === viewOf(block).getUint32(0, true);
  const digest = createHash("sha256").update(content).digest();
  return digest.every((byte, index) => byte === block[index]);
}
