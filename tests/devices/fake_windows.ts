/**
 * A Windows machine that is made up: its disks, volumes and files are data, and it answers
 * the calls of `windows_calls.ts` with real structures in real memory.
 *
 * It is as strict as Windows and stricter: a control code that it does not know, a right that
 * a handle lacks, a transfer that is not aligned, a write into a volume that nobody has
 * locked, and a handle that was closed are errors.
 */
import { assertEquals } from "@std/assert";
import * as layouts from "../../ffi/layouts.ts";
import { nativeBytes } from "../../ffi/memory.ts";
import { OsError } from "../../ffi/os_error.ts";
import * as storage from "../../ffi/storage_property.ts";
import type { OpenOptions, VolumeName, WINDOWS_CALLS } from "../../ffi/windows_calls.ts";
import { windowsErrorName, windowsErrorText } from "../../ffi/windows_error_names.ts";
import * as windows from "../../ffi/windows_numbers.ts";
import type { WindowsCalls } from "../../ffi/windows_thread.ts";
import { HangingCalls } from "../support/hanging_calls.ts";
import { fillPattern } from "../support/pattern.ts";

/** Error numbers that the machine answers with. */
export const ERROR = {
  INVALID_FUNCTION: 1,
  FILE_NOT_FOUND: 2,
  PATH_NOT_FOUND: 3,
  ACCESS_DENIED: 5,
  INVALID_HANDLE: 6,
  WRITE_PROTECT: 19,
  NOT_READY: 21,
  CRC: 23,
  SECTOR_NOT_FOUND: 27,
  GEN_FAILURE: 31,
  SHARING_VIOLATION: 32,
  HANDLE_EOF: 38,
  NOT_SUPPORTED: 50,
  INVALID_PARAMETER: 87,
  INSUFFICIENT_BUFFER: 122,
  MORE_DATA: 234,
  NO_MEDIA_IN_DRIVE: 1112,
  IO_DEVICE: 1117,
  DEVICE_NOT_CONNECTED: 1167,
} as const;

/** Something that holds sectors. */
export interface MediumPlan {
  /** Bytes; 0 where there is no medium. */
  readonly size: number;
  readonly sectorSize?: number;
  /** Sectors that cannot be read, and the error that says so. */
  readonly bad?: Readonly<Record<number, number>>;
  /** Control codes that end with an error. */
  readonly refuses?: Readonly<Record<number, number>>;
  /** What a read behind the end answers; 0 for no bytes and no error. */
  readonly behindEnd?: number;
  /** What every read and write answers. */
  readonly broken?: number;
  /** Whatever it is asked, it is not there any more. */
  readonly unplugged?: boolean;
}

/** A disk. */
export interface DiskPlan extends MediumPlan {
  readonly number: number;
  /** Absent: the disk does not tell. */
  readonly physicalSectorSize?: number;
  readonly vendor?: string;
  readonly product?: string;
  readonly revision?: string;
  /** Of an NVMe disk: what is printed on it. */
  readonly adapterSerial?: string;
  readonly serial?: string;
  /** STORAGE_BUS_TYPE */
  readonly busType?: number;
  readonly removable?: boolean;
  readonly writeProtected?: boolean;
  /** How often the medium was changed; absent where nobody counts. */
  readonly mediaChanges?: number;
  /** What the geometry says where it lies. */
  readonly geometrySize?: number;
}

/** A volume. */
export interface VolumePlan {
  /** In the braces of its name. */
  readonly guid: string;
  /** "E:\", "C:\mnt\" */
  readonly paths?: readonly string[];
  /** Disk, first byte, bytes. */
  readonly extents?: readonly (readonly [disk: number, start: number, size: number])[];
  /** What STORAGE_DEVICE_NUMBER says; absent: it is not answered. */
  readonly device?: readonly [type: number, number: number, partition: number];
  /** How often it refuses to be locked: somebody has files open. */
  readonly busy?: number;
  /** A volume without a disk: what it holds itself. */
  readonly medium?: MediumPlan;
}

/** A file or folder. */
export interface FilePlan {
  readonly size?: number;
  readonly directory?: boolean;
  /** Number within its volume. */
  readonly id?: number;
  /** "NTFS" */
  readonly fileSystem?: string;
  /** FILE_DEVICE_* of what it is a file of. */
  readonly deviceType?: number;
  /** FAT has no FILE_ID_INFORMATION. */
  readonly withoutFileId?: boolean;
  /** What opening it ends with. */
  readonly refused?: number;
}

/** A machine. */
export interface MachinePlan {
  readonly disks: readonly DiskPlan[];
  readonly volumes: readonly VolumePlan[];
  readonly windowsDirectory?: string;
  /** GUID of the volume that the machine starts from, where the system tells it. */
  readonly systemPartition?: string;
  readonly files?: Readonly<Record<string, FilePlan>>;
  /** Letters of drives on other machines. */
  readonly network?: readonly string[];
  /** Has the program the rights of an administrator? Default: yes. */
  readonly elevated?: boolean;
}

/** "\\?\Volume{GUID}" */
export function volumeName(guid: string): string {
  return `\\\\?\\Volume{${guid}}`;
}

