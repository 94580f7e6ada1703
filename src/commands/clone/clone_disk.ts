/**
 * Clones a disk that may fail to another: what is missing is copied or rescued, everything is
 * proved, and the first block comes last. With a map an interrupted clone is gone on with.
 */
import { FIRST_BLOCK_BYTES } from "../../blocks/first_block_last.ts";
import { PatchedSource } from "../../blocks/patched.ts";
import { SliceSource } from "../../blocks/slice.ts";
import type { Digest } from "../../copy/hash_consumers.ts";
import { RangeMap } from "../../copy/range_map.ts";
import { DEFAULT_RING_BYTES } from "../../copy/run_copy.ts";
import type { BlockSource, CopyProgress } from "../../core/block.ts";
import { mergeRanges, type Range, totalLength } from "../../core/range.ts";
import { formatBytes } from "../../core/units.ts";
import type { FileAccess } from "../../devices/device.ts";
import type { HashAlgorithm } from "../../hashes/hash_algorithm.ts";
import { type RangeList, rangesJson } from "../../report/ranges_text.ts";
import { sizeText } from "../../report/rate_text.ts";
import { type CloneCopy, type Cloned, copyClone } from "./clone_copy.ts";
import { CloneMap } from "./clone_map.ts";
import { compareEarlier } from "./clone_proof.ts";
import type { CommandContext, CommandResult } from "../command.ts";
import { differencesFromDigests, type ReadingAgain } from "../write/find_differences.ts";
import type { TableFit } from "../write/fit_table.ts";
import { hashMedium } from "../media/hash_medium.ts";
import type { FirstBlock } from "./first_block_copy.ts";
import { openTarget } from "../write/open_target.ts";
import { proveTarget } from "../write/prove_target.ts";
import { type SourceIdentity, targetIdentityOf } from "../rescue/rescue_map.ts";
import type { RescueOptions } from "../rescue/rescue_options.ts";
import type { ApprovedTarget } from "../write/targets.ts";
import {
  type Ending,
  failure,
  inPasses,
  type OpenTarget,
  type TargetResult,
} from "../write/write_job.ts";
import { writeResult } from "../write/write_result.ts";

/** What to clone, and how. */
export interface CloneJob {
  readonly context: CommandContext;
  /** Can be read at any place. */
  readonly source: BlockSource;
  readonly target: ApprovedTarget;
  readonly algorithms: readonly HashAlgorithm[];
  readonly chunkBytes: number;
  readonly verify: boolean;
  readonly fit: TableFit | undefined;
  readonly rescue: RescueOptions;
  /** Only these places are read; all where it is absent. */
  readonly domain: readonly Range[] | undefined;
  /** Absent where nobody wants to go on later. */
  readonly map: CloneMapPlan | undefined;
}

/** Where a clone keeps its map. */
export interface CloneMapPlan {
  readonly files: FileAccess;
  readonly path: string;
  readonly intervalMilliseconds: number;
  /** Of what is cloned. */
  readonly identity: SourceIdentity;
}

/** How it ended. */
interface CloneEnd {
  readonly ending: Ending;
  readonly digests: readonly Digest[];
  readonly bad: readonly Range[];
  readonly resumedBytes: number;
  /** Bytes that were not to be read. */
  readonly pendingBytes: number;
  /** Does the map stay? */
  readonly isMapKept: boolean;
}

/** What a clone came to that failed, or did not begin. */
const NOTHING_DONE: Omit<CloneEnd, "ending" | "isMapKept"> = {
  digests: [],
  bad: [],
  resumedBytes: 0,
  pendingBytes: 0,
};

const NO_FIRST_BLOCK: FirstBlock = { bytes: new Uint8Array(), areas: [] };

const NO_DIFFERENCES: RangeList = { ranges: [], bytes: 0 };

/**
 * Clones a disk to a target that may be written.
 *
 * @throws {ImagingError} when the user cancels, or the map belongs to other disks; then
 * nothing was changed.
 */
export async function cloneDisk(job: CloneJob): Promise<CommandResult> {
  const { context, target } = job;
  const { path } = target.target;
  context.whenCancelled(
    job.map === undefined
      ? `${path} may be incomplete and then has no partition table: write it again`
      : goOnHint(job),
  );
  context.phase(`writing ${job.source.name} to ${path}`);
  const started = performance.now();
  const source = new SliceSource(job.source, { offset: 0, length: target.bytes });
  let open: OpenTarget;
  try {
    open = await openTarget(context, target);
  } catch (error) {
    const ending = failure(error, false);
    return resultOf(job, { ...NOTHING_DONE, ending, isMapKept: false }, started);
  }
  try {
    return resultOf(job, await new Clone(job, source, open).run(), started);
  } finally {
    if (!context.signal.aborted) await open.sink[Symbol.asyncDispose]();
  }
}

