/**
 * The C library of macOS (libSystem): the functions that sectorshot calls. Beside each
 * parameter stands its C type, from the manual pages (sections 2 and 3).
 *
 * Apple's arm64 passes the arguments behind the named ones of a variadic function on the
 * stack (Apple, "Writing ARM64 code for Apple platforms", "Update code that passes
 * arguments to variadic functions"), where eight registers precede the stack. An FFI
 * signature knows no variadic functions, so there the variable argument is made the ninth,
 * behind dummies that fill the registers; see {@linkcode macosArguments}. On Intel it is
 * passed like any other.
 */
import { POSIX_SYMBOLS } from "./posix_symbols.ts";
import type { LibcArgument } from "./libc.ts";

/** Arguments that travel in registers on arm64: x0 to x7. */
const REGISTER_ARGUMENTS = 8;

/** The variadic functions, and how many arguments are named in their declarations. */
const VARIADIC: Readonly<Record<string, number | undefined>> = { open: 2, ioctl: 2, fcntl: 2 };

/** Dummies in front of a variable argument. */
function dummiesOf(call: string, arch: string): number {
  const named = VARIADIC[call];
  return named === undefined || arch !== "aarch64" ? 0 : REGISTER_ARGUMENTS - named;
}

/** The types that variadic functions take. */
type VariadicType = "buffer" | "i32" | "u64" | "pointer";

/** A function whose number of parameters depends on the processor. */
interface VariadicSymbol {
  readonly parameters: readonly VariadicType[];
  readonly result: "i32";
}

function variadic(
  call: string,
  arch: string,
  named: readonly VariadicType[],
  variable: VariadicType,
): VariadicSymbol {
  const dummies = new Array<VariadicType>(dummiesOf(call, arch)).fill("u64");
  return { parameters: [...named, ...dummies, variable], result: "i32" };
}

/** A function that fills in a structure about what a path, or a descriptor, stands for. */
interface StatusSymbol<Subject extends "buffer" | "i32"> {
  readonly name: string;
  readonly parameters: readonly [Subject, "buffer"];
  readonly result: "i32";
}

/**
 * On Intel the plain name is that of the function with the older structure, in which
 * inodes have 32 bits; on arm64 there is no older one (xnu's bsd/sys/cdefs.h,
 * __DARWIN_INODE64).
 */
function status<Subject extends "buffer" | "i32">(
  name: string,
  arch: string,
  subject: Subject,
): StatusSymbol<Subject> {
  return {
    name: arch === "x86_64" ? `${name}$INODE64` : name,
    parameters: [subject, /* struct stat *, struct statfs * */ "buffer"],
    result: "i32",
  };
}

/** Signatures that are the same on both processors. */
const COMMON_SYMBOLS = {
  ...POSIX_SYMBOLS,
  /** int renamex_np(const char *from, const char *to, unsigned flags); */
  renamex_np: {
    parameters: [
      /* const char * */ "buffer",
      /* const char * */ "buffer",
      /* unsigned int */ "u32",
    ],
    result: "i32",
  },
  /** void *mmap(void *address, size_t length, int, int flags, int fd, off_t offset); */
  mmap: {
    parameters: [
      /* void * */ "pointer",
      /* size_t */ "usize",
      /* int */ "i32",
      /* int */ "i32",
      /* int */ "i32",
      /* off_t */ "i64",
    ],
    // An address; as a number, so that MAP_FAILED is -1 like every other failure.
    result: "isize",
  },
  /** int msync(void *address, size_t length, int flags); */
  msync: {
    parameters: [/* void * */ "pointer", /* size_t */ "usize", /* int */ "i32"],
    result: "i32",
  },
  /** int munmap(void *address, size_t length); */
  munmap: { parameters: [/* void * */ "pointer", /* size_t */ "usize"], result: "i32" },
  /** int sysctlbyname(const char *, void *old, size_t *oldLength, void *new, size_t length); */
  sysctlbyname: {
    parameters: [
      /* const char * */ "buffer",
      /* void * */ "buffer",
      /* size_t * */ "buffer",
      /* void * */ "pointer",
      /* size_t */ "usize",
    ],
    result: "i32",
  },
  /** int *__error(void); */
  __error: { parameters: [], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The functions of macOS's C library. */
export type MacosSymbols =
  & typeof COMMON_SYMBOLS
  & Record<"open" | "ioctl" | "fcntl", VariadicSymbol>
  & Record<"stat" | "lstat" | "statfs", StatusSymbol<"buffer">>
  & Record<"fstat", StatusSymbol<"i32">>;

/** The functions as a processor calls them: "aarch64" or "x86_64". */
export function macosSymbols(arch: string): MacosSymbols {
  return {
    ...COMMON_SYMBOLS,
    // int open(const char *path, int flags, ... /* mode_t mode */);
    open: variadic("open", arch, ["buffer", "i32"], "u64"),
    // int ioctl(int fd, unsigned long request, ... /* void *argument */);
    ioctl: variadic("ioctl", arch, ["i32", "u64"], "pointer"),
    // int fcntl(int fd, int command, ... /* int argument */);
    fcntl: variadic("fcntl", arch, ["i32", "i32"], "u64"),
    // int stat(const char *path, struct stat *); lstat does not follow a symbolic link.
    stat: status("stat", arch, "buffer"),
    lstat: status("lstat", arch, "buffer"),
    // int fstat(int fd, struct stat *);
    fstat: status("fstat", arch, "i32"),
    // int statfs(const char *path, struct statfs *);
    statfs: status("statfs", arch, "buffer"),
  };
}

/** The functions as this processor calls them. */
export const MACOS_SYMBOLS: MacosSymbols = macosSymbols(Deno.build.arch);

/** The opened C library of macOS. */
export type MacosLibc = Deno.DynamicLibrary<MacosSymbols>["symbols"];

let opened: MacosLibc | undefined;

/** The C library of this process, opened at the first call. */
export function macosLibc(): MacosLibc {
  opened ??= Deno.dlopen("/usr/lib/libSystem.B.dylib", MACOS_SYMBOLS).symbols;
  return opened;
}

/** The arguments of a call, with the dummies that this processor's convention needs. */
export function macosArguments(
  call: string,
  args: readonly LibcArgument[],
  arch: string = Deno.build.arch,
): LibcArgument[] {
  const named = VARIADIC[call] ?? args.length;
  const dummies = new Array<bigint>(dummiesOf(call, arch)).fill(0n);
  return [...args.slice(0, named), ...dummies, ...args.slice(named)];
}
