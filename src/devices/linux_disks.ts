/**
 * The disks of a Linux machine, what uses them, and what a path names.
 *
 * Nothing is opened but files of /proc, /sys and /run: no disk spins up for it, and
 * it needs no permissions.
 */
import { type FileStatus, realPath, statPath } from "../../ffi/system_files.ts";
import { ImagingError } from "../core/errors.ts";
import type { DeviceClaim, DeviceInfo, FileLimit, Location, PartitionNode } from "./device.ts";
import { LinuxLayers, poolOf } from "./linux_layers.ts";
import {
  type Mount,
  mountHolding,
  parseMountInfo,
  parseSwaps,
  type Swap,
} from "./linux_mounts.ts";
import {
  type BlockNode,
  type DiskBlockNode,
  type PartitionBlockNode,
  readBlockNodes,
  readDiskLabels,
  readNumber,
  readText,
  whereReachable,
} from "./linux_sysfs.ts";
import { unseenLocation } from "./posix_locate.ts";

/** Where a running system keeps what it cannot go on without. */
const SYSTEM_MOUNT_POINTS: ReadonlySet<string> = new Set([
  "/",
  "/boot",
  "/boot/efi",
  "/boot/firmware",
  "/efi",
  "/usr",
  "/var",
  "/sysroot",
  "/nix/store",
  "/gnu/store",
]);

/**
 * Every disk of the machine: real ones first, then by name. Virtual devices without
 * content (a loop device without a file) are left out; a card reader without a card
 * is not. A disk that is unplugged meanwhile is left out.
 *
 * @param root the directory that stands for "/"; for tests.
 * @throws {ImagingError} when /sys or /proc is not there or may not be read.
 */
export function listLinuxDisks(root = ""): DeviceInfo[] {
  const machine = readMachine(root);
  return machine.disks.filter((disk) => !disk.virtual || disk.size > 0)
    .toSorted((a, b) => Number(a.virtual) - Number(b.virtual) || compareNames(a.name, b.name))
    .map((disk) => ({ disk, info: describeDisk(machine, disk) }))
    // One that was unplugged while it was described has lost half of its words.
    .filter(({ disk }) => readText(`${disk.directory}/dev`) !== undefined)
    .map(({ info }) => info);
}

/**
 * What the path names, symbolic links followed. Opens nothing.
 *
 * @param root the directory that stands for "/"; for tests.
 * @throws {ImagingError} when the system does not let this user look there, or when
 * the path is a node of a device that does not exist.
 */
export function locateLinux(path: string, root = ""): Location {
  const place = root === "" ? path : `${root}/${path}`;
  let status: FileStatus;
  let canonical: string;
  try {
    status = statPath(place);
    canonical = realPath(place);
  } catch (cause) {
    return unseenLocation(path, cause);
  }
  if (status.kind === "block") return locateDevice(path, status.rdev, root);
  if (status.kind === "directory") {
    return {
      kind: "directory",
      path,
      identity: identityOf(status),
      onDevice: status.dev,
      forDevices: isForDevices(status, root),
      ...folderTraits(fileSystemOf(canonical, root)),
    };
  }
  if (status.kind !== "file") return { kind: status.kind, path };
  return {
    kind: "file",
    path,
    size: status.size,
    identity: identityOf(status),
    onDevice: status.dev,
    beneath: fileBeneath(status, canonical, root),
  };
}

function locateDevice(path: string, number: string, root: string): Location {
  const machine = readMachine(root);
  const node = machine.layers.node(number);
  if (node === undefined) {
    throw new ImagingError(
      "environment",
      `cannot use ${path}: there is no block device with the number ${number}`,
      { osCode: "ENXIO", hint: "plug the disk in; `sectorshot list` shows what is there" },
    );
  }
  const disk = "disk" in node ? node.disk : node;
  return {
    kind: "device",
    path,
    disk: describeDisk(machine, disk),
    partition: "disk" in node ? partitionNode(node) : undefined,
    number,
  };
}

/** The same for every name of the same file. */
function identityOf(status: FileStatus): string {
  return `${status.dev}/${status.inode}`;
}

