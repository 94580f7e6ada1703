/**
 * EWF version 2, sections "Sector table", "Error table" and "Session table",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%202%20(EWF2).asciidoc
 */
import type { Bytes } from "../../core/block.ts";
import { safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import type { EwfSession, SectorRun } from "../ewf/ewf_ranges.ts";
import { requireSound } from "../ewf/ewf_sections.ts";

// All tables, little endian:
//  0 16  beginning, see below
// 16  4  Adler-32 of it
// 20 12  alignment padding
// 32     entries
//     4  Adler-32 of the entries
//    12  alignment padding
// A sector table begins with the number of its first chunk (8), the number of entries (4)
// and padding (4); error and session tables with the number of entries (4).
export const TABLE_HEADER_BYTES = 32;
const HEADER_SUM_BYTES = 20;
const FOOTER_BYTES = 4;

// Entry of a sector table:
//  0  8  offset of the chunk in the file, or what it is filled with
//  8  4  size of the chunk
// 12  4  flags: 1 packed, 2 an Adler-32 follows, 4 filled
export const SECTOR_ENTRY_BYTES = 16;
export const CHUNK_PACKED = 1;
export const CHUNK_CHECKSUMMED = 2;
export const CHUNK_FILLED = 4;

// Entry of an error table: first sector (8), number of sectors (4), padding (4).
const ERROR_ENTRY_BYTES = 16;

// Entry of a session table: first sector (8), flags (4; 1 is audio), padding (20).
const SESSION_ENTRY_BYTES = 32;
const SESSION_AUDIO = 1;

/** libewf writes 65534; this is what we take, 16 MiB. */
export const MAX_TABLE_ENTRIES = 1024 * 1024;

/** The beginning of a sector table. */
export interface SectorTableHeader {
  /** Number of its first chunk, of the whole image. */
  readonly first: number;
  /** At most {@linkcode MAX_TABLE_ENTRIES}. */
  readonly count: number;
}

/** A sector table; the entries are as they stand in the file. */
export interface SectorTable extends SectorTableHeader {
  readonly entries: Bytes;
}

/**
 * Reads the header of a sector table. `offset` is its place in the file, for the errors.
 *
 * @throws {FormatError} when it is damaged, or its numbers are impossible.
 */
export function parseSectorHeader(bytes: Uint8Array, offset: number): SectorTableHeader {
  requireSound(bytes, HEADER_SUM_BYTES, "sector table header", offset);
  const view = viewOf(bytes);
  const count = view.getUint32(8, true);
  if (count > MAX_TABLE_ENTRIES) {
    const message = `the number of entries of a sector table is impossible: ${count}`;
    throw new FormatError(message, offset, "number of entries");
  }
  return { first: safeNumber(view.getBigUint64(0, true), "first chunk number", offset), count };
}

/**
 * Reads a sector table from as many bytes as its section has. `offset` is its place in the
 * file, for the errors.
 *
 * @throws {FormatError} when it is damaged, or has no room for its entries.
 */
export function parseSectorTable(bytes: Bytes, offset: number): SectorTable {
  const header = parseSectorHeader(bytes, offset);
  const length = requireEntries(
    bytes,
    header.count * SECTOR_ENTRY_BYTES,
    "sector table",
    offset,
  );
  return {
    ...header,
    entries: bytes.subarray(TABLE_HEADER_BYTES, TABLE_HEADER_BYTES + length),
  };
}

/**
 * Reads an error table: places that could not be read.
 *
 * @throws {FormatError} when it is damaged, or a number is impossible.
 */
export function parseErrorTable(bytes: Bytes, offset: number): SectorRun[] {
  const view = entriesOf(bytes, ERROR_ENTRY_BYTES, "error table", offset);
  return Array.from({ length: view.byteLength / ERROR_ENTRY_BYTES }, (_, index) => ({
    first: safeNumber(view.getBigUint64(index * ERROR_ENTRY_BYTES, true), "sector", offset),
    count: view.getUint32(index * ERROR_ENTRY_BYTES + 8, true),
  }));
}

/**
 * Reads a session table: the tracks of an optical disc.
 *
 * @throws {FormatError} when it is damaged, or a number is impossible.
 */
export function parseSessionTable(bytes: Bytes, offset: number): EwfSession[] {
  const view = entriesOf(bytes, SESSION_ENTRY_BYTES, "session table", offset);
  return Array.from({ length: view.byteLength / SESSION_ENTRY_BYTES }, (_, index) => ({
    first: safeNumber(view.getBigUint64(index * SESSION_ENTRY_BYTES, true), "sector", offset),
    isAudio: (view.getUint32(index * SESSION_ENTRY_BYTES + 8, true) & SESSION_AUDIO) !== 0,
  }));
}

function entriesOf(
  bytes: Bytes,
  entryBytes: number,
  structure: string,
  offset: number,
): DataView {
  requireSound(bytes, HEADER_SUM_BYTES, `${structure} header`, offset);
  const count = viewOf(bytes).getUint32(0, true);
  const length = requireEntries(bytes, count * entryBytes, structure, offset);
  return viewOf(bytes.subarray(TABLE_HEADER_BYTES, TABLE_HEADER_BYTES + length));
}

/** Are the entries there, `length` bytes of them, and is their checksum right? */
function requireEntries(
  bytes: Bytes,
  length: number,
  structure: string,
  offset: number,
): number {
  const room = bytes.length - TABLE_HEADER_BYTES - FOOTER_BYTES;
  if (length > room) {
    const message = `the ${structure} has no room for its ${length} bytes of entries`;
    throw new FormatError(message, offset, "number of entries");
  }
  const entries = bytes.subarray(TABLE_HEADER_BYTES);
  requireSound(entries, length + FOOTER_BYTES, `list in the ${structure}`, offset);
  return length;
}
