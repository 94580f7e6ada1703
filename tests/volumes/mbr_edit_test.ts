import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Bytes } from "../../src/core/block.ts";
import { FormatError, ImagingError } from "../../src/core/errors.ts";
import { readPartitionTable } from "../../src/volumes/read_partition_table.ts";
import {
  allocatedEnd,
  grownLastPartition,
  sectorPatches,
  shortenedGpt,
} from "../../src/volumes/table_edits.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { needs } from "../support/tools.ts";
import {
  assertSound,
  assertSoundDisk,
  contentsOf,
  divide,
  dividedDisk,
  edited,
  editFile,
  filledDisk,
  partitionsOf,
} from "./edit_tools.ts";
import { FileSource, ImageFile, run, StrictSource } from "./image_tools.ts";

const MIB = 1024 * 1024;
const TIB = 1024 ** 4;
const DISK_BYTES = 64 * MIB;
const TOOLS = ["sfdisk", "parted"];

const PRIMARY = "label: dos\nsize=4M, type=c, bootable\nsize=20M, type=83\n";
const LOGICAL = `label: dos
size=4M, type=c
start=8M, size=30M, type=f
start=9M, size=2M, type=83
start=12M, size=3M, type=83
start=20M, size=4M, type=82
`;
const FIRST_LOGICAL =
  "label: dos\nsize=4M, type=c\nsize=30M, type=5\nstart=6M, size=6M, type=83\n";
/** The first in the chain ends last. */
const UNORDERED =
  "label: dos\nsize=20M, type=83\nsize=4M, type=83\nstart=40M, size=2M, type=7\n";

/** The disk after `sfdisk -N` let a partition take all the room behind it. */
async function grownBySfdisk(disk: Bytes, size: number, number: number): Promise<Bytes> {
  await using image = new ImageFile(0);
  const larger = new Uint8Array(size);
  larger.set(disk);
  await Deno.writeFile(image.path, larger);
  await run("sfdisk", ["--no-reread", "-N", `${number}`, image.path], ", +\n");
  return await image.bytes();
}

for (
  const [name, layout, number] of [
    ["a primary partition", PRIMARY, 2],
    ["of three the one that ends last", UNORDERED, 3],
  ] as const
) {
  Deno.test({
    name: `${name} grows as sfdisk makes it`,
    ignore: needs(...TOOLS),
    async fn(): Promise<void> {
      const disk = await filledDisk(await dividedDisk(DISK_BYTES, "sfdisk", layout));
      const before = await partitionsOf(disk);
      // Up to and beyond what cylinder, head and sector can say (7.8 GiB).
      for (const size of [DISK_BYTES, DISK_BYTES + 512, 100 * MIB]) {
        const edit = await grownLastPartition(new StrictSource(disk), size);
        const grown = edited(disk, edit);
        await assertSoundDisk(grown, "mbr");
        assertBytes(grown, await grownBySfdisk(disk, size, number));
        assertEquals(contentsOf(grown, before), contentsOf(disk, before));
        const last = (await partitionsOf(grown)).find((each) => each.number === number);
        assertEquals((last?.start ?? 0) + (last?.length ?? 0), size);
        assertEquals(edit.partition?.newBytes, last?.length);
        assertEquals(edit.findings, []);
      }
    },
  });
}

