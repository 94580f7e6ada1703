/** Packed pieces as they go from thread to thread; `zlib_pieces.ts` makes and reads them. */
import type { Bytes } from "../core/block.ts";
import type { PackedPiece, PieceForm } from "../core/zlib.ts";
import type { StreamForm, StreamPacking } from "./zlib_engine.ts";

/** How pieces are packed: as zlib streams, or in another form. */
export type PackForm = Omit<PieceForm, "packing"> & Pick<StreamForm, "packing"> & {
  /** Zlib streams only: of one that is not shorter than its piece only the checksum is kept. */
  readonly onlyShorter?: boolean;
};

/** Results one behind the other in one buffer: they change threads in one go. */
export interface JoinedPieces {
  readonly bytes: Bytes;
  /** Bytes of each. */
  readonly lengths: Uint32Array;
  /** CRC-32 of each piece; 0 where nobody needs it. */
  readonly checksums: Uint32Array;
}

/** Where the content of streams may go, in their order. */
export type Places = readonly (Bytes | undefined)[];

/** A byte of deflate holds at most this: two bits stand for 258 bytes (RFC 1951, 3.2.5). */
const LARGEST_RATIO = 1032;

/** The length that stands for a stream which could not be unpacked. */
export const DAMAGED = 0xffff_ffff;

/** Each piece that was packed. They share one buffer. */
export function packedParts({ bytes, lengths, checksums }: JoinedPieces): PackedPiece[] {
  let end = 0;
  return Array.from(lengths, (length, index) => {
    end += length;
    return { bytes: bytes.subarray(end - length, end), crc32: checksums[index] ?? 0 };
  });
}

/**
 * What each stream held; undefined where it was damaged. The parts share one buffer, but for
 * those that are in their places.
 */
export function unpackedParts(
  { bytes, lengths }: JoinedPieces,
  places: Places = [],
): (Bytes | undefined)[] {
  let end = 0;
  return Array.from(lengths, (length, index) => {
    if (length === DAMAGED) return undefined;
    const place = placeOf(places, index, length);
    if (place !== undefined) return place;
    end += length;
    return bytes.subarray(end - length, end);
  });
}

/** The place of what a stream held, where it has room there. */
export function placeOf(places: Places, index: number, length: number): Bytes | undefined {
  const place = places[index];
  return place === undefined || place.length < length ? undefined : place.subarray(0, length);
}

/** Bytes that a stream can hold, at most; `maxBytes` if more would be too many. */
export function unpackedLimit(stream: Bytes, maxBytes: number, packing: StreamPacking): number {
  // Of zstd, four bytes can hold 128 KiB: nothing to go by.
  return packing === "zstd" ? maxBytes : Math.min(maxBytes, stream.length * LARGEST_RATIO);
}
