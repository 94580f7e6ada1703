/**
 * The LZ4 block format, https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
 *
 * A block is sequences: a token (literals' count in the high four bits, the match's length
 * less 4 in the low ones, 15 for more to come), literals, how far back the match lies (2
 * bytes). The last sequence ends with its literals.
 */
import type { Bytes } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";

/** Matches lie at most this far back, and a byte less. */
export const LZ4_WINDOW_BYTES = 64 * 1024;

const SHORTEST_MATCH = 4;

/** Shorter parts are copied byte by byte: a call would take longer. */
const CALL_BYTES = 32;

/**
 * Unpacks a block into `window`, from `start` on; before that lies what matches may reach.
 * Answers where the content ends.
 *
 * @throws {FormatError} when the block is damaged; `offset` is its place in the file.
 */
export function unpackLz4Block(
  packed: Bytes,
  window: Bytes,
  start: number,
  offset: number,
): number {
  let at = 0;
  let end = start;
  while (at < packed.length) {
    const token = packed[at++] ?? 0;
    let literals = token >>> 4;
    if (literals === 15) {
      for (let more = 255; more === 255; literals += more) more = packed[at++] ?? NaN;
    }
    // Also when a count went beyond the packed bytes, and is no number.
    if (!(at + literals <= packed.length && end + literals <= window.length)) {
      throw damaged(offset + at);
    }
    if (literals < CALL_BYTES) {
      for (const last = at + literals; at < last;) window[end++] = packed[at++] ?? 0;
    } else {
      window.set(packed.subarray(at, at + literals), end);
      at += literals;
      end += literals;
    }
    if (at === packed.length) return end;
    const distance = (packed[at] ?? 0) | (packed[at + 1] ?? NaN) << 8;
    at += 2;
    let length = (token & 15) + SHORTEST_MATCH;
    if ((token & 15) === 15) {
      for (let more = 255; more === 255; length += more) more = packed[at++] ?? NaN;
    }
    const isPossible = at <= packed.length && distance > 0 && distance <= end &&
      end + length <= window.length;
    if (!isPossible) throw damaged(offset + at);
    repeat(window, end, distance, length);
    end += length;
  }
  throw damaged(offset + at);
}

/** Puts `length` bytes at `end`, each a copy of the one that lies `distance` before it. */
function repeat(window: Bytes, end: number, distance: number, length: number): void {
  const last = end + length;
  if (length < CALL_BYTES) {
    for (let to = end; to < last; to++) window[to] = window[to - distance] ?? 0;
    return;
  }
  // What was copied is a source, too: each turn doubles it.
  for (let to = end; to < last;) {
    const from = end - distance;
    const count = Math.min(to - from, last - to);
    window.copyWithin(to, from, from + count);
    to += count;
  }
}

function damaged(offset: number): FormatError {
  return new FormatError(
    `the lz4 stream is damaged at byte ${offset}: a block makes no sense`,
    offset,
    "block",
  );
}