/** What to do after a run that ended early. */
function goOnHint({ target, map }: CloneJob): string {
  const { path } = target.target;
  return map === undefined
    ? "clone it again; with --map FILE it could be gone on with"
    : `what was read is on ${path}, as ${map.path} says: run the same command again to go on`;
}

/** One clone, from the open target to its end. */
class Clone {
  readonly #job: CloneJob;
  readonly #source: BlockSource;
  readonly #open: OpenTarget;
  /** What is known of the source. */
  #map: RangeMap;
  #kept: CloneMap | undefined;
  #notCompared: readonly Range[] = [];

  constructor(job: CloneJob, source: BlockSource, open: OpenTarget) {
    this.#job = job;
    this.#source = source;
    this.#open = open;
    this.#map = new RangeMap({ offset: 0, length: source.size });
  }

  /** @throws {ImagingError} when the user cancels, or the map belongs to other disks. */
  async run(): Promise<CloneEnd> {
    await this.#openMap();
    try {
      await this.#begin();
      const cloned = await copyClone(this.#copy());
      const digests = cloned.digests ?? await this.#hashTarget();
      return this.#map.total("?") > 0
        ? this.#unfinished(cloned)
        : await this.#prove(cloned, digests);
    } catch (error) {
      const isMapKept = this.#kept !== undefined;
      const resumedBytes = totalLength(this.#rescued);
      return { ...NOTHING_DONE, resumedBytes, ending: failure(error), isMapKept };
    }
  }

  get #rescued(): readonly Range[] {
    return this.#kept?.rescued ?? [];
  }

  async #openMap(): Promise<void> {
    const { context, map: plan, target: { target } } = this.#job;
    if (plan === undefined) return;
    await using device = await this.#open.sink.reread();
    this.#kept = await CloneMap.open({
      files: plan.files,
      path: plan.path,
      source: this.#source,
      targetName: target.path,
      owners: { source: plan.identity, target: targetIdentityOf(target) },
    }, device);
    this.#map = this.#kept.map;
    const savedBytes = this.#map.total("+", "-");
    if (savedBytes > 0) {
      context.note({
        level: "note",
        message: `going on with ${plan.path}: ${formatBytes(savedBytes)} of ` +
          `${formatBytes(this.#source.size)} are done`,
      });
    }
    // Before anything else is written: the first MiB is about to go from the target.
    await this.#kept.save(this.#map);
  }

  /** The old table goes: from now on the target is no whole disk. */
  async #begin(): Promise<void> {
    const { held } = this.#open;
    await held.writeAt(0, new Uint8Array(Math.min(FIRST_BLOCK_BYTES, this.#source.size)));
    const { bytes, areas } = this.#kept?.firstBlock ?? NO_FIRST_BLOCK;
    for (const { offset, length } of areas) {
      await held.writeAt(offset, bytes.subarray(offset, offset + length));
    }
  }

  #copy(): CloneCopy {
    const { context, algorithms, chunkBytes, verify, rescue, domain, map } = this.#job;
    return {
      context,
      source: this.#source,
      open: this.#open,
      map: this.#map,
      kept: this.#kept,
      intervalMilliseconds: map?.intervalMilliseconds ?? Infinity,
      algorithms,
      chunkBytes,
      ringBytes: DEFAULT_RING_BYTES,
      verify,
      rescue,
      domain,
      goOn: goOnHint(this.#job),
      onProgress: (progress) => context.progress(inPasses(progress, 0, verify)),
    };
  }

  /** What was not read in one go is hashed from where it was written to. */
  async #hashTarget(): Promise<readonly Digest[]> {
    const { context, algorithms, chunkBytes } = this.#job;
    const { sink, held } = this.#open;
    if (algorithms.length === 0 || this.#map.total("?") > 0) return [];
    context.phase(`hashing ${sink.name}`);
    await using device = await sink.reread();
    const shown = new PatchedSource(device, [{ offset: 0, bytes: held.heldBack }]);
    const part = new SliceSource(shown, { offset: 0, length: this.#source.size });
    return (await hashMedium(context, part, algorithms, chunkBytes, "fail")).digests;
  }

  /** Not all of the source was to be read: the target does not get its first block. */
  #unfinished({ bad }: Cloned): CloneEnd {
    return {
      ending: {
        outcome: "unreadable",
        bytes: this.#map.total("+"),
        verified: false,
        differing: undefined,
        error: undefined,
        begun: true,
      },
      digests: [],
      bad,
      resumedBytes: totalLength(this.#rescued),
      pendingBytes: this.#map.total("?"),
      isMapKept: true,
    };
  }

  async #prove(cloned: Cloned, digests: readonly Digest[]): Promise<CloneEnd> {
    const { context, verify, fit } = this.#job;
    const kept = this.#kept;
    const ending = await proveTarget(this.#open, {
      context,
      verify,
      fit,
      bytes: this.#source.size,
      beforeFit: async (ranges) => await this.#disown(ranges),
      findDifferences: (device) => this.#findDifferences(device, cloned),
    });
    const isWhole = ending.outcome === "done" && cloned.bad.length === 0 &&
      this.#notCompared.length === 0;
    if (ending.outcome === "done") await (isWhole ? kept?.remove() : kept?.keep());
    const { bad } = cloned;
    return {
      ending: this.#notCompared.length === 0 || ending.outcome !== "done" ? ending : {
        ...ending,
        outcome: "unreadable",
        notCompared: { ranges: this.#notCompared, bytes: totalLength(this.#notCompared) },
      },
      digests,
      bad,
      resumedBytes: totalLength(this.#rescued),
      pendingBytes: 0,
      isMapKept: kept !== undefined && !isWhole,
    };
  }

  /** These places do not hold what was read from the source, or will not: the map says so. */
  async #disown(ranges: readonly Range[]): Promise<void> {
    if (this.#kept === undefined) return;
    for (const range of ranges) this.#map.set(range, "?");
    await this.#kept.save(this.#map, this.#open.held.heldBack);
  }

  /** What this run wrote is compared with its digests, the rest with the source itself. */
  async #findDifferences(device: BlockSource, cloned: Cloned): Promise<RangeList> {
    const now = await this.#differencesOfThisRun(device, cloned);
    const before = await this.#differencesOfEarlierRuns(device, cloned);
    const differing = {
      ranges: mergeRanges([...now.ranges, ...before.ranges]),
      count: now.ranges.length + (before.count ?? before.ranges.length),
      bytes: now.bytes + before.bytes,
    };
    if (differing.bytes > 0) await this.#disown(placesOf(differing, this.#map));
    return differing;
  }

  async #differencesOfThisRun(device: BlockSource, { written }: Cloned): Promise<RangeList> {
    if (written === undefined) return NO_DIFFERENCES;
    const { ranges: places, digests: chunks } = written;
    const reading = this.#readingAgain(0, totalLength(places) + totalLength(this.#rescued));
    return await differencesFromDigests(
      device,
      { bytes: this.#source.size, chunks, places },
      reading,
    );
  }

  async #differencesOfEarlierRuns(
    device: BlockSource,
    { written }: Cloned,
  ): Promise<RangeList> {
    if (this.#rescued.length === 0) return NO_DIFFERENCES;
    this.#job.context.phase(`comparing ${device.name} with ${this.#source.name}`);
    const before = totalLength(written?.ranges ?? []);
    const reading = this.#readingAgain(before, before + totalLength(this.#rescued));
    const found = await compareEarlier(this.#source, device, this.#rescued, reading);
    this.#notCompared = found.notCompared;
    return found.differing;
  }

  /** `before`: bytes that were compared already, of `totalBytes`. */
  #readingAgain(before: number, totalBytes: number): ReadingAgain {
    const { context, chunkBytes } = this.#job;
    return {
      chunkBytes,
      ringBytes: DEFAULT_RING_BYTES,
      signal: context.signal,
      onProgress: (progress: CopyProgress) => {
        const doneBytes = before + progress.doneBytes;
        context.progress(inPasses({ ...progress, doneBytes, totalBytes }, 1, true));
      },
    };
  }
}

/** The places of a list; where it does not name them all, everything behind them, too. */
function placesOf({ ranges, count = ranges.length }: RangeList, map: RangeMap): Range[] {
  const last = ranges.at(-1);
  const rest = { offset: last?.offset ?? 0, length: map.range.length };
  return count > ranges.length ? [...ranges, rest] : [...ranges];
}

function resultOf(job: CloneJob, end: CloneEnd, started: number): CommandResult {
  const { source, target, verify, rescue, map } = job;
  const { ending, digests, bad, resumedBytes, pendingBytes, isMapKept } = end;
  const seconds = (performance.now() - started) / 1000;
  const mapPath = isMapKept ? map?.path : undefined;
  const each: TargetResult = {
    ...ending,
    target,
    seconds,
    goOn: mapPath === undefined ? undefined : `the same command goes on, as ${mapPath} says`,
  };
  const { outcome, text, json } = writeResult(
    { source, verify },
    { targets: [each], digests, bad, fill: rescue.fill, resumedBytes },
    seconds,
  );
  return {
    outcome,
    text: pendingBytes === 0 ? text : [
      `${target.target.path}: not complete, and without its first block: ` +
      `${sizeText(pendingBytes)} were not read; the same command without --domain goes on`,
    ],
    json: {
      ...json,
      map: mapPath ?? null,
      resumedBytes,
      pendingBytes,
      notComparedBytes: ending.notCompared?.bytes ?? 0,
      notCompared: rangesJson(ending.notCompared?.ranges ?? []),
    },
  };
}
