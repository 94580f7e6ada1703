/**
 * Writes one medium to one or several targets and proves it: everything but the first
 * block, flush, re-read past every cache, then the first block, flush, re-read.
 */
import { SliceSource } from "../../blocks/slice.ts";
import { ChunkDigestConsumer, ChunkDigests } from "../../copy/chunk_digests.ts";
import { type Digest, hashConsumers } from "../../copy/hash_consumers.ts";
import { IsolatedGroup, type MemberResult } from "../../copy/isolated_group.ts";
import { sequentialPolicy } from "../../copy/read_policy.ts";
import { DEFAULT_CHUNK_BYTES, DEFAULT_RING_BYTES, runCopy } from "../../copy/run_copy.ts";
import { SinkConsumer } from "../../copy/sink_consumer.ts";
import type { BlockSource, ChunkConsumer, CopyProgress } from "../../core/block.ts";
import { mergeRanges } from "../../core/range.ts";
import type { RangeList } from "../../report/ranges_text.ts";
import type { CommandResult } from "../command.ts";
import { copyMapped } from "./copy_mapped.ts";
import {
  differencesFromDigests,
  differencesFromSource,
  type ReadingAgain,
} from "./find_differences.ts";
import { openTarget } from "./open_target.ts";
import { proveTarget } from "./prove_target.ts";
import type { ApprovedTarget } from "./targets.ts";
import {
  type CopiedGroup,
  type Ending,
  errorsOf,
  failure,
  type GroupJob,
  inPasses,
  NOTHING_COPIED,
  type OpenTarget,
  type TargetResult,
  type WriteJob,
} from "./write_job.ts";
import { type WriteResult, writeResult } from "./write_result.ts";

/** Many targets at once get smaller requests, so that memory stays bounded. */
const SMALL_CHUNK_BYTES = 1024 * 1024;

/**
 * Writes to every target. One that fails or is slow does not spoil the others; a source
 * that fails is the failure of each target that it was read for.
 *
 * @throws {ImagingError} when the user cancels.
 */
export async function writeTargets(job: WriteJob): Promise<CommandResult> {
  const { context, source, targets, compareWith } = job;
  const names = targets.map(({ target }) => target.path).join(" and ");
  context.whenCancelled(
    `${names} may be incomplete and then has no partition table: write it again`,
  );
  context.phase(`writing ${source.name} to ${names}`);
  const started = performance.now();
  // What can be read at any place is read once a target: each has its own pace then.
  const groups = compareWith === "source" ? targets.map((target) => [target]) : [targets];
  const ringBytes = Math.floor(DEFAULT_RING_BYTES / groups.length);
  const chunkBytes = job.chunkBytes ??
    (groups.length > 2 ? SMALL_CHUNK_BYTES : DEFAULT_CHUNK_BYTES);
  const progress = sumProgress(groups.length, (sum) => context.progress(sum));
  const results = await Promise.all(groups.map((group, index) =>
    writeGroup(
      {
        ...job,
        targets: group,
        algorithms: index === 0 ? job.algorithms : [],
        chunkBytes,
        ringBytes,
      },
      progress[index] ?? (() => {}),
    )
  ));
  return writeResult(job, {
    targets: results.flatMap((result) => result.targets),
    digests: results.flatMap((result) => result.digests),
    bad: mergeRanges(results.flatMap((result) => result.bad)),
  }, (performance.now() - started) / 1000);
}

/** One progress out of several that go on beside each other. */
function sumProgress(
  count: number,
  show: (progress: CopyProgress) => void,
): ((progress: CopyProgress) => void)[] {
  const parts: CopyProgress[] = [];
  return Array.from({ length: count }, (_, index) => (progress: CopyProgress): void => {
    parts[index] = progress;
    const known = parts.filter((part) => part !== undefined);
    const sum = (key: "doneBytes" | "badBytes"): number =>
      known.reduce((total, part) => total + part[key], 0);
    show({
      doneBytes: sum("doneBytes"),
      totalBytes: progress.totalBytes * count,
      badBytes: Math.max(...known.map((part) => part.badBytes)),
      fraction: progress.fraction,
    });
  });
}

