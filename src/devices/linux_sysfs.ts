/**
 * Block devices as the kernel shows them in /sys/block.
 *
 * Sources: the kernel's Documentation/ABI/stable/sysfs-block, testing/sysfs-block,
 * testing/sysfs-block-loop and testing/sysfs-block-dm,
 * Documentation/driver-api/mmc/mmc-dev-attrs.rst, drivers/scsi/scsi_sysfs.c,
 * drivers/ata/libata-scsi.c and drivers/nvme/host/sysfs.c.
 */
import { OsError } from "../../ffi/os_error.ts";
import { listDirectory, readSystemFile, realPath } from "../../ffi/system_files.ts";
import { ImagingError } from "../core/errors.ts";
import type { Bus } from "./device.ts";

/** `size` and `start` count these, whatever the disk's own sector size is. */
const SYSFS_SECTOR_BYTES = 512;

/** A disk or a partition, raw. */
export interface BlockNode {
  /** The kernel's name: "sdb1". May hold "!" where its path has "/". */
  readonly name: string;
  /** "/dev/sdb1" */
  readonly path: string;
  /** "8:17" */
  readonly number: string;
  /** Bytes. */
  readonly size: number;
  /** Names of the devices that are built upon it. */
  readonly holders: readonly string[];
}

/** A partition, raw. */
export interface PartitionBlockNode extends BlockNode {
  readonly index: number;
  /** Bytes from the start of the disk. */
  readonly start: number;
  readonly disk: DiskBlockNode;
}

/** A whole disk, raw. */
export interface DiskBlockNode extends BlockNode {
  /** Its directory, symbolic links resolved. */
  readonly directory: string;
  readonly partitions: readonly PartitionBlockNode[];
  /** Names of the devices that it is built upon. */
  readonly slaves: readonly string[];
  /** The file or device behind a loop device, as the kernel writes it. */
  readonly backingFile: string | undefined;
  /** The name of a device mapper device: "cryptroot". */
  readonly mapperName: string | undefined;
  readonly bus: Bus;
  readonly virtual: boolean;
}

/** What is printed on a disk, so to speak. */
export interface DiskLabels {
  readonly model: string | undefined;
  readonly serial: string | undefined;
  /** Revision of the firmware. */
  readonly firmware: string | undefined;
}

/** These mean that the thing was there a moment ago: an unplugged disk takes its files along. */
const GONE: ReadonlySet<string> = new Set(["ENOENT", "ENODEV", "ENXIO"]);

/**
 * The result of `action`; undefined when what it looks at is not, or no longer, there.
 *
 * @param attempt what is tried, for the message: "read /sys/block".
 * @param alsoAbsent further error codes that mean "there is nothing" for this file.
 * @throws {ImagingError} for any other answer of the system.
 */
export function unlessGone<T>(
  attempt: string,
  action: () => T,
  alsoAbsent: readonly string[] = [],
): T | undefined {
  try {
    return action();
  } catch (cause) {
    if (!(cause instanceof OsError)) throw cause;
    if (GONE.has(cause.code) || alsoAbsent.includes(cause.code)) return undefined;
    throw new ImagingError("environment", `cannot ${attempt}: ${cause.message}`, {
      cause,
      osCode: cause.code,
      hint: cause.code === "EACCES" || cause.code === "EPERM" ? "run it with sudo" : undefined,
    });
  }
}

/**
 * The result of looking at a path that somebody else chose (the file behind a loop device,
 * the source of a mount); undefined when the system does not answer, for whatever reason:
 * a network or FUSE file system that died must not hide the disks of the machine.
 */
export function whereReachable<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (cause) {
    if (!(cause instanceof OsError)) throw cause;
    return undefined;
  }
}

/** The file's text; undefined when there is no such file. */
export function readText(path: string, alsoAbsent?: readonly string[]): string | undefined {
  const bytes = unlessGone(`read ${path}`, () => readSystemFile(path), alsoAbsent);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

/** The names in a directory; empty when there is no such directory. */
export function readNames(path: string): string[] {
  return unlessGone(`list ${path}`, () => listDirectory(path)) ?? [];
}

/**
 * A file that holds one number; undefined when there is no such file.
 *
 * @throws {ImagingError} when it holds something else.
 */
export function readNumber(path: string): number | undefined {
  const text = readText(path)?.trim();
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new ImagingError("environment", `cannot read ${path}: "${text}" is no count`);
  }
  return value;
}

/**
 * Every disk that has a device node, in no particular order. One that vanishes
 * meanwhile is left out.
 *
 * @param root the directory that stands for "/".
 * @throws {ImagingError} when there is no /sys/block.
 */
