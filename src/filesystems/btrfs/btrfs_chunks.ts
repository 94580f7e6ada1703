/** Btrfs on-disk format, section "CHUNK_ITEM", https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html */
import { safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { endOf, type Range } from "../../core/range.ts";
import type { BtrfsSuperblock } from "./btrfs_superblock.ts";

// A chunk, little endian; the offset of its key is its logical address:
//   0  8 length
//   8  8 owner, 2
//  24  8 type: what it holds, and how it is laid out
//  44  2 num_stripes
//  48    for each stripe: 8 devid, 8 offset on the device, 16 UUID of the device
const CHUNK_BYTES = 48;
const STRIPE_BYTES = 32;
const EXTENT_TREE = 2n;

// In the array of the superblock each chunk comes behind its key:
//   0  8 objectid, 256
//   8  1 type, 228
//   9  8 offset
const KEY_BYTES = 17;

/** Key of a chunk. */
export const FIRST_CHUNK_TREE = 256n;
export const CHUNK_ITEM = 228;

/** What a chunk holds: bits of its type. */
export const DATA = 1;
export const SYSTEM = 2;
export const METADATA = 4;
const CONTENTS = DATA | SYSTEM | METADATA;
const DUP = 32;

/** Where a piece of the logical address space is. */
export interface BtrfsChunk {
  readonly logical: number;
  /** Bytes. */
  readonly length: number;
  /** DATA, SYSTEM, METADATA and DUP. */
  readonly type: number;
  /** First bytes on the device: one, or two that hold the same. */
  readonly stripes: readonly number[];
}

/**
 * Reads a chunk that is on this device as it is, or twice.
 *
 * @throws {FormatError} for other layouts and impossible fields; `at` is its place.
 */
export function parseBtrfsChunk(
  bytes: Uint8Array,
  logicalAddress: bigint,
  superblock: BtrfsSuperblock,
  at: number,
): BtrfsChunk {
  check(bytes.length >= CHUNK_BYTES, at, "size");
  const view = viewOf(bytes);
  const logical = safeNumber(logicalAddress, "logical", at);
  const length = safeNumber(view.getBigUint64(0, true), "length", at);
  check(length > 0 && length % superblock.sectorsize === 0, at, "length");
  check(logical % superblock.sectorsize === 0, at, "logical");
  check(Number.isSafeInteger(logical + length), at, "logical");
  check(view.getBigUint64(8, true) === EXTENT_TREE, at, "owner");
  const flags = view.getBigUint64(24, true);
  const isKnown = (flags & ~BigInt(CONTENTS | DUP)) === 0n;
  check(isKnown, at, "type", "it has chunks that are laid out as RAID, or not as is known");
  const type = Number(flags);
  check((type & CONTENTS) !== 0, at, "type");
  const count = view.getUint16(44, true);
  check(count === ((type & DUP) === 0 ? 1 : 2), at, "num_stripes");
  check(bytes.length === CHUNK_BYTES + count * STRIPE_BYTES, at, "size");
  const stripes = Array.from({ length: count }, (_, index) => {
    const start = CHUNK_BYTES + index * STRIPE_BYTES;
    return parseStripe(bytes.subarray(start, start + STRIPE_BYTES), length, superblock, at);
  });
  return { logical, length, type, stripes };
}

/** The first byte of a stripe, all of which lies on the device. */
function parseStripe(
  bytes: Uint8Array,
  length: number,
  { devid, deviceUuid, total_bytes }: BtrfsSuperblock,
  at: number,
): number {
  const view = viewOf(bytes);
  const isHere = view.getBigUint64(0, true) === devid &&
    deviceUuid.every((byte, index) => byte === bytes[16 + index]);
  check(isHere, at, "devid", "some of its chunks are on another device");
  const offset = safeNumber(view.getBigUint64(8, true), "offset", at);
  check(offset + length <= total_bytes, at, "offset");
  return offset;
}

function check(
  isRight: boolean,
  at: number,
  field: string,
  message = `the ${field} of one of its chunks is impossible`,
): void {
  if (!isRight) throw new FormatError(message, at, field);
}

/** The chunks that are in the superblock: those that the chunk tree itself lies in. */
export function parseSystemChunks(
  superblock: BtrfsSuperblock,
  at: number,
): readonly BtrfsChunk[] {
  const { sys_chunk_array } = superblock;
  const view = viewOf(sys_chunk_array);
  const chunks: BtrfsChunk[] = [];
  for (let position = 0; position < sys_chunk_array.length;) {
    const start = position + KEY_BYTES;
    const end = start + CHUNK_BYTES;
    const isChunk = end <= sys_chunk_array.length &&
      view.getBigUint64(position, true) === FIRST_CHUNK_TREE &&
      view.getUint8(position + 8) === CHUNK_ITEM;
    const stripes = isChunk ? view.getUint16(start + 44, true) : 0;
    const chunkBytes = CHUNK_BYTES + stripes * STRIPE_BYTES;
    if (!isChunk || start + chunkBytes > sys_chunk_array.length) {
      throw new FormatError("its sys_chunk_array is impossible", at, "sys_chunk_array");
    }
    const bytes = sys_chunk_array.subarray(start, start + chunkBytes);
    const logical = view.getBigUint64(position + 9, true);
    chunks.push(parseBtrfsChunk(bytes, logical, superblock, at));
    position = start + chunkBytes;
  }
  return chunks;
}

/** Leads from logical addresses to places on the device. */
export class BtrfsChunkMap {
  /** Ascending by logical address. */
  readonly chunks: readonly BtrfsChunk[];

  /** @throws {FormatError} when two of them overlap, by address or on the device. */
  constructor(chunks: readonly BtrfsChunk[]) {
    this.chunks = chunks.toSorted((a, b) => a.logical - b.logical);
    checkApart(this.chunks.map(({ logical, length }) => ({ offset: logical, length })));
    checkApart(
      chunks.flatMap(({ stripes, length }) => stripes.map((offset) => ({ offset, length })))
        .toSorted((a, b) => a.offset - b.offset),
    );
  }

  /** The chunk that all of these bytes are in. @throws {FormatError} when there is none. */
  find(logical: number, length: number): BtrfsChunk {
    let low = 0;
    let high = this.chunks.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.chunks[middle]?.logical ?? Infinity) <= logical) low = middle;
      else high = middle;
    }
    const chunk = this.chunks[low];
    if (
      chunk === undefined || logical < chunk.logical ||
      logical + length > chunk.logical + chunk.length
    ) {
      throw new FormatError(`no chunk holds its address ${logical}`, logical, "logical");
    }
    return chunk;
  }

  /** All places on the device that hold these bytes. */
  placesOf(logical: number, length: number): readonly Range[] {
    const chunk = this.find(logical, length);
    return chunk.stripes.map((offset) => ({
      offset: offset + logical - chunk.logical,
      length,
    }));
  }
}

function checkApart(ranges: readonly Range[]): void {
  for (const [index, range] of ranges.entries()) {
    const last = ranges[index - 1];
    if (last !== undefined && endOf(last) > range.offset) {
      throw new FormatError("its chunks overlap", range.offset, "chunk");
    }
  }
}
