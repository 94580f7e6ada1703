import { assertEquals } from "@std/assert";
import {
  formatBytes,
  formatCount,
  formatDuration,
  parseByteCount,
  plural,
} from "../../src/core/units.ts";

Deno.test("numbers of bytes as people write them", () => {
  const KIB = 1024;
  const table: Record<string, number> = {
    "0": 0,
    "1": 1,
    "4096": 4096,
    "007": 7,
    "1K": KIB,
    "1k": KIB,
    "4M": 4 * KIB ** 2,
    "4MB": 4 * KIB ** 2,
    "4MiB": 4 * KIB ** 2,
    "4mib": 4 * KIB ** 2,
    "2G": 2 * KIB ** 3,
    "3TiB": 3 * KIB ** 4,
    "1P": KIB ** 5,
    "1.5K": 1536,
    "0.5M": 512 * KIB,
    "8s": 8 * 512,
    "8S": 8 * 512,
    "0x0": 0,
    "0x1000": 4096,
    "0XfF": 255,
    "9007199254740991": 2 ** 53 - 1,
    "0x1fffffffffffff": 2 ** 53 - 1,
  };
  for (const [text, expected] of Object.entries(table)) {
    assertEquals(parseByteCount(text), expected, text);
  }
  assertEquals(parseByteCount("8s", 4096), 32768);
  assertEquals(parseByteCount("1.5s", 4096), 6144);
});

Deno.test("what is no number of bytes, or none that can be meant exactly", () => {
  const wrong = [
    "",
    " ",
    " 1",
    "1 ",
    "-1",
    "+1",
    "1,000",
    "1e6",
    "1.",
    ".5",
    "1.5",
    "0.3K",
    "K",
    "s",
    "1KK",
    "1X",
    "1iB",
    "1B",
    "1 M",
    "0x",
    "0x1K",
    "0xG",
    "x10",
    "١",
    "NaN",
    "Infinity",
    "1\n",
    "9007199254740992",
    "0x20000000000000",
    "8P1",
    "8192P",
    "99999999999999999999T",
  ];
  for (const text of wrong) {
    assertEquals(parseByteCount(text), undefined, JSON.stringify(text));
  }
});

Deno.test("bytes in words, at each border -1, 0 and +1", () => {
  const table: readonly (readonly [number, string])[] = [
    [0, "0 bytes"],
    [1, "1 byte"],
    [2, "2 bytes"],
    [512, "512 bytes"],
    [1023, "1023 bytes"],
    [1024, "1 KiB"],
    [1025, "1.0 KiB"],
    [1536, "1.5 KiB"],
    [1024 * 100 - 1, "100.0 KiB"],
    [1024 * 100, "100 KiB"],
    [1024 * 100 + 1, "100 KiB"],
    [1024 ** 2, "1 MiB"],
    [1024 ** 2 + 1, "1.0 MiB"],
    [1024 ** 3, "1 GiB"],
    [31914983424, "29.7 GiB"],
    [1024 ** 4, "1 TiB"],
    [1024 ** 5, "1 PiB"],
    [2 ** 53 - 1, "8.0 PiB"],
    [1024 ** 6, "1 EiB"],
    [1024 ** 7, "1024 EiB"],
  ];
  for (const [count, expected] of table) assertEquals(formatBytes(count), expected);
});

Deno.test("just below a unit is never a thousand and twenty-four of the smaller one", () => {
  assertEquals(formatBytes(1024 ** 2 - 1), "1.0 MiB");
  assertEquals(formatBytes(1024 ** 3 - 1), "1.0 GiB");
});

Deno.test("digits in groups of three", () => {
  const table: readonly (readonly [number, string])[] = [
    [0, "0"],
    [999, "999"],
    [1000, "1,000"],
    [999_999, "999,999"],
    [1_000_000, "1,000,000"],
    [31_914_983_424, "31,914,983,424"],
    [2 ** 53 - 1, "9,007,199,254,740,991"],
  ];
  for (const [count, expected] of table) assertEquals(formatCount(count), expected);
});

Deno.test("one is singular, everything else plural", () => {
  assertEquals(plural(0, "sector"), "0 sectors");
  assertEquals(plural(1, "sector"), "1 sector");
  assertEquals(plural(2, "sector"), "2 sectors");
  assertEquals(plural(1000, "sector"), "1,000 sectors");
});

Deno.test("durations, at each border", () => {
  const table: readonly (readonly [number, string])[] = [
    [-1, "0:00"],
    [0, "0:00"],
    [0.4, "0:00"],
    [0.5, "0:01"],
    [7, "0:07"],
    [59, "0:59"],
    [59.4, "0:59"],
    [59.5, "1:00"],
    [60, "1:00"],
    [61, "1:01"],
    [750, "12:30"],
    [3599, "59:59"],
    [3599.6, "1:00:00"],
    [3600, "1:00:00"],
    [3601, "1:00:01"],
    [10930, "3:02:10"],
    [360000, "100:00:00"],
  ];
  for (const [seconds, expected] of table) assertEquals(formatDuration(seconds), expected);
});