for (const [name, layout] of [["the third", LOGICAL], ["the only", FIRST_LOGICAL]] as const) {
  Deno.test({
    name: `${name} logical partition grows, with the extended one and what leads to it`,
    ignore: needs(...TOOLS),
    async fn(): Promise<void> {
      const disk = await filledDisk(await dividedDisk(DISK_BYTES, "sfdisk", layout));
      const before = await partitionsOf(disk);
      const last = before.toSorted((a, b) => b.start - a.start)[0];
      for (const size of [DISK_BYTES, DISK_BYTES + 512, 100 * MIB]) {
        const edit = await grownLastPartition(new StrictSource(disk), size);
        const grown = edited(disk, edit);
        await assertSoundDisk(grown, "mbr");
        assertEquals(
          await partitionsOf(grown),
          before.map((each) =>
            each === last || each.kind === "extended"
              ? { ...each, length: size - each.start }
              : each
          ),
        );
        assertEquals(contentsOf(grown, before), contentsOf(disk, before));
        // sfdisk leaves the sizes of links; parted lets the last one reach the end.
        const byHand = await grownBySfdisk(disk, size, 2);
        const expected = await grownBySfdisk(byHand, size, last?.number ?? 0);
        assertBytes(grown.subarray(446, 510), expected.subarray(446, 510));
        const records = chainRecords(grown);
        assertEquals(
          records.map(({ start }) => start),
          chainRecords(expected).map(({ start }) => start),
        );
        const link = records.findLast(({ type }) => type === 5);
        const extended = before.find(({ kind }) => kind === "extended");
        const end = (size - (extended?.start ?? 0)) / 512;
        assertEquals(link === undefined ? end : link.start + link.size, end);
      }
    },
  });
}

/** All records of the extended boot records, in the order of the chain. */
function chainRecords(disk: Bytes): { type: number; start: number; size: number }[] {
  const view = new DataView(disk.buffer);
  const recordAt = (at: number): { type: number; start: number; size: number } => ({
    type: view.getUint8(at + 4),
    start: view.getUint32(at + 8, true),
    size: view.getUint32(at + 12, true),
  });
  const extended = [446, 462, 478, 494].map(recordAt).find(({ type }) =>
    [5, 15].includes(type)
  );
  const records: { type: number; start: number; size: number }[] = [];
  for (let lba: number | undefined = extended?.start; lba !== undefined;) {
    records.push(recordAt(lba * 512 + 446));
    const link = recordAt(lba * 512 + 462);
    if (link.size > 0) records.push(link);
    lba = link.size > 0 ? (extended?.start ?? 0) + link.start : undefined;
  }
  return records;
}

Deno.test({
  name: "an MBR disk with sectors of 4096 bytes",
  ignore: needs("root", "losetup", ...TOOLS),
  async fn(): Promise<void> {
    for (const layout of [PRIMARY, LOGICAL]) {
      await using image = new ImageFile(DISK_BYTES);
      {
        await using device = await LoopDevice.create(image.path, { sectorSize: 4096 });
        await divide(device.path, "sfdisk", layout);
      }
      const disk = await filledDisk(await image.bytes(), 4096);
      const before = await partitionsOf(disk, 4096);
      const media = new StrictSource(disk, 4096);
      const grown = edited(disk, await grownLastPartition(media, 100 * MIB));
      await assertSoundDisk(grown, "mbr", 4096);
      const after = await partitionsOf(grown, 4096);
      assertEquals(Math.max(...after.map((each) => each.start + each.length)), 100 * MIB);
      assertEquals(contentsOf(grown, before), contentsOf(disk, before));
    }
  },
});

Deno.test({
  name: "large disks: beyond 1024 cylinders, and up to 2 TiB but not further",
  ignore: needs(...TOOLS),
  async fn(): Promise<void> {
    const limit = 0xffffffff * 512;
    for (const layout of [PRIMARY, LOGICAL]) {
      for (
        const size of [8 * 1024 ** 3, 2 * TIB - 1024, limit, limit + 512, 2 * TIB, 3 * TIB]
      ) {
        await using image = new ImageFile(DISK_BYTES);
        await divide(image.path, "sfdisk", layout);
        const media = new StrictSource(await image.bytes());
        const edit = await grownLastPartition(media, size);
        editFile(image.path, edit);
        assertEquals(edit.findings.map(({ level }) => level), size > limit ? ["warning"] : []);
        await using source = new FileSource(image.path);
        const { partitions, findings } = await readPartitionTable(source);
        assertEquals(findings, []);
        const ends = partitions.map(({ start, length }) => start + length);
        assertEquals(Math.max(...ends), Math.min(size, limit));
        const { stdout } = await run("sfdisk", ["--verify", image.path]);
        assert(/No errors detected/.test(stdout), stdout);
        // Where a disk is as large as an MBR can say, parted agrees, too.
        if (size <= limit) await assertSound(image.path, "mbr");
        // Then it is as large as it gets.
        const again = new FileSource(image.path);
        const error = await assertRejects(
          () => grownLastPartition(again, size),
          ImagingError,
          size > limit ? "TiB, and no more" : "there is no room behind it",
        );
        assertEquals(error.kind, "usage");
        await again[Symbol.asyncDispose]();
      }
    }
  },
});

