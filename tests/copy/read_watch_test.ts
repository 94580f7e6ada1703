import { assertEquals } from "@std/assert";
import { ReadWatch } from "../../src/copy/read_watch.ts";
import type { BlockSource } from "../../src/core/block.ts";
import { PatternSource } from "../support/pattern.ts";

/** A source that counts how often it was given up; the answer never settles. */
class Abandonable extends PatternSource {
  count = 0;
  isFull = false;

  abandon(): Promise<void> | undefined {
    if (this.isFull) return undefined;
    this.count++;
    return new Promise(() => {});
  }
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

Deno.test("the time of a read begins when those before it have ended", async () => {
  const source = new Abandonable(4096);
  const watch = new ReadWatch(source, 500);
  const [first, second] = [watch.begin(), watch.begin()];
  await wait(350);
  first.end();
  await wait(350);
  assertEquals([source.count, first.returned, second.returned], [0, undefined, undefined]);
  await wait(350);
  assertEquals([source.count, second.hung], [1, true]);
  second.end();
  assertEquals(watch.milliseconds, 0);
});

Deno.test("all reads under way are given up together; the oldest is the one that hung", async () => {
  const source = new Abandonable(4096);
  const watch = new ReadWatch(source, 30);
  const reads = [watch.begin(), watch.begin(), watch.begin()];
  await wait(200);
  assertEquals(source.count, 1);
  assertEquals(reads.map(({ hung }) => hung), [true, false, false]);
  assertEquals(new Set(reads.map(({ returned }) => returned)).size, 1);
  // One that is asked for meanwhile goes to the medium that was opened again.
  const later = watch.begin();
  for (const read of reads) read.end();
  assertEquals(later.returned, undefined);
  later.end();
});

Deno.test("nothing is given up without a limit, where it cannot be, or when it was stopped", async () => {
  const source = new Abandonable(4096);
  const plain: BlockSource = new PatternSource(4096);
  const stopped = new ReadWatch(source, 20);
  const watches = [new ReadWatch(source), new ReadWatch(plain, 20), stopped];
  const reads = watches.map((watch) => watch.begin());
  stopped.stop();
  await wait(150);
  assertEquals(reads.map(({ returned }) => returned), [undefined, undefined, undefined]);
  assertEquals(source.count, 0);
  for (const read of reads) read.end();
});

Deno.test("after the whole program stood still an answer is waited for again", async () => {
  const source = new Abandonable(4096);
  const read = new ReadWatch(source, 100).begin();
  const end = performance.now() + 1300;
  while (performance.now() < end);
  await wait(0);
  assertEquals([source.count, read.returned], [0, undefined]);
  await wait(500);
  assertEquals([source.count, read.hung], [1, true]);
  read.end();
});

Deno.test("a limit of weeks is not one of a moment", async () => {
  const source = new Abandonable(4096);
  const read = new ReadWatch(source, 1e12).begin();
  await wait(100);
  assertEquals([source.count, read.returned], [0, undefined]);
  read.end();
});

Deno.test("where too much hangs already it is tried again", async () => {
  const source = new Abandonable(4096);
  source.isFull = true;
  const read = new ReadWatch(source, 20).begin();
  await wait(200);
  assertEquals(read.returned, undefined);
  source.isFull = false;
  await wait(1500);
  assertEquals([source.count, read.hung], [1, true]);
  read.end();
});
