/** Images of EWF version 2, in memory: opened, and put together by the specification. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { deflateSync } from "node:zlib";
import type { Bytes } from "../../src/core/block.ts";
import { viewOf } from "../../src/core/bytes.ts";
import { adler32 } from "../../src/formats/ewf/adler32.ts";
import { openEwf2 } from "../../src/formats/ewf2/ewf2_reader.ts";
import type { OpenedImage } from "../../src/formats/image_format.ts";
import { type ImageFiles, MemoryFolder } from "./ewf_images.ts";

export const DESCRIPTOR_BYTES = 64;
export const HEADER_BYTES = 32;

/** Opens an image in memory by its first file. */
export async function openFiles2(files: ImageFiles): Promise<OpenedImage> {
  return await openFolder2(new MemoryFolder(files));
}

/** Opens the image that this folder names. */
export async function openFolder2(folder: MemoryFolder): Promise<OpenedImage> {
  const file = await folder.open(folder.name);
  if (file === undefined) throw new Error(`There is no ${folder.name}`);
  return await openEwf2(file, { folder });
}

/** A section to be written. */
export interface CraftedSection {
  readonly type: number;
  /** What stands in it, where its data begins at this byte of the file. */
  readonly data: (at: number) => Uint8Array;
  readonly flags?: number;
  /** Bytes in front of the data that its size does not count. */
  readonly before?: number;
  /** Instead of the MD5 of the data where the flags say that there is one. */
  readonly md5?: Uint8Array;
  /** Instead of where the descriptor before it is. */
  readonly previous?: (right: number) => bigint;
  /** Instead of the bytes of the data. */
  readonly dataBytes?: (right: number) => bigint;
  readonly paddingBytes?: number;
}

/** What the header of a segment says. */
export interface CraftedHeader {
  readonly number?: number;
  readonly compression?: number;
  readonly version?: readonly [major: number, minor: number];
  readonly setByte?: number;
}

export function section(
  type: number,
  data: Uint8Array = new Uint8Array(),
  more: Partial<CraftedSection> = {},
): CraftedSection {
  return { type, data: () => data, ...more };
}

export function fileHeader(header: CraftedHeader = {}): Bytes {
  const { number = 1, compression = 1, version = [2, 1], setByte = 0xa1 } = header;
  const bytes = new Uint8Array(HEADER_BYTES).fill(setByte, 16);
  bytes.set(Buffer.from("EVF2\r\n\x81\0", "latin1"));
  bytes.set(version, 8);
  viewOf(bytes).setUint16(10, compression, true);
  viewOf(bytes).setUint32(12, number, true);
  return bytes;
}

