import { assert, assertEquals } from "@std/assert";
import { openLibdeflate } from "../../ffi/libdeflate.ts";
import { linuxTest } from "../support/linux_test.ts";
import { needs } from "../support/tools.ts";

linuxTest({
  name: "libdeflate is opened where the system has it",
  ignore: needs("libdeflate.so.0"),
  fn(): void {
    assert(openLibdeflate() !== undefined);
  },
});

linuxTest("a library that is missing, or lacks the functions, is no libdeflate", () => {
  assertEquals(openLibdeflate("libno-such-thing.so.0"), undefined);
  assertEquals(openLibdeflate("libz.so.1"), undefined);
});

Deno.test({
  name: "no other system than Linux has libdeflate, whatever it has",
  ignore: Deno.build.os === "linux",
  fn(): void {
    assertEquals(openLibdeflate(), undefined);
  },
});
