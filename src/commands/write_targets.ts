/**
 * Writes one medium to one or several targets and proves it: everything but the first
 * block, flush, re-read past every cache, then the first block, flush, re-read.
 */
import { FIRST_BLOCK_BYTES, FirstBlockLastSink } from "../blocks/first_block_last.ts";
import { PatchedSource } from "../blocks/patched.ts";
import { SliceSource } from "../blocks/slice.ts";
import {
  ChunkDigestComparer,
  ChunkDigestConsumer,
  ChunkDigests,
  PlacedDigestConsumer,
  type PlacedDigests,
} from "../copy/chunk_digests.ts";
import type { CheckedMap } from "../copy/bmap/bmap_check.ts";
import { BmapChecker } from "../copy/bmap/bmap_checker.ts";
import { bmapPolicy, compareBmap } from "../copy/bmap/bmap_policy.ts";
import { compareMedia } from "../copy/compare_media.ts";
import { type Digest, hashConsumers } from "../copy/hash_consumers.ts";
import { IsolatedGroup, type MemberResult } from "../copy/isolated_group.ts";
import { RangeMap } from "../copy/range_map.ts";
import {
  changedPolicy,
  rangesPolicy,
  type ReadPolicy,
  sequentialPolicy,
} from "../copy/read_policy.ts";
import { READ_TIMEOUT_MILLISECONDS } from "../copy/read_watch.ts";
import { resumePolicy } from "../copy/resume_policy.ts";
import { DEFAULT_CHUNK_BYTES, DEFAULT_RING_BYTES, runCopy } from "../copy/run_copy.ts";
import { SinkConsumer } from "../copy/sink_consumer.ts";
import type { BlockSource, Bytes, Chunk, ChunkConsumer, CopyProgress } from "../core/block.ts";
import { type Finding, ImagingError, ReadError } from "../core/errors.ts";
import {
  endOf,
  gapsBetween,
  mergeRanges,
  partsWithin,
  type Range,
  totalLength,
} from "../core/range.ts";
import type { DeviceSink } from "../devices/device.ts";
import type { Bmap } from "../formats/bmap/bmap.ts";
import type { HashAlgorithm } from "../hashes/hash_algorithm.ts";
import { rangeLines, type RangeList, rangesJson } from "../report/ranges_text.ts";
import { rateText, sizeText } from "../report/rate_text.ts";
import {
  type CommandContext,
  type CommandResult,
  type Outcome,
  worstOutcome,
} from "./command.ts";
import type { FoundBmap } from "./bmap_files.ts";
import { digestLines, digestsJson, hashMedium } from "./hash_medium.ts";
import { fitTable, type FittedTable, type TableFit } from "./fit_table.ts";
import { rescueClone } from "./rescue_clone.ts";
import { noteAbandoned } from "./rescue_image.ts";
import { type ApprovedTarget, targetJson } from "./targets.ts";

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
interface GroupJob extends WriteJob {
  readonly chunkBytes: number;
  readonly ringBytes: number;
}

/** What became of one target. */
interface TargetResult {
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
}

/** What became of all of them. */
interface WriteResult {
  readonly targets: readonly TargetResult[];
  readonly digests: readonly Digest[];
  /** Unreadable places of the source. */
  readonly bad: readonly Range[];
}

/** A target that is open. */
interface OpenTarget {
  readonly approved: ApprovedTarget;
  readonly sink: DeviceSink;
  readonly held: FirstBlockLastSink;
}

/** What is held back is written whole, also where a block map leaves out some of it. */
const FIRST_BLOCK: Range = { offset: 0, length: FIRST_BLOCK_BYTES };

/** Only whole blocks are discarded. */
const DISCARD_GRAIN_BYTES = 4096;

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
        end(each.approved, await proveTarget(job, source, each, copied, onProgress));
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

/** How a target ended. */
type Ending = Omit<TargetResult, "target" | "seconds">;