/** A segment file. */
export function segmentOf(
  sections: readonly CraftedSection[],
  header: CraftedHeader = {},
): Bytes {
  const parts: Uint8Array[] = [fileHeader(header)];
  let at = HEADER_BYTES;
  let previous = 0;
  for (const each of sections) {
    parts.push(new Uint8Array(each.before ?? 0).fill(0xee));
    at += each.before ?? 0;
    const data = each.data(at);
    parts.push(data, descriptorOf(each, data, previous));
    previous = at + data.length;
    at = previous + DESCRIPTOR_BYTES;
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** What stands behind the data of a section. */
export function descriptorOf(
  each: CraftedSection,
  data: Uint8Array,
  previous: number,
): Bytes {
  const bytes = new Uint8Array(DESCRIPTOR_BYTES);
  const view = viewOf(bytes);
  const flags = each.flags ?? 0;
  view.setUint32(0, each.type, true);
  view.setUint32(4, flags, true);
  view.setBigUint64(8, each.previous?.(previous) ?? BigInt(previous), true);
  view.setBigUint64(16, each.dataBytes?.(data.length) ?? BigInt(data.length), true);
  view.setUint32(24, DESCRIPTOR_BYTES, true);
  view.setUint32(28, each.paddingBytes ?? 0, true);
  if ((flags & 1) !== 0) {
    bytes.set(each.md5 ?? createHash("md5").update(data).digest(), 32);
  }
  view.setUint32(60, adler32(bytes.subarray(0, 60)), true);
  return bytes;
}

/** Tags and values as they stand in a serialized object. */
export type Tags = Readonly<Record<string, string | number>>;

/** A serialized object, packed, with padding behind it. */
export function serialized(tags: Tags, lines: readonly string[] = ["1", "main"]): Bytes {
  const text = [...lines, Object.keys(tags).join("\t"), Object.values(tags).join("\t"), "", ""]
    .join("\n");
  return aligned(deflateSync(Buffer.from(`\ufeff${text}`, "utf16le")));
}

/** The bytes with zeros behind them up to a multiple of 16. */
export function aligned(bytes: Uint8Array): Bytes {
  const all = new Uint8Array(Math.ceil(bytes.length / 16) * 16);
  all.set(bytes);
  return all;
}

/** A table: what it begins with, 16 bytes; its entries; their checksums. */
function table(beginning: Uint8Array, entries: Uint8Array): Bytes {
  const bytes = new Uint8Array(32 + entries.length + 16);
  bytes.set(beginning);
  viewOf(bytes).setUint32(16, adler32(bytes.subarray(0, 16)), true);
  bytes.set(entries, 32);
  viewOf(bytes).setUint32(32 + entries.length, adler32(entries), true);
  return bytes;
}

/** An entry of a sector table. */
export interface CraftedEntry {
  readonly offset: bigint;
  readonly size: number;
  readonly flags: number;
}

export function sectorTable(
  first: bigint,
  entries: readonly CraftedEntry[],
  count = entries.length,
): Bytes {
  const beginning = new Uint8Array(16);
  viewOf(beginning).setBigUint64(0, first, true);
  viewOf(beginning).setUint32(8, count, true);
  const bytes = new Uint8Array(entries.length * 16);
  const view = viewOf(bytes);
  for (const [index, { offset, size, flags }] of entries.entries()) {
    view.setBigUint64(index * 16, offset, true);
    view.setUint32(index * 16 + 8, size, true);
    view.setUint32(index * 16 + 12, flags, true);
  }
  return table(beginning, bytes);
}

/** An error table (16 bytes an entry) or a session table (32 bytes). */
export function runTable(
  runs: readonly (readonly [first: bigint, value: number])[],
  entryBytes: number,
  count = runs.length,
): Bytes {
  const beginning = new Uint8Array(16);
  viewOf(beginning).setUint32(0, count, true);
  const bytes = new Uint8Array(runs.length * entryBytes);
  const view = viewOf(bytes);
  for (const [index, [first, value]] of runs.entries()) {
    view.setBigUint64(index * entryBytes, first, true);
    view.setUint32(index * entryBytes + 8, value, true);
  }
  return table(beginning, bytes);
}

/** An MD5 or SHA-1 with its checksum. */
export function digestData(hex: string): Bytes {
  const digest = Buffer.from(hex, "hex");
  const bytes = aligned(new Uint8Array(digest.length + 4));
  bytes.set(digest);
  viewOf(bytes).setUint32(digest.length, adler32(digest), true);
  return bytes;
}

export const PACKED = 1;
export const CHECKSUMMED = 2;
export const FILLED = 4;

/** A chunk as it is stored. */
export interface CraftedChunk {
  readonly bytes: Uint8Array;
  readonly flags: number;
}

export function plainChunk(content: Uint8Array, flags = CHECKSUMMED): CraftedChunk {
  const bytes = new Uint8Array(content.length + 4);
  bytes.set(content);
  viewOf(bytes).setUint32(content.length, adler32(content), true);
  return { bytes, flags };
}

export function packedChunk(content: Uint8Array, flags = PACKED): CraftedChunk {
  return { bytes: deflateSync(content), flags };
}

/** Sector data and the table behind it, which can be changed. */
export function group(
  first: number,
  chunks: readonly CraftedChunk[],
  change: (entries: readonly CraftedEntry[]) => readonly CraftedEntry[] = (same) => same,
  alignment = 16,
): CraftedSection[] {
  const starts: number[] = [];
  let length = 0;
  for (const { bytes } of chunks) {
    starts.push(length);
    length += Math.ceil(bytes.length / alignment) * alignment;
  }
  const data = new Uint8Array(length);
  for (const [index, { bytes }] of chunks.entries()) data.set(bytes, starts[index]);
  let dataAt = 0;
  const entries = (): readonly CraftedEntry[] =>
    chunks.map(({ bytes, flags }, index) => ({
      offset: BigInt(dataAt + (starts[index] ?? 0)),
      size: bytes.length,
      flags,
    }));
  return [
    section(0x03, data, {
      data: (at) => {
        dataAt = at;
        return data;
      },
    }),
    section(0x04, undefined, { data: () => sectorTable(BigInt(first), change(entries())) }),
  ];
}
