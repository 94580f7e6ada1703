import { assertEquals } from "@std/assert";
import {
  LISTED_RANGES,
  rangeLines,
  rangesJson,
  rangeText,
} from "../../src/report/ranges_text.ts";

Deno.test("a range in bytes and in sectors, also where it is no whole ones", () => {
  const table: readonly (readonly [number, number, number, string])[] = [
    [1048576, 1024, 512, "at 1,048,576: 1,024 bytes (sectors 2,048 to 2,049)"],
    [0, 512, 512, "at 0: 512 bytes (sector 0)"],
    [0, 1, 512, "at 0: 1 byte (sector 0)"],
    [511, 1, 512, "at 511: 1 byte (sector 0)"],
    [511, 2, 512, "at 511: 2 bytes (sectors 0 to 1)"],
    [512, 512, 512, "at 512: 512 bytes (sector 1)"],
    [512, 513, 512, "at 512: 513 bytes (sectors 1 to 2)"],
    [8192, 4096, 4096, "at 8,192: 4,096 bytes (sector 2)"],
    [2 ** 42, 512, 512, "at 4,398,046,511,104: 512 bytes (sector 8,589,934,592)"],
  ];
  for (const [offset, length, sectorSize, expected] of table) {
    assertEquals(rangeText({ offset, length }, sectorSize), expected);
  }
});

Deno.test("a list names how many there are, and the first twenty", () => {
  const ranges = Array.from(
    { length: 25 },
    (_, index) => ({ offset: index * 1024, length: 512 }),
  );
  for (const count of [1, 2, LISTED_RANGES - 1, LISTED_RANGES, LISTED_RANGES + 1, 25]) {
    const lines = rangeLines(
      "unreadable",
      { ranges: ranges.slice(0, count), bytes: count * 512 },
      512,
    );
    const listed = Math.min(count, 20);
    assertEquals(lines.length, 1 + listed + (count > 20 ? 1 : 0));
    assertEquals(
      lines[0]?.startsWith(`unreadable: ${count} area${count === 1 ? "" : "s"}, `),
      true,
    );
    assertEquals(
      lines[listed],
      `  ${rangeText(ranges[listed - 1] ?? { offset: 0, length: 0 }, 512)}`,
    );
    if (count > 20) assertEquals(lines.at(-1), `  and ${count - 20} more`);
  }
});

Deno.test("ranges that were counted and not kept are among those that follow", () => {
  const ranges = [{ offset: 0, length: 512 }];
  const lines = rangeLines("differing", { ranges, count: 12_345, bytes: 6_320_640 }, 512);
  assertEquals(lines, [
    "differing: 12,345 areas, 6,320,640 bytes (6.0 MiB)",
    "  at 0: 512 bytes (sector 0)",
    "  and 12,344 more",
  ]);
});

Deno.test("a size in words stands where it says more than the bytes", () => {
  assertEquals(rangeLines("x", { ranges: [], bytes: 0 }, 512), ["x: 0 areas, 0 bytes"]);
  assertEquals(
    rangeLines("x", { ranges: [], count: 3, bytes: 1023 }, 512)[0],
    "x: 3 areas, 1,023 bytes",
  );
  assertEquals(
    rangeLines("x", { ranges: [], count: 3, bytes: 1536 }, 512)[0],
    "x: 3 areas, 1,536 bytes (1.5 KiB)",
  );
});

Deno.test("JSON has offsets and lengths, and an end", () => {
  const more = { offset: 512, length: 1024, status: "-" };
  assertEquals(rangesJson([more]), [{ offset: 512, length: 1024 }]);
  const many = Array.from({ length: 10_001 }, (_, index) => ({ offset: index, length: 1 }));
  assertEquals(rangesJson(many), many.slice(0, 10_000));
});
