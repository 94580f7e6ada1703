/**
 * EWF, sections "File header" and "Section descriptor",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 * which cites the ASR Expert Witness Compression Format specification as [ASR02],
 * http://www.asrdata.com/SMART/whitepaper.html
 *
 * What stands in the sections: ewf_header.ts, ewf_volume.ts, ewf_table.ts, ewf_digest.ts,
 * ewf_ranges.ts.
 */
import type { Bytes } from "../../core/block.ts";
import { hasAscii, safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { adler32 } from "./adler32.ts";

// File header, little endian, at the beginning of each segment:
//  0  8  signature, "EVF" 09 0d 0a ff 00
//  8  1  start of fields, 1
//  9  2  segment number, from 1
// 11  2  end of fields, 0
export const FILE_HEADER_BYTES = 13;
export const FILE_NUMBER_AT = 9;
export const EWF_SIGNATURE = "EVF\x09\x0d\x0a";

// Section descriptor, little endian, in front of what stands in a section:
//  0 16  type, ASCII, NUL behind it
// 16  8  offset of the next section in the file; its own in the last section
// 24  8  size of the section with this descriptor; 0 in "next" and "done" of EnCase,
//        and everywhere in Expert Witness 1.35
// 32 40  padding, 0; anything in EnCase 2
// 72  4  Adler-32 of the bytes before
export const DESCRIPTOR_BYTES = 76;
const TYPE_BYTES = 16;

/** The beginning of a section. */
export interface SectionDescriptor {
  /** "header", "volume", "sectors" … */
  readonly type: string;
  /** Offset of the next section, in the segment file. */
  readonly next: number;
  /** Bytes, those of the descriptor among them; 0 where the program did not say. */
  readonly size: number;
}

/** Do the bytes begin like a segment of EWF, version 1? */
export function hasEwfSignature(bytes: Uint8Array): boolean {
  return hasAscii(bytes, 0, EWF_SIGNATURE) && bytes[6] === 0xff && bytes[7] === 0;
}

/**
 * Reads the number of a segment, from 1, from the header of its file.
 *
 * @throws {FormatError} when it is no such header.
 */
export function parseFileHeader(bytes: Uint8Array): number {
  if (bytes.length < FILE_HEADER_BYTES || !hasEwfSignature(bytes)) {
    throw new FormatError("there is no EWF file header", 0, "signature");
  }
  const view = viewOf(bytes);
  if (view.getUint8(8) !== 1 || view.getUint16(11, true) !== 0) {
    throw new FormatError("the EWF file header is damaged", 8, "fields");
  }
  const number = view.getUint16(FILE_NUMBER_AT, true);
  if (number === 0) {
    throw new FormatError("the segment number is 0", FILE_NUMBER_AT, "segment number");
  }
  return number;
}

/** The header of the segment with this number, 1 to 65535. */
export function formatFileHeader(number: number): Bytes {
  const bytes = new Uint8Array(FILE_HEADER_BYTES);
  putAscii(bytes, 0, EWF_SIGNATURE);
  bytes[6] = 0xff;
  bytes[8] = 1;
  viewOf(bytes).setUint16(FILE_NUMBER_AT, number, true);
  return bytes;
}

/** Is the checksum of this descriptor right? False when the bytes are too few. */
export function isSoundDescriptor(bytes: Uint8Array): boolean {
  return bytes.length >= DESCRIPTOR_BYTES && hasChecksum(bytes, DESCRIPTOR_BYTES - 4);
}

/**
 * Reads a section descriptor. Its checksum is a matter of {@linkcode isSoundDescriptor}.
 * `offset` is its place in the file, for the errors.
 *
 * @throws {FormatError} when the bytes are too few, or a number is impossible.
 */
export function parseDescriptor(bytes: Uint8Array, offset = 0): SectionDescriptor {
  if (bytes.length < DESCRIPTOR_BYTES) {
    throw new FormatError(`there is no section at byte ${offset}`, offset, "section");
  }
  const view = viewOf(bytes);
  return {
    type: typeOf(bytes),
    next: safeNumber(view.getBigUint64(16, true), "next section offset", offset),
    size: safeNumber(view.getBigUint64(24, true), "section size", offset),
  };
}

/**
 * What a damaged descriptor says: the numbers may be impossible, too large to be exact,
 * and wrong. The bytes must be enough.
 */
export function parseDamagedDescriptor(bytes: Uint8Array): SectionDescriptor {
  const view = viewOf(bytes);
  return {
    type: typeOf(bytes),
    next: Number(view.getBigUint64(16, true)),
    size: Number(view.getBigUint64(24, true)),
  };
}

function typeOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, TYPE_BYTES)).split("\0", 1)[0] ?? "";
}

/** The bytes of a section descriptor; of the type at most 16 characters. */
export function formatDescriptor(descriptor: SectionDescriptor): Bytes {
  const bytes = new Uint8Array(DESCRIPTOR_BYTES);
  putAscii(bytes, 0, descriptor.type.slice(0, TYPE_BYTES));
  const view = viewOf(bytes);
  view.setBigUint64(16, BigInt(descriptor.next), true);
  view.setBigUint64(24, BigInt(descriptor.size), true);
  putChecksum(bytes, DESCRIPTOR_BYTES - 4);
  return bytes;
}

/** Does the Adler-32 at `offset` fit the bytes from `start` up to it? */
export function hasChecksum(bytes: Uint8Array, offset: number, start = 0): boolean {
  return offset + 4 <= bytes.length &&
    viewOf(bytes).getUint32(offset, true) === adler32(bytes.subarray(start, offset));
}

/** Puts the Adler-32 of the bytes from `start` up to `offset` there. */
export function putChecksum(bytes: Uint8Array, offset: number, start = 0): void {
  viewOf(bytes).setUint32(offset, adler32(bytes.subarray(start, offset)), true);
}

/** Writes ASCII text into bytes that have room for it. */
export function putAscii(bytes: Uint8Array, offset: number, text: string): void {
  for (let i = 0; i < text.length; i++) bytes[offset + i] = text.charCodeAt(i);
}

/**
 * Checks that a structure is there as a whole, and that its checksum, which lies in its
 * last four bytes, is right.
 *
 * @throws {FormatError} naming the structure.
 */
export function requireSound(
  bytes: Uint8Array,
  length: number,
  structure: string,
  offset: number,
): void {
  if (bytes.length < length) {
    throw new FormatError(
      `the ${structure} has ${bytes.length} bytes instead of ${length}`,
      offset,
      structure,
    );
  }
  if (!hasChecksum(bytes, length - 4)) {
    throw new FormatError(`the checksum of the ${structure} is wrong`, offset, "checksum");
  }
}
