/** RFC 1950, section 8.2, https://www.rfc-editor.org/rfc/rfc1950#section-8.2 */

/** The largest prime below 2^16. */
const BASE = 65521;

/**
 * Bytes after which both sums are reduced: up to here the larger one stays below 2^31,
 * where the engine counts in machine integers.
 */
const BLOCK_BYTES = 3800;

/** Adler-32 of bytes, or of what follows those whose sum is `previous`. */
export function adler32(bytes: Uint8Array, previous = 1): number {
  let low = previous & 0xffff;
  let high = previous >>> 16;
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(at + BLOCK_BYTES, bytes.length);
    for (; at < end; at++) {
      low += bytes[at] as number;
      high += low;
    }
    low %= BASE;
    high %= BASE;
  }
  return high * 0x10000 + low;
}
