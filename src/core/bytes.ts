/** Numbers and text in on-disk structures. */
import type { BlockSource, Bytes } from "./block.ts";
import { FormatError } from "./errors.ts";

/**
 * A 64-bit number as a JavaScript number.
 *
 * @throws {FormatError} when it is larger than 2^53-1: no medium is.
 */
export function safeNumber(value: bigint, field: string, offset = 0): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < 0n) {
    throw new FormatError(`${field} is impossible: ${value}`, offset, field);
  }
  return Number(value);
}

/** A view of exactly these bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The bytes as ASCII characters; others become U+FFFD. Ends are not trimmed. */
export function asciiText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte < 0x80 ? String.fromCharCode(byte) : "\ufffd").join(
    "",
  );
}

/** Do the bytes at `offset` spell this ASCII text? False beyond the end. */
export function hasAscii(bytes: Uint8Array, offset: number, text: string): boolean {
  if (offset < 0 || offset + text.length > bytes.length) return false;
  for (let i = 0; i < text.length; i++) {
    if (bytes[offset + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

/**
 * Sixteen bytes as a GUID in text, upper case, the first three fields little
 * endian (UEFI specification, appendix A).
 */
export function guidText(bytes: Uint8Array): string {
  const order = [3, 2, 1, 0, -1, 5, 4, -1, 7, 6, -1, 8, 9, -1, 10, 11, 12, 13, 14, 15];
  return order.map((index) =>
    index < 0 ? "-" : (bytes[index] ?? 0).toString(16).padStart(2, "0").toUpperCase()
  ).join("");
}

/** Sixteen bytes as a UUID in text, lower case, in the order in which they stand (RFC 9562). */
export function uuidText(bytes: Uint8Array): string {
  return toHex(bytes.subarray(0, 16)).replace(
    /^(.{8})(.{4})(.{4})(.{4})(.{12})$/,
    "$1-$2-$3-$4-$5",
  );
}

/**
 * UTF-16 code units as text, up to the first NUL. Unpaired surrogates become
 * U+FFFD; an odd last byte is left out.
 */
export function utf16Text(bytes: Uint8Array, littleEndian = true): string {
  const view = viewOf(bytes);
  let text = "";
  for (let at = 0; at + 2 <= bytes.length; at += 2) {
    const unit = view.getUint16(at, littleEndian);
    if (unit === 0) break;
    text += String.fromCharCode(unit);
  }
  return text.toWellFormed();
}

/**
 * Reads a piece of a medium: `length` bytes from `offset`, fewer (or none) where
 * the medium ends. The medium is asked for whole sectors, and for nothing outside of
 * it, so that a raw device can answer.
 *
 * @param memory where the bytes go: room for so many
 * @throws {ReadError} when the medium does not deliver.
 */
export async function readBytes(
  source: BlockSource,
  offset: number,
  length: number,
  memory: (length: number) => Bytes = (bytes) => new Uint8Array(bytes),
): Promise<Bytes> {
  const { size, sectorSize } = source;
  const end = Math.min(offset + length, size);
  if (offset >= end) return new Uint8Array();
  const first = Math.floor(offset / sectorSize) * sectorSize;
  const sectors = memory(Math.min(Math.ceil(end / sectorSize) * sectorSize, size) - first);
  const count = await source.readAt(first, sectors);
  return sectors.subarray(
    offset - first,
    Math.max(offset - first, Math.min(count, end - first)),
  );
}