/** A volume on a partition of a disk. */
export function volumeOn(
  guid: string,
  disk: number,
  partition: number,
  range: readonly [start: number, size: number],
  ...paths: string[]
): VolumePlan {
  return {
    guid,
    paths,
    extents: [[disk, ...range]],
    device: [windows.FILE_DEVICE_DISK, disk, partition],
  };
}

/** Names of control codes, without their first word. */
const CODE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(windows).flatMap(([name, value]) =>
    typeof value === "number" && /^(IOCTL|FSCTL)_/.test(name)
      ? [[value, name.replace(/^(IOCTL|FSCTL)_/, "")] as const]
      : []
  ),
);

type Bytes = Uint8Array<ArrayBuffer>;

/** An OsError as the thread makes it, in the same words on every system. */
export function failure(call: string, number: number): OsError {
  return new OsError(call, number, windowsErrorName(number), windowsErrorText(number));
}

/** A thing that can be opened. */
type Target =
  | { readonly kind: "disk"; readonly disk: FakeMedium<DiskPlan> }
  | { readonly kind: "volume"; readonly volume: FakeVolume }
  | { readonly kind: "file"; readonly path: string; readonly file: FilePlan };

interface Handle {
  readonly number: bigint;
  /** As it was opened, for the record. */
  readonly path: string;
  readonly target: Target;
  readonly opening: OpenOptions;
}

/** The pattern, and what was written over it. */
class FakeMedium<Plan extends MediumPlan> {
  plan: Plan;
  readonly sectorSize: number;
  readonly #seed: number;
  readonly #written = new Map<number, Bytes>();

  constructor(plan: Plan, seed: number) {
    this.plan = plan;
    this.sectorSize = plan.sectorSize ?? 512;
    this.#seed = seed;
  }

  /** What the medium holds, as if every sector could be read. */
  content(offset: number, length: number): Bytes {
    const bytes = new Uint8Array(length);
    fillPattern(bytes, { offset, seed: this.#seed });
    for (const [at, written] of this.#written) {
      const skip = at - offset;
      if (skip >= 0 && skip < length) bytes.set(written, skip);
    }
    return bytes;
  }

  write(offset: number, bytes: Bytes): void {
    for (let at = 0; at < bytes.length; at += this.sectorSize) {
      this.#written.set(offset + at, bytes.slice(at, at + this.sectorSize));
    }
  }

  /** The error of the first bad sector in a range. */
  badIn(offset: number, length: number): number | undefined {
    const first = offset / this.sectorSize;
    const found = Object.entries(this.plan.bad ?? {}).find(([sector]) =>
      Number(sector) >= first && Number(sector) < first + length / this.sectorSize
    );
    return found?.[1];
  }
}

class FakeVolume {
  readonly name: string;
  readonly plan: VolumePlan;
  /** Its own, where it has no disk. */
  readonly medium: FakeMedium<MediumPlan> | undefined;
  refusals: number;
  lockedBy: Handle | undefined;
  mounted = true;

  constructor(plan: VolumePlan) {
    this.name = volumeName(plan.guid);
    this.plan = plan;
    this.medium = plan.medium === undefined ? undefined : new FakeMedium(plan.medium, 99);
    this.refusals = plan.busy ?? 0;
  }
}

type Calls = typeof WINDOWS_CALLS;
/** The calls, each as Windows would answer it. */
type Answers = { readonly [Name in keyof Calls]: Calls[Name] };

/** The machine; see {@linkcode MachinePlan}. */
export class FakeWindows implements WindowsCalls {
  readonly plan: MachinePlan;
  /** Every call so far: "open write \\.\PhysicalDrive1", "LOCK_VOLUME \\.\E:". */
  readonly record: string[] = [];
  /** Makes a call fail with the error number that it answers. */
  fail: (entry: string, index: number) => number | undefined = () => undefined;
  /** Calls whose entry begins so hang. */
  hangs: string | undefined;
  readonly hanging = new HangingCalls();
  /** How often the thread was ended. */
  disposals = 0;
  readonly #disks: readonly FakeMedium<DiskPlan>[];
  readonly #volumes: readonly FakeVolume[];
  readonly #handles = new Map<bigint, Handle>();
  readonly #answers: Answers;
  #nextHandle = 0x40n;

  constructor(plan: MachinePlan) {
    this.plan = plan;
    this.#disks = plan.disks.map((disk) => new FakeMedium(disk, disk.number + 1));
    this.#volumes = plan.volumes.map((volume) => new FakeVolume(volume));
    this.#answers = {
      open: (path, opening) => this.#open(path, opening),
      close: (handle) => this.#close(handle),
      read: (...request) => this.#read(...request),
      write: (...request) => this.#write(...request),
      control: (...request) => this.#control(...request),
      flush: (handle) => this.#flush(handle),
      setInformation: () => refuse("NtSetInformationFile", ERROR.INVALID_FUNCTION),
      rename: () => refuse("NtSetInformationFile", ERROR.INVALID_FUNCTION),
      queryInformation: (...request) => this.#queryInformation(...request),
      queryVolume: (...request) => this.#queryVolume(...request),
      fullPath: (path) => path,
      volumes: () => this.#listVolumes(),
      volumeOf: (path) => this.#volumeAt(path)?.name,
      windowsDirectory: () => plan.windowsDirectory ?? "C:\\Windows",
      systemPartition: () => plan.systemPartition && `\\Device\\${plan.systemPartition}`,
      driveType: (root) => this.#driveType(root),
    };
  }

  async call<Name extends keyof Calls>(
    name: Name,
    ...args: Parameters<Calls[Name]>
  ): Promise<ReturnType<Calls[Name]>> {
    if (this.disposals > 0) throw new Error(`${name} on a thread that has ended`);
    const entry = this.#describe(name, args);
    const error = this.fail(entry, this.record.push(entry) - 1);
    const isHung = this.hangs !== undefined && entry.startsWith(this.hangs);
    const answer = this.#answers[name] as (...args: unknown[]) => ReturnType<Calls[Name]>;
    if (isHung || this.hanging.isBusy) {
      return await this.hanging.hang(name, () => answer(...args));
    }
    // As on a thread: the answer comes later, the effect in the order of asking.
    const settled = attempt(() => error === undefined ? answer(...args) : refuse(name, error));
    await Promise.resolve();
    return settled();
  }

  abandon(): Promise<void> {
    return this.hanging.abandon();
  }

  [Symbol.dispose](): void {
    this.disposals++;
  }

  /** What is open. */
  openPaths(): string[] {
    return [...this.#handles.values()].map(({ path }) => path);
  }

  /** @throws {AssertionError} when a handle was left open. */
  assertNothingOpen(): void {
    assertEquals(this.openPaths(), [], "handles that were left open");
  }

  /** The entries of the record since then that begin with one of these words. */
  since(start: number, ...words: string[]): string[] {
    return this.record.slice(start)
      .filter((entry) => words.some((word) => entry.startsWith(`${word} `)));
  }

  /** What a disk holds. */
  content(disk: number, offset: number, length: number): Bytes {
    return this.#disk(disk).content(offset, length);
  }

  /** Changes what a disk is from now on. */
  change(disk: number, more: Partial<DiskPlan>): void {
    const medium = this.#disk(disk);
    medium.plan = { ...medium.plan, ...more };
  }

  #disk(number: number): FakeMedium<DiskPlan> {
    const found = this.#disks.find(({ plan }) => plan.number === number);
    if (found === undefined) throw new Error(`There is no disk ${number}`);
    return found;
  }

  #describe(name: keyof Calls, args: readonly unknown[]): string {
    const [first] = args;
    if (name === "open") {
      return `open ${openingName(args[1] as OpenOptions)} ${first}`;
    }
    if (typeof first !== "bigint") return [name, ...args].join(" ");
    const path = this.#handles.get(first)?.path ?? `handle ${first}`;
    if (name !== "control") {
      return name === "read" || name === "write"
        ? `${name} ${path} ${args[3]}+${args[2]}`
        : `${name} ${path}`;
    }
    return `${CODE_NAMES.get(args[1] as number) ?? args[1]} ${path}`;
  }

