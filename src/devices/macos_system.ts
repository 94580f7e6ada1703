/** What macOS does in its own way. */
import type { LibcCalls } from "../../ffi/libc_thread.ts";
import { MACOS_ERRORS } from "../../ffi/macos_errors.ts";
import { statMacos, statOpenedMacos } from "../../ffi/macos_files.ts";
import * as macos from "../../ffi/macos.ts";
import { allocateAligned } from "../../ffi/memory.ts";
import { OsError } from "../../ffi/os_error.ts";
import { cString } from "../../ffi/strings.ts";
import { COMMON_HINTS, ioctlNumber, type PosixSystem } from "./posix_io.ts";

const EEXIST = 17;

/** How macOS says that it does not know a request, or that a file system does not. */
const UNSUPPORTED: readonly string[] = ["ENOTSUP", "EOPNOTSUPP", "ENOTTY"];

/** macOS, for what is written once for it and Linux. */
export const macosSystem: PosixSystem = {
  flags: {
    read: macos.O_RDONLY,
    write: macos.O_WRONLY,
    readWrite: macos.O_RDWR,
    create: macos.O_CREAT,
    truncate: macos.O_TRUNC,
    directory: macos.O_DIRECTORY,
    closeOnExec: macos.O_CLOEXEC,
  },
  hints: {
    ...COMMON_HINTS,
    // With the rights of root it is privacy protection that refuses, by the terminal.
    EPERM: "run it with sudo; if you did, give the terminal full disk access (System " +
      "Settings, Privacy & Security, Full Disk Access) and open a new window of it",
    EBUSY: "unmount it, or close the program that uses it",
    EAGAIN: "close the program that has it open",
    ENXIO: "plug it in again; `sectorshot list` shows what is there",
  },
  sizeOf: (path) => statMacos(path).size,
  statusOf: (named) =>
    typeof named === "number" ? statOpenedMacos(named) : statMacos(named, false),
  flush: flushFile,
  renameNew,
};

/** The same for devices, which fsync does not know (ENOTTY). */
export const macosDiskSystem: PosixSystem = { ...macosSystem, flush: flushDisk };

/** Is it one of these errors? */
export function isMacosError(error: unknown, ...codes: readonly string[]): error is OsError {
  return error instanceof OsError && codes.includes(error.code);
}

/** An error that macOS would answer. */
export function macosError(call: string, errno: number): OsError {
  return OsError.named(call, errno, MACOS_ERRORS);
}

/**
 * fsync hands a file to the drive, whose cache may hold it for long; F_FULLFSYNC waits for
 * the medium (fcntl(2)). Network volumes and some others know fsync only.
 */
async function flushFile(thread: LibcCalls, descriptor: number): Promise<void> {
  try {
    await thread.call("fcntl", descriptor, macos.F_FULLFSYNC, 0n);
  } catch (error) {
    if (!isMacosError(error, "EINVAL", ...UNSUPPORTED)) throw error;
    await thread.call("fsync", descriptor);
  }
}

async function flushDisk(thread: LibcCalls, descriptor: number): Promise<void> {
  try {
    using memory = allocateAligned(macos.DK_SYNCHRONIZE_BYTES);
    memory.bytes.fill(0);
    const request = BigInt(macos.DKIOCSYNCHRONIZE);
    await thread.call("ioctl", descriptor, request, memory.address);
  } catch (error) {
    if (!isMacosError(error, ...UNSUPPORTED)) throw error;
    await flushDiskCache(thread, descriptor);
  }
}

async function flushDiskCache(thread: LibcCalls, descriptor: number): Promise<void> {
  try {
    await thread.call("ioctl", descriptor, BigInt(macos.DKIOCSYNCHRONIZECACHE), 0n);
  } catch (error) {
    // Raw writes are with the device when they return. One that has no command to empty
    // its cache has none that anybody could empty.
    if (!isMacosError(error, ...UNSUPPORTED)) throw error;
  }
}

/**
 * Not every file system knows RENAME_EXCL; there the look before is all there is.
 *
 * @param exists does a name stand for anything, be it a broken link?
 * @throws {OsError} EEXIST
 */
export async function renameNew(
  thread: LibcCalls,
  from: string,
  to: string,
  exists: (path: string) => boolean = isThere,
): Promise<void> {
  try {
    await thread.call("renamex_np", cString(from), cString(to), macos.RENAME_EXCL);
  } catch (error) {
    if (!isMacosError(error, "EINVAL", "ENOSYS", ...UNSUPPORTED)) throw error;
    if (exists(to)) throw macosError("rename", EEXIST);
    await thread.call("rename", cString(from), cString(to));
  }
}

function isThere(path: string): boolean {
  try {
    statMacos(path, false);
    return true;
  } catch (error) {
    if (!isMacosError(error, "ENOENT")) throw error;
    return false;
  }
}

/** What an opened device says of itself. */
export interface DiskGeometry {
  /** Bytes; 0 without a medium. */
  readonly size: number;
  /** Bytes of a logical sector. */
  readonly sectorSize: number;
  /** Bytes of the longest request: whole sectors. */
  readonly maxBytes: number;
}

/**
 * The longest request to a driver that names no limit. The kernel's own file systems ask
 * for no more at a time (xnu's mach/memory_object_types.h, MAX_UPL_TRANSFER_BYTES), so
 * that every driver is used to it.
 */
const CAREFUL_BYTES = 1024 * 1024;

/**
 * Asks an opened device for its size and the limits of transfers.
 *
 * @throws {OsError}
 */
export async function diskGeometry(
  thread: LibcCalls,
  descriptor: number,
  direction: "read" | "write",
): Promise<DiskGeometry> {
  const count = await ioctlNumber(thread, descriptor, macos.DKIOCGETBLOCKCOUNT, 8);
  const sectorSize = await ioctlNumber(thread, descriptor, macos.DKIOCGETBLOCKSIZE, 4) || 512;
  const limit = await longestRequest(thread, descriptor, direction);
  return {
    size: count * sectorSize,
    sectorSize,
    maxBytes: Math.max(limit - limit % sectorSize, sectorSize),
  };
}

async function longestRequest(
  thread: LibcCalls,
  descriptor: number,
  direction: "read" | "write",
): Promise<number> {
  const request = direction === "read"
    ? macos.DKIOCGETMAXBYTECOUNTREAD
    : macos.DKIOCGETMAXBYTECOUNTWRITE;
  try {
    return await ioctlNumber(thread, descriptor, request, 8) || CAREFUL_BYTES;
  } catch (error) {
    if (error instanceof OsError) return CAREFUL_BYTES;
    throw error;
  }
}
