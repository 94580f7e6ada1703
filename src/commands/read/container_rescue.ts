/**
 * The rescue of a failing medium into an image that can only be written in order. What lies
 * behind the first trouble is rescued into a raw file beside the image, `card.E01.rescue.part`
 * with the map `card.E01.map`, and the image goes on from there. After an interruption the
 * image is begun anew, and the rescue goes on.
 */
import type { Area, RangeMap } from "../../copy/range_map.ts";
import type { ReadPolicy } from "../../copy/read_policy.ts";
import { type ReadAlready, type Rescued, RescuingPolicy } from "../../copy/rescuing_policy.ts";
import { makeChunk } from "../../copy/run_copy.ts";
import { TrackedConsumer } from "../../copy/tracked_consumer.ts";
import type { BlockSource, CopyProgress } from "../../core/block.ts";
import { ImagingError } from "../../core/errors.ts";
import { endOf, mergeRanges } from "../../core/range.ts";
import { formatBytes } from "../../core/units.ts";
import type { FileAccess } from "../../devices/device.ts";
import type { ImageSummary } from "../../formats/image_format.ts";
import { raw } from "../../formats/raw.ts";
import type { CommandContext } from "../command.ts";
import { saveAfterFailure } from "../rescue/last_save.ts";
import { PartialImage } from "./partial_image.ts";
import { checkFileLimit } from "./read_destination.ts";
import {
  COPYING,
  FINISHED,
  IDENTITY_MARK,
  lockPathOf,
  type SourceIdentity,
} from "../rescue/rescue_map.ts";
import { gaveUp, noteAbandoned, nothingFor, rescueMedium } from "../rescue/rescue_medium.ts";
import type { RescueOptions } from "../rescue/rescue_options.ts";

/** How exactly `--timeout` is kept. */
const TICK_MILLISECONDS = 100;

/** What is read, and for which image. */
export interface ContainerRescueOptions {
  readonly context: CommandContext;
  readonly files: FileAccess;
  /** The final name of the image. */
  readonly imagePath: string;
  /** Of all images that are made: this one comes first. */
  readonly imagePaths: readonly string[];
  readonly mapPath: string;
  /** Closed by its owner, after the rescue. */
  readonly source: BlockSource;
  /** Where the source begins on the medium, for messages. */
  readonly begin: number;
  readonly identity: SourceIdentity;
  readonly options: RescueOptions;
  readonly chunkBytes: number;
  readonly sparse: boolean;
  readonly intervalMilliseconds: number;
  /** Told while the rescue lasts. `readBytes`: of the source, by this run. */
  onProgress(progress: CopyProgress, readBytes: number): void;
}

/** What stays of a rescue behind a complete image. */
export interface RescueRemains {
  /** Of the source, as the image has it; absent where nothing had to be rescued. */
  readonly areas: readonly Area[] | undefined;
  /** Set where the map stays. */
  readonly mapPath: string | undefined;
}

/** Where the rescue of an image is kept. */
function rescuePartPath(imagePath: string): string {
  return `${imagePath}.rescue.part`;
}

/** See the head of this file. */
export class ContainerRescue implements AsyncDisposable {
  /** Reads the source, in order, for the images. */
  readonly policy: ReadPolicy;
  /** Ends the reading: the user's wish, or a device that brings nothing for too long. */
  readonly signal: AbortSignal;
  /** Bytes that an earlier run rescued, or found unreadable. */
  readonly savedBytes: number;
  readonly #options: ContainerRescueOptions;
  readonly #late = new AbortController();
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  /** Images that an earlier run of the same source was making. */
  readonly #begun: readonly string[];
  #partial: PartialImage | undefined;
  /** Where the rescue began. */
  #from = 0;
  #running: Promise<Rescued> | undefined;
  #content: BlockSource | undefined;

  private constructor(
    options: ContainerRescueOptions,
    partial: PartialImage | undefined,
    begun: readonly string[] = [],
  ) {
    this.#options = options;
    this.#partial = partial;
    this.#begun = begun;
    this.savedBytes = partial?.savedBytes ?? 0;
    const { context, source, chunkBytes } = options;
    const known = [...partial?.map?.areas() ?? []].find(({ status }) => status !== "?");
    const { timeoutMilliseconds, readTimeoutMilliseconds } = options.options;
    const policy = new RescuingPolicy({
      source,
      chunkBytes,
      readTimeoutMilliseconds,
      onAbandoned: (range) => noteAbandoned(context, source, range, readTimeoutMilliseconds),
      knownFrom: known?.offset ?? source.size,
      rescue: (from, already, signal) => this.#running = this.#rescue(from, already, signal),
    });
    this.policy = policy;
    this.signal = AbortSignal.any([context.signal, this.#late.signal]);
    if (timeoutMilliseconds === undefined) return;
    this.#timer = setInterval(() => {
      if (policy.stalledMilliseconds > timeoutMilliseconds) this.#late.abort();
    }, TICK_MILLISECONDS);
  }

