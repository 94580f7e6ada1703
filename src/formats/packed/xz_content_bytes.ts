/**
 * How much an xz file holds, by its indexes: .xz file format 1.2.1, 2.1.2 and 4,
 * https://tukaani.org/xz/xz-file-format.txt
 *
 * They lie behind the blocks, so a file is looked at from its end. Whatever is odd means
 * that nothing is known: what is wrong is found when the file is unpacked.
 */
import { crc32 } from "node:zlib";
import type { BlockSource, Bytes } from "../../core/block.ts";
import { readBytes, viewOf } from "../../core/bytes.ts";
import { ReadError } from "../../core/errors.ts";

const STREAM_HEADER_BYTES = 12;
const FOOTER_BYTES = 12;

/** More is not looked at: this is an index of about five million blocks. */
const MOST_INDEX_BYTES = 32 * 1024 * 1024;
const MOST_STREAMS = 4096;
/** Zeros that are looked through behind each stream. */
const MOST_PADDING_BYTES = 64 * 1024;

/** Bytes of the content of all streams; undefined where that cannot be told. */
export async function xzContentBytes(file: BlockSource): Promise<number | undefined> {
  if (!Number.isFinite(file.size) || file.sequential === true) return undefined;
  try {
    let total = 0;
    let end = file.size;
    for (let streams = 0; end > 0; streams++) {
      const stream = streams < MOST_STREAMS ? await lastStream(file, end) : undefined;
      if (stream === undefined) return undefined;
      total += stream.contentBytes;
      end = stream.start;
    }
    return Number.isSafeInteger(total) ? total : undefined;
  } catch (error) {
    if (error instanceof ReadError) return undefined;
    throw error;
  }
}

/** Where a stream begins, and what it holds. */
interface XzStream {
  readonly start: number;
  readonly contentBytes: number;
}

/** The stream that ends at `end`, or before zeros that do. */
async function lastStream(file: BlockSource, end: number): Promise<XzStream | undefined> {
  const tail = await readBytes(file, Math.max(0, end - MOST_PADDING_BYTES), MOST_PADDING_BYTES);
  const before = tail.subarray(0, Math.min(tail.length, end));
  const last = before.findLastIndex((byte) => byte !== 0) + 1;
  if (last < FOOTER_BYTES || (before.length - last) % 4 !== 0) return undefined;
  const footerStart = end - before.length + last - FOOTER_BYTES;
  const indexBytes = indexLength(before.subarray(last - FOOTER_BYTES, last));
  if (indexBytes === undefined || indexBytes > footerStart) return undefined;
  const index = await readBytes(file, footerStart - indexBytes, indexBytes);
  const sizes = parseIndex(index);
  if (sizes === undefined) return undefined;
  const start = footerStart - indexBytes - sizes.blockBytes - STREAM_HEADER_BYTES;
  return start < 0 ? undefined : { start, contentBytes: sizes.contentBytes };
}

/** Length of the index, by the footer behind it. */
function indexLength(footer: Bytes): number | undefined {
  const view = viewOf(footer);
  const isFooter = footer[10] === 0x59 && footer[11] === 0x5a &&
    view.getUint32(0, true) === crc32(footer.subarray(4, 10));
  const length = (view.getUint32(4, true) + 1) * 4;
  return isFooter && length <= MOST_INDEX_BYTES ? length : undefined;
}

/** What the blocks of an index take in the file, and what they hold. */
function parseIndex(
  index: Bytes,
): { readonly blockBytes: number; readonly contentBytes: number } | undefined {
  const end = index.length - 4;
  if (end < 1 || index[0] !== 0) return undefined;
  if (viewOf(index).getUint32(end, true) !== crc32(index.subarray(0, end))) return undefined;
  const numbers = new Numbers(index.subarray(1, end));
  let blockBytes = 0;
  let contentBytes = 0;
  for (let left = numbers.next(); left > 0 && Number.isFinite(blockBytes); left--) {
    blockBytes += Math.ceil(numbers.next() / 4) * 4;
    contentBytes += numbers.next();
  }
  // NaN where there was no number.
  return Number.isSafeInteger(blockBytes) && Number.isSafeInteger(contentBytes)
    ? { blockBytes, contentBytes }
    : undefined;
}

/** Numbers of variable length, 1.2: seven bits a byte, the lowest first. */
class Numbers {
  readonly #bytes: Bytes;
  #at = 0;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
  }

  /** The next one; NaN where there is none. */
  next(): number {
    let value = 0;
    for (let weight = 1; weight < 2 ** 63; weight *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) return NaN;
      value += (byte & 0x7f) * weight;
      if (byte < 0x80) return value;
    }
    return NaN;
  }
}
