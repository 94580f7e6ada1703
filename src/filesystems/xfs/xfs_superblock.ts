/** XFS Algorithms & Data Structures, section "Superblocks", https://mirrors.edge.kernel.org/pub/linux/utils/fs/xfs/docs/xfs_filesystem_structure.pdf */
import type { BlockSource, Bytes } from "../../core/block.ts";
import { hasAscii, safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { crc32c, withoutField } from "../checksum.ts";
import { isPowerOfTwo } from "../file_system.ts";
import { readAll } from "../used_ranges.ts";

// One sector at 0, big endian:
//   0  4 sb_magicnum, "XFSB"
//   4  4 sb_blocksize
//   8  8 sb_dblocks
//  16  8 sb_rblocks, of the realtime device
//  24  8 sb_rextents
//  32 16 sb_uuid
//  48  8 sb_logstart, 0 where the log is on another device
//  56  8 sb_rootino
//  84  4 sb_agblocks
//  88  4 sb_agcount
//  96  4 sb_logblocks
// 100  2 sb_versionnum: the version in the low four bits, and flags
// 102  2 sb_sectsize
// 104  2 sb_inodesize
// 120  1 sb_blocklog
// 121  1 sb_sectlog
// 123  1 sb_inopblog
// 124  1 sb_agblklog
// 126  1 sb_inprogress
// 144  8 sb_fdblocks
// 179  1 sb_shared_vn
// 200  4 sb_features2
// 204  4 sb_bad_features2, the same at a wrong place
// 212  4 sb_features_ro_compat, from here on in version 5 only
// 216  4 sb_features_incompat
// 220  4 sb_features_log_incompat
// 224  4 sb_crc, CRC-32C of the sector, little endian
// 248 16 sb_meta_uuid
const LEAST_SECTOR_BYTES = 512;
const CRC_OFFSET = 224;
const MAX_SECTOR_BYTES = 32768;
const MAX_BLOCK_BYTES = 65536;
const MIN_GROUP_BLOCKS = 64;
const MAX_GROUP_BYTES = 2 ** 40;
const MAX_LOG_BYTES = 2 ** 31;

// sb_versionnum: all flags are known but the one of shared volumes (0x0200).
const UNKNOWN_VERSION_FLAGS = 0x0200;
const DIRV2BIT = 0x2000;
const LOGV2BIT = 0x0400;
const MOREBITSBIT = 0x8000;

// sb_features2: lazy counters, attr2, 32-bit project numbers, checksums, file types.
const LAZYSBCOUNTBIT = 0x02;
const KNOWN_FEATURES2 = 0x02 | 0x08 | 0x80 | 0x100 | 0x200;

// sb_features_ro_compat: finobt, rmapbt, reflink, inobtcount.
const RMAPBT = 0x02;
const KNOWN_RO_COMPAT = 0x01 | 0x02 | 0x04 | 0x08;

// sb_features_incompat: ftype, sparse inodes, meta_uuid, bigtime, nrext64, exchange of
// ranges, parent pointers. The last two change what is in files and in the log, not which
// blocks are free.
const META_UUID = 0x04;
const NEEDSREPAIR = 0x10;
const KNOWN_INCOMPAT = 0x01 | 0x02 | 0x04 | 0x08 | 0x20 | 0x40 | 0x80;

/** What of the superblock matters for free space, named as in the specification. */
export interface XfsSuperblock {
  /** 4, or 5 with checksums. */
  readonly version: 4 | 5;
  /** Bytes. */
  readonly sb_blocksize: number;
  /** Bytes. */
  readonly sb_sectsize: number;
  /** Blocks of the file system; they all lie inside the volume. */
  readonly sb_dblocks: number;
  /** Blocks of every allocation group but the last. */
  readonly sb_agblocks: number;
  readonly sb_agcount: number;
  /** Bits of a block number that count inside a group. */
  readonly sb_agblklog: number;
  readonly sb_logblocks: number;
  readonly sb_fdblocks: number;
  /** The first block of the log. */
  readonly log: XfsPlace;
  /** The block of the root directory's inode. */
  readonly root: XfsPlace;
  readonly sb_uuid: Uint8Array;
  /** The UUID that stands in blocks. */
  readonly blockUuid: Uint8Array;
  readonly hasLogV2: boolean;
  /** Does sb_fdblocks count the blocks of the free space trees as free? */
  readonly hasLazyCounters: boolean;
  readonly hasReverseMap: boolean;
}

/** A block in an allocation group. */
export interface XfsPlace {
  readonly group: number;
  readonly block: number;
}

/** Blocks of an allocation group: the last one may be shorter. */
export function groupBlocks(superblock: XfsSuperblock, group: number): number {
  const { sb_agblocks, sb_dblocks } = superblock;
  return Math.min(sb_agblocks, sb_dblocks - group * sb_agblocks);
}

/**
 * Reads the superblock of a volume whose log and data are all on it, and that is whole.
 *
 * @throws {FormatError} naming the field that is wrong, or whose meaning is not known.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function readXfsSuperblock(volume: BlockSource): Promise<XfsSuperblock> {
  const head = await readAll(volume, 0, LEAST_SECTOR_BYTES, "superblock");
  const sectorBytes = viewOf(head).getUint16(102);
  check(hasAscii(head, 0, "XFSB"), "sb_magicnum", "it does not begin with a superblock");
  check(isPlausibleSize(sectorBytes, MAX_SECTOR_BYTES), "sb_sectsize");
  const sector = await readAll(volume, 0, sectorBytes, "superblock");
  const view = viewOf(sector);
  const version = versionOf(sector);
  check(view.getUint8(126) === 0, "sb_inprogress", "it was not completely made");
  check(
    view.getBigUint64(16) === 0n && view.getBigUint64(24) === 0n,
    "sb_rblocks",
    "some of its files are on a realtime device",
  );
  const features = version === 5 ? checkFeatures(view) : checkOldFeatures(view);
  const sizes = sizesOf(view);
  const superblock: XfsSuperblock = {
    version,
    ...features,
    ...sizes,
    ...groupsOf(view, sizes.sb_blocksize, volume.size),
    sb_fdblocks: u64(view, 144, "sb_fdblocks"),
    sb_uuid: sector.slice(32, 48),
    blockUuid: features.hasMetaUuid ? sector.slice(248, 264) : sector.slice(32, 48),
    log: placeOf(view, 48, 0, "sb_logstart"),
    root: placeOf(view, 56, view.getUint8(123), "sb_rootino"),
  };
  checkPlaces(superblock);
  return superblock;
}

function versionOf(sector: Bytes): 4 | 5 {
  const view = viewOf(sector);
  const version = view.getUint16(100) & 0xf;
  check(version === 4 || version === 5, "sb_versionnum", `its version ${version} is not known`);
  if (version === 5) {
    const sum = crc32c(withoutField(sector, CRC_OFFSET, 4));
    const isRight = sum === view.getUint32(CRC_OFFSET, true);
    check(isRight, "sb_crc", "the checksum of its superblock is wrong");
  }
  return version as 4 | 5;
}

interface Features {
  readonly hasLogV2: boolean;
  readonly hasLazyCounters: boolean;
  readonly hasReverseMap: boolean;
  readonly hasMetaUuid: boolean;
}

function checkFeatures(view: DataView): Features {
  const incompat = view.getUint32(216);
  const readOnly = view.getUint32(212);
  check((incompat & NEEDSREPAIR) === 0, "sb_features_incompat", "it needs xfs_repair");
  checkKnown(incompat, KNOWN_INCOMPAT, "sb_features_incompat");
  checkKnown(readOnly, KNOWN_RO_COMPAT, "sb_features_ro_compat");
  checkKnown(view.getUint32(220), 0, "sb_features_log_incompat");
  checkKnown(view.getUint32(200), KNOWN_FEATURES2, "sb_features2");
  return {
    hasLogV2: true,
    hasLazyCounters: true,
    hasReverseMap: (readOnly & RMAPBT) !== 0,
    hasMetaUuid: (incompat & META_UUID) !== 0,
  };
}

function checkOldFeatures(view: DataView): Features {
  const flags = view.getUint16(100);
  checkKnown(flags, 0xffff & ~UNKNOWN_VERSION_FLAGS, "sb_versionnum");
  check((flags & DIRV2BIT) !== 0, "sb_versionnum", "its directories are of version 1");
  check(view.getUint8(179) === 0, "sb_shared_vn");
  // Some systems wrote the flags into the second field only.
  const more = view.getUint32(200) | view.getUint32(204);
  const features2 = (flags & MOREBITSBIT) === 0 ? 0 : more;
  checkKnown(features2, KNOWN_FEATURES2, "sb_features2");
  return {
    hasLogV2: (flags & LOGV2BIT) !== 0,
    hasLazyCounters: (features2 & LAZYSBCOUNTBIT) !== 0,
    hasReverseMap: false,
    hasMetaUuid: false,
  };
}

type Sizes = Pick<XfsSuperblock, "sb_blocksize" | "sb_sectsize" | "sb_logblocks">;

function sizesOf(view: DataView): Sizes {
  const sb_blocksize = view.getUint32(4);
  const sb_sectsize = view.getUint16(102);
  check(isPlausibleSize(sb_blocksize, MAX_BLOCK_BYTES), "sb_blocksize");
  check(2 ** view.getUint8(120) === sb_blocksize, "sb_blocklog");
  check(2 ** view.getUint8(121) === sb_sectsize, "sb_sectlog");
  check(sb_sectsize <= sb_blocksize, "sb_sectsize");
  const sb_logblocks = view.getUint32(96);
  const logBytes = sb_logblocks * sb_blocksize;
  check(logBytes > 0 && logBytes <= MAX_LOG_BYTES, "sb_logblocks");
  return { sb_blocksize, sb_sectsize, sb_logblocks };
}

type Groups = Pick<XfsSuperblock, "sb_dblocks" | "sb_agblocks" | "sb_agcount" | "sb_agblklog">;

function groupsOf(view: DataView, blockBytes: number, volumeBytes: number): Groups {
  const sb_agblocks = view.getUint32(84);
  const sb_agblklog = view.getUint8(124);
  const groupBytes = sb_agblocks * blockBytes;
  check(sb_agblocks >= MIN_GROUP_BLOCKS && groupBytes <= MAX_GROUP_BYTES, "sb_agblocks");
  check(sb_agblklog === Math.ceil(Math.log2(sb_agblocks)), "sb_agblklog");
  const sb_dblocks = u64(view, 8, "sb_dblocks");
  const sb_agcount = view.getUint32(88);
  check(sb_agcount > 0 && sb_agcount === Math.ceil(sb_dblocks / sb_agblocks), "sb_agcount");
  const lastBlocks = sb_dblocks - (sb_agcount - 1) * sb_agblocks;
  check(lastBlocks >= MIN_GROUP_BLOCKS, "sb_dblocks");
  check(
    sb_dblocks * blockBytes <= volumeBytes,
    "sb_dblocks",
    "it is larger than the volume that it is on",
  );
  return { sb_dblocks, sb_agblocks, sb_agcount, sb_agblklog };
}

/** The place that a number names, whose lowest `extraBits` count inside a block. */
function placeOf(view: DataView, at: number, extraBits: number, field: string): XfsPlace {
  const block = Math.floor(u64(view, at, field) / 2 ** extraBits);
  const perGroup = 2 ** view.getUint8(124);
  return { group: Math.floor(block / perGroup), block: block % perGroup };
}

function checkPlaces(superblock: XfsSuperblock): void {
  const { log, root, sb_agcount, sb_logblocks } = superblock;
  const isExternal = log.group === 0 && log.block === 0;
  check(!isExternal, "sb_logstart", "its log is on another device");
  check(
    log.group < sb_agcount && log.block + sb_logblocks <= groupBlocks(superblock, log.group),
    "sb_logstart",
  );
  check(
    root.group < sb_agcount && root.block < groupBlocks(superblock, root.group),
    "sb_rootino",
  );
}

function isPlausibleSize(bytes: number, most: number): boolean {
  return bytes >= LEAST_SECTOR_BYTES && bytes <= most && isPowerOfTwo(bytes);
}

function u64(view: DataView, at: number, field: string): number {
  return safeNumber(view.getBigUint64(at), field, at);
}

function checkKnown(flags: number, known: number, field: string): void {
  const unknown = (flags & ~known) >>> 0;
  check(unknown === 0, field, `it has features that are not known: 0x${unknown.toString(16)}`);
}

function check(isRight: boolean, field: string, message = `its ${field} is impossible`): void {
  if (!isRight) throw new FormatError(message, 0, field);
}
