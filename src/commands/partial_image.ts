/**
 * An image in the making: `card.img.part` and the map `card.img.map` that says what
 * of it is done. After any interruption the same command goes on where the map says.
 */
import {
  formatMapFile,
  type MapFile,
  parseMapFile,
  type RescuePhase,
} from "../copy/map_file.ts";
import { RangeMap } from "../copy/range_map.ts";
import { GONE } from "../copy/read_policy.ts";
import type { BlockSource } from "../core/block.ts";
import { ImagingError, ReadError } from "../core/errors.ts";
import { endOf, type Range } from "../core/range.ts";
import type { DeviceBackend, FileAccess, ImageFile, Location } from "../devices/device.ts";

/** What a map was made from; kept in a comment of the map. */
export interface SourceIdentity {
  /** Bytes that are imaged. */
  readonly size: number;
  /** Where they begin on the source. */
  readonly offset: number;
  /** Where the source itself begins on its disk: not 0 for a partition. */
  readonly partitionStart: number;
  readonly model: string | null;
  readonly serial: string | null;
  /** Absent where all of it is imaged; otherwise the same for the same choice. */
  readonly selection?: string | undefined;
  /** Name of the file that the map speaks of, where that is not to become the image. */
  readonly file?: string | undefined;
  /** Paths of the images that are made with it; not compared. */
  readonly images?: readonly string[] | undefined;
}

/** In words. */
const IDENTITY_FIELDS: readonly (readonly [field: keyof SourceIdentity, name: string])[] = [
  ["size", "size"],
  ["offset", "offset"],
  ["partitionStart", "start on the disk"],
  ["model", "model"],
  ["serial", "serial number"],
  ["selection", "choice of what is copied (--used, --allocated)"],
  ["file", "file of what was rescued"],
];

/** Marks the comment line that holds the identity. */
export const IDENTITY_MARK = "Source identity: ";

/** Bytes compared at each place when an interrupted read goes on. */
const SAMPLE_BYTES = 64 * 1024;
const SAMPLES = 4;

/** What a rescue is doing, as the map's status line has it. */
export interface RescueStage {
  readonly phase: RescuePhase;
  /** 1-based. */
  readonly pass: number;
  /** Byte of the medium; the first one that was not tried where it is absent. */
  readonly position?: number;
}

const COPYING: RescueStage = { phase: "?", pass: 1 };

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

/** The identity of what is read. */
export function identityOf(
  source: BlockSource,
  offset: number,
  location: Location | undefined,
  selection?: string,
): SourceIdentity {
  const disk = location?.kind === "device" ? location.disk : undefined;
  return {
    size: source.size,
    offset,
    partitionStart: location?.kind === "device" ? location.partition?.start ?? 0 : 0,
    model: disk?.model ?? null,
    serial: disk?.serial ?? null,
    selection,
  };
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

  private constructor(
    options: PartialImageOptions,
    file: ImageFile,
    map: RangeMap | undefined,
    saved: BlockSource | undefined,
    savedStage: RescueStage | undefined = undefined,
  ) {
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
   * @throws {ImagingError} when the map or the part belongs to something else;
   * nothing was changed then.
   */
  static async open(options: PartialImageOptions): Promise<PartialImage> {
    const { backend, files, path, mapPath, source, sparse, adopt } = options;
    const partPath = `${path}.part`;
    // Another program keeps an image in the making under its final name.
    if (adopt) await files.rename(path, partPath, false);
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
    if (source.sequential) {
      if (part.kind === "file") {
        throw new ImagingError("environment", `cannot write ${partPath}: it exists`, {
          hint: "a stream cannot be gone on with: remove it, or choose another name",
        });
      }
      return new PartialImage(
        options,
        await files.openImage(partPath, sparse),
        undefined,
        undefined,
      );
    }
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
        await files.writeAtomically(mapPath, mapText(map, COPYING, options.identity));
        return new PartialImage(
          options,
          await files.openImage(partPath, sparse),
          map,
          undefined,
        );
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
      return new PartialImage(options, file, map, saved, {
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
    await files.writeAtomically(mapPath, mapText(map, stage, identity));
  }

  /**
   * The image is complete and durable: gives it its name. The map stays where some
   * sectors could not be read, and goes otherwise.
   */
  async complete(replace: boolean): Promise<void> {
    const { files, path, mapPath } = this.#options;
    const { map } = this;
    const isWhole = map === undefined || map.total("+") === map.range.length;
    if (map !== undefined) await this.saveMap(map, { phase: "+", pass: 1 });
    await files.rename(this.partPath, path, replace);
    if (map !== undefined && isWhole) await files.remove(mapPath);
  }

  /** Closes the files; they stay. */
  async [Symbol.asyncDispose](): Promise<void> {
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

function mapText(
  map: RangeMap,
  { phase, pass, position }: RescueStage,
  identity: SourceIdentity,
): Uint8Array {
  return new TextEncoder().encode(formatMapFile({
    comments: [
      "Mapfile. Created by sectorshot",
      `${IDENTITY_MARK}${JSON.stringify(identity)}`,
    ],
    currentPosition: position ?? map.ranges("?")[0]?.offset ?? endOf(map.range),
    currentPhase: phase,
    currentPass: pass,
    map,
  }));
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
  const line = comments.find((comment) => comment.startsWith(IDENTITY_MARK));
  if (line === undefined) return map;
  let recorded: unknown;
  try {
    recorded = JSON.parse(line.slice(IDENTITY_MARK.length));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    refuse("the line with its identity is damaged");
  }
  const before = Object(recorded) as Partial<SourceIdentity>;
  for (const [field, name] of IDENTITY_FIELDS) {
    if (before[field] !== identity[field]) {
      refuse(
        `its ${name} was ${before[field] ?? "none"}, now it is ${identity[field] ?? "none"}`,
      );
    }
  }
  return map;
}

/**
 * Many cards have neither serial nor model: compares some of what was saved with the
 * source before anything is added to it.
 */
async function checkSamples(
  options: PartialImageOptions,
  saved: BlockSource,
  rescued: readonly Range[],
): Promise<void> {
  const { source, mapPath } = options;
  const first = rescued[0];
  const last = rescued.at(-1);
  if (first === undefined || last === undefined) return;
  const places = new Set<number>([
    first.offset,
    Math.max(last.offset, endOf(last) - SAMPLE_BYTES),
  ]);
  for (let i = 1; i < SAMPLES - 1; i++) {
    const range = rescued[Math.floor(rescued.length * i / SAMPLES)] ?? first;
    places.add(range.offset + Math.floor(range.length * i / SAMPLES / 4096) * 4096);
  }
  for (const offset of places) {
    const area = rescued.find((range) => range.offset <= offset && offset < endOf(range));
    if (area === undefined) continue;
    const length = Math.min(SAMPLE_BYTES, endOf(area) - offset);
    const ours = new Uint8Array(length);
    const theirs = new Uint8Array(length);
    try {
      await source.readAt(offset, theirs);
    } catch (error) {
      // A place that was readable once may fail today: it proves nothing.
      if (error instanceof ReadError && !GONE.includes(error.osCode)) continue;
      throw error;
    }
    await saved.readAt(offset, ours);
    if (ours.every((byte, index) => byte === theirs[index])) continue;
    throw new ImagingError(
      "environment",
      `cannot go on: what ${mapPath} calls rescued differs from ${source.name} ` +
        `near byte ${offset}: it is another medium, or was changed meanwhile`,
      { hint: "put the first medium back, or remove the .part and .map files to start anew" },
    );
  }
}
