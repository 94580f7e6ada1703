/**
 * macOS's numbers for open(2), fcntl(2), ioctl(2) and their relatives, and the structures
 * that they fill in: the same on Apple silicon and Intel.
 *
 * Sources, in xnu's bsd/sys: fcntl.h (O_*, F_*), disk.h (DKIOC*), ioccom.h (how a request
 * is put together), stdio.h (RENAME_*), mman.h (PROT_*, MAP_*, MS_*), stat.h (struct stat
 * with inodes of 64 bits), mount.h (struct statfs with the same), syslimits.h.
 */

export const O_RDONLY = 0x0;
export const O_WRONLY = 0x1;
export const O_RDWR = 0x2;
export const O_NONBLOCK = 0x4;
/** Take an exclusive flock(2) while opening; with O_NONBLOCK: or fail with EAGAIN. */
export const O_EXLOCK = 0x20;
export const O_CREAT = 0x200;
export const O_TRUNC = 0x400;
export const O_DIRECTORY = 0x100000;
export const O_CLOEXEC = 0x1000000;

/** Turn the cache off (1) or on (0) for this descriptor. Argument: int. */
export const F_NOCACHE = 48;
/** fsync, and the drive writes its own cache to the medium. Argument: none. */
export const F_FULLFSYNC = 51;

/** Bytes of a logical sector. Argument: u32 *. */
export const DKIOCGETBLOCKSIZE = 0x40046418;
/** Logical sectors of the disk or partition. Argument: u64 *. */
export const DKIOCGETBLOCKCOUNT = 0x40086419;
/** May it be written to? Argument: u32 *. */
export const DKIOCISWRITABLE = 0x4004641d;
/** Bytes of the longest read that the driver takes; 0: not said. Argument: u64 *. */
export const DKIOCGETMAXBYTECOUNTREAD = 0x40086446;
/** Bytes of the longest write that the driver takes; 0: not said. Argument: u64 *. */
export const DKIOCGETMAXBYTECOUNTWRITE = 0x40086447;
/** Make the medium have what was written. Argument: dk_synchronize_t *. */
export const DKIOCSYNCHRONIZE = 0x80186416;
/** The same by its older name. Argument: none. */
export const DKIOCSYNCHRONIZECACHE = 0x20006416;

/**
 * dk_synchronize_t: u64 offset, u64 length, u32 options, u8 reserved[4]. All zeros mean:
 * the whole medium, and really written (no mere barrier).
 */
export const DK_SYNCHRONIZE_BYTES = 24;

/** renamex_np: fail with EEXIST instead of replacing the destination. */
export const RENAME_EXCL = 0x4;

export const PROT_READ = 0x1;
export const MAP_SHARED = 0x1;
/** msync: drop what the cache holds of the pages. */
export const MS_INVALIDATE = 0x2;
/** msync: write changed pages to the file, and wait for it. */
export const MS_SYNC = 0x10;

/** Bytes of the longest path, with its closing NUL. */
export const PATH_MAX = 1024;

/** struct stat: offsets of the fields that are read. */
export const STAT = {
  bytes: 144,
  dev: 0, // dev_t (int32)
  mode: 4, // mode_t (u16)
  ino: 8, // u64
  rdev: 24, // dev_t (int32)
  size: 96, // off_t (i64)
} as const;

/** struct statfs: offsets of the fields that are read. */
export const STATFS = {
  bytes: 2168,
  fstypename: 72, // char[16]
  mntonname: 88, // char[1024]
  mntfromname: 1112, // char[1024]
} as const;
