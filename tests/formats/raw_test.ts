import { assert, assertEquals, assertRejects } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import { sequentialPolicy } from "../../src/copy/read_policy.ts";
import { RangeMap } from "../../src/copy/range_map.ts";
import { resumePolicy } from "../../src/copy/resume_policy.ts";
import { makeChunk, runCopy } from "../../src/copy/run_copy.ts";
import { TrackedConsumer } from "../../src/copy/tracked_consumer.ts";
import { WriteError } from "../../src/core/errors.ts";
import { totalLength } from "../../src/core/range.ts";
import type { ImageSummary } from "../../src/formats/image_format.ts";
import { raw } from "../../src/formats/raw.ts";
import { MemoryOutput } from "../support/image_output.ts";
import { assertBytes, patternBytes, PatternSource } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

const BLOCK = 64 * 1024;

type Bytes = Uint8Array<ArrayBuffer>;

/** A medium of which some parts, with borders of every kind, are zero. */
function withZeros(size: number, seed: number): Bytes {
  const next = seededNumbers(seed);
  const bytes = patternBytes(size, { seed });
  for (let area = 0; area < 5; area++) {
    const offset = next(2) === 0 ? next(size) : Math.floor(next(size) / BLOCK) * BLOCK;
    bytes.fill(0, offset, offset + (1 + next(4)) * BLOCK + next(3) - 1);
  }
  return bytes;
}

function randomDelays(seed: number): () => Promise<void> | undefined {
  const next = seededNumbers(seed);
  return () =>
    next(2) === 0 ? undefined : new Promise((resolve) => setTimeout(resolve, next(4)));
}

async function write(
  content: Bytes,
  output: MemoryOutput,
  sparse = true,
  size = content.length,
): Promise<ImageSummary> {
  const chunkBytes = 3 * BLOCK;
  const { results: [summary] } = await runCopy({
    policy: sequentialPolicy(new MemorySource("medium", content), {
      chunkBytes,
      onBad: "fail",
    }),
    consumers: [await raw.create(output, { size, sparse })],
    chunkBytes,
  });
  return summary;
}

Deno.test("a raw image holds the bytes of the medium, whatever is left out of the file", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const size = 12 * BLOCK + ([0, 1, BLOCK - 1, 512][seed % 4] ?? 0);
    const content = withZeros(size, seed);
    const output = new MemoryOutput({ delay: randomDelays(seed) });
    const summary = await write(content, output);
    assertBytes(output.content, content);
    assertBytes(output.durable, content, "not durable");
    assertEquals(summary.size, size);
    assertEquals(totalLength(output.written) + summary.holeBytes, size);
  }
});

Deno.test("whole blocks of zeros are holes, and nothing else is", async () => {
  const content = patternBytes(8 * BLOCK);
  content.fill(0, BLOCK, 3 * BLOCK);
  // One byte too few on either side.
  content.fill(0, 4 * BLOCK + 1, 5 * BLOCK);
  content.fill(0, 6 * BLOCK, 7 * BLOCK - 1);
  for (const place of [4 * BLOCK, 6 * BLOCK - 1, 7 * BLOCK - 1]) content[place] = 1;
  const output = new MemoryOutput();
  const { holeBytes } = await write(content, output);
  assertEquals(output.written, [
    { offset: 0, length: BLOCK },
    { offset: 3 * BLOCK, length: 5 * BLOCK },
  ]);
  assertEquals(holeBytes, 2 * BLOCK);
});

Deno.test("zeros at the end, or nothing but zeros: the file has its whole length", async () => {
  for (const size of [1, BLOCK, 5 * BLOCK, 5 * BLOCK + 1]) {
    const output = new MemoryOutput();
    const { holeBytes } = await write(new Uint8Array(size), output);
    assertEquals([output.durable.length, holeBytes, output.written], [size, size, []]);
  }
  const output = new MemoryOutput();
  await write(new Uint8Array(), output);
  assertEquals(output.durable.length, 0);
});

Deno.test("without holes every byte is written", async () => {
  const content = withZeros(7 * BLOCK + 5, 3);
  const output = new MemoryOutput();
  const { holeBytes } = await write(content, output, false);
  assertEquals(output.written, [{ offset: 0, length: content.length }]);
  assertBytes(output.durable, content);
  assertEquals(holeBytes, 0);
});

Deno.test("where an older run left bytes, zeros are written over them", async () => {
  for (const left of [1, BLOCK, 3 * BLOCK + 7, 12 * BLOCK, 20 * BLOCK]) {
    for (let seed = 1; seed <= 4; seed++) {
      const content = withZeros(12 * BLOCK + 100, seed);
      const output = new MemoryOutput({
        initial: patternBytes(left, { seed: 77 }),
        delay: randomDelays(seed),
      });
      await write(content, output);
      // Also its length: what was longer is cut.
      assertBytes(output.durable, content, `${left} bytes were there`);
    }
  }
});

