/**
 * What may be written to, and why not: rules without any access to the system.
 *
 * They judge what a backend found out about the target. What they cannot know
 * (another program that has the disk open) is caught when it is opened.
 */
import { intersection, type Range } from "../core/range.ts";
import { formatBytes, formatCount } from "../core/units.ts";
import { printable } from "../core/text.ts";
import type { DeviceClaim, DeviceInfo, Location } from "./device.ts";

/** What makes a disk this disk, and no other. */
export type DeviceIdentity = Pick<
  DeviceInfo,
  "number" | "size" | "model" | "serial" | "mediumNumber"
>;

/** The wish to write an image to a target. */
export interface WriteRequest {
  readonly target: Location;
  /** Where the bytes come from; undefined for stdin and for what was made in memory. */
  readonly source: Location | undefined;
  /** Bytes that will be written; undefined (or Infinity) where nobody knows yet. */
  readonly imageSize: number | undefined;
  readonly force: boolean;
  readonly unmount: boolean;
  /** The target as it was when the person saw it and agreed. */
  readonly shownIdentity?: DeviceIdentity | undefined;
}

/** Which rule it was. */
export type RefusalCode =
  | "missing"
  | "not-a-device"
  | "changed"
  | "system-disk"
  | "same-as-source"
  | "no-medium"
  | "read-only"
  | "holder"
  | "swap"
  | "too-small"
  | "mounted";

/** A reason not to write. */
export interface Refusal {
  readonly code: RefusalCode;
  /** What was refused, on what, and why; without a full stop. */
  readonly message: string;
  /** What to do now. */
  readonly hint: string;
  /** The flag that lifts this refusal, where one does. */
  readonly liftedBy?: "--force" | "--unmount";
}

type DeviceLocation = Extract<Location, { kind: "device" }>;

/**
 * Every reason that stands against this write, the gravest first; none means go. Those
 * that `force` or `unmount` lift are left out when these are set. `unmount` only
 * promises: look again after the unmounting.
 */
export function refusals(request: WriteRequest): Refusal[] {
  const { target } = request;
  if (target.kind === "missing") return [missing(target.path)];
  if (target.kind !== "device") return [notADevice(target)];
  return deviceRefusals(request, target).filter(({ liftedBy }) =>
    !(liftedBy === "--force" && request.force) &&
    !(liftedBy === "--unmount" && request.unmount)
  );
}

function deviceRefusals(request: WriteRequest, target: DeviceLocation): Refusal[] {
  const { disk, partition } = target;
  const { shownIdentity, source, imageSize } = request;
  const change = shownIdentity === undefined ? undefined : identityChange(shownIdentity, disk);
  // It is another disk than the person meant: what it is beyond that does not matter.
  if (change !== undefined) return [changed(target, change)];
  // Nothing lifts this one; further reasons would only send the person on errands.
  if (disk.system) return [systemDisk(target)];
  const size = partition?.size ?? disk.size;
  const found = [
    source === undefined ? undefined : sameAsSource(target, source),
    size === 0 ? noMedium(target) : undefined,
    disk.readOnly ? readOnly(target) : undefined,
    ...claimRefusals(target),
    size > 0 && imageSize !== undefined && Number.isFinite(imageSize) && imageSize > size
      ? tooSmall(target, imageSize, size)
      : undefined,
  ].filter((refusal) => refusal !== undefined);
  // What no flag lifts comes first, so that nobody unmounts a disk in vain.
  return found.toSorted((a, b) =>
    Number(a.liftedBy !== undefined) - Number(b.liftedBy !== undefined)
  );
}

function missing(path: string): Refusal {
  return {
    code: "missing",
    message: `cannot write to ${printable(path)}: there is no such device`,
    hint: "`sectorshot list` shows the disks of this machine; " +
      "to make an image file, use `sectorshot read` or `sectorshot convert`",
  };
}

