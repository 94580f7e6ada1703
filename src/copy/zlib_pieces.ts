/** zlib streams (RFC 1950) of pieces, made and read on the thread that calls. */
import { isZero } from "../../ffi/memory.ts";
import type { Bytes } from "../core/block.ts";
import type { PackedPieces, ZlibLevel } from "../core/zlib.ts";
import { isNoise } from "./noise.ts";
import { makeEngine, packedBound, type ZlibEngine } from "./zlib_engine.ts";

/** A byte of a stream holds at most this: two bits stand for 258 bytes (RFC 1951, 3.2.5). */
const LARGEST_RATIO = 1032;

/** The length that stands for a stream which could not be unpacked. */
const DAMAGED = 0xffff_ffff;

/** Bytes more than can be needed: an engine that fills all of them had no room. */
const SPARE_BYTES = 64;

/** Larger memory is not kept from one call to the next. */
const KEPT_BYTES = 4 * 1024 * 1024;

/** Lengths of zeros that are remembered: an image has its pieces, and one at its end. */
const MOST_PACKED_ZEROS = 16;

/** Packs and unpacks pieces, one after the other, with memory that it keeps. */
export class ZlibPieces {
  readonly #engine: ZlibEngine;
  /** Streams of zeros by level and length: disks are full of them. */
  readonly #packedZeros = new Map<string, Bytes>();
  #kept: Bytes = new Uint8Array();

  constructor(engine: ZlibEngine = makeEngine()) {
    this.#engine = engine;
  }

  /** Packs each `pieceBytes` on its own; the last piece may be shorter. */
  pack(bytes: Bytes, pieceBytes: number, level: ZlibLevel): PackedPieces {
    const lengths = new Uint32Array(Math.ceil(bytes.length / pieceBytes));
    const into = this.#memory(lengths.length * packedBound(Math.min(pieceBytes, bytes.length)));
    let end = 0;
    for (let index = 0; index < lengths.length; index++) {
      const piece = bytes.subarray(index * pieceBytes, (index + 1) * pieceBytes);
      lengths[index] = this.#packPiece(piece, level, into.subarray(end));
      end += lengths[index] ?? 0;
    }
    return { bytes: into.slice(0, end), lengths };
  }

  /**
   * Unpacks streams of at most `maxBytes` each. They come one behind the other; a length
   * that no stream has stands for one that is damaged, or longer. For
   * {@linkcode unpackedParts}.
   */
  unpack(streams: readonly Bytes[], maxBytes: number): PackedPieces {
    const lengths = new Uint32Array(streams.length);
    const limits = streams.map((stream) => unpackedLimit(stream, maxBytes));
    const into = this.#memory(limits.reduce((sum, limit) => sum + limit, SPARE_BYTES));
    let end = 0;
    for (const [index, stream] of streams.entries()) {
      const limit = limits[index] ?? 0;
      const room = into.subarray(end, end + limit + SPARE_BYTES);
      const length = this.#engine.inflate(stream, room);
      const isGood = length !== undefined && length <= limit;
      lengths[index] = isGood ? length : DAMAGED;
      if (isGood) end += length;
    }
    return { bytes: into.slice(0, end), lengths };
  }

  #packPiece(piece: Bytes, level: ZlibLevel, into: Bytes): number {
    if (level === 0) return this.#engine.deflate(piece, 0, into);
    if (isZero(piece)) return this.#packZeros(piece, level, into);
    return this.#engine.deflate(piece, isNoise(piece) ? 0 : engineLevel(level), into);
  }

  #packZeros(zeros: Bytes, level: ZlibLevel, into: Bytes): number {
    const key = `${level} ${zeros.length}`;
    const known = this.#packedZeros.get(key);
    if (known !== undefined) {
      into.set(known);
      return known.length;
    }
    const length = this.#engine.deflate(zeros, engineLevel(level), into);
    if (this.#packedZeros.size >= MOST_PACKED_ZEROS) this.#packedZeros.clear();
    this.#packedZeros.set(key, into.slice(0, length));
    return length;
  }

  #memory(length: number): Bytes {
    if (this.#kept.length >= length) return this.#kept;
    const memory = new Uint8Array(length);
    if (length <= KEPT_BYTES) this.#kept = memory;
    return memory;
  }
}

/**
 * Level 1 of the runtime's zlib is another than zlib's: its streams are a sixth longer. At
 * level 2 they are as short as zlib's at level 1, and still made sooner.
 */
function engineLevel(level: ZlibLevel): ZlibLevel {
  return level === 1 ? 2 : level;
}

/** What each stream held; undefined where it was damaged. The parts share one buffer. */
export function unpackedParts({ bytes, lengths }: PackedPieces): (Bytes | undefined)[] {
  let end = 0;
  return Array.from(lengths, (length) => {
    if (length === DAMAGED) return undefined;
    end += length;
    return bytes.subarray(end - length, end);
  });
}

/** Bytes that a stream can hold, at most; `maxBytes` if more would be too many. */
export function unpackedLimit(stream: Bytes, maxBytes: number): number {
  return Math.min(maxBytes, stream.length * LARGEST_RATIO);
}

/** All of them, one behind the other, in memory of its own. */
export function concatenated(parts: readonly Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.length;
  }
  return whole;
}
