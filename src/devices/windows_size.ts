/** How many bytes a disk or volume of Windows has, by whatever way answers. */
import { allocateAligned } from "../../ffi/memory.ts";
import {
  DISK_GEOMETRY,
  DISK_GEOMETRY_EX_ROOM,
  diskGeometry,
  diskGeometryEx,
  GET_LENGTH_INFORMATION,
  lengthInformation,
} from "../../ffi/layouts.ts";
import { OsError } from "../../ffi/os_error.ts";
import { ImagingError } from "../core/errors.ts";
import * as windows from "../../ffi/windows_numbers.ts";
import type { WindowsCalls } from "../../ffi/windows_thread.ts";
import { isWindowsError } from "./windows_io.ts";
import { sizeOfFile } from "./windows_files.ts";

/** Sector size where nothing tells it. */
export const DEFAULT_SECTOR_BYTES = 512;

/** What a volume answers when it is read behind its end; a bad sector answers otherwise. */
const BEHIND_THE_END = [
  "ERROR_HANDLE_EOF",
  "ERROR_SECTOR_NOT_FOUND",
  "ERROR_INVALID_PARAMETER",
  "ERROR_SEEK",
  "ERROR_NEGATIVE_SEEK",
];

/** Nothing is larger: 2^53 bytes are 8 PiB. */
const LARGEST = 2 ** 53;

/**
 * The answer to a control code; undefined when the device does not know it, or has no
 * medium.
 */
export async function askDevice(
  calls: WindowsCalls,
  handle: bigint,
  code: number,
  bytes: number,
  input: Uint8Array<ArrayBuffer> | null = null,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await calls.call("control", handle, code, input, bytes);
  } catch (error) {
    if (!(error instanceof OsError)) throw error;
    return undefined;
  }
}

/** What the geometry tells; for a volume it is that of its disk. */
export async function geometryOf(
  calls: WindowsCalls,
  handle: bigint,
): Promise<{ readonly sectorSize: number; readonly size: number | undefined } | undefined> {
  const code = windows.IOCTL_DISK_GET_DRIVE_GEOMETRY_EX;
  const extended = await askDevice(calls, handle, code, DISK_GEOMETRY_EX_ROOM);
  if (extended !== undefined) {
    const { bytesPerSector, size } = diskGeometryEx(extended);
    return { sectorSize: bytesPerSector || DEFAULT_SECTOR_BYTES, size };
  }
  const plain = await askDevice(
    calls,
    handle,
    windows.IOCTL_DISK_GET_DRIVE_GEOMETRY,
    DISK_GEOMETRY.bytes,
  );
  if (plain === undefined) return undefined;
  // Whole cylinders are less than the disk: its sector size is all that counts here.
  return {
    sectorSize: diskGeometry(plain).bytesPerSector || DEFAULT_SECTOR_BYTES,
    size: undefined,
  };
}

/**
 * The size in bytes of what is open for reading: as the driver tells it, as the disk's
 * geometry has it, as its end is found by seeking, or as reading shows it.
 *
 * @param isDisk the whole disk, not a volume on it.
 * @throws {OsError} when nothing of it can be read, as in a reader without a card.
 */
export async function measureMedium(
  calls: WindowsCalls,
  handle: bigint,
  isDisk: boolean,
): Promise<{ readonly size: number; readonly sectorSize: number }> {
  const geometry = await geometryOf(calls, handle);
  const sectorSize = geometry?.sectorSize ?? DEFAULT_SECTOR_BYTES;
  const length = await askDevice(
    calls,
    handle,
    windows.IOCTL_DISK_GET_LENGTH_INFO,
    GET_LENGTH_INFORMATION.bytes,
  );
  if (length !== undefined) return { size: lengthInformation(length), sectorSize };
  if (isDisk && geometry?.size !== undefined) return { size: geometry.size, sectorSize };
  const end = await endBySeeking(calls, handle);
  return { size: end > 0 ? end : await endByReading(calls, handle, sectorSize), sectorSize };
}

/** Where a seek to the end leads: to what is known as the size of the file. */
async function endBySeeking(calls: WindowsCalls, handle: bigint): Promise<number> {
  try {
    return await sizeOfFile(calls, handle);
  } catch (error) {
    if (!(error instanceof OsError)) throw error;
    return 0;
  }
}

/**
 * Looks for the last sector that is there, some fifty reads. A sector that cannot be read
 * is there: only what is known as the answer behind the end counts as such.
 */
async function endByReading(
  calls: WindowsCalls,
  handle: bigint,
  sectorSize: number,
): Promise<number> {
  using memory = allocateAligned(sectorSize);
  const isThere = async (sector: number): Promise<boolean> => {
    try {
      const { address } = memory;
      return await calls.call("read", handle, address, sectorSize, sector * sectorSize) > 0;
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      // What cannot even be begun with has no size.
      if (sector === 0) throw error;
      return !isWindowsError(error, ...BEHIND_THE_END);
    }
  };
  if (!await isThere(0)) return 0;
  let there = 0;
  let step = 1;
  while (step * sectorSize < LARGEST && await isThere(step)) {
    there = step;
    step *= 2;
  }
  if (step * sectorSize >= LARGEST) {
    throw new ImagingError("environment", "cannot tell how large the device is", {
      hint: "its driver answers wherever it is read: try another reader or adapter",
    });
  }
  let beyond = step;
  while (beyond - there > 1) {
    const middle = there + Math.floor((beyond - there) / 2);
    if (await isThere(middle)) there = middle;
    else beyond = middle;
  }
  return (there + 1) * sectorSize;
}
