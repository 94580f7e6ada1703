import { assertEquals, assertThrows } from "@std/assert";
import { cString, fromCString } from "../../ffi/strings.ts";

Deno.test("a C string is UTF-8 with a NUL behind it", () => {
  assertEquals(cString(""), Uint8Array.of(0));
  assertEquals(cString("/dev"), Uint8Array.of(0x2f, 0x64, 0x65, 0x76, 0));
  // U+00E4 is C3 A4 (RFC 3629, section 3).
  assertEquals(cString("ä"), Uint8Array.of(0xc3, 0xa4, 0));
});

Deno.test("text with a NUL is refused, wherever it is", () => {
  for (const text of ["\0", "\0/dev/sda", "/dev/sda\0.img", "/dev/sda\0"]) {
    assertThrows(() => cString(text), TypeError, "NUL");
  }
});

Deno.test("text from C ends at the first NUL, or where the bytes end", () => {
  assertEquals(fromCString(Uint8Array.of(0x61, 0x62, 0, 0x63, 0)), "ab");
  assertEquals(fromCString(Uint8Array.of(0x61, 0x62)), "ab");
  assertEquals(fromCString(Uint8Array.of(0, 0x61)), "");
  assertEquals(fromCString(new Uint8Array()), "");
  assertEquals(fromCString(cString("Größe 漢字 💾")), "Größe 漢字 💾");
});
