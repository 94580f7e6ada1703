import type { BlockSource, CopyProgress } from "../core/block.ts";
import { gapsBetween, type Range } from "../core/range.ts";
import { CompareConsumer, type Comparison } from "./compare_consumer.ts";
import { orderedPolicy, type RangeReader, salvagingReader } from "./read_policy.ts";
import { DEFAULT_CHUNK_BYTES, runCopy } from "./run_copy.ts";

/** How two media are compared. */
export interface CompareOptions {
  /** Bytes a request. */
  readonly chunkBytes?: number | undefined;
  /** Bytes of the buffers for `media`; `other` takes as much again. */
  readonly ringBytes?: number | undefined;
  /** Makes what reads each of them; bad places become zeros at once where it is absent. */
  readonly readerOf?: ((source: BlockSource) => RangeReader) | undefined;
  readonly onProgress?: ((progress: CopyProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What the comparison found, and where the first medium could not be read. */
export interface MediaComparison extends Comparison {
  readonly unreadableHere: readonly Range[];
}

/**
 * Was every byte read on both sides, and found the same? Places of the first medium that
 * were known to be unreadable are left out of that.
 */
export function provesSame(
  comparison: MediaComparison,
  knownBad: readonly Range[] = [],
): boolean {
  const { differingCount, missingBytes, unreadable, unreadableHere } = comparison;
  return differingCount === 0 && missingBytes === 0 && unreadable.length === 0 &&
    unreadableHere.every((range) => gapsBetween(range, knownBad).length === 0);
}

/**
 * Compares all of `media` with the beginning of `other`. Differences are found in
 * whole sectors of `other`.
 *
 * @throws {ImagingError} when a medium goes away.
 */
export async function compareMedia(
  media: BlockSource,
  other: BlockSource,
  options: CompareOptions = {},
): Promise<MediaComparison> {
  const chunkBytes = options.chunkBytes ?? DEFAULT_CHUNK_BYTES;
  const { readerOf = salvagingReader } = options;
  const [ours, theirs] = [readerOf(media), readerOf(other)];
  const reader: RangeReader = {
    read: (range, into, lent) => ours.read(range, into, lent),
    cancel(): void {
      ours.cancel?.();
      theirs.cancel?.();
    },
  };
  const { results: [comparison], bad } = await runCopy({
    policy: orderedPolicy(media, reader, chunkBytes),
    consumers: [new CompareConsumer(other, theirs)],
    chunkBytes,
    ringBytes: options.ringBytes,
    onProgress: options.onProgress,
    signal: options.signal,
  });
  return { ...comparison, unreadableHere: bad };
}
