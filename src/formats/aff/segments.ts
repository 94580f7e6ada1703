/**
 * AFF 1.0, "The AFF Segment Format",
 * https://github.com/sshock/AFFLIBv3/blob/master/doc/announce_1.0.txt, and the structures
 * of AFFLIBv3, https://github.com/sshock/AFFLIBv3/blob/master/include/afflib/afflib_i.h
 */
import type { Bytes } from "../../core/block.ts";
import { hasAscii, safeNumber, viewOf } from "../../core/bytes.ts";

// The file begins with "AFF10" CR LF NUL; segments follow one behind the other.
export const AFF_HEADER = "AFF10\r\n\0";
export const AFF_HEADER_BYTES = AFF_HEADER.length;

// A segment, big endian:
//  0  4  magic, "AFF" NUL
//  4  4  name_len
//  8  4  data_len
// 12  4  flag: a value of its own ("arg" in affinfo), or how a page is packed
// 16     name, UTF-8; without one the segment is room that was left over
//        data
//     4  magic of the tail, "ATT" NUL
//     4  segment_len: all of it, from the first magic to this field
const HEAD_MAGIC = "AFF\0";
export const TAIL_MAGIC = "ATT\0";
export const HEAD_BYTES = 16;
export const TAIL_BYTES = 8;

/** AF_MAX_NAME_LEN of afflib.h. */
export const MAX_NAME_BYTES = 64;

/** Flag of segments that hold a 64-bit number (AF_SEG_QUADWORD). */
export const FLAG_QUADWORD = 0x0002;

const NAME_DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

/** A segment as its head describes it. */
export interface SegmentHead {
  /** Empty where the segment is to be ignored. */
  readonly name: string;
  readonly flag: number;
  /** Where its data begin, from the first byte of the segment. */
  readonly dataOffset: number;
  readonly dataBytes: number;
  /** Bytes of head, name, data and tail. */
  readonly totalBytes: number;
}

/** Does a file begin like an AFF file? */
export function hasAffHeader(bytes: Uint8Array): boolean {
  return hasAscii(bytes, 0, AFF_HEADER);
}

/** The head of a segment with its name; undefined where the bytes hold none. */
export function parseSegmentHead(bytes: Uint8Array): SegmentHead | undefined {
  if (bytes.length < HEAD_BYTES || !hasAscii(bytes, 0, HEAD_MAGIC)) return undefined;
  const view = viewOf(bytes);
  const nameBytes = view.getUint32(4);
  const dataBytes = view.getUint32(8);
  const dataOffset = HEAD_BYTES + nameBytes;
  if (nameBytes > MAX_NAME_BYTES || dataOffset > bytes.length) return undefined;
  return {
    name: NAME_DECODER.decode(bytes.subarray(HEAD_BYTES, dataOffset)),
    flag: view.getUint32(12),
    dataOffset,
    dataBytes,
    totalBytes: dataOffset + dataBytes + TAIL_BYTES,
  };
}

/** Is this the tail of a segment of `totalBytes`? False when the bytes are too few. */
export function isTailOf(bytes: Uint8Array, totalBytes: number): boolean {
  return bytes.length >= TAIL_BYTES && hasAscii(bytes, 0, TAIL_MAGIC) &&
    viewOf(bytes).getUint32(4) === totalBytes;
}

/** What stands around the data of a segment. The name is ASCII. */
export function segmentFrame(
  name: string,
  flag: number,
  dataBytes: number,
): { readonly head: Bytes; readonly tail: Bytes } {
  const head = new Uint8Array(HEAD_BYTES + name.length);
  putAscii(head, 0, HEAD_MAGIC);
  const view = viewOf(head);
  view.setUint32(4, name.length);
  view.setUint32(8, dataBytes);
  view.setUint32(12, flag);
  putAscii(head, HEAD_BYTES, name);
  const tail = new Uint8Array(TAIL_BYTES);
  putAscii(tail, 0, TAIL_MAGIC);
  viewOf(tail).setUint32(4, head.length + dataBytes + TAIL_BYTES);
  return { head, tail };
}

/** The bytes of a small segment. */
export function formatSegment(
  name: string,
  flag: number,
  data: Uint8Array = new Uint8Array(),
): Bytes {
  const { head, tail } = segmentFrame(name, flag, data.length);
  return concatBytes([head, data, tail]);
}

/** All of it in one piece. */
export function concatBytes(parts: readonly Uint8Array[]): Bytes {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

// A 64-bit number, struct aff_quad:
//  0  4  its lower half
//  4  4  its upper half
export const QUAD_BYTES = 8;

/**
 * Reads a 64-bit number. `offset` is its place in the file, for the error.
 *
 * @throws {FormatError} when it is larger than any medium.
 */
export function parseQuad(data: Uint8Array, field: string, offset = 0): number {
  const view = viewOf(data);
  const value = (BigInt(view.getUint32(4)) << 32n) + BigInt(view.getUint32(0));
  return safeNumber(value, field, offset);
}

/** The bytes of a 64-bit number; at most 2^53-1. */
export function formatQuad(value: number): Bytes {
  const bytes = new Uint8Array(QUAD_BYTES);
  viewOf(bytes).setUint32(0, value % 2 ** 32);
  viewOf(bytes).setUint32(4, Math.floor(value / 2 ** 32));
  return bytes;
}

function putAscii(bytes: Uint8Array, offset: number, text: string): void {
  for (let i = 0; i < text.length; i++) bytes[offset + i] = text.charCodeAt(i);
}
