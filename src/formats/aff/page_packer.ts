import type { Bytes } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";
import type { ZlibService } from "../../core/zlib.ts";
import { md5 } from "../../hashes/md5_and_sha.ts";
import type { Compression } from "../image_format.ts";
import { FLAG_PLAIN, FLAG_ZERO, FLAG_ZLIB, FLAG_ZLIB_MAX } from "./page_flags.ts";

/** A page as it is stored. */
export interface PackedPage {
  readonly flag: number;
  readonly data: Bytes;
  /** Of pages that are stored as they are; the others have a checksum of zlib. */
  readonly md5: Uint8Array | undefined;
}

/**
 * Packs a page as AFFLIB does: of zeros only their number is stored, and what zlib makes no
 * smaller is stored as it is. `page` must not change until this resolves; the data can be
 * the page itself.
 */
export async function packPage(
  page: Bytes,
  compression: Compression,
  zlib: ZlibService | undefined,
): Promise<PackedPage> {
  if (isZero(page)) {
    const data = new Uint8Array(4);
    viewOf(data).setUint32(0, page.length);
    return { flag: FLAG_ZERO, data, md5: undefined };
  }
  if (compression !== "none" && zlib !== undefined) {
    const isBest = compression === "best";
    const [data] = await zlib.deflate(page, page.length, isBest ? 9 : 1);
    if (data !== undefined && data.length < page.length) {
      return { flag: isBest ? FLAG_ZLIB_MAX : FLAG_ZLIB, data, md5: undefined };
    }
  }
  const hasher = await md5.create();
  hasher.update(page);
  return { flag: FLAG_PLAIN, data: page, md5: hasher.digest() };
}

/** Are all bytes zero? Pages begin at an address that words can be read from. */
function isZero(page: Bytes): boolean {
  const words = new Uint32Array(page.buffer, page.byteOffset, Math.floor(page.length / 4));
  for (let index = 0; index < words.length; index++) if (words[index] !== 0) return false;
  return page.subarray(words.byteLength).every((byte) => byte === 0);
}
