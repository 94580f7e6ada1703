import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { crc32 } from "node:zlib";
import { FormatError } from "../../src/core/errors.ts";
import { gapsBetween } from "../../src/core/range.ts";
import { gpt } from "../../src/volumes/gpt.ts";
import { gaps, type PartitionTable } from "../../src/volumes/partition_table.ts";
import { readPartitionTable } from "../../src/volumes/read_partition_table.ts";
import { needs } from "../support/tools.ts";
import {
  ImageFile,
  mmlsGaps,
  run,
  type SfdiskTable,
  sfdiskTable,
  StrictSource,
  withFlippedByte,
} from "./image_tools.ts";

const MIB = 1024 * 1024;
const DISK_BYTES = 32 * MIB;
const LAST_SECTOR = DISK_BYTES - 512;
/** 128 entries of 128 bytes. */
const ENTRY_BYTES = 16384;

const LAYOUT = `label: gpt
start=1M, size=4M, type=U, name="esp"
start=8M, size=4M, type=L, name="räksmörgås", attrs="RequiredPartition LegacyBIOSBootable GUID:60,63"
start=5M, size=2M, type=S
`;

async function partitionedImage(layout = LAYOUT, size = DISK_BYTES): Promise<ImageFile> {
  const image = new ImageFile(size);
  await run("sfdisk", [image.path], layout);
  return image;
}

function messages(table: PartitionTable): string[] {
  return table.findings.map(({ message }) => message);
}

/** The parts of a partition that sfdisk knows, too. */
function comparable(table: PartitionTable): unknown[] {
  return table.partitions.map(({ number, start, length, typeId, guid, name }) => ({
    number,
    start,
    length,
    typeId,
    guid,
    name,
  }));
}

function expectedPartitions(table: SfdiskTable, path: string): unknown[] {
  return table.partitions.map(({ node, start, size, type, uuid, name }) => ({
    number: Number(node.slice(path.length).replace(/^p/, "")),
    start: start * table.sectorsize,
    length: size * table.sectorsize,
    typeId: type,
    guid: uuid,
    name,
  }));
}

/** Puts right both checksums of the header in this sector, after a change. */
function repairChecksums(disk: Uint8Array, header: number, entries: number): void {
  const view = new DataView(disk.buffer, disk.byteOffset + header, 512);
  view.setUint32(88, crc32(disk.subarray(entries, entries + ENTRY_BYTES)), true);
  view.setUint32(16, 0, true);
  view.setUint32(16, crc32(disk.subarray(header, header + 92)), true);
}

Deno.test({
  name: "a GPT agrees with sfdisk",
  ignore: needs("sfdisk"),
  async fn(): Promise<void> {
    await using image = await partitionedImage();
    const table = await readPartitionTable(new StrictSource(await image.bytes()));
    const expected = await sfdiskTable(image.path);
    assertEquals(table.scheme, "gpt");
    assertEquals(table.diskGuid, expected.id);
    assertEquals(comparable(table), expectedPartitions(expected, image.path));
    assertEquals(table.partitions.map(({ typeName }) => typeName), [
      "EFI System",
      "Linux data",
      "Linux swap",
    ]);
    assertEquals(table.partitions[1]?.attributes, "9000000000000005");
    assertEquals(table.partitions.map(({ attributeNames }) => attributeNames), [
      [],
      ["required by the platform", "legacy BIOS bootable", "read-only", "no automatic mount"],
      [],
    ]);
    assertEquals(table.partitions.map(({ bootable }) => bootable), [false, true, false]);
    assertEquals(table.findings, []);
  },
});

Deno.test({
  name: "the gaps of a GPT disk agree with mmls",
  ignore: needs("sfdisk", "mmls"),
  async fn(): Promise<void> {
    await using image = await partitionedImage();
    const table = await readPartitionTable(new StrictSource(await image.bytes()));
    // mmls does not tell the backup from unallocated room.
    const end = { offset: LAST_SECTOR - ENTRY_BYTES, length: ENTRY_BYTES + 512 };
    const expected = (await mmlsGaps(image.path, DISK_BYTES))
      .flatMap((range) => gapsBetween(range, [end]));
    assertEquals(gaps(table, DISK_BYTES), expected);
  },
});

