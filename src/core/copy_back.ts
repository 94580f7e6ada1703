import type { Bytes } from "./block.ts";

/** Shorter copies are made byte by byte: a call would take longer. */
const CALL_BYTES = 32;

/**
 * Puts `count` bytes at `end`, each a copy of the one that lies `distance` before it, as LZ77
 * has it; false, and nothing was done, where that reaches out of `content`. A distance or
 * count that is no number reaches out, too.
 */
export function copyBack(
  content: Bytes,
  end: number,
  distance: number,
  count: number,
): boolean {
  if (!(distance > 0 && distance <= end && end + count <= content.length)) return false;
  const last = end + count;
  if (count < CALL_BYTES) {
    for (let to = end; to < last; to++) content[to] = content[to - distance] ?? 0;
    return true;
  }
  // What was copied is a source, too: each turn doubles it.
  for (let to = end; to < last;) {
    const from = end - distance;
    const length = Math.min(to - from, last - to);
    content.copyWithin(to, from, from + length);
    to += length;
  }
  return true;
}
