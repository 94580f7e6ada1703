import { assertEquals, assertThrows } from "@std/assert";
import {
  asciiText,
  guidText,
  hasAscii,
  readBytes,
  safeNumber,
  toHex,
  utf16Text,
  uuidText,
  viewOf,
} from "../../src/core/bytes.ts";
import { FormatError } from "../../src/core/errors.ts";
import { MemorySource } from "../../src/blocks/memory.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { seededNumbers, StrictSource } from "../volumes/image_tools.ts";

Deno.test("64-bit numbers: up to 2^53-1, no farther", () => {
  const most = 2n ** 53n - 1n;
  for (const value of [0n, 1n, 2n ** 32n, most]) {
    assertEquals(BigInt(safeNumber(value, "LBA")), value);
  }
  for (const value of [most + 1n, 2n ** 64n - 1n, -1n]) {
    const error = assertThrows(() => safeNumber(value, "FirstUsableLBA", 40), FormatError);
    assertEquals([error.field, error.offset], ["FirstUsableLBA", 40]);
    assertEquals(error.message.includes(String(value)), true);
  }
});

Deno.test("a view is of exactly the bytes that were given", () => {
  const view = viewOf(Uint8Array.of(1, 2, 3, 4, 5, 6).subarray(2, 4));
  assertEquals([view.byteLength, view.getUint8(0), view.getUint8(1)], [2, 3, 4]);
  assertThrows(() => view.getUint8(2), RangeError);
});

Deno.test("hexadecimal is two digits a byte, lower case", () => {
  assertEquals(toHex(Uint8Array.of(0, 1, 0x0f, 0x10, 0xab, 0xff)), "00010f10abff");
  assertEquals(toHex(new Uint8Array()), "");
});

Deno.test("ASCII text keeps its length; other bytes are replaced", () => {
  assertEquals(asciiText(Uint8Array.of(0x45, 0x46, 0x49, 0x20)), "EFI ");
  assertEquals(asciiText(Uint8Array.of(0x7f, 0x80, 0xff, 0)), "\x7f\ufffd\ufffd\0");
});

Deno.test("hasAscii is false beyond either end", () => {
  const bytes = new TextEncoder().encode("xEFI PART");
  assertEquals(hasAscii(bytes, 1, "EFI PART"), true);
  assertEquals(hasAscii(bytes, 0, "EFI PART"), false);
  assertEquals(hasAscii(bytes, 2, "FI PART"), true);
  assertEquals(hasAscii(bytes, 2, "FI PART "), false);
  assertEquals(hasAscii(bytes, 9, "x"), false);
  assertEquals(hasAscii(bytes, -1, "xE"), false);
  assertEquals(hasAscii(bytes.subarray(1, 4), 0, "EFI "), false);
});

Deno.test("GUIDs are mixed endian (UEFI 2.10, appendix A)", () => {
  // The EFI System Partition, section 5.3.3, table 5.7, and its bytes on disk.
  const bytes = Uint8Array.fromHex("28732ac11ff8d211ba4b00a0c93ec93b");
  assertEquals(guidText(bytes), "C12A7328-F81F-11D2-BA4B-00A0C93EC93B");
});

Deno.test("UUIDs stand in the order of their digits (RFC 9562, appendix A.1)", () => {
  const bytes = Uint8Array.fromHex("c232ab009414 11ecb3c89f6bdeced846".replaceAll(" ", ""));
  assertEquals(uuidText(bytes), "c232ab00-9414-11ec-b3c8-9f6bdeced846");
  const longer = new Uint8Array([...bytes, 1, 2, 3]);
  assertEquals(uuidText(longer), "c232ab00-9414-11ec-b3c8-9f6bdeced846");
});

Deno.test("UTF-16 ends at a NUL; broken pairs and odd bytes do no harm", () => {
  const units = (...values: number[]): Uint8Array => {
    const bytes = new Uint8Array(values.length * 2);
    for (const [index, value] of values.entries()) {
      viewOf(bytes).setUint16(index * 2, value, true);
    }
    return bytes;
  };
  assertEquals(utf16Text(units(0x45, 0x46, 0x49)), "EFI");
  assertEquals(utf16Text(units(0x41, 0, 0x42)), "A");
  assertEquals(utf16Text(units(0xe4, 0x6f22)), "ä漢");
  // U+1F4BE is D83D DCBE (RFC 2781, section 2.1).
  assertEquals(utf16Text(units(0xd83d, 0xdcbe)), "💾");
  assertEquals(utf16Text(units(0xd83d, 0x41, 0xdcbe)), "\ufffdA\ufffd");
  assertEquals(utf16Text(units(0x41, 0x42).subarray(0, 3)), "A");
  assertEquals(utf16Text(Uint8Array.of(0, 0x41, 0, 0x42), false), "AB");
  assertEquals(utf16Text(new Uint8Array()), "");
});

Deno.test("readBytes asks for whole sectors and gives exactly what was wanted", async () => {
  const next = seededNumbers(4);
  for (const sectorSize of [512, 4096]) {
    for (const size of [0, 1, 512, 4096, 8192, 8192 + 100]) {
      const content = patternBytes(size);
      for (let round = 0; round < 200; round++) {
        const offset = next(size + 600);
        const length = next(9000);
        // Fails by itself when it is asked for anything else than sectors of it.
        const found = await readBytes(new StrictSource(content, sectorSize), offset, length);
        assertBytes(found, content.slice(offset, offset + length));
      }
    }
  }
});

Deno.test("readBytes gives less where a medium ends before its size", async () => {
  const content = patternBytes(1000);
  const ended = new (class extends MemorySource {
    override readonly size = 4096;
  })("ended", content);
  assertEquals(await readBytes(ended, 512, 2048), content.slice(512));
  assertEquals(await readBytes(ended, 900, 50), content.slice(900, 950));
  assertEquals((await readBytes(ended, 1500, 100)).length, 0);
  assertEquals((await readBytes(ended, 2048, 100)).length, 0);
});
