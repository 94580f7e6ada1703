import { DEFAULT_CHUNK_BYTES } from "../copy/run_copy.ts";
import { ImagingError } from "../core/errors.ts";
import type { FileAccess } from "../devices/device.ts";
import { cloneDisk, type CloneMapPlan } from "./clone/clone_disk.ts";
import { checkCloneMap } from "./clone/clone_map_name.ts";
import {
  blockSizeOption,
  type Command,
  type CommandContext,
  type CommandResult,
  firstSet,
  hashOption,
  type Invocation,
  isSet,
  positional,
  valueOf,
} from "./command.ts";
import { FIT_OPTIONS, fitOption } from "./write/fit_table.ts";
import { closedInTime, type OpenedMedium, openMedium } from "./media/open_medium.ts";
import { identityOf, lockMap } from "./rescue/rescue_map.ts";
import {
  MAP_INTERVAL_OPTION,
  mapIntervalOption,
  readDomain,
  RESCUE_OPTIONS,
  rescueOptions,
} from "./rescue/rescue_options.ts";
import {
  type ApprovedTarget,
  approveTargets,
  WRITE_OPTIONS,
  writePlanOf,
} from "./write/targets.ts";
import { writeTargets } from "./write/write_targets.ts";

export const clone: Command = {
  name: "clone",
  aliases: [],
  usage: "SOURCE TARGET",
  summary: "copy a device to a device, no file between",
  details: [
    "Copies every byte of SOURCE to TARGET with the rules of `write`: it shows what TARGET " +
    "is, asks, writes the first block last, and reads the target again. The source is read " +
    "once; the copy is compared with digests that were taken on the way.",
    "From the first place on that cannot be read, or only slowly, the rest is rescued in the " +
    "order that saves most, as `read` does it. Unreadable sectors become zeros on TARGET; " +
    "they are listed, and the exit code is 4.",
    "With --map FILE an interrupted clone can be gone on with: the same command reads only " +
    "what is missing. The map is GNU ddrescue's (`ddrescue -d -f SOURCE TARGET FILE`): each " +
    "goes on with the other's. It speaks of one source and one target; those of other disks " +
    "are refused. Of the first MiB, which is written last, it calls nothing rescued before it " +
    "is there; until then what was read of it is kept in FILE.first.",
    "At the end what earlier runs wrote is compared with SOURCE itself; where that does not " +
    "read any more, it is said, and the exit code is 4. The map stays where sectors could not " +
    "be read, and --retries tries them again; otherwise it is removed.",
  ],
  examples: [
    "sectorshot clone /dev/sdb /dev/sdc",
    "sectorshot clone /dev/sdb /dev/sdc --map sdb.map",
  ],
  options: [
    ...WRITE_OPTIONS,
    ...FIT_OPTIONS,
    { name: "map", value: "FILE", help: "keep a map, and go on where it says" },
    MAP_INTERVAL_OPTION,
    ...RESCUE_OPTIONS,
  ],
  positionals: { min: 2, max: 2 },
  run,
};

async function run(invocation: Invocation, context: CommandContext): Promise<CommandResult> {
  const algorithms = hashOption(invocation);
  const rescue = rescueOptions(invocation);
  const intervalMilliseconds = mapIntervalOption(invocation);
  const mapPath = valueOf(invocation, "map");
  checkOptions(invocation);
  const medium = await openMedium(context, positional(invocation, 0));
  await using _medium = closedInTime(medium);
  await using files = context.backend.openFiles();
  if (medium.source.sequential) checkForStream(invocation);
  if (mapPath !== undefined) {
    await checkCloneMap(context, mapPath, medium.location, positional(invocation, 1));
  }
  await using _lock = mapPath === undefined
    ? undefined
    : await lockMap(files, mapPath, `clone to ${positional(invocation, 1)}`);
  const domain = rescue.domainPath === undefined
    ? undefined
    : await readDomain(files, rescue.domainPath);
  const target = await approveTarget(invocation, context, medium);
  const chunkBytes = blockSizeOption(invocation, target.target.disk.sectorSize);
  const job = {
    context,
    source: medium.source,
    algorithms,
    verify: !isSet(invocation, "no-verify"),
    fit: fitOption(invocation),
  };
  if (medium.source.sequential) {
    return await writeTargets({
      ...job,
      targets: [target],
      chunkBytes,
      compareWith: "digests",
      onBad: "zero",
    });
  }
  return await cloneDisk({
    ...job,
    target,
    chunkBytes: chunkBytes ?? DEFAULT_CHUNK_BYTES,
    rescue,
    domain,
    map: mapPath === undefined
      ? undefined
      : mapPlan(files, mapPath, intervalMilliseconds, medium, target),
  });
}

async function approveTarget(
  invocation: Invocation,
  context: CommandContext,
  medium: OpenedMedium,
): Promise<ApprovedTarget> {
  const { source } = medium;
  const [target] = await approveTargets(
    context,
    writePlanOf(invocation, medium),
    [positional(invocation, 1)],
  );
  if (target === undefined) throw new Error("No target was approved");
  const { sectorSize } = target.target.disk;
  if (source.sectorSize !== sectorSize) {
    context.note({
      level: "warning",
      message: `${source.name} has sectors of ${source.sectorSize} bytes, the target of ` +
        `${sectorSize}: its partition table will not be understood there`,
    });
  }
  return target;
}

/** A map of what is really cloned: less than the source has where zeros are cut off. */
function mapPlan(
  files: FileAccess,
  path: string,
  intervalMilliseconds: number,
  { source, location }: OpenedMedium,
  { bytes }: ApprovedTarget,
): CloneMapPlan {
  const identity = { ...identityOf(source, 0, location), size: bytes };
  return { files, path, intervalMilliseconds, identity };
}

/** @throws {ImagingError} `usage` for an option that another one is missing for. */
function checkOptions(invocation: Invocation): void {
  const name = firstSet(invocation, ["domain", MAP_INTERVAL_OPTION.name]);
  if (name === undefined || valueOf(invocation, "map") !== undefined) return;
  throw new ImagingError("usage", `cannot use --${name} without --map`, {
    hint: "add --map FILE, so that the clone can be gone on with",
  });
}

/** @throws {ImagingError} `usage` for what a source that comes once, in order, cannot do. */
function checkForStream(invocation: Invocation): void {
  const name = firstSet(invocation, ["map", ...RESCUE_OPTIONS.map((option) => option.name)]);
  if (name === undefined) return;
  throw new ImagingError("usage", `cannot use --${name}: the source is read once, in order`, {
    hint: `name a disk, or leave out --${name}`,
  });
}
