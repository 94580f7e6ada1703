import { assertEquals, assertRejects } from "@std/assert";
import { FIRST_BLOCK_BYTES, FirstBlockLastSink } from "../../src/blocks/first_block_last.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { StrictSink } from "../support/strict_sink.ts";

const MIB = 1024 * 1024;

/** What is on the medium before. */
function oldContent(size: number): Uint8Array<ArrayBuffer> {
  return patternBytes(size, { seed: 99 });
}

Deno.test("one MiB is held back: the first GPT with its entries lies in it", () => {
  assertEquals(FIRST_BLOCK_BYTES, MIB);
});

for (const chunkBytes of [64 * 1024, MIB, 4 * MIB]) {
  for (
    const size of [512, MIB - 512, MIB, MIB + 512, MIB + 1, MIB - 1, 1000, 3 * MIB + 1536]
  ) {
    Deno.test(`${size} bytes in chunks of ${chunkBytes}: the first block comes last`, async () => {
      const content = patternBytes(size);
      const strict = new StrictSink(oldContent(size));
      const sink = new FirstBlockLastSink(strict);
      const first = Math.min(MIB, size);

      const chunks: Promise<void>[] = [];
      for (let at = 0; at < size; at += chunkBytes) {
        chunks.push(sink.writeAt(at, content.slice(at, at + chunkBytes)));
      }
      await Promise.all(chunks);
      // The old beginning was gone, durably, before anything else was touched.
      assertEquals(strict.calls.slice(0, 2), [
        { call: "write", offset: 0, length: Math.min(first, chunkBytes) },
        { call: "flush" },
      ]);
      await sink.flush();
      // Everything but the first block is there, and nothing of that.
      const blanked = content.slice().fill(0, 0, first);
      assertBytes(strict.content, blanked);
      assertBytes(sink.heldBack, content.subarray(0, first));

      const callsBefore = strict.calls.length;
      await sink.release();
      assertBytes(strict.content, content);
      assertEquals(strict.calls.slice(callsBefore), [
        { call: "write", offset: 0, length: first },
        { call: "flush" },
      ]);

      // Should the verification fail, the medium must not pretend to be whole.
      await sink.revoke();
      assertBytes(strict.content, blanked);
      assertEquals(strict.calls.at(-1), { call: "flush" });
    });
  }
}

Deno.test("while the old beginning is being removed, nothing else is written", async () => {
  const gate = Promise.withResolvers<void>();
  const strict = new StrictSink(oldContent(4 * MIB), {
    // The flush behind the zeros.
    delay: (call) => call === 1 ? gate.promise : undefined,
  });
  const sink = new FirstBlockLastSink(strict);
  const chunks = [0, 1, 2, 3].map((each) => sink.writeAt(each * MIB, patternBytes(MIB)));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(strict.calls, [{ call: "write", offset: 0, length: MIB }, { call: "flush" }]);
  gate.resolve();
  await Promise.all(chunks);
  assertEquals(strict.calls.length, 5);
});

Deno.test("a short image leaves what lies behind it", async () => {
  const strict = new StrictSink(oldContent(3 * MIB));
  const sink = new FirstBlockLastSink(strict);
  const content = patternBytes(10 * 512);
  await sink.writeAt(0, content);
  const expected = oldContent(3 * MIB).fill(0, 0, content.length);
  assertBytes(strict.content, expected);
  await sink.release();
  expected.set(content);
  assertBytes(strict.content, expected);
});

Deno.test("a medium that refuses the first zeros gets nothing at all", async () => {
  const strict = new StrictSink(oldContent(4 * MIB), {
    delay: () => Promise.reject(new Error("write protected")),
  });
  const sink = new FirstBlockLastSink(strict);
  const chunks = [0, 1, 2].map((each) => sink.writeAt(each * MIB, patternBytes(MIB)));
  for (const chunk of chunks) await assertRejects(() => chunk, Error, "write protected");
  assertEquals(strict.calls.length, 1);
  assertBytes(strict.content, oldContent(4 * MIB));
});

Deno.test("the bytes that were held back are a copy: the caller's buffer is free again", async () => {
  const strict = new StrictSink(new Uint8Array(MIB));
  const sink = new FirstBlockLastSink(strict);
  const buffer = patternBytes(MIB);
  await sink.writeAt(0, buffer);
  buffer.fill(0xee);
  await sink.release();
  assertBytes(strict.content, patternBytes(MIB));
});

Deno.test("name and sector size are those of the medium", () => {
  const sink = new FirstBlockLastSink(
    new StrictSink(new Uint8Array(4096), { sectorSize: 4096 }),
  );
  assertEquals([sink.name, sink.sectorSize], ["strict sink", 4096]);
});
