/** The numbers and layouts of macOS, put together from the definitions in xnu's headers. */
import { assertEquals } from "@std/assert";
import * as macos from "../../ffi/macos.ts";

const IOC_VOID = 0x20000000;
const IOC_OUT = 0x40000000;
const IOC_IN = 0x80000000;

/** _IOC of bsd/sys/ioccom.h: direction, size of the argument, group, number. */
function request(direction: number, number: number, bytes: number): number {
  return direction + (bytes & 0x1fff) * 2 ** 16 + "d".charCodeAt(0) * 2 ** 8 + number;
}

const U32 = 4;
const U64 = 8;

Deno.test("requests are numbered as bsd/sys/disk.h defines them", () => {
  assertEquals(macos.DKIOCGETBLOCKSIZE, request(IOC_OUT, 24, U32));
  assertEquals(macos.DKIOCGETBLOCKCOUNT, request(IOC_OUT, 25, U64));
  assertEquals(macos.DKIOCISWRITABLE, request(IOC_OUT, 29, U32));
  assertEquals(macos.DKIOCGETMAXBYTECOUNTREAD, request(IOC_OUT, 70, U64));
  assertEquals(macos.DKIOCGETMAXBYTECOUNTWRITE, request(IOC_OUT, 71, U64));
  assertEquals(macos.DKIOCSYNCHRONIZECACHE, request(IOC_VOID, 22, 0));
  // dk_synchronize_t
  const { bytes } = layout([["offset", U64], ["length", U64], ["options", U32], [
    "reserved0160",
    1,
    4,
  ]]);
  assertEquals(macos.DK_SYNCHRONIZE_BYTES, bytes);
  assertEquals(macos.DKIOCSYNCHRONIZE, request(IOC_IN, 22, bytes));
});

Deno.test("flags and commands are those of fcntl.h, stdio.h and mman.h", () => {
  assertEquals(macos.O_RDONLY, 0x0000);
  assertEquals(macos.O_WRONLY, 0x0001);
  assertEquals(macos.O_RDWR, 0x0002);
  assertEquals(macos.O_NONBLOCK, 0x00000004);
  assertEquals(macos.O_EXLOCK, 0x00000020);
  assertEquals(macos.O_CREAT, 0x00000200);
  assertEquals(macos.O_TRUNC, 0x00000400);
  assertEquals(macos.O_DIRECTORY, 0x00100000);
  assertEquals(macos.O_CLOEXEC, 0x01000000);
  assertEquals(macos.F_NOCACHE, 48);
  assertEquals(macos.F_FULLFSYNC, 51);
  assertEquals(macos.RENAME_EXCL, 0x00000004);
  assertEquals(macos.PROT_READ, 0x01);
  assertEquals(macos.MAP_SHARED, 0x0001);
  assertEquals(macos.MS_INVALIDATE, 0x0002);
  assertEquals(macos.MS_SYNC, 0x0010);
});

/** A field of a C structure: its name, the size of its type, and how many there are. */
type Field = readonly [name: string, size: number, count?: number];

/**
 * Where a C compiler puts the fields: each on a multiple of its type's size, and the whole
 * filled up to a multiple of the largest (System V and Apple's ABI for x86-64 and arm64).
 */
function layout(fields: readonly Field[]): { bytes: number; at: Record<string, number> } {
  let offset = 0;
  const at: Record<string, number> = {};
  for (const [name, size, count = 1] of fields) {
    offset = Math.ceil(offset / size) * size;
    at[name] = offset;
    offset += size * count;
  }
  const largest = Math.max(...fields.map(([, size]) => size));
  return { bytes: Math.ceil(offset / largest) * largest, at };
}

Deno.test("the layout of a structure is that of a C compiler", () => {
  // struct { char a; uint64_t b; uint16_t c; char d[3]; }: 24 bytes with gcc and clang.
  assertEquals(layout([["a", 1], ["b", 8], ["c", 2], ["d", 1, 3]]), {
    bytes: 24,
    at: { a: 0, b: 8, c: 16, d: 18 },
  });
});

Deno.test("struct stat is that of bsd/sys/stat.h with inodes of 64 bits", () => {
  const { bytes, at } = layout([
    ["st_dev", 4], // int32_t
    ["st_mode", 2],
    ["st_nlink", 2],
    ["st_ino", 8],
    ["st_uid", 4],
    ["st_gid", 4],
    ["st_rdev", 4],
    ["st_atimespec", 8, 2], // time_t and long
    ["st_mtimespec", 8, 2],
    ["st_ctimespec", 8, 2],
    ["st_birthtimespec", 8, 2],
    ["st_size", 8],
    ["st_blocks", 8],
    ["st_blksize", 4],
    ["st_flags", 4],
    ["st_gen", 4],
    ["st_lspare", 4],
    ["st_qspare", 8, 2],
  ]);
  const { dev, mode, ino, rdev, size } = macos.STAT;
  assertEquals(macos.STAT.bytes, bytes);
  assertEquals(
    [dev, mode, ino, rdev, size],
    [at.st_dev, at.st_mode, at.st_ino, at.st_rdev, at.st_size] as number[],
  );
});

Deno.test("struct statfs is that of bsd/sys/mount.h with inodes of 64 bits", () => {
  const MFSTYPENAMELEN = 16;
  const MAXPATHLEN = 1024;
  const { bytes, at } = layout([
    ["f_bsize", 4],
    ["f_iosize", 4],
    ["f_blocks", 8],
    ["f_bfree", 8],
    ["f_bavail", 8],
    ["f_files", 8],
    ["f_ffree", 8],
    ["f_fsid", 4, 2],
    ["f_owner", 4],
    ["f_type", 4],
    ["f_flags", 4],
    ["f_fssubtype", 4],
    ["f_fstypename", 1, MFSTYPENAMELEN],
    ["f_mntonname", 1, MAXPATHLEN],
    ["f_mntfromname", 1, MAXPATHLEN],
    ["f_flags_ext", 4],
    ["f_reserved", 4, 7],
  ]);
  const { fstypename, mntonname, mntfromname } = macos.STATFS;
  assertEquals(macos.PATH_MAX, MAXPATHLEN);
  assertEquals(macos.STATFS.bytes, bytes);
  assertEquals(
    [fstypename, mntonname, mntfromname],
    [at.f_fstypename, at.f_mntonname, at.f_mntfromname] as number[],
  );
});
