/**
 * The disks of a Windows machine, and what a path names.
 *
 * Disks are opened with no access right, which needs no administrator and wakes no disk. Only
 * where a driver does not tell the size is it looked for by reading, if that is allowed.
 */
import {
  FILE_FS_DEVICE_INFORMATION,
  FILE_ID_INFORMATION,
  FILE_INTERNAL_INFORMATION,
  FILE_STANDARD_INFORMATION,
  fileIdInformation,
  fileIndexNumber,
  fileStandardInformation,
  fileSystemAttributes,
  fileSystemDevice,
  fileSystemVolume,
} from "../../ffi/layouts.ts";
import { OsError } from "../../ffi/os_error.ts";
import {
  fixSerial,
  storageAccessAlignment,
  storageAdapterSerial,
  type StorageDeviceDescriptor,
  storageDeviceDescriptor,
  storagePropertyQuery,
} from "../../ffi/storage_property.ts";
import * as windows from "../../ffi/windows_numbers.ts";
import type { WindowsCalls } from "../../ffi/windows_thread.ts";
import { ImagingError } from "../core/errors.ts";
import type { DeviceClaim, DeviceInfo, FileLimit, Location, PartitionNode } from "./device.ts";
import { closeHandle, isWindowsError, OPENINGS, windowsFailure } from "./windows_io.ts";
import { askDevice, DEFAULT_SECTOR_BYTES, geometryOf, measureMedium } from "./windows_size.ts";
import { layOf, listWindowsVolumes, titleOf, type WindowsVolume } from "./windows_volumes.ts";

/** Disks are looked for under these numbers. */
const DISK_NUMBERS = 64;

/** Names that are not there, and drives and servers that are not there. */
const MISSING = [
  "ERROR_FILE_NOT_FOUND",
  "ERROR_PATH_NOT_FOUND",
  "ERROR_INVALID_DRIVE",
  "ERROR_BAD_NETPATH",
  "ERROR_BAD_NET_NAME",
  "ERROR_BAD_UNIT",
];

/** Bytes for a descriptor with its texts. */
const DESCRIPTOR_ROOM = 1024;
/** Bytes for the name of a file system. */
const FILE_SYSTEM_ROOM = 512;

/** FAT keeps a file's size in 32 bits. */
const FAT_FILE_BYTES = 2 ** 32 - 1;
const FAT_FILE_SYSTEMS = ["FAT", "FAT12", "FAT16", "FAT32"];

/** The path of a disk. */
export function diskPath(number: number): string {
  return `\\\\.\\PhysicalDrive${number}`;
}

/** Everything that was read for one answer. */
interface Machine {
  readonly calls: WindowsCalls;
  /** Does this program have the rights of an administrator? */
  readonly elevated: boolean;
  readonly volumes: readonly WindowsVolume[];
  /** N of the disks that Windows itself lies on. */
  readonly system: ReadonlySet<number>;
}

async function readMachine(calls: WindowsCalls, elevated: boolean): Promise<Machine> {
  const volumes = await listWindowsVolumes(calls);
  const directory = await calls.call("windowsDirectory");
  const home = directory === undefined ? undefined : await calls.call("volumeOf", directory);
  const system = volumes.find(({ name }) => sameName(name, home ?? ""));
  if (system === undefined) {
    // Without it no disk would look as if the system ran from it.
    throw new ImagingError(
      "environment",
      `cannot tell which disk Windows runs from: nothing is known of ${directory ?? home}`,
      { hint: "look at Disk Management, and report what is unusual about this machine" },
    );
  }
  return {
    calls,
    elevated,
    volumes,
    system: new Set([...system.disks, ...await startDisks(calls)]),
  };
}

/** N of the disks that the machine starts from: those of its EFI system partition. */
async function startDisks(calls: WindowsCalls): Promise<readonly number[]> {
  const name = await calls.call("systemPartition");
  if (name === undefined) return [];
  const path = `\\\\?\\GLOBALROOT${name}`;
  const volume = await withQuery(calls, path, (handle) => layOf(calls, handle));
  return volume?.disks ?? [];
}

