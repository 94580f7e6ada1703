import { assert, assertEquals } from "@std/assert";
import { errnoError } from "../../ffi/libc.ts";
import { MACOS_ERRORS } from "../../ffi/macos_errors.ts";
import { MACOS_SYMBOLS, macosArguments, macosSymbols } from "../../ffi/macos_libc.ts";
import { POSIX_SYMBOLS } from "../../ffi/posix_symbols.ts";

const ARM = macosSymbols("aarch64");
const INTEL = macosSymbols("x86_64");

/** The functions with "..." in their declarations (open(2), ioctl(2), fcntl(2)). */
const VARIADIC = ["open", "ioctl", "fcntl"] as const;

Deno.test("the variable argument is the ninth on arm64, the third on Intel", () => {
  for (const call of VARIADIC) {
    const last = call === "ioctl" ? "pointer" : "u64";
    assertEquals(ARM[call].parameters.length, 9, call);
    assertEquals(ARM[call].parameters[8], last, call);
    // All that fills registers is as wide as they are.
    assertEquals(ARM[call].parameters.slice(2, 8), new Array(6).fill("u64"), call);
    assertEquals(INTEL[call].parameters.length, 3, call);
    assertEquals(INTEL[call].parameters[2], last, call);
    assertEquals(ARM[call].parameters.slice(0, 2), INTEL[call].parameters.slice(0, 2), call);
  }
});

Deno.test("arguments go to the places that the tables have for them", () => {
  const path = new Uint8Array([47, 0]);
  const calls: [
    typeof VARIADIC[number],
    [number | Uint8Array, number | bigint, number | bigint],
  ][] = [
    ["open", [path, 0x1000000, 0o644]],
    ["ioctl", [3, 0x40046418n, 0x7000n]],
    ["fcntl", [3, 48, 1n]],
  ];
  for (const [call, [first, second, third]] of calls) {
    const args = [first, second, third];
    assertEquals(macosArguments(call, args, "x86_64"), args, call);
    assertEquals(
      macosArguments(call, args, "aarch64"),
      [first, second, 0n, 0n, 0n, 0n, 0n, 0n, third],
      call,
    );
    for (const arch of ["aarch64", "x86_64"]) {
      assertEquals(
        macosArguments(call, args, arch).length,
        macosSymbols(arch)[call].parameters.length,
        `${call} on ${arch}`,
      );
    }
  }
});

Deno.test("functions without a variable argument are called alike on both processors", () => {
  const args = [3, 0x7000n, 4096n, 8192n];
  assertEquals(macosArguments("pread", args, "aarch64"), args);
  assertEquals(macosArguments("pread", args, "x86_64"), args);
  const plain = Object.keys(ARM).filter((call) =>
    !(VARIADIC as readonly string[]).includes(call)
  );
  assert(plain.length > 15);
  for (const call of plain as (keyof typeof ARM)[]) {
    assertEquals(ARM[call].parameters, INTEL[call].parameters, call);
    assertEquals(ARM[call].result, INTEL[call].result, call);
  }
  for (const [call, symbol] of Object.entries(POSIX_SYMBOLS)) {
    assertEquals<unknown>(ARM[call as keyof typeof ARM], symbol, call);
  }
});

Deno.test("structures with inodes of 64 bits have names of their own on Intel", () => {
  for (const call of ["stat", "lstat", "fstat", "statfs"] as const) {
    assertEquals(ARM[call].name, call);
    assertEquals(INTEL[call].name, `${call}$INODE64`);
  }
});

Deno.test("the table of this process is that of its processor", () => {
  assertEquals(MACOS_SYMBOLS, macosSymbols(Deno.build.arch));
});

Deno.test("error numbers that differ from Linux' have macOS's names", () => {
  // bsd/sys/errno.h; on Linux 35 is EDEADLK, 45 EL2NSYNC, 62 ETIME, 78 EREMCHG.
  const expected = {
    1: "EPERM",
    6: "ENXIO",
    13: "EACCES",
    16: "EBUSY",
    25: "ENOTTY",
    30: "EROFS",
    35: "EAGAIN",
    45: "ENOTSUP",
    62: "ELOOP",
    63: "ENAMETOOLONG",
    69: "EDQUOT",
    78: "ENOSYS",
    82: "EPWROFF",
    83: "EDEVERR",
    102: "EOPNOTSUPP",
  };
  for (const [number, name] of Object.entries(expected)) {
    assertEquals(MACOS_ERRORS[Number(number)]?.[0], name);
  }
  const names = Object.values(MACOS_ERRORS).map(([name]) => name);
  assertEquals(new Set(names).size, names.length);
  if (Deno.build.os === "darwin") assertEquals(errnoError("open", 35).code, "EAGAIN");
});
