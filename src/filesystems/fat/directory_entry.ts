/** FAT specification 1.03, section "FAT Directory Structure", https://download.microsoft.com/download/1/6/1/161ba512-40e2-4cc9-843a-923143f3456c/fatgen103.doc */
import { asciiText, hasAscii, viewOf } from "../../core/bytes.ts";
import { printable } from "../../core/text.ts";

// Directory entry, 32 bytes, little endian:
//   0 11 DIR_Name, eight and three; first byte E5h or 00h: free, 05h: it stands for E5h
//  11  1 DIR_Attr
//  20  2 DIR_FstClusHI, of FAT32 only: OS/2 keeps something else there
//  26  2 DIR_FstClusLO
//  28  4 DIR_FileSize, bytes; 0 in directories
export const ENTRY_BYTES = 32;
const FREE = 0xe5;
const STANDS_FOR_FREE = 0x05;
const ATTR_VOLUME_ID = 0x08;
const ATTR_DIRECTORY = 0x10;
const ATTR_LONG_NAME = 0x0f;
/** The two highest bits mean nothing. */
const ATTR_LONG_NAME_MASK = 0x3f;

/** A file or a directory. */
export interface DirectoryEntry {
  /** Byte offset in the bytes it was read from. */
  readonly at: number;
  /** The short name, printable; characters that are not ASCII are U+FFFD. */
  readonly name: string;
  readonly isDirectory: boolean;
  /** 0: none. */
  readonly cluster: number;
  readonly size: number;
  /** No system writes a name or attributes like these. */
  readonly isNonsense: boolean;
}

/**
 * The entries that are in use, but for labels and parts of long names. A free entry that
 * means the end by the specification is only skipped: Linux, too, reads what is behind it.
 */
export function* entriesIn(bytes: Uint8Array, isFat32: boolean): Generator<DirectoryEntry> {
  for (let at = 0; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES) {
    const first = bytes[at] ?? 0;
    if (first === 0 || first === FREE) continue;
    const attributes = bytes[at + 11] ?? 0;
    if ((attributes & ATTR_LONG_NAME_MASK) === ATTR_LONG_NAME) continue;
    const isLabel = (attributes & ATTR_VOLUME_ID) !== 0;
    if (isLabel && (attributes & ATTR_DIRECTORY) === 0) continue;
    yield entryAt(bytes, at, isFat32);
  }
}

/** Reads one entry, whatever is there. */
export function entryAt(bytes: Uint8Array, at: number, isFat32: boolean): DirectoryEntry {
  const view = viewOf(bytes);
  const attributes = view.getUint8(at + 11);
  const base = asciiText(bytes.subarray(at, at + 8)).trimEnd();
  const extension = asciiText(bytes.subarray(at + 8, at + 11)).trimEnd();
  const high = isFat32 ? view.getUint16(at + 20, true) : 0;
  return {
    at,
    name: printable(extension === "" ? base : `${base}.${extension}`),
    isDirectory: (attributes & ATTR_DIRECTORY) !== 0,
    cluster: high * 0x10000 + view.getUint16(at + 26, true),
    size: view.getUint32(at + 28, true),
    isNonsense: (attributes & ATTR_VOLUME_ID) !== 0 || hasImpossibleName(bytes, at),
  };
}

/** Is it the entry "." or ".." that a directory begins with? */
export function isNamed(bytes: Uint8Array, at: number, name: "." | ".."): boolean {
  return hasAscii(bytes, at, name.padEnd(11));
}

function hasImpossibleName(bytes: Uint8Array, at: number): boolean {
  const first = bytes[at] ?? 0;
  return first <= 0x20 && first !== STANDS_FOR_FREE ||
    bytes.subarray(at + 1, at + 11).some((byte) => byte < 0x20);
}