  /**
   * Gets ready to rescue, or to go on with what an earlier run rescued.
   *
   * @throws {ImagingError} when that is of another source; nothing was changed then.
   */
  static async open(options: ContainerRescueOptions): Promise<ContainerRescue> {
    const { context, files, imagePath, mapPath } = options;
    const paths = [rescuePartPath(imagePath), mapPath];
    const found = await Promise.all(paths.map((path) => context.backend.locate(path)));
    if (found.every(({ kind }) => kind === "missing")) {
      return new ContainerRescue(options, undefined);
    }
    const identity = recordedIdentity(await files.read(mapPath));
    const isFinished = identity !== undefined && identity.file === undefined;
    if (isFinished && (await context.backend.locate(imagePath)).kind === "missing") {
      throw new ImagingError(
        "environment",
        `cannot make ${imagePath}: ${mapPath} belongs to another run`,
        { hint: "move that map away, or choose another name for the image" },
      );
    }
    const partial = await PartialImage.open(partialOptions(options));
    const rescue = new ContainerRescue(options, partial, identity?.images);
    rescue.#tellHowToGoOn();
    if (rescue.savedBytes > 0) {
      context.note({
        level: "note",
        message: `going on with ${partial.partPath}: ${formatBytes(rescue.savedBytes)} of ` +
          `${formatBytes(options.source.size)} need not be read again; ${imagePath} is ` +
          "begun anew",
      });
    }
    return rescue;
  }

  /**
   * Is it shown that the unfinished file of an image was made of this source, by an earlier
   * run? Then it may be begun anew.
   */
  provesPart(imagePath: string): boolean {
    return this.#begun.includes(imagePath);
  }

