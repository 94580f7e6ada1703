import { assertEquals } from "@std/assert";
import { tableLines } from "../../src/report/table_text.ts";

Deno.test("columns stand under their headings, numbers to the right, no blanks at the end", () => {
  assertEquals(
    tableLines(["DEVICE", ">SIZE", "MODEL"], [
      ["/dev/sda", "476 GiB", "Samsung SSD"],
      ["/dev/mmcblk0", "29.7 GiB", ""],
    ]),
    [
      "DEVICE            SIZE  MODEL",
      "/dev/sda       476 GiB  Samsung SSD",
      "/dev/mmcblk0  29.7 GiB",
    ],
  );
});

Deno.test("without rows there are the headings", () => {
  assertEquals(tableLines(["A", ">B"], []), ["A  B"]);
});
