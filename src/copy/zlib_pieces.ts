/** Packed pieces, made and read on the thread that calls. */
import { crc32 } from "node:zlib";
import { isZero } from "../../ffi/memory.ts";
import type { Bytes } from "../core/block.ts";
import { viewOf } from "../core/bytes.ts";
import type { PieceChecksum } from "../core/zlib.ts";
import { makeEngine } from "./make_engine.ts";
import { isNoise } from "./noise.ts";
import {
  ADLER_BYTES,
  packedBound,
  type StreamPacking,
  type ZlibEngine,
} from "./zlib_engine.ts";
import {
  DAMAGED,
  type JoinedPieces,
  type PackForm,
  placeOf,
  type Places,
  unpackedLimit,
} from "./zlib_parts.ts";

/** Bytes more than can be needed: an engine that fills all of them had no room. */
const SPARE_BYTES = 64;

/** Larger memory is not kept from one call to the next. */
const KEPT_BYTES = 8 * 1024 * 1024;

/** Lengths of zeros that are remembered: an image has its pieces, and one at its end. */
const MOST_PACKED_ZEROS = 16;

/** The level of Zstandard for noise: it is stored at any, and found out soonest at this one. */
const ZSTD_NOISE_LEVEL = 1;

/** Packs and unpacks pieces, one after the other, with memory that it keeps. */
export class ZlibPieces implements Disposable {
  readonly #engine: ZlibEngine;
  /** Streams of zeros by form and length: disks are full of them. */
  readonly #packedZeros = new Map<string, Bytes>();
  #kept: Bytes = new Uint8Array();

  constructor(engine: ZlibEngine = makeEngine()) {
    this.#engine = engine;
  }

  /** Packs each `pieceBytes` on its own; the last piece may be shorter. */
  pack(bytes: Bytes, pieceBytes: number, form: PackForm): JoinedPieces {
    const { before = 0, after = 0 } = form;
    const count = Math.ceil(bytes.length / pieceBytes);
    const lengths = new Uint32Array(count);
    const checksums = new Uint32Array(count);
    const room = before + packedBound(Math.min(pieceBytes, bytes.length)) + after;
    const into = this.#memory(count * room);
    let end = 0;
    for (let index = 0; index < count; index++) {
      const piece = bytes.subarray(index * pieceBytes, (index + 1) * pieceBytes);
      const length = before + this.#packPiece(piece, form, into.subarray(end + before)) + after;
      if (form.packing === "deflate") checksums[index] = crc32(piece);
      lengths[index] = length;
      end += length;
    }
    return { bytes: into.slice(0, end), lengths, checksums };
  }

  /**
   * Unpacks streams of at most `maxBytes` each. They come one behind the other, but for what
   * has room in its place; a length that no stream has stands for one that is damaged, or
   * longer. For `unpackedParts`.
   */
  unpack(
    streams: readonly Bytes[],
    maxBytes: number,
    packing: StreamPacking,
    places: Places = [],
  ): JoinedPieces {
    const lengths = new Uint32Array(streams.length);
    const limits = streams.map((stream) => unpackedLimit(stream, maxBytes, packing));
    const into = this.#memory(limits.reduce((sum, limit) => sum + limit, SPARE_BYTES));
    let end = 0;
    for (const [index, stream] of streams.entries()) {
      const limit = limits[index] ?? 0;
      const room = into.subarray(end, end + limit + SPARE_BYTES);
      const length = this.#engine.unpack(stream, packing, room);
      const isGood = length !== undefined && length <= limit;
      lengths[index] = isGood ? length : DAMAGED;
      if (!isGood) continue;
      const place = placeOf(places, index, length);
      if (place === undefined) end += length;
      else place.set(room.subarray(0, length));
    }
    return { bytes: into.slice(0, end), lengths, checksums: new Uint32Array() };
  }

  /** The checksum of each `pieceBytes`; the last piece may be shorter. */
  checksums(bytes: Bytes, pieceBytes: number, kind: PieceChecksum): JoinedPieces {
    const count = Math.ceil(bytes.length / pieceBytes);
    const checksums = Uint32Array.from({ length: count }, (_, index) => {
      const piece = bytes.subarray(index * pieceBytes, (index + 1) * pieceBytes);
      return kind === "crc32" ? crc32(piece) : this.#engine.adler32(piece);
    });
    return { bytes: new Uint8Array(), lengths: new Uint32Array(), checksums };
  }

  [Symbol.dispose](): void {
    this.#engine[Symbol.dispose]();
  }

  #packPiece(piece: Bytes, form: PackForm, into: Bytes): number {
    if (!isStoring(form) && isZero(piece)) return this.#packZeros(piece, form, into);
    const isHopeless = isStoring(form) || isNoise(piece);
    if (form.onlyShorter && isHopeless) return this.#putChecksum(piece, into);
    const length = this.#engine.pack(piece, isHopeless ? noiseForm(form) : form, into);
    return form.onlyShorter && length >= piece.length ? this.#putChecksum(piece, into) : length;
  }

  /** Most significant byte first, as at the end of a stream. */
  #putChecksum(piece: Bytes, into: Bytes): number {
    viewOf(into).setUint32(0, this.#engine.adler32(piece));
    return ADLER_BYTES;
  }

  #packZeros(zeros: Bytes, form: PackForm, into: Bytes): number {
    const key = `${form.packing} ${form.level} ${form.isOpen} ${zeros.length}`;
    const known = this.#packedZeros.get(key);
    if (known !== undefined) {
      into.set(known);
      return known.length;
    }
    const length = this.#engine.pack(zeros, form, into);
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

function isStoring({ packing, level }: PackForm): boolean {
  return packing !== "zstd" && level === 0;
}

function noiseForm(form: PackForm): PackForm {
  return { ...form, level: form.packing === "zstd" ? ZSTD_NOISE_LEVEL : 0 };
}
