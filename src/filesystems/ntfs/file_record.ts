/** NTFS documentation, concept FILE Record, https://flatcap.github.io/linux-ntfs/ntfs/concepts/file_record.html */
import { hasAscii, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { type Attribute, FILE_NAME, nameAt, parseAttributes } from "./attribute.ts";
import { applyFixups } from "./fixups.ts";

// File record, little endian:
//  0 4 "FILE"; the rest of the header is in fixups.ts
// 16 2 sequence number: how often the record was used anew
// 20 2 offset of the first attribute
// 22 2 flags, 1: in use
// 24 4 bytes of it that are used
// 28 4 bytes of it
// 32 8 reference to the base record, when this one only holds further attributes of it
// 44 4 number of the record, when the update sequence does not begin before 48
// Reference: 0 6 number of a record, 6 2 its sequence number
const SIGNATURE = "FILE";
const MIN_HEADER_BYTES = 42;
const NUMBER_END = 48;
const IN_USE = 1;

// Content of $FILE_NAME (https://flatcap.github.io/linux-ntfs/ntfs/attributes/file_name.html):
//  0 8 reference to the folder
// 64 1 UTF-16 units in the name
// 66   the name
const NAME_START = 66;

/** Where a record is, and which of its uses is meant. */
export interface FileReference {
  readonly number: number;
  readonly sequence: number;
}

/** One record of $MFT, checked as far as it can be alone. */
export interface FileRecord extends FileReference {
  /** Byte offset on the volume. */
  readonly offset: number;
  readonly isInUse: boolean;
  /** Set when this record only holds further attributes of another one. */
  readonly base: FileReference | undefined;
  /** The part in use, as it was before it was protected. */
  readonly bytes: Uint8Array;
  readonly attributes: readonly Attribute[];
}

/** One of the names of a file. */
export interface FileName {
  /** Number of the record of its folder. */
  readonly folder: number;
  readonly name: string;
}

/**
 * Is the record in use, whatever it holds? False for one that was never written.
 *
 * @throws {FormatError} when it is no record.
 */
export function isRecordInUse(stored: Uint8Array, number: number, offset: number): boolean {
  if (hasAscii(stored, 0, SIGNATURE)) {
    return (viewOf(stored).getUint16(22, true) & IN_USE) !== 0;
  }
  if (stored.every((byte) => byte === 0)) return false;
  throw new FormatError(`file record ${number} is damaged`, offset, "signature");
}

/**
 * Reads a file record, which is changed: the protected bytes are put back.
 *
 * @throws {FormatError} when it contradicts its format.
 */
export function parseFileRecord(
  stored: Uint8Array,
  number: number,
  offset: number,
): FileRecord {
  const fail = (field: string, message: string): FormatError =>
    new FormatError(`file record ${number} ${message}`, offset, field);
  if (!hasAscii(stored, 0, SIGNATURE)) throw fail("signature", "is damaged");
  applyFixups(stored, offset, `file record ${number}`);
  const view = viewOf(stored);
  const start = view.getUint16(20, true);
  const usedBytes = view.getUint32(24, true);
  if (view.getUint32(28, true) !== stored.length || usedBytes > stored.length) {
    throw fail("size", "has an impossible size");
  }
  if (start < MIN_HEADER_BYTES || start % 8 !== 0 || start > usedBytes) {
    throw fail("first attribute", "has an impossible header");
  }
  const hasNumber = view.getUint16(4, true) >= NUMBER_END;
  if (hasNumber && view.getUint32(44, true) !== number % 2 ** 32) {
    throw fail("number", "says that it is another one");
  }
  const base = referenceAt(view, 32);
  const bytes = stored.subarray(0, usedBytes);
  return {
    number,
    sequence: view.getUint16(16, true),
    offset,
    isInUse: (view.getUint16(22, true) & IN_USE) !== 0,
    base: base.number === 0 && base.sequence === 0 ? undefined : base,
    bytes,
    attributes: parseAttributes(bytes, start, offset),
  };
}

/** A reference to a file record in the bytes of a view. */
export function referenceAt(view: DataView, at: number): FileReference {
  return {
    number: view.getUint32(at, true) + view.getUint16(at + 4, true) * 2 ** 32,
    sequence: view.getUint16(at + 6, true),
  };
}

/**
 * The names that these attributes hold: a file may have several.
 *
 * @throws {FormatError} when one of them contradicts its format.
 */
export function namesIn(attributes: readonly Attribute[]): FileName[] {
  const names: FileName[] = [];
  for (const { type, content, offset } of attributes) {
    if (type !== FILE_NAME) continue;
    if (content === undefined || content.length < NAME_START) {
      throw new FormatError(
        `the file record at byte ${offset} has an impossible name`,
        offset,
        "$FILE_NAME",
      );
    }
    names.push({
      folder: referenceAt(viewOf(content), 0).number,
      name: nameAt(content, NAME_START, content[64] ?? 0, offset),
    });
  }
  return names;
}
