/** From the names of targets to disks that a person agreed to overwrite. */
import { isZeroFrom } from "../../copy/find_data.ts";
import type { BlockSource } from "../../core/block.ts";
import { ImagingError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import { plural } from "../../core/units.ts";
import type { DeviceInfo, Location } from "../../devices/device.ts";
import {
  claimsOn,
  deviceIdentity,
  type Refusal,
  refusals,
  type WriteRequest,
} from "../../devices/safety.ts";
import { sizeText } from "../../report/rate_text.ts";
import {
  type CommandContext,
  type Invocation,
  isSet,
  type OptionSpec,
  SHARED_OPTIONS,
} from "../command.ts";
import { foreignName } from "../media/missing_path.ts";
import { noteMeaning, type OpenedMedium } from "../media/open_medium.ts";

/** A disk or partition that is about to be written. */
export type Target = Extract<Location, { kind: "device" }>;

/** What is to be written, and what the command line allows. */
export interface WritePlan {
  readonly source: BlockSource;
  /** Undefined for stdin. */
  readonly sourceLocation: Location | undefined;
  readonly unmount: boolean;
  readonly cutZeros: boolean;
  /** May a whole disk go into a partition? */
  readonly force: boolean;
  /** Do not ask. */
  readonly yes: boolean;
}

/** The options of every verb that writes to devices. */
export const WRITE_OPTIONS: readonly OptionSpec[] = [
  SHARED_OPTIONS.yes,
  SHARED_OPTIONS.unmount,
  SHARED_OPTIONS.cutZeros,
  { name: "force", help: "write an image of a whole disk into a partition" },
  SHARED_OPTIONS.noVerify,
  SHARED_OPTIONS.hash,
  SHARED_OPTIONS.blockSize,
];

/** The plan that the command line makes for a medium. */
export function writePlanOf(invocation: Invocation, medium: OpenedMedium): WritePlan {
  return {
    source: medium.source,
    sourceLocation: medium.location,
    unmount: isSet(invocation, "unmount"),
    cutZeros: isSet(invocation, "cut-zeros"),
    force: isSet(invocation, "force"),
    yes: isSet(invocation, "yes"),
  };
}

/** A target that may be written, and how much of the source goes there. */
export interface ApprovedTarget {
  readonly target: Target;
  /** Bytes; less than the source has only where zeros are cut off; Infinity for a stream. */
  readonly bytes: number;
  /** Did the person agree to unmounting it? */
  readonly unmount: boolean;
}

/**
 * Checks every rule, shows what will be overwritten, and asks. When it resolves, the
 * person agreed to each target, nothing is mounted there, and it is still the disk
 * that was shown.
 *
 * @throws {ImagingError} for the first target that must not be written; nothing was
 * written to any.
 */
export async function approveTargets(
  context: CommandContext,
  plan: WritePlan,
  paths: readonly string[],
): Promise<ApprovedTarget[]> {
  const approved: ApprovedTarget[] = [];
  for (const path of paths) {
    const target = await checkTarget(context, plan, path);
    const twin = approved.find((each) => each.target.disk.number === target.target.disk.number);
    if (twin !== undefined) {
      throw new ImagingError(
        "usage",
        `cannot write to ${path}: it is on the same disk as ${twin.target.path}`,
        { hint: "name each disk once" },
      );
    }
    approved.push(target);
  }
  for (const { target } of approved) await confirm(context, plan, target);
  // Not before the person has agreed to all of it.
  for (const { target, unmount } of approved) {
    const now = await checkAgain(context, plan, target, unmount);
    await context.backend.unmount(claimsOn(now));
    await checkAgain(context, plan, target, false);
  }
  return approved;
}

async function checkTarget(
  context: CommandContext,
  plan: WritePlan,
  path: string,
): Promise<ApprovedTarget> {
  const target = await context.backend.locate(path);
  const foreign = target.kind === "missing" && foreignName(context, "write to", path);
  if (foreign) throw foreign;
  noteMeaning(context, target);
  const imageSize = plan.source.size;
  const found = refusals({ ...rulesOf(plan), target, imageSize });
  const lifted = found.filter(({ code }) => code === "mounted" || code === "too-small");
  const hard = found.find((refusal) => !lifted.includes(refusal));
  if (hard !== undefined) throw refused(hard);
  if (target.kind !== "device") throw new Error(`${path} passed as a device and is none`);
  await checkScope(plan, target);
  const bytes = lifted.some(({ code }) => code === "too-small")
    ? await fittingBytes(context, plan, target)
    : imageSize;
  const mounted = lifted.find(({ code }) => code === "mounted");
  if (mounted !== undefined) await askToUnmount(context, plan, mounted, path);
  return { target, bytes, unmount: plan.unmount || mounted !== undefined };
}

/**
 * Nothing starts from a whole disk inside of a partition: whoever names one there has most
 * likely meant the disk.
 */
async function checkScope(plan: WritePlan, target: Target): Promise<void> {
  const { source, force } = plan;
  if (target.partition === undefined || source.sequential || force) return;
  // Loaded when it is needed: most targets are whole disks.
  const { readDiskContent } = await import("../media/disk_content.ts");
  const { table, partitions } = await readDiskContent(source);
  if (partitions.length === 0) return;
  throw new ImagingError(
    "environment",
    `cannot write to ${target.path}: it is a partition, and ${source.name} holds a whole ` +
      `disk (${table.title}, ${plural(partitions.length, "partition")})`,
    {
      hint: `name the disk, ${target.disk.path} (\`sectorshot list\` shows the disks), or ` +
        "add --force to write it into the partition",
    },
  );
}

/** What the rules must know of the plan. None of them can be lifted by force. */
function rulesOf(plan: WritePlan): Pick<WriteRequest, "source" | "unmount" | "force"> {
  return { source: plan.sourceLocation, unmount: plan.unmount, force: false };
}

function refused(refusal: Refusal): ImagingError {
  return new ImagingError("environment", refusal.message, { hint: refusal.hint });
}

/** How much of an image that is too large may be written: all but zeros. */
async function fittingBytes(
  context: CommandContext,
  plan: WritePlan,
  target: Target,
): Promise<number> {
  const { source, cutZeros } = plan;
  const size = target.partition?.size ?? target.disk.size;
  const excess = sizeText(source.size - size);
  context.phase(`looking at the part of ${source.name} that does not fit`);
  const onlyZeros = await isZeroFrom(source, size, context.signal);
  if (onlyZeros && cutZeros) {
    context.note({
      level: "note",
      message: `the last ${excess} of ${source.name} do not fit and are left out: ` +
        "they hold nothing but zeros",
    });
    return size;
  }
  throw new ImagingError(
    "environment",
    `cannot write to ${target.path}: the image is larger by ${excess}, and that part ` +
      (onlyZeros ? "DOES NOT contain data, only zeros" : "DOES contain data"),
    {
      hint: onlyZeros
        ? "add --cut-zeros to leave it out"
        : `choose a target of at least ${sizeText(source.size)}`,
    },
  );
}

/** Cards are mounted by the desktop as soon as they are plugged in. */
async function askToUnmount(
  context: CommandContext,
  plan: WritePlan,
  mounted: Refusal,
  path: string,
): Promise<void> {
  if (plan.yes) throw refused(mounted);
  const answer = await context.ask(
    [mounted.message],
    `Unmount it before ${path} is written? [y/N] `,
  );
  if (!/^y(es)?$/i.test(answer ?? "")) throw refused(mounted);
}

/** Model, size and content of a disk, in lines. */
async function describeTarget(context: CommandContext, target: Target): Promise<string[]> {
  const { disk, partition, path } = target;
  const { bus, size } = disk;
  const model = printable(disk.model ?? "unknown model");
  const serial = disk.serial === undefined ? "" : `, serial ${printable(disk.serial)}`;
  const lines = [
    partition === undefined
      ? `${path}: ${model}${serial}, ${bus}, ` +
        sizeText(size)
      : `${path}: partition ${partition.index} of ${disk.path} (${model}), ` +
        sizeText(partition.size),
  ];
  // Loaded when it is needed: most verbs never look into a disk.
  const { describeContent } = await import("../media/disk_content.ts");
  for (const line of await describeContent(context, path)) lines.push(`  ${line}`);
  return lines;
}

async function confirm(
  context: CommandContext,
  plan: WritePlan,
  target: Target,
): Promise<void> {
  const lines = [
    `${plan.source.name} will be written to`,
    ...await describeTarget(context, target),
    "Everything on it will be lost.",
  ];
  if (plan.yes) {
    context.note({ level: "note", message: lines.join("\n  ") });
    return;
  }
  if (plan.sourceLocation === undefined) {
    throw new ImagingError("usage", "cannot ask: stdin carries the image", {
      hint: "add --yes to write without being asked",
    });
  }
  const answer = await context.ask(lines, `Type the name of the device to go on: `);
  if (answer === undefined) {
    throw new ImagingError("usage", "cannot ask: stdin is no terminal", {
      hint: "add --yes to write without being asked",
    });
  }
  if (answer !== target.path && answer !== target.disk.path) {
    throw new ImagingError(
      "cancelled",
      `nothing was written: "${answer}" is not ${target.path}`,
    );
  }
}

/**
 * Between the question and the answer a card can be swapped or mounted. Answers what the
 * target is now: the disk that was shown.
 */
async function checkAgain(
  context: CommandContext,
  plan: WritePlan,
  target: Target,
  unmount: boolean,
): Promise<Target> {
  const now = await context.backend.locate(target.path);
  const found = refusals({
    ...rulesOf(plan),
    unmount,
    target: now,
    imageSize: undefined,
    shownIdentity: target.disk,
  });
  if (found[0] !== undefined) throw refused(found[0]);
  if (now.kind !== "device") throw new Error(`${target.path} passed as a device and is none`);
  return now;
}

/** A disk as it is named in results. */
export function targetJson(disk: DeviceInfo): Record<string, unknown> {
  const { path, model = null, serial = null, size } = disk;
  return { path, model, serial, size, identity: deviceIdentity(disk) };
}
