/** XFS Algorithms & Data Structures, section "Journaling Log", https://mirrors.edge.kernel.org/pub/linux/utils/fs/xfs/docs/xfs_filesystem_structure.pdf */
import type { BlockSource, Bytes } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { crc32c } from "../checksum.ts";
import { readAll } from "../used_ranges.ts";
import type { XfsSuperblock } from "./xfs_superblock.ts";

// The log is a ring of sectors of 512 bytes. Each begins with the number of the round in
// which it was written, but for the first one of a record:
//   0  4 h_magicno, 0xfeedbabe
//   4  4 h_cycle, the round
//   8  4 h_version, 1 or 2
//  12  4 h_len, bytes of the record behind its header
//  16  8 h_lsn: the round, and the sector that it begins in
//  32  4 h_crc, CRC-32C of header and record, little endian; 0 where it was not counted
//  40  4 h_num_logops
//  44 256 h_cycle_data: what the round's number replaced in the record's sectors
// 304 16 h_fs_uuid
// 320  4 h_size, bytes of the buffer that it was written from
// 324  4 nothing, which the checksum covers on most systems
// Where h_size is more than 32 KiB the header goes on for a sector each further 32 KiB.
// A record holds operations:
//   0  4 oh_tid
//   4  4 oh_len
//   8  1 oh_clientid, 0xaa for the log itself
//   9  1 oh_flags, 0x20 for "unmounted"
//  12  2 0x556e in the order of the system that wrote it, when it is "unmounted"
const SECTOR_BYTES = 512;
const HEADER_MAGIC = 0xfeedbabe;
const PER_HEADER_BYTES = 32 * 1024;
const EXTENDED_HEADER_BYTES = 4 + 256;
const MAX_RECORD_BYTES = 256 * 1024;
const LOG_CLIENT = 0xaa;
const UNMOUNT_FLAG = 0x20;
const UNMOUNT_MAGIC = 0x556e;

const SCAN_BYTES = 1024 * 1024;
const CRC_OFFSET = 32;

/** Where the log ends, in sectors of it. */
interface LogHead {
  /** The first sector that the next record would be written to. */
  readonly head: number;
  /** The last record before that. */
  readonly record: number;
  /** The round of the sectors before the head. */
  readonly cycle: number;
}

/**
 * Makes sure that all which is in the log is in its place, too: the last record says that
 * the file system was unmounted. The whole log is read: its sectors must be of one round up
 * to the head, and of earlier ones from there on. What a crash leaves behind may be
 * otherwise, and is not interpreted.
 *
 * @throws {FormatError} when the log may hold changes.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function requireCleanLog(
  volume: BlockSource,
  superblock: XfsSuperblock,
): Promise<void> {
  const { log, sb_agblocks, sb_blocksize, sb_logblocks } = superblock;
  const start = (log.group * sb_agblocks + log.block) * sb_blocksize;
  const sectors = sb_logblocks * sb_blocksize / SECTOR_BYTES;
  const found = await findHead(volume, start, sectors);
  if (!await endsWithUnmount(volume, superblock, start, sectors, found)) {
    throw notClean(start + found.record * SECTOR_BYTES);
  }
}

function notClean(offset: number): FormatError {
  return new FormatError("its log holds changes that are not in place yet", offset, "log", {
    hint: "Mount it and unmount it cleanly first",
  });
}

/** Reads all of the log, piece by piece, and finds where its rounds meet. */
async function findHead(
  volume: BlockSource,
  start: number,
  sectors: number,
): Promise<LogHead> {
  let cycle = 0;
  let head = 0;
  let lastBefore = -1;
  let lastBehind = -1;
  for (let first = 0; first < sectors; first += SCAN_BYTES / SECTOR_BYTES) {
    const length = Math.min(SCAN_BYTES, (sectors - first) * SECTOR_BYTES);
    const bytes = await readAll(volume, start + first * SECTOR_BYTES, length, "log");
    const view = viewOf(bytes);
    for (let at = 0; at < length; at += SECTOR_BYTES) {
      const sector = first + at / SECTOR_BYTES;
      const word = view.getUint32(at);
      const isHeader = word === HEADER_MAGIC;
      const round = isHeader ? view.getUint32(at + 4) : word;
      if (sector === 0) cycle = round;
      else if (head === 0 && round !== cycle) head = sector;
      // What is behind the head, and not older, was written after a gap.
      if (head > 0 && round >= cycle) throw notClean(start);
      if (isHeader && head === 0) lastBefore = sector;
      else if (isHeader) lastBehind = sector;
    }
  }
  const record = lastBefore < 0 ? lastBehind : lastBefore;
  if (cycle === 0 || record < 0) throw notClean(start);
  return { head, record, cycle };
}

