/**
 * The second half of reading a failing medium: what the copy in order has left is rescued,
 * whatever the order.
 */
import type { RangeMap } from "../../copy/range_map.ts";
import type { TrackedConsumer } from "../../copy/tracked_consumer.ts";
import type { BlockSource, CopyProgress, RescueFigures } from "../../core/block.ts";
import { ImagingError } from "../../core/errors.ts";
import type { Range } from "../../core/range.ts";
import { RescueStrategy } from "../../rescue/rescue_strategy.ts";
import { type RescueProgress, runRescue } from "../../rescue/run_rescue.ts";
import type { CommandContext } from "../command.ts";
import { PHASE_NAMES } from "./phase_names.ts";
import type { RescueStage } from "./rescue_map.ts";
import type { RescueOptions } from "./rescue_options.ts";

/** A rescue, wherever it goes. */
export interface MediumRescue {
  readonly context: CommandContext;
  readonly source: BlockSource;
  /** What is known of the source, durable or about to be. */
  readonly map: RangeMap;
  /** Writes, and keeps that map. */
  readonly tracked: TrackedConsumer<unknown>;
  readonly options: RescueOptions;
  /** Only these places; all where it is absent. */
  readonly domain: readonly Range[] | undefined;
  /** Ends it; that of the context where it is absent. */
  readonly signal?: AbortSignal | undefined;
  /** What an earlier run was doing. */
  readonly stage: RescueStage | undefined;
  /** What to do after it was given up, as a hint. */
  readonly goOn: string;
  onProgress(progress: CopyProgress): void;
  /** Told what the map's status line shall say from now on. */
  onStage(stage: RescueStage): void;
}

/** Is there anything in the map that only a rescue can do? */
export function needsRescue(map: RangeMap, { retries, reverse }: RescueOptions): boolean {
  const isBegun = map.total("*", "/") > 0 || (map.total("-") > 0 && map.total("?") > 0);
  return isBegun || reverse || (retries > 0 && map.total("-") > 0);
}

/**
 * Rescues all that the options allow.
 *
 * @throws {ImagingError} when the medium goes away, the user cancels, or it is given up;
 * the map is right in each case.
 */
export async function rescueMedium(rescue: MediumRescue): Promise<void> {
  const { context, source, map, tracked, options, domain, stage, onProgress, onStage } = rescue;
  const { skip, minRate, maxBadAreas } = options;
  const strategy = new RescueStrategy({
    map: map.clone(),
    domain,
    sectorSize: options.sectorSize ?? source.sectorSize,
    sectorPhase: source.sectorPhase,
    retries: options.retries,
    trim: options.trim,
    scrape: options.scrape,
    reverse: options.reverse,
    skipMin: skip?.min,
    skipMax: skip?.max,
    minRate,
    maxBadAreas,
    phase: stage?.phase,
    pass: stage?.pass,
  });
  context.phase(`rescuing ${source.name}`);
  const end = await runRescue({
    source,
    // Also what the map called unreadable: that is what is tried again.
    consumer: { name: tracked.name, consume: (chunk) => tracked.write(chunk) },
    strategy,
    signal: rescue.signal ?? context.signal,
    onFailed: (areas) => areas.forEach(({ range, status }) => tracked.mark(range, status)),
    onPhase: (phase, pass) => {
      onStage({ phase, pass, position: strategy.position });
      tracked.saveSoon();
    },
    onProgress: (progress) => {
      onStage({ phase: progress.phase, pass: progress.pass, position: progress.position });
      tracked.saveIfDue();
      onProgress(rescueProgress(progress));
    },
    onError: options.onError === "abort" ? "abort" : "rescue",
    pauseMilliseconds: options.pauseMilliseconds,
    timeoutMilliseconds: options.timeoutMilliseconds,
    readTimeoutMilliseconds: options.readTimeoutMilliseconds,
    onAbandoned: (range) =>
      noteAbandoned(context, source, range, options.readTimeoutMilliseconds),
  });
  if (end === "finished") return;
  await tracked.saveNow();
  throw gaveUp(
    source,
    end === "timeout"
      ? nothingFor(options.timeoutMilliseconds ?? 0)
      : `more than ${maxBadAreas} bad areas`,
    rescue.goOn,
  );
}

/** Why `--timeout` ends a run. */
export function nothingFor(milliseconds: number): string {
  return `nothing could be read for ${milliseconds / 1000} s`;
}

/** Says that a read hung and was given up. */
export function noteAbandoned(
  context: CommandContext,
  source: BlockSource,
  { offset, length }: Range,
  milliseconds: number,
): void {
  context.note({
    level: "warning",
    message: `a read of ${length} bytes at byte ${offset} of ${source.name} did not answer ` +
      `within ${milliseconds / 1000} s: treated as failing`,
  });
}

/** What the user allowed is used up. */
export function gaveUp(source: BlockSource, reason: string, goOn: string): ImagingError {
  return new ImagingError("environment", `gave up reading ${source.name}: ${reason}`, {
    hint: goOn,
  });
}

/** How far a rescue is, as every copy tells it. */
export function rescueProgress(progress: RescueProgress): CopyProgress {
  const { rescuedBytes, pendingBytes, unreadableBytes } = progress;
  return {
    doneBytes: rescuedBytes,
    totalBytes: rescuedBytes + pendingBytes + unreadableBytes,
    badBytes: unreadableBytes,
    rescue: figuresOf(progress),
  };
}

function figuresOf(progress: RescueProgress): RescueFigures {
  const { phase, pass, pendingBytes, badAreas, millisecondsSinceSuccess } = progress;
  const title = PHASE_NAMES[phase];
  return {
    phase: phase === "?" || phase === "-" ? `${title}, pass ${pass}` : title,
    pendingBytes,
    badAreas,
    secondsSinceSuccess: millisecondsSinceSuccess / 1000,
  };
}
