/**
 * The disks of a Mac, what uses them, and what a path names. diskutil is asked about
 * disks, the C library about files; no disk is opened, and no rights are needed.
 *
 * What macOS calls a disk is its number here, "disk4" or "disk4s1": no two that are
 * attached share one, and mounted file systems name their device by it.
 */
import {
  fileSystemMacos,
  type FileSystemStatus,
  realPathMacos,
  statMacos,
} from "../../ffi/macos_files.ts";
import { OsError } from "../../ffi/os_error.ts";
import type { FileStatus } from "../../ffi/system_files.ts";
import { ImagingError } from "../core/errors.ts";
import type { Bus, DeviceInfo, FileLimit, Location, PartitionNode } from "./device.ts";
import {
  type DeviceDetails,
  deviceDetails,
  deviceIdOf,
  listDisks,
  type ListedDevice,
  type ListedDisk,
  listRaidSets,
  type RunDiskutil,
  runDiskutil,
  wholeOf,
} from "./macos_diskutil.ts";
import { hasRaid, MacosLayers } from "./macos_layers.ts";
import { unseenLocation } from "./posix_locate.ts";

/** What is asked of the system; tests give answers of their own. */
export interface MacosQueries {
  readonly diskutil: RunDiskutil;
  /** @throws {OsError} */
  stat(path: string): FileStatus;
  /** @throws {OsError} */
  realPath(path: string): string;
  /** @throws {OsError} */
  fileSystem(path: string): FileSystemStatus;
}

/** This machine. */
export const macosQueries: MacosQueries = {
  diskutil: runDiskutil,
  stat: (path) => statMacos(path),
  realPath: realPathMacos,
  fileSystem: fileSystemMacos,
};

/**
 * Every disk of the machine: real ones first, then by number. An empty card reader has no
 * disk on macOS. A disk that is unplugged meanwhile is left out.
 *
 * @throws {ImagingError} when diskutil cannot be asked.
 */
export async function listMacosDisks(queries = macosQueries): Promise<DeviceInfo[]> {
  const machine = await readMachine(queries);
  const found = await Promise.all(
    machine.layers.disks.map((disk) => describeDisk(machine, disk)),
  );
  return found.filter((disk) => disk !== undefined).toSorted((a, b) =>
    Number(a.virtual) - Number(b.virtual) || numberOf(a.number) - numberOf(b.number)
  );
}

/**
 * What the path names, symbolic links followed. Opens nothing. The block device
 * /dev/disk4 and the raw one /dev/rdisk4 are one disk.
 *
 * @throws {ImagingError} when the system does not let this user look there, and for a
 * device that is no disk or partition.
 */
export async function locateMacos(path: string, queries = macosQueries): Promise<Location> {
  let status: FileStatus;
  let canonical: string;
  let fileSystem: FileSystemStatus;
  try {
    status = queries.stat(path);
    canonical = queries.realPath(path);
    fileSystem = queries.fileSystem(path);
  } catch (cause) {
    return unseenLocation(path, cause);
  }
  const isNode = status.kind === "block" || status.kind === "character";
  const device = isNode ? deviceIdOf(canonical) : undefined;
  if (device !== undefined) return await locateDevice(path, device, queries);
  if (status.kind === "block") {
    throw new ImagingError("environment", `cannot use ${path}: it is no disk of this machine`, {
      hint: "`sectorshot list` shows the disks",
    });
  }
  const holder = deviceIdOf(fileSystem.source);
  const place = {
    path,
    identity: `${status.dev}/${status.inode}`,
    onDevice: holder ?? status.dev,
  };
  if (status.kind === "directory") {
    return {
      kind: "directory",
      ...place,
      forDevices: fileSystem.type === "devfs",
      fileLimit: fileLimitOf(fileSystem),
      ...WITHOUT_HOLES[fileSystem.type] === undefined
        ? {}
        : { withoutHoles: WITHOUT_HOLES[fileSystem.type] },
      beneath: holder === undefined ? [] : await fileBeneath(holder, queries),
    };
  }
  if (status.kind !== "file") return { kind: status.kind, path };
  return {
    kind: "file",
    ...place,
    size: status.size,
    beneath: holder === undefined ? [] : await fileBeneath(holder, queries),
  };
}