  // --- Opening ---

  #open(path: string, opening: OpenOptions): bigint {
    const target = this.#targetOf(path);
    const isQuery = openingName(opening) === "query";
    if (!isQuery) this.#checkOpening(target);
    if (target.kind !== "file" && opening.disposition !== windows.FILE_OPEN) {
      refuse("NtCreateFile", ERROR.INVALID_PARAMETER);
    }
    if ((opening.access & windows.SYNCHRONIZE) === 0) {
      refuse("NtCreateFile", ERROR.INVALID_PARAMETER);
    }
    this.#checkSharing(target, opening, isQuery);
    const number = this.#nextHandle;
    this.#nextHandle += 4n;
    this.#handles.set(number, { number, path, target, opening });
    return number;
  }

  #targetOf(path: string): Target {
    const device = /^\\\\[.?]\\(.*)$/.exec(path)?.[1];
    const number = /^physicaldrive(\d+)$/i.exec(device ?? "")?.[1];
    if (number !== undefined) {
      const disk = this.#disks.find(({ plan }) => plan.number === Number(number));
      return disk === undefined
        ? refuse("NtCreateFile", ERROR.FILE_NOT_FOUND)
        : { kind: "disk", disk };
    }
    const volume = this.#volumes.find(({ name, plan }) =>
      same(name, path) || same(`\\\\?\\GLOBALROOT\\Device\\${plan.guid}`, path) ||
      (plan.paths ?? []).some((place) => /^.:\\$/.test(place) && same(`${device}\\`, place))
    );
    if (volume !== undefined) return { kind: "volume", volume };
    const plain = path.replaceAll("/", "\\").replace(/^\\\\\?\\/, "");
    const [found] = Object.entries(this.plan.files ?? {})
      .filter(([name]) => same(name, plain));
    if (found === undefined) refuse("NtCreateFile", ERROR.FILE_NOT_FOUND);
    const [, file] = found;
    if (file.refused !== undefined) refuse("NtCreateFile", file.refused);
    return { kind: "file", path: plain, file };
  }

  #checkOpening(target: Target): void {
    if (target.kind === "file") return;
    if (this.plan.elevated === false) refuse("NtCreateFile", ERROR.ACCESS_DENIED);
    const medium = this.#mediumOf(target);
    if (medium.size === 0) refuse("NtCreateFile", ERROR.NOT_READY);
    if (target.kind === "volume" && target.volume.lockedBy !== undefined) {
      refuse("NtCreateFile", ERROR.ACCESS_DENIED);
    }
  }

  #checkSharing(target: Target, opening: OpenOptions, isQuery: boolean): void {
    if (isQuery) return;
    for (const other of this.#handles.values()) {
      if (!sameTarget(other.target, target) || openingName(other.opening) === "query") continue;
      if (!lets(other.opening, opening) || !lets(opening, other.opening)) {
        refuse("NtCreateFile", ERROR.SHARING_VIOLATION);
      }
    }
  }

  #close(number: bigint): void {
    const handle = this.#handle(number, "NtClose");
    const { target } = handle;
    if (target.kind === "volume" && target.volume.lockedBy === handle) {
      target.volume.lockedBy = undefined;
      target.volume.mounted = true;
    }
    this.#handles.delete(number);
  }

  #handle(number: bigint, call: string): Handle {
    return this.#handles.get(number) ?? refuse(call, ERROR.INVALID_HANDLE);
  }

  // --- Reading and writing ---

  /** What a target says about its medium. */
  #mediumOf(target: Target): MediumPlan {
    if (target.kind === "disk") return target.disk.plan;
    if (target.kind === "file") return { size: target.file.size ?? 0 };
    const { plan, medium } = target.volume;
    if (medium !== undefined) return medium.plan;
    const [, number] = plan.device ?? [0, plan.extents?.[0]?.[0]];
    const disk = this.#disks.find((each) => each.plan.number === number)?.plan;
    const size = (plan.extents ?? []).reduce((sum, [, , length]) => sum + length, 0);
    // Behind the end of a volume is the end of the file, not a sector that is missing.
    return { ...(disk ?? {}), size: disk?.size === 0 ? 0 : size, bad: {}, behindEnd: 0 };
  }

  #read(number: bigint, address: bigint, length: number, offset: number): number {
    const handle = this.#handle(number, "NtReadFile");
    mustHave(handle, windows.GENERIC_READ, "NtReadFile");
    const { target } = handle;
    const { size, behindEnd = ERROR.SECTOR_NOT_FOUND, broken } = this.#mediumOf(target);
    this.#checkTransfer(handle, address, length, offset, "NtReadFile");
    if (broken !== undefined) refuse("NtReadFile", broken);
    const end = offset + length;
    const isCut = target.kind === "file" || behindEnd === 0;
    if (end > size && !isCut) refuse("NtReadFile", behindEnd);
    const count = Math.max(0, Math.min(end, size) - offset);
    if (count === 0) return 0;
    nativeBytes(address, count).set(this.#bytesAt(target, offset, count));
    return count;
  }

  #bytesAt(target: Target, offset: number, length: number): Bytes {
    if (target.kind === "file") {
      const bytes = new Uint8Array(length);
      fillPattern(bytes, { offset, seed: target.file.id ?? 0 });
      return bytes;
    }
    const [medium, start] = this.#place(target, offset);
    const bad = medium.badIn(start, length);
    if (bad !== undefined) refuse("NtReadFile", bad);
    return medium.content(start, length);
  }

  /** The medium that holds a byte of a target, and where. Only volumes of one extent move. */
  #place(
    target: Exclude<Target, { kind: "file" }>,
    offset: number,
  ): [FakeMedium<MediumPlan>, number] {
    if (target.kind === "disk") return [target.disk, offset];
    const { medium, plan } = target.volume;
    if (medium !== undefined) return [medium, offset];
    const [extent] = plan.extents ?? [];
    if (extent === undefined) throw new Error(`${target.volume.name} holds nothing`);
    return [this.#disk(extent[0]), extent[1] + offset];
  }

  #write(number: bigint, address: bigint, length: number, offset: number): number {
    const handle = this.#handle(number, "NtWriteFile");
    mustHave(handle, windows.GENERIC_WRITE, "NtWriteFile");
    this.#checkTransfer(handle, address, length, offset, "NtWriteFile");
    const { target } = handle;
    if (target.kind === "file") return refuse("NtWriteFile", ERROR.INVALID_FUNCTION);
    const { size, broken } = this.#mediumOf(target);
    if (broken !== undefined) refuse("NtWriteFile", broken);
    if (offset + length > size) refuse("NtWriteFile", ERROR.SECTOR_NOT_FOUND);
    const [medium, start] = this.#place(target, offset);
    if (this.#isWriteProtected(target)) refuse("NtWriteFile", ERROR.WRITE_PROTECT);
    if (!this.#mayWrite(handle, start, length)) refuse("NtWriteFile", ERROR.ACCESS_DENIED);
    medium.write(start, nativeBytes(address, length).slice());
    return length;
  }

  #isWriteProtected(target: Target): boolean {
    if (target.kind === "disk") return target.disk.plan.writeProtected ?? false;
    if (target.kind === "file") return false;
    const number = target.volume.plan.extents?.[0]?.[0];
    return this.#disks.find(({ plan }) => plan.number === number)?.plan.writeProtected ?? false;
  }

  /** Nobody writes where a volume is that is not locked, and the locked one's owner writes. */
  #mayWrite(handle: Handle, start: number, length: number): boolean {
    const { target } = handle;
    if (target.kind === "volume") return target.volume.lockedBy === handle;
    if (target.kind !== "disk") return false;
    return this.#volumes.every(({ plan, lockedBy }) =>
      lockedBy !== undefined ||
      (plan.extents ?? []).every(([disk, from, size]) =>
        disk !== target.disk.plan.number || from >= start + length || from + size <= start
      )
    );
  }

  #checkTransfer(
    { target, opening }: Handle,
    address: bigint,
    length: number,
    offset: number,
    call: string,
  ): void {
    if (target.kind === "disk" && target.disk.plan.unplugged) {
      refuse(call, ERROR.DEVICE_NOT_CONNECTED);
    }
    const direct = (opening.options & windows.FILE_NO_INTERMEDIATE_BUFFERING) !== 0;
    if (target.kind === "file" && !direct) return;
    const sector = this.#mediumOf(target).sectorSize ?? 512;
    const isAligned = offset >= 0 && offset % sector === 0 && length % sector === 0 &&
      address % BigInt(sector) === 0n;
    if (!isAligned) refuse(call, ERROR.INVALID_PARAMETER);
  }

  #flush(number: bigint): void {
    const handle = this.#handle(number, "NtFlushBuffersFile");
    mustHave(handle, windows.GENERIC_WRITE, "NtFlushBuffersFile");
    const { unplugged } = this.#mediumOf(handle.target);
    if (unplugged) refuse("NtFlushBuffersFile", ERROR.DEVICE_NOT_CONNECTED);
  }

  // --- Control codes ---

  #control(number: bigint, code: number, input: Bytes | null, room: number): Bytes {
    const call = code >>> 16 === windows.FILE_DEVICE_FILE_SYSTEM
      ? "NtFsControlFile"
      : "NtDeviceIoControlFile";
    const handle = this.#handle(number, call);
    const needed = (code >>> 14) & 3;
    if ((needed & windows.FILE_READ_ACCESS) !== 0) mustHave(handle, windows.GENERIC_READ, call);
    if ((needed & windows.FILE_WRITE_ACCESS) !== 0) {
      mustHave(handle, windows.GENERIC_WRITE, call);
    }
    const { target } = handle;
    if (target.kind === "file") return refuse(call, ERROR.INVALID_PARAMETER);
    const { refuses = {}, unplugged } = this.#mediumOf(target);
    if (unplugged) refuse(call, ERROR.DEVICE_NOT_CONNECTED);
    const refused = refuses[code];
    if (refused !== undefined) refuse(call, refused);
    const answer = target.kind === "volume"
      ? this.#controlVolume(handle, target.volume, code, room)
      : undefined;
    return answer ?? this.#controlDisk(target, code, input, room);
  }

  /** What volumes answer themselves; undefined: the disk below is asked. */
  #controlVolume(
    handle: Handle,
    volume: FakeVolume,
    code: number,
    room: number,
  ): Bytes | undefined {
    const { plan } = volume;
    const call = "NtFsControlFile";
    switch (code) {
      case windows.FSCTL_LOCK_VOLUME:
        this.#lock(handle, volume);
        return new Uint8Array();
      case windows.FSCTL_DISMOUNT_VOLUME:
        // Without the lock it would come back at the next access.
        if (volume.lockedBy !== handle) refuse(call, ERROR.ACCESS_DENIED);
        volume.mounted = false;
        return new Uint8Array();
      case windows.FSCTL_ALLOW_EXTENDED_DASD_IO:
        // Only a mounted file system has something to allow.
        if (!volume.mounted) refuse(call, ERROR.NOT_READY);
        mustHave(handle, windows.GENERIC_READ, call);
        return new Uint8Array();
      case windows.IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS:
        if (plan.extents === undefined) refuse(call, ERROR.INVALID_FUNCTION);
        return answered(extentsAnswer(plan.extents), room, 32, ERROR.MORE_DATA);
      case windows.IOCTL_STORAGE_GET_DEVICE_NUMBER:
        if (plan.device === undefined) refuse(call, ERROR.INVALID_FUNCTION);
        return answered(deviceNumberAnswer(...plan.device), room);
      case windows.IOCTL_DISK_GET_LENGTH_INFO:
        return answered(lengthAnswer(this.#mediumOf({ kind: "volume", volume }).size), room);
      default:
        return undefined;
    }
  }

  #lock(handle: Handle, volume: FakeVolume): void {
    const others = [...this.#handles.values()].some((other) =>
      other !== handle && openingName(other.opening) !== "query" &&
      sameTarget(other.target, handle.target)
    );
    const isBusy = volume.refusals-- > 0;
    if (isBusy || others || volume.lockedBy !== undefined) {
      refuse("NtFsControlFile", ERROR.ACCESS_DENIED);
    }
    volume.lockedBy = handle;
  }

  #controlDisk(
    target: Exclude<Target, { kind: "file" }>,
    code: number,
    input: Bytes | null,
    room: number,
  ): Bytes {
    const call = "NtDeviceIoControlFile";
    const disk = this.#diskBelow(target);
    if (disk === undefined) return refuse(call, ERROR.INVALID_FUNCTION);
    if (code === windows.IOCTL_STORAGE_QUERY_PROPERTY) return propertyAnswer(disk, input, room);
    if (code === windows.IOCTL_STORAGE_GET_DEVICE_NUMBER) {
      return answered(deviceNumberAnswer(windows.FILE_DEVICE_DISK, disk.number, 0), room);
    }
    if (disk.size === 0) refuse(call, ERROR.NOT_READY);
    switch (code) {
      case windows.IOCTL_DISK_GET_DRIVE_GEOMETRY_EX:
        return answered(geometryExAnswer(disk), room);
      case windows.IOCTL_DISK_GET_DRIVE_GEOMETRY:
        return answered(geometryAnswer(disk), room);
      case windows.IOCTL_DISK_GET_LENGTH_INFO:
        return answered(lengthAnswer(disk.size), room);
      case windows.IOCTL_DISK_IS_WRITABLE:
        return disk.writeProtected ? refuse(call, ERROR.WRITE_PROTECT) : new Uint8Array();
      case windows.IOCTL_STORAGE_CHECK_VERIFY2:
        return counterAnswer(disk, room);
      case windows.IOCTL_DISK_UPDATE_PROPERTIES:
        return new Uint8Array();
      default:
        return refuse(call, ERROR.INVALID_FUNCTION);
    }
  }

  #diskBelow(target: Exclude<Target, { kind: "file" }>): DiskPlan | undefined {
    if (target.kind === "disk") return target.disk.plan;
    const { extents, device } = target.volume.plan;
    const number = extents?.[0]?.[0] ??
      (device?.[0] === windows.FILE_DEVICE_DISK ? device[1] : undefined);
    return this.#disks.find(({ plan }) => plan.number === number)?.plan;
  }

  // --- Files and names ---

  #queryInformation(number: bigint, room: number, kind: number): Bytes {
    const call = "NtQueryInformationFile";
    const { target } = this.#handle(number, call);
    if (target.kind !== "file") return refuse(call, ERROR.INVALID_PARAMETER);
    const { FileStandardInformation, FileIdInformation, FileInternalInformation } =
      windows.FILE_INFORMATION_CLASS;
    const { file } = target;
    const id = file.id ?? 1;
    switch (kind) {
      case FileStandardInformation:
        return answered(standardAnswer(file), room);
      case FileIdInformation:
        return file.withoutFileId
          ? refuse(call, ERROR.INVALID_PARAMETER)
          : answered(fileIdAnswer(this.#serialAt(target.path), id), room);
      case FileInternalInformation: {
        const bytes = new Uint8Array(layouts.FILE_INTERNAL_INFORMATION.bytes);
        layouts.viewOf(bytes).setBigUint64(0, BigInt(id), true);
        return answered(bytes, room);
      }
      default:
        return refuse(call, ERROR.INVALID_FUNCTION);
    }
  }

  #queryVolume(number: bigint, room: number, kind: number): Bytes {
    const call = "NtQueryVolumeInformationFile";
    const { target, opening } = this.#handle(number, call);
    const { FileFsDeviceInformation, FileFsAttributeInformation, FileFsVolumeInformation } =
      windows.FS_INFORMATION_CLASS;
    // A disk or volume that was opened with no rights has no file system above it.
    if (target.kind !== "file") {
      return refuse(
        call,
        openingName(opening) === "query" ? ERROR.INVALID_FUNCTION : ERROR.INVALID_PARAMETER,
      );
    }
    const type = target.file.deviceType ?? windows.FILE_DEVICE_DISK;
    switch (kind) {
      case FileFsDeviceInformation: {
        const bytes = new Uint8Array(layouts.FILE_FS_DEVICE_INFORMATION.bytes);
        layouts.viewOf(bytes).setUint32(0, type, true);
        return answered(bytes, room);
      }
      case FileFsAttributeInformation:
        return answered(fileSystemAnswer(target.file.fileSystem ?? "NTFS"), room, 12);
      case FileFsVolumeInformation: {
        const { VolumeSerialNumber, VolumeLabel } = layouts.FILE_FS_VOLUME_INFORMATION;
        const bytes = new Uint8Array(VolumeLabel);
        layouts.viewOf(bytes)
          .setUint32(VolumeSerialNumber, this.#serialAt(target.path), true);
        return answered(bytes, room);
      }
      default:
        return refuse(call, ERROR.INVALID_FUNCTION);
    }
  }

  /** A number of its own for each volume. */
  #serialAt(path: string): number {
    const volume = this.#volumeAt(path);
    return volume === undefined ? 0xffff : 0x1000 + this.#volumes.indexOf(volume);
  }

  #volumeAt(path: string): FakeVolume | undefined {
    const plain = path.replaceAll("/", "\\").replace(/^\\\\\?\\/, "");
    const absolute = /^([A-Za-z]:|\\\\)/.test(plain) ? plain : `C:\\${plain}`;
    const isUnder = (place: string): boolean =>
      same(`${absolute}\\`.slice(0, place.length), place);
    const longest = (volume: FakeVolume): number =>
      Math.max(0, ...(volume.plan.paths ?? []).filter(isUnder).map(({ length }) => length));
    return this.#volumes.filter((volume) => longest(volume) > 0)
      .toSorted((a, b) => longest(b) - longest(a))[0];
  }

  #listVolumes(): VolumeName[] {
    return this.#volumes.map(({ name, plan }) => ({ name, paths: plan.paths ?? [] }));
  }

  #driveType(root: string): number {
    if (!/^[A-Z]:\\$/.test(root)) throw new Error(`GetDriveTypeW of ${root}`);
    if (this.plan.network?.some((letter) => same(`${letter}\\`, root))) {
      return windows.DRIVE_REMOTE;
    }
    const isThere = this.#volumes.some(({ plan }) =>
      plan.paths?.some((place) => same(place, root))
    );
    return isThere ? windows.DRIVE_FIXED : windows.DRIVE_NO_ROOT_DIR;
  }
}

