/**
 * The C library of Linux: the functions that sectorshot calls, opened on first
 * use. Beside each parameter stands its C type, from the POSIX and Linux
 * manual pages (sections 2 and 3).
 *
 * `off_t`, `size_t` and `ssize_t` are 64 bits wide on every system that this
 * table serves (x86-64 and arm64).
 */
export const LIBC_SYMBOLS = {
  /** int open(const char *path, int flags, mode_t mode); */
  open: {
    parameters: [
      /* const char * */ "buffer",
      /* int */ "i32",
      /* mode_t */ "u32",
    ],
    result: "i32",
  },
  /** int close(int fd); */
  close: { parameters: [/* int */ "i32"], result: "i32" },
  /** ssize_t read(int fd, void *buffer, size_t count); */
  read: {
    parameters: [/* int */ "i32", /* void * */ "pointer", /* size_t */ "usize"],
    result: "isize",
  },
  /** ssize_t pread(int fd, void *buffer, size_t count, off_t offset); */
  pread: {
    parameters: [
      /* int */ "i32",
      /* void * */ "pointer",
      /* size_t */ "usize",
      /* off_t */ "i64",
    ],
    result: "isize",
  },
  /** ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset); */
  pwrite: {
    parameters: [
      /* int */ "i32",
      /* const void * */ "pointer",
      /* size_t */ "usize",
      /* off_t */ "i64",
    ],
    result: "isize",
  },
  /** int fsync(int fd); */
  fsync: { parameters: [/* int */ "i32"], result: "i32" },
  /** int ftruncate(int fd, off_t length); */
  ftruncate: {
    parameters: [/* int */ "i32", /* off_t */ "i64"],
    result: "i32",
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
  /** int flock(int fd, int operation); */
  flock: { parameters: [/* int */ "i32", /* int */ "i32"], result: "i32" },
  /** int rename(const char *from, const char *to); */
  rename: {
    parameters: [/* const char * */ "buffer", /* const char * */ "buffer"],
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
  /** int unlink(const char *path); */
  unlink: { parameters: [/* const char * */ "buffer"], result: "i32" },
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
  /** char *realpath(const char *path, char *resolved /* PATH_MAX *\/); */
  realpath: {
    parameters: [/* const char * */ "buffer", /* char * */ "buffer"],
    result: "pointer",
  },
  /** ssize_t readlink(const char *path, char *buffer, size_t size); */
  readlink: {
    parameters: [
      /* const char * */ "buffer",
      /* char * */ "buffer",
      /* size_t */ "usize",
    ],
    result: "isize",
  },
  /** DIR *opendir(const char *path); */
  opendir: { parameters: [/* const char * */ "buffer"], result: "pointer" },
  /** struct dirent *readdir(DIR *directory); */
  readdir: { parameters: [/* DIR * */ "pointer"], result: "pointer" },
  /** int closedir(DIR *directory); */
  closedir: { parameters: [/* DIR * */ "pointer"], result: "i32" },
  /** int posix_memalign(void **memory, size_t alignment, size_t size); */
  posix_memalign: {
    parameters: [
      /* void ** */ "buffer",
      /* size_t */ "usize",
      /* size_t */ "usize",
    ],
    result: "i32",
  },
  /** void free(void *memory); */
  free: { parameters: [/* void * */ "pointer"], result: "void" },
  /** int memcmp(const void *a, const void *b, size_t length); */
  memcmp: {
    parameters: [
      /* const void * */ "buffer",
      /* const void * */ "buffer",
      /* size_t */ "usize",
    ],
    result: "i32",
  },
  /** int *__errno_location(void); */
  __errno_location: { parameters: [], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The opened C library. */
export type Libc = Deno.DynamicLibrary<typeof LIBC_SYMBOLS>["symbols"];

let opened: Libc | undefined;

/** The C library of this process, opened at the first call. */
export function libc(): Libc {
  opened ??= Deno.dlopen("libc.so.6", LIBC_SYMBOLS).symbols;
  return opened;
}

/**
 * The calling thread's `errno`. Right only when it is read straight after a
 * synchronous call that failed, on the same thread.
 */
export function lastErrno(): number {
  const location = libc().__errno_location();
  return location === null ? 0 : new Deno.UnsafePointerView(location).getInt32();
}
