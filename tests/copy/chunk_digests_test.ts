import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { MemorySource } from "../../src/blocks/memory.ts";
import type { BlockSource, ChunkConsumer } from "../../src/core/block.ts";
import {
  ChunkDigestComparer,
  ChunkDigestConsumer,
  ChunkDigests,
} from "../../src/copy/chunk_digests.ts";
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
      return createHash("sha256").update(piece).digest();
    });
    assertEquals(digests.count, expected.length);
    for (const [index, digest] of expected.entries()) {
      assertEquals(digests.matches(index, digest), true);
      digest[15] = (digest[15] ?? 0) ^ 1;
      assertEquals(digests.matches(index, digest), false);
    }
    assertEquals(digests.matches(expected.length, new Uint8Array(32)), false);
  }
});

Deno.test("chunks that differ from their digests are found where they are", async () => {
  const size = 50 * 8192 - 1;
  const copy = async <Result>(
    source: BlockSource,
    consumer: ChunkConsumer<Result>,
  ): Promise<Result> => {
    const { results: [result] } = await runCopy({
      policy: sequentialPolicy(source, { chunkBytes: 8192, onBad: "fail" }),
      consumers: [consumer],
      chunkBytes: 8192,
    });
    return result;
  };
  const digests = await copy(new PatternSource(size), new ChunkDigestConsumer());
  const bytes = patternBytes(size);
  const same = new MemorySource("same", bytes.slice());
  assertEquals(await copy(same, new ChunkDigestComparer(digests)), []);
  bytes[8192 * 3] = (bytes[8192 * 3] ?? 0) ^ 1;
  bytes[size - 1] = (bytes[size - 1] ?? 0) ^ 1;
  const other = new MemorySource("other", bytes);
  assertEquals(await copy(other, new ChunkDigestComparer(digests)), [
    { offset: 8192 * 3, length: 8192 },
    { offset: 8192 * 49, length: 8191 },
  ]);
  const longer = new MemorySource("longer", patternBytes(size + 1));
  assertEquals(await copy(longer, new ChunkDigestComparer(digests)), [
    { offset: 8192 * 49, length: 8192 },
  ]);
});

Deno.test("digests of thousands of chunks are kept", () => {
  const digests = new ChunkDigests();
  const digestOf = (index: number): Uint8Array =>
    createHash("sha256").update(String(index)).digest();
  for (let index = 0; index < 5000; index++) digests.add(digestOf(index));
  for (let index = 0; index < 5000; index++) {
    assertEquals(digests.matches(index, digestOf(index)), true);
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
