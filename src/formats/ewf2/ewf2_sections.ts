/**
 * EWF version 2, sections "Section descriptor", "Section types" and "Data flags",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%202%20(EWF2).asciidoc
 */
import { createHash } from "node:crypto";
import { safeNumber, toHex, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { hasChecksum } from "../ewf/ewf_sections.ts";

// Section descriptor, little endian, behind what stands in the section:
//  0  4  type
//  4  4  data flags: 1 the hash is set, 2 the data is encrypted
//  8  8  offset of the previous descriptor in the file; 0 in the first one
// 16  8  size of the data, its padding included
// 24  4  size of the descriptor
// 28  4  size of the padding
// 32 16  MD5 of the data with its padding
// 48 12  padding, 0
// 60  4  Adler-32 of the bytes before
export const DESCRIPTOR_BYTES = 64;

export const FLAG_HASHED = 1;
export const FLAG_ENCRYPTED = 2;

/** The types of sections, as numbers. */
export const SECTION = {
  device: 0x01,
  case: 0x02,
  sectors: 0x03,
  table: 0x04,
  errors: 0x05,
  sessions: 0x06,
  increment: 0x07,
  md5: 0x08,
  sha1: 0x09,
  restart: 0x0a,
  keys: 0x0b,
  memory: 0x0c,
  next: 0x0d,
  final: 0x0e,
  done: 0x0f,
  analytical: 0x10,
} as const;

const TITLES: ReadonlyMap<number, string> = new Map([
  [SECTION.device, "device information"],
  [SECTION.case, "case data"],
  [SECTION.sectors, "sector data"],
  [SECTION.table, "sector table"],
  [SECTION.errors, "error table"],
  [SECTION.sessions, "session table"],
  [SECTION.increment, "increment data"],
  [SECTION.md5, "MD5 hash"],
  [SECTION.sha1, "SHA1 hash"],
  [SECTION.restart, "restart data"],
  [SECTION.keys, "encryption keys"],
  [SECTION.memory, "memory extents table"],
  [SECTION.next, "next"],
  [SECTION.final, "final information"],
  [SECTION.done, "done"],
  [SECTION.analytical, "analytical data"],
]);

/** What a section is called; a number where nobody knows. */
export function sectionTitle(type: number): string {
  return TITLES.get(type) ?? `0x${type.toString(16)}`;
}

/** Does the specification know sections of this type in a disk image? */
export function isKnownType(type: number): boolean {
  return TITLES.has(type);
}

/** Sections that only logical evidence (.Lx01) has. */
export function isLogicalType(type: number): boolean {
  return type >= 0x20 && type <= 0x23;
}

/** The end of a section, which tells what it is. */
export interface SectionDescriptor {
  readonly type: number;
  readonly flags: number;
  /** Offset of the previous descriptor in the file; 0 where there is none. */
  readonly previous: number;
  /** Bytes of the data, which ends where the descriptor begins. */
  readonly dataBytes: number;
  /** Sixteen bytes; means something where the flags say so. */
  readonly md5: Uint8Array;
}

/** Is the checksum of this descriptor right? False when the bytes are too few. */
export function isSoundDescriptor(bytes: Uint8Array): boolean {
  return bytes.length >= DESCRIPTOR_BYTES &&
    hasChecksum(bytes.subarray(0, DESCRIPTOR_BYTES), DESCRIPTOR_BYTES - 4);
}

/**
 * Reads a section descriptor. Its checksum is a matter of {@linkcode isSoundDescriptor}.
 * `offset` is its place in the file, for the errors.
 *
 * @throws {FormatError} when the bytes are too few, or its numbers contradict each other.
 */
export function parseDescriptor(bytes: Uint8Array, offset: number): SectionDescriptor {
  if (bytes.length < DESCRIPTOR_BYTES) {
    throw new FormatError(`there is no section at byte ${offset}`, offset, "section");
  }
  const view = viewOf(bytes);
  const ownBytes = view.getUint32(24, true);
  if (ownBytes !== DESCRIPTOR_BYTES) {
    const message = `a section descriptor has ${ownBytes} bytes`;
    throw new FormatError(message, offset, "section descriptor size");
  }
  const dataBytes = safeNumber(view.getBigUint64(16, true), "data size", offset);
  const paddingBytes = view.getUint32(28, true);
  if (paddingBytes > dataBytes) {
    const message = `${dataBytes} bytes of data cannot hold ${paddingBytes} of padding`;
    throw new FormatError(message, offset, "padding size");
  }
  return {
    type: view.getUint32(0, true),
    flags: view.getUint32(4, true),
    previous: safeNumber(view.getBigUint64(8, true), "previous section offset", offset),
    dataBytes,
    md5: bytes.slice(32, 48),
  };
}

/** Is this the MD5 of the data? */
export function hasIntegrityHash(data: Uint8Array, md5: Uint8Array): boolean {
  return createHash("md5").update(data).digest("hex") === toHex(md5);
}
