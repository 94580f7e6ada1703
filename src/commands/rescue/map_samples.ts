/** Is what a map calls rescued still what the source holds? A look at some places of both. */
import { GONE } from "../../copy/read_policy.ts";
import type { BlockSource } from "../../core/block.ts";
import { ReadError } from "../../core/errors.ts";
import { endOf, type Range } from "../../core/range.ts";

/** Bytes compared at each place. */
const SAMPLE_BYTES = 64 * 1024;
const SAMPLES = 4;

/**
 * Many cards have neither serial nor model: compares some of what was saved with the source.
 * Answers the first byte of a place that differs. Places that the source does not deliver
 * today prove nothing and are left out.
 *
 * @throws {ReadError} when the source went away, or `saved` cannot be read.
 */
export async function differingSample(
  source: BlockSource,
  saved: BlockSource,
  rescued: readonly Range[],
): Promise<number | undefined> {
  for (const { offset, length } of samplesOf(rescued)) {
    const ours = new Uint8Array(length);
    const theirs = new Uint8Array(length);
    try {
      await source.readAt(offset, theirs);
    } catch (error) {
      // A place that was readable once may fail today: it proves nothing.
      if (error instanceof ReadError && !GONE.includes(error.osCode)) continue;
      throw error;
    }
    await saved.readAt(offset, ours);
    if (!ours.every((byte, index) => byte === theirs[index])) return offset;
  }
  return undefined;
}

/** The beginning of what was rescued, its end, and places between them. */
function samplesOf(rescued: readonly Range[]): Range[] {
  const first = rescued[0];
  const last = rescued.at(-1);
  if (first === undefined || last === undefined) return [];
  const places = new Set<number>([
    first.offset,
    Math.max(last.offset, endOf(last) - SAMPLE_BYTES),
  ]);
  for (let i = 1; i < SAMPLES - 1; i++) {
    const range = rescued[Math.floor(rescued.length * i / SAMPLES)] ?? first;
    places.add(range.offset + Math.floor(range.length * i / SAMPLES / 4096) * 4096);
  }
  return [...places].flatMap((offset) => {
    const area = rescued.find((range) => range.offset <= offset && offset < endOf(range));
    if (area === undefined) return [];
    return [{ offset, length: Math.min(SAMPLE_BYTES, endOf(area) - offset) }];
  });
}