  /** What is read now: the source in order, what is rescued of it, or what was rescued. */
  get stage(): "in order" | "rescuing" | "rescued" {
    if (this.#running === undefined) return "in order";
    return this.#content === undefined ? "rescuing" : "rescued";
  }

  /** How far the images are, when all is rescued: of what they waited for. */
  written({ doneBytes, totalBytes, ...rest }: CopyProgress): CopyProgress {
    const from = this.#from;
    return { ...rest, doneBytes: doneBytes - from, totalBytes: totalBytes - from };
  }

  /** The error to show for one that ended the reading. */
  reasonFor(error: unknown): unknown {
    const { context, source, options } = this.#options;
    if (!this.#late.signal.aborted || context.signal.aborted) return error;
    return gaveUp(
      source,
      nothingFor(options.timeoutMilliseconds ?? 0),
      this.#begun.length > 0
        ? "run the same command again to go on"
        : "check the disk and its cable, then begin anew with --force",
    );
  }

  /** The images are complete and have their names: removes what is needed no more. */
  async finish(): Promise<RescueRemains> {
    const { files, mapPath, identity } = this.#options;
    const partial = this.#partial;
    if (partial?.map === undefined) return { areas: undefined, mapPath: undefined };
    const map = partial.map.clone();
    // What was not rescued was read in order, before the trouble.
    for (const range of map.ranges("?")) map.set(range, "+");
    await this.#content?.[Symbol.asyncDispose]();
    this.#content = undefined;
    // In this order: what is left of an interrupted end is the map of a finished image.
    await partial.discard();
    const isWhole = map.total("+") === map.range.length;
    if (isWhole) await files.remove(mapPath);
    else await partial.saveMap(map, FINISHED, identity);
    return { areas: [...map.areas()], mapPath: isWhole ? undefined : mapPath };
  }

  /** Closes the files; they stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    // Its failure is told by the flow, which waits for it.
    await Promise.allSettled([this.#running]);
    await this.#close();
  }

  async #close(): Promise<void> {
    const open = [this.#content, this.#partial];
    this.#content = this.#partial = undefined;
    for (const each of open) await each?.[Symbol.asyncDispose]();
  }

  #tellHowToGoOn(): void {
    const { context, imagePath } = this.#options;
    context.whenCancelled(
      `run the same command again: what was rescued is kept in ${rescuePartPath(imagePath)}`,
    );
  }

  async #rescue(
    from: number,
    already: readonly ReadAlready[],
    signal: AbortSignal,
  ): Promise<Rescued> {
    const { context, imagePath, source, begin, sparse } = this.#options;
    clearInterval(this.#timer);
    this.#from = from;
    const rest = formatBytes(source.size - from);
    const path = rescuePartPath(imagePath);
    context.note({
      level: "warning",
      message: this.savedBytes > 0
        ? `from byte ${begin + from} on, what is left is rescued first, into ${path}`
        : `trouble behind byte ${begin + from} of ${source.name}: what lies from there on is ` +
          `rescued first, into ${path}, which takes up to ${rest} until ${imagePath} is complete`,
    });
    if (this.#partial === undefined) await checkFileLimit(context, path, source.size, sparse);
    const partial = this.#partial ??= await PartialImage.open(partialOptions(this.#options));
    this.#tellHowToGoOn();
    const { map } = partial;
    if (map === undefined) throw new Error("A stream cannot be rescued");
    await this.#fill(partial, map, { from, already, signal });
    if (map.ranges("?").some((untried) => endOf(untried) > from)) {
      throw new Error("The rescue ended, and not all of it was tried");
    }
    const lost = mergeRanges(map.ranges("-", "*", "/"));
    this.#content = await context.backend.openSource(partial.partPath, { direct: false });
    context.phase(`writing ${imagePath}`);
    return { content: this.#content, bad: lost };
  }

  /** Rescues into the raw file; when this resolves all of it is durable. */
  async #fill(
    partial: PartialImage,
    map: RangeMap,
    { from, already, signal }: {
      readonly from: number;
      readonly already: readonly ReadAlready[];
      readonly signal: AbortSignal;
    },
  ): Promise<void> {
    const { context, source, options, sparse, intervalMilliseconds } = this.#options;
    const { size } = source;
    let stage = partial.savedStage ?? COPYING;
    const tracked = new TrackedConsumer<ImageSummary>(
      await raw.create(partial.file, { size, sparse }),
      { map, save: (durable) => partial.saveMap(durable, stage), intervalMilliseconds },
    );
    const domain = [{ offset: from, length: size - from }];
    try {
      for (const { offset, bytes } of already) await tracked.write(makeChunk(offset, bytes));
      await rescueMedium({
        context,
        source,
        stage: partial.savedStage,
        goOn: `what was read is in ${partial.partPath}: run the same command again to go on`,
        map,
        tracked,
        options,
        domain,
        signal: AbortSignal.any([context.signal, signal]),
        onProgress: (progress) => {
          const readBytes = from + progress.doneBytes - this.savedBytes;
          this.#options.onProgress(progress, readBytes);
        },
        onStage: (now) => {
          stage = now;
        },
      });
      await tracked.finish();
      await partial.saveMap(map, FINISHED);
    } catch (error) {
      await tracked.abort(error);
      await saveAfterFailure(context, tracked);
      throw error;
    }
  }
}

/** What reads on when the medium fails; undefined where that was not wanted, or is a stream. */
export async function rescueFor(
  options: ContainerRescueOptions,
): Promise<ContainerRescue | undefined> {
  const { context, imagePath, source, options: { onError } } = options;
  if (source.sequential) return undefined;
  if (onError === "rescue") return await ContainerRescue.open(options);
  const path = rescuePartPath(imagePath);
  if ((await context.backend.locate(path)).kind === "missing") return undefined;
  throw new ImagingError(
    "usage",
    `cannot use --on-error ${onError} here: there is a rescue that was begun, ${path}`,
    { hint: `leave it out to go on with the rescue, or remove ${path} and its map` },
  );
}

/** The files that a rescue makes beside an image, and what each is. */
export function rescueNames(
  imagePath: string,
  mapPath: string,
): { path: string; role: string }[] {
  return [
    { path: rescuePartPath(imagePath), role: "what is rescued" },
    { path: mapPath, role: "the map" },
    { path: `${mapPath}.tmp`, role: "the map being saved" },
    { path: lockPathOf(mapPath), role: "the lock of the map" },
  ];
}

/** What a map says that it was made from; undefined where it says nothing sensible. */
function recordedIdentity(
  content: Uint8Array | undefined,
): Partial<SourceIdentity> | undefined {
  const mark = `# ${IDENTITY_MARK}`;
  const line = new TextDecoder().decode(content).split("\n")
    .find((each) => each.startsWith(mark));
  try {
    return line === undefined ? undefined : Object(JSON.parse(line.slice(mark.length)));
  } catch (error) {
    // Whoever goes on with that map says so.
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

function partialOptions(
  options: ContainerRescueOptions,
): Parameters<typeof PartialImage.open>[0] {
  const { context, files, imagePath, imagePaths, mapPath, source, identity, sparse } = options;
  const { backend } = context;
  const partPath = rescuePartPath(imagePath);
  return {
    backend,
    files,
    path: partPath.slice(0, -".part".length),
    mapPath,
    source,
    identity: {
      ...identity,
      file: backend.host.paths.nameOf(partPath),
      images: imagePaths,
    },
    sparse,
    adopt: false,
    imagePath,
  };
}