/** Names of devices and volumes are the same in whatever case. */
function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** Opens something with no access right, as long as `use` runs; undefined: not there. */
async function withQuery<Result>(
  calls: WindowsCalls,
  path: string,
  use: (handle: bigint) => Promise<Result>,
): Promise<Result | undefined> {
  let handle: bigint;
  try {
    handle = await calls.call("open", path, OPENINGS.query);
  } catch (cause) {
    if (isWindowsError(cause, ...MISSING)) return undefined;
    throw windowsFailure(`cannot look at ${path}`, cause, "disk", false);
  }
  try {
    return await use(handle);
  } catch (cause) {
    throw cause instanceof OsError
      ? windowsFailure(`cannot look at ${path}`, cause, "disk", false)
      : cause;
  } finally {
    await closeHandle(calls, handle);
  }
}

/**
 * Every disk of the machine, in the order of their numbers.
 *
 * @throws {ImagingError} when nobody can tell which one Windows runs from.
 */
export async function listWindowsDisks(calls: WindowsCalls): Promise<DeviceInfo[]> {
  const machine = await readMachine(calls, false);
  const disks: DeviceInfo[] = [];
  for (let number = 0; number < DISK_NUMBERS; number++) {
    try {
      const disk = await describeDisk(machine, number);
      if (disk !== undefined) disks.push(disk);
    } catch (error) {
      // One that answers with nonsense must not hide the others.
      if (!(error instanceof ImagingError || error instanceof RangeError)) throw error;
      disks.push(oddDisk(number, machine.system.has(number)));
    }
  }
  return disks;
}

/** A disk of which only the number is known. */
function oddDisk(number: number, system: boolean): DeviceInfo {
  return {
    path: diskPath(number),
    number: String(number),
    size: 0,
    sectorSize: DEFAULT_SECTOR_BYTES,
    physicalSectorSize: DEFAULT_SECTOR_BYTES,
    model: "(does not answer)",
    serial: undefined,
    bus: "unknown",
    removable: false,
    readOnly: false,
    virtual: false,
    system,
    claims: [],
    partitions: [],
    backingFile: undefined,
  };
}

async function describeDisk(
  machine: Machine,
  number: number,
): Promise<DeviceInfo | undefined> {
  const { calls, volumes, system } = machine;
  const path = diskPath(number);
  return await withQuery(calls, path, async (handle) => {
    const ours = volumes.filter(({ disks }) => disks.includes(number));
    const medium = await describeMedium(calls, handle, true);
    return {
      path,
      number: String(number),
      ...medium,
      size: medium.size || await sizeByReading(calls, path),
      system: system.has(number),
      claims: ours.flatMap((volume) => claimOn(volume)),
      partitions: ours.flatMap((volume) => partitionOn(volume, number)),
      volumes: ours.flatMap(({ places }) => places),
      backingFile: undefined,
    };
  });
}

/** Some drivers tell no geometry; their disks show their size only when they are read. */
async function sizeByReading(calls: WindowsCalls, path: string): Promise<number> {
  try {
    return await measureByReading(calls, path, true);
  } catch (error) {
    // No medium, or no right to read: both show when the disk is opened.
    if (!(error instanceof OsError)) throw error;
    return 0;
  }
}

/** @throws {OsError} */
async function measureByReading(
  calls: WindowsCalls,
  path: string,
  isDisk: boolean,
): Promise<number> {
  const handle = await calls.call("open", path, OPENINGS.readDirect);
  try {
    return (await measureMedium(calls, handle, isDisk)).size;
  } finally {
    await closeHandle(calls, handle);
  }
}

/** What a device tells about itself. */
type Medium = Omit<
  DeviceInfo,
  "path" | "number" | "system" | "claims" | "partitions" | "backingFile"
>;

