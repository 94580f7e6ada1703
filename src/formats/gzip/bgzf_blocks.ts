/**
 * BGZF, as bgzip writes it: SAM/BAM Format Specification, section 4.1,
 * https://samtools.github.io/hts-specs/SAMv1.pdf
 *
 * Members of gzip of up to 64 KiB whose extra field has a subfield "BC" with u16 bytes of the
 * whole member minus 1. The last one is empty: without it the file was cut.
 */
import type { BlockSource } from "../../core/block.ts";
import { readBytes, viewOf } from "../../core/bytes.ts";
import { MAX_PIECES, PieceTable } from "../pieces/piece_table.ts";
import { SizeList } from "../pieces/size_list.ts";

/** Sizes stand in all of the file: of larger ones the search would take too long. */
const MAX_FILE_BYTES = 1024 ** 3;

/** Read in one go while blocks are looked for. */
const WINDOW_BYTES = 4 * 1024 * 1024;

/** Block size and content size have 16 bits each, or just one more. */
const MAX_BLOCK_BYTES = 65536;

/** Fixed head, and the smallest extra field with BC. */
const HEAD_BYTES = 18;
const TRAILER_BYTES = 8;
const FLAG_EXTRA = 4;

/**
 * Bytes of the block that begins here; undefined when it is none. `head` is the beginning
 * of the block, all of it or less.
 */
export function bgzfBlockBytes(head: Uint8Array): number | undefined {
  if (head.length < HEAD_BYTES) return undefined;
  const isGzip = head[0] === 0x1f && head[1] === 0x8b && head[2] === 8;
  if (!isGzip || head[3] !== FLAG_EXTRA) return undefined;
  const view = viewOf(head);
  const extraEnd = 12 + view.getUint16(10, true);
  for (let at = 12; at + 4 <= Math.min(extraEnd, head.length);) {
    const length = view.getUint16(at + 2, true);
    if (head[at] === 0x42 && head[at + 1] === 0x43 && length === 2) {
      if (at + 6 > Math.min(extraEnd, head.length)) return undefined;
      const bytes = view.getUint16(at + 4, true) + 1;
      return bytes >= extraEnd + TRAILER_BYTES ? bytes : undefined;
    }
    at += 4 + length;
  }
  return undefined;
}

/** Finds all blocks of a file; undefined when it is not made of blocks to its end. */
export async function findBgzfBlocks(file: BlockSource): Promise<PieceTable | undefined> {
  if (file.size > MAX_FILE_BYTES) return undefined;
  if (bgzfBlockBytes(await readBytes(file, 0, HEAD_BYTES)) === undefined) return undefined;
  const [contents, stored] = [new SizeList(), new SizeList()];
  let last = NaN;
  for (let at = 0; at < file.size;) {
    const window = await readBytes(file, at, WINDOW_BYTES);
    let used = 0;
    while (used + MAX_BLOCK_BYTES <= window.length || at + window.length >= file.size) {
      if (used === window.length) break;
      const size = bgzfBlockBytes(window.subarray(used, used + MAX_BLOCK_BYTES));
      if (size === undefined || used + size > window.length) return undefined;
      last = viewOf(window).getUint32(used + size - 4, true);
      if (last > MAX_BLOCK_BYTES || contents.values.length >= MAX_PIECES) return undefined;
      contents.add(last);
      stored.add(size);
      used += size;
    }
    if (used === 0) return undefined;
    at += used;
  }
  return last === 0 ? new PieceTable(contents.values, stored.values) : undefined;
}
