/** Apple File System Reference, sections "Objects" and "Container", https://developer.apple.com/support/downloads/Apple-File-System-Reference.pdf */
import type { ProbeInput, ProbeScore } from "../core/block.ts";
import { hasAscii, uuidText, viewOf } from "../core/bytes.ts";
import {
  type FileSystem,
  type FileSystemIdentity,
  isPowerOfTwo,
  notRecognised,
} from "./file_system.ts";

// Block 0, nx_superblock_t, little endian:
//  0  8 o_cksum, Fletcher 64 of the block from 8
// 24  4 o_type, low half 1: container superblock
// 32  4 nx_magic, "NXSB"
// 36  4 nx_block_size, 4096 to 65536
// 40  8 nx_block_count
// 72 16 nx_uuid
const MIN_BLOCK_BYTES = 4096;
const MAX_BLOCK_BYTES = 65536;
const OBJECT_TYPE_NX_SUPERBLOCK = 1;
const CHECKSUM_BYTES = 8;
const MODULUS = 0xffffffff;

/** A container of Apple's file system; its volumes have labels of their own. */
export const apfs: FileSystem = { id: "apfs", title: "APFS", probe, identify };

function superblockOf(head: Uint8Array): Uint8Array | undefined {
  if (head.length < MIN_BLOCK_BYTES || !hasAscii(head, 32, "NXSB")) return undefined;
  const view = viewOf(head);
  if (view.getUint16(24, true) !== OBJECT_TYPE_NX_SUPERBLOCK) return undefined;
  const blockBytes = view.getUint32(36, true);
  if (!isPowerOfTwo(blockBytes)) return undefined;
  if (blockBytes < MIN_BLOCK_BYTES || blockBytes > MAX_BLOCK_BYTES) return undefined;
  return head.length < blockBytes ? undefined : head.subarray(0, blockBytes);
}

function probe(input: ProbeInput): ProbeScore {
  const superblock = superblockOf(input.head);
  if (superblock === undefined) return "no";
  return isChecksumRight(superblock) ? "exact" : "maybe";
}

/** With the right checksum appended, both sums over the block come to nothing. */
function isChecksumRight(superblock: Uint8Array): boolean {
  const view = viewOf(superblock);
  let first = 0;
  let second = 0;
  const add = (at: number): void => {
    first = (first + view.getUint32(at, true)) % MODULUS;
    second = (second + first) % MODULUS;
  };
  for (let at = CHECKSUM_BYTES; at < superblock.length; at += 4) add(at);
  add(0);
  add(4);
  return first === 0 && second === 0;
}

function identify(input: ProbeInput): FileSystemIdentity {
  const superblock = superblockOf(input.head);
  if (superblock === undefined) throw notRecognised(apfs.title);
  return {
    id: apfs.id,
    family: apfs.id,
    title: apfs.title,
    label: undefined,
    uuid: uuidText(superblock.subarray(72, 88)),
  };
}
