/** The volumes of a Windows machine, and the disks that they lie on. */
import {
  type DiskExtent,
  STORAGE_DEVICE_NUMBER,
  storageDeviceNumber,
  volumeDiskExtents,
  volumeDiskExtentsBytes,
} from "../../ffi/layouts.ts";
import { OsError } from "../../ffi/os_error.ts";
import * as windows from "../../ffi/windows_numbers.ts";
import type { WindowsCalls } from "../../ffi/windows_thread.ts";
import { closeHandle, isWindowsError, OPENINGS } from "./windows_io.ts";
import { askDevice } from "./windows_size.ts";

/** A volume. */
export interface WindowsVolume {
  /** "\\?\Volume{GUID}" */
  readonly name: string;
  /** Where people find it: "E:", "C:\mnt\card". */
  readonly places: readonly string[];
  /** The parts of disks that it lies on; empty where Windows does not tell. */
  readonly extents: readonly DiskExtent[];
  /** N of each PhysicalDriveN that it lies on. */
  readonly disks: readonly number[];
  /** As its disk's table counts; 0 where it is no partition. */
  readonly partition: number;
  /** FILE_DEVICE_* of the device that it is; 0 where Windows does not tell. */
  readonly type: number;
}

/** Room for that many extents at first; a volume seldom has more than one. */
const FIRST_EXTENTS = 8;
const MOST_EXTENTS = 4096;

/** What an open volume lies on. */
export async function layOf(
  calls: WindowsCalls,
  handle: bigint,
): Promise<Pick<WindowsVolume, "extents" | "disks" | "partition" | "type">> {
  const extents = await extentsOf(calls, handle);
  const answer = await askDevice(
    calls,
    handle,
    windows.IOCTL_STORAGE_GET_DEVICE_NUMBER,
    STORAGE_DEVICE_NUMBER.bytes,
  );
  const number = answer === undefined ? undefined : storageDeviceNumber(answer);
  const type = number?.type ?? (extents.length > 0 ? windows.FILE_DEVICE_DISK : 0);
  const disks = extents.length > 0
    ? [...new Set(extents.map(({ disk }) => disk))]
    : number?.type === windows.FILE_DEVICE_DISK
    ? [number.number]
    : [];
  return { extents, disks, partition: number?.partition ?? 0, type };
}

async function extentsOf(calls: WindowsCalls, handle: bigint): Promise<DiskExtent[]> {
  for (let count = FIRST_EXTENTS; count <= MOST_EXTENTS; count *= 8) {
    try {
      const code = windows.IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS;
      const room = volumeDiskExtentsBytes(count);
      return volumeDiskExtents(await calls.call("control", handle, code, null, room));
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      if (!isWindowsError(error, "ERROR_MORE_DATA", "ERROR_INSUFFICIENT_BUFFER")) return [];
    }
  }
  return [];
}

/** Every volume that can be asked. */
export async function listWindowsVolumes(calls: WindowsCalls): Promise<WindowsVolume[]> {
  const volumes: WindowsVolume[] = [];
  for (const { name, paths } of await calls.call("volumes")) {
    const places = paths.map((path) => path.replace(/\\$/, ""));
    let handle: bigint;
    try {
      handle = await calls.call("open", name, OPENINGS.query);
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      continue; // It went away, or belongs to another system: no disk has it.
    }
    try {
      volumes.push({ name, places, ...await layOf(calls, handle) });
    } finally {
      await closeHandle(calls, handle);
    }
  }
  return volumes;
}

/** A volume as people know it. */
export function titleOf({ name, places }: Pick<WindowsVolume, "name" | "places">): string {
  return places[0] ?? name;
}
