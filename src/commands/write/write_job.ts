/** What is written to targets, and the words in which that is told from step to step. */
import { FIRST_BLOCK_BYTES, type FirstBlockLastSink } from "../../blocks/first_block_last.ts";
import { ChunkDigests } from "../../copy/chunk_digests.ts";
import type { Digest } from "../../copy/hash_consumers.ts";
import type { IsolatedGroup } from "../../copy/isolated_group.ts";
import type { BlockSource, CopyProgress } from "../../core/block.ts";
import { ImagingError } from "../../core/errors.ts";
import type { Range } from "../../core/range.ts";
import type { DeviceSink } from "../../devices/device.ts";
import type { HashAlgorithm } from "../../hashes/hash_algorithm.ts";
import type { RangeList } from "../../report/ranges_text.ts";
import type { FoundBmap } from "../images/bmap_files.ts";
import type { CommandContext, Outcome } from "../command.ts";
import type { TableFit } from "./fit_table.ts";
import type { ApprovedTarget } from "./targets.ts";

/** What to write, and how. */
export interface WriteJob {
  readonly context: CommandContext;
  readonly source: BlockSource;
  readonly targets: readonly ApprovedTarget[];
  readonly algorithms: readonly HashAlgorithm[];
  /** Bytes a request; undefined: as the number of targets allows. */
  readonly chunkBytes: number | undefined;
  readonly verify: boolean;
  /**
   * What the target is compared with: the source, read again; or digests taken on the
   * way, for a source that can or should be read only once.
   */
  readonly compareWith: "source" | "digests";
  /** Unreadable sectors of the source: zeros in their place, or the end. */
  readonly onBad: "zero" | "fail";
  /** Fits the partition table to the disk; absent: it stays as it is. */
  readonly fit?: TableFit | undefined;
  /** Only what it says is written, and its checksums are checked. */
  readonly bmap?: FoundBmap | undefined;
  readonly unmapped?: Unmapped | undefined;
}

/** What becomes of the places that a block map leaves out: zeros, a word to the disk, nothing. */
export type Unmapped = "keep" | "zero" | "discard";

/** One of several writes that go on beside each other, and its share of the memory. */
export interface GroupJob extends WriteJob {
  readonly chunkBytes: number;
  readonly ringBytes: number;
}

/** What became of one target. */
export interface TargetResult {
  readonly target: ApprovedTarget;
  readonly outcome: Outcome;
  readonly bytes: number;
  readonly seconds: number;
  readonly verified: boolean;
  readonly differing: RangeList | undefined;
  readonly error: ImagingError | undefined;
  /** Was anything changed on it? */
  readonly begun: boolean;
  /** What was done to its partition table, in words. */
  readonly fitted?: string | undefined;
  /** What to do after it failed; to write it again where it is absent. */
  readonly goOn?: string | undefined;
  /** What earlier runs wrote and nothing could be compared with. */
  readonly notCompared?: RangeList | undefined;
}

/** How a target ended. */
export type Ending = Omit<TargetResult, "target" | "seconds">;

/** A target that is open. */
export interface OpenTarget {
  readonly approved: ApprovedTarget;
  readonly sink: DeviceSink;
  readonly held: FirstBlockLastSink;
}

/** What the copy itself brought. */
export interface CopiedGroup {
  readonly bytes: number;
  readonly bad: readonly Range[];
  readonly digests: readonly Digest[];
  readonly chunks: ChunkDigests;
  /** Where these chunks lie, if not one behind the other. */
  readonly places: readonly Range[] | undefined;
  /** The error of each target that failed, by its place in the group. */
  readonly errors: readonly (ImagingError | undefined)[];
}

/** What a copy that failed brought. */
export const NOTHING_COPIED: Omit<CopiedGroup, "errors"> = {
  bytes: 0,
  bad: [],
  digests: [],
  chunks: new ChunkDigests(),
  places: undefined,
};

/** What is held back is written whole, also where a block map leaves out some of it. */
export const FIRST_BLOCK: Range = { offset: 0, length: FIRST_BLOCK_BYTES };

/** A failure of one target; cancelling ends all of them. */
export function failure(error: unknown, begun = true): Ending {
  if (!(error instanceof ImagingError) || error.kind === "cancelled") throw error;
  // Of an image that is damaged, or not what its block map says, the data does not agree.
  const isWrongData = error.kind === "corrupt" || error.kind === "mismatch";
  const outcome = isWrongData ? "mismatch" : "failed";
  return { outcome, bytes: 0, verified: false, differing: undefined, error, begun };
}

/** The error of each target, when the flow to all of them has ended with this one. */
export function errorsOf(
  error: unknown,
  group: IsolatedGroup<void>,
  targets: number,
): readonly ImagingError[] {
  const isOurs = error instanceof ImagingError && error.kind !== "cancelled";
  // Otherwise it was the source that failed: for all of them.
  const errors = group.allFailed ??
    (isOurs ? Array.from({ length: targets }, () => error) : undefined);
  if (errors === undefined) throw error;
  return errors;
}

/** Writing and reading again count as one progress. */
export function inPasses(progress: CopyProgress, pass: 0 | 1, verify: boolean): CopyProgress {
  if (!verify) return progress;
  const { doneBytes, totalBytes, badBytes, fraction } = progress;
  return {
    doneBytes: doneBytes + (pass === 1 ? totalBytes : 0),
    totalBytes: totalBytes * 2,
    badBytes,
    // What follows takes about as long again.
    fraction: fraction === undefined ? undefined : fraction / 2,
  };
}