Deno.test("a file resumed after a crash becomes right, whatever lies beyond its map", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const next = seededNumbers(seed);
    const size = 12 * BLOCK + 100;
    const content = withZeros(size, seed);
    // The map knows less than was written: the rest may be anything.
    const initial = patternBytes(next(size + BLOCK), { seed: 77 });
    const map = new RangeMap({ offset: 0, length: size });
    for (let area = 0; area < 3; area++) {
      const offset = next(size);
      map.set({ offset, length: Math.min(next(4 * BLOCK), initial.length - offset) }, "+");
    }
    for (const { offset, length } of map.ranges("+")) {
      initial.set(content.subarray(offset, offset + length), offset);
    }
    const output = new MemoryOutput({ initial, delay: randomDelays(seed) });
    const tracked = new TrackedConsumer(await raw.create(output, { size, sparse: true }), {
      map,
      intervalMilliseconds: 1,
      save(saved): Promise<void> {
        // A power cut now would leave nothing wrong in what the map claims.
        for (const { offset, length } of saved.ranges("+")) {
          assertBytes(
            output.durable.subarray(offset, offset + length),
            content.subarray(offset, offset + length),
            `the map claims ${length} bytes at ${offset}`,
          );
        }
        return Promise.resolve();
      },
    });
    await runCopy({
      policy: resumePolicy({
        source: new MemorySource("medium", content),
        saved: new MemorySource("saved", initial.slice()),
        map: map.clone(),
        chunkBytes: BLOCK,
        withSaved: seed % 2 === 0,
      }),
      consumers: [tracked],
      chunkBytes: BLOCK,
    });
    assertBytes(output.durable, content, `seed ${seed}`);
  }
});

Deno.test("a sync makes durable what was taken, holes at the end included", async () => {
  const output = new MemoryOutput();
  const writer = await raw.create(output, { size: 10 * BLOCK, sparse: true });
  const content = patternBytes(4 * BLOCK).fill(0, 2 * BLOCK);
  await writer.consume(makeChunk(0, content.slice(0, 2 * BLOCK)));
  await writer.sync();
  assertBytes(output.durable, content.subarray(0, 2 * BLOCK));
  await writer.consume(makeChunk(2 * BLOCK, content.slice(2 * BLOCK)));
  assertEquals(output.content.length, 2 * BLOCK);
  await writer.sync();
  assertBytes(output.durable, content);
});

Deno.test("a sync in the middle of writes cuts nothing off", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const content = withZeros(12 * BLOCK, seed);
    const output = new MemoryOutput({ delay: randomDelays(seed) });
    const writer = await raw.create(output, { size: content.length, sparse: true });
    const work: Promise<void>[] = [];
    for (let at = 0; at < content.length; at += BLOCK) {
      work.push(writer.consume(makeChunk(at, content.slice(at, at + BLOCK))));
      if (at % (3 * BLOCK) === 0) work.push(writer.sync());
    }
    await Promise.all(work);
    await writer.finish();
    assertBytes(output.durable, content, `seed ${seed}`);
  }
});

Deno.test("a sync of a resumed file does not cut what lies behind", async () => {
  const initial = patternBytes(8 * BLOCK);
  const output = new MemoryOutput({ initial });
  const writer = await raw.create(output, { size: 10 * BLOCK, sparse: true });
  await writer.consume(makeChunk(0, initial.slice(0, BLOCK)));
  await writer.sync();
  assertBytes(output.durable, initial);
});

Deno.test("a stream's image is as long as what came", async () => {
  const content = withZeros(5 * BLOCK + 3, 9);
  const output = new MemoryOutput({ initial: patternBytes(9 * BLOCK, { seed: 8 }) });
  const summary = await write(content, output, true, Infinity);
  assertEquals(summary.size, content.length);
  assertBytes(output.durable, content);
});

Deno.test("a write that fails is told once all writes of the chunk have ended", async () => {
  const error = new WriteError("no space left on device (ENOSPC)", 0);
  const gate = Promise.withResolvers<void>();
  const output = new MemoryOutput({
    delay: (call) => call === 0 ? Promise.reject(error) : gate.promise,
  });
  const writer = await raw.create(output, { size: 3 * BLOCK, sparse: true });
  // A hole in the middle makes two writes.
  const consumed = writer.consume(
    makeChunk(0, patternBytes(3 * BLOCK).fill(0, BLOCK, 2 * BLOCK)),
  );
  const outcome = assertRejects(() => consumed, WriteError);
  const early = await Promise.race([
    outcome.then(() => "told"),
    new Promise((resolve) => setTimeout(() => resolve("waiting"), 20)),
  ]);
  assertEquals(early, "waiting");
  gate.resolve();
  assertEquals(await outcome, error);
});

Deno.test("opening shows the file itself", async () => {
  const file = new PatternSource(1000);
  const { media, metadata, findings } = await raw.open(file);
  assert(media === file);
  assertEquals([metadata, findings], [[], []]);
});
