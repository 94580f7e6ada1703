import { assertEquals } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import { patternBytes } from "../support/pattern.ts";

Deno.test("memory is read from any place to any place, and shortly at the end only", async () => {
  const content = patternBytes(1000);
  await using source = new MemorySource("memory", content, 4096);
  assertEquals([source.name, source.size, source.sectorSize], ["memory", 1000, 4096]);
  for (
    const [offset, length, expected] of [
      [0, 1000, 1000],
      [0, 1001, 1000],
      [1, 999, 999],
      [999, 1, 1],
      [999, 2, 1],
      [1000, 1, 0],
      [5000, 10, 0],
      [10, 0, 0],
    ] as const
  ) {
    const into = new Uint8Array(length).fill(0xee);
    assertEquals(await source.readAt(offset, into), expected);
    assertEquals(into.subarray(0, expected), content.subarray(offset, offset + expected));
    // Behind what was delivered nothing is touched.
    assertEquals(into.subarray(expected), new Uint8Array(length - expected).fill(0xee));
  }
});
