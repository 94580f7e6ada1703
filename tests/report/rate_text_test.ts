import { assertEquals } from "@std/assert";
import { rateText, sizeText } from "../../src/report/rate_text.ts";

Deno.test("sizes are exact, and in words from a KiB on", () => {
  assertEquals(sizeText(2147483648), "2,147,483,648 bytes (2 GiB)");
  assertEquals(sizeText(1024), "1,024 bytes (1 KiB)");
  assertEquals(sizeText(1023), "1,023 bytes");
  assertEquals(sizeText(0), "0 bytes");
  assertEquals(sizeText(1), "1 byte");
});

Deno.test("rates are bytes over seconds", () => {
  const MIB = 1024 * 1024;
  assertEquals(rateText(170 * MIB * 12, 12), "in 0:12, 170 MiB/s");
  assertEquals(rateText(170 * MIB * 3.5, 3.5), "in 3.5 s, 170 MiB/s");
  assertEquals(rateText(0, 5), "in 5.0 s, 0 bytes/s");
  assertEquals(rateText(MIB * 10, 10), "in 0:10, 1 MiB/s");
});

Deno.test("no time at all is no division by zero, and just below ten seconds is not 10.0 s", () => {
  assertEquals(rateText(1024, 0), "in 0.0 s, 1000 KiB/s");
  assertEquals(rateText(0, 9.96), "in 0:10, 0 bytes/s");
});
