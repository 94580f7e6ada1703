import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { ChunkDigestConsumer } from "../../src/copy/chunk_digests.ts";
import { sequentialPolicy } from "../../src/copy/read_policy.ts";
import { runCopy } from "../../src/copy/run_copy.ts";
import { CollectingConsumer } from "../support/collecting_consumer.ts";
import { patternBytes, PatternSource } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";
import { NewWorkers } from "./worker_threads.ts";

Deno.test("every chunk has its place and its SHA-256, in order", async () => {
  const next = seededNumbers(51);
  for (const size of [0, 1, 8192, 8193, 50 * 8192 - 1]) {
    const { results: [digests] } = await runCopy({
      policy: sequentialPolicy(new PatternSource(size), { chunkBytes: 8192, onBad: "fail" }),
      consumers: [
        new ChunkDigestConsumer(),
        new CollectingConsumer({
          delay: () => new Promise((resolve) => setTimeout(resolve, next(3))),
        }),
      ],
      chunkBytes: 8192,
      ringBytes: 4 * 8192,
    });
    const content = patternBytes(size);
    const expected = Array.from({ length: Math.ceil(size / 8192) }, (_, index) => {
      const piece = content.subarray(index * 8192, index * 8192 + 8192);
      const hex = createHash("sha256").update(piece).digest("hex");
      return { offset: index * 8192, length: piece.length, hex };
    });
    assertEquals(digests, expected);
  }
});

Deno.test({
  name: "its thread ends with it",
  ignore: Deno.build.os !== "linux",
  async fn(): Promise<void> {
    const workers = new NewWorkers();
    const consumers = [new ChunkDigestConsumer(), new ChunkDigestConsumer()];
    await workers.become(2);
    await consumers[0]?.finish();
    await consumers[1]?.abort();
    await workers.become(0);
  },
});
