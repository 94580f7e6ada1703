/**
 * Functions that the C libraries of Linux and macOS have in common, called in the same
 * way. Beside each parameter stands its C type, from POSIX.1-2024 (flock: the manual
 * pages of both).
 *
 * `off_t`, `size_t` and `ssize_t` are 64 bits wide on every system that this table serves
 * (x86-64 and arm64). Functions with a variable number of arguments are not here: Apple's
 * arm64 passes those in another way.
 */
export const POSIX_SYMBOLS = {
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
  /** int flock(int fd, int operation); */
  flock: { parameters: [/* int */ "i32", /* int */ "i32"], result: "i32" },
  /** int rename(const char *from, const char *to); */
  rename: {
    parameters: [/* const char * */ "buffer", /* const char * */ "buffer"],
    result: "i32",
  },
  /** int unlink(const char *path); */
  unlink: { parameters: [/* const char * */ "buffer"], result: "i32" },
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
} as const satisfies Deno.ForeignLibraryInterface;
