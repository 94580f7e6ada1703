/** Compression that others do: formats say what, and know nothing of threads. */
import type { Bytes } from "./block.ts";

/** Pieces of a buffer, each compressed on its own. */
export interface PackedPieces {
  /** The streams one behind the other. The caller's to keep. */
  readonly bytes: Bytes;
  /** Bytes of each stream. */
  readonly lengths: Uint32Array;
}

/** zlib streams (RFC 1950), made and read on all cores. Calls may overlap. */
export interface ZlibService {
  /**
   * Compresses each `pieceBytes` of `bytes` (the last piece may be shorter) on its own; at
   * level 0 nothing gets smaller. `bytes` is not touched until the promise settles. A
   * stream ends with the Adler-32 of its piece, most significant byte first.
   */
  deflate(bytes: Bytes, pieceBytes: number, level: ZlibLevel): Promise<PackedPieces>;
  /**
   * Unpacks streams of at most `maxBytes` each. Answers for each what it held, undefined
   * where it is damaged or longer; what lies behind its end is ignored.
   */
  inflate(
    streams: readonly Bytes[],
    maxBytes: number,
  ): Promise<readonly (Bytes | undefined)[]>;
}

/** 1 is the fastest, 9 the smallest, 0 stores. */
export type ZlibLevel = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;
