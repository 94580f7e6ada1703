/** Compression that others do: formats say what, and know nothing of threads. */
import type { Bytes } from "./block.ts";

/** Compression and checksums, done on all cores. Calls may overlap. */
export interface ZlibService {
  /**
   * Packs each `pieceBytes` of `bytes` (the last piece may be shorter) into a zlib stream
   * (RFC 1950) of its own; at level 0 nothing gets smaller. `bytes` is not touched until the
   * promise settles. The streams, which can share buffers, are the caller's to keep. A
   * stream ends with the Adler-32 of its piece, most significant byte first. With
   * `onlyShorter` that alone, 4 bytes, can stand for a piece whose stream is not shorter.
   */
  deflate(
    bytes: Bytes,
    pieceBytes: number,
    level: ZlibLevel,
    onlyShorter?: boolean,
  ): Promise<readonly Bytes[]>;
  /**
   * Unpacks zlib streams of at most `maxBytes` each. Answers for each what it held,
   * undefined where it is damaged or longer; what lies behind its end is ignored. What has
   * room in its place of `places`, where there is one, can be put there, and is answered as
   * a part of it then. The places are touched by nobody else until the promise settles.
   */
  inflate(
    streams: readonly Bytes[],
    maxBytes: number,
    places?: readonly (Bytes | undefined)[],
  ): Promise<readonly (Bytes | undefined)[]>;
  /** Packs pieces as `deflate` does, in another form. */
  pack(bytes: Bytes, pieceBytes: number, form: PieceForm): Promise<readonly PackedPiece[]>;
  /**
   * Unpacks pieces of at most `maxBytes` each: one member of gzip (RFC 1952) or one frame of
   * Zstandard (RFC 8878) each. Answers for each what it held, undefined where it is damaged,
   * longer, or followed by anything. Checksums were right, where they were there: whoever
   * asks for frames makes sure that they are all there, for Zstandard does not tell.
   */
  unpack(
    pieces: readonly Bytes[],
    maxBytes: number,
    packing: PiecePacking,
  ): Promise<readonly (Bytes | undefined)[]>;
  /** The checksum of each `pieceBytes` of `bytes`; the last piece may be shorter. */
  checksums(
    bytes: Bytes,
    pieceBytes: number,
    kind: PieceChecksum,
  ): Promise<Uint32Array>;
}

/** 1 is the fastest, 9 the smallest, 0 stores. */
export type ZlibLevel = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;

/** How pieces are to be packed. */
export interface PieceForm {
  /**
   * `deflate`: bare blocks (RFC 1951). `zstd`: a frame (RFC 8878) that tells the size of its
   * content and ends with its checksum.
   */
  readonly packing: "deflate" | "zstd";
  /** 0 to 9 for deflate, see {@linkcode ZlibLevel}; 1 to 22 for zstd. */
  readonly level: number;
  /**
   * Deflate only: the last block is an empty one and does not say that it is the last, so
   * that other blocks can follow from the next byte on.
   */
  readonly isOpen?: boolean | undefined;
  /** Bytes to keep free in front of each stream; none where it is absent. */
  readonly before?: number | undefined;
  /** Bytes to keep free behind each stream; none where it is absent. */
  readonly after?: number | undefined;
}

/** A piece that was packed. */
export interface PackedPiece {
  /** The stream, and the free bytes around it, which hold anything. The caller's to change. */
  readonly bytes: Bytes;
  /** CRC-32 of the piece; 0 unless its packing is deflate. */
  readonly crc32: number;
}

/** What pieces of images are packed as, in files. */
export type PiecePacking = "gzip" | "zstd";

/** Adler-32 (RFC 1950, 8.2), CRC-32 (RFC 1952, 8). */
export type PieceChecksum = "adler32" | "crc32";