/** A failure of one target; cancelling ends all of them. */
function failure(error: unknown, begun = true): Ending {
  if (!(error instanceof ImagingError) || error.kind === "cancelled") throw error;
  // Of an image that is damaged, or not what its block map says, the data does not agree.
  const isWrongData = error.kind === "corrupt" || error.kind === "mismatch";
  const outcome = isWrongData ? "mismatch" : "failed";
  return { outcome, bytes: 0, verified: false, differing: undefined, error, begun };
}

async function openTarget(
  context: CommandContext,
  approved: ApprovedTarget,
): Promise<OpenTarget> {
  const { target } = approved;
  const sink = await context.backend.openSink(target.path);
  try {
    const expected = target.partition?.size ?? target.disk.size;
    const shown = target.disk.mediumNumber;
    const change = sink.size !== expected
      ? `it has ${sink.size} bytes, it had ${expected}`
      : shown !== undefined && sink.mediumNumber !== undefined && shown !== sink.mediumNumber
      ? "the medium in it was changed"
      : undefined;
    if (change !== undefined) {
      throw new ImagingError("environment", `cannot write to ${target.path}: ${change}`, {
        hint: "look at `sectorshot list` again, then start anew",
      });
    }
    return { approved, sink, held: new FirstBlockLastSink(sink) };
  } catch (error) {
    await sink[Symbol.asyncDispose]();
    throw error;
  }
}

/** What the copy itself brought. */
interface CopiedGroup {
  readonly bytes: number;
  readonly bad: readonly Range[];
  readonly digests: readonly Digest[];
  readonly chunks: ChunkDigests;
  /** Where these chunks lie, if not one behind the other. */
  readonly places: readonly Range[] | undefined;
  /** The error of each target that failed, by its place in the group. */
  readonly errors: readonly (ImagingError | undefined)[];
}

const NOTHING_COPIED: Omit<CopiedGroup, "errors"> = {
  bytes: 0,
  bad: [],
  digests: [],
  chunks: new ChunkDigests(),
  places: undefined,
};

/** Copies a disk that may fail to another: in order until there is trouble, then rescued. */
async function cloneToTarget(
  job: GroupJob,
  source: BlockSource,
  { held, sink }: OpenTarget,
  onProgress: (progress: CopyProgress) => void,
): Promise<CopiedGroup> {
  const { algorithms, chunkBytes, ringBytes, verify, context } = job;
  const map = new RangeMap({ offset: 0, length: source.size });
  const placed = new PlacedDigestConsumer();
  const writer = new SinkConsumer(held);
  const policy = resumePolicy({
    source,
    saved: undefined,
    map: map.clone(),
    chunkBytes,
    withSaved: false,
    onBad: "stop",
    readTimeoutMilliseconds: READ_TIMEOUT_MILLISECONDS,
    onAbandoned: (range) => noteAbandoned(context, range, READ_TIMEOUT_MILLISECONDS),
  });
  const hashes = hashConsumers(algorithms, source.size);
  try {
    const inOrder: ChunkConsumer<void> = {
      name: held.name,
      async consume(chunk: Chunk): Promise<void> {
        await Promise.all([writer.consume(chunk), verify ? placed.consume(chunk) : undefined]);
        map.set(chunk, "+");
      },
      finish: () => writer.finish(),
      abort: () => Promise.resolve(),
    };
    const { results } = await runCopy({
      policy,
      consumers: [inOrder, ...hashes] as ChunkConsumer[],
      chunkBytes,
      ringBytes,
      onProgress: (progress) => onProgress(inPasses(progress, 0, verify)),
      signal: context.signal,
    });
    let digests = results.slice(1) as Digest[];
    let bad: readonly Range[] = [];
    if (policy.trouble !== undefined) {
      bad = await rescueClone({
        context,
        source,
        target: held,
        map,
        digests: verify ? placed : undefined,
        onProgress: (progress) => onProgress(inPasses(progress, 0, verify)),
      });
      digests = await hashTarget(job, held, sink, source.size);
    }
    const { ranges, digests: chunks } = await placed.finish();
    return { bytes: source.size, bad, digests, chunks, places: ranges, errors: [undefined] };
  } catch (error) {
    await placed.abort();
    if (!(error instanceof ImagingError) || error.kind === "cancelled") throw error;
    return { ...NOTHING_COPIED, errors: [error] };
  }
}