export function readBlockNodes(root: string): DiskBlockNode[] {
  const block = `${root}/sys/block`;
  const names = unlessGone(`list ${block}`, () => listDirectory(block));
  if (names === undefined) {
    throw new ImagingError("environment", `cannot list the disks: there is no ${block}`, {
      hint: "mount sysfs at /sys",
    });
  }
  const sys = unlessGone(`resolve ${root}/sys`, () => realPath(`${root}/sys`)) ?? "";
  return names.flatMap((name) => readDiskNode(block, sys, name) ?? []);
}

function readDiskNode(block: string, sys: string, name: string): DiskBlockNode | undefined {
  const link = `${block}/${name}`;
  const directory = unlessGone(`resolve ${link}`, () => realPath(link));
  if (directory === undefined) return undefined;
  const node = readNode(directory, name);
  // A path of a multipath NVMe disk is hidden: it has no number and no device node.
  if (node === undefined || readNumber(`${directory}/hidden`) === 1) return undefined;
  const partitions: PartitionBlockNode[] = [];
  const topology = directory.startsWith(`${sys}/`) ? directory.slice(sys.length) : "";
  const disk: DiskBlockNode = {
    ...node,
    directory,
    partitions,
    slaves: readNames(`${directory}/slaves`),
    backingFile: readText(`${directory}/loop/backing_file`)?.replace(/\n$/, ""),
    mapperName: readText(`${directory}/dm/name`)?.trim(),
    bus: busOf(topology, name),
    virtual: isVirtual(topology, name),
  };
  for (const entry of readNames(directory)) {
    if (!entry.startsWith(name)) continue;
    const partition = readPartitionNode(disk, entry);
    if (partition !== undefined) partitions.push(partition);
  }
  partitions.sort((a, b) => a.index - b.index);
  return disk;
}

function readPartitionNode(disk: DiskBlockNode, name: string): PartitionBlockNode | undefined {
  const directory = `${disk.directory}/${name}`;
  // Nothing but a partition has this file.
  const index = readNumber(`${directory}/partition`);
  const start = readNumber(`${directory}/start`);
  const node = readNode(directory, name);
  if (index === undefined || start === undefined || node === undefined) return undefined;
  return { ...node, index, start: start * SYSFS_SECTOR_BYTES, disk };
}

function readNode(directory: string, name: string): BlockNode | undefined {
  const number = readText(`${directory}/dev`)?.trim();
  const sectors = readNumber(`${directory}/size`);
  if (number === undefined || sectors === undefined) return undefined;
  return {
    name,
    path: `/dev/${name.replaceAll("!", "/")}`,
    number,
    size: sectors * SYSFS_SECTOR_BYTES,
    holders: readNames(`${directory}/holders`),
  };
}

/**
 * The first that matches: an SD host on USB is `sd`, a SATA disk in a USB case `usb`.
 */
