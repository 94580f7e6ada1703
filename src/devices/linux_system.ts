/** What Linux does in its own way. */
import type { LibcCalls } from "../../ffi/libc_thread.ts";
import { errnoError } from "../../ffi/libc.ts";
import * as linux from "../../ffi/linux.ts";
import { OsError } from "../../ffi/os_error.ts";
import { cString } from "../../ffi/strings.ts";
import { statOpened, statPath } from "../../ffi/system_files.ts";
import { COMMON_HINTS, type PosixSystem } from "./posix_io.ts";

const EEXIST = 17;

/** Linux, for what is written once for it and macOS. */
export const linuxSystem: PosixSystem = {
  flags: {
    read: linux.O_RDONLY,
    write: linux.O_WRONLY,
    readWrite: linux.O_RDWR,
    create: linux.O_CREAT,
    truncate: linux.O_TRUNC,
    directory: linux.O_DIRECTORY,
    closeOnExec: linux.O_CLOEXEC,
  },
  hints: {
    ...COMMON_HINTS,
    EPERM: "run it with sudo; if you did, a policy of this system forbids it",
    ENOMEDIUM: "put a card or disc into the drive",
    EBUSY: "unmount it, or close the program that uses it",
  },
  sizeOf: (path) => statPath(path).size,
  statusOf: (named) => typeof named === "number" ? statOpened(named) : statPath(named, false),
  flush: (thread, descriptor) => thread.call("fsync", descriptor),
  renameNew,
};

/** Not every file system knows RENAME_NOREPLACE; there the look before is all there is. */
async function renameNew(thread: LibcCalls, from: string, to: string): Promise<void> {
  try {
    const here = linux.AT_FDCWD;
    const flag = linux.RENAME_NOREPLACE;
    await thread.call("renameat2", here, cString(from), here, cString(to), flag);
  } catch (error) {
    if (!isOsError(error, "EINVAL", "ENOSYS")) throw error;
    if (exists(to)) throw errnoError("rename", EEXIST);
    await thread.call("rename", cString(from), cString(to));
  }
}

function exists(path: string): boolean {
  try {
    statPath(path, false);
    return true;
  } catch (error) {
    if (!isOsError(error, "ENOENT")) throw error;
    return false;
  }
}

function isOsError(error: unknown, ...codes: string[]): boolean {
  return error instanceof OsError && codes.includes(error.code);
}
