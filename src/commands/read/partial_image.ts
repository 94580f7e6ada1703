/**
 * An image in the making: `card.img.part` and the map `card.img.map` that says what
 * of it is done. After any interruption the same command goes on where the map says.
 */
import { type MapFile, parseMapFile } from "../../copy/map_file.ts";
import { RangeMap } from "../../copy/range_map.ts";
import type { BlockSource } from "../../core/block.ts";
import { ImagingError } from "../../core/errors.ts";
import { endOf, type Range } from "../../core/range.ts";
import type { DeviceBackend, FileAccess, ImageFile } from "../../devices/device.ts";
import { differingSample } from "../rescue/map_samples.ts";
import {
  COPYING,
  FINISHED,
  IDENTITY_MARK,
  lockMap,
  mapText,
  otherSource,
  type RescueStage,
  type SourceIdentity,
} from "../rescue/rescue_map.ts";

/** Where an image is made. */
export interface PartialImageOptions {
  readonly backend: DeviceBackend;
  readonly files: FileAccess;
  /** The final name. */
  readonly path: string;
  readonly mapPath: string;
  readonly source: BlockSource;
  readonly identity: SourceIdentity;
  /** Will zeros be left out? */
  readonly sparse: boolean;
  /** Is the file of the final name what the map speaks of, and not yet complete? */
  readonly adopt: boolean;
  /** The image that a finished map belongs to; `path` where it is absent. */
  readonly imagePath?: string | undefined;
}

/** See the head of this file. */
export class PartialImage implements AsyncDisposable {
  /** The file under its temporary name. */
  readonly file: ImageFile;
  /** What is done; undefined for a stream, which cannot be gone on with. */
  readonly map: RangeMap | undefined;
  /** What an earlier run left; undefined when this is the first. */
  readonly saved: BlockSource | undefined;
  /** What an earlier run was doing. */
  readonly savedStage: RescueStage | undefined;
  readonly partPath: string;
  readonly #options: PartialImageOptions;
  /** The map is nobody else's until then; undefined where there is none. */
  readonly #lock: AsyncDisposable | undefined;
  #isClosed = false;

  private constructor(
    options: PartialImageOptions,
    lock: AsyncDisposable | undefined,
    file: ImageFile,
    map: RangeMap | undefined,
    saved: BlockSource | undefined,
    savedStage: RescueStage | undefined = undefined,
  ) {
    this.#lock = lock;
    this.savedStage = savedStage;
    this.#options = options;
    this.partPath = `${options.path}.part`;
    this.file = file;
    this.map = map;
    this.saved = saved;
  }

  /**
   * Begins an image, or goes on with one that was interrupted.
   *
   * @throws {ImagingError} when the map or the part belongs to something else, or to another
   * run; nothing was changed then.
   */
  static async open(options: PartialImageOptions): Promise<PartialImage> {
    const { backend, files, path, source, sparse, adopt } = options;
    const partPath = `${path}.part`;
    const part = await backend.locate(partPath);
    if (part.kind !== "file" && part.kind !== "missing") {
      throw new ImagingError(
        "environment",
        `cannot write ${partPath}: it is no ordinary file`,
        {
          hint: "move it away, or choose another name for the image",
        },
      );
    }
    if (!source.sequential) return await PartialImage.#openWithMap(options);
    if (part.kind === "file" || adopt) {
      throw new ImagingError(
        "environment",
        `cannot write ${adopt ? path : partPath}: it exists`,
        { hint: "a stream cannot be gone on with: remove it, or choose another name" },
      );
    }
    const file = await files.openImage(partPath, sparse);
    return new PartialImage(options, undefined, file, undefined, undefined);
  }

  static async #openWithMap(options: PartialImageOptions): Promise<PartialImage> {
    const { files, path, imagePath = path, mapPath } = options;
    const lock = await lockMap(files, mapPath, `read into ${imagePath}`);
    try {
      return await PartialImage.#openLocked(options, lock);
    } catch (error) {
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }

