/**
 * The map of a clone: what of the source is on the target, in the grammar of GNU ddrescue. It
 * is written before the target is touched, and from then on only by rename. Of the first MiB,
 * which is held back until all else is proved, it calls nothing rescued before it is there;
 * until then what was read of it is kept in a file beside the map.
 */
import { MemorySource } from "../../blocks/memory.ts";
import { parseMapFile } from "../../copy/map_file.ts";
import { RangeMap } from "../../copy/range_map.ts";
import type { BlockSource, Bytes } from "../../core/block.ts";
import { ImagingError } from "../../core/errors.ts";
import { endOf, gapsBetween, mergeRanges, partsWithin, type Range } from "../../core/range.ts";
import type { FileAccess } from "../../devices/device.ts";
import {
  type FirstBlock,
  firstBlockFile,
  firstBlockPath,
  readFirstBlock,
} from "./first_block_copy.ts";
import { differingSample } from "../rescue/map_samples.ts";
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
} from "../rescue/rescue_map.ts";
import { FIRST_BLOCK } from "../write/write_job.ts";

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
  /** What earlier runs rescued: it is on the target, or in {@linkcode CloneMap.firstBlock}. */
  readonly rescued: readonly Range[];
  /** What earlier runs rescued of the first MiB. */
  readonly firstBlock: FirstBlock;
  /** What an earlier run was doing; undefined when this is the first. */
  readonly savedStage: RescueStage | undefined;
  readonly #options: CloneMapOptions;
  /** The areas in the file of the first block; undefined while that is an earlier run's. */
  #savedAreas: string | undefined;

  private constructor(
    options: CloneMapOptions,
    map: RangeMap,
    firstBlock: FirstBlock,
    savedStage: RescueStage | undefined,
  ) {
    this.#options = options;
    this.map = map;
    this.rescued = map.ranges("+");
    this.firstBlock = firstBlock;
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
      const map = new RangeMap({ offset: 0, length: source.size });
      return new CloneMap(options, map, { bytes: new Uint8Array(), areas: [] }, undefined);
    }
    const found = parseMapFile(content, path);
    const { map } = found;
    checkOwners(found.comments, map, options);
    checkSample(await differingSample(source, target, map.ranges("+")), options);
    const firstBlock = await loadFirstBlock(options, target, map);
    for (const area of firstBlock.areas) map.set(area, "+");
    const memory = new MemorySource(path, firstBlock.bytes);
    checkSample(await differingSample(source, memory, firstBlock.areas), options);
    // Any phase goes on with what was not tried, and there is: what is held back.
    const phase = found.currentPhase === "+" ? "?" : found.currentPhase;
    return new CloneMap(options, map, firstBlock, {
      phase,
      pass: phase === found.currentPhase ? found.currentPass : 1,
      position: found.currentPosition,
    });
  }

  get path(): string {
    return this.#options.path;
  }

  /**
   * Saves what is durable on the target, where the first block is not yet.
   *
   * @param firstBytes the first MiB, as far as the map calls it rescued
   */
  async save(
    map: RangeMap,
    firstBytes: Bytes = this.firstBlock.bytes,
    stage: RescueStage = this.savedStage ?? COPYING,
  ): Promise<void> {
    const shown = map.clone();
    const areas = partsWithin(FIRST_BLOCK, map.ranges("+"));
    for (const area of areas) shown.set(area, "?");
    await this.#saveFirstBlock({ bytes: firstBytes, areas });
    await this.#write(shown, stage);
  }

  /** All that could be read is on the target, the first block too: the map stays. */
  async keep(): Promise<void> {
    const { files, path } = this.#options;
    await this.#write(this.map, FINISHED);
    await files.remove(firstBlockPath(path));
  }

  /** Every byte is on the target: nobody needs the map any more. */
  async remove(): Promise<void> {
    const { files, path } = this.#options;
    await files.remove(path);
    await files.remove(firstBlockPath(path));
  }

  async #saveFirstBlock(block: FirstBlock): Promise<void> {
    const { files, path, owners } = this.#options;
    const areas = JSON.stringify(block.areas);
    if (areas === this.#savedAreas) return;
    await files.writeAtomically(firstBlockPath(path), await firstBlockFile(block, owners));
    this.#savedAreas = areas;
  }

  async #write(map: RangeMap, stage: RescueStage): Promise<void> {
    const { files, path, owners } = this.#options;
    await files.writeAtomically(path, mapText(map, stage, owners));
  }
}

/** What is known of the first MiB: from the target where the map says so, else from its file. */
async function loadFirstBlock(
  { files, path, source, owners }: CloneMapOptions,
  target: BlockSource,
  map: RangeMap,
): Promise<FirstBlock> {
  const whole = { offset: 0, length: Math.min(FIRST_BLOCK.length, source.size) };
  const bytes = new Uint8Array(whole.length);
  const there = partsWithin(whole, map.ranges("+"));
  if (there.length > 0) await target.readAt(0, bytes);
  const content = await files.read(firstBlockPath(path));
  const kept = content === undefined ? undefined : await readFirstBlock(content, owners);
  if (kept === undefined) return { bytes, areas: there };
  const added = gapsBetween(whole, there).flatMap((gap) => partsWithin(gap, kept.areas));
  for (const { offset, length } of added) {
    bytes.set(kept.bytes.subarray(offset, offset + length), offset);
  }
  return { bytes, areas: mergeRanges([...there, ...added]) };
}

/** @throws {ImagingError} when a sample differs, at this place. */
function checkSample(
  offset: number | undefined,
  { path, source, targetName }: CloneMapOptions,
): void {
  if (offset === undefined) return;
  throw new ImagingError(
    "environment",
    `cannot go on: what ${path} calls rescued is not the same on ${source.name} and ` +
      `${targetName} near byte ${offset}: one of them is another disk, or was ` +
      "changed meanwhile",
    { hint: `name the disks that were begun with, or move ${path} away to start anew` },
  );
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
