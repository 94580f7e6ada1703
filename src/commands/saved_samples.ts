/** Is what an interrupted read left from the medium that is there now? */
import { GONE } from "../copy/read_policy.ts";
import type { BlockSource } from "../core/block.ts";
import { ImagingError, ReadError } from "../core/errors.ts";
import { endOf, type Range } from "../core/range.ts";

/** Bytes compared at each place when an interrupted read goes on. */
const SAMPLE_BYTES = 64 * 1024;
const SAMPLES = 4;

/**
 * Many cards have neither serial nor model: compares some of what was saved with the
 * source before anything is added to it.
 *
 * @throws {ImagingError} when they differ.
 */
export async function checkSamples(
  { source, mapPath }: { readonly source: BlockSource; readonly mapPath: string },
  saved: BlockSource,
  rescued: readonly Range[],
): Promise<void> {
  const first = rescued[0];
  const last = rescued.at(-1);
  if (first === undefined || last === undefined) return;
  const places = new Set<number>([
    first.offset,
    Math.max(last.offset, endOf(last) - SAMPLE_BYTES),
  ]);
  for (let i = 1; i < SAMPLES - 1; i++) {
    const range = rescued[Math.floor(rescued.length * i / SAMPLES)] ?? first;
    places.add(range.offset + Math.floor(range.length * i / SAMPLES / 4096) * 4096);
  }
  for (const offset of places) {
    const area = rescued.find((range) => range.offset <= offset && offset < endOf(range));
    if (area === undefined) continue;
    const length = Math.min(SAMPLE_BYTES, endOf(area) - offset);
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
    if (ours.every((byte, index) => byte === theirs[index])) continue;
    throw new ImagingError(
      "environment",
      `cannot go on: what ${mapPath} calls rescued differs from ${source.name} ` +
        `near byte ${offset}: it is another medium, or was changed meanwhile`,
      { hint: "put the first medium back, or remove the .part and .map files to start anew" },
    );
  }
}