/** The same bytes to every target of the group, read once. */
async function writeGroup(
  job: GroupJob,
  onProgress: (progress: CopyProgress) => void,
): Promise<WriteResult> {
  const started = performance.now();
  const open: OpenTarget[] = [];
  const results: TargetResult[] = [];
  const end = (approved: ApprovedTarget, ending: Ending): void => {
    const seconds = (performance.now() - started) / 1000;
    results.push({ ...ending, target: approved, seconds });
  };
  try {
    for (const approved of job.targets) {
      try {
        open.push(await openTarget(job.context, approved));
      } catch (error) {
        end(approved, failure(error, false));
      }
    }
    if (open.length === 0) return { targets: results, digests: [], bad: [] };
    // Several at once only where the source is a stream, or cannot be cut.
    const bytes = Math.min(...open.map(({ approved }) => approved.bytes));
    const source = new SliceSource(job.source, { offset: 0, length: bytes });
    const copied = await copyToTargets(job, source, open, onProgress);
    await Promise.all(open.map(async (each, index) => {
      const error = copied.errors[index];
      if (error !== undefined) return end(each.approved, failure(error));
      try {
        end(
          each.approved,
          await proveTarget(each, {
            context: job.context,
            verify: job.verify,
            fit: job.fit,
            bytes: copied.bytes,
            findDifferences: (device) =>
              findDifferences(job, source, device, copied, onProgress),
          }),
        );
      } catch (error) {
        end(each.approved, failure(error));
      }
    }));
    return { targets: results, digests: copied.digests, bad: copied.bad };
  } finally {
    if (!job.context.signal.aborted) {
      for (const { sink } of open) await sink[Symbol.asyncDispose]();
    }
  }
}

async function copyToTargets(
  job: GroupJob,
  source: BlockSource,
  open: readonly OpenTarget[],
  onProgress: (progress: CopyProgress) => void,
): Promise<CopiedGroup> {
  const { algorithms, chunkBytes, ringBytes, compareWith, onBad, verify, context } = job;
  if (job.bmap !== undefined) return await copyMapped(job, job.bmap, source, open, onProgress);
  const group = new IsolatedGroup(open.map(({ held }) => new SinkConsumer(held)));
  const chunkDigests = verify && compareWith === "digests" ? [new ChunkDigestConsumer()] : [];
  const hashes = hashConsumers(algorithms, source.size);
  try {
    const { bytes, bad, results } = await runCopy({
      policy: sequentialPolicy(source, { chunkBytes, onBad }),
      consumers: [...group.consumers, ...chunkDigests, ...hashes] as ChunkConsumer[],
      chunkBytes,
      ringBytes,
      onProgress: (progress) => onProgress(inPasses(progress, 0, verify)),
      signal: context.signal,
    });
    const written = results.slice(0, open.length) as MemberResult<void>[];
    const rest = results.slice(open.length);
    return {
      bytes,
      bad,
      digests: rest.slice(chunkDigests.length) as Digest[],
      chunks: chunkDigests.length > 0 ? rest[0] as ChunkDigests : new ChunkDigests(),
      places: undefined,
      errors: written.map(({ error }) => error),
    };
  } catch (error) {
    return { ...NOTHING_COPIED, errors: errorsOf(error, group, open.length) };
  }
}

/** Where the target does not hold what was written to it. */
async function findDifferences(
  job: GroupJob,
  source: BlockSource,
  device: BlockSource,
  copied: CopiedGroup,
  onProgress: (progress: CopyProgress) => void,
): Promise<RangeList> {
  const { chunkBytes, ringBytes, compareWith, context: { signal } } = job;
  const reading: ReadingAgain = {
    chunkBytes,
    ringBytes,
    signal,
    onProgress: (progress) => onProgress(inPasses(progress, 1, true)),
  };
  return compareWith === "source" && copied.places === undefined
    ? await differencesFromSource(source, device, reading)
    : await differencesFromDigests(device, copied, reading);
}
