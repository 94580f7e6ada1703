import { assertEquals } from "@std/assert";
import { constants } from "node:fs";
import * as linux from "../../ffi/linux.ts";

/** _IO and _IOR of include/uapi/asm-generic/ioctl.h: direction, size, type, number. */
function ioctlNumber(number: number, read = 0): number {
  return (read > 0 ? 2 * 2 ** 30 : 0) + read * 2 ** 16 + 0x12 * 2 ** 8 + number;
}

Deno.test("requests are numbered as include/uapi/linux/fs.h defines them", () => {
  assertEquals(linux.BLKROGET, ioctlNumber(94));
  assertEquals(linux.BLKRRPART, ioctlNumber(95));
  assertEquals(linux.BLKFLSBUF, ioctlNumber(97));
  assertEquals(linux.BLKSSZGET, ioctlNumber(104));
  assertEquals(linux.BLKPBSZGET, ioctlNumber(123));
  // _IOR(0x12, 114, size_t) and _IOR(0x12, 128, __u64)
  assertEquals(linux.BLKGETSIZE64, ioctlNumber(114, 8));
  assertEquals(linux.BLKGETDISKSEQ, ioctlNumber(128, 8));
});

Deno.test("two flags of open(2) are exchanged between x86-64 and arm64", () => {
  // Octal, as in asm-generic/fcntl.h and arch/arm64/include/uapi/asm/fcntl.h.
  const [direct, directory] = Deno.build.arch === "aarch64"
    ? [0o200000, 0o40000]
    : [0o40000, 0o200000];
  assertEquals(linux.O_DIRECT, direct);
  assertEquals(linux.O_DIRECTORY, directory);
});

Deno.test("the other flags of open(2) are those of asm-generic/fcntl.h", () => {
  assertEquals(linux.O_RDONLY, 0);
  assertEquals(linux.O_WRONLY, 0o1);
  assertEquals(linux.O_RDWR, 0o2);
  assertEquals(linux.O_CREAT, 0o100);
  assertEquals(linux.O_EXCL, 0o200);
  assertEquals(linux.O_TRUNC, 0o1000);
  assertEquals(linux.O_NONBLOCK, 0o4000);
  assertEquals(linux.O_CLOEXEC, 0o2000000);
});

Deno.test({
  name: "the flags of open(2) agree with the runtime's own on this machine",
  ignore: Deno.build.os !== "linux" || Deno.build.arch !== "x86_64",
  fn(): void {
    for (
      const name of [
        "O_RDONLY",
        "O_WRONLY",
        "O_RDWR",
        "O_CREAT",
        "O_EXCL",
        "O_TRUNC",
        "O_NONBLOCK",
        "O_DIRECT",
        "O_DIRECTORY",
      ] as const
    ) assertEquals(linux[name], constants[name], name);
  },
});
