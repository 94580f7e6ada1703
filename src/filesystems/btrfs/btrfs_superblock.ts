/** Btrfs on-disk format, section "Superblock", https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html */
import type { BlockSource, Bytes } from "../../core/block.ts";
import { hasAscii, readBytes, safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { isPowerOfTwo } from "../file_system.ts";
import { readAll } from "../used_ranges.ts";
import { type BtrfsChecksum, checksumOfType, isChecksumRight } from "./btrfs_checksum.ts";

// 4096 bytes, little endian:
//   0  32 csum, over the bytes from 32
//  32  16 fsid
//  48   8 bytenr, the place of this copy
//  56   8 flags: 1 it was written; others belong to volumes that are being changed
//  64   8 magic, "_BHRfS_M"
//  72   8 generation
//  80   8 root, logical address of the tree of roots
//  88   8 chunk_root, of the chunk tree
//  96   8 log_root, of what must be replayed, or 0
// 120   8 bytes_used
// 136   8 num_devices
// 144   4 sectorsize
// 148   4 nodesize
// 160   4 sys_chunk_array_size
// 164   8 chunk_root_generation
// 180   8 compat_ro_flags
// 188   8 incompat_flags
// 196   2 csum_type
// 198   1 root_level
// 199   1 chunk_root_level
// 201   8 dev_item.devid
// 209   8 dev_item.total_bytes
// 267  16 dev_item.uuid
// 571  16 metadata_uuid
// 811 2048 sys_chunk_array
const SUPERBLOCK_BYTES = 4096;
const SYS_CHUNK_ARRAY = 811;
const SYS_CHUNK_ARRAY_BYTES = 2048;
const WRITTEN_FLAG = 1n;
const MIN_SECTOR_BYTES = 2048;
const MAX_NODE_BYTES = 65536;
const MAX_LEVEL = 7;

/** Where the superblock is, and its copies on volumes that are large enough. */
export const SUPERBLOCK_OFFSETS: readonly number[] = [2 ** 16, 2 ** 26, 2 ** 38];

// compat_ro_flags: free space tree, the same is valid, verity, block group tree.
const BLOCK_GROUP_TREE = 8n;
const KNOWN_COMPAT_RO = 1n | 2n | 4n | BLOCK_GROUP_TREE;

// incompat_flags, bits 0 to 11: mixed_backref, default_subvol, mixed_groups, compress_lzo,
// compress_zstd, big_metadata, extended_iref, raid56, skinny_metadata, no_holes,
// metadata_uuid, raid1c34. What the flags of RAID allow is refused chunk by chunk. Not
// among them: zoned, extent_tree_v2, raid_stripe_tree, simple_quota, remap_tree.
const SKINNY_METADATA = 1n << 8n;
const METADATA_UUID = 1n << 10n;
const KNOWN_INCOMPAT = 0xfffn;

/** What of the superblock leads to the extents, named as in the specification. */
export interface BtrfsSuperblock {
  readonly checksum: BtrfsChecksum;
  /** The UUID that stands in tree blocks. */
  readonly blockFsid: Uint8Array;
  readonly generation: bigint;
  /** Logical addresses. */
  readonly root: number;
  readonly chunk_root: number;
  readonly chunk_root_generation: bigint;
  /** At most 7. */
  readonly root_level: number;
  readonly chunk_root_level: number;
  /** Bytes of all extents. */
  readonly bytes_used: number;
  /** Bytes. */
  readonly sectorsize: number;
  /** Bytes of a tree block, at most 64 KiB. */
  readonly nodesize: number;
  readonly hasSkinnyMetadata: boolean;
  readonly hasBlockGroupTree: boolean;
  readonly devid: bigint;
  readonly deviceUuid: Uint8Array;
  /** Bytes of the device; at most those of the volume. */
  readonly total_bytes: number;
  /** The chunks of the chunk tree. */
  readonly sys_chunk_array: Uint8Array;
}

/**
 * Reads the superblock of a volume that is the only device of its file system and that
 * needs no replay. A copy that is newer is a doubt, too.
 *
 * @throws {FormatError} naming the field that is wrong, or whose meaning is not known.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function readBtrfsSuperblock(volume: BlockSource): Promise<BtrfsSuperblock> {
  const [first = 0, ...copies] = SUPERBLOCK_OFFSETS;
  const bytes = await readAll(volume, first, SUPERBLOCK_BYTES, "superblock");
  const superblock = parse(bytes, volume.size);
  for (const offset of copies) {
    const copy = await readBytes(volume, offset, SUPERBLOCK_BYTES);
    if (!isCopy(copy, offset, superblock.checksum, bytes)) continue;
    const isNewer = viewOf(copy).getBigUint64(72, true) > superblock.generation;
    check(!isNewer, "generation", "a copy of its superblock is newer than the first one");
  }
  return superblock;
}

/** Is this a sound superblock of the same file system? */
function isCopy(copy: Bytes, offset: number, kind: BtrfsChecksum, first: Bytes): boolean {
  return copy.length === SUPERBLOCK_BYTES && hasAscii(copy, 64, "_BHRfS_M") &&
    viewOf(copy).getBigUint64(48, true) === BigInt(offset) &&
    copy.subarray(32, 48).every((byte, index) => byte === first[32 + index]) &&
    isChecksumRight(copy, kind);
}

function parse(bytes: Bytes, volumeBytes: number): BtrfsSuperblock {
  const view = viewOf(bytes);
  const number = (at: number, field: string): number =>
    safeNumber(view.getBigUint64(at, true), field, SUPERBLOCK_OFFSETS[0]);
  check(hasAscii(bytes, 64, "_BHRfS_M"), "magic", "it does not begin with a superblock");
  const checksum = checksumOfType(view.getUint16(196, true));
  if (checksum === undefined) {
    throw impossible("csum_type", "its kind of checksum cannot be checked here");
  }
  check(isChecksumRight(bytes, checksum), "csum", "the checksum of its superblock is wrong");
  check(number(48, "bytenr") === SUPERBLOCK_OFFSETS[0], "bytenr");
  checkState(view);
  const incompat = view.getBigUint64(188, true);
  const blockFsidAt = (incompat & METADATA_UUID) === 0n ? 32 : 571;
  const total_bytes = number(209, "total_bytes");
  check(total_bytes <= volumeBytes, "total_bytes", "it is larger than the volume it is on");
  const arrayBytes = view.getUint32(160, true);
  check(arrayBytes > 0 && arrayBytes <= SYS_CHUNK_ARRAY_BYTES, "sys_chunk_array_size");
  return {
    checksum,
    blockFsid: bytes.slice(blockFsidAt, blockFsidAt + 16),
    generation: view.getBigUint64(72, true),
    root: number(80, "root"),
    chunk_root: number(88, "chunk_root"),
    chunk_root_generation: view.getBigUint64(164, true),
    ...sizesOf(view),
    bytes_used: number(120, "bytes_used"),
    hasSkinnyMetadata: (incompat & SKINNY_METADATA) !== 0n,
    hasBlockGroupTree: (view.getBigUint64(180, true) & BLOCK_GROUP_TREE) !== 0n,
    devid: view.getBigUint64(201, true),
    deviceUuid: bytes.slice(267, 283),
    total_bytes,
    sys_chunk_array: bytes.slice(SYS_CHUNK_ARRAY, SYS_CHUNK_ARRAY + arrayBytes),
  };
}

/** Is it whole, on one device, and of a kind that is known? */
function checkState(view: DataView): void {
  const u64 = (at: number): bigint => view.getBigUint64(at, true);
  checkKnown(u64(188), KNOWN_INCOMPAT, "incompat_flags");
  checkKnown(u64(180), KNOWN_COMPAT_RO, "compat_ro_flags");
  const state = u64(56);
  check(
    state === WRITTEN_FLAG,
    "flags",
    `it is a seed, a metadata dump or is being changed: flags 0x${state.toString(16)}`,
  );
  check(u64(136) === 1n, "num_devices", `it is on ${u64(136)} devices`);
  if (u64(96) !== 0n) {
    throw impossible("log_root", "its log holds changes that are not in place yet", {
      hint: "Mount it and unmount it cleanly first",
    });
  }
}

type Sizes = Pick<
  BtrfsSuperblock,
  "sectorsize" | "nodesize" | "root_level" | "chunk_root_level"
>;

function sizesOf(view: DataView): Sizes {
  const sectorsize = view.getUint32(144, true);
  const nodesize = view.getUint32(148, true);
  check(isBlockSize(sectorsize, MIN_SECTOR_BYTES), "sectorsize");
  check(isBlockSize(nodesize, sectorsize), "nodesize");
  const root_level = view.getUint8(198);
  const chunk_root_level = view.getUint8(199);
  check(root_level <= MAX_LEVEL, "root_level");
  check(chunk_root_level <= MAX_LEVEL, "chunk_root_level");
  return { sectorsize, nodesize, root_level, chunk_root_level };
}

function isBlockSize(bytes: number, least: number): boolean {
  return bytes >= least && bytes <= MAX_NODE_BYTES && isPowerOfTwo(bytes);
}

function checkKnown(flags: bigint, known: bigint, field: string): void {
  const unknown = flags & ~known;
  check(unknown === 0n, field, `it has features that are not known: 0x${unknown.toString(16)}`);
}

function check(isRight: boolean, field: string, message = `its ${field} is impossible`): void {
  if (!isRight) throw impossible(field, message);
}

function impossible(
  field: string,
  message: string,
  options: { readonly hint?: string } = {},
): FormatError {
  return new FormatError(message, SUPERBLOCK_OFFSETS[0] ?? 0, field, options);
}
