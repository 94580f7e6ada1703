/** Reading disks, volumes and files on Windows. */
import { OsError } from "../../ffi/os_error.ts";
import * as windows from "../../ffi/windows_numbers.ts";
import type { WindowsCalls } from "../../ffi/windows_thread.ts";
import type { BlockSource, Bytes } from "../core/block.ts";
import type { ReadError } from "../core/errors.ts";
import type { Location, OpenSourceOptions } from "./device.ts";
import { anotherDevice } from "./device_errors.ts";
import { OpenedSource, type Reopening } from "./opened_device.ts";
import { identityChange } from "./safety.ts";
import { locateWindows, pathForm } from "./windows_disks.ts";
import { sizeOfFile } from "./windows_files.ts";
import {
  closeHandle,
  control,
  isWindowsError,
  OPENINGS,
  readChannel,
  type WindowsChannel,
} from "./windows_io.ts";
import { DEFAULT_SECTOR_BYTES, measureMedium } from "./windows_size.ts";

/** Direct access to a file goes by the sectors of its volume's disk: at most these. */
const FILE_ALIGNMENT = 4096;

/** Errors of a device that is not there any more. */
const GONE = [
  "ERROR_NO_SUCH_DEVICE",
  "ERROR_DEV_NOT_EXIST",
  "ERROR_DEVICE_NOT_CONNECTED",
  "ERROR_DEVICE_REMOVED",
  "ERROR_NOT_READY",
  "ERROR_NO_MEDIA_IN_DRIVE",
  "ERROR_MEDIA_CHANGED",
  "ERROR_FILE_INVALID",
  "ERROR_WRONG_DISK",
  "ERROR_DEVICE_NOT_AVAILABLE",
];

/** Answers of file systems that have nothing to allow: one without it reads to the end. */
const NOTHING_TO_ALLOW = [
  "ERROR_NOT_SUPPORTED",
  "ERROR_INVALID_FUNCTION",
  "ERROR_INVALID_PARAMETER",
];

type DeviceLocation = Extract<Location, { kind: "device" }>;

/** The path that is really opened for a device. */
export function nodeOf({ path, disk, partition }: DeviceLocation): string {
  return partition === undefined ? disk.path : path;
}

/** Is it a whole disk, and not a volume? */
export function isWholeDisk(location: DeviceLocation): boolean {
  return pathForm(nodeOf(location)).kind === "disk";
}

/**
 * Lets a volume be read and written to its very end: beyond what its file system says that
 * it has there is its last copy of the boot sector.
 *
 * @throws {OsError}
 */
export async function allowWholeVolume(calls: WindowsCalls, handle: bigint): Promise<void> {
  try {
    await control(calls, handle, windows.FSCTL_ALLOW_EXTENDED_DASD_IO);
  } catch (error) {
    if (!isWindowsError(error, ...NOTHING_TO_ALLOW)) throw error;
  }
}

/**
 * Opens a disk, a volume or a file, read-only. The thread ends with the source.
 *
 * @param startThread starts a further one, for a disk whose calls hang
 * @throws {OsError} when the system does not open it.
 */
export async function openWindowsSource(
  calls: WindowsCalls,
  path: string,
  options: OpenSourceOptions,
  elevated: boolean,
  startThread?: () => WindowsCalls,
): Promise<BlockSource> {
  const location = await locateWindows(calls, path, elevated);
  return location.kind === "device"
    ? await openDevice(calls, location, elevated, { ownsThread: true, startThread })
    : await openFile(calls, path, options.direct ?? false, elevated);
}

async function openFile(
  calls: WindowsCalls,
  path: string,
  direct: boolean,
  elevated: boolean,
): Promise<BlockSource> {
  const handle = await calls.call("open", path, direct ? OPENINGS.readDirect : OPENINGS.read);
  try {
    const size = await sizeOfFile(calls, handle);
    const alignment = direct ? FILE_ALIGNMENT : 1;
    const name = path;
    const channel: WindowsChannel = {
      calls,
      handle,
      name,
      alignment,
      attempt: "file",
      elevated,
    };
    const sectorSize = DEFAULT_SECTOR_BYTES;
    return new WindowsSource(channel, { size, sectorSize, isDevice: false, owned: "thread" });
  } catch (error) {
    await closeHandle(calls, handle);
    throw error;
  }
}

/** The thread that a disk is opened on. */
export interface DeviceThread {
  /** Does it end with the source? */
  readonly ownsThread: boolean;
  /** Starts a further one, which the source ends. Absent: calls that hang are waited for. */
  readonly startThread?: (() => WindowsCalls) | undefined;
}

/**
 * Opens a disk or volume, read-only and past the cache.
 *
 * @throws {OsError}
 */
