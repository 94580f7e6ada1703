/** Where a target that is read again does not hold what was written to it. */
import { SliceSource } from "../../blocks/slice.ts";
import { ChunkDigestComparer, type ChunkDigests } from "../../copy/chunk_digests.ts";
import { compareMedia } from "../../copy/compare_media.ts";
import { rangesPolicy, sequentialPolicy } from "../../copy/read_policy.ts";
import { runCopy } from "../../copy/run_copy.ts";
import type { BlockSource, CopyProgress } from "../../core/block.ts";
import { ReadError } from "../../core/errors.ts";
import { mergeRanges, type Range, totalLength } from "../../core/range.ts";
import type { RangeList } from "../../report/ranges_text.ts";

/** How a target is read again. */
export interface ReadingAgain {
  readonly chunkBytes: number;
  readonly ringBytes: number;
  readonly signal: AbortSignal;
  onProgress(progress: CopyProgress): void;
}

/**
 * Compares with the source, read a second time.
 *
 * @throws {ReadError} when the source does not read as it did before.
 */
export async function differencesFromSource(
  source: BlockSource,
  device: BlockSource,
  reading: ReadingAgain,
): Promise<RangeList> {
  const comparison = await compareMedia(source, device, reading);
  const { differing, differingCount, differingBytes, unreadable } = comparison;
  const [again] = comparison.unreadableHere;
  if (again !== undefined) {
    throw new ReadError(
      `cannot verify: ${source.name} could not be read a second time at byte ${again.offset}`,
      again.offset,
      { hint: "its own disk may be failing: check it, then write again" },
    );
  }
  const unreadableBytes = totalLength(unreadable);
  return {
    ranges: mergeRanges([...differing, ...unreadable]),
    count: differingCount + unreadable.length,
    bytes: differingBytes + unreadableBytes + comparison.missingBytes,
  };
}

/** What was written, as far as it is remembered. */
export interface RememberedBytes {
  /** Bytes of the medium. */
  readonly bytes: number;
  readonly chunks: ChunkDigests;
  /** Where these chunks lie, if not one behind the other. */
  readonly places: readonly Range[] | undefined;
}

/** Compares with digests that were taken on the way. */
export async function differencesFromDigests(
  device: BlockSource,
  { bytes, chunks, places }: RememberedBytes,
  reading: ReadingAgain,
): Promise<RangeList> {
  const { chunkBytes, ringBytes, signal } = reading;
  const written = new SliceSource(device, { offset: 0, length: bytes });
  const { results: [found], bad } = await runCopy({
    policy: places === undefined
      ? sequentialPolicy(written, { chunkBytes, onBad: "zero" })
      : rangesPolicy(written, places),
    consumers: [new ChunkDigestComparer(chunks)],
    chunkBytes: (places ?? [])
      .reduce((most, { length }) => Math.max(most, length), chunkBytes),
    ringBytes,
    onProgress: (progress) => reading.onProgress(progress),
    signal,
  });
  const all = mergeRanges([...found, ...bad]);
  return { ranges: all, bytes: totalLength(all) };
}
