/**
 * The LZ4 block format, https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
 *
 * A block is sequences: a token (literals' count in the high four bits, the match's length
 * less 4 in the low ones, 15 for more to come), literals, how far back the match lies (2
 * bytes). The last sequence ends with its literals.
 */
import type { Bytes } from "./block.ts";
import { copyBack } from "./copy_back.ts";

/** Matches lie at most this far back, and a byte less. */
export const LZ4_WINDOW_BYTES = 64 * 1024;

const SHORTEST_MATCH = 4;

/** Shorter parts are copied byte by byte: a call would take longer. */
const CALL_BYTES = 32;

/**
 * Unpacks a block into `window`, from `start` on; before that lies what matches may reach.
 * Answers where the content ends; undefined where the block is damaged, or has no room.
 */
export function unpackLz4Block(
  packed: Bytes,
  window: Bytes,
  start: number,
): number | undefined {
  let at = 0;
  let end = start;
  while (at < packed.length) {
    const token = packed[at++] ?? 0;
    let literals = token >>> 4;
    if (literals === 15) {
      for (let more = 255; more === 255; literals += more) more = packed[at++] ?? NaN;
    }
    // Also when a count went beyond the packed bytes, and is no number.
    if (!(at + literals <= packed.length && end + literals <= window.length)) return undefined;
    if (literals < CALL_BYTES) {
      for (const last = at + literals; at < last;) window[end++] = packed[at++] ?? 0;
    } else {
      window.set(packed.subarray(at, at + literals), end);
      at += literals;
      end += literals;
    }
    if (at === packed.length) return end;
    const distance = (packed[at] ?? NaN) + (packed[at + 1] ?? NaN) * 256;
    at += 2;
    let length = (token & 15) + SHORTEST_MATCH;
    if ((token & 15) === 15) {
      for (let more = 255; more === 255; length += more) more = packed[at++] ?? NaN;
    }
    if (!copyBack(window, end, distance, length)) return undefined;
    end += length;
  }
  // A block ends with literals, if only none of them: there is at least a token.
  return undefined;
}

/** Unpacks a block on its own, of at most `maxBytes`; undefined where it is damaged, or longer. */
export function unpackLz4(packed: Bytes, maxBytes: number): Bytes | undefined {
  const content = new Uint8Array(maxBytes);
  const end = unpackLz4Block(packed, content, 0);
  return end === undefined ? undefined : content.subarray(0, end);
}
