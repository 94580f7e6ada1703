/**
 * What paths name on macOS, which file systems hold them, and what the kernel says of itself.
 * Synchronous: for names and structures, not for data on disks.
 */
import { believed } from "./libc.ts";
import { macosLibc } from "./macos_libc.ts";
import { PATH_MAX, STAT, STATFS } from "./macos.ts";
import { cString, fromCString } from "./strings.ts";
import type { FileKind, FileStatus } from "./system_files.ts";

const KINDS: Readonly<Record<number, FileKind>> = {
  0x8000: "file",
  0x4000: "directory",
  0x6000: "block",
  0x2000: "character",
};

/** "major:minor": eight and twenty-four bits (xnu's bsd/sys/types.h). */
function devicePair(device: number): string {
  return `${device >>> 24}:${device & 0xffffff}`;
}

/** Reads a struct stat. */
export function parseStat(bytes: Uint8Array): FileStatus {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const mode = view.getUint16(STAT.mode, true);
  return {
    kind: KINDS[mode & 0xf000] ?? "other",
    size: Number(view.getBigInt64(STAT.size, true)),
    rdev: devicePair(view.getInt32(STAT.rdev, true)),
    dev: devicePair(view.getInt32(STAT.dev, true)),
    inode: view.getBigUint64(STAT.ino, true),
    permissions: mode & 0o7777,
  };
}

/**
 * What the path names; symbolic links are followed unless `followLinks` is false.
 *
 * @throws {OsError} ENOENT, EACCES, ENOTDIR …
 */
export function statMacos(path: string, followLinks = true): FileStatus {
  const buffer = new Uint8Array(STAT.bytes);
  const call = followLinks ? "stat" : "lstat";
  believed(call, () => macosLibc()[call](cString(path), buffer), (result) => result < 0);
  return parseStat(buffer);
}

/**
 * What an open file is, whether it still has a name or not.
 *
 * @throws {OsError} EBADF
 */
export function statOpenedMacos(descriptor: number): FileStatus {
  const buffer = new Uint8Array(STAT.bytes);
  believed("fstat", () => macosLibc().fstat(descriptor, buffer), (result) => result < 0);
  return parseStat(buffer);
}

/**
 * The absolute path with every symbolic link resolved.
 *
 * @throws {OsError} ENOENT, EACCES, ELOOP …
 */
export function realPathMacos(path: string): string {
  const resolved = new Uint8Array(PATH_MAX);
  const ask = (): Deno.PointerValue => macosLibc().realpath(cString(path), resolved);
  believed("realpath", ask, (result) => result === null);
  return fromCString(resolved);
}

/** A mounted file system. */
export interface FileSystemStatus {
  /** "apfs", "hfs", "msdos", "exfat", "smbfs", "devfs" */
  readonly type: string;
  /** Where it is mounted: "/Volumes/CARD". */
  readonly mountPoint: string;
  /** What is mounted there: "/dev/disk4s1", "devfs", "//user@server/share". */
  readonly source: string;
}

/** Reads a struct statfs. */
export function parseStatfs(bytes: Uint8Array): FileSystemStatus {
  const text = (from: number, length: number): string =>
    fromCString(bytes.subarray(from, from + length));
  return {
    type: text(STATFS.fstypename, STATFS.mntonname - STATFS.fstypename),
    mountPoint: text(STATFS.mntonname, STATFS.mntfromname - STATFS.mntonname),
    source: text(STATFS.mntfromname, PATH_MAX),
  };
}

/**
 * The file system that holds a path.
 *
 * @throws {OsError} ENOENT, EACCES …
 */
export function fileSystemMacos(path: string): FileSystemStatus {
  const buffer = new Uint8Array(STATFS.bytes);
  believed("statfs", () => macosLibc().statfs(cString(path), buffer), (result) => result < 0);
  return parseStatfs(buffer);
}

/** More than any text that the kernel tells of itself. */
const SYSCTL_BYTES = 1024;

/**
 * A text of the kernel (sysctl(3)): "kern.hostname".
 *
 * @throws {OsError} ENOENT
 */
export function systemTextMacos(name: string): string {
  const text = new Uint8Array(SYSCTL_BYTES);
  const length = new Uint8Array(8);
  const ask = (): number => {
    new DataView(length.buffer).setBigUint64(0, BigInt(SYSCTL_BYTES), true);
    return macosLibc().sysctlbyname(cString(name), text, length, null, 0n);
  };
  believed("sysctlbyname", ask, (result) => result < 0);
  return fromCString(text);
}
