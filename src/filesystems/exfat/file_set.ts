/** exFAT specification, sections 6.3, 6.4, 7.4, 7.6 and 7.7, https://learn.microsoft.com/en-us/windows/win32/fileio/exfat-specification */
import { safeNumber, utf16Text, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import { ENTRY_BYTES, FILE } from "./entry_set.ts";

// Primary entry, 32 bytes, little endian:
//   1 1 SecondaryCount
//   2 2 SetChecksum of all bytes of the set but these two
//   4 2 85h, file: FileAttributes, bit 4: directory; else GeneralPrimaryFlags
//  20 4 FirstCluster, and
//  24 8 DataLength; not in 85h
// Secondary entry:
//   1 1 GeneralSecondaryFlags
//   2 30 C1h, file name: 15 code units of UTF-16
//   3 1 C0h, stream extension: NameLength, code units
//  20 4 FirstCluster, 0: none
//  24 8 DataLength, bytes
// Flags: bit 0, AllocationPossible: it can have clusters; bit 1, NoFatChain: they follow each
// other and the FAT says nothing of them.
const STREAM_EXTENSION = 0xc0;
const FILE_NAME = 0xc1;
const BENIGN = 0x20;
const ATTR_DIRECTORY = 0x10;
const ALLOCATION_POSSIBLE = 0x01;
const NO_FAT_CHAIN = 0x02;

/** Clusters of a file, as an entry names them. */
export interface ExfatAllocation {
  /** 0: none. */
  readonly FirstCluster: number;
  /** Bytes. */
  readonly DataLength: number;
  /** Is it one run, which the FAT does not know? */
  readonly NoFatChain: boolean;
}

/** A file or directory, or an entry of somebody else that has clusters. */
export interface ExfatFile {
  /** Printable. */
  readonly name: string;
  readonly isDirectory: boolean;
  /** The first one is that of the file's content. */
  readonly allocations: readonly ExfatAllocation[];
}

/**
 * Reads a set of entries. `what` is the directory, for messages.
 *
 * @throws {FormatError} when it contradicts the specification.
 */
export function parseFileSet(set: Uint8Array, what: string): ExfatFile {
  const isFile = set[0] === FILE;
  const view = viewOf(set);
  const name = isFile ? nameOf(set) : `entry ${view.getUint8(0).toString(16)}h`;
  if (isFile) checkFileSet(set, `its file "${name}" in its ${what}`);
  const allocations = isFile ? [] : allocationOf(view, 0, view.getUint16(4, true));
  for (let at = ENTRY_BYTES; at < set.length; at += ENTRY_BYTES) {
    allocations.push(...allocationOf(view, at, view.getUint8(at + 1)));
  }
  const isDirectory = isFile && (view.getUint16(4, true) & ATTR_DIRECTORY) !== 0;
  return { name, isDirectory, allocations };
}

function checkFileSet(set: Uint8Array, what: string): void {
  const view = viewOf(set);
  if (view.getUint16(2, true) !== setChecksum(set)) {
    fail("SetChecksum", `${what} has a wrong checksum`);
  }
  const stream = set[ENTRY_BYTES];
  const flags = set[ENTRY_BYTES + 1] ?? 0;
  if (stream !== STREAM_EXTENSION || (flags & ALLOCATION_POSSIBLE) === 0) {
    fail("EntryType", `${what} has no stream extension`);
  }
  for (let at = 2 * ENTRY_BYTES; at < set.length; at += ENTRY_BYTES) {
    const type = set[at] ?? 0;
    if (type === FILE_NAME || (type & BENIGN) !== 0) continue;
    fail("EntryType", `${what} has an unknown entry, ${type.toString(16)}h`);
  }
}

/** Section 6.3.3. */
function setChecksum(set: Uint8Array): number {
  let checksum = 0;
  for (let at = 0; at < set.length; at++) {
    if (at === 2 || at === 3) continue;
    checksum = ((checksum << 15 | checksum >>> 1) + (set[at] ?? 0)) & 0xffff;
  }
  return checksum;
}

function nameOf(set: Uint8Array): string {
  const units: number[] = [];
  for (let at = ENTRY_BYTES; at < set.length; at += ENTRY_BYTES) {
    if (set[at] === FILE_NAME) units.push(...set.subarray(at + 2, at + ENTRY_BYTES));
  }
  const NameLength = set[ENTRY_BYTES + 3] ?? 0;
  return printable(utf16Text(Uint8Array.from(units.slice(0, 2 * NameLength))));
}

/** None, or one. */
function allocationOf(view: DataView, at: number, flags: number): ExfatAllocation[] {
  if ((flags & ALLOCATION_POSSIBLE) === 0) return [];
  return [{
    FirstCluster: view.getUint32(at + 20, true),
    DataLength: safeNumber(view.getBigUint64(at + 24, true), "DataLength"),
    NoFatChain: (flags & NO_FAT_CHAIN) !== 0,
  }];
}

function fail(field: string, message: string): never {
  throw new FormatError(message, 0, field);
}
