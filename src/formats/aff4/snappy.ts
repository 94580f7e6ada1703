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
import { copyBack } from "../../core/copy_back.ts";

/** Unpacks a stream of at most `maxBytes`; undefined where it is damaged, or longer. */
export function unpackSnappy(packed: Bytes, maxBytes: number): Bytes | undefined {
  const { length, bytes } = contentLength(packed);
  // Also when it is no number.
  if (!(length <= maxBytes)) return undefined;
  const content = new Uint8Array(length);
  let at = bytes;
  let end = 0;
  while (at < packed.length) {
    const tag = packed[at++] ?? 0;
    const kind = tag & 3;
    if (kind === 0) {
      const extra = Math.max(0, (tag >>> 2) - 59);
      const count = 1 + (extra === 0 ? tag >>> 2 : numberAt(packed, at, extra));
      at += extra;
      if (!(at + count <= packed.length && end + count <= length)) return undefined;
      content.set(packed.subarray(at, at + count), end);
      at += count;
      end += count;
      continue;
    }
    const size = kind === 3 ? 4 : kind;
    const distance = numberAt(packed, at, size) + (kind === 1 ? (tag >>> 5) * 256 : 0);
    const count = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1;
    at += size;
    if (!copyBack(content, end, distance, count)) return undefined;
    end += count;
  }
  return end === length ? content : undefined;
}

/** Of at most 32 bits; no number where it is longer, or cut. */
function contentLength(packed: Bytes): { readonly length: number; readonly bytes: number } {
  let length = 0;
  for (let bytes = 0, scale = 1; bytes < 5; scale *= 128) {
    const byte = packed[bytes++] ?? NaN;
    length += (byte % 128) * scale;
    if (byte < 128) return { length, bytes };
  }
  return { length: NaN, bytes: 0 };
}

/** Little endian; no number where it is cut. */
function numberAt(packed: Bytes, at: number, bytes: number): number {
  let value = 0;
  for (let index = bytes - 1; index >= 0; index--) {
    value = value * 256 + (packed[at + index] ?? NaN);
  }
  return value;
}