const BUS_IN_TOPOLOGY: readonly (readonly [RegExp, Bus])[] = [
  [/\/mmc_host\//, "sd"],
  [/\/usb\d+\//, "usb"],
  [/\/nvme(?:-|\d|\/)/, "nvme"],
  [/\/ata\d+\//, "sata"],
  [/\/virtio\d+\//, "virtio"],
  [/\/host\d+\//, "scsi"],
];

/** For where the directory tells nothing: the names that drivers give. */
const BUS_IN_NAME: readonly (readonly [RegExp, Bus])[] = [
  [/^mmcblk\d/, "sd"],
  [/^nvme\d/, "nvme"],
  [/^vd[a-z]/, "virtio"],
  [/^(?:sd[a-z]|sr\d)/, "scsi"],
];

function busOf(topology: string, name: string): Bus {
  if (/^loop\d/.test(name)) return "loop";
  if (isVirtual(topology, name)) return "virtual";
  const find = (table: typeof BUS_IN_NAME, text: string): Bus | undefined =>
    table.find(([pattern]) => pattern.test(text))?.[1];
  return find(BUS_IN_TOPOLOGY, topology) ?? find(BUS_IN_NAME, name) ?? "unknown";
}

function isVirtual(topology: string, name: string): boolean {
  return topology.startsWith("/devices/virtual/block/") ||
    /^(?:loop|ram|zram|dm-|md|nbd)[\d_]/.test(name);
}

/** Model, serial and firmware, from sysfs, and from udev what sysfs lacks or cuts. */
export function readDiskLabels(root: string, disk: DiskBlockNode): DiskLabels {
  if (disk.virtual) return { model: undefined, serial: undefined, firmware: undefined };
  const { directory } = disk;
  const text = (file: string): string | undefined =>
    cleanText(readText(`${directory}/${file}`));
  const udev = readUdevData(root, disk.number);

  let product = text("device/model") ?? text("device/name");
  // sysfs has the sixteen characters of SCSI's inquiry; udev asked the disk itself.
  const whole = cleanText(unescapeHex(udev.get("ID_MODEL_ENC")));
  if (whole?.startsWith(product ?? "")) product = whole;
  // The vendor of every SATA disk is "ATA", and of other buses it is a number.
  const vendor = disk.bus === "usb" || disk.bus === "scsi" ? text("device/vendor") : undefined;
  const model = [vendor === "ATA" ? undefined : vendor, product]
    .filter((part) => part !== undefined).join(" ");
  const serial = (disk.bus === "usb" ? usbSerial(directory) : undefined) ??
    text("serial") ?? text("device/serial") ?? unitSerial(directory) ??
    cleanText(udev.get("ID_SERIAL_SHORT"));
  const firmware = readFirmware(disk, cleanText(udev.get("ID_REVISION")));
  return { model: model === "" ? undefined : model, serial, firmware };
}

/** Where the drivers of a bus show the firmware; `rev` of an eMMC chip is something else. */
const FIRMWARE_FILES: Readonly<Partial<Record<Bus, string>>> = {
  nvme: "firmware_rev",
  sd: "fwrev",
};

/** What libata answers for an ATA disk that names none. */
const NO_REVISION = "n/a";

/** Of an ATA disk `rev` has one half of the revision, four characters of eight. */
function readFirmware(
  { directory, bus }: DiskBlockNode,
  udevRevision: string | undefined,
): string | undefined {
  const file = FIRMWARE_FILES[bus] ?? "rev";
  const shown = cleanText(readText(`${directory}/device/${file}`));
  if (shown === undefined || shown === NO_REVISION) return undefined;
  if (file !== "rev") return shown;
  const whole = [ataRevision(directory), udevRevision].find((each) => each?.includes(shown));
  return whole ?? shown;
}

/** IDENTIFY DEVICE data in {@linkcode ataRevision}'s page. */
const IDENTIFY_AT = 60;

/**
 * SCSI / ATA Translation, ATA Information VPD page (89h): IDENTIFY DEVICE data from byte 60.
 * Words 23 to 26 are the revision, the second character of each before the first (ATA8-ACS,
 * "ATA string convention").
 */
function ataRevision(directory: string): string | undefined {
  const page = readVitalPage(directory, 0x89);
  if (page === undefined || page.length < IDENTIFY_AT + 512) return undefined;
  const words = page.subarray(IDENTIFY_AT + 23 * 2, IDENTIFY_AT + 27 * 2);
  const characters = words.map((_, index) => words[index ^ 1] ?? 0);
  return cleanText(new TextDecoder().decode(characters));
}

/** The first directory upwards that is a USB device has the serial of its descriptor. */
function usbSerial(directory: string): string | undefined {
  for (let at = directory; at.includes("/usb"); at = at.slice(0, at.lastIndexOf("/"))) {
    if (readText(`${at}/idVendor`) !== undefined) return cleanText(readText(`${at}/serial`));
  }
  return undefined;
}

/**
 * SCSI Primary Commands, Unit Serial Number VPD page (80h): device type, page code,
 * two bytes of length, then ASCII.
 */
function unitSerial(directory: string): string | undefined {
  const page = readVitalPage(directory, 0x80);
  return page === undefined ? undefined : cleanText(new TextDecoder().decode(page.subarray(4)));
}

/** A page of vital product data, as long as it says; undefined where the disk has none. */
function readVitalPage(directory: string, code: number): Uint8Array | undefined {
  const path = `${directory}/device/vpd_pg${code.toString(16)}`;
  // The kernel answers EINVAL where the disk has no such page.
  const page = unlessGone(`read ${path}`, () => readSystemFile(path), ["EINVAL"]);
  if (page === undefined || page[1] !== code) return undefined;
  const length = ((page[2] ?? 0) << 8) | (page[3] ?? 0);
  return page.subarray(0, 4 + length);
}

/**
 * The properties ("E:" lines) that udev keeps of a block device. Empty where there is
 * no udev, or its files are not for everyone: they only add what sysfs lacks.
 */
export function readUdevData(root: string, number: string): ReadonlyMap<string, string> {
  const text = readText(`${root}/run/udev/data/b${number}`, ["ENOTDIR", "EACCES"]) ?? "";
  return new Map(
    text.split("\n").flatMap((line) => {
      const [, key, value] = /^E:([^=]+)=(.*)$/.exec(line) ?? [];
      return key === undefined || value === undefined ? [] : [[key, value] as const];
    }),
  );
}

/** udev writes "\x20" for a blank. */
function unescapeHex(text: string | undefined): string | undefined {
  return text?.replace(
    /\\x([0-9a-f]{2})/gi,
    (_, hex: string) => String.fromCharCode(parseInt(hex, 16)),
  );
}

/** Without blanks at the ends; undefined when nothing remains. */
export function cleanText(text: string | undefined): string | undefined {
  // A stick's maker chooses these bytes: none of them may steer a terminal.
  // deno-lint-ignore no-control-regex
  const clean = text?.replace(/[\u0000-\u001f\u007f-\u009f]/g, " ").trim();
  return clean === "" ? undefined : clean;
}
