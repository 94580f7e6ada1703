/** What stands at the end of a file of gzip that was written here; see members.ts. */
import { crc32 } from "node:zlib";
import type { Bytes } from "../../core/block.ts";
import { asciiText, viewOf } from "../../core/bytes.ts";
import { type ContentNotes, formatNotes, parseNotes } from "../pieces/content_notes.ts";
import { MAX_PIECES } from "../pieces/piece_table.ts";
import {
  emptyMemberBytes,
  emptyMemberValue,
  formatEmptyMember,
  SIZES_PER_INDEX,
} from "./members.ts";

const VERSION = 1;

/** Version, pieceBytes, count, content, offset of the notes, two CRC-32. */
const END_VALUE_BYTES = 1 + 4 + 4 + 8 + 8 + 4 + 4;

/** The last member of the file, always of this length. */
export const END_BYTES = emptyMemberBytes(END_VALUE_BYTES);

/** Members are not larger: they are unpacked in memory. */
const MAX_PIECE_BYTES = 16 * 1024 * 1024;

/** Where members are. */
export interface MemberIndex {
  readonly pieceBytes: number;
  /** Bytes of the members with content, in their order. */
  readonly sizes: Uint32Array;
  readonly notes: ContentNotes;
}

/** What stands in the last member. */
export interface IndexEnd {
  readonly pieceBytes: number;
  readonly count: number;
  readonly contentBytes: number;
  /** Byte of the file where the notes begin, right behind the content. */
  readonly offset: number;
  /** CRC-32 of what lies between there and the last member. */
  readonly crc32: number;
}

/** All members behind those with content, which end at byte `offset`. */
export function formatIndex(index: MemberIndex, offset: number): Bytes[] {
  const { pieceBytes, sizes, notes } = index;
  const members = [formatEmptyMember("N", new TextEncoder().encode(formatNotes(notes)))];
  for (let at = 0; at < sizes.length; at += SIZES_PER_INDEX) {
    const part = sizes.subarray(at, at + SIZES_PER_INDEX);
    const value = new Uint8Array(part.length * 4);
    part.forEach((size, place) => viewOf(value).setUint32(place * 4, size, true));
    members.push(formatEmptyMember("I", value));
  }
  const sum = members.reduce((before, member) => crc32(member, before), 0);
  const contentBytes = notes.size;
  const end = { pieceBytes, count: sizes.length, contentBytes, offset, crc32: sum };
  return [...members, formatEmptyMember("E", formatEnd(end))];
}

function formatEnd(end: IndexEnd): Bytes {
  const value = new Uint8Array(END_VALUE_BYTES);
  const view = viewOf(value);
  view.setUint8(0, VERSION);
  view.setUint32(1, end.pieceBytes, true);
  view.setUint32(5, end.count, true);
  view.setBigUint64(9, BigInt(end.contentBytes), true);
  view.setBigUint64(17, BigInt(end.offset), true);
  view.setUint32(25, end.crc32, true);
  view.setUint32(29, crc32(value.subarray(0, 29)), true);
  return value;
}

/**
 * Reads the last member, of a file with so many bytes. Undefined when it is none of ours,
 * or says what cannot be.
 */
export function parseEnd(bytes: Uint8Array, fileBytes: number): IndexEnd | undefined {
  if (bytes.length !== END_BYTES) return undefined;
  const value = emptyMemberValue(bytes, 0, "E");
  if (value?.length !== END_VALUE_BYTES) return undefined;
  const view = viewOf(value);
  if (view.getUint8(0) !== VERSION) return undefined;
  if (view.getUint32(29, true) !== crc32(value.subarray(0, 29))) return undefined;
  const end = {
    pieceBytes: view.getUint32(1, true),
    count: view.getUint32(5, true),
    contentBytes: Number(view.getBigUint64(9, true)),
    offset: Number(view.getBigUint64(17, true)),
    crc32: view.getUint32(25, true),
  };
  return isPossible(end, fileBytes) ? end : undefined;
}

function isPossible(end: IndexEnd, fileBytes: number): boolean {
  const { pieceBytes, count, contentBytes, offset } = end;
  return pieceBytes > 0 && pieceBytes <= MAX_PIECE_BYTES && count <= MAX_PIECES &&
    Number.isSafeInteger(contentBytes) && Math.ceil(contentBytes / pieceBytes) === count &&
    Number.isSafeInteger(offset) && offset <= fileBytes - END_BYTES &&
    fileBytes - offset <= largestIndexBytes(count);
}

/** Bytes from the notes to the end of the file, at most. */
function largestIndexBytes(count: number): number {
  const members = 2 + Math.ceil(count / SIZES_PER_INDEX);
  return members * emptyMemberBytes(0) + 4 * count + 64 * 1024 + END_VALUE_BYTES;
}

/**
 * Reads the notes and the index, which stand one behind the other. Undefined when anything
 * contradicts the last member or itself.
 */
export function parseIndex(bytes: Uint8Array, end: IndexEnd): MemberIndex | undefined {
  if (crc32(bytes) !== end.crc32) return undefined;
  const text = emptyMemberValue(bytes, 0, "N");
  const notes = text === undefined ? undefined : parseNotes(asciiText(text));
  if (text === undefined || notes?.size !== end.contentBytes) return undefined;
  const sizes = new Uint32Array(end.count);
  let known = 0;
  let at = emptyMemberBytes(text.length);
  while (at < bytes.length) {
    const value = emptyMemberValue(bytes, at, "I");
    const count = (value?.length ?? 0) / 4;
    if (value === undefined || count === 0 || !Number.isInteger(count)) return undefined;
    if (known + count > end.count) return undefined;
    for (let place = 0; place < count; place++) {
      sizes[known++] = viewOf(value).getUint32(place * 4, true);
    }
    at += emptyMemberBytes(value.length);
  }
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (known !== end.count || total !== end.offset) return undefined;
  return { pieceBytes: end.pieceBytes, sizes, notes };
}
