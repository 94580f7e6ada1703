/**
 * Small files and names of the system, read through the C library: Deno itself
 * opens /dev, /proc and /sys only when it was given every permission there is.
 *
 * Synchronous: for /proc, /sys and the names of files, not for data on disks.
 */
import { believed, errnoError, lastErrno } from "./libc.ts";
import { linuxLibc } from "./linux_libc.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_CLOEXEC,
  O_RDONLY,
  STATX,
} from "./linux.ts";
import { cString, fromCString } from "./strings.ts";

/** Do functions that answer a number below zero when they fail, fail? */
function isNegative(result: number | bigint): boolean {
  return result < 0;
}

function isNull(result: Deno.PointerValue): boolean {
  return result === null;
}

const PATH_MAX = 4096;
const EINTR = 4;

/** What kind of thing a path names. */
export type FileKind = "file" | "directory" | "block" | "character" | "other";

/** The part of struct statx that matters here. */
export interface FileStatus {
  readonly kind: FileKind;
  /** Bytes of a regular file; 0 for devices. */
  readonly size: number;
  /** "major:minor" of the device that a device node stands for. */
  readonly rdev: string;
  /** "major:minor" of the device that holds the file. */
  readonly dev: string;
  readonly inode: bigint;
  /** Permission bits, as in chmod. */
  readonly permissions: number;
}

const KINDS: Readonly<Record<number, FileKind>> = {
  0x8000: "file",
  0x4000: "directory",
  0x6000: "block",
  0x2000: "character",
};

/**
 * What the path names; symbolic links are followed unless `followLinks` is false.
 *
 * @throws {OsError} ENOENT, EACCES, ENOTDIR …
 */
export function statPath(path: string, followLinks = true): FileStatus {
  return statusAt(AT_FDCWD, path, followLinks ? 0 : AT_SYMLINK_NOFOLLOW);
}

/**
 * What an open file is, whether it still has a name or not.
 *
 * @throws {OsError} EBADF
 */
export function statOpened(descriptor: number): FileStatus {
  return statusAt(descriptor, "", AT_EMPTY_PATH);
}

function statusAt(directory: number, path: string, flags: number): FileStatus {
  const buffer = new Uint8Array(STATX.bytes);
  const name = cString(path);
  const { basicMask } = STATX;
  const ask = (): number => linuxLibc().statx(directory, name, flags, basicMask, buffer);
  believed("statx", ask, isNegative);
  const view = new DataView(buffer.buffer);
  const mode = view.getUint16(STATX.mode, true);
  const pair = (at: number): string =>
    `${view.getUint32(at, true)}:${view.getUint32(at + 4, true)}`;
  return {
    kind: KINDS[mode & 0xf000] ?? "other",
    size: Number(view.getBigUint64(STATX.size, true)),
    rdev: pair(STATX.rdevMajor),
    dev: pair(STATX.devMajor),
    inode: view.getBigUint64(STATX.ino, true),
    permissions: mode & 0o7777,
  };
}

/**
 * The absolute path with every symbolic link resolved.
 *
 * @throws {OsError} ENOENT, EACCES, ELOOP …
 */
export function realPath(path: string): string {
  const resolved = new Uint8Array(PATH_MAX);
  believed("realpath", () => linuxLibc().realpath(cString(path), resolved), isNull);
  return fromCString(resolved);
}

/**
 * Where a symbolic link points, as it is written there.
 *
 * @throws {OsError} EINVAL when it is no link.
 */
export function readLink(path: string): string {
  const target = new Uint8Array(PATH_MAX);
  const room = BigInt(PATH_MAX - 1);
  const ask = (): bigint => BigInt(linuxLibc().readlink(cString(path), target, room));
  const length = Number(believed("readlink", ask, isNegative));
  return fromCString(target.subarray(0, length + 1));
}

/**
 * The whole file.
 *
 * @throws {OsError} ENOENT, EACCES, EIO …
 */
export function readSystemFile(path: string): Uint8Array<ArrayBuffer> {
  const open = (): number => linuxLibc().open(cString(path), O_RDONLY | O_CLOEXEC, 0);
  const descriptor = believed("open", open, isNegative);
  try {
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    for (;;) {
      const piece = new Uint8Array(64 * 1024);
      const length = Number(
        linuxLibc().read(
          descriptor,
          Deno.UnsafePointer.of(piece),
          BigInt(piece.length),
        ),
      );
      if (length < 0) {
        const errno = lastErrno();
        if (errno === EINTR) continue;
        throw errnoError("read", errno);
      }
      if (length === 0) break;
      pieces.push(piece.subarray(0, length));
    }
    return joined(pieces);
  } finally {
    linuxLibc().close(descriptor);
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(
    pieces.reduce((sum, piece) => sum + piece.length, 0),
  );
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** struct dirent: ino u64, off i64, reclen u16, type u8, name from here. */
const DIRENT_NAME = 19;

/**
 * The names in a directory, sorted, without "." and "..".
 *
 * @throws {OsError} ENOENT, EACCES, ENOTDIR …
 */
export function listDirectory(path: string): string[] {
  const directory = believed("opendir", () => linuxLibc().opendir(cString(path)), isNull);
  try {
    const names: string[] = [];
    for (;;) {
      const entry = linuxLibc().readdir(directory);
      if (entry === null) break;
      names.push(new Deno.UnsafePointerView(entry).getCString(DIRENT_NAME));
    }
    return names.filter((name) => name !== "." && name !== "..").sort();
  } finally {
    linuxLibc().closedir(directory);
  }
}