Deno.test({
  name: "a GPT made by sgdisk with 200 entries agrees with sgdisk",
  ignore: needs("sgdisk"),
  async fn(): Promise<void> {
    await using image = new ImageFile(DISK_BYTES);
    await run("sgdisk", [
      "--resize-table=200",
      "-n",
      "180:4096:+1M",
      "-t",
      "180:8309",
      image.path,
    ]);
    await run("sgdisk", ["-n", "2:8192:12287", "-c", "2:data", "-A", "2:set:62", image.path]);
    const table = await readPartitionTable(new StrictSource(await image.bytes()));
    assertEquals(table.partitions.map(({ number }) => number), [2, 180]);
    assertEquals(table.findings, []);
    for (const partition of table.partitions) {
      const { stdout } = await run("sgdisk", ["-i", `${partition.number}`, image.path]);
      const field = (name: string): string | undefined =>
        new RegExp(`^${name}: '?([^ \n']*)`, "m").exec(stdout)?.[1];
      assertEquals(partition.typeId, field("Partition GUID code"));
      assertEquals(partition.guid, field("Partition unique GUID"));
      assertEquals(partition.start, Number(field("First sector")) * 512);
      assertEquals(partition.length, Number(field("Partition size")) * 512);
      assertEquals(partition.attributes, field("Attribute flags"));
      assertEquals(partition.name ?? "", field("Partition name"));
    }
    assertEquals(table.partitions[1]?.typeName, "LUKS");
  },
});

Deno.test({
  name: "a GPT made by parted agrees with parted",
  ignore: needs("parted"),
  async fn(): Promise<void> {
    await using image = new ImageFile(DISK_BYTES);
    const steps = "mklabel gpt mkpart first ext4 1MiB 9MiB mkpart second fat32 10MiB 20MiB";
    await run("parted", ["-s", image.path, ...steps.split(" ")]);
    const { stdout } = await run("parted", ["-m", "-s", image.path, "unit", "B", "print"]);
    const expected = stdout.split("\n").filter((line) => /^\d+:/.test(line)).map((line) => {
      const [number, start, , length, , name] = line.split(":");
      return [Number(number), parseInt(start ?? ""), parseInt(length ?? ""), name];
    });
    const table = await readPartitionTable(new StrictSource(await image.bytes()));
    assertEquals(
      table.partitions.map(({ number, start, length, name }) => [number, start, length, name]),
      expected,
    );
    assertEquals(table.findings, []);
  },
});

Deno.test({
  name: "a GPT with sectors of 4096 bytes is found with either sector size",
  ignore: needs("root", "sfdisk", "losetup"),
  async fn(): Promise<void> {
    await using image = new ImageFile(DISK_BYTES);
    const attach = ["--find", "--show", "--sector-size", "4096", image.path];
    const device = (await run("losetup", attach)).stdout.trim();
    let expected: SfdiskTable;
    try {
      await run("sfdisk", ["--no-reread", "--no-tell-kernel", device], LAYOUT);
      expected = await sfdiskTable(device);
    } finally {
      await run("losetup", ["--detach", device]);
    }
    assertEquals(expected.sectorsize, 4096);
    const disk = await image.bytes();
    const native = await readPartitionTable(new StrictSource(disk, 4096));
    assertEquals(native.sectorSize, 4096);
    assertEquals(comparable(native), expectedPartitions(expected, device));
    assertEquals(native.findings, []);

    const misplaced = await readPartitionTable(new StrictSource(disk, 512));
    assertEquals(misplaced.sectorSize, 4096);
    assertEquals(misplaced.partitions, native.partitions);
    assertEquals(misplaced.metadata, native.metadata);
    assertEquals(messages(misplaced), [
      "the GPT was made for sectors of 4 KiB, but this disk has sectors of 512 bytes: " +
      "systems will not find its partitions",
    ]);
  },
});

