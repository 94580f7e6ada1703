import { assertEquals, assertThrows } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import { type Patch, PatchedSource } from "../../src/blocks/patched.ts";
import { StreamSource } from "../../src/blocks/stdio.ts";
import { RangeMap } from "../../src/copy/range_map.ts";
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import { FaultySource } from "../support/faulty_source.ts";
import { assertBytes, patternBytes, PatternSource } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

/** What should be read: the content, cut or continued with zeros, under the patches. */
function expectedBytes(content: Uint8Array, patches: readonly Patch[], size: number): Bytes {
  const bytes = new Uint8Array(Math.max(size, 10_000));
  bytes.set(content.subarray(0, size));
  for (const { offset, bytes: patch } of patches) bytes.set(patch, offset);
  return bytes.slice(0, size);
}

function patchOf(offset: number, length: number): Patch {
  return { offset, bytes: patternBytes(length, { seed: 2 + offset }) };
}

/** A stream of these bytes in pieces of an odd length. */
function streamOf(bytes: Bytes): StreamSource {
  const body = new Blob([bytes]).stream().pipeThrough(
    new TransformStream<Bytes, Bytes>({
      transform(piece, controller): void {
        for (let at = 0; at < piece.length; at += 777) {
          controller.enqueue(piece.slice(at, at + 777));
        }
      },
    }),
  );
  // Only a byte stream can be read into memory that is there already.
  const reader = body.getReader();
  return new StreamSource(
    "stream",
    new ReadableStream({
      type: "bytes",
      async pull(controller): Promise<void> {
        const { done, value } = await reader.read();
        if (done) {
          controller.close();
          controller.byobRequest?.respond(0);
        } else controller.enqueue(value);
      },
    }),
  );
}

const SHAPES: readonly (readonly [patches: readonly Patch[], size: number | undefined])[] = [
  [[], undefined],
  [[patchOf(0, 1000)], undefined],
  [[patchOf(0, 3000)], undefined],
  [[patchOf(0, 4000)], undefined],
  [[patchOf(10, 20), patchOf(30, 40), patchOf(2990, 10)], undefined],
  [[patchOf(10, 20), patchOf(2900, 500)], undefined],
  [[], 5000],
  [[], 2000],
  [[patchOf(100, 200), patchOf(2950, 100), patchOf(4000, 96)], 5000],
  [[patchOf(4999, 1)], 5000],
  [[patchOf(1900, 200), patchOf(2500, 10)], 2000],
  [[patchOf(0, 5000)], 5000],
];

Deno.test("reads see the patches where they are and the medium everywhere else", async () => {
  const next = seededNumbers(5);
  const content = patternBytes(3000);
  for (const [patches, size] of SHAPES) {
    const source = new PatchedSource(new MemorySource("medium", content), patches, size);
    const expected = expectedBytes(content, patches, size ?? 3000);
    assertEquals([source.name, source.size, source.sectorSize], [
      "medium",
      expected.length,
      512,
    ]);
    for (let round = 0; round < 300; round++) {
      const offset = next(expected.length + 10);
      const into = new Uint8Array(next(expected.length + 500)).fill(0xee);
      const count = await source.readAt(offset, into);
      assertBytes(into.subarray(0, count), expected.slice(offset, offset + into.length));
      assertEquals(into.subarray(count).every((byte) => byte === 0xee), true);
    }
    assertBytes(content, patternBytes(3000), "the medium itself was changed");
  }
});

Deno.test("a stream stays a stream, patched, cut or continued", async () => {
  const content = patternBytes(3000);
  for (const [patches, size] of SHAPES) {
    const source = new PatchedSource(streamOf(content), patches, size);
    assertEquals([source.sequential, source.size], [true, size ?? Infinity]);
    const expected = expectedBytes(content, patches, size ?? 3000);
    // Reads run ahead: all are asked for before the first one has ended.
    const reads = [0, 1, 2, 3, 4, 5].map((index) => {
      const into = new Uint8Array(1000);
      return { into, count: source.readAt(index * 1000, into) };
    });
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    for (const { into, count } of reads) pieces.push(into.subarray(0, await count));
    assertBytes(new Uint8Array(await new Blob(pieces).arrayBuffer()), expected);
  }
});

