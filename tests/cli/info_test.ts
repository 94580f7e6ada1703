import { noise } from "../bench/bench_data.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { linuxTest } from "../support/linux_test.ts";
import { LoopDevice, writeBytes } from "../support/loop_device.ts";
import { run, runCli, shell } from "../support/run_cli.ts";
import { numberedSectors, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs("root", "losetup", "sfdisk", "sgdisk", "mmls");
const MIB = 1024 * 1024;

interface SfdiskTable {
  readonly label: string;
  readonly id: string;
  readonly sectorsize: number;
  readonly partitions: readonly {
    readonly start: number;
    readonly size: number;
    readonly type: string;
    readonly uuid?: string;
    readonly name?: string;
  }[];
}

interface InfoPartition {
  readonly number: number;
  readonly start: number;
  readonly length: number;
  readonly typeId: string;
  readonly kind: string;
  readonly name: string | null;
  readonly guid: string | null;
  readonly fileSystem: { readonly id: string; readonly label: string | null } | null;
}

async function sfdisk(path: string): Promise<SfdiskTable> {
  const text = await run("sfdisk", ["--json", path]);
  return (JSON.parse(text) as { readonly partitiontable: SfdiskTable }).partitiontable;
}

/** A device that sfdisk partitioned. */
async function partitioned(
  folder: TemporaryFolder,
  layout: string,
  sectorSize: number,
): Promise<LoopDevice> {
  const file = await folder.write("disk", new Uint8Array(32 * MIB));
  const disk = await LoopDevice.create(file, { sectorSize });
  const script = await folder.write("layout", layout);
  await shell('sfdisk --quiet --no-reread --no-tell-kernel "$1" < "$2"', disk.path, script);
  return disk;
}

/** Start and length of each partition, in sectors, as mmls of The Sleuth Kit lists them. */
async function mmls(path: string, sectorSize: number): Promise<[number, number][]> {
  const text = await run("mmls", ["-b", String(sectorSize), path]);
  const rows = [...text.matchAll(/^\d+: +\d+(?::\d+)? +(\d+) +\d+ +(\d+) /gm)];
  return rows.map(([, start, length]) => [Number(start), Number(length)]);
}

for (const sectorSize of [512, 4096]) {
  const sectors = (mib: number): number => mib * MIB / sectorSize;
  linuxTest({
    name: `info: a GPT with ${sectorSize}-byte sectors, as sfdisk, sgdisk and mmls see it`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      await using disk = await partitioned(
        folder,
        [
          "label: gpt",
          `start=${sectors(1)}, size=${sectors(4)}, name="EFI system", ` +
          "type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
          `start=${sectors(8)}, size=${sectors(16)}, name="Würzel 日本"`,
        ].join("\n") + "\n",
        sectorSize,
      );
      await run("mkfs.ext4", ["-q", "-L", "root", "-E", `offset=${8 * MIB}`, disk.path, "8M"]);
      const { code, result, stderr } = await runCli(["info", disk.path, "--json"]);
      assertEquals(code, 0, stderr);
      const expected = await sfdisk(disk.path);
      const table = result["table"] as Readonly<Record<string, unknown>>;
      assertEquals(table["scheme"], "gpt");
      assertEquals(String(table["diskGuid"]).toUpperCase(), expected.id);
      const partitions = result["partitions"] as InfoPartition[];
      assertEquals(
        partitions.map(({ start, length, typeId, name, guid }) => ({
          start: start / sectorSize,
          size: length / sectorSize,
          type: typeId.toUpperCase(),
          uuid: guid?.toUpperCase(),
          name: name ?? undefined,
        })),
        expected.partitions.map(({ start, size, type, uuid, name }) => ({
          start,
          size,
          type,
          uuid,
          name,
        })),
      );
      const ours = partitions.map(({ start, length }): [number, number] => [
        start / sectorSize,
        length / sectorSize,
      ]);
      const theirs = await mmls(disk.path, sectorSize);
      assertEquals(theirs, ours);
      const printed = await run("sgdisk", ["--print", disk.path]);
      for (const { number, start, length } of partitions) {
        const last = (start + length) / sectorSize - 1;
        assertMatch(printed, new RegExp(`^ +${number} +${start / sectorSize} +${last} `, "m"));
      }
      assertEquals(
        partitions.map(({ fileSystem }) => [fileSystem?.id, fileSystem?.label]),
        [[undefined, undefined], ["ext4", "root"]],
      );
      assertEquals(result["findings"], []);
      assertEquals([result["size"], result["sectorSize"]], [32 * MIB, sectorSize]);
    },
  });

  linuxTest({
    name: `info: an MBR with logical partitions and ${sectorSize}-byte sectors`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      await using disk = await partitioned(
        folder,
        [
          "label: dos",
          "label-id: 0x12345678",
          `start=${sectors(1)}, size=${sectors(4)}, type=c, bootable`,
          `start=${sectors(6)}, size=${sectors(20)}, type=5`,
          `start=${sectors(28)}, size=${sectors(2)}, type=83`,
          `start=${sectors(30)}, size=${sectors(1)}, type=82`,
          `start=${sectors(7)}, size=${sectors(5)}, type=83`,
          `start=${sectors(14)}, size=${sectors(6)}, type=83`,
        ].join("\n") + "\n",
        sectorSize,
      );
      const { code, result, stdout } = await runCli(["info", disk.path, "--json"]);
      assertEquals(code, 0, stdout);
      const expected = await sfdisk(disk.path);
      const partitions = result["partitions"] as InfoPartition[];
      const inOrder = partitions.toSorted((a, b) => a.number - b.number);
      assertEquals(
        inOrder.map(({ start, length }) => [start / sectorSize, length / sectorSize]),
        expected.partitions.map(({ start, size }) => [start, size]),
      );
      assertEquals(inOrder.map(({ number }) => number), [1, 2, 3, 4, 5, 6]);
      assertEquals(inOrder.map(({ kind }) => kind), [
        "primary",
        "extended",
        "primary",
        "primary",
        "logical",
        "logical",
      ]);
      const text = await runCli(["info", disk.path]);
      assertMatch(text.stdout, /0x12345678/i);
      assertMatch(text.stdout, /bootable/);
    },
  });
}