Deno.test({
  name: "a GPT for sectors of 512 bytes is found on a disk with 4096",
  ignore: needs("sfdisk"),
  async fn(): Promise<void> {
    await using image = await partitionedImage();
    const disk = await image.bytes();
    const native = await readPartitionTable(new StrictSource(disk));
    const misplaced = await readPartitionTable(new StrictSource(disk, 4096));
    assertEquals(misplaced.partitions, native.partitions);
    assertEquals(messages(misplaced).length, 1);
    assertStringIncludes(messages(misplaced)[0] ?? "", "made for sectors of 512 bytes");
  },
});

Deno.test({
  name: "each damage to a GPT has its finding, and the other copy is used",
  ignore: needs("sfdisk"),
  async fn(t): Promise<void> {
    await using image = await partitionedImage();
    const disk = await image.bytes();
    const intact = await readPartitionTable(new StrictSource(disk));
    const cases: [string, number, string][] = [
      [
        "primary header",
        512 + 40,
        "the primary GPT cannot be trusted: the checksum of the header is wrong; " +
        "the backup is used",
      ],
      [
        "primary signature",
        512,
        "the primary GPT cannot be trusted: its header is missing; the backup is used",
      ],
      [
        "primary header size",
        512 + 13,
        "the primary GPT cannot be trusted: the header claims to be 65372 bytes long; " +
        "the backup is used",
      ],
      [
        "primary entries",
        1024 + 60,
        "the primary GPT cannot be trusted: the checksum of its partition entries is wrong; " +
        "the backup is used",
      ],
      [
        "backup header",
        LAST_SECTOR + 60,
        "the backup GPT cannot be trusted: the checksum of the header is wrong",
      ],
      [
        "backup signature",
        LAST_SECTOR + 3,
        "the backup GPT is missing at the end of the disk",
      ],
      [
        "backup entries",
        LAST_SECTOR - ENTRY_BYTES + 128,
        "the backup GPT cannot be trusted: the checksum of its partition entries is wrong",
      ],
    ];
    for (const [name, offset, message] of cases) {
      await t.step(name, async () => {
        const damaged = withFlippedByte(disk, offset);
        const table = await readPartitionTable(new StrictSource(damaged));
        assertEquals(table.scheme, "gpt");
        assertEquals(table.partitions, intact.partitions);
        assertEquals(messages(table), [message]);
      });
    }
    await t.step("entries of both: used, but not trusted", async () => {
      const damaged = withFlippedByte(
        withFlippedByte(disk, 1084),
        LAST_SECTOR - ENTRY_BYTES + 60,
      );
      const table = await readPartitionTable(new StrictSource(damaged));
      assertEquals(table.partitions.length, 3);
      assertEquals(messages(table), [
        "the primary GPT cannot be trusted: the checksum of its partition entries is wrong",
        "the backup GPT cannot be trusted: the checksum of its partition entries is wrong",
      ]);
    });
    await t.step("headers of both: an error", async () => {
      const damaged = withFlippedByte(withFlippedByte(disk, 512 + 16), LAST_SECTOR + 16);
      const error = await assertRejects(
        () => readPartitionTable(new StrictSource(damaged)),
        FormatError,
        "neither the primary nor the backup GPT can be used",
      );
      assertStringIncludes(error.message, "the checksum of the header is wrong");
    });
  },
});

Deno.test({
  name: "an image on a larger or smaller disk: the backup is not at the end",
  ignore: needs("sfdisk"),
  async fn(): Promise<void> {
    await using image = await partitionedImage();
    const disk = await image.bytes();
    const intact = await readPartitionTable(new StrictSource(disk));

    const larger = new Uint8Array(DISK_BYTES + 3 * MIB);
    larger.set(disk);
    const onLarger = await readPartitionTable(new StrictSource(larger));
    assertEquals(onLarger.partitions, intact.partitions);
    assertEquals(messages(onLarger), [
      "the backup GPT is not at the end of the disk, but 3 MiB before it",
      "the protective MBR does not end with the disk: it covers 65,535 sectors " +
      "instead of 71,679 sectors",
    ]);

    const smaller = await readPartitionTable(new StrictSource(disk.subarray(0, 11 * MIB)));
    assertEquals(smaller.partitions, intact.partitions);
    assertEquals(messages(smaller), [
      "the backup GPT is missing at the end of the disk",
      "the disk is 21 MiB smaller than the one that the GPT was made for",
      "the protective MBR does not end with the disk: it covers 65,535 sectors " +
      "instead of 22,527 sectors",
      "partition 2 ends 1 MiB past the end of the disk",
    ]);
  },
});

