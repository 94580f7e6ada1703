import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import { FormatError } from "../../src/core/errors.ts";
import { mbr } from "../../src/volumes/mbr.ts";
import { parseMbrSector } from "../../src/volumes/mbr_sector.ts";
import { gaps, type PartitionTable } from "../../src/volumes/partition_table.ts";
import { readPartitionTable } from "../../src/volumes/read_partition_table.ts";
import { needs } from "../support/tools.ts";
import { ImageFile, mmlsGaps, run, sfdiskTable, StrictSource } from "./image_tools.ts";

const MIB = 1024 * 1024;
const DISK_BYTES = 64 * MIB;

/** Four primary slots, one of them extended, with three logical ones not in disk order. */
const LAYOUT = `label: dos
label-id: 0x1234abcd
size=4M, type=c, bootable
size=4M, type=83
start=20M, size=20M, type=f
size=2M, type=7
start=26M, size=4M, type=82
start=21M, size=1M, type=8e
size=3M, type=83
`;

async function partitionedImage(layout = LAYOUT, size = DISK_BYTES): Promise<ImageFile> {
  const image = new ImageFile(size);
  await run("sfdisk", [image.path], layout);
  return image;
}

/** A disk that begins with a boot record of these entries. */
function bootRecord(
  entries: readonly { type: number; start: number; size: number; flag?: number }[],
  diskBytes: number,
): Uint8Array<ArrayBuffer> {
  const disk = new Uint8Array(diskBytes);
  writeRecord(disk, 0, entries);
  return disk;
}

function writeRecord(
  disk: Uint8Array,
  offset: number,
  entries: readonly { type: number; start: number; size: number; flag?: number }[],
): void {
  const view = new DataView(disk.buffer, disk.byteOffset + offset);
  for (const [index, entry] of entries.entries()) {
    const at = 446 + 16 * index;
    view.setUint8(at, entry.flag ?? 0);
    view.setUint8(at + 4, entry.type);
    view.setUint32(at + 8, entry.start, true);
    view.setUint32(at + 12, entry.size, true);
  }
  view.setUint16(510, 0xaa55, true);
}

function messages(table: PartitionTable): string[] {
  return table.findings.map(({ message }) => message);
}

Deno.test({
  name: "an MBR with logical partitions agrees with sfdisk",
  ignore: needs("sfdisk"),
  async fn(): Promise<void> {
    await using image = await partitionedImage();
    const table = await readPartitionTable(new StrictSource(await image.bytes()));
    const expected = await sfdiskTable(image.path);
    assertEquals(table.scheme, "mbr");
    assertEquals(table.diskSignature, expected.id);
    assertEquals(
      table.partitions.map(({ number, start, length, typeId, bootable }) => ({
        number,
        start,
        length,
        typeId,
        bootable,
      })),
      expected.partitions.map(({ node, start, size, type, bootable }) => ({
        number: Number(node.slice(image.path.length)),
        start: start * 512,
        length: size * 512,
        typeId: `0x${type.padStart(2, "0")}`,
        bootable: bootable ?? false,
      })),
    );
    assertEquals(table.partitions.map(({ kind }) => kind), [
      "primary",
      "primary",
      "extended",
      "primary",
      "logical",
      "logical",
      "logical",
    ]);
    assertEquals(table.partitions.map(({ typeName }) => typeName), [
      "FAT32 (LBA)",
      "Linux",
      "extended (LBA)",
      "NTFS or exFAT",
      "Linux swap",
      "Linux LVM",
      "Linux",
    ]);
    assertEquals(table.findings, []);
  },
});

Deno.test({
  name: "the gaps of an MBR disk agree with mmls",
  ignore: needs("sfdisk", "mmls"),
  async fn(): Promise<void> {
    await using image = await partitionedImage();
    const table = await readPartitionTable(new StrictSource(await image.bytes()));
    assertEquals(gaps(table, DISK_BYTES), await mmlsGaps(image.path, DISK_BYTES));
  },
});

Deno.test({
  name: "an MBR made by parted agrees with parted",
  ignore: needs("parted"),
  async fn(): Promise<void> {
    await using image = new ImageFile(DISK_BYTES);
    const steps = "mklabel msdos mkpart primary fat32 1MiB 9MiB mkpart extended 10MiB 40MiB " +
      "mkpart logical ext4 11MiB 15MiB mkpart logical ntfs 16MiB 30MiB";
    await run("parted", ["-s", image.path, ...steps.split(" ")]);
    const { stdout } = await run("parted", ["-m", "-s", image.path, "unit", "B", "print"]);
    const expected = stdout.split("\n").filter((line) => /^\d+:/.test(line)).map((line) => {
      const [number, start, , length] = line.split(":").map((field) => parseInt(field));
      return { number, start, length };
    });
    const table = await readPartitionTable(new StrictSource(await image.bytes()));
    assertEquals(
      table.partitions.map(({ number, start, length }) => ({ number, start, length })),
      expected,
    );
  },
});