async function describeMedium(
  calls: WindowsCalls,
  handle: bigint,
  isDisk: boolean,
): Promise<Medium> {
  const device = await describeStorage(calls, handle);
  const geometry = await geometryOf(calls, handle);
  const sectorSize = geometry?.sectorSize ?? DEFAULT_SECTOR_BYTES;
  const { StorageAccessAlignmentProperty } = windows.STORAGE_PROPERTY_ID;
  const alignment = await askProperty(calls, handle, StorageAccessAlignmentProperty);
  const bus = windows.busWord(device?.busType ?? 0);
  const counter = await askDevice(calls, handle, windows.IOCTL_STORAGE_CHECK_VERIFY2, 4);
  return {
    size: isDisk ? geometry?.size ?? 0 : 0,
    sectorSize,
    physicalSectorSize: alignment === undefined
      ? sectorSize
      : storageAccessAlignment(alignment).physicalSector || sectorSize,
    model: modelOf(device),
    serial: await serialOf(calls, handle, device, bus),
    firmware: device?.revision,
    bus,
    removable: device?.removableMedia ?? false,
    readOnly: await isReadOnly(calls, handle),
    virtual: device?.busType === windows.STORAGE_BUS_TYPE.BusTypeFileBackedVirtual,
    mediumNumber: counter?.length === 4
      ? String(new DataView(counter.buffer, counter.byteOffset).getUint32(0, true))
      : undefined,
  };
}

function askProperty(
  calls: WindowsCalls,
  handle: bigint,
  property: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const code = windows.IOCTL_STORAGE_QUERY_PROPERTY;
  return askDevice(calls, handle, code, DESCRIPTOR_ROOM, storagePropertyQuery(property));
}

async function describeStorage(
  calls: WindowsCalls,
  handle: bigint,
): Promise<StorageDeviceDescriptor | undefined> {
  const { StorageDeviceProperty } = windows.STORAGE_PROPERTY_ID;
  const answer = await askProperty(calls, handle, StorageDeviceProperty);
  return answer === undefined ? undefined : storageDeviceDescriptor(answer);
}

/**
 * The serial number on the label. The descriptor of an NVMe disk holds an identifier of the
 * bus instead; systems from Windows 10 on tell the other when they are asked.
 */
async function serialOf(
  calls: WindowsCalls,
  handle: bigint,
  device: StorageDeviceDescriptor | undefined,
  bus: windows.BusWord,
): Promise<string | undefined> {
  const { StorageAdapterSerialNumberProperty } = windows.STORAGE_PROPERTY_ID;
  const answer = bus === "nvme"
    ? await askProperty(calls, handle, StorageAdapterSerialNumberProperty)
    : undefined;
  const label = answer === undefined ? undefined : fixSerial(storageAdapterSerial(answer), bus);
  return label ?? fixSerial(device?.rawSerial ?? "", bus);
}

/** "Samsung SSD 870": USB has a vendor and a product, ATA all of it in the product. */
function modelOf(device: StorageDeviceDescriptor | undefined): string | undefined {
  const words = [device?.vendor, device?.product].filter((word) => word !== undefined);
  const text = words.join(" ").replace(/\s+/g, " ").trim();
  return text === "" ? undefined : text;
}

async function isReadOnly(calls: WindowsCalls, handle: bigint): Promise<boolean> {
  try {
    await calls.call("control", handle, windows.IOCTL_DISK_IS_WRITABLE, null, 0);
    return false;
  } catch (error) {
    if (!(error instanceof OsError)) throw error;
    return error.code === "ERROR_WRITE_PROTECT";
  }
}

/** A volume that lies on other disks, too, would be torn. */
function claimOn(volume: WindowsVolume): DeviceClaim[] {
  const { disks } = volume;
  if (disks.length < 2) return [];
  return [{ kind: "holder", device: titleOf(volume), where: spanText(disks) }];
}

function spanText(disks: readonly number[]): string {
  return `a volume that spans ${disks.map((disk) => `PhysicalDrive${disk}`).join(" and ")}`;
}