Deno.test({
  name: "an MBR disk is cut behind its last partition, extended ones included",
  ignore: needs(...TOOLS),
  async fn(): Promise<void> {
    for (
      const [layout, end] of [[PRIMARY, 25 * MIB], [LOGICAL, 38 * MIB], [
        UNORDERED,
        42 * MIB,
      ]] as const
    ) {
      const disk = await filledDisk(await dividedDisk(DISK_BYTES, "sfdisk", layout));
      const media = new StrictSource(disk);
      const table = await readPartitionTable(media);
      assertEquals(await allocatedEnd(media, table), end);
      const edit = await shortenedGpt(media, table);
      assertEquals([edit.size, edit.patches], [end, []]);
      const cut = edited(disk, edit);
      await assertSoundDisk(cut, "mbr");
      assertBytes(cut, disk.subarray(0, end));
    }
  },
});

/** A record of an MBR or of an extended boot record at sector `lba`. */
function setRecord(
  disk: Bytes,
  lba: number,
  index: number,
  [type, start, size]: readonly [number, number, number],
): void {
  const view = new DataView(disk.buffer, lba * 512);
  const at = 446 + 16 * index;
  view.setUint8(at + 4, type);
  view.setUint32(at + 8, start, true);
  view.setUint32(at + 12, size, true);
  view.setUint16(510, 0xaa55, true);
}