export async function openDevice(
  calls: WindowsCalls,
  location: DeviceLocation,
  elevated: boolean,
  { ownsThread, startThread }: DeviceThread,
): Promise<BlockSource> {
  const { channel, size } = await openChannel(calls, location, elevated);
  return new WindowsSource(channel, {
    size,
    sectorSize: channel.alignment,
    isDevice: true,
    owned: ownsThread ? "thread" : "handle",
    again: startThread && { location, startThread },
  });
}

async function openChannel(
  calls: WindowsCalls,
  location: DeviceLocation,
  elevated: boolean,
): Promise<{ readonly channel: WindowsChannel; readonly size: number }> {
  const name = nodeOf(location);
  const handle = await calls.call("open", name, OPENINGS.readDirect);
  try {
    const isDisk = isWholeDisk(location);
    if (!isDisk) await allowWholeVolume(calls, handle);
    const { size, sectorSize } = await measureMedium(calls, handle, isDisk);
    const channel: WindowsChannel = {
      calls,
      handle,
      name,
      alignment: sectorSize,
      attempt: "disk",
      elevated,
    };
    return { channel, size };
  } catch (error) {
    await closeHandle(calls, handle);
    throw error;
  }
}

/**
 * Opens what was opened before.
 *
 * @throws {OsError | ImagingError} also when it is another one.
 */
async function openSame(
  calls: WindowsCalls,
  before: DeviceLocation,
  { name, size, sectorSize }: BlockSource,
  elevated: boolean,
): Promise<WindowsChannel> {
  const now = await locateWindows(calls, nodeOf(before), elevated);
  const isSame = now.kind === "device" && nodeOf(now) === nodeOf(before) &&
    identityChange(before.disk, now.disk) === undefined &&
    now.partition?.start === before.partition?.start;
  if (!isSame) throw anotherDevice(name);
  const { channel, size: sizeNow } = await openChannel(calls, now, elevated);
  if (sizeNow === size && channel.alignment === sectorSize) return channel;
  await closeHandle(calls, channel.handle);
  throw anotherDevice(name);
}

/** Reads through what somebody else has opened for direct access, and closes. */
export function sourceThrough(channel: WindowsChannel, size: number): BlockSource {
  const { alignment: sectorSize } = channel;
  return new WindowsSource(channel, { size, sectorSize, isDevice: true, owned: "nothing" });
}

/** What is known of an opened source. */
interface SourceTraits {
  /** Bytes. */
  readonly size: number;
  readonly sectorSize: number;
  readonly isDevice: boolean;
  /** What ends with the source: nothing, its handle, or the thread as well. */
  readonly owned: "nothing" | "handle" | "thread";
  /** How to open it again; absent where that is not possible. */
  readonly again?: {
    readonly location: DeviceLocation;
    readonly startThread: () => WindowsCalls;
  } | undefined;
}

class WindowsSource extends OpenedSource {
  #channel: WindowsChannel;
  /** Is the channel open? Not while its thread is left and there is no other yet. */
  #isOpen = true;
  #closing: Promise<void> | undefined;
  readonly #traits: SourceTraits;

  constructor(channel: WindowsChannel, traits: SourceTraits) {
    super({ name: channel.name, ...traits }, traits.again !== undefined);
    this.#channel = channel;
    this.#traits = traits;
  }

  protected override reopened(): Reopening {
    const { calls, handle } = this.#channel;
    this.#isOpen = false;
    const idle = calls.abandon();
    return { opened: this.#open(), returned: this.#tidied(calls, handle, idle) };
  }

  async #open(): Promise<void> {
    const { again } = this.#traits;
    if (again === undefined) throw new Error("There is no other thread");
    const calls = again.startThread();
    try {
      this.#channel = await openSame(calls, again.location, this, this.#channel.elevated);
      this.#isOpen = true;
    } catch (error) {
      calls[Symbol.dispose]();
      throw error;
    }
  }

  /** Ends a thread that has returned. */
  async #tidied(calls: WindowsCalls, handle: bigint, idle: Promise<void>): Promise<void> {
    await idle;
    await closeHandle(calls, handle);
    calls[Symbol.dispose]();
  }

  protected override transfer(offset: number, into: Bytes): Promise<number> {
    return readChannel(this.#channel, offset, into);
  }

  /** An unplugged disk can answer like one with a bad sector; but it is not there any more. */
  protected override async isGone({ osCode = "" }: ReadError): Promise<boolean> {
    if (!this.#traits.isDevice) return false;
    return GONE.includes(osCode) || !await this.#answers();
  }

  async #answers(): Promise<boolean> {
    const { calls, handle } = this.#channel;
    try {
      await control(calls, handle, windows.IOCTL_STORAGE_CHECK_VERIFY2);
      return true;
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      return !GONE.includes(error.code);
    }
  }

  /** More than once is once. What hangs is not waited for: it is closed when it returns. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await this.opening;
    if (!this.#isOpen) return;
    const { calls, handle } = this.#channel;
    const { owned } = this.#traits;
    if (owned !== "nothing") await closeHandle(calls, handle);
    if (owned === "thread") calls[Symbol.dispose]();
  }
}
