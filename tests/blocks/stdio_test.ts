import { assertEquals, assertRejects } from "@std/assert";
import { StreamConsumer, StreamSource } from "../../src/blocks/stdio.ts";
import type { Bytes } from "../../src/core/block.ts";
import { ImagingError } from "../../src/core/errors.ts";
import { makeChunk } from "../../src/copy/run_copy.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

/** A stream of bytes that comes in pieces of these sizes, over and over. */
function streamOf(content: Bytes, pieces: readonly number[]): ReadableStream<Bytes> {
  let at = 0;
  let turn = 0;
  return new ReadableStream({
    type: "bytes",
    async pull(controller): Promise<void> {
      await new Promise((resolve) => setTimeout(resolve));
      if (at >= content.length) {
        controller.close();
        // A request that is under way is answered with the end.
        controller.byobRequest?.respond(0);
        return;
      }
      const piece = pieces[turn++ % pieces.length] ?? 1;
      controller.enqueue(content.slice(at, at + piece));
      at += piece;
    },
  });
}

const PIECES = [[1], [511, 1, 513], [7, 70_000, 3], [65_536], [300_000], [1_000_000]];

for (const pieces of PIECES) {
  Deno.test(`a stream in pieces of ${pieces} is read as a medium is`, async () => {
    const average = pieces.reduce((sum, piece) => sum + piece, 0) / pieces.length;
    const size = Math.min(1_200_000, Math.floor(average * 500) + 1);
    const content = patternBytes(size);
    await using source = new StreamSource("stdin", streamOf(content, pieces));
    assertEquals([source.size, source.name], [Infinity, "stdin"]);
    const chunk = Math.ceil(size / 4) + 1;
    for (let at = 0; at < size; at += chunk) {
      const into = new Uint8Array(chunk);
      const expected = Math.min(chunk, size - at);
      // Short at the end only, however the stream is cut.
      assertEquals(await source.readAt(at, into), expected);
      assertBytes(into.subarray(0, expected), content.subarray(at, at + expected));
    }
    assertEquals(await source.readAt(size, new Uint8Array(10)), 0);
    assertEquals(await source.readAt(size + 10, new Uint8Array(10)), 0);
  });
}

Deno.test("requests that overlap in time are answered in their order", async () => {
  const content = patternBytes(100_000);
  await using source = new StreamSource("stdin", streamOf(content, [999]));
  const next = seededNumbers(6);
  const buffers: Bytes[] = [];
  const answers: Promise<number>[] = [];
  let at = 0;
  while (at < content.length) {
    const into = new Uint8Array(1 + next(9000));
    buffers.push(into);
    answers.push(source.readAt(at, into));
    at += into.length;
  }
  // Whoever reads ahead asks beyond the end, too.
  answers.push(source.readAt(at, new Uint8Array(500)));
  const counts = await Promise.all(answers);
  assertEquals(counts.pop(), 0);
  const whole = new Uint8Array(content.length);
  let place = 0;
  for (const [index, count] of counts.entries()) {
    whole.set((buffers[index] ?? new Uint8Array()).subarray(0, count), place);
    place += count;
  }
  assertBytes(whole, content);
});

Deno.test("an empty stream ends at once", async () => {
  await using source = new StreamSource("stdin", streamOf(new Uint8Array(), [1]));
  assertEquals(await source.readAt(0, new Uint8Array(512)), 0);
});

Deno.test("to look whether there is anything takes nothing away", async () => {
  for (const pieces of [[100], [511, 1, 513], [300_000]]) {
    for (const size of [0, 1, 512, 5000]) {
      const content = patternBytes(size);
      await using source = new StreamSource("stdin", streamOf(content, pieces));
      assertEquals(await source.isEmpty(), size === 0);
      let at = 0;
      for (const length of [1, 700, 4096, 4096]) {
        const into = new Uint8Array(length);
        const expected = Math.min(length, size - at);
        assertEquals(await source.readAt(at, into), expected);
        assertBytes(into.subarray(0, expected), content.subarray(at, at + expected));
        at += expected;
      }
      assertEquals(await source.readAt(at, new Uint8Array(1)), 0);
    }
  }
});

Deno.test("a stream cannot be read twice, nor with gaps", async () => {
  await using source = new StreamSource("stdin", streamOf(patternBytes(5000), [5000]));
  await source.readAt(0, new Uint8Array(1000));
  await assertRejects(() => source.readAt(0, new Uint8Array(10)), RangeError);
  await assertRejects(() => source.readAt(1010, new Uint8Array(10)), RangeError);
  // A wrong request leaves the stream where it was.
  assertEquals(await source.readAt(1000, new Uint8Array(10)), 10);
});

Deno.test("a stream that breaks is an error, not an end", async () => {
  let pulls = 0;
  const stream = new ReadableStream<Bytes>({
    type: "bytes",
    pull(controller): void {
      if (pulls++ > 0) throw new Error("the pipe broke");
      controller.enqueue(new Uint8Array(100));
    },
  });
  const source = new StreamSource("stdin", stream);
  await assertRejects(() => source.readAt(0, new Uint8Array(512)), Error, "the pipe broke");
});

Deno.test("every chunk is written, whole and in order, however little is taken at once", async () => {
  const next = seededNumbers(7);
  const content = patternBytes(50_000);
  const taken: number[] = [];
  const consumer = new StreamConsumer("stdout", async (bytes) => {
    await new Promise((resolve) => setTimeout(resolve));
    const count = 1 + next(bytes.length);
    taken.push(...bytes.subarray(0, count));
    return count;
  });
  const chunks: Promise<void>[] = [];
  for (let at = 0; at < content.length; at += 8192) {
    chunks.push(consumer.consume(makeChunk(at, content.slice(at, at + 8192))));
  }
  await consumer.finish();
  assertBytes(Uint8Array.from(taken), content);
  await Promise.all(chunks);
});

Deno.test("a reader that went away is an error of the environment, for every chunk", async () => {
  const cause = new Deno.errors.BrokenPipe("Broken pipe (os error 32)");
  const consumer = new StreamConsumer("stdout", () => Promise.reject(cause));
  const chunks = [0, 512].map((at) => consumer.consume(makeChunk(at, patternBytes(512))));
  await Promise.allSettled(chunks);
  for (const chunk of chunks) {
    const error = await assertRejects(() => chunk, ImagingError);
    assertEquals([error.kind, error.cause], ["environment", cause]);
  }
});
