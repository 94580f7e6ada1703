/**
 * A block of LZ4 on its own, https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
 *
 * Sequences of a token (count of literals in the high four bits, length of the match less 4 in
 * the low ones; 15: bytes to add follow, up to one that is not 255), the literals, and how far
 * back the match lies (2 bytes, little endian). The last one ends with its literals.
 */
import type { Bytes } from "../../core/block.ts";
import { copyBack } from "./copy_back.ts";

const SHORTEST_MATCH = 4;

/** Unpacks a block of at most `maxBytes`; undefined where it is damaged, or longer. */
export function unpackLz4(packed: Bytes, maxBytes: number): Bytes | undefined {
  const content = new Uint8Array(maxBytes);
  let at = 0;
  let end = 0;
  /** The rest of a length, of which the token holds `first`; no number behind the end. */
  const lengthOf = (first: number): number => {
    let length = first;
    for (let more = first === 15 ? 255 : 0; more === 255; length += more) {
      more = packed[at++] ?? NaN;
    }
    return length;
  };
  while (at < packed.length) {
    const token = packed[at++] ?? 0;
    const literals = lengthOf(token >>> 4);
    if (!(at + literals <= packed.length && end + literals <= maxBytes)) return undefined;
    content.set(packed.subarray(at, at + literals), end);
    at += literals;
    end += literals;
    if (at === packed.length) return content.subarray(0, end);
    const distance = (packed[at] ?? NaN) + (packed[at + 1] ?? NaN) * 256;
    at += 2;
    const length = lengthOf(token & 15) + SHORTEST_MATCH;
    if (!copyBack(content, end, distance, length)) return undefined;
    end += length;
  }
  // A block ends with literals, if only none of them: there is at least a token.
  return undefined;
}
