/**
 * The map of a clone: what of the source is on the target, in the grammar of GNU ddrescue. It
 * is written before the target is touched, and from then on only by rename. Of the first MiB,
 * which is held back until all else is proved, it calls nothing rescued before it is there.
 */
import { parseMapFile } from "../copy/map_file.ts";
import { RangeMap } from "../copy/range_map.ts";
import type { BlockSource } from "../core/block.ts";
import { ImagingError } from "../core/errors.ts";
import { endOf, type Range } from "../core/range.ts";
import type { FileAccess } from "../devices/device.ts";
import { differingSample } from "./map_samples.ts";
import {
  COPYING,
  FINISHED,
  IDENTITY_MARK,
  mapText,
  otherSource,
  otherTarget,
  type RescueStage,
  type SourceIdentity,
  TARGET_MARK,
  type TargetIdentity,
} from "./rescue_map.ts";
import { FIRST_BLOCK } from "./write_job.ts";

/** Which map, and whose. */
export interface CloneMapOptions {
  readonly files: FileAccess;
  readonly path: string;
  readonly source: BlockSource;
  /** For messages. */
  readonly targetName: string;
  readonly owners: { readonly source: SourceIdentity; readonly target: TargetIdentity };
}

/** See the head of this file. */
export class CloneMap {
  /** What is known of the source. Changed as the clone goes on. */
  readonly map: RangeMap;
  /** What earlier runs put on the target, as far as it is there. */
  readonly rescued: readonly Range[];
  /** What an earlier run was doing; undefined when this is the first. */
  readonly savedStage: RescueStage | undefined;
  readonly #options: CloneMapOptions;

  private constructor(
    options: CloneMapOptions,
    map: RangeMap,
    savedStage: RescueStage | undefined,
  ) {
    this.#options = options;
    this.map = map;
    this.rescued = map.ranges("+");
    this.savedStage = savedStage;
  }

  /**
   * Reads the map, or begins one. Nothing is written.
   *
   * @param target what the target holds
   * @throws {ImagingError} when the map belongs to another source or target.
   */
  static async open(options: CloneMapOptions, target: BlockSource): Promise<CloneMap> {
    const { files, path, source } = options;
    const content = await files.read(path);
    if (content === undefined) {
      return new CloneMap(
        options,
        new RangeMap({ offset: 0, length: source.size }),
        undefined,
      );
    }
    const { comments, map, currentPhase, currentPass, currentPosition } = parseMapFile(
      content,
      path,
    );
    checkOwners(comments, map, options);
    const offset = await differingSample(source, target, map.ranges("+"));
    if (offset !== undefined) {
      throw new ImagingError(
        "environment",
        `cannot go on: what ${path} calls rescued is not the same on ${source.name} and ` +
          `${options.targetName} near byte ${offset}: one of them is another disk, or was ` +
          "changed meanwhile",
        { hint: `name the disks that were begun with, or move ${path} away to start anew` },
      );
    }
    // Any phase goes on with what was not tried, and there is: what is held back.
    const phase = currentPhase === "+" ? "?" : currentPhase;
    return new CloneMap(options, map, {
      phase,
      pass: phase === currentPhase ? currentPass : 1,
      position: currentPosition,
    });
  }

  get path(): string {
    return this.#options.path;
  }

  /** Saves what is durable on the target, where the first block is not yet. */
  async save(map: RangeMap, stage: RescueStage = this.savedStage ?? COPYING): Promise<void> {
    const shown = map.clone();
    for (const range of map.ranges("+")) {
      if (range.offset >= endOf(FIRST_BLOCK)) break;
      shown.set(
        { ...range, length: Math.min(range.length, endOf(FIRST_BLOCK) - range.offset) },
        "?",
      );
    }
    await this.#write(shown, stage);
  }

  /** All that could be read is on the target, the first block too: the map stays. */
  async keep(): Promise<void> {
    await this.#write(this.map, FINISHED);
  }

  /** Every byte is on the target: nobody needs the map any more. */
  async remove(): Promise<void> {
    await this.#options.files.remove(this.path);
  }

  async #write(map: RangeMap, stage: RescueStage): Promise<void> {
    const { files, path, owners } = this.#options;
    await files.writeAtomically(path, mapText(map, stage, owners));
  }
}

/** Refuses the map of another source or target. */
function checkOwners(
  comments: readonly string[],
  map: RangeMap,
  { path, source, targetName, owners }: CloneMapOptions,
): void {
  const refuse = (name: string, reason: string): never => {
    throw new ImagingError(
      "environment",
      `cannot go on: the map ${path} does not belong to ${name}: ${reason}`,
      { hint: "name the disks that were begun with, or another map to start anew" },
    );
  };
  if (map.range.offset !== 0 || map.range.length !== source.size) {
    refuse(source.name, `it covers ${endOf(map.range)} bytes, and ${source.size} are cloned`);
  }
  const otherDisk = otherSource(comments, owners.source);
  if (otherDisk !== undefined) refuse(source.name, otherDisk);
  const target = otherTarget(comments, owners.target);
  if (target !== undefined) refuse(targetName, target);
  // What `read` rescued is in an image, wherever that is.
  const isOurs = comments.some((line) => line.startsWith(IDENTITY_MARK));
  if (isOurs && !comments.some((line) => line.startsWith(TARGET_MARK))) {
    refuse(targetName, "it is the map of an image");
  }
}
