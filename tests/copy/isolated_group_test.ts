import { assertEquals, assertRejects } from "@std/assert";
import { IsolatedGroup } from "../../src/copy/isolated_group.ts";
import { sequentialPolicy } from "../../src/copy/read_policy.ts";
import { RangeMap } from "../../src/copy/range_map.ts";
import { runCopy } from "../../src/copy/run_copy.ts";
import { ImagingError, WriteError } from "../../src/core/errors.ts";
import { CollectingConsumer } from "../support/collecting_consumer.ts";
import { FaultySource } from "../support/faulty_source.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

const CHUNK_BYTES = 4096;
const SIZE = 40 * CHUNK_BYTES;

function failAt(chunk: number, error: Error): CollectingConsumer {
  return new CollectingConsumer({ name: error.message, failAt: { chunk, error } });
}

function healthy(): FaultySource {
  return new FaultySource({ map: new RangeMap({ offset: 0, length: SIZE }, "+") });
}

async function copyTo(
  group: IsolatedGroup<Uint8Array<ArrayBuffer>>,
  source = healthy(),
): Promise<void> {
  await runCopy({
    policy: sequentialPolicy(source, { chunkBytes: CHUNK_BYTES, onBad: "fail" }),
    consumers: group.consumers,
    chunkBytes: CHUNK_BYTES,
  });
}

Deno.test("one that fails does not spoil the others, and is not asked again", async () => {
  const next = seededNumbers(41);
  const error = new WriteError("card 2 is broken", 0);
  const members = [
    new CollectingConsumer({
      delay: () => new Promise((resolve) => setTimeout(resolve, next(4))),
    }),
    failAt(7, error),
    new CollectingConsumer(),
  ];
  const group = new IsolatedGroup(members);
  const { results } = await runCopy({
    policy: sequentialPolicy(healthy(), { chunkBytes: CHUNK_BYTES, onBad: "fail" }),
    consumers: group.consumers,
    chunkBytes: CHUNK_BYTES,
    ringBytes: 4 * CHUNK_BYTES,
  });
  const [first, second, third] = results;
  assertEquals([first?.error, second?.error, third?.error], [undefined, error, undefined]);
  for (const result of [first, third]) {
    assertBytes(
      result !== undefined && "result" in result ? result.result : new Uint8Array(),
      patternBytes(SIZE),
    );
  }
  const [, broken] = members;
  assertEquals(broken?.aborts, [error]);
  assertEquals(broken?.finished, false);
  // At most what was under way already came after the failure.
  assertEquals((broken?.chunks.length ?? 99) <= 8 + 4, true);
  assertEquals(group.allFailed, undefined);
});

Deno.test("when the last one has failed the flow ends", async () => {
  const errors = [new WriteError("first", 0), new WriteError("second", 0)] as const;
  const members = [failAt(3, errors[0]), failAt(12, errors[1])];
  const group = new IsolatedGroup(members);
  const source = healthy();
  const thrown = await assertRejects(() => copyTo(group, source), WriteError);
  assertEquals(thrown, errors[1]);
  // In the order of the members, not of their failures.
  assertEquals(group.allFailed, [...errors]);
  assertEquals(members.map(({ aborts }) => aborts), [[errors[0]], [errors[1]]]);
  assertEquals(source.reads.length < 40, true);
});

Deno.test("one that fails at the end has its error as the result", async () => {
  const error = new WriteError("the flush failed", 0);
  const good = new CollectingConsumer();
  const group = new IsolatedGroup([new CollectingConsumer({ failFinish: error }), good]);
  const { results } = await runCopy({
    policy: sequentialPolicy(healthy(), { chunkBytes: CHUNK_BYTES, onBad: "fail" }),
    consumers: group.consumers,
    chunkBytes: CHUNK_BYTES,
  });
  assertEquals(results.map((each) => each.error), [error, undefined]);
  assertEquals(good.finished, true);
});

Deno.test("a bug in one is no failure of a device: it ends everything", async () => {
  const bug = new TypeError("undefined is not a function");
  const good = new CollectingConsumer();
  const group = new IsolatedGroup([failAt(2, bug), good]);
  assertEquals(await assertRejects(() => copyTo(group)), bug);
  assertEquals([good.finished, good.aborts], [false, [bug]]);
});

Deno.test("when the source fails, all that still work are told, once", async () => {
  const error = new WriteError("card 1 is broken", 0);
  const members = [failAt(1, error), new CollectingConsumer()];
  const group = new IsolatedGroup(members);
  const source = new FaultySource({
    map: new RangeMap({ offset: 0, length: SIZE }, "+"),
    goneAtRead: 30,
  });
  const thrown = await assertRejects(() => copyTo(group, source), ImagingError);
  assertEquals(thrown.osCode, "ENODEV");
  assertEquals(members.map(({ aborts }) => aborts), [[error], [thrown]]);
  assertEquals(group.allFailed, undefined);
});

Deno.test("members keep their names", () => {
  const group = new IsolatedGroup([
    new CollectingConsumer({ name: "/dev/sdb" }),
    new CollectingConsumer({ name: "/dev/sdc" }),
  ]);
  assertEquals(group.consumers.map(({ name }) => name), ["/dev/sdb", "/dev/sdc"]);
});
