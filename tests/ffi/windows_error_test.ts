import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { OsError } from "../../ffi/os_error.ts";
import { statusError, windowsError } from "../../ffi/windows_error.ts";
import { NT_STATUSES } from "../../ffi/windows_error_names.ts";

const isWindows = Deno.build.os === "windows";

Deno.test("an error has its call, its number, its name and words", () => {
  const error = windowsError("NtReadFile", 5);
  assert(error instanceof OsError);
  assertEquals([error.call, error.number, error.code], [
    "NtReadFile",
    5,
    "ERROR_ACCESS_DENIED",
  ]);
  assertMatch(error.message, /^\S.*[^.\s] \(ERROR_ACCESS_DENIED\)$/);
  assertEquals(error.message, `${error.text} (${error.code})`);
});

Deno.test({
  name: "away from Windows the words are our own",
  ignore: isWindows,
  fn(): void {
    assertEquals(windowsError("NtReadFile", 5).text, "access denied");
    assertEquals(windowsError("NtReadFile", 4711).text, "error 4711");
  },
});

Deno.test({
  name: "on Windows the words are the system's, in one line and without a full stop",
  ignore: !isWindows,
  fn(): void {
    const texts = [2, 5, 19, 21, 23, 32, 87, 112, 183, 1117].map((number) =>
      windowsError("NtReadFile", number).text
    );
    for (const text of texts) assertMatch(text, /^\S(.*[^.\s])?$/);
    assertEquals(new Set(texts).size, texts.length);
  },
});

Deno.test("a number without a name says the number", () => {
  const error = windowsError("NtReadFile", 54_321);
  assertEquals([error.number, error.code], [54_321, "ERROR_54321"]);
  assertNotEquals(error.text, "");
});

Deno.test("BitLocker's errors are numbers of the system, statuses are not", () => {
  assertEquals(windowsError("NtReadFile", 0x80310000).code, "FVE_E_LOCKED_VOLUME");
  const status = windowsError("NtReadFile", 0xc0001234);
  assertEquals([status.number, status.code, status.text], [
    0xc0001234,
    "STATUS_C0001234",
    "the system refuses",
  ]);
});

Deno.test({
  name: "a status becomes the number that it stands for",
  ignore: !isWindows,
  fn(): void {
    const cases = [
      [0xc0000034, 2, "ERROR_FILE_NOT_FOUND"],
      [0xc000003a, 3, "ERROR_PATH_NOT_FOUND"],
      [0xc0000022, 5, "ERROR_ACCESS_DENIED"],
      [0xc0000043, 32, "ERROR_SHARING_VIOLATION"],
      [0xc000000d, 87, "ERROR_INVALID_PARAMETER"],
      [0xc0000010, 1, "ERROR_INVALID_FUNCTION"],
      [0xc0000035, 183, "ERROR_ALREADY_EXISTS"],
      [0xc00000a2, 19, "ERROR_WRITE_PROTECT"],
      [0xc0000013, 21, "ERROR_NOT_READY"],
      [0x80000005, 234, "ERROR_MORE_DATA"],
    ] as const;
    for (const [status, number, code] of cases) {
      const error = statusError("NtCreateFile", status);
      assertEquals([error.call, error.number, error.code], ["NtCreateFile", number, code]);
    }
  },
});

Deno.test({
  name: "a status that stands for no number keeps its own name",
  ignore: !isWindows,
  fn(): void {
    const error = statusError("NtCreateFile", 0xc0ff1234);
    assertEquals([error.number, error.code], [0xc0ff1234, "STATUS_C0FF1234"]);
  },
});

Deno.test({
  name: "the system translates statuses as the table does",
  ignore: !isWindows,
  fn(): void {
    const different: string[] = [];
    for (const [status, [name, number]] of Object.entries(NT_STATUSES)) {
      const error = statusError("NtCreateFile", Number(status));
      // What the system does not know stays a status.
      if (error.number !== number && error.number !== Number(status)) {
        different.push(`${name}: ${error.number} instead of ${number}`);
      }
    }
    assertEquals(different, []);
  },
});
