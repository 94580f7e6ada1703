/** Decompression that others do: formats say what, and know nothing of threads. */
import type { BlockSource, Bytes } from "./block.ts";

/**
 * How a stream is packed: gzip (RFC 1952), zstd (RFC 8878), xz (.xz file format), bzip2, lz4
 * (frame format), deflate (RFC 1951, without a header).
 */
export type Packing = "gzip" | "zstd" | "xz" | "bzip2" | "lz4" | "deflate";

/** Unpacks streams beside the thread that asks. */
export interface UnpackService {
  /**
   * Begins to unpack what `packed` holds, from its beginning to its end: all streams of that
   * packing that follow each other. Nothing is read before the first call of `read`.
   * `packed` stays the caller's to close.
   */
  unpack(packing: Packing, packed: BlockSource): UnpackedStream;
}

/** What comes out. */
export interface UnpackedStream extends AsyncDisposable {
  /** Bytes of the packed file that were used so far. */
  readonly packedBytes: number;
  /**
   * The next bytes: until `into` is full or the content ends; 0 is the end, and that all
   * checksums on the way were right. Calls must not overlap.
   *
   * @throws {FormatError} when the stream is damaged, ends early, or is followed by what is no
   * stream of its packing; `offset` is the place in the packed file as nearly as it is known.
   * @throws {ReadError} when the file does not deliver.
   */
  read(into: Bytes): Promise<number>;
}