/** Is the last record nothing but "unmounted", and does it end at the head? */
async function endsWithUnmount(
  volume: BlockSource,
  superblock: XfsSuperblock,
  start: number,
  sectors: number,
  { head, record, cycle }: LogHead,
): Promise<boolean> {
  const readSector = (sector: number): Promise<Bytes> =>
    readAll(volume, start + sector % sectors * SECTOR_BYTES, SECTOR_BYTES, "log");
  const header = await readSector(record);
  const view = viewOf(header);
  const wraps = head > 0 && record >= head;
  const round = wraps ? cycle - 1 : cycle;
  const length = view.getUint32(12);
  const headerSectors = headerSectorsOf(view, superblock);
  const recordSectors = headerSectors + Math.ceil(length / SECTOR_BYTES);
  const isFitting = view.getUint32(4) === round && round > 0 &&
    view.getUint32(16) === round && view.getUint32(20) === record &&
    length > 0 && length <= MAX_RECORD_BYTES && recordSectors <= sectors &&
    (record + recordSectors) % sectors === head &&
    superblock.sb_uuid.every((byte, index) => byte === header[304 + index]);
  if (!isFitting || view.getUint32(40) !== 1) return false;
  const parts: Bytes[] = [];
  for (let sector = 0; sector < recordSectors; sector++) {
    parts.push(await readSector(record + sector));
  }
  const operation = parts[headerSectors] ?? new Uint8Array();
  return isUnmount(operation) && isChecksumRight(parts, headerSectors, length);
}

/** As many as a record of the buffer's size would need. */
function headerSectorsOf(header: DataView, { hasLogV2 }: XfsSuperblock): number {
  const bufferBytes = header.getUint32(320);
  if (!hasLogV2 || (header.getUint32(8) & 2) === 0) return 1;
  return Math.max(1, Math.ceil(Math.min(bufferBytes, MAX_RECORD_BYTES) / PER_HEADER_BYTES));
}

function isUnmount(operation: Bytes): boolean {
  if (operation.length < SECTOR_BYTES) return false;
  const view = viewOf(operation);
  return view.getUint8(8) === LOG_CLIENT && view.getUint8(9) === UNMOUNT_FLAG &&
    [view.getUint16(12), view.getUint16(12, true)].includes(UNMOUNT_MAGIC);
}

/** The first record, which mkfs.xfs writes, has none. */
function isChecksumRight(
  parts: readonly Bytes[],
  headerSectors: number,
  length: number,
): boolean {
  const [header = new Uint8Array()] = parts;
  const expected = viewOf(header).getUint32(CRC_OFFSET, true);
  if (expected === 0) return true;
  const extended = Math.min(Math.ceil(length / PER_HEADER_BYTES), headerSectors);
  return [328, 324].some((headerBytes) => {
    const covered = [header.slice(0, headerBytes).fill(0, CRC_OFFSET, CRC_OFFSET + 4)];
    for (const part of parts.slice(1, extended)) {
      covered.push(part.slice(0, EXTENDED_HEADER_BYTES));
    }
    for (const [index, part] of parts.slice(headerSectors).entries()) {
      covered.push(part.slice(0, length - index * SECTOR_BYTES));
    }
    return crc32c(joined(covered)) === expected;
  });
}

function joined(parts: readonly Bytes[]): Bytes {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