/** Does the folder lie on the file system of the device nodes? */
function isForDevices(folder: FileStatus, root: string): boolean {
  const devices = whereReachable(() => statPath(`${root}/dev`));
  const top = whereReachable(() => statPath(`${root}/`));
  return devices?.kind === "directory" && devices.dev !== top?.dev &&
    devices.dev === folder.dev;
}

/** What the file systems of FAT12, FAT16 and FAT32 are called here. */
const FAT_FILE_SYSTEMS: readonly string[] = ["vfat", "msdos"];

/** FAT keeps a file's size in 32 bits. */
const FAT_FILE_BYTES = 2 ** 32 - 1;

/** What the file system of a folder is called here; "" where that is not known. */
function fileSystemOf(canonical: string, root: string): string {
  const mounts = parseMountInfo(readText(`${root}/proc/self/mountinfo`) ?? "");
  const inside = root === "" ? canonical : canonical.slice(realPath(root).length);
  return mountHolding(mounts, inside)?.fileSystem ?? "";
}

/** What files of a folder cannot have. */
function folderTraits(fileSystem: string): {
  readonly fileLimit: FileLimit | undefined;
  readonly withoutHoles?: string;
} {
  if (FAT_FILE_SYSTEMS.includes(fileSystem)) {
    return { fileLimit: { fileSystem: "FAT", bytes: FAT_FILE_BYTES }, withoutHoles: "FAT" };
  }
  return fileSystem === "exfat"
    ? { fileLimit: undefined, withoutHoles: "exFAT" }
    : { fileLimit: undefined };
}

function fileBeneath(status: FileStatus, canonical: string, root: string): string[] {
  let layers: LinuxLayers;
  try {
    layers = readMachine(root).layers;
  } catch (error) {
    // Files work in a container without /sys and /proc as well; disks don't, so that
    // no rule that needs this answer is ever asked there.
    if (error instanceof ImagingError) return [];
    throw error;
  }
  // The number is the surest way, but anonymous for btrfs and overlay; and in a
  // made-up tree it belongs to the machine outside.
  const node = root === "" ? layers.node(status.dev) : undefined;
  const inside = root === "" ? canonical : canonical.slice(realPath(root).length);
  return [...layers.sharing(node === undefined ? layers.devicesHolding(inside) : [node])];
}

/** Everything that was read for one answer. */
interface Machine {
  readonly root: string;
  readonly disks: readonly DiskBlockNode[];
  readonly layers: LinuxLayers;
  /** Claims by the number of the disk or partition that they are on. */
  readonly claims: ReadonlyMap<string, readonly DeviceClaim[]>;
  /** Numbers of everything that the running system lives on. */
  readonly system: ReadonlySet<string>;
}

function readMachine(root: string): Machine {
  const disks = readBlockNodes(root);
  const mountInfo = readText(`${root}/proc/self/mountinfo`);
  if (mountInfo === undefined) {
    // Without it every disk would look unused.
    throw new ImagingError(
      "environment",
      `cannot tell which disks are in use: there is no ${root}/proc/self/mountinfo`,
      { hint: "mount proc at /proc" },
    );
  }
  const mounts = parseMountInfo(mountInfo);
  // A kernel that cannot swap has no such file.
  const swaps = parseSwaps(readText(`${root}/proc/swaps`) ?? "");
  const layers = new LinuxLayers(root, disks, mounts);
  const systemDevices = [
    ...mounts.filter((mount) => SYSTEM_MOUNT_POINTS.has(mount.mountPoint))
      .flatMap((mount) => layers.devicesUnder(mount)),
    ...swaps.flatMap((swap) => swapDevices(layers, swap)),
  ];
  return {
    root,
    disks,
    layers,
    claims: findClaims(disks, layers, mounts, swaps),
    system: layers.sharing(systemDevices),
  };
}

function swapDevices(layers: LinuxLayers, swap: Swap): BlockNode[] {
  if (swap.kind === "file") return layers.devicesHolding(swap.path);
  const node = layers.nodeAt(swap.path);
  return node === undefined ? [] : [node];
}

