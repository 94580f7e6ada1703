import { assertEquals } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import { PatchedSource } from "../../src/blocks/patched.ts";
import { assertBytes, patternBytes, PatternSource } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

Deno.test("reads see the patch where it is and the medium everywhere else", async () => {
  const next = seededNumbers(5);
  for (
    const [size, patchBytes] of [[3000, 1000], [3000, 0], [3000, 3000], [1000, 2000]] as const
  ) {
    const content = patternBytes(size);
    const patch = patternBytes(patchBytes, { seed: 2 });
    const source = new PatchedSource(new MemorySource("medium", content), patch);
    const expected = content.slice();
    expected.set(patch.subarray(0, size));
    assertEquals([source.name, source.size, source.sectorSize], ["medium", size, 512]);
    for (let round = 0; round < 300; round++) {
      const offset = next(size + 10);
      const into = new Uint8Array(next(size + 500));
      const count = await source.readAt(offset, into);
      assertBytes(into.subarray(0, count), expected.slice(offset, offset + into.length));
      assertEquals(into.subarray(count).every((byte) => byte === 0), true);
    }
    const untouched = new Uint8Array(size);
    await new MemorySource("medium", content).readAt(0, untouched);
    assertBytes(untouched, patternBytes(size), "the medium itself was changed");
  }
});

Deno.test("closing the patched source leaves the medium open", async () => {
  const medium = new PatternSource(1000);
  await new PatchedSource(medium, new Uint8Array(10))[Symbol.asyncDispose]();
  assertEquals(medium.closed, false);
});