/** The part of a disk that a volume fills. */
function partitionOn(volume: WindowsVolume, disk: number): PartitionNode[] {
  const { name, partition, extents } = volume;
  return extents.filter((extent) => extent.disk === disk).map(({ start, size }) => ({
    path: volumePath(volume),
    index: partition,
    number: name,
    start,
    size,
  }));
}

/** "\\.\E:"; the volume's own name where it has no letter. */
function volumePath({ name, places }: WindowsVolume): string {
  const letter = places.find((place) => /^[A-Za-z]:$/.test(place));
  return letter === undefined ? name : `\\\\.\\${letter}`;
}

/** What a path says about itself, before anything is asked. */
export type PathForm =
  | { readonly kind: "disk"; readonly number: number }
  | { readonly kind: "letter"; readonly letter: string }
  | { readonly kind: "volume" | "device" | "file"; readonly path: string };

/**
 * What kind of thing a path speaks of. "E:" is a letter; "\\.\E:" and "\\?\Volume{…}" are
 * volumes; "E:\" and everything else is a file or folder.
 */
export function pathForm(path: string): PathForm {
  const device = /^[\\/]{2}([.?])[\\/](.*)$/s.exec(path);
  if (device === null) {
    const [, letter] = /^([A-Za-z]:)$/.exec(path) ?? [];
    return letter === undefined
      ? { kind: "file", path }
      : { kind: "letter", letter: letter.toUpperCase() };
  }
  const [, namespace = "", name = ""] = device;
  const [, number] = /^PhysicalDrive(\d{1,4})$/i.exec(name) ?? [];
  if (number !== undefined) return { kind: "disk", number: Number(number) };
  const plain = name.replace(/[\\/]$/, "");
  if (/^[A-Za-z]:$/.test(name)) return { kind: "volume", path: `\\\\.\\${name.toUpperCase()}` };
  if (/^Volume\{[^\\/]*\}$/i.test(plain)) return { kind: "volume", path: `\\\\?\\${plain}` };
  return namespace === "?"
    ? { kind: "file", path: path.replaceAll("/", "\\") }
    : { kind: "device", path };
}

/**
 * What the path names.
 *
 * @throws {ImagingError} when the system does not let this user look there, or when a
 * letter stands for no single disk.
 */
export async function locateWindows(
  calls: WindowsCalls,
  path: string,
  elevated = false,
): Promise<Location> {
  const form = pathForm(path);
  switch (form.kind) {
    case "disk":
      return await locateDisk(await readMachine(calls, elevated), path, form.number);
    case "letter":
      return await locateLetter(await readMachine(calls, elevated), path, form.letter);
    case "volume":
    case "device":
      return await locateVolume(await readMachine(calls, elevated), path, form.path);
    case "file":
      return await locateFile(calls, path, form.path);
  }
}

async function locateDisk(
  machine: Machine,
  path: string,
  number: number,
  meaning?: string,
): Promise<Location> {
  const disk = await describeDisk(machine, number);
  if (disk === undefined) return { kind: "missing", path };
  return {
    kind: "device",
    path: disk.path,
    disk,
    partition: undefined,
    number: disk.number,
    meaning,
  };
}

/** A letter means the whole disk under it: that is what a card is. */
async function locateLetter(
  machine: Machine,
  path: string,
  letter: string,
): Promise<Location> {
  const { calls } = machine;
  if (await calls.call("driveType", `${letter}\\`) === windows.DRIVE_REMOTE) {
    throw new ImagingError("usage", `cannot use ${path}: it is a drive of the network`, {
      hint: "`sectorshot list` shows the disks of this machine",
    });
  }
  const volume = await locateVolume(machine, path, `\\\\.\\${letter}`);
  if (volume.kind !== "device" || volume.partition === undefined) {
    const disks = volume.kind === "device" ? volume.disk.beneath ?? [] : [];
    if (disks.length < 2) return volume;
    throw new ImagingError(
      "usage",
      `cannot use ${path} as a disk: it is ${spanText(disks.map(Number))}`,
      {
        hint: "name one of these disks, or \\\\.\\" + letter + " for what the volume holds; " +
          "`sectorshot list` shows the disks",
      },
    );
  }
  const { disk } = volume;
  const others = (disk.volumes ?? []).filter((place) => !sameName(place, letter));
  const meaning = `${letter} lies on ${disk.path}: the whole disk is meant` +
    (others.length === 0 ? "" : `, with ${others.join(" and ")}`);
  return await locateDisk(machine, path, Number(disk.number), meaning);
}

