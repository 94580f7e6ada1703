import { assert, assertEquals, assertRejects } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import { isZeroFrom } from "../../src/copy/find_data.ts";
import { RangeMap } from "../../src/copy/range_map.ts";
import { ImagingError, ReadError } from "../../src/core/errors.ts";
import { FaultySource } from "../support/faulty_source.ts";

Deno.test("one byte that is not zero is found, wherever it is, and none before", async () => {
  const size = 5 * 1024 * 1024 + 100;
  const bytes = new Uint8Array(size);
  const source = new MemorySource("medium", bytes);
  for (const offset of [0, 1, 512, 65_536, 65_537, 4 * 1024 * 1024, size - 1]) {
    assertEquals(await isZeroFrom(source, offset), true, `all zeros from ${offset}`);
    for (const place of [offset - 1, offset, offset + 1, offset + 65_536, size - 1]) {
      if (place < 0 || place >= size) continue;
      bytes[place] = 1;
      assertEquals(await isZeroFrom(source, offset), place < offset, `${place} from ${offset}`);
      bytes[place] = 0;
    }
  }
});

Deno.test("behind the end there is nothing but zeros", async () => {
  const source = new MemorySource("medium", new Uint8Array(1000).fill(1));
  for (const offset of [1000, 1001, 2 ** 40]) {
    assertEquals(await isZeroFrom(source, offset), true);
  }
});

Deno.test("after the first data it does not read on to the end", async () => {
  const map = new RangeMap({ offset: 0, length: 400 * 1024 * 1024 }, "+");
  const source = new FaultySource({ map });
  assertEquals(await isZeroFrom(source, 512), false);
  assert(source.reads.length < 20, `${source.reads.length} reads`);
});

Deno.test("what cannot be read is not called zero", async () => {
  const map = new RangeMap({ offset: 0, length: 100_000 }, "+");
  map.set({ offset: 51_200, length: 512 }, "-");
  const content = new MemorySource("zeros", new Uint8Array(100_000));
  const error = await assertRejects(
    () => isZeroFrom(new FaultySource({ map, content }), 512),
    ReadError,
  );
  assertEquals(error.osCode, "EIO");
  assertEquals(await isZeroFrom(new FaultySource({ map, content }), 51_712), true);
});

Deno.test("it can be cancelled", async () => {
  const source = new MemorySource("medium", new Uint8Array(1000));
  const error = await assertRejects(
    () => isZeroFrom(source, 0, AbortSignal.abort()),
    ImagingError,
  );
  assertEquals(error.kind, "cancelled");
});
