import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { hashConsumers, THREAD_THRESHOLD_BYTES } from "../../src/copy/hash_consumers.ts";
import { sequentialPolicy } from "../../src/copy/read_policy.ts";
import { runCopy } from "../../src/copy/run_copy.ts";
import { HASH_ALGORITHMS } from "../../src/hashes/registry.ts";
import { CollectingConsumer } from "../support/collecting_consumer.ts";
import { patternBytes, PatternSource } from "../support/pattern.ts";
import { digestOf } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";
import { NewWorkers } from "./worker_threads.ts";

/** The digests of the pattern, on threads or not. */
async function digests(
  size: number,
  chunkBytes: number,
  threaded: boolean,
): Promise<Record<string, string>> {
  const next = seededNumbers(size);
  const algorithms = HASH_ALGORITHMS;
  const { results } = await runCopy({
    policy: sequentialPolicy(new PatternSource(size), { chunkBytes, onBad: "fail" }),
    consumers: [
      ...hashConsumers(algorithms, threaded ? THREAD_THRESHOLD_BYTES : size),
      // Holds buffers back, so that chunks come at odd times.
      new CollectingConsumer({
        delay: () => next(8) ? undefined : new Promise((resolve) => setTimeout(resolve, 2)),
      }),
    ],
    chunkBytes,
    ringBytes: 3 * chunkBytes,
  });
  return Object.fromEntries(
    results.flatMap((each) => "hex" in each ? [[each.algorithm.id, each.hex]] : []),
  );
}

for (
  const [size, chunkBytes] of [[0, 4096], [1, 4096], [100_000, 4096], [
    3_000_001,
    65_536,
  ]] as const
) {
  Deno.test({
    name: `${size} bytes have one digest, on threads or not, and others see the same`,
    ignore: needs("b3sum"),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const content = patternBytes(size);
      const path = await folder.write("content", content);
      const expected: Record<string, string> = {};
      for (const { id } of HASH_ALGORITHMS) {
        expected[id] = id === "blake3"
          ? await digestOf(path, "b3")
          : createHash(id).update(Buffer.from(content)).digest("hex");
      }
      assertEquals(await digests(size, chunkBytes, false), expected);
      assertEquals(await digests(size, chunkBytes, true), expected);
    },
  });
}

Deno.test("a consumer has the name of its hash, and the results come in their order", async () => {
  const reversed = HASH_ALGORITHMS.toReversed();
  const consumers = hashConsumers(reversed, 0);
  assertEquals(consumers.map(({ name }) => name), reversed.map(({ id }) => id));
  const finished = await Promise.all(consumers.map((consumer) => consumer.finish()));
  assertEquals(finished.map(({ algorithm }) => algorithm), reversed);
});

Deno.test({
  name: "no thread is left running, whether it was used, finished or aborted",
  ignore: Deno.build.os !== "linux",
  async fn(): Promise<void> {
    const workers = new NewWorkers();
    const consumers = hashConsumers(HASH_ALGORITHMS, Infinity);
    await workers.become(consumers.length);
    for (const consumer of consumers) await consumer.abort(new Error("the flow failed"));
    await workers.become(0);
    await Promise.all(hashConsumers(HASH_ALGORITHMS, Infinity).map((each) => each.finish()));
    await workers.become(0);
    // Little is hashed without threads.
    hashConsumers(HASH_ALGORITHMS, THREAD_THRESHOLD_BYTES - 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assertEquals(workers.count, 0);
  },
});