Deno.test("tables that contradict themselves are refused", async (t) => {
  const sectors = DISK_BYTES / 512;
  const cases: Readonly<Record<string, (disk: Bytes) => void>> = {
    "an overlap": (disk) => {
      setRecord(disk, 0, 0, [0x83, 2048, 20_000]);
      setRecord(disk, 0, 1, [0x83, 20_000, 10_000]);
    },
    "the partition covers the MBR": (disk) => setRecord(disk, 0, 0, [0x83, 0, 20_000]),
    "an extended partition behind it": (disk) => {
      setRecord(disk, 0, 0, [0x83, 2048, 2048]);
      setRecord(disk, 0, 1, [0x05, 8192, 8192]);
    },
    "a chain in a circle": (disk) => {
      setRecord(disk, 0, 0, [0x05, 2048, 20_000]);
      setRecord(disk, 2048, 0, [0x83, 8, 1000]);
      setRecord(disk, 2048, 1, [0x05, 0, 1000]);
    },
    "a chain that ends in nothing": (disk) => {
      setRecord(disk, 0, 0, [0x05, 2048, 20_000]);
      setRecord(disk, 2048, 0, [0x83, 8, 1000]);
      setRecord(disk, 2048, 1, [0x05, 4096, 1000]);
    },
    "a chain that leaves the extended partition": (disk) => {
      setRecord(disk, 0, 0, [0x05, 2048, 20_000]);
      setRecord(disk, 2048, 0, [0x83, 8, 1000]);
      setRecord(disk, 2048, 1, [0x05, 30_000, 1000]);
      setRecord(disk, 32_048, 0, [0x83, 8, 1000]);
    },
    "two logical partitions in one record": (disk) => {
      setRecord(disk, 0, 0, [0x05, 2048, 20_000]);
      setRecord(disk, 2048, 0, [0x83, 8, 1000]);
      setRecord(disk, 2048, 1, [0x83, 2000, 1000]);
    },
    "a logical partition outside of its extended one": (disk) => {
      setRecord(disk, 0, 0, [0x05, 2048, 20_000]);
      setRecord(disk, 2048, 0, [0x83, 8, 20_000]);
    },
    "a boot record within a partition": (disk) => {
      setRecord(disk, 0, 0, [0x05, 2048, 20_000]);
      setRecord(disk, 2048, 0, [0x83, 8, 10_000]);
      setRecord(disk, 2048, 1, [0x05, 4096, 10_000]);
      setRecord(disk, 6144, 0, [0x83, 8, 1000]);
    },
    "a boot record behind the last partition": (disk) => {
      setRecord(disk, 0, 0, [0x05, 2048, 20_000]);
      setRecord(disk, 2048, 0, [0x83, 8, 1000]);
      setRecord(disk, 2048, 1, [0x05, 10_000, 1000]);
      setRecord(disk, 12_048, 0, [0, 0, 0]);
    },
  };
  for (const [name, change] of Object.entries(cases)) {
    await t.step(name, async () => {
      const disk = new Uint8Array(DISK_BYTES);
      change(disk);
      await assertRejects(
        () => grownLastPartition(new StrictSource(disk), 2 * DISK_BYTES),
        FormatError,
      );
    });
  }
  await t.step("beyond the end of the disk", async () => {
    const disk = new Uint8Array(DISK_BYTES);
    setRecord(disk, 0, 0, [0x83, 2048, sectors]);
    const media = new StrictSource(disk);
    const error = await assertRejects(
      () => grownLastPartition(media, DISK_BYTES),
      ImagingError,
    );
    assertEquals(error.kind, "environment");
    // On a larger disk it has room.
    assertEquals((await grownLastPartition(media, 2 * DISK_BYTES)).patches.length, 1);
  });
  await t.step("only an empty extended partition", async () => {
    const disk = new Uint8Array(DISK_BYTES);
    setRecord(disk, 0, 0, [0x05, 2048, 8192]);
    const media = new StrictSource(disk);
    await assertRejects(
      () => grownLastPartition(media, DISK_BYTES),
      ImagingError,
      "no partition in the table",
    );
    assertEquals(await allocatedEnd(media, await readPartitionTable(media)), 5 * MIB);
  });
});

Deno.test("a broken chain may hide partitions: nothing is cut", async () => {
  const disk = new Uint8Array(DISK_BYTES);
  setRecord(disk, 0, 0, [0x05, 2048, 20_000]);
  setRecord(disk, 2048, 0, [0x83, 8, 1000]);
  setRecord(disk, 2048, 1, [0x05, 4096, 1000]);
  const media = new StrictSource(disk);
  const table = await readPartitionTable(media);
  await assertRejects(() => allocatedEnd(media, table), FormatError);
  await assertRejects(() => shortenedGpt(media, table), FormatError);
});

Deno.test({
  name: "changes in whole sectors bring the same",
  ignore: needs(...TOOLS),
  async fn(): Promise<void> {
    const disk = await dividedDisk(DISK_BYTES, "sfdisk", LOGICAL);
    disk.set(patternBytes(440));
    const edit = await grownLastPartition(new StrictSource(disk), 100 * MIB);
    const expected = edited(disk, edit);
    for (const sectorBytes of [512, 4096]) {
      const media = new StrictSource(disk);
      const patches = await sectorPatches(media, edit.patches, sectorBytes);
      assertBytes(edited(disk, { ...edit, patches }), expected);
      for (const { offset, bytes } of patches) {
        assertEquals([offset % sectorBytes, bytes.length % sectorBytes], [0, 0]);
      }
    }
  },
});
