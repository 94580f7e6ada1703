/**
 * What diskutil(8) of macOS says about disks, from its property lists.
 *
 * Why a program, and not IOKit and DiskArbitration through FFI: these want callbacks, run
 * loops and reference counts of Core Foundation, none of which a test elsewhere could see,
 * and diskutil alone knows how APFS containers, RAID sets and partitions belong together.
 * Its price is a process a question; questions that do not wait for each other are asked
 * at once.
 */
import { ImagingError } from "../core/errors.ts";
import { printable } from "../core/text.ts";
import { parsePlist, type PlistDictionary, type PlistValue } from "./macos_plist.ts";

/** Named in full: `--allow-run` is given for this file, whatever PATH holds. */
export const DISKUTIL = "/usr/sbin/diskutil";

/** What a run of diskutil left. */
export interface DiskutilAnswer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs diskutil to its end.
 *
 * @throws {ImagingError} when it cannot be started.
 */
export type RunDiskutil = (args: readonly string[]) => Promise<DiskutilAnswer>;

/** Processes of diskutil that run beside each other; further ones wait. */
const MOST_RUNS = 8;

/**
 * Lets a few runs go on at once and has the others wait, in the order of asking: a machine
 * with many disks is asked about all their partitions.
 */
export function limitRuns(run: RunDiskutil, most: number): RunDiskutil {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (args) => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await run(args);
    } finally {
      // The place is handed on, or given back.
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}

/** Runs the diskutil of this machine. */
export const runDiskutil: RunDiskutil = limitRuns(runProgram, MOST_RUNS);

async function runProgram(args: readonly string[]): Promise<DiskutilAnswer> {
  const command = new Deno.Command(DISKUTIL, { args: [...args], stdin: "null" });
  try {
    const { code, stdout, stderr } = await command.output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) {
      throw new ImagingError("environment", `cannot ask about disks: may not run ${DISKUTIL}`, {
        cause,
        hint: `run Deno with --allow-run=${DISKUTIL}`,
      });
    }
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new ImagingError("environment", `cannot ask about disks: there is no ${DISKUTIL}`, {
      cause,
      hint: "run it on macOS",
    });
  }
}

/** What diskutil said, in one line for a message. */
export function diskutilWords({ code, stdout, stderr }: DiskutilAnswer): string {
  const lines = `${stderr}\n${stdout}`.split("\n").map((line) => line.trim())
    .filter((line) => line !== "");
  return lines.length === 0 ? `diskutil ended with ${code}` : printable(lines.join("; "));
}

/** A disk, partition or APFS volume as `diskutil list` has it. */
export interface ListedDevice {
  /** "disk4s1" */
  readonly id: string;
  /** "Apple_APFS", "Windows_FAT_32", "GUID_partition_scheme"; "" where there is none. */
  readonly content: string;
  /** Bytes. */
  readonly size: number;
  /** Where it, or a snapshot of it, is mounted. */
  readonly mountPoints: readonly string[];
}

/** A whole disk as `diskutil list` has it. */
export interface ListedDisk extends ListedDevice {
  readonly partitions: readonly ListedDevice[];
  /** Volumes of an APFS container. */
  readonly volumes: readonly ListedDevice[];
  /** The partitions or disks that an APFS container lies on: "disk0s2". */
  readonly stores: readonly string[];
}

/** A RAID set of macOS. */
export interface RaidSet {
  readonly name: string;
  /** "disk6"; undefined for a set that is not running. */
  readonly id: string | undefined;
  /** "disk4s2" */
  readonly members: readonly string[];
}

/** What `diskutil info` says of a disk or partition. */
export interface DeviceDetails {
  /** Bytes; undefined where it was not said. */
  readonly size: number | undefined;
  /** Bytes from the start of the disk; undefined for what is no partition. */
  readonly start: number | undefined;
  readonly sectorSize: number | undefined;
  readonly model: string | undefined;
  /** "USB", "PCI-Express", "Apple Fabric", "Secure Digital", "Disk Image" … */
  readonly protocol: string | undefined;
  readonly removable: boolean;
  readonly readOnly: boolean;
  readonly virtual: boolean;
}

/** "disk4", "disk4s1", and "disk3s1s1" for a snapshot of an APFS volume. */
const ID = /^disk\d+(?:s\d+)*$/;

/** The disk that a device belongs to: "disk4" of "disk4s1". */
export function wholeOf(id: string): string {
  return id.replace(/s\d.*$/, "");
}

/**
 * The device that a canonical path names, as a block device or as a raw one: "disk4s1" of
 * "/dev/rdisk4s1". Undefined for anything else.
 */
export function deviceIdOf(path: string): string | undefined {
  const id = /^\/dev\/r?(disk.+)$/.exec(path)?.[1];
  return id !== undefined && ID.test(id) ? id : undefined;
}

/**
 * All disks, in diskutil's order.
 *
 * @throws {ImagingError} when diskutil fails, or when its answer cannot be understood.
 */
export async function listDisks(run: RunDiskutil): Promise<ListedDisk[]> {
  const answer = await ask(run, ["list", "-plist"]);
  const entries = listOf(answer, "AllDisksAndPartitions");
  if (entries === undefined) throw misunderstood(["list", "-plist"]);
  return entries.map(dictionaryOf).map((entry) => ({
    ...listedDevice(entry),
    partitions: devicesOf(entry, "Partitions"),
    volumes: devicesOf(entry, "APFSVolumes"),
    stores: dictionariesOf(entry, "APFSPhysicalStores").map((store) =>
      idOf(store, "DeviceIdentifier")
    ),
  }));
}