/** What was written out of order is hashed from where it was written to. */
async function hashTarget(
  { context, algorithms, chunkBytes }: GroupJob,
  held: FirstBlockLastSink,
  sink: DeviceSink,
  bytes: number,
): Promise<Digest[]> {
  if (algorithms.length === 0) return [];
  context.phase(`hashing ${sink.name}`);
  await using device = await sink.reread();
  const shown = new PatchedSource(device, [{ offset: 0, bytes: held.heldBack }]);
  const part = new SliceSource(shown, { offset: 0, length: bytes });
  return [...(await hashMedium(context, part, algorithms, chunkBytes, "fail")).digests];
}

async function copyToTargets(
  job: GroupJob,
  source: BlockSource,
  open: readonly OpenTarget[],
  onProgress: (progress: CopyProgress) => void,
): Promise<CopiedGroup> {
  const [only] = open;
  if (job.onBad === "zero" && !source.sequential && open.length === 1 && only !== undefined) {
    return await cloneToTarget(job, source, only, onProgress);
  }
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

/** The error of each target, when the flow to all of them has ended with this one. */
function errorsOf(
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

/** Writes what a block map calls data, and checks it against the map's checksums. */
async function copyMapped(
  job: GroupJob,
  { map }: FoundBmap,
  source: BlockSource,
  open: readonly OpenTarget[],
  onProgress: (progress: CopyProgress) => void,
): Promise<CopiedGroup> {
  const { chunkBytes, ringBytes, verify, context } = job;
  const group = new IsolatedGroup(open.map(({ held }) => new SinkConsumer(held)));
  const placed = verify ? [new PlacedDigestConsumer()] : [];
  const grainBytes = Math.max(4096, ...open.map(({ sink }) => sink.sectorSize));
  const policy = job.unmapped === "zero"
    ? zeroingPolicy(sequentialPolicy(source, { chunkBytes, onBad: "fail" }), map.ranges)
    : bmapPolicy(source, map, { chunkBytes, grainBytes, also: [FIRST_BLOCK] });
  try {
    const { results, bytes } = await runCopy({
      policy,
      consumers: [
        ...group.consumers,
        new BmapChecker(map, source.name),
        ...placed,
      ] as ChunkConsumer[],
      chunkBytes,
      ringBytes,
      onProgress: (progress) => onProgress(inPasses(progress, 0, verify)),
      signal: context.signal,
    });
    const written = results.slice(0, open.length) as MemberResult<void>[];
    const { uncheckedBytes } = results[open.length] as CheckedMap;
    if (uncheckedBytes > 0) {
      context.note({
        level: "warning",
        message: `of ${sizeText(uncheckedBytes)} the block map has no checksum`,
      });
    }
    const places = results[open.length + 1] as PlacedDigests | undefined;
    if (job.unmapped === "zero") compareBmap(map, bytes, source.name);
    if (job.unmapped === "discard") {
      await discardUnmapped(context, map, open.map(({ sink }) => sink));
    }
    return {
      bytes: map.imageSize,
      bad: [],
      digests: [],
      chunks: places?.digests ?? new ChunkDigests(),
      places: places?.ranges ?? [],
      errors: written.map(({ error }) => error),
    };
  } catch (error) {
    return { ...NOTHING_COPIED, errors: errorsOf(error, group, open.length) };
  }
}

/** A policy whose chunks are zeros where the block map has nothing. */
function zeroingPolicy(policy: ReadPolicy, mapped: readonly Range[]): ReadPolicy {
  return changedPolicy(policy, (range, into, outcome) => {
    for (const gap of gapsBetween(range, partsWithin(range, mapped))) {
      into.fill(0, gap.offset - range.offset, endOf(gap) - range.offset);
    }
    return outcome;
  });
}

/** Behind the first block, which is written last. */
async function discardUnmapped(
  context: CommandContext,
  { imageSize, ranges }: Bmap,
  sinks: readonly DeviceSink[],
): Promise<void> {
  const unmapped = gapsBetween({ offset: 0, length: imageSize }, [...ranges, FIRST_BLOCK]);
  for (const sink of sinks) {
    for (const range of unmapped) {
      const offset = Math.ceil(range.offset / DISCARD_GRAIN_BYTES) * DISCARD_GRAIN_BYTES;
      const end = endOf(range) - endOf(range) % DISCARD_GRAIN_BYTES;
      if (end <= offset) continue;
      if (await sink.discard?.({ offset, length: end - offset })) continue;
      context.note({ level: "note", message: `${sink.name} takes no --discard` });
      break;
    }
  }
}

/** Writing and reading again count as one progress. */
function inPasses(progress: CopyProgress, pass: 0 | 1, verify: boolean): CopyProgress {
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

/** Reads the target again, then lets it have its first block. */
async function proveTarget(
  job: GroupJob,
  source: BlockSource,
  open: OpenTarget,
  copied: CopiedGroup,
  onProgress: (progress: CopyProgress) => void,
): Promise<Ending> {
  const { context, verify } = job;
  const { held, sink } = open;
  let fitted: string | undefined;
  const fit = async (): Promise<FittedTable | undefined> => {
    if (job.fit === undefined) return undefined;
    const table = await fitTable(job.fit, open, verify);
    for (const finding of table.findings) context.note(finding);
    fitted = table.summary;
    return table;
  };
  const ending = { bytes: copied.bytes, verified: verify, error: undefined, begun: true };
  if (verify) {
    await using device = await sink.reread();
    const shown = new PatchedSource(device, [{ offset: 0, bytes: held.heldBack }]);
    const differing = await findDifferences(
      job,
      source,
      shown,
      copied,
      (progress) => onProgress(inPasses(progress, 1, true)),
    );
    // The first block stays zero: a medium that is wrong must not look whole.
    if (differing.bytes > 0) return { ...ending, outcome: "mismatch", differing };
    const fitted = await fit();
    if (fitted !== undefined && fitted.differing.bytes > 0) {
      return { ...ending, outcome: "mismatch", differing: fitted.differing };
    }
    await held.release();
    let first: RangeList;
    try {
      first = await differingFirstBlock(device, held.heldBack);
    } catch (error) {
      await held.revoke();
      throw error;
    }
    if (first.bytes > 0) {
      await held.revoke();
      return { ...ending, outcome: "mismatch", differing: first };
    }
  } else {
    await fit();
    await held.release();
  }
  for (const finding of [...lastSectorFindings(copied.bytes, sink), ...await sink.announce()]) {
    context.note(finding);
  }
  return { ...ending, outcome: "done", differing: undefined, fitted };
}

/** Where the target does not hold what was written to it. */
async function findDifferences(
  job: GroupJob,
  source: BlockSource,
  device: BlockSource,
  copied: CopiedGroup,
  onProgress: (progress: CopyProgress) => void,
): Promise<RangeList> {
  const { chunkBytes, ringBytes, compareWith, context } = job;
  const { signal } = context;
  if (compareWith === "source" && copied.places === undefined) {
    const comparison = await compareMedia(source, device, {
      chunkBytes,
      ringBytes,
      onProgress,
      signal,
    });
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
  const written = new SliceSource(device, { offset: 0, length: copied.bytes });
  const { results: [found], bad } = await runCopy({
    policy: copied.places === undefined
      ? sequentialPolicy(written, { chunkBytes, onBad: "zero" })
      : rangesPolicy(written, copied.places),
    consumers: [new ChunkDigestComparer(copied.chunks)],
    chunkBytes: (copied.places ?? [])
      .reduce((most, { length }) => Math.max(most, length), chunkBytes),
    ringBytes,
    onProgress,
    signal,
  });
  const all = mergeRanges([...found, ...bad]);
  return { ranges: all, bytes: totalLength(all) };
}

async function differingFirstBlock(device: BlockSource, expected: Bytes): Promise<RangeList> {
  const block = new Uint8Array(FIRST_BLOCK_BYTES).subarray(0, expected.length);
  const length = await device.readAt(0, block);
  const same = length === expected.length &&
    block.every((byte, index) => byte === expected[index]);
  const ranges = same ? [] : [{ offset: 0, length: expected.length }];
  return { ranges, bytes: totalLength(ranges) };
}

/** An image that ends inside of a sector. */
function lastSectorFindings(bytes: number, sink: DeviceSink): Finding[] {
  const rest = bytes % sink.sectorSize;
  if (rest === 0) return [];
  return [{
    level: "note",
    message: `the image ends inside of a sector: the last ${sink.sectorSize - rest} bytes of ` +
      `that sector on ${sink.name} are zeros now`,
  }];
}

function writeResult(job: WriteJob, result: WriteResult, seconds: number): CommandResult {
  const { source, verify } = job;
  const badBytes = totalLength(result.bad);
  let outcome: Outcome = badBytes > 0 ? "unreadable" : "done";
  const text: string[] = [];
  for (const each of result.targets) {
    outcome = worstOutcome(outcome, each.outcome);
    text.push(...targetLines(each, source, verify));
  }
  text.push(...digestLines(result.digests));
  if (badBytes > 0) {
    const list = { ranges: result.bad, bytes: badBytes };
    text.push(...rangeLines(`unreadable on ${source.name}`, list, source.sectorSize));
    text.push("They are zeros on the target.");
  }
  return {
    outcome,
    text,
    json: {
      source: source.name,
      targets: result.targets.map(targetResultJson),
      hashes: digestsJson(result.digests),
      badBytes,
      bad: rangesJson(result.bad),
      seconds,
    },
  };
}

function targetLines(result: TargetResult, source: BlockSource, verify: boolean): string[] {
  const { target: { target }, bytes, seconds, differing, error } = result;
  if (error !== undefined) {
    const hint = error.hint === undefined ? [] : [`  ${error.hint}`];
    return [
      `${target.path}: FAILED: ${error.message}`,
      ...hint,
      ...(result.begun ? ["  It is incomplete and has no first block: write it again."] : []),
    ];
  }
  const size = `${sizeText(bytes)} of ${source.name} ${rateText(bytes, seconds)}`;
  if (differing !== undefined) {
    return [
      `${target.path}: VERIFICATION FAILED: it does not hold what was written to it`,
      ...rangeLines("  differing", differing, target.disk.sectorSize),
      "  Its first block was left empty, so that it does not look whole. The medium is",
      "  failing, or smaller than it claims to be: do not rely on it.",
    ];
  }
  const lines = [
    `${target.path}: written${verify ? " and verified" : ", not verified"}: ${size}`,
  ];
  if (result.fitted !== undefined) lines.push(`  ${result.fitted}`);
  return lines;
}

function targetResultJson(result: TargetResult): Record<string, unknown> {
  const { target, outcome, bytes, seconds, verified, differing, error } = result;
  return {
    ...targetJson(target.target.disk),
    path: target.target.path,
    outcome,
    bytes,
    verified: verified && outcome === "done",
    differingBytes: differing?.bytes ?? 0,
    differing: rangesJson(differing?.ranges ?? []),
    fitted: result.fitted ?? null,
    error: error === undefined ? null : { message: error.message, hint: error.hint ?? null },
    seconds,
  };
}
