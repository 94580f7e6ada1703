/** The records of an archive with one entry, as it is written here; see records.ts. */
import type { Bytes } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";
import {
  DIRECTORY_BYTES,
  DIRECTORY_SIGNATURE,
  END_BYTES,
  END_SIGNATURE,
  FLAG_UTF8,
  LOCAL_BYTES,
  LOCAL_SIGNATURE,
  ONES_16,
  ONES_32,
  VERSION_DEFLATE,
  VERSION_ZIP64,
  ZIP64_END_BYTES,
  ZIP64_END_SIGNATURE,
  ZIP64_EXTRA_ID,
  ZIP64_LOCATOR_BYTES,
  ZIP64_LOCATOR_SIGNATURE,
} from "./records.ts";

/** Made by a Unix: the upper half of the external attributes is a mode. */
const MADE_BY_UNIX = 3 << 8;

/** A regular file that all may read. */
const MODE = 0o100644;

/** Content and packed bytes in 64 bits. */
const LOCAL_EXTRA_BYTES = 4 + 16;

/** An entry that begins at byte 0 of its archive. */
export interface ZipEntryPlan {
  readonly name: string;
  readonly modified: Date | undefined;
  readonly method: number;
  /** Are sizes written in 64 bits? */
  readonly isZip64: boolean;
}

/** What is known when all of it was written. */
export interface ZipEntrySums {
  readonly crc32: number;
  readonly contentBytes: number;
  readonly packedBytes: number;
}

/** The local header; with all sums 0 one of the same length. */
export function formatLocalHeader(plan: ZipEntryPlan, sums: ZipEntrySums): Bytes {
  const name = new TextEncoder().encode(plan.name);
  const extra = plan.isZip64 ? zip64Extra(sums) : new Uint8Array();
  const header = new Uint8Array(LOCAL_BYTES + name.length + extra.length);
  const view = viewOf(header);
  view.setUint32(0, LOCAL_SIGNATURE, true);
  putShared(header.subarray(4), plan, sums, name.length, extra.length);
  header.set(name, LOCAL_BYTES);
  header.set(extra, LOCAL_BYTES + name.length);
  return header;
}

/** What follows the packed bytes, which end at byte `offset`. */
export function formatDirectory(
  plan: ZipEntryPlan,
  sums: ZipEntrySums,
  offset: number,
  comment: string,
): Bytes[] {
  const name = new TextEncoder().encode(plan.name);
  const extra = plan.isZip64 ? zip64Extra(sums) : new Uint8Array();
  const entry = new Uint8Array(DIRECTORY_BYTES + name.length + extra.length);
  const view = viewOf(entry);
  view.setUint32(0, DIRECTORY_SIGNATURE, true);
  view.setUint16(4, MADE_BY_UNIX | VERSION_ZIP64, true);
  putShared(entry.subarray(6), plan, sums, name.length, extra.length);
  view.setUint32(38, MODE * 0x10000, true);
  entry.set(name, DIRECTORY_BYTES);
  entry.set(extra, DIRECTORY_BYTES + name.length);
  const directory = { offset, length: entry.length };
  const zip64 = plan.isZip64 ? [zip64End(directory), zip64Locator(offset + entry.length)] : [];
  return [entry, ...zip64, formatEnd(directory, plan.isZip64, comment)];
}

/** What local headers and entries of the directory have alike, from the version on. */
function putShared(
  into: Uint8Array,
  plan: ZipEntryPlan,
  sums: ZipEntrySums,
  nameBytes: number,
  extraBytes: number,
): void {
  const view = viewOf(into);
  const { time, date } = dosTime(plan.modified);
  const isAscii = /^[\x20-\x7e]*$/.test(plan.name);
  view.setUint16(0, plan.isZip64 ? VERSION_ZIP64 : VERSION_DEFLATE, true);
  view.setUint16(2, isAscii ? 0 : FLAG_UTF8, true);
  view.setUint16(4, plan.method, true);
  view.setUint16(6, time, true);
  view.setUint16(8, date, true);
  view.setUint32(10, sums.crc32, true);
  view.setUint32(14, plan.isZip64 ? ONES_32 : sums.packedBytes, true);
  view.setUint32(18, plan.isZip64 ? ONES_32 : sums.contentBytes, true);
  view.setUint16(22, nameBytes, true);
  view.setUint16(24, extraBytes, true);
}

function zip64Extra({ contentBytes, packedBytes }: ZipEntrySums): Bytes {
  const extra = new Uint8Array(LOCAL_EXTRA_BYTES);
  const view = viewOf(extra);
  view.setUint16(0, ZIP64_EXTRA_ID, true);
  view.setUint16(2, LOCAL_EXTRA_BYTES - 4, true);
  view.setBigUint64(4, BigInt(contentBytes), true);
  view.setBigUint64(12, BigInt(packedBytes), true);
  return extra;
}

/** Where the directory is. */
interface DirectoryPlace {
  readonly offset: number;
  readonly length: number;
}

function zip64End({ offset, length }: DirectoryPlace): Bytes {
  const record = new Uint8Array(ZIP64_END_BYTES);
  const view = viewOf(record);
  view.setUint32(0, ZIP64_END_SIGNATURE, true);
  view.setBigUint64(4, BigInt(ZIP64_END_BYTES - 12), true);
  view.setUint16(12, MADE_BY_UNIX | VERSION_ZIP64, true);
  view.setUint16(14, VERSION_ZIP64, true);
  view.setBigUint64(24, 1n, true);
  view.setBigUint64(32, 1n, true);
  view.setBigUint64(40, BigInt(length), true);
  view.setBigUint64(48, BigInt(offset), true);
  return record;
}

function zip64Locator(offset: number): Bytes {
  const record = new Uint8Array(ZIP64_LOCATOR_BYTES);
  const view = viewOf(record);
  view.setUint32(0, ZIP64_LOCATOR_SIGNATURE, true);
  view.setBigUint64(8, BigInt(offset), true);
  view.setUint32(16, 1, true);
  return record;
}

function formatEnd(directory: DirectoryPlace, isZip64: boolean, comment: string): Bytes {
  const text = new TextEncoder().encode(comment).subarray(0, ONES_16);
  const record = new Uint8Array(END_BYTES + text.length);
  const view = viewOf(record);
  view.setUint32(0, END_SIGNATURE, true);
  view.setUint16(8, isZip64 ? ONES_16 : 1, true);
  view.setUint16(10, isZip64 ? ONES_16 : 1, true);
  view.setUint32(12, isZip64 ? ONES_32 : directory.length, true);
  view.setUint32(16, isZip64 ? ONES_32 : directory.offset, true);
  view.setUint16(20, text.length, true);
  record.set(text, END_BYTES);
  return record;
}

/** As MS-DOS has it: local time, in steps of two seconds, from 1980 to 2107. */
function dosTime(when: Date | undefined): { readonly time: number; readonly date: number } {
  const year = when?.getFullYear() ?? 0;
  if (when === undefined || year < 1980 || year > 2107) return { time: 0, date: 1 << 5 | 1 };
  return {
    time: when.getHours() << 11 | when.getMinutes() << 5 | when.getSeconds() >> 1,
    date: (year - 1980) << 9 | (when.getMonth() + 1) << 5 | when.getDate(),
  };
}
