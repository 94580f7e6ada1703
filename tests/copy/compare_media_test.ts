import { assertEquals, assertRejects } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import { compareMedia, provesSame } from "../../src/copy/compare_media.ts";
import { RangeMap } from "../../src/copy/range_map.ts";
import type { RangeReader } from "../../src/copy/read_policy.ts";
import type { BlockSource } from "../../src/core/block.ts";
import { ImagingError } from "../../src/core/errors.ts";
import { FaultySource } from "../support/faulty_source.ts";
import { patternBytes, PatternSource } from "../support/pattern.ts";

const SIZE = 64 * 1024;
const BAD = { offset: 8192, length: 1024 };

/** The same bytes, with a place that cannot be read. */
function faulty(): FaultySource {
  const map = new RangeMap({ offset: 0, length: SIZE }, "+");
  map.set(BAD, "-");
  return new FaultySource({ map });
}

Deno.test("only what was read on both sides proves that they are the same", async () => {
  const whole = new PatternSource(SIZE);
  assertEquals(provesSame(await compareMedia(whole, new PatternSource(SIZE))), true);
  assertEquals(provesSame(await compareMedia(whole, faulty())), false);
  assertEquals(provesSame(await compareMedia(faulty(), whole)), false);
  const shorter = new MemorySource("shorter", patternBytes(SIZE - 1));
  assertEquals(provesSame(await compareMedia(whole, shorter)), false);
});

Deno.test("each medium is read by the reader that is made for it, and both are cancelled", async () => {
  const [one, two] = [faulty(), faulty()];
  const made: BlockSource[] = [];
  const cancelled: BlockSource[] = [];
  const readerOf = (source: BlockSource): RangeReader => {
    made.push(source);
    // Each calls another place unreadable, so that it is seen who was asked.
    const bad = [{ offset: source === one ? 512 : 4096, length: 512 }];
    return {
      read: ({ length }, into) => {
        into.fill(7);
        return Promise.resolve({ length, bad });
      },
      cancel: () => {
        cancelled.push(source);
      },
    };
  };
  const { unreadable, unreadableHere } = await compareMedia(one, two, { readerOf });
  assertEquals([unreadableHere, unreadable], [
    [{ offset: 512, length: 512 }],
    [{ offset: 4096, length: 512 }],
  ]);
  assertEquals([made, cancelled], [[one, two], []]);
  const signal = AbortSignal.abort();
  await assertRejects(() => compareMedia(one, two, { readerOf, signal }), ImagingError);
  assertEquals(cancelled, [one, two]);
});

Deno.test("places that were known to be unreadable are left out, and no others", async () => {
  const comparison = await compareMedia(faulty(), new PatternSource(SIZE));
  assertEquals(provesSame(comparison, [BAD]), true);
  assertEquals(provesSame(comparison, [{ ...BAD, length: 512 }]), false);
});