Deno.test("patches that overlap or do not ascend are refused", () => {
  const medium = new MemorySource("medium", new Uint8Array(100));
  for (
    const patches of [
      [patchOf(10, 10), patchOf(19, 1)],
      [patchOf(10, 10), patchOf(0, 5)],
      [{ offset: -1, bytes: new Uint8Array(5) }],
      [{ offset: NaN, bytes: new Uint8Array(5) }],
    ]
  ) assertThrows(() => new PatchedSource(medium, patches), RangeError);
});

/** A medium of 8 KiB that can be read nowhere from byte 4096 on. */
function brokenMedium(options: { series?: boolean; endsAt?: number } = {}): FaultySource {
  const map = new RangeMap({ offset: 0, length: 8192 }, "+");
  if (options.endsAt === undefined) map.set({ offset: 4096, length: 4096 }, "-");
  return new FaultySource({ map, ...options });
}

Deno.test("what patches and zeros fill is not asked of the medium", async () => {
  const medium = brokenMedium();
  const patches = [patchOf(4096, 512), patchOf(4608, 1024)];
  const source = new PatchedSource(medium, patches, 10_000);
  const into = new Uint8Array(1536);
  assertEquals(await source.readAt(4096, into), 1536);
  assertBytes(into, expectedBytes(new Uint8Array(), patches, 8192).slice(4096, 5632));
  assertEquals(await source.readAt(8192, new Uint8Array(1000)), 1000);
  assertEquals(medium.reads, []);
});

Deno.test("a medium that ends before its end is not continued with zeros", async () => {
  for (const size of [undefined, 10_000]) {
    const source = new PatchedSource(brokenMedium({ endsAt: 1000 }), [patchOf(10, 10)], size);
    assertEquals(await source.readAt(0, new Uint8Array(10_000)), 1000);
  }
});

Deno.test("a series of reads is patched, and goes as far as the medium", async () => {
  const medium = brokenMedium({ series: true });
  const patches = [patchOf(1000, 600)];
  const source = new PatchedSource(medium, patches, 10_000);
  const expected = expectedBytes(patternBytes(8192), patches, 10_000);
  const readsAt = (...offsets: number[]): { offset: number; into: Bytes }[] =>
    offsets.map((offset) => ({ offset, into: new Uint8Array(512) }));
  const reads = readsAt(512, 1024, 1536, 4096, 4608);
  const outcome = await source.readSeries?.(reads, false);
  assertEquals([outcome?.milliseconds.length, outcome?.error?.offset], [3, 4096]);
  for (const { offset, into } of reads.slice(0, 3)) {
    assertBytes(into, expected.slice(offset, offset + 512));
  }
  // What another thread read behind a failure, too.
  const around = readsAt(512, 4096, 1024);
  const behind = (await source.readSeries?.(around, true))?.behind;
  assertEquals([...behind?.keys() ?? []], [2]);
  assertBytes(around[2]?.into ?? new Uint8Array(), expected.slice(1024, 1536));
  const last = await source.readSeries?.(readsAt(0, 8192, 512), false);
  assertEquals([last?.milliseconds.length, last?.error], [1, undefined]);
  const cut = new PatchedSource(medium, [], 1000);
  assertEquals((await cut.readSeries?.(readsAt(0, 512), false))?.milliseconds.length, 1);
  assertEquals(new PatchedSource(brokenMedium(), []).readSeries, undefined);
});

Deno.test("the traits of the medium show through; closing leaves it open", async () => {
  const medium = new PatternSource(1000, { sectorSize: 4096 });
  let cancelled = 0;
  const source: BlockSource = {
    name: medium.name,
    size: medium.size,
    sectorSize: medium.sectorSize,
    sectorPhase: 512,
    fractionRead: 0.25,
    readAt: (offset, into) => medium.readAt(offset, into),
    cancel: () => void cancelled++,
    [Symbol.asyncDispose]: () => medium[Symbol.asyncDispose](),
  };
  const patched = new PatchedSource(source, [patchOf(0, 10)]);
  assertEquals([patched.sectorSize, patched.sectorPhase, patched.fractionRead], [
    4096,
    512,
    0.25,
  ]);
  patched.cancel();
  assertEquals(cancelled, 1);
  await patched[Symbol.asyncDispose]();
  assertEquals(medium.closed, false);
});
