/**
 * Members of gzip as they are written here: RFC 1952, https://www.rfc-editor.org/rfc/rfc1952
 *
 * A file is a row of members with the content, each of `pieceBytes` but for the last, and
 * behind them members without content that tell what lies where. All of them have one
 * subfield in their extra field, "SR"; all numbers are little endian, as gzip has them.
 *
 * ```
 * member   0  1f 8b 08 04 00 00 00 00 XFL ff    flags: FEXTRA; no time; unknown system
 *         10  u16  length of the extra field
 *         12  "SR", u16 length of its value
 *         16  value, which begins with its kind
 *          …  deflate blocks, u32 CRC-32, u32 bytes, both of the content
 *
 * value of a member with content           "M"  u32 bytes of the whole member
 * value of the notes                       "N"  text, see content_notes.ts
 * values of the index, one or more         "I"  u32 bytes of each member with content, in order
 * value of the last member of the file     "E"  u8 version (1)
 *                                               u32 pieceBytes
 *                                               u32 members with content
 *                                               u64 bytes of the content
 *                                               u64 offset of the member with the notes
 *                                               u32 CRC-32 of the file from there up to here
 *                                               u32 CRC-32 of this value so far
 * ```
 *
 * So the members can be found from the end of the file; what says how long one is stands
 * twice, and no unpacker sees anything but content.
 */
import type { Bytes } from "../../core/block.ts";
import { hasAscii, viewOf } from "../../core/bytes.ts";

const FLAG_EXTRA = 4;
const SUBFIELD = "SR";

/** Bytes of a member in front of the value of its subfield. */
const VALUE_OFFSET = 16;

/** CRC-32 and length of the content. */
export const TRAILER_BYTES = 8;

/** Deflate: one block, the last one, with fixed codes and nothing in it (RFC 1951, 3.2.3). */
const EMPTY_DEFLATE = [0x03, 0x00];

/** An extra field has 16 bits for its length. */
const MAX_VALUE_BYTES = 0xffff - 4;

/** Kinds of values. */
export type ValueKind = "M" | "N" | "I" | "E";

/** "M" and the size. */
const MEMBER_VALUE_BYTES = 5;

/** Bytes in front of the deflate blocks of a member with content. */
export const MEMBER_HEAD_BYTES = VALUE_OFFSET + MEMBER_VALUE_BYTES;

/** "I" and as many sizes as fit. */
export const SIZES_PER_INDEX = Math.floor((MAX_VALUE_BYTES - 1) / 4);

/** Puts head and trailer around the blocks of a member, for which room was kept. */
export function completeMember(
  member: Bytes,
  content: { readonly crc32: number; readonly bytes: number; readonly speedFlag: number },
): void {
  member.set(headOf(MEMBER_VALUE_BYTES, content.speedFlag));
  const view = viewOf(member);
  member[VALUE_OFFSET] = "M".charCodeAt(0);
  view.setUint32(VALUE_OFFSET + 1, member.length, true);
  view.setUint32(member.length - 8, content.crc32, true);
  view.setUint32(member.length - 4, content.bytes, true);
}

/** A member without content. */
export function formatEmptyMember(kind: ValueKind, value: Uint8Array): Bytes {
  const valueBytes = value.length + 1;
  if (valueBytes > MAX_VALUE_BYTES) throw new RangeError(`a value of ${valueBytes} bytes`);
  const member = new Uint8Array(emptyMemberBytes(value.length));
  member.set(headOf(valueBytes, 0));
  member[VALUE_OFFSET] = kind.charCodeAt(0);
  member.set(value, VALUE_OFFSET + 1);
  member.set(EMPTY_DEFLATE, VALUE_OFFSET + valueBytes);
  return member;
}

/** Bytes of a member without content, whose value has so many bytes behind its kind. */
export function emptyMemberBytes(valueBytes: number): number {
  return VALUE_OFFSET + 1 + valueBytes + EMPTY_DEFLATE.length + TRAILER_BYTES;
}

function headOf(valueBytes: number, speedFlag: number): Uint8Array {
  const head = new Uint8Array(VALUE_OFFSET);
  head.set([0x1f, 0x8b, 8, FLAG_EXTRA, 0, 0, 0, 0, speedFlag, 0xff]);
  const view = viewOf(head);
  view.setUint16(10, 4 + valueBytes, true);
  head.set(new TextEncoder().encode(SUBFIELD), 12);
  view.setUint16(14, valueBytes, true);
  return head;
}

/** Is this a member with content that has exactly these bytes, and says so? */
export function isMember(bytes: Uint8Array): boolean {
  return bytes.length >= MEMBER_HEAD_BYTES + TRAILER_BYTES &&
    valueAt(bytes, 0, "M")?.length === MEMBER_VALUE_BYTES - 1 &&
    viewOf(bytes).getUint32(VALUE_OFFSET + 1, true) === bytes.length;
}

/** How large the member says that it is; undefined when it is none with content. */
export function memberSize(head: Uint8Array): number | undefined {
  const value = valueAt(head, 0, "M");
  return value?.length === MEMBER_VALUE_BYTES - 1
    ? viewOf(value).getUint32(0, true)
    : undefined;
}

/**
 * What stands behind the kind in the value of the member without content at `offset`;
 * undefined when there is no such member, or not all of it.
 */
export function emptyMemberValue(
  bytes: Uint8Array,
  offset: number,
  kind: ValueKind,
): Uint8Array | undefined {
  const value = valueAt(bytes, offset, kind);
  if (value === undefined) return undefined;
  const end = offset + emptyMemberBytes(value.length);
  if (end > bytes.length) return undefined;
  const rest = bytes.subarray(end - TRAILER_BYTES - EMPTY_DEFLATE.length, end);
  return rest.every((byte, index) => byte === (EMPTY_DEFLATE[index] ?? 0)) ? value : undefined;
}

function valueAt(bytes: Uint8Array, offset: number, kind: ValueKind): Uint8Array | undefined {
  const member = bytes.subarray(offset);
  if (member.length < VALUE_OFFSET + 1) return undefined;
  const isHead = member[0] === 0x1f && member[1] === 0x8b && member[2] === 8 &&
    member[3] === FLAG_EXTRA && hasAscii(member, 12, SUBFIELD) &&
    hasAscii(member, VALUE_OFFSET, kind);
  const view = viewOf(member);
  const valueBytes = view.getUint16(14, true);
  const end = VALUE_OFFSET + valueBytes;
  if (!isHead || view.getUint16(10, true) !== valueBytes + 4 || end > member.length) {
    return undefined;
  }
  return member.subarray(VALUE_OFFSET + 1, end);
}
