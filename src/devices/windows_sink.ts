/**
 * Writing disks and volumes on Windows.
 *
 * Windows lets nobody write where a mounted volume lies unless the writer has locked it
 * (Microsoft, "CreateFileW", remarks on physical disks and volumes; FSCTL_LOCK_VOLUME,
 * FSCTL_DISMOUNT_VOLUME). So every volume of the disk is locked and dismounted first, and
 * the locks are kept until all is written: nothing comes back in between.
 */
import { OsError } from "../../ffi/os_error.ts";
import * as windows from "../../ffi/windows_numbers.ts";
import type { WindowsCalls } from "../../ffi/windows_thread.ts";
import type { BlockSource, Bytes } from "../core/block.ts";
import { type Finding, ImagingError } from "../core/errors.ts";
import type { DeviceSink, Location } from "./device.ts";
import { OpenedSink } from "./opened_device.ts";
import { locateWindows } from "./windows_disks.ts";
import {
  closeHandle,
  control,
  flushChannel,
  isWindowsError,
  OPENINGS,
  type WindowsChannel,
  windowsFailure,
  writeChannel,
} from "./windows_io.ts";
import { type Clock, type Patience, patiently, REAL_CLOCK } from "./windows_patience.ts";
import { measureMedium } from "./windows_size.ts";
import {
  allowWholeVolume,
  isWholeDisk,
  nodeOf,
  openDevice,
  sourceThrough,
} from "./windows_source.ts";
import { listWindowsVolumes, titleOf } from "./windows_volumes.ts";

type DeviceLocation = Extract<Location, { kind: "device" }>;

/** Explorer and virus scanners let go after a moment: first wait, doubled each time. */
const LOCKING: Patience = {
  attempts: 7,
  firstWaitMilliseconds: 100,
  isPassing: ({ code }) => code !== LOCKED_BY_BITLOCKER,
};

/** Somebody else writes: waited for a little, then shared, since a lock is what counts. */
const ALONE: Patience = {
  attempts: 4,
  firstWaitMilliseconds: 100,
  isPassing: ({ code }) => code === "ERROR_SHARING_VIOLATION",
};

/** A volume that nobody has unlocked has no file system that could be in the way. */
const LOCKED_BY_BITLOCKER = "FVE_E_LOCKED_VOLUME";

/**
 * Opens a disk or volume for writing, and for nobody else; locks what lies on it. The
 * thread ends with the sink.
 *
 * @throws {ImagingError} when a volume is busy, or the path is no device.
 * @throws {OsError} when the system does not open it.
 */
export async function openWindowsSink(
  calls: WindowsCalls,
  path: string,
  elevated: boolean,
  clock: Clock = REAL_CLOCK,
): Promise<DeviceSink> {
  const location = await locateWindows(calls, path, elevated);
  if (location.kind !== "device") {
    throw new ImagingError("usage", `cannot write to ${path}: it is not a disk`, {
      hint: "`sectorshot list` shows the disks of this machine",
    });
  }
  const locks: bigint[] = [];
  try {
    if (isWholeDisk(location)) {
      await lockVolumes(calls, Number(location.number), elevated, clock, locks);
    }
    return await openLocked(calls, location, elevated, clock, locks);
  } catch (error) {
    for (const lock of locks) await closeHandle(calls, lock);
    throw error;
  }
}

/** Locks and dismounts every volume that has a part on the disk; adds their handles. */
async function lockVolumes(
  calls: WindowsCalls,
  disk: number,
  elevated: boolean,
  clock: Clock,
  locks: bigint[],
): Promise<void> {
  for (const volume of await listWindowsVolumes(calls)) {
    if (!volume.disks.includes(disk)) continue;
    const title = titleOf(volume);
    let handle: bigint;
    try {
      handle = await calls.call("open", volume.name, OPENINGS.writeDirect);
    } catch (cause) {
      if (isWindowsError(cause, LOCKED_BY_BITLOCKER)) continue;
      throw windowsFailure(`cannot open the volume ${title}`, cause, "disk", elevated);
    }
    locks.push(handle);
    if (await lockVolume(calls, handle, title, clock)) {
      await dismountVolume(calls, handle, title);
    }
  }
}

/**
 * Locks a volume, with patience; false where it has no file system that could be locked.
 *
 * @throws {ImagingError} when it stays busy.
 */
async function lockVolume(
  calls: WindowsCalls,
  handle: bigint,
  title: string,
  clock: Clock,
): Promise<boolean> {
  try {
    await patiently(LOCKING, clock, () => control(calls, handle, windows.FSCTL_LOCK_VOLUME));
    return true;
  } catch (cause) {
    if (isWindowsError(cause, LOCKED_BY_BITLOCKER)) return false;
    throw cause instanceof OsError ? busy(title, cause) : cause;
  }
}

/** @throws {ImagingError} */
async function dismountVolume(
  calls: WindowsCalls,
  handle: bigint,
  title: string,
): Promise<void> {
  try {
    await control(calls, handle, windows.FSCTL_DISMOUNT_VOLUME);
  } catch (cause) {
    throw cause instanceof OsError ? busy(title, cause) : cause;
  }
}

