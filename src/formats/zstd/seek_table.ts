/**
 * Where the frames of a file are: Zstandard Seekable Format, version 0.1.0,
 * https://github.com/facebook/zstd/blob/dev/contrib/seekable_format/zstd_seekable_compression_format.md
 *
 * ```
 * skippable frame 0x184d2a5e, the last frame of the file:
 *   entries, one for each frame before:  u32 bytes of the frame
 *                                        u32 bytes of its content; 0 of skippable frames
 *                                        u32 low bits of XXH64 of the content, if bit 7
 *   footer                               u32 entries
 *                                        u8  bit 7 checksums; 6-2 reserved, 0
 *                                        u32 0x8f92eab1
 * ```
 */
import { crc32 } from "node:zlib";
import type { Bytes } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";
import { MAX_PIECES } from "../pieces/piece_table.ts";
import { formatSkippable, SKIPPABLE_HEAD_BYTES, skippableValue } from "./frames.ts";

/** Which of the skippable frames it is. */
const SEEK_TABLE_KIND = 0xe;
const SEEKABLE_MAGIC = 0x8f92eab1;
export const FOOTER_BYTES = 9;
const FLAG_CHECKSUM = 0x80;
const RESERVED_BITS = 0x7c;

/** The frames of a file in front of the table. */
export interface SeekTable {
  /** Bytes of each frame. */
  readonly stored: Uint32Array;
  /** Bytes of the content of each. */
  readonly contents: Uint32Array;
  /** Absent where the table has none. */
  readonly checksums: Uint32Array | undefined;
}

/** A table that was read. */
export interface FoundSeekTable extends SeekTable {
  /** CRC-32 of the frame that it stands in. */
  readonly checksum: number;
}

/** The last frame of a file. */
export function formatSeekTable(
  table: SeekTable & { readonly checksums: Uint32Array },
): Bytes {
  const count = table.stored.length;
  const value = new Uint8Array(count * 12 + FOOTER_BYTES);
  const view = viewOf(value);
  for (let index = 0; index < count; index++) {
    view.setUint32(index * 12, table.stored[index] ?? 0, true);
    view.setUint32(index * 12 + 4, table.contents[index] ?? 0, true);
    view.setUint32(index * 12 + 8, table.checksums[index] ?? 0, true);
  }
  view.setUint32(count * 12, count, true);
  view.setUint8(count * 12 + 4, FLAG_CHECKSUM);
  view.setUint32(count * 12 + 5, SEEKABLE_MAGIC, true);
  return formatSkippable(SEEK_TABLE_KIND, value);
}

/**
 * How many bytes the frame with the table has, as the last bytes of a file say. Undefined
 * when there is no table, or one that is larger than is read.
 */
export function seekTableBytes(footer: Uint8Array): number | undefined {
  if (footer.length !== FOOTER_BYTES) return undefined;
  const view = viewOf(footer);
  const [count, descriptor] = [view.getUint32(0, true), view.getUint8(4)];
  const isTable = view.getUint32(5, true) === SEEKABLE_MAGIC &&
    (descriptor & RESERVED_BITS) === 0;
  if (!isTable || count > MAX_PIECES) return undefined;
  return SKIPPABLE_HEAD_BYTES + count * entryBytes(descriptor) + FOOTER_BYTES;
}

/** Reads the frame with the table. Undefined when it contradicts itself. */
export function parseSeekTable(frame: Uint8Array): FoundSeekTable | undefined {
  const footer = frame.subarray(Math.max(0, frame.length - FOOTER_BYTES));
  const value = skippableValue(frame, SEEK_TABLE_KIND);
  if (value === undefined || seekTableBytes(footer) !== frame.length) return undefined;
  const count = viewOf(footer).getUint32(0, true);
  const step = entryBytes(viewOf(footer).getUint8(4));
  const view = viewOf(value);
  const column = (place: number): Uint32Array =>
    Uint32Array.from(
      { length: count },
      (_, index) => view.getUint32(index * step + place, true),
    );
  return {
    stored: column(0),
    contents: column(4),
    checksums: step === 12 ? column(8) : undefined,
    checksum: crc32(frame),
  };
}

function entryBytes(descriptor: number): number {
  return (descriptor & FLAG_CHECKSUM) !== 0 ? 12 : 8;
}
