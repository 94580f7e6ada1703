/**
 * Where the directory of an archive is: APPNOTE 6.3.10, sections 4.3.14 to 4.3.16; see
 * records.ts. Archives in several parts are refused.
 */
import type { BlockSource, Bytes } from "../../core/block.ts";
import { readBytes, safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import {
  END_BYTES,
  END_SIGNATURE,
  ONES_16,
  ONES_32,
  ZIP64_END_BYTES,
  ZIP64_END_SIGNATURE,
  ZIP64_LOCATOR_BYTES,
  ZIP64_LOCATOR_SIGNATURE,
} from "./records.ts";

/** Where the directory is, and what the archive says of itself. */
export interface DirectoryEnd {
  readonly offset: number;
  readonly length: number;
  readonly entryCount: number;
  readonly comment: Bytes;
}

/** A record at the end of the archive. */
interface EndRecord extends DirectoryEnd {
  /** Byte of the file where it begins. */
  readonly start: number;
}

/**
 * Finds the records at the end of an archive. What has no directory right in front of them
 * only looks like them: a comment can hold anything.
 *
 * @throws {FormatError} when there are none, or they contradict each other.
 */
export async function findDirectory(file: BlockSource): Promise<DirectoryEnd> {
  const start = Math.max(0, file.size - END_BYTES - ONES_16);
  const bytes = await readBytes(file, start, file.size - start);
  let problem: FormatError | undefined;
  for (let at = bytes.length - END_BYTES; at >= 0; at--) {
    const record = parseEnd(bytes.subarray(at), start + at);
    if (record === undefined) continue;
    try {
      return await checkedEnd(file, record);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      problem ??= error;
    }
  }
  throw problem ?? new FormatError(
    `${file.name} is no whole ZIP archive: its directory is missing`,
    file.size,
    "end of central directory",
    { hint: "it was cut; copy it again from where it came from" },
  );
}

/** Undefined where no record begins that ends where the file does. */
function parseEnd(bytes: Bytes, start: number): EndRecord | undefined {
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== END_SIGNATURE) return undefined;
  const commentBytes = view.getUint16(20, true);
  if (END_BYTES + commentBytes !== bytes.length) return undefined;
  const disks = [view.getUint16(4, true), view.getUint16(6, true)];
  const [here, all] = [view.getUint16(8, true), view.getUint16(10, true)];
  // All ones stand for the record of Zip64, which is looked for in any case.
  if (here !== all || disks.some((disk) => disk !== 0 && disk !== ONES_16)) return undefined;
  return {
    start,
    offset: view.getUint32(16, true),
    length: view.getUint32(12, true),
    entryCount: all,
    comment: bytes.subarray(END_BYTES),
  };
}

/** The record, or that of Zip64 in front of it, if its directory lies where it should. */
async function checkedEnd(file: BlockSource, end: EndRecord): Promise<DirectoryEnd> {
  const zip64 = await readZip64(file, end);
  const used = zip64 ?? end;
  if (used.offset + used.length !== used.start) {
    throw new FormatError(
      `${file.name}: the directory of the archive is not where its end says`,
      used.start,
      "offset of start of central directory",
    );
  }
  return used;
}

/** Undefined when there is none, and none is needed. */
async function readZip64(file: BlockSource, end: EndRecord): Promise<EndRecord | undefined> {
  const isNeeded = end.offset === ONES_32 || end.length === ONES_32 ||
    end.entryCount === ONES_16;
  const place = end.start - ZIP64_LOCATOR_BYTES;
  const locator = await readBytes(file, Math.max(0, place), ZIP64_LOCATOR_BYTES);
  const isThere = place >= 0 && locator.length === ZIP64_LOCATOR_BYTES &&
    viewOf(locator).getUint32(0, true) === ZIP64_LOCATOR_SIGNATURE;
  if (!isThere) {
    // 65,535 entries are possible without it.
    if (!isNeeded || end.offset + end.length === end.start) return undefined;
    throw zip64Error(file, place, "the end record of Zip64 is missing");
  }
  const start = safeNumber(viewOf(locator).getBigUint64(8, true), "Zip64 offset", place);
  const bytes = await readBytes(file, start, ZIP64_END_BYTES);
  if (bytes.length < ZIP64_END_BYTES || start + ZIP64_END_BYTES > place) {
    throw zip64Error(file, start, "the end record of Zip64 is not where its locator says");
  }
  return { ...parseZip64(file, bytes, start, place), start, comment: end.comment };
}

/** @throws {FormatError} when it is no such record, or does not end at `limit`. */
function parseZip64(
  file: BlockSource,
  bytes: Bytes,
  start: number,
  limit: number,
): Pick<EndRecord, "offset" | "length" | "entryCount"> {
  const view = viewOf(bytes);
  const number = (at: number, field: string): number =>
    safeNumber(view.getBigUint64(at, true), field, start);
  const isRecord = view.getUint32(0, true) === ZIP64_END_SIGNATURE &&
    start + 12 + number(4, "size of zip64 end of central directory record") === limit;
  const isOnePart = view.getUint32(16, true) === 0 && view.getUint32(20, true) === 0 &&
    view.getBigUint64(24, true) === view.getBigUint64(32, true);
  if (!isRecord || !isOnePart) {
    throw zip64Error(file, start, "the end record of Zip64 is damaged");
  }
  return {
    entryCount: number(32, "total number of entries"),
    length: number(40, "size of the central directory"),
    offset: number(48, "offset of start of central directory"),
  };
}

function zip64Error(file: BlockSource, offset: number, what: string): FormatError {
  return new FormatError(
    `${file.name}: ${what}`,
    Math.max(0, offset),
    "zip64 end of central directory",
  );
}
