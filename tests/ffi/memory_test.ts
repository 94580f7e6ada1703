import { assertEquals, assertThrows } from "@std/assert";
import {
  addressOf,
  allocateAligned,
  equalBytes,
  isZero,
  nativeBytes,
  PAGE_BYTES,
} from "../../ffi/memory.ts";

Deno.test("memory is page-aligned and of the length that was asked for, and all of it is there", () => {
  for (const length of [1, 511, 512, 4095, 4096, 4097, 1024 * 1024 + 1]) {
    using memory = allocateAligned(length);
    assertEquals(memory.address % BigInt(PAGE_BYTES), 0n);
    assertEquals(memory.bytes.length, length);
    memory.bytes.fill(0xff);
    assertEquals(memory.bytes.every((byte) => byte === 0xff), true);
    assertEquals(addressOf(memory.bytes), memory.address);
  }
});

Deno.test("no bytes are memory, too", () => {
  using memory = allocateAligned(0);
  assertEquals(memory.bytes.length, 0);
});

Deno.test("the address of a part is where the part begins", () => {
  using memory = allocateAligned(3 * PAGE_BYTES);
  assertEquals(addressOf(memory.bytes.subarray(5000, 6000)), memory.address + 5000n);
});

Deno.test("native bytes are the memory itself, not a copy", () => {
  using memory = allocateAligned(PAGE_BYTES);
  const view = nativeBytes(memory.address + 100n, 10);
  assertEquals(view.length, 10);
  view[3] = 7;
  assertEquals(memory.bytes[103], 7);
  memory.bytes[109] = 9;
  assertEquals(view[9], 9);
});

Deno.test("there is no memory at address 0", () => {
  assertThrows(() => nativeBytes(0n, 1), TypeError, "0");
});

Deno.test("equalBytes sees a single changed byte, wherever it is", () => {
  for (const length of [1, 2, 511, 512, 4096, 65537]) {
    const a = new Uint8Array(length).fill(0xa5);
    for (const place of [0, length >> 1, length - 1]) {
      const b = a.slice();
      assertEquals(equalBytes(a, b), true);
      b[place] = 0xa4;
      assertEquals(equalBytes(a, b), false, `${length} bytes, place ${place}`);
    }
  }
});

Deno.test("equalBytes compares the parts that it is given, and their lengths", () => {
  const bytes = Uint8Array.of(1, 2, 3, 1, 2, 3, 4);
  assertEquals(equalBytes(bytes.subarray(0, 3), bytes.subarray(3, 6)), true);
  assertEquals(equalBytes(bytes.subarray(0, 3), bytes.subarray(3, 7)), false);
  assertEquals(equalBytes(bytes.subarray(0, 2), bytes.subarray(1, 3)), false);
  assertEquals(equalBytes(new Uint8Array(), new Uint8Array()), true);
  assertEquals(equalBytes(new Uint8Array(), new Uint8Array(1)), false);
});

/** Around the 64 KiB that are compared at once. */
const LENGTHS = [0, 1, 511, 512, 65535, 65536, 65537, 131071, 131072, 131073, 200_000];

Deno.test("isZero sees a single byte that is not, wherever it is", () => {
  for (const length of LENGTHS) {
    const bytes = new Uint8Array(length);
    assertEquals(isZero(bytes), true, `${length} zeros`);
    for (const place of [0, 65535, 65536, 131071, 131072, length - 1]) {
      if (place < 0 || place >= length) continue;
      bytes[place] = 1;
      assertEquals(isZero(bytes), false, `${length} bytes, place ${place}`);
      bytes[place] = 0;
    }
  }
});

Deno.test("isZero looks only at the part that it is given", () => {
  const bytes = new Uint8Array(70_000).fill(1);
  bytes.fill(0, 1, 69_999);
  assertEquals(isZero(bytes.subarray(1, 69_999)), true);
  assertEquals(isZero(bytes.subarray(0, 69_999)), false);
  assertEquals(isZero(bytes.subarray(1)), false);
});
