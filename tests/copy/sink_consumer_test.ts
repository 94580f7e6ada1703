import { assertEquals, assertRejects } from "@std/assert";
import { sequentialPolicy } from "../../src/copy/read_policy.ts";
import { runCopy } from "../../src/copy/run_copy.ts";
import { SinkConsumer } from "../../src/copy/sink_consumer.ts";
import { assertBytes, patternBytes, PatternSource } from "../support/pattern.ts";
import { StrictSink } from "../support/strict_sink.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

for (const sectorSize of [512, 4096]) {
  Deno.test(`a medium of ${sectorSize}-byte sectors is written once, whole, then flushed`, async () => {
    const size = 50 * 8192 + sectorSize;
    const next = seededNumbers(sectorSize);
    const sink = new StrictSink(patternBytes(size + 8192, { seed: 9 }), {
      sectorSize,
      delay: () => new Promise((resolve) => setTimeout(resolve, next(4))),
    });
    await runCopy({
      policy: sequentialPolicy(new PatternSource(size), { chunkBytes: 8192, onBad: "fail" }),
      consumers: [new SinkConsumer(sink)],
      chunkBytes: 8192,
    });
    const expected = patternBytes(size + 8192, { seed: 9 });
    expected.set(patternBytes(size));
    assertBytes(sink.content, expected);
    assertEquals(sink.calls.length, 52);
    assertEquals(sink.calls.findIndex(({ call }) => call === "flush"), 51);
  });
}

Deno.test("a flush that fails is a failure", async () => {
  const sink = new StrictSink(new Uint8Array(4096), {
    delay: (call) => call === 1 ? Promise.reject(new Error("lost")) : undefined,
  });
  await assertRejects(
    () =>
      runCopy({
        policy: sequentialPolicy(new PatternSource(4096), { chunkBytes: 4096, onBad: "fail" }),
        consumers: [new SinkConsumer(sink)],
      }),
    Error,
    "lost",
  );
});
