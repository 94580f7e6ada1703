/**
 * The C library of Linux: the functions that sectorshot calls. Beside each parameter
 * stands its C type, from the Linux manual pages (sections 2 and 3).
 */
import { POSIX_SYMBOLS } from "./posix_symbols.ts";

export const LINUX_SYMBOLS = {
  ...POSIX_SYMBOLS,
  /** int open(const char *path, int flags, mode_t mode); */
  open: {
    parameters: [
      /* const char * */ "buffer",
      /* int */ "i32",
      /* mode_t */ "u32",
    ],
    result: "i32",
  },
  /** off_t lseek(int fd, off_t offset, int whence); */
  lseek: {
    parameters: [/* int */ "i32", /* off_t */ "i64", /* int */ "i32"],
    result: "i64",
  },
  /** int posix_fadvise(int fd, off_t offset, off_t length, int advice); */
  posix_fadvise: {
    parameters: [
      /* int */ "i32",
      /* off_t */ "i64",
      /* off_t */ "i64",
      /* int */ "i32",
    ],
    result: "i32",
  },
  /** int ioctl(int fd, unsigned long request, void *argument); */
  ioctl: {
    parameters: [
      /* int */ "i32",
      /* unsigned long */ "usize",
      /* void * */ "pointer",
    ],
    result: "i32",
  },
  /** int renameat2(int fromDir, const char *, int toDir, const char *, unsigned flags); */
  renameat2: {
    parameters: [
      /* int */ "i32",
      /* const char * */ "buffer",
      /* int */ "i32",
      /* const char * */ "buffer",
      /* unsigned int */ "u32",
    ],
    result: "i32",
  },
  /** int umount2(const char *target, int flags); */
  umount2: {
    parameters: [/* const char * */ "buffer", /* int */ "i32"],
    result: "i32",
  },
  /** int statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *); */
  statx: {
    parameters: [
      /* int */ "i32",
      /* const char * */ "buffer",
      /* int */ "i32",
      /* unsigned int */ "u32",
      /* struct statx * */ "buffer",
    ],
    result: "i32",
  },
  /** DIR *opendir(const char *path); */
  opendir: { parameters: [/* const char * */ "buffer"], result: "pointer" },
  /** struct dirent *readdir(DIR *directory); */
  readdir: { parameters: [/* DIR * */ "pointer"], result: "pointer" },
  /** int closedir(DIR *directory); */
  closedir: { parameters: [/* DIR * */ "pointer"], result: "i32" },
  /** int *__errno_location(void); */
  __errno_location: { parameters: [], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The opened C library of Linux. */
export type LinuxLibc = Deno.DynamicLibrary<typeof LINUX_SYMBOLS>["symbols"];

let opened: LinuxLibc | undefined;

/** The C library of this process, opened at the first call. */
export function linuxLibc(): LinuxLibc {
  opened ??= Deno.dlopen("libc.so.6", LINUX_SYMBOLS).symbols;
  return opened;
}
