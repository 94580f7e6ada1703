/** NTFS documentation, concept Attribute Header, https://flatcap.github.io/linux-ntfs/ntfs/concepts/attribute_header.html */
import { safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";

// Attribute, little endian; it begins and ends on multiples of 8:
//  0 4 type, FFFFFFFFh is the end
//  4 4 length of all of it
//  8 1 0: resident, its content is here; 1: non-resident, it lies in clusters
//  9 1 UTF-16 units in its name
// 10 2 offset of its name
// 12 2 flags: FFh compressed, 4000h encrypted, 8000h sparse
// 14 2 its identifier in this file
// Resident:
// 16 4 length of its content
// 20 2 offset of its content
// Non-resident:
// 16 8 first virtual cluster (VCN) of this extent
// 24 8 last VCN of this extent, -1 when there is none
// 32 2 offset of its mapping pairs
// 40 8 allocated bytes, 48 8 bytes, 56 8 bytes that were ever written: in the first extent only
const HEADER_BYTES = 24;
const NON_RESIDENT_BYTES = 64;
const END = 0xffffffff;

/** Types of attributes. */
export const ATTRIBUTE_LIST = 0x20;
export const FILE_NAME = 0x30;
export const VOLUME_NAME = 0x60;
export const VOLUME_INFORMATION = 0x70;
export const DATA = 0x80;

interface AttributeHeader {
  readonly type: number;
  /** UTF-16; "" for the unnamed one. */
  readonly name: string;
  readonly flags: number;
  readonly id: number;
  /** Byte offset on the volume of the record that holds it, for errors. */
  readonly offset: number;
}

/** An attribute whose content is in the file record. */
export interface ResidentAttribute extends AttributeHeader {
  readonly content: Uint8Array;
}

/** An attribute, or an extent of one, whose content lies in clusters. */
export interface NonResidentAttribute extends AttributeHeader {
  readonly content: undefined;
  readonly firstVcn: number;
  /** -1 when there is none. */
  readonly lastVcn: number;
  /** Sizes in bytes; zero but in the first extent. */
  readonly allocatedBytes: number;
  readonly dataBytes: number;
  readonly initializedBytes: number;
  readonly mappingPairs: Uint8Array;
}

/** A property of a file: its name, its content, ... */
export type Attribute = ResidentAttribute | NonResidentAttribute;

/**
 * Reads the attributes of a file record, of which `record` is the part in use and `start` the
 * offset of the first one. `offset` is its place on the volume.
 *
 * @throws {FormatError} when one of them reaches outside of the record or of itself.
 */
export function parseAttributes(
  record: Uint8Array,
  start: number,
  offset: number,
): readonly Attribute[] {
  const view = viewOf(record);
  const attributes: Attribute[] = [];
  let at = start;
  while (at + 4 <= record.length && view.getUint32(at, true) !== END) {
    const length = at + HEADER_BYTES <= record.length ? view.getUint32(at + 4, true) : 0;
    if (length < HEADER_BYTES || length % 8 !== 0 || at + length > record.length) {
      throw impossible(offset, "length");
    }
    attributes.push(parseAttribute(record.subarray(at, at + length), offset));
    at += length;
  }
  if (at + 4 > record.length) throw impossible(offset, "end");
  return attributes;
}

function parseAttribute(bytes: Uint8Array, offset: number): Attribute {
  const view = viewOf(bytes);
  const nameUnits = bytes[9] ?? 0;
  const header: AttributeHeader = {
    type: view.getUint32(0, true),
    name: nameUnits === 0 ? "" : nameAt(bytes, view.getUint16(10, true), nameUnits, offset),
    flags: view.getUint16(12, true),
    id: view.getUint16(14, true),
    offset,
  };
  const form = bytes[8];
  if (form === 0) {
    const start = view.getUint16(20, true);
    const end = start + view.getUint32(16, true);
    if (start < HEADER_BYTES || end > bytes.length) throw impossible(offset, "content");
    return { ...header, content: bytes.subarray(start, end) };
  }
  if (form !== 1) throw impossible(offset, "form");
  return parseNonResident(view, bytes, header);
}

function parseNonResident(
  view: DataView,
  bytes: Uint8Array,
  header: AttributeHeader,
): NonResidentAttribute {
  const { offset } = header;
  if (bytes.length < NON_RESIDENT_BYTES) throw impossible(offset, "length");
  const pairs = view.getUint16(32, true);
  if (pairs < NON_RESIDENT_BYTES || pairs >= bytes.length) {
    throw impossible(offset, "mapping pairs");
  }
  const firstVcn = safeNumber(view.getBigUint64(16, true), "first VCN", offset);
  const nextVcn = safeNumber(view.getBigInt64(24, true) + 1n, "last VCN", offset);
  const isFirst = firstVcn === 0;
  const size = (at: number, field: string): number =>
    isFirst ? safeNumber(view.getBigUint64(at, true), field, offset) : 0;
  return {
    ...header,
    content: undefined,
    firstVcn,
    lastVcn: nextVcn - 1,
    allocatedBytes: size(40, "allocated size"),
    dataBytes: size(48, "data size"),
    initializedBytes: size(56, "initialized size"),
    mappingPairs: bytes.subarray(pairs),
  };
}

/**
 * The UTF-16 units from `start`.
 *
 * @throws {FormatError} when they reach outside of the bytes.
 */
export function nameAt(
  bytes: Uint8Array,
  start: number,
  units: number,
  offset: number,
): string {
  if (start + 2 * units > bytes.length) throw impossible(offset, "name");
  const view = viewOf(bytes);
  let name = "";
  for (let at = start; at < start + 2 * units; at += 2) {
    name += String.fromCharCode(view.getUint16(at, true));
  }
  return name;
}

function impossible(offset: number, field: string): FormatError {
  return new FormatError(
    `the file record at byte ${offset} holds an attribute with an impossible ${field}`,
    offset,
    field,
  );
}
