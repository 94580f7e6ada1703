/**
 * Names and numbers of errors against the headers of mingw-w64 (gcc-mingw-w64-x86-64) and,
 * for the newer ones, of Wine (wine64-tools); what a status stands for against the system
 * itself where the tests run on Windows or Wine.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  NT_STATUSES,
  ntSuccess,
  statusName,
  statusToWin32,
  WINDOWS_ERRORS,
  windowsErrorName,
  windowsErrorText,
} from "../../ffi/windows_error_names.ts";
import { run } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs, toolPath } from "../support/tools.ts";

type Named = readonly [name: string, number: number];

function named(table: Readonly<Record<number, readonly [string, unknown]>>): Named[] {
  return Object.entries(table).map(([number, [name]]) => [name, Number(number)]);
}

const NAMED: readonly Named[] = [...named(WINDOWS_ERRORS), ...named(NT_STATUSES)];

/** The numbers that winerror.h and ntstatus.h define, as this C compiler has them. */
async function definitions(compiler: string): Promise<Map<string, number>> {
  await using folder = await TemporaryFolder.create();
  const source = await folder.write(
    "errors.c",
    "#include <winerror.h>\n#include <ntstatus.h>\n",
  );
  const lines = (await run(compiler, ["-E", "-dM", source])).split("\n");
  return new Map(lines.flatMap((line) => {
    // "ERROR_CRC 23", "ERROR_CRC __MSABI_LONG(23)", "STATUS_X ((NTSTATUS)0xC0000001)"
    const [, name = "", number] =
      /^#define (\w+) .*?\b(0x[0-9a-f]+|[0-9]+)L?\)*$/i.exec(line) ?? [];
    return number === undefined ? [] : [[name, Number(number)]];
  }));
}

/** Compares those that the headers have; answers the others. */
async function compare(compiler: string): Promise<string[]> {
  const defined = await definitions(compiler);
  for (const [name, number] of NAMED) {
    if (defined.has(name)) assertEquals(defined.get(name), number, name);
  }
  return NAMED.map(([name]) => name).filter((name) => !defined.has(name));
}

Deno.test({
  name: "errors and statuses have the numbers of mingw-w64's headers",
  ignore: needs("x86_64-w64-mingw32-gcc"),
  async fn(): Promise<void> {
    const others = await compare("x86_64-w64-mingw32-gcc");
    assert(NAMED.length - others.length > 220, others.join(" "));
  },
});

// Debian's package alone gives it this name only.
const WINEGCC = toolPath("winegcc") === undefined ? "winegcc-stable" : "winegcc";

Deno.test({
  name: "errors and statuses, also newer ones, have the numbers of Wine's headers",
  ignore: needs(WINEGCC),
  async fn(): Promise<void> {
    const others = await compare(WINEGCC);
    for (const name of others) assertMatch(name, /FVE|CLOUD_FILE/);
  },
});

Deno.test("BitLocker's errors are those that Microsoft documents", () => {
  // Win32_EncryptableVolume, return values; [MS-ERREF] 2.3.1.
  assertEquals(windowsErrorName(2150694912), "FVE_E_LOCKED_VOLUME");
  assertEquals(windowsErrorName(2150694913), "FVE_E_NOT_ENCRYPTED");
  assertEquals(statusName(0xc0210000), "STATUS_FVE_LOCKED_VOLUME");
  assertEquals(statusToWin32(0xc0210000), 0x80310000);
});

Deno.test("every error has a name and a text, and none has them twice", () => {
  const names = NAMED.map(([name]) => name);
  assertEquals(new Set(names).size, names.length);
  for (const [number, [name, text]] of Object.entries(WINDOWS_ERRORS)) {
    assertMatch(name, /^(ERROR|WAIT|FVE_E)_[A-Z0-9_]+$/, number);
    assertMatch(text, /^[a-zA-Z].*[^.]$/, number);
  }
  for (const [name] of Object.values(NT_STATUSES)) assertMatch(name, /^STATUS_[A-Z0-9_]+$/);
});

Deno.test("an error is named by its number, signed or unsigned", () => {
  assertEquals(windowsErrorName(5), "ERROR_ACCESS_DENIED");
  assertEquals(windowsErrorText(5), "access denied");
  assertEquals(windowsErrorName(-2144272384), "FVE_E_LOCKED_VOLUME");
  assertEquals(windowsErrorText(-2144272384), "the volume is locked by BitLocker");
  assertEquals(windowsErrorName(4711), "ERROR_4711");
  assertEquals(windowsErrorText(4711), "error 4711");
});

Deno.test("a status is named by its number, signed or unsigned", () => {
  assertEquals(statusName(0xc0000022), "STATUS_ACCESS_DENIED");
  assertEquals(statusName(-1073741790), "STATUS_ACCESS_DENIED");
  assertEquals(statusName(0xc0001234), "STATUS_C0001234");
  assertEquals(statusName(0x10), "STATUS_00000010");
});

Deno.test("every status stands for an error that has a name", () => {
  for (const [number, [name, win32]] of Object.entries(NT_STATUSES)) {
    assert(win32 in WINDOWS_ERRORS, `${name}: ${win32}`);
    assertEquals(statusToWin32(Number(number)), win32);
    assertEquals(statusToWin32(Number(number) | 0), win32);
  }
});

Deno.test("statuses that hold an error number, and such that say nothing", () => {
  assertEquals(statusToWin32(0), 0);
  // NTSTATUS_FROM_WIN32, HRESULT_FROM_WIN32, HRESULT_FROM_NT of STATUS_ACCESS_DENIED
  assertEquals(statusToWin32(0xc0070020), 32);
  assertEquals(statusToWin32(0x80070020), 32);
  assertEquals(statusToWin32(0xd0000022), 5);
  assertEquals(statusToWin32(0xc0001234), 317);
  assertEquals(windowsErrorName(317), "ERROR_MR_MID_NOT_FOUND");
});

Deno.test("a warning is no success, an information is", () => {
  for (const status of [0, 0x103, 0x40000000]) assert(ntSuccess(status));
  for (const status of [0x80000005, 0x8000001c, 0xc0000022, -1]) assert(!ntSuccess(status));
});

Deno.test({
  name: "every status stands for the error that this system says",
  ignore: Deno.build.os !== "windows",
  fn(): void {
    const ntdll = Deno.dlopen("ntdll.dll", {
      RtlNtStatusToDosError: { parameters: ["u32"], result: "u32" },
    });
    for (const [number, [name, win32]] of Object.entries(NT_STATUSES)) {
      const system = ntdll.symbols.RtlNtStatusToDosError(Number(number));
      // An older system does not know all of them.
      if (system !== statusToWin32(0xc0001234)) assertEquals(system, win32, name);
    }
    ntdll.close();
  },
});