function findClaims(
  disks: readonly DiskBlockNode[],
  layers: LinuxLayers,
  mounts: readonly Mount[],
  swaps: readonly Swap[],
): Map<string, DeviceClaim[]> {
  const claims = new Map<string, DeviceClaim[]>();
  const add = (node: BlockNode, kind: DeviceClaim["kind"], where: string): void => {
    const list = claims.get(node.number) ?? [];
    claims.set(node.number, list);
    list.push({ kind, device: node.path, where });
  };
  const pools = new Set<string>();
  for (const mount of mounts) {
    // A pool keeps its disks when a dataset is unmounted: to export it is another step.
    if (mount.fileSystem !== "zfs") {
      layers.devicesOf(mount).forEach((node) => add(node, "mounted", mount.mountPoint));
    } else if (!pools.has(poolOf(mount))) {
      pools.add(poolOf(mount));
      layers.devicesOf(mount).forEach((node) => add(node, "holder", `zfs ${poolOf(mount)}`));
    }
  }
  for (const swap of swaps) {
    swapDevices(layers, swap).forEach((node) => add(node, "swap", ""));
  }
  for (const node of disks.flatMap((disk): BlockNode[] => [disk, ...disk.partitions])) {
    node.holders.forEach((holder) => add(node, "holder", layers.title(holder)));
  }
  for (const disk of disks) {
    // The kernel doesn't list a loop device among the holders of the disk behind it.
    const behind = disk.backingFile === undefined ? undefined : layers.nodeAt(disk.backingFile);
    if (behind !== undefined) add(behind, "holder", disk.name);
  }
  return claims;
}

function describeDisk(machine: Machine, disk: DiskBlockNode): DeviceInfo {
  const { root, claims, layers } = machine;
  const { directory, backingFile } = disk;
  const sectorSize = readNumber(`${directory}/queue/logical_block_size`) || 512;
  const backing = backingFile === undefined
    ? undefined
    // A deleted file still works as a backing file; it only has no name any more.
    : whereReachable(() => statPath(root + backingFile));
  return {
    path: disk.path,
    number: disk.number,
    size: disk.size,
    sectorSize,
    physicalSectorSize: readNumber(`${directory}/queue/physical_block_size`) || sectorSize,
    ...readDiskLabels(root, disk),
    bus: disk.bus,
    // The kernel calls the reader of an SD card not removable, since it means the reader.
    removable: readNumber(`${directory}/removable`) === 1 ||
      readText(`${directory}/device/type`)?.trim() === "SD",
    readOnly: readNumber(`${directory}/ro`) === 1,
    virtual: disk.virtual,
    system: machine.system.has(disk.number),
    claims: [disk, ...disk.partitions].flatMap((node) => claims.get(node.number) ?? []),
    partitions: disk.partitions.map(partitionNode),
    backingFile,
    backingIdentity: backing?.kind === "file" ? identityOf(backing) : undefined,
    beneath: layers.beneath(disk),
    mediumNumber: readText(`${directory}/diskseq`)?.trim(),
  };
}

function partitionNode(node: PartitionBlockNode): PartitionNode {
  const { path, index, number, start, size } = node;
  return { path, index, number, start, size };
}

/**
 * sda, sdb … sdz, sdaa; nvme0n1, nvme2n1, nvme10n1: letters after the driver's prefix
 * count in base 26, digits in base 10.
 */
function compareNames(a: string, b: string): number {
  const left = sortKey(a);
  const right = sortKey(b);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const x = left[i] ?? "";
    const y = right[i] ?? "";
    if (x === y) continue;
    return typeof x === "number" && typeof y === "number"
      ? x - y
      : String(x) < String(y)
      ? -1
      : 1;
  }
  return 0;
}

function sortKey(name: string): (string | number)[] {
  const [, driver, letters] = /^(x?[shv]d)([a-z]+)$/.exec(name) ?? [];
  if (driver !== undefined && letters !== undefined) {
    const index = Array.from(letters).reduce(
      (sum, letter) => sum * 26 + letter.charCodeAt(0) - 96,
      0,
    );
    return [driver, index];
  }
  return (name.match(/\d+|\D+/g) ?? []).map((part) => /^\d/.test(part) ? Number(part) : part);
}