/**
 * Opens for writing and lets nobody else write; where somebody else does already, the
 * locks on the volumes are what keeps them away.
 */
async function openAlone(calls: WindowsCalls, name: string, clock: Clock): Promise<bigint> {
  const alone = { ...OPENINGS.writeDirect, share: windows.FILE_SHARE_READ };
  try {
    return await patiently(ALONE, clock, () => calls.call("open", name, alone));
  } catch (error) {
    if (!isWindowsError(error, "ERROR_SHARING_VIOLATION")) throw error;
    return await calls.call("open", name, OPENINGS.writeDirect);
  }
}

function busy(title: string, cause: OsError): ImagingError {
  return new ImagingError(
    "environment",
    `cannot lock the volume ${title}: ${cause.message}`,
    {
      cause,
      osCode: cause.code,
      hint: `close the Explorer windows, programs and terminals that use ${title}, ` +
        "then try again",
    },
  );
}

async function openLocked(
  calls: WindowsCalls,
  location: DeviceLocation,
  elevated: boolean,
  clock: Clock,
  locks: bigint[],
): Promise<DeviceSink> {
  const name = nodeOf(location);
  const handle = await openAlone(calls, name, clock);
  locks.push(handle);
  const isDisk = isWholeDisk(location);
  if (!isDisk) {
    // As long as a file system is there that can allow it.
    await allowWholeVolume(calls, handle);
    await lockVolume(calls, handle, name, clock);
  }
  await checkWritable(calls, handle);
  const { size, sectorSize } = await measureMedium(calls, handle, isDisk);
  const channel: WindowsChannel = {
    calls,
    handle,
    name,
    alignment: sectorSize,
    attempt: "disk",
    elevated,
  };
  return new WindowsSink(channel, location, size, locks);
}

/** @throws {OsError} ERROR_WRITE_PROTECT */
async function checkWritable(calls: WindowsCalls, handle: bigint): Promise<void> {
  try {
    await control(calls, handle, windows.IOCTL_DISK_IS_WRITABLE);
  } catch (error) {
    if (!(error instanceof OsError)) throw error;
    if (error.code === "ERROR_WRITE_PROTECT") throw error;
  }
}

/**
 * Lets the file system of a volume go that was overwritten under its lock. Before that it
 * would be in the way: a volume without one may refuse to be flushed.
 */
async function forgetVolume(calls: WindowsCalls, handle: bigint): Promise<void> {
  try {
    await control(calls, handle, windows.FSCTL_DISMOUNT_VOLUME);
  } catch (error) {
    // There is none: what was written is flushed already, and closing unlocks.
    if (!(error instanceof OsError)) throw error;
  }
}

class WindowsSink extends OpenedSink implements DeviceSink {
  readonly #channel: WindowsChannel;
  readonly #location: DeviceLocation;
  /** Handles of the locked volumes and of the disk itself, in the order of opening. */
  readonly #handles: readonly bigint[];

  constructor(
    channel: WindowsChannel,
    location: DeviceLocation,
    size: number,
    handles: readonly bigint[],
  ) {
    const { name, alignment: sectorSize } = channel;
    super({ name, size, sectorSize }, location.disk.mediumNumber);
    this.#channel = channel;
    this.#location = location;
    this.#handles = handles;
  }

  protected override transfer(offset: number, bytes: Bytes): Promise<void> {
    return writeChannel(this.#channel, offset, bytes);
  }

  flush(): Promise<void> {
    return flushChannel(this.#channel);
  }

  async reread(): Promise<BlockSource> {
    const { calls, name, elevated } = this.#channel;
    // A locked volume lets itself be opened by nobody, not even by who has locked it.
    if (!isWholeDisk(this.#location)) return sourceThrough(this.#channel, this.size);
    try {
      return await openDevice(calls, this.#location, elevated, { ownsThread: false });
    } catch (cause) {
      throw windowsFailure(`cannot open ${name} to verify it`, cause, "disk", elevated);
    }
  }

  async announce(): Promise<Finding[]> {
    const { calls, handle, name } = this.#channel;
    try {
      await control(calls, handle, windows.IOCTL_DISK_UPDATE_PROPERTIES);
      return [];
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      const message = isWindowsError(error, "ERROR_NOT_SUPPORTED", "ERROR_INVALID_FUNCTION")
        ? `Windows looks for no partitions on ${name} (${error.code})`
        : `Windows did not read the new partition table of ${name} (${error.code}): ` +
          "unplug it and plug it in again before you use it here";
      return [{ level: "note", message }];
    }
  }

  /** Closing a volume's handle unlocks it; the disk's own goes first. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { calls, handle } = this.#channel;
    if (!isWholeDisk(this.#location)) await forgetVolume(calls, handle);
    for (const handle of this.#handles.toReversed()) await closeHandle(calls, handle);
    calls[Symbol.dispose]();
  }
}
