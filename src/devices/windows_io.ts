/** Reading and writing what is open on Windows, and what to do about its errors. */
import type { WindowsCalls } from "../../ffi/windows_thread.ts";
import { OsError } from "../../ffi/os_error.ts";
import type { OpenOptions } from "../../ffi/windows_calls.ts";
import * as windows from "../../ffi/windows_numbers.ts";
import type { Bytes } from "../core/block.ts";
import { ImagingError, WriteError } from "../core/errors.ts";
import { type AlignedIo, readAligned, writeAligned } from "./aligned_io.ts";

/** What is tried, as far as it decides what to do when access is denied. */
export type Attempt = "disk" | "file";

/** Something open. */
export interface WindowsChannel {
  readonly calls: WindowsCalls;
  readonly handle: bigint;
  /** For messages. */
  readonly name: string;
  /** Bytes; 1 where the system does not care. */
  readonly alignment: number;
  readonly attempt: Attempt;
  /** Does this program have the rights of an administrator? */
  readonly elevated: boolean;
}

const SHARE_ALL = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE |
  windows.FILE_SHARE_DELETE;

/** Ways to open; as CreateFileW does it, calls return when they are done. */
export const OPENINGS = {
  /** To ask what it is: needs no rights, and wakes nothing. */
  query: {
    access: windows.FILE_READ_ATTRIBUTES | windows.SYNCHRONIZE,
    share: SHARE_ALL,
    disposition: windows.FILE_OPEN,
    options: windows.FILE_SYNCHRONOUS_IO_NONALERT | windows.FILE_OPEN_FOR_BACKUP_INTENT,
  },
  read: {
    access: windows.GENERIC_READ | windows.SYNCHRONIZE,
    share: SHARE_ALL,
    disposition: windows.FILE_OPEN,
    options: windows.FILE_SYNCHRONOUS_IO_NONALERT | windows.FILE_NON_DIRECTORY_FILE,
  },
  /** Past the system's cache; what is transferred must be aligned. */
  readDirect: {
    access: windows.GENERIC_READ | windows.SYNCHRONIZE,
    share: SHARE_ALL,
    disposition: windows.FILE_OPEN,
    options: windows.FILE_SYNCHRONOUS_IO_NONALERT | windows.FILE_NON_DIRECTORY_FILE |
      windows.FILE_NO_INTERMEDIATE_BUFFERING,
  },
  /** A disk or volume: past the cache, and on the medium when a write returns. */
  writeDirect: {
    access: windows.GENERIC_READ | windows.GENERIC_WRITE | windows.SYNCHRONIZE,
    share: windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE,
    disposition: windows.FILE_OPEN,
    options: windows.FILE_SYNCHRONOUS_IO_NONALERT | windows.FILE_NON_DIRECTORY_FILE |
      windows.FILE_NO_INTERMEDIATE_BUFFERING | windows.FILE_WRITE_THROUGH,
  },
} as const satisfies Record<string, OpenOptions>;

const HINTS: Readonly<Record<string, string>> = {
  ERROR_FILE_NOT_FOUND: "check the name; `sectorshot list` shows the disks of this machine",
  ERROR_PATH_NOT_FOUND: "check the name; `sectorshot list` shows the disks of this machine",
  ERROR_INVALID_NAME: 'a name may not hold any of < > : " | ? *',
  ERROR_NOT_READY: "put a card or disc into the drive",
  ERROR_NO_MEDIA_IN_DRIVE: "put a card or disc into the drive",
  ERROR_WRITE_PROTECT: "the medium is read-only; look for a lock switch on the card or its " +
    "adapter, and at `diskpart`'s `attributes disk`",
  ERROR_SHARING_VIOLATION: "close the program that uses it",
  ERROR_LOCK_VIOLATION: "close the program that uses it",
  ERROR_DISK_FULL: "free some room, or choose another folder, then run the same command again",
  ERROR_HANDLE_DISK_FULL:
    "free some room, or choose another folder, then run the same command again",
  ERROR_DISK_QUOTA_EXCEEDED:
    "the quota is used up: choose another folder, then run the same command again",
  FVE_E_LOCKED_VOLUME:
    "unlock it in Windows, or name the whole disk, which copies it as it is: encrypted",
  ERROR_FILE_TOO_LARGE: "the file system does not take files of this size: choose another one",
};

/** What to do about an error of the system; undefined where nobody knows. */
export function windowsHint(
  code: string,
  attempt: Attempt,
  elevated: boolean,
): string | undefined {
  if (code !== "ERROR_ACCESS_DENIED") return HINTS[code];
  if (attempt === "file") {
    return "choose a folder that you may write to; if it is one of your own, Windows' " +
      "Controlled folder access may protect it: let sectorshot through in Windows Security, " +
      "Ransomware protection";
  }
  return elevated
    ? "close the programs that use it; if none does, Windows' Controlled folder access may " +
      "protect it: let sectorshot through in Windows Security, Ransomware protection"
    : "add --elevate, or run it in a terminal that was opened with Run as administrator";
}

/** An error that says what was tried, and what to do. */
export function windowsFailure(
  tried: string,
  cause: unknown,
  attempt: Attempt,
  elevated: boolean,
): ImagingError {
  if (!(cause instanceof OsError)) throw cause;
  return new ImagingError("environment", `${tried}: ${cause.message}`, {
    cause,
    osCode: cause.code,
    hint: windowsHint(cause.code, attempt, elevated),
  });
}

/** Is it an error of the system of one of these names? */
export function isWindowsError(error: unknown, ...codes: string[]): boolean {
  return error instanceof OsError && codes.includes(error.code);
}

function alignedIo(channel: WindowsChannel): AlignedIo {
  const { calls, handle, name, alignment, attempt, elevated } = channel;
  return {
    name,
    alignment,
    hintFor: (code) => windowsHint(code, attempt, elevated),
    transfer: (direction, address, length, offset) =>
      calls.call(direction, handle, address, length, offset),
  };
}

/**
 * Reads until `into` is full or the medium ends.
 *
 * @throws {ReadError}
 */
export function readChannel(
  channel: WindowsChannel,
  offset: number,
  into: Bytes,
): Promise<number> {
  return readAligned(alignedIo(channel), offset, into);
}

/**
 * Writes all bytes. A last sector that is not whole is completed with zeros.
 *
 * @throws {WriteError}
 */
export function writeChannel(
  channel: WindowsChannel,
  offset: number,
  bytes: Bytes,
): Promise<void> {
  return writeAligned(alignedIo(channel), offset, bytes);
}

/**
 * Waits until the medium has everything.
 *
 * @throws {WriteError} when it lost something.
 */
export async function flushChannel(channel: WindowsChannel): Promise<void> {
  const { calls, handle, name, attempt, elevated } = channel;
  try {
    await calls.call("flush", handle);
  } catch (cause) {
    if (!(cause instanceof OsError)) throw cause;
    throw new WriteError(
      `cannot flush ${name}: ${cause.message}; what was written may be lost`,
      0,
      { cause, osCode: cause.code, hint: windowsHint(cause.code, attempt, elevated) },
    );
  }
}

/** Closes a handle. What had to be durable was flushed before. */
export async function closeHandle(calls: WindowsCalls, handle: bigint): Promise<void> {
  try {
    await calls.call("close", handle);
  } catch (error) {
    if (!(error instanceof OsError)) throw error;
  }
}

/** A control code that neither asks nor answers. */
export async function control(
  calls: WindowsCalls,
  handle: bigint,
  code: number,
): Promise<void> {
  await calls.call("control", handle, code, null, 0);
}