/** A volume: a partition of its disk, or a disk of its own where it has none, or several. */
async function locateVolume(
  machine: Machine,
  path: string,
  volumePath: string,
): Promise<Location> {
  const { calls, volumes } = machine;
  const found = await withQuery(calls, volumePath, async (handle) => ({
    ...await layOf(calls, handle),
    medium: await describeMedium(calls, handle, false),
  }));
  if (found === undefined) return { kind: "missing", path };
  const { extents, disks, partition, medium, type } = found;
  if (!MEDIUM_TYPES.includes(type)) return { kind: "character", path };
  const named = volumes.find((volume) =>
    sameName(volume.name, volumePath) ||
    volume.places.some((place) => sameName(`\\\\.\\${place}`, volumePath))
  );
  const number = named?.name ?? volumePath;
  const [only] = disks;
  const disk = disks.length === 1 && extents.length <= 1 && only !== undefined
    ? await describeDisk(machine, only)
    : undefined;
  if (disk !== undefined) {
    // Where Windows does not tell the place, it may be anywhere on the disk.
    const { start, size } = extents[0] ?? { start: 0, size: disk.size };
    const node = { path: volumePath, index: partition, number, start, size };
    return { kind: "device", path: volumePath, disk, partition: node, number };
  }
  const alone: DeviceInfo = {
    ...medium,
    path: volumePath,
    number,
    size: await sizeOfVolume(machine, volumePath),
    virtual: true,
    system: disks.some((each) => machine.system.has(each)),
    claims: [],
    partitions: [],
    volumes: named?.places ?? [],
    backingFile: undefined,
    beneath: disks.map(String),
  };
  return { kind: "device", path: volumePath, disk: alone, partition: undefined, number };
}

/** FILE_DEVICE_* of what can be imaged. */
const MEDIUM_TYPES: readonly number[] = [
  windows.FILE_DEVICE_DISK,
  windows.FILE_DEVICE_CD_ROM,
  windows.FILE_DEVICE_DVD,
  windows.FILE_DEVICE_DISK_FILE_SYSTEM,
  windows.FILE_DEVICE_VIRTUAL_DISK,
];

/** Only reading shows how large a volume without a disk is. */
async function sizeOfVolume({ calls, elevated }: Machine, path: string): Promise<number> {
  try {
    return await measureByReading(calls, path, false);
  } catch (cause) {
    if (isWindowsError(cause, "ERROR_NOT_READY", "ERROR_NO_MEDIA_IN_DRIVE")) return 0;
    throw windowsFailure(`cannot look at ${path}`, cause, "disk", elevated);
  }
}

/** What the system's handle of a file or folder tells. */
interface FileFacts {
  readonly directory: boolean;
  readonly isMedium: boolean;
  readonly size: number;
  readonly identity: string;
  readonly fileSystem: string;
}

