import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConcatSource } from "../../src/blocks/concat.ts";
import { MemorySource } from "../../src/blocks/memory.ts";
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import { ReadError } from "../../src/core/errors.ts";
import { RangeMap } from "../../src/copy/range_map.ts";
import { readWithSalvage } from "../../src/copy/read_policy.ts";
import { FaultySource } from "../support/faulty_source.ts";
import { assertBytes, patternBytes, PatternSource } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

const content = patternBytes(10_000);

/** The content in parts that end at these places. */
function partsOf(...ends: number[]): BlockSource[] {
  return ends.map((end, index) =>
    new MemorySource(`part ${index}`, content.subarray(ends[index - 1] ?? 0, end))
  );
}

/** A source that fails wherever it is read. */
function failing(size: number): FaultySource {
  return new FaultySource({ map: new RangeMap({ offset: 0, length: size }, "-") });
}

Deno.test("parts are read as the whole that they were cut from", async () => {
  const next = seededNumbers(31);
  for (
    const ends of [[10_000], [512, 1024, 10_000], [1, 2, 3, 9_999, 10_000], [0, 7, 7, 10_000]]
  ) {
    const whole = new ConcatSource("whole", partsOf(...ends));
    assertEquals([whole.name, whole.size, whole.sectorSize], ["whole", 10_000, 512]);
    for (let round = 0; round < 60; round++) {
      const offset = next(10_100);
      const into = new Uint8Array(next(4_000)).fill(0xee);
      const expected = content.subarray(offset, offset + into.length);
      assertEquals(await whole.readAt(offset, into), expected.length);
      assertBytes(into.subarray(0, expected.length), expected, `${offset} of ${ends}`);
      assert(into.subarray(expected.length).every((byte) => byte === 0xee));
    }
  }
});

Deno.test("no parts, or empty ones, are an empty source", async () => {
  for (const sources of [[], partsOf(0, 0)]) {
    const whole = new ConcatSource("nothing", sources);
    assertEquals([whole.size, whole.sectorSize], [0, 512]);
    assertEquals(await whole.readAt(0, new Uint8Array(10)), 0);
  }
});

Deno.test("the largest sector size is that of the whole; a part without an end is none", () => {
  const parts = [new PatternSource(4096), new PatternSource(4096, { sectorSize: 4096 })];
  assertEquals(new ConcatSource("whole", parts).sectorSize, 4096);
  assertThrows(
    () => new ConcatSource("endless", [new PatternSource(512), new PatternSource(Infinity)]),
    RangeError,
    "endless",
  );
});

Deno.test("what lies behind a part that ends early is not taken for its end", async () => {
  const shrunk: BlockSource = {
    name: "shrunk",
    size: 1000,
    sectorSize: 512,
    readAt: (offset, into) =>
      new MemorySource("rest", content.subarray(0, 600)).readAt(offset, into),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const whole = new ConcatSource("whole", [shrunk, new PatternSource(1000)]);
  const into = new Uint8Array(2000);
  assertEquals(await whole.readAt(0, into), 600);
  assertEquals(await whole.readAt(700, into.subarray(0, 500)), 0);
  assertEquals(await whole.readAt(1000, into.subarray(0, 500)), 500);
});

Deno.test("a read that fails says where in the whole, and what the system answered", async () => {
  const whole = new ConcatSource("whole", [new PatternSource(1024), failing(1024)]);
  const error = await assertRejects(() => whole.readAt(512, new Uint8Array(1024)), ReadError);
  assertEquals([error.offset, error.osCode], [1024, "EIO"]);
  assert(error.message.includes("faulty"), error.message);
  const later = await assertRejects(() => whole.readAt(1536, new Uint8Array(512)), ReadError);
  assertEquals(later.offset, 1536);
});

Deno.test("bad sectors of a part are found in the whole", async () => {
  const map = new RangeMap({ offset: 0, length: 4096 }, "+");
  map.set({ offset: 1024, length: 512 }, "-");
  const whole = new ConcatSource("whole", [new PatternSource(2048), new FaultySource({ map })]);
  const into = new Uint8Array(6144);
  const outcome = await readWithSalvage(whole, { offset: 0, length: 6144 }, into);
  assertEquals(outcome, { length: 6144, bad: [{ offset: 3072, length: 512 }] });
  assertBytes(into.subarray(3584), patternBytes(4096).subarray(1536));
});

Deno.test("a failure is told when no part fills the bytes any more", async () => {
  const gate = Promise.withResolvers<void>();
  const slow = new FaultySource({
    map: new RangeMap({ offset: 0, length: 512 }, "+"),
    delay: () => gate.promise,
  });
  const whole = new ConcatSource("whole", [failing(512), slow]);
  const read = assertRejects(() => whole.readAt(0, new Uint8Array(1024)), ReadError);
  const early = await Promise.race([
    read.then(() => "told"),
    new Promise((resolve) => setTimeout(() => resolve("waiting"), 20)),
  ]);
  assertEquals([early, slow.underWay], ["waiting", 1]);
  gate.resolve();
  await read;
});

Deno.test("closing closes every part, also behind one that cannot be closed", async () => {
  const parts = [new PatternSource(10), new PatternSource(10)];
  await new ConcatSource("whole", parts)[Symbol.asyncDispose]();
  assertEquals(parts.map(({ closed }) => closed), [true, true]);
  const stuck: BlockSource = {
    name: "stuck",
    size: 10,
    sectorSize: 512,
    readAt: () => Promise.resolve(0),
    [Symbol.asyncDispose](): Promise<void> {
      throw new Error("cannot be closed");
    },
  };
  const last = new PatternSource(10);
  const whole = new ConcatSource("whole", [stuck, last]);
  await assertRejects(() => whole[Symbol.asyncDispose](), Error, "cannot be closed");
  assertEquals(last.closed, true);
});

Deno.test("cancelling reaches the parts that know how", () => {
  let cancelled = 0;
  const part = (cancel?: () => void): BlockSource => ({
    name: "part",
    size: 10,
    sectorSize: 512,
    readAt: (_offset: number, into: Bytes) => Promise.resolve(into.length),
    [Symbol.asyncDispose]: () => Promise.resolve(),
    ...(cancel === undefined ? {} : { cancel }),
  });
  new ConcatSource("whole", [part(() => cancelled++), part(), part(() => cancelled++)])
    .cancel();
  assertEquals(cancelled, 2);
});
