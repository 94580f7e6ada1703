/** What Apple's processors and compiler do, asked of clang, which compiles for them anywhere. */
import { assertEquals } from "@std/assert";
import * as macos from "../../ffi/macos.ts";
import { macosArguments, macosSymbols } from "../../ffi/macos_libc.ts";
import { run } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs("clang");

/** Names of the processors: Deno's and clang's. */
const TARGETS = { aarch64: "arm64-apple-macos12", x86_64: "x86_64-apple-macos12" } as const;

const C_TYPES: Readonly<Record<string, string>> = {
  buffer: "const void *",
  pointer: "void *",
  i32: "int",
  u64: "unsigned long",
};

/** The variadic functions as their headers declare them, and parameters to call them with. */
const CALLS = {
  open: ["int open(const char *, int, ...);", "const char *a, int b, long c"],
  ioctl: ["int ioctl(int, unsigned long, ...);", "int a, unsigned long b, void *c"],
  fcntl: ["int fcntl(int, int, ...);", "int a, int b, long c"],
} as const;

/** The assembly listing of some C. */
async function compile(
  folder: TemporaryFolder,
  source: string,
  target: string,
): Promise<string> {
  const path = await folder.write("test.c", source);
  const args = ["-target", target, "-ffreestanding", "-O1", "-S", "-o", "-", path];
  return await run("clang", args);
}

/** What a function of an assembly listing puts on the stack for the one that it calls. */
function stackStores(listing: string, name: string): string[] {
  const body = listing.split(`\n_${name}:`)[1]?.split("End function")[0];
  if (body === undefined) throw new Error(`no function ${name} in\n${listing}`);
  const lines = body.split("\n").map((line) => line.trim().replaceAll("\t", " "));
  // arm64: "str x2, [sp]"; x86-64: "movq %rdx, (%rsp)". The frame's own x29 is no argument.
  return lines.filter((line) =>
    /^(?:str|stp|mov[ql]|push[ql]) .*(?:\[sp|\(%rsp\)|push)/.test(line) &&
    !/x29|%rbp/.test(line)
  );
}

Deno.test({
  name: "a variable argument is where the padded signature puts it, on both processors",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    for (const [arch, target] of Object.entries(TARGETS)) {
      for (const [call, [declaration, takes]] of Object.entries(CALLS)) {
        const symbol = macosSymbols(arch)[call as keyof typeof CALLS];
        const types = symbol.parameters.map((type) => C_TYPES[type]);
        // "0" for the dummies, and the names of the parameters for the rest.
        const placed = macosArguments(call, [1, 2, 3], arch)
          .map((value) => ["0", "a", "b", "c"][Number(value)]);
        const casts = placed.map((each, index) => `(${types[index]})${each}`);
        const listing = await compile(
          folder,
          `${declaration}
           int callee(${types.join(", ")});
           int variadic(${takes}) { return ${call}(a, b, c); }
           int padded(${takes}) { return callee(${casts.join(", ")}); }`,
          target,
        );
        const expected = arch === "aarch64" ? ["str x2, [sp]"] : [];
        assertEquals(stackStores(listing, "variadic"), expected, `${call} on ${arch}`);
        assertEquals(stackStores(listing, "padded"), expected, `${call} on ${arch}`);
      }
    }
  },
});

/** The structures as xnu's headers declare them, types spelled out. */
const STRUCTURES = `
typedef unsigned long size_t;
struct timespec { long tv_sec; long tv_nsec; };
struct stat {
  int st_dev; unsigned short st_mode; unsigned short st_nlink; unsigned long long st_ino;
  unsigned st_uid; unsigned st_gid; int st_rdev;
  struct timespec st_atimespec, st_mtimespec, st_ctimespec, st_birthtimespec;
  long long st_size; long long st_blocks; int st_blksize; unsigned st_flags; unsigned st_gen;
  int st_lspare; long long st_qspare[2];
};
typedef struct { int val[2]; } fsid_t;
struct statfs {
  unsigned f_bsize; int f_iosize; unsigned long long f_blocks, f_bfree, f_bavail, f_files, f_ffree;
  fsid_t f_fsid; unsigned f_owner, f_type, f_flags, f_fssubtype;
  char f_fstypename[16]; char f_mntonname[1024]; char f_mntfromname[1024];
  unsigned f_flags_ext; unsigned f_reserved[7];
};
typedef struct {
  unsigned long long offset; unsigned long long length; unsigned options;
  unsigned char reserved0160[4];
} dk_synchronize_t;
`;

Deno.test({
  name: "the compiler lays the structures out as the tables have them",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const { STAT, STATFS, DK_SYNCHRONIZE_BYTES } = macos;
    const at = (struct: string, fields: Readonly<Record<string, number>>): string[] =>
      Object.entries(fields).map(([field, offset]) =>
        `_Static_assert(__builtin_offsetof(struct ${struct}, ${field}) == ${offset}, "${field}");`
      );
    const claims = [
      `_Static_assert(sizeof(struct stat) == ${STAT.bytes}, "stat");`,
      ...at("stat", {
        st_dev: STAT.dev,
        st_mode: STAT.mode,
        st_ino: STAT.ino,
        st_rdev: STAT.rdev,
        st_size: STAT.size,
      }),
      `_Static_assert(sizeof(struct statfs) == ${STATFS.bytes}, "statfs");`,
      ...at("statfs", {
        f_fstypename: STATFS.fstypename,
        f_mntonname: STATFS.mntonname,
        f_mntfromname: STATFS.mntfromname,
      }),
      `_Static_assert(sizeof(dk_synchronize_t) == ${DK_SYNCHRONIZE_BYTES}, "dk_synchronize_t");`,
    ];
    for (const target of Object.values(TARGETS)) {
      await compile(folder, `${STRUCTURES}\n${claims.join("\n")}`, target);
    }
  },
});