linuxTest({
  name: "info: a GPT whose backup is gone is said in plain words",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    await using disk = await partitioned(folder, "label: gpt\nstart=2048\n", 512);
    await writeBytes(disk, 32 * MIB - 512, new Uint8Array(512));
    const { code, stderr, stdout } = await runCli(["info", disk.path]);
    assertEquals(code, 0);
    assertMatch(stderr, /^sectorshot: warning: .*backup/m);
    assertStringIncludes(stdout, "partition table: ");
  },
});

linuxTest("info: an image file of odd size without any table", async () => {
  await using folder = await TemporaryFolder.create();
  const image = await folder.write("card.img", numberedSectors(MIB + 100));
  const { code, stdout } = await runCli(["info", image]);
  assertEquals(code, 0);
  assertMatch(stdout, /card\.img: 1,048,676 bytes .*, 2,048 sectors and 100 bytes/);
  assertMatch(stdout, /partition table: /);
  const { result } = await runCli(["info", image, "--json"]);
  assertEquals((result["table"] as { readonly scheme: string }).scheme, "none");
  assertEquals(result["partitions"], []);
});

linuxTest("info: a disk of random bytes is no reason to fail", async () => {
  await using folder = await TemporaryFolder.create();
  for (let index = 0; index < 5; index++) {
    const bytes = noise(65_536, 100 + index);
    bytes.set([0x55, 0xaa], 510);
    // A protective entry promises a GPT: without one the disk is damaged, which is another
    // test's matter.
    for (let entry = 0; entry < 4; entry++) {
      const type = 446 + 16 * entry + 4;
      if (bytes[type] === 0xee) bytes[type] = 0x83;
    }
    const image = await folder.write("random.img", bytes);
    const { code, stderr } = await runCli(["info", image]);
    assertEquals(code, 0, stderr);
    assert(!/\.ts:\d/.test(stderr), stderr);
  }
});
