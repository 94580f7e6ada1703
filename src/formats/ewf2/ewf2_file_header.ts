/**
 * EWF version 2, sections "File header" and "Compression methods",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%202%20(EWF2).asciidoc
 */
import { hasAscii, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";

// File header, little endian, at the beginning of each segment:
//  0  8  signature, "EVF2" 0d 0a 81 00
//  8  1  major version, 2
//  9  1  minor version, 1
// 10  2  compression method
// 12  4  segment number, from 1
// 16 16  identifier of the set of segments, a GUID
export const FILE_HEADER_BYTES = 32;
export const FILE_NUMBER_AT = 12;

export const COMPRESSION_LZ = 1;
export const COMPRESSION_BZIP2 = 2;

/** The beginning of a segment file. */
export interface Ewf2FileHeader {
  /** From 1. */
  readonly number: number;
  readonly compression: number;
  /** Sixteen bytes. */
  readonly setIdentifier: Uint8Array;
}

/** Do the bytes begin like a segment of an .Ex01? */
export function hasEwf2Signature(bytes: Uint8Array): boolean {
  return hasAscii(bytes, 0, "EVF2\x0d\x0a\x81\0");
}

/**
 * Reads the header of a segment file.
 *
 * @throws {FormatError} when it is none, or of a version that nothing is known of.
 */
export function parseFileHeader(bytes: Uint8Array): Ewf2FileHeader {
  if (bytes.length < FILE_HEADER_BYTES || !hasEwf2Signature(bytes)) {
    throw new FormatError("there is no file header of EWF version 2", 0, "signature");
  }
  const view = viewOf(bytes);
  const version = `${view.getUint8(8)}.${view.getUint8(9)}`;
  if (version !== "2.1") {
    throw new FormatError(`it is version ${version} of EWF instead of 2.1`, 8, "version");
  }
  const number = view.getUint32(FILE_NUMBER_AT, true);
  if (number === 0) {
    throw new FormatError("the segment number is 0", FILE_NUMBER_AT, "segment number");
  }
  return {
    number,
    compression: view.getUint16(10, true),
    setIdentifier: bytes.slice(16, FILE_HEADER_BYTES),
  };
}
