/**
 * Linux's numbers for open(2), ioctl(2) and their relatives.
 *
 * Sources: include/uapi/linux/fs.h (BLK*), include/uapi/asm-generic/fcntl.h
 * with arch/arm64/include/uapi/asm/fcntl.h (O_*), include/uapi/linux/fadvise.h,
 * include/uapi/linux/stat.h, include/uapi/linux/fcntl.h.
 */

export const O_RDONLY = 0x0;
export const O_WRONLY = 0x1;
export const O_RDWR = 0x2;
export const O_CREAT = 0x40;
export const O_EXCL = 0x80;
export const O_TRUNC = 0x200;
export const O_NONBLOCK = 0x800;
export const O_CLOEXEC = 0x80000;
/** Differs by architecture: arm64 has its own fcntl.h. */
export const O_DIRECT = Deno.build.arch === "aarch64" ? 0x10000 : 0x4000;
export const O_DIRECTORY = Deno.build.arch === "aarch64" ? 0x4000 : 0x10000;

/** Re-read the partition table. Argument: none. */
export const BLKRRPART = 0x125f;
/** Write back and drop the buffer cache of the device. Argument: none. */
export const BLKFLSBUF = 0x1261;
/** Is the device read-only? Argument: int *. */
export const BLKROGET = 0x125e;
/** Logical sector size in bytes. Argument: int *. */
export const BLKSSZGET = 0x1268;
/** Physical sector size in bytes. Argument: unsigned int *. */
export const BLKPBSZGET = 0x127b;
/** Size in bytes. Argument: u64 *. */
export const BLKGETSIZE64 = 0x80081272;
/** A number that no other disk of this boot has had. Argument: u64 *. */
export const BLKGETDISKSEQ = 0x80081280;

/** Discard a range; what it reads as then is the device's matter. Argument: u64[2] *. */
export const BLKDISCARD = 0x1277;
/** Make a range read as zeros. Argument: u64[2] *, first byte and length. */
export const BLKZEROOUT = 0x127f;

/** lseek: the first byte of data at or behind the offset; ENXIO where there is none. */
export const SEEK_DATA = 3;
/** lseek: the size of the file. */
export const SEEK_END = 2;

export const POSIX_FADV_SEQUENTIAL = 2;
export const POSIX_FADV_DONTNEED = 4;

export const LOCK_EX = 2;
export const LOCK_NB = 4;

export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
/** statx: what the descriptor itself stands for, with an empty path. */
export const AT_EMPTY_PATH = 0x1000;
/** renameat2: fail with EEXIST instead of replacing the destination. */
export const RENAME_NOREPLACE = 1;

/** struct statx: offsets of the fields that are read, in a buffer of 256 bytes. */
export const STATX = {
  bytes: 256,
  basicMask: 0x7ff, // STATX_BASIC_STATS
  mode: 28, // __u16
  ino: 32, // __u64
  size: 40, // __u64
  rdevMajor: 128, // __u32
  rdevMinor: 132, // __u32
  devMajor: 136, // __u32
  devMinor: 140, // __u32
} as const;