Deno.test({
  name: "an MBR of a disk with sectors of 4096 bytes agrees with sfdisk",
  ignore: needs("root", "sfdisk", "losetup"),
  async fn(): Promise<void> {
    await using image = new ImageFile(DISK_BYTES);
    const attach = ["--find", "--show", "--sector-size", "4096", image.path];
    const device = (await run("losetup", attach)).stdout.trim();
    try {
      await run(
        "sfdisk",
        ["--no-reread", "--no-tell-kernel", device],
        "label: dos\nsize=8M,type=83\nsize=30M,type=5\nsize=4M,type=83\nsize=4M,type=b\n",
      );
      const expected = await sfdiskTable(device);
      const table = await readPartitionTable(new StrictSource(await image.bytes(), 4096));
      assertEquals(expected.sectorsize, 4096);
      assertEquals(table.sectorSize, 4096);
      assertEquals(
        table.partitions.map(({ start, length }) => [start, length]),
        expected.partitions.map(({ start, size }) => [start * 4096, size * 4096]),
      );
      assertEquals(table.findings, []);
    } finally {
      await run("losetup", ["--detach", device]);
    }
  },
});

Deno.test({
  name: "a cut disk shows which partitions are past its end",
  ignore: needs("sfdisk"),
  async fn(): Promise<void> {
    await using image = await partitionedImage(
      "label: dos\nstart=1M,size=8M,type=83\nstart=9M,size=8M,type=83\nstart=30M,size=1M,type=83\n",
    );
    const disk = (await image.bytes()).subarray(0, 16 * MIB);
    const table = await readPartitionTable(new StrictSource(disk));
    assertEquals(messages(table), [
      "partition 2 ends 1 MiB past the end of the disk",
      "partition 3 starts 14 MiB past the end of the disk",
    ]);
    assertEquals(gaps(table, disk.length), [{ offset: 512, length: MIB - 512 }]);
  },
});

Deno.test("overlapping partitions are told", async () => {
  const disk = bootRecord([
    { type: 0x83, start: 100, size: 100 },
    { type: 0x83, start: 150, size: 10 },
    { type: 0x83, start: 170, size: 100 },
    { type: 0x83, start: 300, size: 10 },
  ], 1 * MIB);
  assertEquals(messages(await readPartitionTable(new StrictSource(disk))), [
    "partitions 1 and 2 overlap",
    "partitions 1 and 3 overlap",
  ]);
});

Deno.test("a chain of logical partitions that returns to itself ends", async () => {
  const disk = bootRecord([{ type: 0x05, start: 100, size: 1000 }], 1 * MIB);
  writeRecord(disk, 100 * 512, [
    { type: 0x83, start: 10, size: 10 },
    { type: 0x05, start: 50, size: 20 },
  ]);
  writeRecord(disk, 150 * 512, [
    { type: 0x83, start: 5, size: 5 },
    { type: 0x05, start: 50, size: 20 },
  ]);
  const table = await readPartitionTable(new StrictSource(disk));
  assertEquals(table.partitions.map(({ number, start }) => [number, start / 512]), [
    [1, 100],
    [5, 110],
    [6, 155],
  ]);
  assertEquals(messages(table), [
    `the chain of logical partitions returns to byte ${150 * 512}; some may be missing`,
  ]);
});

Deno.test("a broken chain of logical partitions keeps what was read", async () => {
  const disk = bootRecord([{ type: 0x0f, start: 100, size: 1000 }], 1 * MIB);
  writeRecord(disk, 100 * 512, [
    { type: 0x83, start: 10, size: 10 },
    { type: 0x05, start: 50, size: 20 },
  ]);
  const unsigned = await readPartitionTable(new StrictSource(disk));
  assertEquals(unsigned.partitions.map(({ number }) => number), [1, 5]);
  assertEquals(messages(unsigned), [
    `the chain of logical partitions has no boot record at byte ${150 * 512}; ` +
    "some may be missing",
  ]);

  writeRecord(disk, 100 * 512, [
    { type: 0x83, start: 10, size: 2000 },
    { type: 0x05, start: 0xffffff00, size: 20 },
  ]);
  const outside = await readPartitionTable(new StrictSource(disk));
  assertEquals(messages(outside), [
    "partition 5 does not lie within its extended partition",
    "the chain of logical partitions leads past the end of the disk; some may be missing",
    "partition 5 ends 31 KiB past the end of the disk",
  ]);
});