  static async #openLocked(
    options: PartialImageOptions,
    lock: AsyncDisposable,
  ): Promise<PartialImage> {
    const { backend, files, path, mapPath, source, sparse, adopt } = options;
    const partPath = `${path}.part`;
    // Another program keeps an image in the making under its final name.
    if (adopt) await files.rename(path, partPath, false);
    const part = await backend.locate(partPath);
    let file: ImageFile | undefined;
    let saved: BlockSource | undefined;
    try {
      // The lock comes before the map is read: what another run does is not half seen.
      if (part.kind === "file") file = await files.openImage(partPath, sparse);
      const content = await files.read(mapPath);
      const found = content === undefined
        ? undefined
        : parseMapFile(new TextDecoder().decode(content), mapPath);
      // The map of a finished image that is about to be replaced is not one of a part.
      const isLeftOver = found !== undefined && file === undefined && isFinished(found) &&
        (await backend.locate(options.imagePath ?? path)).kind === "file";
      if (found === undefined || isLeftOver) {
        if (file !== undefined) throw mapMissing(partPath, mapPath);
        const map = new RangeMap({ offset: 0, length: source.size });
        // The map comes first: a part without a map would belong to nobody.
        await files.writeAtomically(
          mapPath,
          mapText(map, COPYING, { source: options.identity }),
        );
        file = await files.openImage(partPath, sparse);
        return new PartialImage(options, lock, file, map, undefined);
      }
      const map = checkedMap(found, options);
      // Nothing needs to have been written where nothing could be read.
      const claimedEnd = Math.max(0, ...map.ranges("+").slice(-1).map(endOf));
      if (claimedEnd > 0 && (file === undefined || file.initialSize < claimedEnd)) {
        throw partTooShort(options, partPath, claimedEnd, file?.initialSize);
      }
      file ??= await files.openImage(partPath, sparse);
      if (claimedEnd > 0) {
        saved = await backend.openSource(partPath, { direct: false });
        await checkSamples(options, saved, map.ranges("+"));
      }
      // What lies behind the last area that is done was not entered in the map: it may
      // be anything, so it goes, and reads as zeros again.
      await file.setSize(Math.min(file.initialSize, claimedEnd));
      return new PartialImage(options, lock, file, map, saved, {
        phase: found.currentPhase,
        pass: found.currentPass,
        position: found.currentPosition,
      });
    } catch (error) {
      await saved?.[Symbol.asyncDispose]();
      await file?.[Symbol.asyncDispose]();
      if (adopt) await files.rename(partPath, path, false);
      throw error;
    }
  }

  /** Bytes that need not be read again. */
  get savedBytes(): number {
    return this.map?.total("+", "-") ?? 0;
  }

  /** Saves the map; the caller has made durable what it claims. */
  async saveMap(
    map: RangeMap,
    stage: RescueStage = COPYING,
    identity: SourceIdentity = this.#options.identity,
  ): Promise<void> {
    const { files, mapPath } = this.#options;
    await files.writeAtomically(mapPath, mapText(map, stage, { source: identity }));
  }

  /**
   * The image is complete and durable: gives it its name. The map stays where some
   * sectors could not be read, and goes otherwise.
   */
  async complete(replace: boolean): Promise<void> {
    const { files, path, mapPath } = this.#options;
    const { map } = this;
    const isWhole = map === undefined || map.total("+") === map.range.length;
    if (map !== undefined) await this.saveMap(map, FINISHED);
    await files.rename(this.partPath, path, replace);
    if (map !== undefined && isWhole) await files.remove(mapPath);
  }

  /** Removes the file: nobody needs it any more. The map stays, and stays locked. */
  async discard(): Promise<void> {
    await this.#closeFiles();
    await this.#options.files.remove(this.partPath);
  }

  /** Closes the files; they stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#closeFiles();
    await this.#lock?.[Symbol.asyncDispose]();
  }

  async #closeFiles(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.saved?.[Symbol.asyncDispose]();
    await this.file[Symbol.asyncDispose]();
  }
}

/**
 * Is the image of this name one that another run, or another program, did not finish, as
 * its map says?
 */
export async function isUnfinished(
  backend: DeviceBackend,
  files: FileAccess,
  path: string,
  mapPath: string,
  retries: number,
): Promise<boolean> {
  const kinds = await Promise.all([path, `${path}.part`].map((each) => backend.locate(each)));
  if (kinds[0]?.kind !== "file" || kinds[1]?.kind !== "missing") return false;
  const content = await files.read(mapPath);
  if (content === undefined) return false;
  const { map } = parseMapFile(new TextDecoder().decode(content), mapPath);
  return map.total("?", "*", "/") > 0 || (retries > 0 && map.total("-") > 0);
}

function mapMissing(partPath: string, mapPath: string): ImagingError {
  return new ImagingError(
    "environment",
    `cannot go on with ${partPath}: its map ${mapPath} is missing`,
    { hint: `bring the map back, or remove ${partPath} to start anew` },
  );
}

/** `size` is undefined when there is no part at all. */
function partTooShort(
  { path, mapPath }: PartialImageOptions,
  partPath: string,
  claimedEnd: number,
  size: number | undefined,
): ImagingError {
  const problem = size === undefined ? "is missing" : `has only ${size} bytes`;
  return new ImagingError(
    "environment",
    `cannot go on with ${path}: ${mapPath} speaks of ${claimedEnd} bytes, ` +
      `but ${partPath} ${problem}`,
    { hint: `bring ${partPath} back, or remove ${mapPath} to start anew` },
  );
}

/** Did one of our runs come to its end with this map? */
function isFinished({ comments, currentPhase }: MapFile): boolean {
  return currentPhase === "+" && comments.some((line) => line.startsWith(IDENTITY_MARK));
}

/** The map of this source, or an error that says why it is another one's. */
function checkedMap({ comments, map }: MapFile, options: PartialImageOptions): RangeMap {
  const { mapPath, source, identity } = options;
  const refuse = (reason: string): never => {
    throw new ImagingError(
      "environment",
      `cannot go on: the map ${mapPath} does not belong to ${source.name}: ${reason}`,
      { hint: "name the source that was begun with, or choose another image name" },
    );
  };
  if (map.range.offset !== 0 || map.range.length !== source.size) {
    refuse(`it covers ${endOf(map.range)} bytes, the source has ${source.size}`);
  }
  const other = otherSource(comments, identity);
  if (other !== undefined) refuse(other);
  return map;
}

/** Compares some of what was saved with the source before anything is added to it. */
async function checkSamples(
  { source, mapPath }: PartialImageOptions,
  saved: BlockSource,
  rescued: readonly Range[],
): Promise<void> {
  const offset = await differingSample(source, saved, rescued);
  if (offset === undefined) return;
  throw new ImagingError(
    "environment",
    `cannot go on: what ${mapPath} calls rescued differs from ${source.name} ` +
      `near byte ${offset}: it is another medium, or was changed meanwhile`,
    { hint: "put the first medium back, or remove the .part and .map files to start anew" },
  );
}