/**
 * All RAID sets.
 *
 * @throws {ImagingError} as {@linkcode listDisks}.
 */
export async function listRaidSets(run: RunDiskutil): Promise<RaidSet[]> {
  const answer = await ask(run, ["appleRAID", "list", "-plist"]);
  return dictionariesOf(answer, "AppleRAIDSets").map((set) => ({
    name: textOf(set, "Name") ?? "",
    id: knownId(set, "BSD Name"),
    members: dictionariesOf(set, "Members").flatMap((member) =>
      knownId(member, "BSD Name") ?? []
    ),
  }));
}

/**
 * More about a device; undefined when it is not there any more.
 *
 * @throws {ImagingError} as {@linkcode listDisks}.
 */
export async function deviceDetails(
  run: RunDiskutil,
  id: string,
): Promise<DeviceDetails | undefined> {
  const args = ["info", "-plist", id];
  const { code, stdout } = await run(args);
  // For a device that went away it answers a dictionary with "Error", and exits with 1.
  if (code !== 0) return undefined;
  const info = understood(args, stdout);
  if (booleanOf(info, "Error") === true || textOf(info, "DeviceIdentifier") !== id) {
    return undefined;
  }
  return {
    // TotalSize is the volume's where a file system fills the device.
    size: countOf(info, "IOKitSize") ?? countOf(info, "TotalSize") ?? countOf(info, "Size"),
    start: countOf(info, "PartitionMapPartitionOffset"),
    sectorSize: countOf(info, "DeviceBlockSize"),
    model: modelOf(info),
    protocol: textOf(info, "BusProtocol"),
    removable: booleanOf(info, "RemovableMedia") === true ||
      booleanOf(info, "Ejectable") === true,
    readOnly: (booleanOf(info, "WritableMedia") ?? booleanOf(info, "Writable")) === false,
    virtual: textOf(info, "VirtualOrPhysical") === "Virtual",
  };
}

/** MediaName is "" for some; the registry's entry of a disk ends in the word "Media". */
function modelOf(info: PlistDictionary): string | undefined {
  return [textOf(info, "MediaName"), textOf(info, "IORegistryEntryName")]
    .map((name) => name?.trim().replace(/\s+Media$/, ""))
    .find((name) => name !== undefined && name !== "");
}

async function ask(run: RunDiskutil, args: readonly string[]): Promise<PlistDictionary> {
  const answer = await run(args);
  if (answer.code !== 0) {
    throw new ImagingError(
      "environment",
      `cannot ask about disks: diskutil ${args.join(" ")}: ${diskutilWords(answer)}`,
    );
  }
  return understood(args, answer.stdout);
}

function understood(args: readonly string[], text: string): PlistDictionary {
  let value: PlistValue;
  try {
    value = parsePlist(text);
  } catch (cause) {
    if (!(cause instanceof ImagingError)) throw cause;
    throw misunderstood(args, cause);
  }
  if (!(value instanceof Map)) throw misunderstood(args);
  return value;
}

function misunderstood(args: readonly string[], cause?: ImagingError): ImagingError {
  const reason = cause === undefined ? "it is not in the known form" : cause.message;
  return new ImagingError(
    "environment",
    `cannot understand what diskutil ${args.join(" ")} answers: ${reason}`,
    { cause },
  );
}

function listedDevice(entry: PlistDictionary): ListedDevice {
  const snapshots = dictionariesOf(entry, "MountedSnapshots");
  return {
    id: idOf(entry, "DeviceIdentifier"),
    content: textOf(entry, "Content") ?? "",
    size: countOf(entry, "Size") ?? 0,
    mountPoints: [
      textOf(entry, "MountPoint"),
      ...snapshots.map((snapshot) => textOf(snapshot, "SnapshotMountPoint")),
    ].flatMap((place) => place === undefined || place === "" ? [] : [place]),
  };
}

function devicesOf(entry: PlistDictionary, key: string): ListedDevice[] {
  return dictionariesOf(entry, key).map(listedDevice);
}

/** @throws {ImagingError} A device without a proper name must not drop out of the rules. */
function idOf(entry: PlistDictionary, key: string): string {
  return knownId(entry, key) ?? fail(`${key} is missing or no name of a device`);
}

function knownId(entry: PlistDictionary, key: string): string | undefined {
  const id = textOf(entry, key);
  return id !== undefined && ID.test(id) ? id : undefined;
}

function dictionaryOf(value: PlistValue): PlistDictionary {
  return value instanceof Map ? value : fail("a dictionary is missing");
}

function fail(reason: string): never {
  throw new ImagingError(
    "environment",
    `cannot understand what diskutil answers about the disks: ${reason}`,
  );
}

/** @throws {ImagingError} when there is something else than a list of dictionaries. */
function dictionariesOf(entry: PlistDictionary, key: string): PlistDictionary[] {
  return (listOf(entry, key) ?? []).map(dictionaryOf);
}

/** @throws {ImagingError} when there is something else than a list. */
function listOf(entry: PlistDictionary, key: string): readonly PlistValue[] | undefined {
  const value = entry.get(key);
  if (value === undefined || Array.isArray(value)) return value;
  return fail(`${key} is no list`);
}

function textOf(entry: PlistDictionary, key: string): string | undefined {
  const value = entry.get(key);
  return typeof value === "string" ? value : undefined;
}

function booleanOf(entry: PlistDictionary, key: string): boolean | undefined {
  const value = entry.get(key);
  return typeof value === "boolean" ? value : undefined;
}

/** A whole number from 0 to 2^53-1. */
function countOf(entry: PlistDictionary, key: string): number | undefined {
  const value = entry.get(key);
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0
    ? value
    : undefined;
}
