import { assertEquals } from "@std/assert";
import { printable } from "../../src/core/text.ts";

Deno.test("what steers a terminal is shown instead of sent", () => {
  assertEquals(printable("\x1b[2J\x1b]0;title\x07"), "\\x1b[2J\\x1b]0;title\\x07");
  assertEquals(printable("a\nb\rc\td\0e"), "a\\x0ab\\x0dc\\x09d\\x00e");
  assertEquals(printable("\x7f\x80\x9b31m\x9f"), "\\x7f\\x80\\x9b31m\\x9f");
});

Deno.test("what turns the direction of writing is shown, too (Unicode TR 36, 2.10.1)", () => {
  for (let code = 0x202a; code <= 0x202e; code++) {
    assertEquals(printable(`a${String.fromCodePoint(code)}b`), `a\\x${code.toString(16)}b`);
  }
  for (let code = 0x2066; code <= 0x2069; code++) {
    assertEquals(printable(String.fromCodePoint(code)), `\\x${code.toString(16)}`);
  }
});

Deno.test("everything else stays as it is", () => {
  const text = " SanDisk Ultra ~ ä漢字💾\u00a0é \\x1b";
  assertEquals(printable(text), text);
  assertEquals(printable(""), "");
});
