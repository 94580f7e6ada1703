/**
 * The entries of an archive: APPNOTE 6.3.10, sections 4.3.7 and 4.3.12; see records.ts.
 */
import type { BlockSource, Bytes } from "../../core/block.ts";
import { readBytes, safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import type { Range } from "../../core/range.ts";
import { type DirectoryEnd, findDirectory } from "./end_records.ts";
import {
  DIRECTORY_BYTES,
  DIRECTORY_SIGNATURE,
  FLAG_DESCRIPTOR,
  FLAG_UTF8,
  LOCAL_BYTES,
  LOCAL_SIGNATURE,
  ONES_32,
  ONES_64,
  ZIP64_EXTRA_ID,
} from "./records.ts";

/** An archive with an image has few entries. */
const MAX_DIRECTORY_BYTES = 64 * 1024 * 1024;

/** An entry, as the directory has it. */
export interface ZipEntry {
  readonly name: string;
  readonly nameBytes: Uint8Array;
  readonly flags: number;
  readonly method: number;
  readonly crc32: number;
  readonly packedBytes: number;
  readonly contentBytes: number;
  /** Byte of the file where its local header begins. */
  readonly offset: number;
}

/** What an archive holds. */
export interface ZipArchive {
  readonly entries: readonly ZipEntry[];
  readonly end: DirectoryEnd;
}

/**
 * Reads the directory of an archive.
 *
 * @throws {FormatError} when it is damaged.
 */
export async function readArchive(file: BlockSource): Promise<ZipArchive> {
  const end = await findDirectory(file);
  if (end.length > MAX_DIRECTORY_BYTES) {
    throw directoryError(file, end.offset, "is too large for an archive with an image");
  }
  const bytes = await readBytes(file, end.offset, end.length);
  const entries: ZipEntry[] = [];
  for (let at = 0; at < bytes.length;) {
    const { entry, length } = parseEntry(file, bytes.subarray(at), end.offset + at);
    entries.push(entry);
    at += length;
  }
  if (entries.length !== end.entryCount || bytes.length !== end.length) {
    throw directoryError(file, end.offset, "has not as many entries as its end says");
  }
  return { entries, end };
}

function parseEntry(
  file: BlockSource,
  bytes: Bytes,
  place: number,
): { readonly entry: ZipEntry; readonly length: number } {
  const isEntry = bytes.length >= DIRECTORY_BYTES &&
    viewOf(bytes).getUint32(0, true) === DIRECTORY_SIGNATURE;
  if (!isEntry) throw directoryError(file, place, "is damaged");
  const view = viewOf(bytes);
  const nameEnd = DIRECTORY_BYTES + view.getUint16(28, true);
  const extraEnd = nameEnd + view.getUint16(30, true);
  const length = extraEnd + view.getUint16(32, true);
  if (length > bytes.length) throw directoryError(file, place, "is damaged");
  const flags = view.getUint16(8, true);
  const nameBytes = bytes.subarray(DIRECTORY_BYTES, nameEnd);
  const [contentBytes, packedBytes, offset] = withZip64(
    [view.getUint32(24, true), view.getUint32(20, true), view.getUint32(42, true)],
    bytes.subarray(nameEnd, extraEnd),
    place,
  );
  const entry = {
    name: nameOf(nameBytes, flags),
    nameBytes,
    flags,
    method: view.getUint16(10, true),
    crc32: view.getUint32(16, true),
    packedBytes,
    contentBytes,
    offset,
  };
  return { entry, length };
}

/**
 * Content and packed bytes and an offset, those that are all ones taken from the extra field.
 * What is all ones there, too, stays so: of a local header, whose sizes come later.
 *
 * @throws {FormatError} when it lacks one of them.
 */
function withZip64<const Values extends readonly number[]>(
  values: Values,
  extra: Uint8Array,
  place: number,
  canBeOnes = false,
): { [Index in keyof Values]: number } {
  const field = extraField(extra, ZIP64_EXTRA_ID);
  let at = 0;
  const full = values.map((value) => {
    if (value !== ONES_32) return value;
    // Without the field it may be the number itself.
    if (field === undefined) return value;
    if (at + 8 > field.length) {
      throw new FormatError("an entry lacks its sizes", place, "zip64 extended information");
    }
    const number = viewOf(field).getBigUint64(at, true);
    at += 8;
    return canBeOnes && number === ONES_64 ? value : safeNumber(number, "zip64 size", place);
  });
  return full as { [Index in keyof Values]: number };
}

/** The value of a field of extra data; undefined when it is not there. */
function extraField(extra: Uint8Array, id: number): Uint8Array | undefined {
  const view = viewOf(extra);
  for (let at = 0; at + 4 <= extra.length;) {
    const end = at + 4 + view.getUint16(at + 2, true);
    if (end > extra.length) return undefined;
    if (view.getUint16(at, true) === id) return extra.subarray(at + 4, end);
    at = end;
  }
  return undefined;
}

/** Only for people: what is no UTF-8 is taken for Latin letters. */
function nameOf(bytes: Uint8Array, flags: number): string {
  const encoding = (flags & FLAG_UTF8) !== 0 ? "utf-8" : "windows-1252";
  return new TextDecoder(encoding).decode(bytes);
}

/**
 * Where the packed bytes of an entry are. Its local header has to agree with the directory.
 *
 * @throws {FormatError} when it does not.
 */
export async function locateEntry(
  file: BlockSource,
  entry: ZipEntry,
  directoryOffset: number,
): Promise<Range> {
  const { offset: place, packedBytes, nameBytes } = entry;
  const head = await readBytes(file, place, LOCAL_BYTES);
  const isHeader = head.length === LOCAL_BYTES &&
    viewOf(head).getUint32(0, true) === LOCAL_SIGNATURE;
  if (!isHeader) throw localError(file, entry, "has no header where the directory says");
  const view = viewOf(head);
  const nameLength = view.getUint16(26, true);
  const rest = nameLength + view.getUint16(28, true);
  const variable = await readBytes(file, place + LOCAL_BYTES, rest);
  const extra = variable.subarray(nameLength);
  const isSame = variable.length === rest && nameLength === nameBytes.length &&
    nameBytes.every((byte, index) => byte === variable[index]) &&
    agrees(entry, view, extra, place);
  if (!isSame) throw localError(file, entry, "has a header that differs from the directory");
  const offset = place + LOCAL_BYTES + rest;
  if (offset + packedBytes > directoryOffset) {
    throw localError(file, entry, "reaches into the directory");
  }
  return { offset, length: packedBytes };
}

/** Do flags, method, checksum and sizes of a local header agree with the directory? */
function agrees(entry: ZipEntry, view: DataView, extra: Uint8Array, place: number): boolean {
  const { flags, method, crc32, contentBytes, packedBytes } = entry;
  const localFlags = view.getUint16(6, true);
  if (view.getUint16(8, true) !== method || localFlags !== flags) return false;
  const [content, packed] = withZip64(
    [view.getUint32(22, true), view.getUint32(18, true)],
    extra,
    place,
    true,
  );
  const isRepeated = view.getUint32(14, true) === crc32 && content === contentBytes &&
    packed === packedBytes;
  // Where they stand behind the content, they can be 0 in front of it.
  const isLater = (flags & FLAG_DESCRIPTOR) !== 0;
  const isEmpty = view.getUint32(14, true) === 0 &&
    [content, packed].every((size) => size === 0 || size === ONES_32);
  return isRepeated || (isLater && isEmpty);
}

function directoryError(file: BlockSource, offset: number, what: string): FormatError {
  return new FormatError(
    `${file.name}: the directory of the archive ${what}`,
    offset,
    "central directory header",
  );
}

function localError(file: BlockSource, entry: ZipEntry, what: string): FormatError {
  return new FormatError(
    `${file.name}: the entry at byte ${entry.offset} ${what}`,
    entry.offset,
    "local file header",
  );
}