async function locateDevice(
  path: string,
  id: string,
  queries: MacosQueries,
): Promise<Location> {
  const machine = await readMachine(queries);
  const listed = machine.layers.disk(wholeOf(id));
  const disk = listed === undefined ? undefined : await describeDisk(machine, listed);
  if (listed === undefined || disk === undefined) {
    throw new ImagingError(
      "environment",
      `cannot use ${path}: there is no disk with the name ${wholeOf(id)}`,
      { osCode: "ENXIO", hint: "plug the disk in; `sectorshot list` shows what is there" },
    );
  }
  const partition = disk.partitions.find(({ number }) => number === id);
  if (id === disk.number || partition !== undefined) {
    return { kind: "device", path, disk, partition, number: id };
  }
  if (listed.stores.length > 0) {
    throw new ImagingError(
      "environment",
      `cannot use ${path}: it is a volume of the APFS container ${disk.path}, whose volumes ` +
        "have no place of their own on the disk",
      {
        hint: `use ${
          [disk.path, ...listed.stores.map((store) => `/dev/${store}`)].join(" or ")
        }`,
      },
    );
  }
  throw new ImagingError(
    "environment",
    `cannot use ${path}: ${disk.path} has no partition with this name`,
    { osCode: "ENXIO", hint: `use ${disk.path}` },
  );
}

/** FAT keeps a file's size in 32 bits. */
const FAT_FILE_BYTES = 2 ** 32 - 1;

/** File systems whose files have no holes, as they are called here. */
const WITHOUT_HOLES: Readonly<Record<string, string>> = {
  msdos: "FAT",
  exfat: "exFAT",
  hfs: "HFS+",
};

function fileLimitOf({ type }: FileSystemStatus): FileLimit | undefined {
  return type === "msdos" ? { fileSystem: "FAT", bytes: FAT_FILE_BYTES } : undefined;
}

async function fileBeneath(holder: string, queries: MacosQueries): Promise<string[]> {
  try {
    return [...(await readLayers(queries.diskutil)).sharing([holder])];
  } catch (error) {
    // Files work without diskutil as well; disks don't, so that no rule that needs this
    // answer is ever asked then.
    if (error instanceof ImagingError) return [];
    throw error;
  }
}

/** Everything that was read for one answer. */
interface Machine {
  readonly queries: MacosQueries;
  readonly layers: MacosLayers;
  /** Numbers of everything that the running system lives on. */
  readonly system: ReadonlySet<string>;
}

/**
 * Asks diskutil how the disks are built upon each other.
 *
 * @throws {ImagingError} when diskutil cannot be asked.
 */
export async function readLayers(diskutil: RunDiskutil): Promise<MacosLayers> {
  const disks = await listDisks(diskutil);
  return new MacosLayers(disks, hasRaid(disks) ? await listRaidSets(diskutil) : []);
}

/** Is something mounted there that the running system cannot go on without? */
function isSystemPlace(where: string): boolean {
  // Data, Preboot, VM (swap), Update, and the firmware's: all below one folder.
  return where === "/" || where.startsWith("/System/Volumes/");
}

/**
 * Places of the system that no person ever sees. What is mounted there makes a disk the
 * system's, which no flag lifts: as a claim it would only lengthen lists.
 */
function isHiddenPlace(where: string): boolean {
  return where.startsWith("/System/Volumes/") && where !== "/System/Volumes/Data";
}

async function readMachine(queries: MacosQueries): Promise<Machine> {
  const layers = await readLayers(queries.diskutil);
  const root = deviceIdOf(queries.fileSystem("/").source);
  if (root !== undefined && layers.disk(wholeOf(root)) === undefined) {
    // Without it every disk would look as if it could be spared.
    throw new ImagingError(
      "environment",
      `cannot tell which disk the system runs from: diskutil does not list ${wholeOf(root)}`,
      { hint: "try again in a moment" },
    );
  }
  const mounted = layers.disks.flatMap((disk) => layers.mountsOf(disk))
    .filter(({ where }) => isSystemPlace(where)).map(({ volume }) => volume);
  return {
    queries,
    layers,
    system: layers.sharing(root === undefined ? mounted : [root, ...mounted]),
  };
}

