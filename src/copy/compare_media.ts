import type { BlockSource, CopyProgress } from "../core/block.ts";
import type { Range } from "../core/range.ts";
import { CompareConsumer, type Comparison } from "./compare_consumer.ts";
import { sequentialPolicy } from "./read_policy.ts";
import { DEFAULT_CHUNK_BYTES, runCopy } from "./run_copy.ts";

/** How two media are compared. */
export interface CompareOptions {
  /** Bytes a request. */
  readonly chunkBytes?: number | undefined;
  /** Bytes of the buffers for `media`; `other` takes as much again. */
  readonly ringBytes?: number | undefined;
  readonly onProgress?: ((progress: CopyProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What the comparison found, and where the first medium could not be read. */
export interface MediaComparison extends Comparison {
  readonly unreadableHere: readonly Range[];
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
  const { results: [comparison], bad } = await runCopy({
    policy: sequentialPolicy(media, { chunkBytes, onBad: "zero" }),
    consumers: [new CompareConsumer(other)],
    chunkBytes,
    ringBytes: options.ringBytes,
    onProgress: options.onProgress,
    signal: options.signal,
  });
  return { ...comparison, unreadableHere: bad };
}