function notADevice(target: Exclude<Location, { kind: "device" | "missing" }>): Refusal {
  const what = {
    file: "a file",
    directory: "a directory",
    character: "a character device",
    other: "neither a file nor a disk",
  }[target.kind];
  return {
    code: "not-a-device",
    message: `cannot write to ${printable(target.path)}: it is ${what}, not a disk`,
    hint: target.kind === "file"
      ? `to make a raw image file, use \`sectorshot convert IMAGE ${printable(target.path)}\``
      : "`sectorshot list` shows the disks of this machine",
  };
}

function changed(target: DeviceLocation, change: string): Refusal {
  return {
    code: "changed",
    message: `cannot write to ${
      printable(target.path)
    }: it is not the disk that was shown: ${change}`,
    hint: "look at `sectorshot list` again, then start anew",
  };
}

function systemDisk({ path, disk, partition }: DeviceLocation): Refusal {
  return {
    code: "system-disk",
    message: partition === undefined
      ? `cannot write to ${printable(path)}: the running system lives on it`
      : `cannot write to ${printable(path)}: it is a part of ${printable(disk.path)}, ` +
        "and the running system lives there",
    hint: "check that it is the right disk; to overwrite this one, " +
      "start the machine from another",
  };
}

function sameAsSource(target: DeviceLocation, source: Location): Refusal | undefined {
  const why = overlapWithSource(target, source);
  return why === undefined ? undefined : {
    code: "same-as-source",
    message: `cannot write to ${printable(target.path)}: ${why}`,
    hint: source.kind === "file"
      ? "choose another target, or move the image elsewhere first"
      : "choose another target: source and target must not share a byte",
  };
}

/** Why writing to the target would overwrite what is being read, in words. */
function overlapWithSource(target: DeviceLocation, source: Location): string | undefined {
  const name = printable(source.path);
  if (source.kind === "file") {
    if (target.disk.backingIdentity === source.identity) {
      return `it is the image ${name} itself`;
    }
    const beneath = [source.onDevice, ...source.beneath ?? []];
    return numbersOf(target).some((number) => beneath.includes(number))
      ? `the image ${name} lies on it`
      : undefined;
  }
  if (source.kind !== "device") return undefined;
  if (source.number === target.number) return "it is the source";
  if (source.disk.number === target.disk.number) {
    if (intersection(extentOf(source), extentOf(target)) === undefined) return undefined;
    return source.partition === undefined
      ? `it is a part of the source ${name}`
      : `the source ${name} is a part of it`;
  }
  const { backingIdentity } = source.disk;
  if (backingIdentity !== undefined && backingIdentity === target.disk.backingIdentity) {
    return `the same file is behind it and the source ${name}`;
  }
  if (source.disk.beneath?.includes(target.number)) {
    return `the source ${name} is built upon it`;
  }
  return target.disk.beneath?.includes(source.number)
    ? `it is built upon the source ${name}`
    : undefined;
}

/** The numbers under which the system knows its bytes: also those of a disk's partitions. */
function numbersOf({ number, disk, partition }: DeviceLocation): string[] {
  return partition === undefined
    ? [number, ...disk.partitions.map((part) => part.number)]
    : [number];
}

/** Which bytes of its disk a location stands for. */
function extentOf({ disk, partition }: DeviceLocation): Range {
  return partition === undefined
    ? { offset: 0, length: disk.size }
    : { offset: partition.start, length: partition.size };
}

function noMedium(target: DeviceLocation): Refusal {
  return {
    code: "no-medium",
    message: `cannot write to ${printable(target.path)}: there is no medium in it`,
    hint: "put a card or disc in, then try again",
  };
}

function readOnly(target: DeviceLocation): Refusal {
  return {
    code: "read-only",
    message: `cannot write to ${printable(target.path)}: it is read-only`,
    hint: "look for a lock switch on the card or its adapter; " +
      "a card that is worn out also becomes read-only",
  };
}

