/** A device of Linux whose calls hang: what hangs is given up, and the rest goes on. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { allocateAligned } from "../../ffi/memory.ts";
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import { ReadError } from "../../src/core/errors.ts";
import { linuxBackend } from "../../src/devices/linux_backend.ts";
import { MAX_HANGING } from "../../src/devices/opened_device.ts";
import { FAILING_DISK_TOOLS, FailingDisk } from "../support/failing_disk.ts";
import { linuxTest } from "../support/linux_test.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { tryRun } from "../support/run_cli.ts";
import { TemporaryFolder, waitUntil } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs(...FAILING_DISK_TOOLS);
const SIZE = 256 * 1024;
const STUCK = 70_656;

async function hangingDisk(folder: TemporaryFolder): Promise<FailingDisk> {
  return await FailingDisk.create(folder, {
    file: await folder.write("disk", patternBytes(SIZE)),
    bad: [],
    failureMilliseconds: 1,
    hanging: [{ offset: STUCK, length: 512 }],
  }, { direct: true });
}

/** How often this process has a device open. */
async function openings(path: string): Promise<number> {
  // It also complains of those that were closed meanwhile.
  const { stdout } = await tryRun("ls", ["-l", `/proc/${Deno.pid}/fd`]);
  return stdout.split("\n").filter((line) => line.endsWith(` -> ${path}`)).length;
}

/** Gives up, and answers what settles when all has returned. */
function abandon(source: BlockSource): Promise<void> {
  const returned = source.abandon?.();
  if (returned === undefined) throw new Error("It could not be given up");
  return returned;
}

async function untilHung(disk: FailingDisk): Promise<void> {
  await waitUntil("a request hangs", async () => (await disk.counts()).hung > 0);
}

async function assertReads(source: BlockSource, offset: number, into: Bytes): Promise<void> {
  assertEquals(await source.readAt(offset, into), into.length);
  assertBytes(into, patternBytes(into.length, { offset }));
}

linuxTest({
  name: "reads that hang are given up, and others are made on another thread",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    await using disk = await hangingDisk(folder);
    {
      await using source = await linuxBackend.openSource(disk.path);
      // One with a detour by memory of its own, and one that only waits behind it.
      const odd = source.readAt(STUCK + 1, new Uint8Array(100));
      const behind = source.readAt(0, new Uint8Array(100));
      await untilHung(disk);
      const returned = abandon(source);
      for (const read of [odd, behind]) {
        assertEquals((await assertRejects(() => read, ReadError)).osCode, "ETIMEDOUT");
      }
      await assertReads(source, 0, new Uint8Array(4096));
      await assertReads(source, STUCK + 512, new Uint8Array(512));
      assertEquals(await openings(disk.path), 2);
      await disk.relent();
      await returned;
      assertEquals(await openings(disk.path), 1);
      await assertReads(source, 512, new Uint8Array(1024));
    }
    assertEquals(await openings(disk.path), 0);
  },
});

/** Series end early when they take long, on a busy machine before what hangs: then anew. */
async function untilSeriesHangs<Outcome>(
  disk: FailingDisk,
  read: () => Promise<Outcome>,
): Promise<{ readonly series: Promise<Outcome> }> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const series = read();
    let isSettled = false;
    series.finally(() => {
      isSettled = true;
    });
    let isHung = false;
    await waitUntil("a request hangs, or the series ends", async () => {
      isHung = (await disk.counts()).hung > 0;
      return isHung || isSettled;
    });
    if (isHung) return { series };
  }
  throw new Error("No series came as far as what hangs");
}

for (const ahead of [false, true]) {
  linuxTest({
    name: `a series that hangs tells what it brought${ahead ? ", on two threads" : ""}`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      await using disk = await hangingDisk(folder);
      await using source = await linuxBackend.openSource(disk.path);
      using memory = allocateAligned(16 * 512);
      const start = STUCK - 3 * 512;
      const reads = Array.from({ length: 16 }, (_, index) => ({
        offset: start + index * 512,
        into: memory.bytes.subarray(index * 512, (index + 1) * 512),
      }));
      const { readSeries } = source;
      if (readSeries === undefined) throw new Error("It reads no series");
      const { series } = await untilSeriesHangs(
        disk,
        () => readSeries.call(source, reads, ahead),
      );
      // The other thread reads on as far as a series may last.
      await new Promise((resolve) => setTimeout(resolve, 400));
      const returned = abandon(source);
      const outcome = await series;
      assertEquals(outcome.milliseconds.length, 3);
      assertEquals([outcome.error?.osCode, outcome.error?.offset], ["ETIMEDOUT", STUCK]);
      // What the other thread read behind it counts.
      const behind = [...outcome.behind?.keys() ?? []];
      assertEquals(behind, ahead ? Array.from({ length: 12 }, (_, index) => 4 + index) : []);
      for (const index of behind) {
        const { offset, into } = reads[index] ?? { offset: 0, into: new Uint8Array() };
        assertEquals(typeof outcome.behind?.get(index), "number");
        assertBytes(into, patternBytes(512, { offset }));
      }
      assertBytes(memory.bytes.subarray(0, 1536), patternBytes(1536, { offset: start }));
      await assertReads(source, STUCK + 512, new Uint8Array(512));
      await disk.relent();
      await returned;
    },
  });
}

linuxTest({
  name: "no more than some calls hang at a time",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    await using disk = await hangingDisk(folder);
    await using source = await linuxBackend.openSource(disk.path);
    const all: Promise<void>[] = [];
    const read = async (): Promise<string | undefined> =>
      (await assertRejects(() => source.readAt(STUCK, new Uint8Array(512)), ReadError)).osCode;
    for (let count = 0; count < MAX_HANGING; count++) {
      const hung = read();
      await untilHung(disk);
      all.push(abandon(source));
      assertEquals(await hung, "ETIMEDOUT");
    }
    const waits = read();
    await untilHung(disk);
    assertEquals(source.abandon?.(), undefined);
    await disk.relent();
    assertEquals(await waits, "EIO");
    await Promise.all(all);
    // Now there is room again.
    const returned = source.abandon?.();
    assert(returned !== undefined);
    await returned;
    await assertReads(source, 0, new Uint8Array(512));
  },
});
