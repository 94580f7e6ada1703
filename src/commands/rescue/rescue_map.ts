/** The map of a rescue in a file: what was done, by which stage, and whose it is. */
import { formatMapFile, type RescuePhase } from "../../copy/map_file.ts";
import type { RangeMap } from "../../copy/range_map.ts";
import type { BlockSource } from "../../core/block.ts";
import { ImagingError } from "../../core/errors.ts";
import { endOf } from "../../core/range.ts";
import type { FileAccess, Location } from "../../devices/device.ts";

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
const SOURCE_FIELDS: readonly (readonly [field: keyof SourceIdentity, name: string])[] = [
  ["size", "size"],
  ["offset", "offset"],
  ["partitionStart", "start on the disk"],
  ["model", "model"],
  ["serial", "serial number"],
  ["selection", "choice of what is copied (--used, --allocated)"],
  ["file", "file of what was rescued"],
];

/** The disk or partition that a map speaks of, where the copy goes to one. */
export type TargetIdentity = Pick<
  SourceIdentity,
  "size" | "partitionStart" | "model" | "serial"
>;

const TARGET_FIELDS = SOURCE_FIELDS
  .filter((entry): entry is readonly [keyof TargetIdentity, string] =>
    ["size", "partitionStart", "model", "serial"].includes(entry[0])
  );

/** Marks the comment line that holds the identity of the source. */
export const IDENTITY_MARK = "Source identity: ";

/** Marks the comment line that holds the identity of the target. */
export const TARGET_MARK = "Target identity: ";

/** What a rescue is doing, as the map's status line has it. */
export interface RescueStage {
  readonly phase: RescuePhase;
  /** 1-based. */
  readonly pass: number;
  /** Byte of the medium; the first one that was not tried where it is absent. */
  readonly position?: number;
}

/** How every rescue begins. */
export const COPYING: RescueStage = { phase: "?", pass: 1 };

/** How every rescue ends. */
export const FINISHED: RescueStage = { phase: "+", pass: 1 };

/** Whose a map is. */
export interface MapOwners {
  readonly source: SourceIdentity;
  /** Absent where the copy goes into an image. */
  readonly target?: TargetIdentity | undefined;
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

/** The identity of what is written. */
export function targetIdentityOf(
  { disk, partition }: Extract<Location, { kind: "device" }>,
): TargetIdentity {
  return {
    size: partition?.size ?? disk.size,
    partitionStart: partition?.start ?? 0,
    model: disk.model ?? null,
    serial: disk.serial ?? null,
  };
}

/** The text of a map file. */
export function mapText(
  map: RangeMap,
  { phase, pass, position }: RescueStage,
  { source, target }: MapOwners,
): Uint8Array {
  return new TextEncoder().encode(formatMapFile({
    comments: [
      "Mapfile. Created by sectorshot",
      `${IDENTITY_MARK}${JSON.stringify(source)}`,
      ...(target === undefined ? [] : [`${TARGET_MARK}${JSON.stringify(target)}`]),
    ],
    currentPosition: position ?? map.ranges("?")[0]?.offset ?? endOf(map.range),
    currentPhase: phase,
    currentPass: pass,
    map,
  }));
}

/**
 * Why the source of these comments is another one; undefined when it is this one, or no line
 * tells.
 */
export function otherSource(
  comments: readonly string[],
  identity: SourceIdentity,
): string | undefined {
  return otherIdentity(comments, IDENTITY_MARK, SOURCE_FIELDS, identity);
}

/** As {@linkcode otherSource}, of the target. */
export function otherTarget(
  comments: readonly string[],
  identity: TargetIdentity,
): string | undefined {
  return otherIdentity(comments, TARGET_MARK, TARGET_FIELDS, identity);
}

function otherIdentity<Identity extends object>(
  comments: readonly string[],
  mark: string,
  fields: readonly (readonly [field: keyof Identity, name: string])[],
  identity: Identity,
): string | undefined {
  const line = comments.find((comment) => comment.startsWith(mark));
  if (line === undefined) return undefined;
  let recorded: unknown;
  try {
    recorded = JSON.parse(line.slice(mark.length));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return "the line with its identity is damaged";
  }
  const before = Object(recorded) as Partial<Identity>;
  const changed = fields.find(([field]) => before[field] !== identity[field]);
  if (changed === undefined) return undefined;
  const [field, name] = changed;
  return `its ${name} was ${before[field] ?? "none"}, now it is ${identity[field] ?? "none"}`;
}

/** The file that is locked while a run uses a map: the map itself is replaced at each save. */
export function lockPathOf(mapPath: string): string {
  return `${mapPath}.lock`;
}

/**
 * Keeps other runs away from a map: of two, each would call done what only the other one has.
 *
 * @param action what cannot be done while another has it: "read into card.img"
 * @throws {ImagingError} when another run has it.
 */
export async function lockMap(
  files: FileAccess,
  mapPath: string,
  action: string,
): Promise<AsyncDisposable> {
  const lock = await files.lock(lockPathOf(mapPath));
  if (lock !== undefined) return lock;
  throw new ImagingError(
    "environment",
    `cannot ${action}: another run is using the map ${mapPath}`,
    { hint: "wait for it to end, or stop it, or choose another map with --map" },
  );
}