function refuse(call: string, number: number): never {
  throw failure(call, number);
}

/** Does it now, and answers or throws later. */
function attempt<Result>(run: () => Result): () => Result {
  try {
    const result = run();
    return () => result;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function openingName({ access }: OpenOptions): "query" | "read" | "write" {
  if ((access & windows.GENERIC_WRITE) !== 0) return "write";
  return (access & windows.GENERIC_READ) !== 0 ? "read" : "query";
}

/** Does the first one share what the second one wants? */
function lets({ share }: OpenOptions, wanted: OpenOptions): boolean {
  const write = (wanted.access & windows.GENERIC_WRITE) !== 0;
  const read = (wanted.access & windows.GENERIC_READ) !== 0;
  return (!write || (share & windows.FILE_SHARE_WRITE) !== 0) &&
    (!read || (share & windows.FILE_SHARE_READ) !== 0);
}

function sameTarget(a: Target, b: Target): boolean {
  if (a.kind === "disk") return b.kind === "disk" && a.disk === b.disk;
  if (a.kind === "volume") return b.kind === "volume" && a.volume === b.volume;
  return b.kind === "file" && a.path === b.path;
}

function mustHave({ opening }: Handle, right: number, call: string): void {
  if ((opening.access & right) === 0) refuse(call, ERROR.ACCESS_DENIED);
}

// --- Structures ---

/**
 * What fits into the room: an error where not even `least` bytes do, and `overflow` (which is
 * an error for those who call it) where not everything does.
 */
function answered(
  bytes: Bytes,
  room: number,
  least = bytes.length,
  overflow?: number,
): Bytes {
  const call = "NtDeviceIoControlFile";
  if (room < least) refuse(call, ERROR.INSUFFICIENT_BUFFER);
  if (room < bytes.length && overflow !== undefined) refuse(call, overflow);
  return bytes.slice(0, room);
}

function extentsAnswer(extents: NonNullable<VolumePlan["extents"]>): Bytes {
  const { DiskNumber, StartingOffset, ExtentLength } = layouts.DISK_EXTENT;
  const { bytes: least, NumberOfDiskExtents } = layouts.VOLUME_DISK_EXTENTS;
  const bytes = new Uint8Array(Math.max(least, layouts.volumeDiskExtentsBytes(extents.length)));
  const view = layouts.viewOf(bytes);
  view.setUint32(NumberOfDiskExtents, extents.length, true);
  extents.forEach(([disk, start, size], index) => {
    const at = layouts.volumeDiskExtentsBytes(index);
    view.setUint32(at + DiskNumber, disk, true);
    view.setBigUint64(at + StartingOffset, BigInt(start), true);
    view.setBigUint64(at + ExtentLength, BigInt(size), true);
  });
  return bytes;
}

function deviceNumberAnswer(type: number, number: number, partition: number): Bytes {
  const at = layouts.STORAGE_DEVICE_NUMBER;
  const bytes = new Uint8Array(at.bytes);
  const view = layouts.viewOf(bytes);
  view.setUint32(at.DeviceType, type, true);
  view.setUint32(at.DeviceNumber, number, true);
  view.setUint32(at.PartitionNumber, partition, true);
  return bytes;
}

function lengthAnswer(size: number): Bytes {
  const bytes = new Uint8Array(layouts.GET_LENGTH_INFORMATION.bytes);
  layouts.viewOf(bytes).setBigUint64(0, BigInt(size), true);
  return bytes;
}

/** As drives have it for compatibility: 255 heads, 63 sectors. */
function geometryAnswer({ size, sectorSize = 512, removable }: DiskPlan): Bytes {
  const at = layouts.DISK_GEOMETRY;
  const { RemovableMedia, FixedMedia } = windows.MEDIA_TYPE;
  const bytes = new Uint8Array(at.bytes);
  const view = layouts.viewOf(bytes);
  const cylinders = Math.floor(size / (255 * 63 * sectorSize));
  view.setBigUint64(at.Cylinders, BigInt(cylinders), true);
  view.setUint32(at.MediaType, removable ? RemovableMedia : FixedMedia, true);
  view.setUint32(at.TracksPerCylinder, 255, true);
  view.setUint32(at.SectorsPerTrack, 63, true);
  view.setUint32(at.BytesPerSector, sectorSize, true);
  return bytes;
}

function geometryExAnswer(disk: DiskPlan): Bytes {
  const bytes = new Uint8Array(layouts.DISK_GEOMETRY_EX.bytes);
  bytes.set(geometryAnswer(disk));
  layouts.viewOf(bytes)
    .setBigUint64(
      layouts.DISK_GEOMETRY_EX.DiskSize,
      BigInt(disk.geometrySize ?? disk.size),
      true,
    );
  return bytes;
}

function counterAnswer({ mediaChanges }: DiskPlan, room: number): Bytes {
  if (room === 0 || mediaChanges === undefined) return new Uint8Array();
  const bytes = new Uint8Array(4);
  layouts.viewOf(bytes).setUint32(0, mediaChanges, true);
  return answered(bytes, room);
}

function propertyAnswer(disk: DiskPlan, input: Bytes | null, room: number): Bytes {
  const { bytes: least, PropertyId, QueryType } = storage.STORAGE_PROPERTY_QUERY;
  const call = "NtDeviceIoControlFile";
  if (input === null || input.length < least) {
    return refuse(call, ERROR.INSUFFICIENT_BUFFER);
  }
  const view = layouts.viewOf(input);
  if (view.getUint32(QueryType, true) !== 0) refuse(call, ERROR.INVALID_PARAMETER);
  const {
    StorageDeviceProperty,
    StorageAccessAlignmentProperty,
    StorageAdapterSerialNumberProperty,
  } = windows.STORAGE_PROPERTY_ID;
  switch (view.getUint32(PropertyId, true)) {
    case StorageDeviceProperty:
      return answered(descriptorAnswer(disk), room, 8);
    case StorageAccessAlignmentProperty:
      return disk.physicalSectorSize === undefined
        ? refuse(call, ERROR.INVALID_FUNCTION)
        : answered(alignmentAnswer(disk), room, 8);
    case StorageAdapterSerialNumberProperty:
      return disk.adapterSerial === undefined
        ? refuse(call, ERROR.INVALID_FUNCTION)
        : answered(adapterSerialAnswer(disk.adapterSerial), room, 8);
    default:
      return refuse(call, ERROR.INVALID_FUNCTION);
  }
}

function adapterSerialAnswer(serial: string): Bytes {
  const at = storage.STORAGE_ADAPTER_SERIAL_NUMBER;
  const bytes = new Uint8Array(at.bytes);
  const view = layouts.viewOf(bytes);
  view.setUint32(at.Version, at.bytes, true);
  view.setUint32(at.Size, at.bytes, true);
  bytes.set(layouts.wideString(serial), at.SerialNumber);
  return bytes;
}

function descriptorAnswer(disk: DiskPlan): Bytes {
  const { vendor, product, revision, serial, busType = 0, removable = false } = disk;
  const at = storage.STORAGE_DEVICE_DESCRIPTOR;
  const texts = [
    [at.VendorIdOffset, vendor],
    [at.ProductIdOffset, product],
    [at.ProductRevisionOffset, revision],
    [at.SerialNumberOffset, serial],
  ] as const;
  const given = texts.flatMap(([, text]) => text === undefined ? [] : [text.length + 1]);
  const bytes = new Uint8Array(at.bytes + given.reduce((sum, length) => sum + length, 0));
  const view = layouts.viewOf(bytes);
  view.setUint32(at.Version, at.bytes, true);
  view.setUint32(at.Size, bytes.length, true);
  view.setUint8(at.RemovableMedia, removable ? 1 : 0);
  view.setUint32(at.BusType, busType, true);
  let end: number = at.bytes;
  for (const [field, text] of texts) {
    if (text === undefined) continue;
    view.setUint32(field, end, true);
    bytes.set(new TextEncoder().encode(text), end);
    end += text.length + 1;
  }
  return bytes;
}

function alignmentAnswer({ sectorSize = 512, physicalSectorSize = 0 }: DiskPlan): Bytes {
  const at = storage.STORAGE_ACCESS_ALIGNMENT_DESCRIPTOR;
  const bytes = new Uint8Array(at.bytes);
  const view = layouts.viewOf(bytes);
  view.setUint32(at.Version, at.bytes, true);
  view.setUint32(at.Size, at.bytes, true);
  view.setUint32(at.BytesPerLogicalSector, sectorSize, true);
  view.setUint32(at.BytesPerPhysicalSector, physicalSectorSize, true);
  return bytes;
}

function standardAnswer({ size = 0, directory = false }: FilePlan): Bytes {
  const at = layouts.FILE_STANDARD_INFORMATION;
  const bytes = new Uint8Array(at.bytes);
  const view = layouts.viewOf(bytes);
  view.setBigUint64(at.AllocationSize, BigInt(Math.ceil(size / 4096) * 4096), true);
  view.setBigUint64(at.EndOfFile, BigInt(size), true);
  view.setUint32(at.NumberOfLinks, 1, true);
  view.setUint8(at.Directory, directory ? 1 : 0);
  return bytes;
}

function fileIdAnswer(serial: number, id: number): Bytes {
  const at = layouts.FILE_ID_INFORMATION;
  const bytes = new Uint8Array(at.bytes);
  const view = layouts.viewOf(bytes);
  view.setBigUint64(at.VolumeSerialNumber, BigInt(serial), true);
  view.setBigUint64(at.FileId, BigInt(id), true);
  return bytes;
}

function fileSystemAnswer(name: string): Bytes {
  const at = layouts.FILE_FS_ATTRIBUTE_INFORMATION;
  const text = layouts.wideString(name).subarray(0, name.length * 2);
  const bytes = new Uint8Array(at.FileSystemName + text.length);
  layouts.viewOf(bytes).setUint32(at.FileSystemNameLength, text.length, true);
  bytes.set(text, at.FileSystemName);
  return bytes;
}
