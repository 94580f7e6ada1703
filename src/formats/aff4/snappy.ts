/**
 * Snappy, https://github.com/google/snappy/blob/main/format_description.txt
 *
 * The length of the content (7 bits a byte, the lowest first), then elements, each with a tag:
 * its low two bits are 0 for literals (length less 1 in the others; 60 to 63: in 1 to 4 bytes
 * behind it) and 1 to 3 for copies of what came before:
 *
 * - 1: length less 4 in 3 bits, distance in the high 3 bits and a byte
 * - 2, 3: length less 1 in 6 bits, distance in 2 or 4 bytes, little endian
 */
import type { Bytes } from "../../core/block.ts";
import { copyBack } from "./copy_back.ts";

/** Unpacks a stream of at most `maxBytes`; undefined where it is damaged, or longer. */
export function unpackSnappy(packed: Bytes, maxBytes: number): Bytes | undefined {
  const number = (at: number, bytes: number): number => {
    let value = 0;
    for (let index = bytes - 1; index >= 0; index--) {
      value = value * 256 + (packed[at + index] ?? NaN);
    }
    return value;
  };
  let at = 0;
  let length = 0;
  for (let scale = 1, more = 128; more >= 128; scale *= 128) {
    more = packed[at++] ?? NaN;
    length += (more % 128) * scale;
    // Five bytes hold 32 bits.
    if (at > 5) return undefined;
  }
  // Also when it is no number.
  if (!(length <= maxBytes)) return undefined;
  const content = new Uint8Array(length);
  let end = 0;
  while (at < packed.length) {
    const tag = packed[at++] ?? 0;
    if ((tag & 3) === 0) {
      const extra = Math.max(0, (tag >>> 2) - 59);
      const count = 1 + (extra === 0 ? tag >>> 2 : number(at, extra));
      at += extra;
      if (!(at + count <= packed.length && end + count <= length)) return undefined;
      content.set(packed.subarray(at, at + count), end);
      at += count;
      end += count;
      continue;
    }
    const isShort = (tag & 3) === 1;
    const bytes = isShort ? 1 : (tag & 3) === 2 ? 2 : 4;
    const distance = number(at, bytes) + (isShort ? (tag >>> 5) * 256 : 0);
    const count = isShort ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1;
    at += bytes;
    if (!copyBack(content, end, distance, count)) return undefined;
    end += count;
  }
  return end === length ? content : undefined;
}
