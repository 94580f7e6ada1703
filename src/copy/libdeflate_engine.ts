/** Streams of deflate made by libdeflate, which the system has; see ffi/libdeflate.ts. */
import type { Libdeflate } from "../../ffi/libdeflate.ts";
import type { Bytes } from "../core/block.ts";
import { BEST_LEVEL } from "./pack_best.ts";
import { noRoom, type StreamForm, type StreamPacking, type ZlibEngine } from "./zlib_engine.ts";

/** What an Adler-32 begins with (RFC 1950, 8.2). */
const ADLER32_BEGINNING = 1;

/**
 * Packs deflate in less time than the runtime's zlib does, into shorter streams. Unpacking is
 * left to another engine: libdeflate 1.14 is faster only where no byte is repeated, and takes
 * 24 times as long over zeros. So is what it cannot do (Zstandard, open blocks, other levels),
 * and storing.
 */
export class LibdeflateEngine implements ZlibEngine {
  readonly #library: Libdeflate;
  readonly #rest: ZlibEngine;
  /** By level. */
  readonly #compressors = new Map<number, Deno.PointerObject>();

  constructor(library: Libdeflate, rest: ZlibEngine) {
    this.#library = library;
    this.#rest = rest;
  }

  pack(piece: Bytes, form: StreamForm, into: Bytes): number {
    const { packing, level, isOpen } = form;
    const isPossible = packing !== "zstd" && isOpen !== true && level >= 1 && level <= 9;
    if (!isPossible) return this.#rest.pack(piece, form, into);
    const isZlib = packing === "zlib";
    const compressor = this.#compressor(isZlib ? Math.min(level, BEST_LEVEL) : level);
    // The other engine may have the memory that was not there for this one.
    if (compressor === null) return this.#rest.pack(piece, form, into);
    const compress = isZlib
      ? this.#library.libdeflate_zlib_compress
      : this.#library.libdeflate_deflate_compress;
    const room = BigInt(into.length);
    const written = compress(compressor, piece, BigInt(piece.length), into, room);
    if (written === 0n) throw noRoom(piece);
    return Number(written);
  }

  unpack(stream: Bytes, packing: StreamPacking, into: Bytes): number | undefined {
    return this.#rest.unpack(stream, packing, into);
  }

  adler32(piece: Bytes): number {
    return this.#library.libdeflate_adler32(ADLER32_BEGINNING, piece, BigInt(piece.length));
  }

  [Symbol.dispose](): void {
    for (const compressor of this.#compressors.values()) {
      this.#library.libdeflate_free_compressor(compressor);
    }
    this.#compressors.clear();
    this.#rest[Symbol.dispose]();
  }

  #compressor(level: number): Deno.PointerValue {
    const known = this.#compressors.get(level);
    if (known !== undefined) return known;
    const compressor = this.#library.libdeflate_alloc_compressor(level);
    if (compressor !== null) this.#compressors.set(level, compressor);
    return compressor;
  }
}
