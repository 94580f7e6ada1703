/**
 * EWF, sections "Table section" and "Table2 section",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import type { Bytes } from "../../core/block.ts";
import { safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { adler32 } from "./adler32.ts";
import { hasChecksum, putChecksum, requireSound } from "./ewf_sections.ts";

// Table header, little endian; "table2" is a copy of "table":
//  0  4  number of entries
//  4  4  padding, 0
//  8  8  base: entries count from this byte of the file; 0 before EnCase 6
// 16  4  padding, 0
// 20  4  Adler-32 of the bytes before
// 24  4  for each entry: offset of a chunk from the base; the top bit is set where the
//        chunk is packed
//     4  footer, Adler-32 of the entries; not in SMART and in ASR's specification
// Chunks lie in the "sectors" section before; in SMART, in ASR's specification and in
// EnCase 1 in the table section itself, behind the footer or the entries.
export const TABLE_HEADER_BYTES = 24;
export const TABLE_ENTRY_BYTES = 4;
export const TABLE_FOOTER_BYTES = 4;

/** Set in an entry whose chunk is packed. */
export const PACKED = 0x80000000;

/** Entries of a table that every program takes: up to EnCase 5, FTK 1. */
export const OLD_TABLE_ENTRIES = 16_375;
/** Entries of a table since EnCase 6. */
export const NEW_TABLE_ENTRIES = 65_534;
/** EWF-X of libewf knows no limit; this is what we take, 16 MiB. */
export const MAX_TABLE_ENTRIES = 4 * 1024 * 1024;

/** The beginning of a table. */
export interface TableHeader {
  /** At most {@linkcode MAX_TABLE_ENTRIES}. */
  readonly entryCount: number;
  /** Byte of the file that the entries count from. */
  readonly base: number;
}

/** Bytes of a table section behind its descriptor, without the chunks that may follow. */
export function tableBytes(entryCount: number, hasFooter: boolean): number {
  return TABLE_HEADER_BYTES + entryCount * TABLE_ENTRY_BYTES +
    (hasFooter ? TABLE_FOOTER_BYTES : 0);
}

/**
 * Reads the header of a table. `offset` is its place in the file, for the errors.
 *
 * @throws {FormatError} when it is damaged, or the number of entries is impossible.
 */
export function parseTableHeader(bytes: Uint8Array, offset = 0): TableHeader {
  requireSound(bytes, TABLE_HEADER_BYTES, "table header", offset);
  const view = viewOf(bytes);
  const entryCount = view.getUint32(0, true);
  if (entryCount > MAX_TABLE_ENTRIES) {
    throw new FormatError(
      `the number of entries of a table is impossible: ${entryCount}`,
      offset,
      "number of entries",
    );
  }
  return {
    entryCount,
    base: safeNumber(view.getBigUint64(8, true), "table base offset", offset),
  };
}

/**
 * Reads the entries of a table, from the bytes behind its header. `offset` is their place
 * in the file, for the errors.
 *
 * @throws {FormatError} when there are too few bytes, or the checksum behind them is wrong.
 */
export function parseTableEntries(
  bytes: Uint8Array,
  entryCount: number,
  hasFooter: boolean,
  offset = 0,
): Uint32Array<ArrayBuffer> {
  const length = entryCount * TABLE_ENTRY_BYTES;
  if (bytes.length < length + (hasFooter ? TABLE_FOOTER_BYTES : 0)) {
    throw new FormatError(
      `the table has no room for its ${entryCount} entries`,
      offset,
      "number of entries",
    );
  }
  if (hasFooter && !hasChecksum(bytes, length)) {
    throw new FormatError("the checksum of the table entries is wrong", offset, "checksum");
  }
  const view = viewOf(bytes);
  const entries = new Uint32Array(entryCount);
  for (let i = 0; i < entryCount; i++) {
    entries[i] = view.getUint32(i * TABLE_ENTRY_BYTES, true);
  }
  return entries;
}

/**
 * The bytes of a table behind its descriptor. Entries are offsets of chunks from `base`,
 * with {@linkcode PACKED} added where a chunk is packed.
 */
export function formatTable(
  base: number,
  entries: ArrayLike<number>,
  hasFooter = true,
): Bytes {
  const bytes = new Uint8Array(tableBytes(entries.length, hasFooter));
  const view = viewOf(bytes);
  view.setUint32(0, entries.length, true);
  view.setBigUint64(8, BigInt(base), true);
  putChecksum(bytes, TABLE_HEADER_BYTES - 4);
  let at = TABLE_HEADER_BYTES;
  for (let i = 0; i < entries.length; i++, at += TABLE_ENTRY_BYTES) {
    view.setUint32(at, entries[i] ?? 0, true);
  }
  if (hasFooter) view.setUint32(at, adler32(bytes.subarray(TABLE_HEADER_BYTES, at)), true);
  return bytes;
}