Deno.test({
  name: "a disk with a wiped beginning is read from its backup",
  ignore: needs("sfdisk"),
  async fn(): Promise<void> {
    await using image = await partitionedImage();
    const disk = await image.bytes();
    const intact = await readPartitionTable(new StrictSource(disk));
    disk.fill(0, 0, MIB);
    const table = await readPartitionTable(new StrictSource(disk));
    assertEquals(table.partitions, intact.partitions);
    assertEquals(messages(table), [
      "the primary GPT cannot be trusted: its header is missing; the backup is used",
      "the protective MBR is missing: many systems will not see this GPT",
    ]);
  },
});

Deno.test({
  name: "a backup that a file system left behind is no table",
  ignore: needs("sfdisk", "mkfs.ext4"),
  async fn(): Promise<void> {
    await using image = await partitionedImage();
    await run("mkfs.ext4", ["-q", "-F", "-E", "nodiscard", image.path, "16M"]);
    const disk = await image.bytes();
    assertEquals(disk.subarray(LAST_SECTOR, LAST_SECTOR + 3), new TextEncoder().encode("EFI"));
    assertEquals((await readPartitionTable(new StrictSource(disk))).scheme, "none");
  },
});

Deno.test({
  name: "a hybrid MBR made by sgdisk is a GPT with a note",
  ignore: needs("sfdisk", "sgdisk"),
  async fn(): Promise<void> {
    await using image = await partitionedImage();
    const before = await readPartitionTable(new StrictSource(await image.bytes()));
    await run("sgdisk", ["--hybrid=1:2", image.path]);
    const disk = await image.bytes();
    const table = await readPartitionTable(new StrictSource(disk));
    assertEquals(table.scheme, "gpt");
    assertEquals(table.partitions, before.partitions);
    assertEquals(table.findings, [{
      level: "note",
      message: "the MBR is a hybrid: it names 2 partitions for systems that do not know GPT",
    }]);

    new DataView(disk.buffer).setUint32(446 + 16 + 12, 77, true);
    const stray = await readPartitionTable(new StrictSource(disk));
    assertEquals(stray.findings.map(({ level }) => level), ["note", "warning"]);
    assertEquals(messages(stray)[1], "1 partition of the hybrid MBR is not in the GPT");
  },
});

Deno.test({
  name: "an odd or missing protective MBR is told",
  ignore: needs("sfdisk"),
  async fn(t): Promise<void> {
    await using image = await partitionedImage();
    const disk = await image.bytes();
    await t.step("begins at another sector", async () => {
      const odd = disk.slice();
      new DataView(odd.buffer).setUint32(446 + 8, 7, true);
      assertEquals(messages(await readPartitionTable(new StrictSource(odd))), [
        "the protective MBR begins at sector 7 instead of 1",
      ]);
    });
    await t.step("claims the largest size", async () => {
      const usual = disk.slice();
      new DataView(usual.buffer).setUint32(446 + 12, 0xffffffff, true);
      assertEquals(messages(await readPartitionTable(new StrictSource(usual))), []);
    });
    await t.step("is blank", async () => {
      const blank = disk.slice().fill(0, 0, 512);
      const table = await readPartitionTable(new StrictSource(blank));
      assertEquals(table.partitions.length, 3);
      assertEquals(messages(table), [
        "the protective MBR is missing: many systems will not see this GPT",
      ]);
    });
    await t.step("has partitions of its own, and no protection: the MBR counts", async () => {
      const replaced = disk.slice();
      replaced[446 + 4] = 0x83;
      const table = await readPartitionTable(new StrictSource(replaced));
      assertEquals(table.scheme, "mbr");
      assertStringIncludes(messages(table)[0] ?? "", "the disk also holds a GPT");
      assertEquals((await gpt.read(new StrictSource(replaced))).partitions.length, 3);
    });
  },
});