/** Undefined for a disk that is gone by now. */
async function describeDisk(
  { queries, layers, system }: Machine,
  disk: ListedDisk,
): Promise<DeviceInfo | undefined> {
  const { id } = disk;
  const details = await deviceDetails(queries.diskutil, id);
  if (details === undefined) return undefined;
  const { size, model, protocol, removable, readOnly } = details;
  const sectorSize = details.sectorSize || 512;
  const beneath = layers.beneath(id);
  const bus = busOf(protocol);
  return {
    path: `/dev/${id}`,
    number: id,
    size: size ?? disk.size,
    sectorSize,
    // diskutil knows no other.
    physicalSectorSize: sectorSize,
    model,
    // The drivers of each bus keep it elsewhere in the registry of devices, and diskutil
    // does not show it: `mediumNumber` tells a disk from the one before it.
    serial: undefined,
    bus: beneath.length > 0 ? "virtual" : bus,
    removable,
    readOnly,
    virtual: details.virtual || bus === "virtual" || beneath.length > 0,
    system: [id, ...beneath].some((number) => system.has(number)),
    claims: layers.claimsOn(disk).filter(({ where }) => !isHiddenPlace(where)),
    partitions: await describePartitions(queries.diskutil, disk),
    backingFile: undefined,
    beneath,
    mediumNumber: mediumNumberOf(id, queries),
  };
}

async function describePartitions(
  diskutil: RunDiskutil,
  { partitions }: ListedDisk,
): Promise<PartitionNode[]> {
  const found = await Promise.all(
    partitions.map(async (part) => partitionNode(part, await deviceDetails(diskutil, part.id))),
  );
  return found.filter((node) => node !== undefined);
}

/** Undefined where nobody knows where it begins. */
function partitionNode(
  { id, size }: ListedDevice,
  details: DeviceDetails | undefined,
): PartitionNode | undefined {
  if (details?.start === undefined) return undefined;
  return {
    path: `/dev/${id}`,
    index: Number(id.slice(id.lastIndexOf("s") + 1)),
    number: id,
    start: details.start,
    size: details.size ?? size,
  };
}

/** The number in "disk12". */
function numberOf(id: string): number {
  return Number(id.slice("disk".length));
}

/**
 * The kernel gives every node below /dev a number that no other one has had since it
 * started (xnu's bsd/miscfs/devfs/devfs_tree.c, devfs_unique_fileno), and makes the node
 * of a disk anew when its medium is changed.
 *
 * @param id the disk's, also for a partition of it.
 */
export function mediumNumberOf(
  id: string,
  queries: Pick<MacosQueries, "stat">,
): string | undefined {
  try {
    return String(queries.stat(rawPathOf(id)).inode);
  } catch (error) {
    if (error instanceof OsError) return undefined;
    throw error;
  }
}

/** The node for transfers past every cache: "/dev/rdisk4". */
export function rawPathOf(id: string): string {
  return `/dev/r${id}`;
}

/** "Physical Interconnect" of IOKit's IOStorageProtocolCharacteristics.h, and newer ones. */
const BUSES: Readonly<Record<string, Bus | undefined>> = {
  "USB": "usb",
  "Secure Digital": "sd",
  "PCI-Express": "nvme",
  "PCI": "nvme",
  "NVMe": "nvme",
  "Apple Fabric": "nvme",
  "AppleFabric": "nvme",
  "SATA": "sata",
  "ATA": "sata",
  "ATAPI": "sata",
  "SAS": "scsi",
  "SCSI": "scsi",
  "SCSI Parallel Interface": "scsi",
  "Fibre Channel Interface": "scsi",
  "Disk Image": "virtual",
  "Virtual Interface": "virtual",
};

function busOf(protocol: string | undefined): Bus {
  return (protocol === undefined ? undefined : BUSES[protocol]) ?? "unknown";
}
