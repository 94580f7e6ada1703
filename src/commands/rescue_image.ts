/**
 * The second half of reading a failing medium: what the copy in order has left is rescued,
 * whatever the order. The image gets its digest from what was saved.
 */
import { isZero } from "../../ffi/memory.ts";
import type { RangeMap } from "../copy/range_map.ts";
import { makeChunk } from "../copy/run_copy.ts";
import type { TrackedConsumer } from "../copy/tracked_consumer.ts";
import type { BlockSource, CopyProgress, RescueFigures } from "../core/block.ts";
import { ImagingError } from "../core/errors.ts";
import { intersection, piecesOf, type Range } from "../core/range.ts";
import type { ImageSummary, ImageWriter } from "../formats/image_format.ts";
import { RescueStrategy } from "../rescue/rescue_strategy.ts";
import { type RescueProgress, runRescue } from "../rescue/run_rescue.ts";
import type { CommandContext } from "./command.ts";
import type { PartialImage, RescueStage } from "./partial_image.ts";
import type { RescueOptions } from "./rescue_options.ts";

/** A rescue into an image. */
export interface ImageRescue {
  readonly context: CommandContext;
  readonly source: BlockSource;
  readonly partial: PartialImage;
  /** What is known of the source, durable or about to be. */
  readonly map: RangeMap;
  readonly tracked: TrackedConsumer<ImageSummary>;
  readonly options: RescueOptions;
  /** Only these places; all where it is absent. */
  readonly domain: readonly Range[] | undefined;
  /** Ends it; that of the context where it is absent. */
  readonly signal?: AbortSignal | undefined;
  onProgress(progress: CopyProgress): void;
  /** Told what the map's status line shall say from now on. */
  onStage(stage: RescueStage): void;
}

/** What the phases are called. */
const PHASE_TITLES: Readonly<Record<string, string>> = {
  "?": "copying",
  "*": "trimming",
  "/": "scraping",
  "-": "retrying",
  "+": "finished",
};

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
export async function rescueImage(rescue: ImageRescue): Promise<void> {
  const { context, source, partial, map, tracked, options, domain, onProgress, onStage } =
    rescue;
  const { skip, minRate, maxBadAreas } = options;
  const stage = partial.savedStage;
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
  });
  if (end === "finished") return;
  await tracked.saveNow();
  throw gaveUp(
    source,
    partial,
    end === "timeout"
      ? nothingFor(options.timeoutMilliseconds ?? 0)
      : `more than ${maxBadAreas} bad areas`,
  );
}

/** Why `--timeout` ends a run. */
export function nothingFor(milliseconds: number): string {
  return `nothing could be read for ${milliseconds / 1000} s`;
}

/** What the user allowed is used up. */
export function gaveUp(
  source: BlockSource,
  partial: PartialImage,
  reason: string,
): ImagingError {
  return new ImagingError("environment", `gave up reading ${source.name}: ${reason}`, {
    hint: `what was read is in ${partial.partPath}: run the same command again to go on`,
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
  const title = PHASE_TITLES[phase] ?? phase;
  return {
    phase: phase === "?" || phase === "-" ? `${title}, pass ${pass}` : title,
    pendingBytes,
    badAreas,
    secondsSinceSuccess: millisecondsSinceSuccess / 1000,
  };
}

/** Bytes of markers that are written at once. */
const MARKER_CHUNK_BYTES = 1024 * 1024;

/**
 * Writes a readable text with its number into every sector that could not be read, so that
 * files which are hit can be found by it.
 */
export async function writeMarkers(
  writer: ImageWriter,
  source: BlockSource,
  unreadable: readonly Range[],
  sectorSize: number,
): Promise<void> {
  for (const piece of piecesOf(unreadable, MARKER_CHUNK_BYTES)) {
    await writer.consume(makeChunk(piece.offset, markers(source.name, piece, sectorSize)));
  }
}

/** Puts zeros over the markers of an earlier run; answers whether there were any. */
export async function clearMarkers(
  writer: ImageWriter,
  saved: BlockSource,
  unreadable: readonly Range[],
): Promise<boolean> {
  let found = false;
  const whole = { offset: 0, length: saved.size };
  const inside = unreadable.flatMap((area) => intersection(area, whole) ?? []);
  for (const { offset, length } of piecesOf(inside, MARKER_CHUNK_BYTES)) {
    const bytes = new Uint8Array(length);
    await saved.readAt(offset, bytes);
    if (isZero(bytes)) continue;
    found = true;
    await writer.consume(makeChunk(offset, bytes.fill(0)));
  }
  return found;
}

/** Sectors of blanks, each with a line of text at its beginning. */
function markers(
  name: string,
  { offset, length }: Range,
  sectorSize: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length).fill(0x20);
  for (let at = 0; at < length; at += sectorSize) {
    const sector = Math.floor((offset + at) / sectorSize);
    const text = `sectorshot: unreadable sector ${sector} of ${name}\n`;
    new TextEncoder().encodeInto(text, bytes.subarray(at, at + sectorSize));
  }
  return bytes;
}