Deno.test({
  name: "copies that are both right but differ are told",
  ignore: needs("sfdisk"),
  async fn(): Promise<void> {
    await using image = await partitionedImage();
    const disk = await image.bytes();
    disk[1024 + 56] = "E".charCodeAt(0);
    repairChecksums(disk, 512, 1024);
    const table = await readPartitionTable(new StrictSource(disk));
    assertEquals(table.partitions[0]?.name, "Esp");
    assertEquals(messages(table), [
      "the primary and the backup GPT differ; the primary is used",
    ]);

    disk.fill(7, LAST_SECTOR + 56, LAST_SECTOR + 72);
    repairChecksums(disk, LAST_SECTOR, LAST_SECTOR - ENTRY_BYTES);
    assertEquals(messages(await readPartitionTable(new StrictSource(disk))), [
      "the backup GPT cannot be trusted: it is the backup of another GPT",
    ]);
  },
});

Deno.test({
  name: "impossible entries under right checksums are told",
  ignore: needs("sfdisk"),
  async fn(t): Promise<void> {
    await using image = await partitionedImage();
    const disk = await image.bytes();
    const change = (edit: (entries: DataView) => void): Uint8Array => {
      const changed = disk.slice();
      for (const [header, entries] of [[512, 1024], [LAST_SECTOR, LAST_SECTOR - ENTRY_BYTES]]) {
        edit(new DataView(changed.buffer, entries));
        repairChecksums(changed, header ?? 0, entries ?? 0);
      }
      return changed;
    };
    await t.step("ends before it begins", async () => {
      const table = await readPartitionTable(
        new StrictSource(change((view) => view.setBigUint64(40, 100n, true))),
      );
      assertEquals(table.partitions.map(({ number }) => number), [2, 3]);
      assertEquals(messages(table), ["partition 1 ends before it begins, and is left out"]);
    });
    await t.step("lies on the table and on another, and has its GUID", async () => {
      const table = await readPartitionTable(
        new StrictSource(change((view) => {
          view.setBigUint64(32, 2n, true);
          view.setBigUint64(40, BigInt(11 * 2048), true);
          for (let at = 16; at < 32; at++) view.setUint8(at, view.getUint8(128 + at));
        })),
      );
      assertEquals(messages(table), [
        "partition 1 does not lie within the sectors that the GPT declares usable",
        "partition 2 has the same GUID as partition 1",
        "partition 1 covers a part of the partition table at byte 1024",
        "partitions 1 and 3 overlap",
        "partitions 1 and 2 overlap",
      ]);
    });
    await t.step("sector numbers past 2^53", async () => {
      const huge = change((view) => view.setBigUint64(40, 2n ** 62n, true));
      await assertRejects(
        () => readPartitionTable(new StrictSource(huge)),
        FormatError,
        "EndingLBA is impossible",
      );
    });
    await t.step("more entries than a disk can have", async () => {
      const huge = disk.slice();
      for (const header of [512, LAST_SECTOR]) {
        new DataView(huge.buffer, header).setUint32(80, 0xffffffff, true);
        repairChecksums(huge, header, header === 512 ? 1024 : LAST_SECTOR - ENTRY_BYTES);
      }
      await assertRejects(
        () => readPartitionTable(new StrictSource(huge)),
        FormatError,
        "the number of entries is impossible",
      );
    });
  },
});

Deno.test({
  name: "disks that end within the GPT are errors or findings",
  ignore: needs("sfdisk"),
  async fn(): Promise<void> {
    await using image = await partitionedImage();
    const disk = await image.bytes();
    for (const size of [512, 513, 600, 1023, 1024, 1025, 4096, 8192, 17407]) {
      const cut = new StrictSource(disk.subarray(0, size));
      await assertRejects(() => readPartitionTable(cut), FormatError);
    }
    for (const size of [17408, 17409, 20000, LAST_SECTOR, LAST_SECTOR + 511]) {
      const table = await readPartitionTable(new StrictSource(disk.subarray(0, size)));
      assertEquals(table.partitions.length, 3);
      assert(messages(table).includes("the backup GPT is missing at the end of the disk"));
    }
  },
});
