import { assertEquals, assertRejects } from "@std/assert";
import { RangeMap } from "../../src/copy/range_map.ts";
import { SalvagingSource } from "../../src/copy/salvaging_source.ts";
import { ReadError } from "../../src/core/errors.ts";
import { FaultySource } from "../support/faulty_source.ts";
import { patternBytes } from "../support/pattern.ts";

const SIZE = 64 * 1024;

Deno.test("unreadable sectors are zeros, remembered once, and the rest is right", async () => {
  const map = new RangeMap({ offset: 0, length: SIZE }, "+");
  map.set({ offset: 1024, length: 512 }, "-");
  map.set({ offset: 1536, length: 512 }, "-");
  await using source = new SalvagingSource(new FaultySource({ map }));
  const expected = patternBytes(SIZE);
  expected.fill(0, 1024, 2048);
  for (let round = 0; round < 2; round++) {
    const bytes = new Uint8Array(SIZE);
    assertEquals(await source.readAt(0, bytes), SIZE);
    assertEquals(bytes, expected);
    assertEquals(source.bad, [{ offset: 1024, length: 1024 }]);
  }
});

Deno.test("a medium that went away is no unreadable sector", async () => {
  const map = new RangeMap({ offset: 0, length: SIZE }, "+");
  await using source = new SalvagingSource(new FaultySource({ map, goneAtRead: 0 }));
  await assertRejects(() => source.readAt(0, new Uint8Array(512)), ReadError);
  assertEquals(source.bad, []);
});