/** The claims that a write to this target would hurt. */
export function claimsOn({ disk, partition }: DeviceLocation): readonly DeviceClaim[] {
  if (partition === undefined) return disk.claims;
  // A claim on the whole disk covers the partition. Partitions can overlap: the first
  // one of a hybrid ISO image holds the second.
  const touched = disk.partitions.filter((other) =>
    intersection(
      { offset: other.start, length: other.size },
      { offset: partition.start, length: partition.size },
    ) !== undefined
  );
  const devices = new Set([disk, partition, ...touched].map(({ path }) => path));
  return disk.claims.filter(({ device }) => devices.has(device));
}

function claimRefusals(target: DeviceLocation): Refusal[] {
  const claims = claimsOn(target);
  const refuse = (
    kind: DeviceClaim["kind"],
    reason: (claim: DeviceClaim) => string,
    rest: Pick<Refusal, "hint" | "liftedBy">,
  ): Refusal[] => {
    const reasons = new Set(claims.filter((claim) => claim.kind === kind).map(reason));
    if (reasons.size === 0) return [];
    const why = [...reasons].join(", ");
    return [{
      code: kind,
      message: `cannot write to ${printable(target.path)}: ${why}`,
      ...rest,
    }];
  };
  return [
    ...refuse(
      "holder",
      ({ device, where }) => `${printable(device)} is in use by ${printable(where)}`,
      {
        hint: "stop what is built upon it (volume group, RAID, encryption, loop device), " +
          "then try again",
      },
    ),
    ...refuse("swap", ({ device }) => `the system swaps to ${printable(device)}`, {
      hint: "turn that swap area off, then try again",
    }),
    ...refuse(
      "mounted",
      ({ device, where }) => `${printable(device)} is mounted at ${printable(where)}`,
      {
        hint: "add --unmount, or unmount it yourself",
        liftedBy: "--unmount",
      },
    ),
  ];
}

function tooSmall(target: DeviceLocation, imageSize: number, size: number): Refusal {
  const excess = imageSize - size;
  return {
    code: "too-small",
    message: `cannot write to ${printable(target.path)}: the image is larger by ${
      inBytes(excess)
    }`,
    hint: `choose a target of at least ${inBytes(imageSize)}; this one has ${inBytes(size)}`,
  };
}

/** "1,048,576 bytes (1 MiB)" */
function inBytes(count: number): string {
  const human = formatBytes(count);
  return count < 1024 ? human : `${formatCount(count)} bytes (${human})`;
}

/**
 * A disk in one line: model, serial, size and the system's number. Two disks in one
 * machine at the same time never have the same one.
 */
export function deviceIdentity(disk: DeviceIdentity): string {
  const { model, serial, size, number } = disk;
  return `${printable(model ?? "unknown model")}, ` +
    `${serial === undefined ? "no serial number" : `serial ${printable(serial)}`}, ` +
    `${size === 0 ? "no medium" : inBytes(size)}, device number ${number}`;
}

/**
 * What is different about a disk that should be the same, in plain words; undefined
 * when nothing is.
 */
export function identityChange(
  before: DeviceIdentity,
  after: DeviceIdentity,
): string | undefined {
  const text = (value: string | undefined): string =>
    value === undefined ? "none" : printable(value);
  const rows: readonly (readonly [string, string, string])[] = [
    ["model", text(before.model), text(after.model)],
    ["serial number", text(before.serial), text(after.serial)],
    ["size", inBytes(before.size), inBytes(after.size)],
    ["device number", before.number, after.number],
  ];
  const changes = rows.filter(([, was, is]) => was !== is)
    .map(([what, was, is]) => `its ${what} was ${was} and is now ${is}`);
  // The serial number is the reader's: of two cards of the same size, only this tells.
  const counted = before.mediumNumber !== undefined && after.mediumNumber !== undefined;
  if (changes.length === 0 && counted && before.mediumNumber !== after.mediumNumber) {
    return "the medium in it was changed, or it was attached again";
  }
  return changes.length === 0 ? undefined : changes.join("; ");
}
