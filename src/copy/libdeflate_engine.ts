/** Streams of deflate by libdeflate, which the system has; see ffi/libdeflate.ts. */
import { type Libdeflate, LIBDEFLATE_SUCCESS } from "../../ffi/libdeflate.ts";
import type { Bytes } from "../core/block.ts";
import { BEST_LEVEL } from "./pack_best.ts";
import { noRoom, type StreamForm, type StreamPacking, type ZlibEngine } from "./zlib_engine.ts";

/** What an Adler-32 begins with (RFC 1950, 8.2). */
const ADLER32_BEGINNING = 1;

/**
 * Packs and unpacks deflate in less time than the runtime's zlib does, into shorter streams.
 * What it cannot do (Zstandard, open blocks, other levels) and storing is left to another
 * engine.
 */
export class LibdeflateEngine implements ZlibEngine {
  readonly #library: Libdeflate;
  readonly #rest: ZlibEngine;
  /** By level. */
  readonly #compressors = new Map<number, Deno.PointerObject>();
  #decompressor: Deno.PointerObject | undefined;
  /** Bytes of the stream, and of what it held. */
  readonly #lengths = [new BigUint64Array(1), new BigUint64Array(1)] as const;

  constructor(library: Libdeflate, rest: ZlibEngine) {
    this.#library = library;
    this.#rest = rest;
  }

  pack(piece: Bytes, form: StreamForm, into: Bytes): number {
    const { packing, level, isOpen } = form;
    const isPossible = packing !== "zstd" && isOpen !== true && level >= 1 && level <= 9;
    if (!isPossible) return this.#rest.pack(piece, form, into);
    const isZlib = packing === "zlib";
    const compress = isZlib
      ? this.#library.libdeflate_zlib_compress
      : this.#library.libdeflate_deflate_compress;
    const compressor = this.#compressor(isZlib ? Math.min(level, BEST_LEVEL) : level);
    const room = BigInt(into.length);
    const written = compress(compressor, piece, BigInt(piece.length), into, room);
    if (written === 0n) throw noRoom(piece);
    return Number(written);
  }

  unpack(stream: Bytes, packing: StreamPacking, into: Bytes): number | undefined {
    if (packing === "zstd") return this.#rest.unpack(stream, packing, into);
    const unpack = packing === "zlib"
      ? this.#library.libdeflate_zlib_decompress_ex
      : this.#library.libdeflate_gzip_decompress_ex;
    const [used, written] = this.#lengths;
    const result = unpack(
      this.#unpacker(),
      stream,
      BigInt(stream.length),
      into,
      BigInt(into.length),
      used,
      written,
    );
    const length = Number(written[0]);
    if (result !== LIBDEFLATE_SUCCESS || length === into.length) return undefined;
    return packing === "zlib" || Number(used[0]) === stream.length ? length : undefined;
  }

  adler32(piece: Bytes): number {
    return this.#library.libdeflate_adler32(ADLER32_BEGINNING, piece, BigInt(piece.length));
  }

  [Symbol.dispose](): void {
    for (const compressor of this.#compressors.values()) {
      this.#library.libdeflate_free_compressor(compressor);
    }
    this.#compressors.clear();
    if (this.#decompressor !== undefined) {
      this.#library.libdeflate_free_decompressor(this.#decompressor);
    }
    this.#decompressor = undefined;
    this.#rest[Symbol.dispose]();
  }

  #compressor(level: number): Deno.PointerObject {
    const known = this.#compressors.get(level);
    if (known !== undefined) return known;
    const compressor = allocated(this.#library.libdeflate_alloc_compressor(level));
    this.#compressors.set(level, compressor);
    return compressor;
  }

  #unpacker(): Deno.PointerObject {
    return this.#decompressor ??= allocated(this.#library.libdeflate_alloc_decompressor());
  }
}

function allocated(pointer: Deno.PointerValue): Deno.PointerObject {
  if (pointer === null) throw new Error("libdeflate has no memory");
  return pointer;
}