Deno.test("a chain without end is left after 256 partitions", async () => {
  const links = 300;
  const disk = bootRecord(
    [{ type: 0x05, start: 10, size: 10 * links }],
    10 * 512 * (links + 1),
  );
  for (let link = 0; link < links; link++) {
    writeRecord(disk, (10 + 10 * link) * 512, [
      { type: 0x83, start: 1, size: 9 },
      { type: 0x05, start: 10 * (link + 1), size: 10 },
    ]);
  }
  const table = await readPartitionTable(new StrictSource(disk));
  assertEquals(table.partitions.length, 257);
  assert(messages(table)[0]?.includes("more than 256 links"));
});

Deno.test({
  name: "a disk that is one FAT, exFAT or NTFS volume has no partition table",
  ignore: needs("mkfs.fat", "mkfs.exfat", "mkntfs"),
  async fn(t): Promise<void> {
    const makers: [string, string[]][] = [
      ["mkfs.fat", ["-F", "12"]],
      ["mkfs.fat", ["-F", "16"]],
      ["mkfs.fat", ["-F", "32"]],
      // Writes a table, too, with one partition that begins at sector 0.
      ["mkfs.fat", ["-F", "32", "--mbr=y"]],
      ["mkfs.exfat", []],
      ["mkntfs", ["-F", "-q"]],
    ];
    for (const [tool, args] of makers) {
      await t.step([tool, ...args].join(" "), async () => {
        await using image = new ImageFile(args.includes("12") ? 2 * MIB : 40 * MIB);
        await run(tool, [...args, image.path]);
        const disk = await image.bytes();
        assertEquals([disk[510], disk[511]], [0x55, 0xaa]);
        const table = await readPartitionTable(new StrictSource(disk));
        assertEquals(table.scheme, "none");
        assertEquals(table.partitions, []);
      });
    }
  },
});

Deno.test({
  name: "a table on a stick that keeps the boot sector of an old FAT volume is found",
  ignore: needs("mkfs.fat", "sfdisk"),
  async fn(): Promise<void> {
    await using image = new ImageFile(40 * MIB);
    await run("mkfs.fat", ["-F", "32", image.path]);
    const boot = (await image.bytes()).slice(0, 440);
    await run("sfdisk", ["--wipe", "never", image.path], "label: dos\nsize=4M,type=83\n");
    const disk = await image.bytes();
    disk.set(boot);
    const table = await readPartitionTable(new StrictSource(disk));
    assertEquals(table.scheme, "mbr");
    assertEquals(table.partitions.map(({ start, length }) => [start, length]), [
      [MIB, 4 * MIB],
    ]);
  },
});

Deno.test("an empty MBR is an MBR, an empty disk is none", async () => {
  const empty = await readPartitionTable(new StrictSource(bootRecord([], MIB)));
  assertEquals([empty.scheme, empty.partitions.length], ["mbr", 0]);
  assertEquals(gaps(empty, MIB), [{ offset: 512, length: MIB - 512 }]);
  const none = await readPartitionTable(new StrictSource(new Uint8Array(MIB)));
  assertEquals(none.scheme, "none");
  assertEquals(gaps(none, MIB), [{ offset: 0, length: MIB }]);
  assertEquals((await readPartitionTable(new StrictSource(new Uint8Array(0)))).scheme, "none");
});

Deno.test("a boot record with impossible flags is no MBR", async () => {
  const disk = bootRecord([{ type: 0x83, start: 1, size: 10, flag: 0x33 }], MIB);
  assertEquals((await readPartitionTable(new StrictSource(disk))).scheme, "none");
});

Deno.test("a partition from sector 0, as in bootable ISO images, is shown", async () => {
  const disk = bootRecord([{ type: 0, start: 0, size: 100, flag: 0x80 }], MIB);
  const table = await readPartitionTable(new StrictSource(disk));
  assertEquals(table.partitions.map(({ start, length }) => [start, length]), [[0, 51200]]);
  assertEquals(messages(table), [
    "partition 1 covers a part of the partition table at byte 0",
  ]);
});

Deno.test("without 55 AA there is no boot record", async () => {
  assertThrows(() => parseMbrSector(new Uint8Array(512)), FormatError);
  assertThrows(() => parseMbrSector(new Uint8Array([0x55, 0xaa])), FormatError);
  await assertRejects(
    () => mbr.read(new MemorySource("blank", new Uint8Array(MIB))),
    FormatError,
  );
});
