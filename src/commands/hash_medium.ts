import { type Digest, hashConsumers } from "../copy/hash_consumers.ts";
import { sequentialPolicy } from "../copy/read_policy.ts";
import { DEFAULT_CHUNK_BYTES, runCopy } from "../copy/run_copy.ts";
import type { BlockSource } from "../core/block.ts";
import type { Range } from "../core/range.ts";
import type { HashAlgorithm } from "../hashes/hash_algorithm.ts";
import type { CommandContext } from "./command.ts";

/** The digests of a medium. */
export interface MediumDigests {
  readonly bytes: number;
  readonly digests: readonly Digest[];
  /** Unreadable places, hashed as zeros. */
  readonly bad: readonly Range[];
}

/**
 * Reads a medium once and computes all digests on the way.
 *
 * @throws {ImagingError} when the medium goes away.
 */
export async function hashMedium(
  context: CommandContext,
  source: BlockSource,
  algorithms: readonly HashAlgorithm[],
  chunkBytes = DEFAULT_CHUNK_BYTES,
): Promise<MediumDigests> {
  const { bytes, bad, results } = await runCopy({
    policy: sequentialPolicy(source, { chunkBytes, onBad: "zero" }),
    consumers: hashConsumers(algorithms, source.size),
    chunkBytes,
    onProgress: (progress) => context.progress(progress),
    signal: context.signal,
  });
  return { bytes, bad, digests: results };
}
