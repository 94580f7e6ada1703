import { assert, assertEquals } from "@std/assert";
import {
  FormatError,
  ImagingError,
  ReadError,
  VerifyError,
  WriteError,
} from "../../src/core/errors.ts";

Deno.test("errors keep what was said, the system's code and the cause", () => {
  const cause = new Error("the system's own");
  const error = new ImagingError("environment", "cannot open /dev/sdb", {
    hint: "run it with sudo",
    osCode: "EACCES",
    cause,
  });
  assert(error instanceof Error);
  const { name, kind, message, hint, osCode } = error;
  assertEquals([name, kind, message], ["ImagingError", "environment", "cannot open /dev/sdb"]);
  assertEquals([hint, osCode], ["run it with sudo", "EACCES"]);
  assertEquals(error.cause, cause);
});

Deno.test("an error without a cause has none, and one with an undefined cause has that", () => {
  assertEquals("cause" in new ImagingError("usage", "text"), false);
  assertEquals("cause" in new ImagingError("usage", "text", { hint: "hint" }), false);
  assertEquals("cause" in new ImagingError("usage", "text", { cause: undefined }), true);
});

Deno.test("each class has its name and the kind that the exit code follows from", () => {
  const ranges = [{ offset: 512, length: 512 }];
  const errors = [
    new ReadError("read", 512, { osCode: "EIO" }),
    new WriteError("write", 512, { osCode: "EIO" }),
    new VerifyError("verify", ranges),
    new FormatError("format", 512, "Signature"),
  ];
  assertEquals(errors.map(({ name }) => name), [
    "ReadError",
    "WriteError",
    "VerifyError",
    "FormatError",
  ]);
  assertEquals(errors.map(({ kind }) => kind), [
    "environment",
    "environment",
    "mismatch",
    "corrupt",
  ]);
  assert(errors.every((error) => error instanceof ImagingError));
  const [read, write, verify, format] = errors;
  assert(read instanceof ReadError && read.offset === 512 && read.osCode === "EIO");
  assert(write instanceof WriteError && write.offset === 512 && write.osCode === "EIO");
  assert(verify instanceof VerifyError && verify.ranges === ranges);
  assert(
    format instanceof FormatError && format.field === "Signature" && format.offset === 512,
  );
});