async function locateFile(
  calls: WindowsCalls,
  path: string,
  plain: string,
): Promise<Location> {
  if (plain.replace(/^([\\/]{2}\?[\\/])?[A-Za-z]:/, "").includes(":")) {
    throw new ImagingError("usage", `cannot use ${path}: it names a stream within a file`, {
      hint: "a name may hold a colon only behind the drive's letter",
    });
  }
  const facts = await withQuery(calls, plain, (handle) => askFile(calls, handle));
  if (facts === undefined) return { kind: "missing", path };
  if (!facts.isMedium) return { kind: "character", path };
  const { directory, size, identity, fileSystem } = facts;
  const onDevice = await calls.call("volumeOf", plain) ?? "network";
  if (directory) {
    const hasHoles = !WITHOUT_HOLES.includes(fileSystem.toUpperCase());
    return {
      kind: "directory",
      path,
      identity,
      onDevice,
      fileLimit: fileLimitOf(fileSystem),
      ...hasHoles ? {} : { withoutHoles: fileSystem },
    };
  }
  const volume = onDevice === "network"
    ? undefined
    : await withQuery(calls, onDevice, (handle) => layOf(calls, handle));
  const beneath = [onDevice, ...(volume?.disks ?? []).map(String)];
  return { kind: "file", path, size, identity, onDevice, beneath };
}

async function askFile(calls: WindowsCalls, handle: bigint): Promise<FileFacts> {
  const { FileFsDeviceInformation, FileFsAttributeInformation } = windows.FS_INFORMATION_CLASS;
  const { FileStandardInformation } = windows.FILE_INFORMATION_CLASS;
  const { type } = fileSystemDevice(
    await calls.call(
      "queryVolume",
      handle,
      FILE_FS_DEVICE_INFORMATION.bytes,
      FileFsDeviceInformation,
    ),
  );
  const isMedium = MEDIUM_TYPES.includes(type) || NETWORK_TYPES.includes(type);
  // NUL, CON and their like answer nothing more.
  if (!isMedium) {
    return { directory: false, isMedium, size: 0, identity: "", fileSystem: "" };
  }
  const standard = fileStandardInformation(
    await calls.call(
      "queryInformation",
      handle,
      FILE_STANDARD_INFORMATION.bytes,
      FileStandardInformation,
    ),
  );
  const { name } = fileSystemAttributes(
    await calls.call("queryVolume", handle, FILE_SYSTEM_ROOM, FileFsAttributeInformation),
  );
  const { directory, size } = standard;
  const identity = await identityOf(calls, handle);
  return { directory, isMedium, size, identity, fileSystem: name };
}

/** FILE_DEVICE_* of files on other machines. */
const NETWORK_TYPES: readonly number[] = [
  windows.FILE_DEVICE_NETWORK_FILE_SYSTEM,
  windows.FILE_DEVICE_FILE_SYSTEM,
];

/** The same for every name of the same file. */
async function identityOf(calls: WindowsCalls, handle: bigint): Promise<string> {
  const { FileIdInformation, FileInternalInformation } = windows.FILE_INFORMATION_CLASS;
  try {
    const { volume, file } = fileIdInformation(
      await calls.call(
        "queryInformation",
        handle,
        FILE_ID_INFORMATION.bytes,
        FileIdInformation,
      ),
    );
    return `${volume.toString(16)}/${file}`;
  } catch (error) {
    if (!(error instanceof OsError)) throw error;
  }
  // FAT, and systems before Windows 8.
  const volume = fileSystemVolume(
    await calls.call(
      "queryVolume",
      handle,
      FILE_SYSTEM_ROOM,
      windows.FS_INFORMATION_CLASS.FileFsVolumeInformation,
    ),
  );
  const index = fileIndexNumber(
    await calls.call(
      "queryInformation",
      handle,
      FILE_INTERNAL_INFORMATION.bytes,
      FileInternalInformation,
    ),
  );
  return `${volume.serial.toString(16)}/${index.toString(16)}`;
}

/** File systems whose files have no holes. */
const WITHOUT_HOLES: readonly string[] = [...FAT_FILE_SYSTEMS, "EXFAT"];

function fileLimitOf(fileSystem: string): FileLimit | undefined {
  return FAT_FILE_SYSTEMS.includes(fileSystem.toUpperCase())
    ? { fileSystem, bytes: FAT_FILE_BYTES }
    : undefined;
}
