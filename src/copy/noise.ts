/**
 * Tells random bytes (encrypted, compressed) from all others. No compressor makes them
 * smaller, and none takes longer than over them.
 */
import type { Bytes } from "../core/block.ts";

/** Counted are the first bytes of each stretch, at ever other places of sectors. */
const STRETCH_BYTES = 509;
const COUNTED_BYTES = 32;

/** With fewer bytes each value is expected less than five times: that says little. */
const SMALLEST_BYTES = 24 * 1024;

/**
 * Largest chi-squared of even counts: 255 degrees of freedom and five standard deviations.
 * What is just below it would shrink by half a percent, less what Huffman tables take.
 */
const EVEN_CHI_SQUARED = 255 + 5 * Math.sqrt(2 * 255);

/** Words that are remembered: as many as a window of zlib holds, a power of two. */
const REMEMBERED_WORDS = 8192;

/** So many words that were there before, of 1024, make it worth the while. */
const REPEATS_PER_1024 = 4;

// Kept: making them for each piece would take longer than looking at it.
const counts = new Uint32Array(256);
const remembered = new Int32Array(REMEMBERED_WORDS);

/**
 * Would zlib find nothing to do? True where all values of a byte come equally often and
 * hardly any aligned word comes twice; never of small pieces.
 */
export function isNoise(bytes: Bytes): boolean {
  return bytes.length >= SMALLEST_BYTES && isEven(bytes) && !hasRepeats(bytes);
}

/** Does the sample hold all values equally often? Pearson's chi-squared test. */
function isEven(bytes: Bytes): boolean {
  counts.fill(0);
  let total = 0;
  for (let start = 0; start + COUNTED_BYTES <= bytes.length; start += STRETCH_BYTES) {
    for (let at = start; at < start + COUNTED_BYTES; at++) {
      const value = bytes[at] ?? 0;
      counts[value] = (counts[value] ?? 0) + 1;
    }
    total += COUNTED_BYTES;
  }
  let squares = 0;
  for (const count of counts) squares += count * count;
  return squares * 256 / total - total <= EVEN_CHI_SQUARED;
}

/** Do words come again at distances that zlib sees? */
function hasRepeats(bytes: Bytes): boolean {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const words = new Int32Array(aligned.buffer, aligned.byteOffset, bytes.length >>> 2);
  remembered.fill(0);
  const most = Math.floor(words.length * REPEATS_PER_1024 / 1024);
  let repeats = 0;
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? 0;
    // The bits of noise are as good as any hash of them.
    const place = word & (REMEMBERED_WORDS - 1);
    if (remembered[place] === word) repeats++;
    remembered[place] = word;
  }
  return repeats > most;
}
