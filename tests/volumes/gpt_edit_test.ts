import { assert, assertEquals, assertRejects } from "@std/assert";
import { crc32 } from "node:zlib";
import { MemorySource } from "../../src/blocks/memory.ts";
import { PatchedSource } from "../../src/blocks/patched.ts";
import type { Bytes } from "../../src/core/block.ts";
import { FormatError, ImagingError } from "../../src/core/errors.ts";
import { parseGptHeader } from "../../src/volumes/gpt_header.ts";
import { readPartitionTable } from "../../src/volumes/read_partition_table.ts";
import {
  allocatedEnd,
  grownLastPartition,
  movedGpt,
  shortenedGpt,
  type TableEdit,
} from "../../src/volumes/table_edits.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { assertBytes } from "../support/pattern.ts";
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
import { ImageFile, run, StrictSource, withFlippedByte } from "./image_tools.ts";

const MIB = 1024 * 1024;
const DISK_BYTES = 32 * MIB;
const TOOLS = ["sgdisk", "sfdisk", "parted"];

const SFDISK_LAYOUT = `label: gpt
start=1M, size=4M, type=U, name="esp"
start=8M, size=4M, type=L, name="root"
start=5M, size=2M, type=S
`;
const SGDISK_WORDS = ["-n", "1:2048:+4M", "-n", "7:20480:+3M", "-c", "7:data"];

/** sgdisk waits for a second whenever it has written. */
function once(make: () => Promise<Bytes>): () => Promise<Bytes> {
  let made: Promise<Bytes> | undefined;
  return async () => (await (made ??= make())).slice();
}

/** Disks as different programs make them. */
const DISKS: Readonly<Record<string, () => Promise<Bytes>>> = {
  "of sfdisk": once(() => dividedDisk(DISK_BYTES, "sfdisk", SFDISK_LAYOUT)),
  "of sgdisk": once(() => dividedDisk(DISK_BYTES, "sgdisk", SGDISK_WORDS)),
  "of parted": once(() =>
    dividedDisk(
      DISK_BYTES,
      "parted",
      "mklabel gpt mkpart first ext4 1MiB 9MiB mkpart second fat32 10MiB 20MiB".split(" "),
    )
  ),
  "with 200 entries": once(() =>
    dividedDisk(DISK_BYTES, "sgdisk", ["-S", "200", ...SGDISK_WORDS])
  ),
  "with 1023 entries": once(() =>
    dividedDisk(DISK_BYTES, "sgdisk", ["-S", "1023", ...SGDISK_WORDS])
  ),
  "with 56 entries": once(() =>
    dividedDisk(DISK_BYTES, "sgdisk", ["-S", "56", ...SGDISK_WORDS])
  ),
  "with entries behind 4 MiB": once(() =>
    dividedDisk(DISK_BYTES, "sgdisk", ["-j", "8192", "-n", "1:10240:+4M", "-n", "2:20480:+3M"])
  ),
};

async function shortened(disk: Bytes, sectorSize = 512): Promise<TableEdit> {
  const media = new StrictSource(disk, sectorSize);
  return await shortenedGpt(media, await readPartitionTable(media));
}

/** The disk as larger or smaller one, without any change to its table. */
function resized(disk: Bytes, size: number): Bytes {
  const bytes = new Uint8Array(size);
  bytes.set(disk.subarray(0, size));
  return bytes;
}

for (const [name, make] of Object.entries(DISKS)) {
  Deno.test({
    name: `a GPT disk ${name} is cut, and made as it was again`,
    ignore: needs(...TOOLS),
    async fn(): Promise<void> {
      const disk = await filledDisk(await make());
      const partitions = await partitionsOf(disk);
      const edit = await shortened(disk);
      const cut = edited(disk, edit);
      await assertSoundDisk(cut, "gpt");
      assertEquals(await partitionsOf(cut), partitions);
      assertEquals(contentsOf(cut, partitions), contentsOf(disk, partitions));
      const end = Math.max(...partitions.map(({ start, length }) => start + length));
      assert(cut.length > end && cut.length <= end + 1024 * 128 + 512, `${cut.length}`);
      assertEquals(edit.partition?.newBytes, edit.partition?.oldBytes);

      const back = await movedGpt(new StrictSource(cut), DISK_BYTES);
      const again = edited(cut, back);
      assertBytes(again, disk);
      assertEquals((await movedGpt(new StrictSource(disk), DISK_BYTES)).patches, []);
    },
  });

  Deno.test({
    name: `a GPT disk ${name} on a larger one is as sgdisk -e makes it`,
    ignore: needs(...TOOLS),
    async fn(): Promise<void> {
      const disk = await make();
      for (const size of [DISK_BYTES + 512, DISK_BYTES + 5 * MIB, 64 * MIB]) {
        await using theirs = new ImageFile(0);
        await Deno.writeFile(theirs.path, resized(disk, size));
        await run("sgdisk", ["-e", theirs.path]);
        const expected = await theirs.bytes();
        // Of an image, and of the disk that it was written to.
        for (const media of [disk, resized(disk, size)]) {
          const moved = edited(media, await movedGpt(new StrictSource(media), size));
          await assertSoundDisk(moved, "gpt");
          assertBytes(comparable(moved, name), comparable(expected, name));
          assertEquals(await partitionsOf(moved), await partitionsOf(disk));
          if (size > DISK_BYTES + 512) {
            const old = moved.subarray(DISK_BYTES - 33 * 512, DISK_BYTES);
            assertEquals(old.every((byte) => byte === 0), true, "the old backup is there");
          }
        }
      }
    },
  });

  Deno.test({
    name: `the last partition of a GPT disk ${name} grows`,
    ignore: needs(...TOOLS),
    async fn(): Promise<void> {
      const disk = await filledDisk(await make());
      const before = await partitionsOf(disk);
      const last = before.toSorted((a, b) => b.start - a.start)[0];
      for (const size of [DISK_BYTES, DISK_BYTES + 512, 40 * MIB + 1000, 64 * MIB]) {
        const edit = await grownLastPartition(new StrictSource(disk), size);
        const grown = edited(disk, edit);
        await assertSoundDisk(grown, "gpt");
        const after = await partitionsOf(grown);
        const end = Math.floor((size - 33 * 512) / MIB) * MIB;
        assertEquals(
          after,
          before.map((each) => each === last ? { ...each, length: end - each.start } : each),
        );
        assertEquals(contentsOf(grown, before), contentsOf(disk, before));
        assertEquals(
          edit.partition,
          {
            number: last?.number ?? NaN,
            name: last?.name,
            oldBytes: last?.length ?? NaN,
            newBytes: end - (last?.start ?? NaN),
          },
        );
      }
    },
  });
}

/** The disk without what sgdisk -e does in another way, or not at all. */
function comparable(disk: Uint8Array, name: string): Uint8Array {
  const copy = disk.slice();
  // The old backup, which stays.
  const { PartitionEntryLBA } = parseGptHeader(copy.subarray(copy.length - 512));
  copy.fill(0, DISK_BYTES - MIB, Math.min(DISK_BYTES, PartitionEntryLBA * 512));
  // EndingCHS of the protective record, which some programs never use.
  if (["of sfdisk", "of parted"].includes(name)) copy.fill(0, 451, 454);
  // Room behind the primary entries: sgdisk leaves as much before those of the backup.
  if (!["of sfdisk", "with entries behind 4 MiB"].includes(name)) return copy;
  const last = copy.length - 512;
  copy.fill(0, last - 5 * MIB, last);
  for (const header of [512, last]) {
    copy.fill(0, header + 16, header + 20);
    copy.fill(0, header + 48, header + 56);
  }
  return copy.fill(0, last + 72, last + 80);
}

for (const sectorSize of [512, 4096]) {
  Deno.test({
    name: `a GPT disk with sectors of ${sectorSize} bytes: cut, moved, grown`,
    ignore: needs("root", "losetup", ...TOOLS),
    async fn(): Promise<void> {
      await using image = new ImageFile(DISK_BYTES);
      {
        await using device = await LoopDevice.create(image.path, { sectorSize });
        await divide(device.path, "sfdisk", SFDISK_LAYOUT);
      }
      const disk = await filledDisk(await image.bytes(), sectorSize);
      const partitions = await partitionsOf(disk, sectorSize);
      const cut = edited(disk, await shortened(disk, sectorSize));
      await assertSoundDisk(cut, "gpt", sectorSize);
      assertEquals(cut.length, 12 * MIB + 16384 + sectorSize);
      assertEquals(await partitionsOf(cut, sectorSize), partitions);
      const media = new StrictSource(cut, sectorSize);
      assertBytes(edited(cut, await movedGpt(media, DISK_BYTES)), disk);
      const grown = edited(cut, await grownLastPartition(media, 50 * MIB + 4096));
      await assertSoundDisk(grown, "gpt", sectorSize);
      const root = (await partitionsOf(grown, sectorSize)).find(({ number }) => number === 2);
      assertEquals(root?.length, 41 * MIB);
      // An image file has sectors of 512 bytes, whatever its table counts in.
      assertBytes(edited(cut, await movedGpt(new StrictSource(cut), DISK_BYTES)), disk);
    },
  });
}

Deno.test({
  name: "whichever copy of a GPT is lost, the other one brings it back",
  ignore: needs(...TOOLS),
  async fn(t): Promise<void> {
    for (const name of ["of sfdisk", "of sgdisk"]) {
      const disk = await filledDisk(await (DISKS[name] ?? DISKS["of sfdisk"])!());
      const wiped = (from: number, to: number): Bytes => disk.slice().fill(0, from, to);
      const flipped = (at: number): Bytes => new Uint8Array(withFlippedByte(disk, at));
      const damages: Readonly<Record<string, Bytes>> = {
        "primary header": flipped(512 + 40),
        "primary signature": flipped(512),
        "primary entries": flipped(1024 + 60),
        "no primary header": wiped(512, 1024),
        "no first MiB": wiped(0, MIB),
        "no protective record": wiped(446, 512),
        "a protective record that begins elsewhere": flipped(446 + 8),
        "backup header": flipped(DISK_BYTES - 512 + 60),
        "no backup": wiped(DISK_BYTES - 512, DISK_BYTES),
        "backup entries": flipped(DISK_BYTES - 512 - 16384 + 60),
      };
      for (const [what, damaged] of Object.entries(damages)) {
        await t.step(`${name}: ${what}`, async () => {
          const edit = await movedGpt(new StrictSource(damaged), DISK_BYTES);
          const repaired = edited(damaged, edit);
          await assertSoundDisk(repaired, "gpt");
          // The boot code, if it is lost, is lost.
          assertEquals(mbrRecords(repaired), mbrRecords(disk));
          assertBytes(repaired.subarray(510), disk.subarray(510));
          if (what.startsWith("no first")) return;
          const moved = edited(damaged, await movedGpt(new StrictSource(damaged), 40 * MIB));
          await assertSoundDisk(moved, "gpt");
          const cut = edited(damaged, await shortened(damaged));
          await assertSoundDisk(cut, "gpt");
        });
      }
    }
  },
});

Deno.test({
  name: "what is not certain is refused",
  ignore: needs(...TOOLS),
  async fn(t): Promise<void> {
    const disk = await dividedDisk(DISK_BYTES, "sfdisk", SFDISK_LAYOUT);
    const flipped = (...places: number[]): Bytes => {
      const copy = disk.slice();
      for (const at of places) copy[at] = ~(copy[at] ?? 0);
      return copy;
    };
    const edits = { movedGpt, grownLastPartition };
    const cases: readonly (readonly [string, Bytes, string])[] = [
      ["entries of both are damaged", flipped(1084, DISK_BYTES - 16384 - 512 + 60), "neither"],
      ["headers of both are damaged", flipped(520, DISK_BYTES - 500), "neither"],
      ["another revision", withRevision(disk, 0x00020000), "Revision"],
      ["the MBR is damaged", flipped(510), "MBR"],
      ["the copies differ", await differingCopies(disk), "differ"],
      [
        "a boot loader where the lost entries would go",
        withBootLoader(flipped(512)),
        "something else lies",
      ],
    ];
    for (const [name, damaged, message] of cases) {
      await t.step(name, async () => {
        for (const edit of Object.values(edits)) {
          const media = new StrictSource(damaged);
          await assertRejects(() => edit(media, 64 * MIB), FormatError, message);
        }
        const table = { ...await readPartitionTable(new StrictSource(disk)) };
        const media = new StrictSource(damaged);
        await assertRejects(() => shortenedGpt(media, table), FormatError, message);
      });
    }
    await t.step("a disk that is too small", async () => {
      const media = new StrictSource(disk);
      for (const edit of Object.values(edits)) {
        // Partitions end at 12 MiB; entries and header are behind them.
        const tight = 12 * MIB + 16384 + 512;
        const error = await assertRejects(() => edit(media, tight - 1), ImagingError, "need");
        assertEquals(error.kind, "environment");
        await assertRejects(() => edit(media, 1000), ImagingError, "need");
      }
      const smaller = edited(disk, await movedGpt(media, 12 * MIB + 16384 + 512));
      await assertSoundDisk(smaller, "gpt");
    });
    await t.step("nothing to grow", async () => {
      const cut = edited(disk, await shortened(disk));
      for (const size of [cut.length, cut.length + MIB - 17 * 1024]) {
        const media = new StrictSource(cut);
        const message = "partition 2 (root) cannot grow: there is no room behind it";
        const error = await assertRejects(
          () => grownLastPartition(media, size),
          ImagingError,
          message,
        );
        assertEquals(error.kind, "usage");
      }
      const empty = await dividedDisk(DISK_BYTES, "sgdisk", ["-o"]);
      await assertRejects(
        () => grownLastPartition(new StrictSource(empty), 64 * MIB),
        ImagingError,
        "no partition in the table",
      );
      const moved = edited(empty, await movedGpt(new StrictSource(empty), 64 * MIB));
      await assertSoundDisk(moved, "gpt");
    });
    await t.step("no GPT at all", async () => {
      const blank = new StrictSource(new Uint8Array(MIB));
      await assertRejects(() => movedGpt(blank, MIB), ImagingError, "there is no GPT");
      await assertRejects(
        () => grownLastPartition(blank, MIB),
        ImagingError,
        "there are no partitions",
      );
      const table = await readPartitionTable(blank);
      await assertRejects(() => shortenedGpt(blank, table), ImagingError, "no partitions");
      assertEquals(await allocatedEnd(blank, table), undefined);
    });
  },
});

/** Both headers of another revision, with checksums that are right. */
function withRevision(disk: Bytes, revision: number): Bytes {
  const copy = disk.slice();
  for (const at of [512, DISK_BYTES - 512]) {
    new DataView(copy.buffer).setUint32(at + 8, revision, true);
    repairHeader(copy, at);
  }
  return copy;
}

/** Puts the checksum of a header right by asking the parser for no other thing. */
function repairHeader(disk: Bytes, at: number): void {
  const view = new DataView(disk.buffer);
  view.setUint32(at + 16, 0, true);
  view.setUint32(at + 16, crc32(disk.subarray(at, at + 92)), true);
  parseGptHeader(disk.subarray(at, at + 512));
}

/** The backup is that of the disk before a partition was added. */
async function differingCopies(disk: Bytes): Promise<Bytes> {
  await using image = new ImageFile(0);
  await Deno.writeFile(image.path, disk);
  await run("sgdisk", ["-n", "9:40960:+1M", image.path]);
  const changed = await image.bytes();
  changed.set(disk.subarray(DISK_BYTES - MIB), DISK_BYTES - MIB);
  return changed;
}

/** As boards have it that start from the eighth KiB of a card. */
function withBootLoader(disk: Bytes): Bytes {
  const copy = disk.slice();
  copy.fill(0xb0, 8192, 100_000);
  return copy;
}

Deno.test({
  name: "a hybrid MBR keeps its partitions; what protects grows where it reached the end",
  ignore: needs(...TOOLS),
  async fn(): Promise<void> {
    for (const words of ["1", "1:2", "1:2:EE"]) {
      const plain = await dividedDisk(DISK_BYTES, "sgdisk", [
        ...["-n", "1:2048:+4M", "-n", "2:20480:+3M"],
      ]);
      await using image = new ImageFile(0);
      await Deno.writeFile(image.path, plain);
      await run("sgdisk", ["-h", words, image.path]);
      const disk = await image.bytes();
      const before = mbrRecords(disk);
      assert(before.some(({ type }) => type !== 0 && type !== 0xee), "no hybrid");
      const edit = await movedGpt(new StrictSource(disk), 64 * MIB);
      assertEquals(edit.findings.map(({ message }) => message), [
        "the MBR is a hybrid: the partitions that it names stay as they are",
      ]);
      const after = mbrRecords(edited(disk, edit));
      const sectors = DISK_BYTES / 512;
      assertEquals(
        after,
        before.map(({ type, start, size }) => ({
          type,
          start,
          size: type === 0xee && start + size === sectors ? 2 * sectors - start : size,
        })),
      );
      const { stdout } = await run("sgdisk", ["--verify", await written(image, disk, edit)]);
      assert(/No problems found/.test(stdout), stdout);
      await assertRejects(
        () => grownLastPartition(new StrictSource(disk), 64 * MIB),
        ImagingError,
        "hybrid",
      );
    }
  },
});

async function written(image: ImageFile, disk: Bytes, edit: TableEdit): Promise<string> {
  await Deno.writeFile(image.path, edited(disk, edit));
  return image.path;
}

function mbrRecords(disk: Bytes): { type: number; start: number; size: number }[] {
  const view = new DataView(disk.buffer);
  return [446, 462, 478, 494].map((at) => ({
    type: view.getUint8(at + 4),
    start: view.getUint32(at + 8, true),
    size: view.getUint32(at + 12, true),
  }));
}

Deno.test({
  name: "a partition that only a hybrid MBR names is not cut off",
  ignore: needs(...TOOLS),
  async fn(): Promise<void> {
    const disk = await dividedDisk(DISK_BYTES, "sgdisk", ["-n", "1:2048:+4M"]);
    const view = new DataView(disk.buffer);
    view.setUint8(462 + 4, 0x83);
    view.setUint32(462 + 8, 20480, true);
    view.setUint32(462 + 12, 8192, true);
    const media = new StrictSource(disk);
    const table = await readPartitionTable(media);
    assertEquals(await allocatedEnd(media, table), 14 * MIB);
    assertEquals((await shortenedGpt(media, table)).size, 14 * MIB + 33 * 512);
  },
});

Deno.test({
  name: "the end of what is allocated, whatever order partitions have",
  ignore: needs(...TOOLS),
  async fn(): Promise<void> {
    const disk = await dividedDisk(DISK_BYTES, "sfdisk", SFDISK_LAYOUT);
    const media = new StrictSource(disk);
    assertEquals(await allocatedEnd(media, await readPartitionTable(media)), 12 * MIB);
    // A disk that is smaller than its table says ends where it ends.
    const small = new StrictSource(disk.subarray(0, 11 * MIB));
    assertEquals(await allocatedEnd(small, await readPartitionTable(small)), 11 * MIB);
  },
});

Deno.test({
  name: "of a packed image the first MiB is enough",
  ignore: needs(...TOOLS),
  async fn(): Promise<void> {
    for (const name of ["of sfdisk", "of sgdisk", "with 1023 entries"]) {
      const disk = await filledDisk(await (DISKS[name] ?? DISKS["of sfdisk"])!());
      const head = new MemorySource("card.img.gz", disk.slice(0, MIB));
      for (const edit of [movedGpt, grownLastPartition]) {
        const whole = edited(disk, await edit(new StrictSource(disk), 64 * MIB));
        const { patches } = await edit(head, 64 * MIB);
        const source = new PatchedSource(new MemorySource("image", disk), patches, 64 * MIB);
        const bytes = new Uint8Array(64 * MIB);
        await source.readAt(0, bytes);
        assertBytes(bytes, whole);
      }
    }
  },
});

Deno.test({
  name: "a backup that another image left at the end is given up",
  ignore: needs(...TOOLS),
  async fn(): Promise<void> {
    const disk = await filledDisk(await dividedDisk(DISK_BYTES, "sfdisk", SFDISK_LAYOUT));
    // Once with the same GUID, from when the partition had grown; once of another disk.
    const grown = edited(disk, await grownLastPartition(new StrictSource(disk), 64 * MIB));
    const other = await dividedDisk(64 * MIB, "sgdisk", SGDISK_WORDS);
    for (const left of [grown, other]) {
      const target = left.slice();
      target.set(disk);
      const moved = edited(target, await movedGpt(new StrictSource(target), 64 * MIB));
      await assertSoundDisk(moved, "gpt");
      assertEquals(await partitionsOf(moved), await partitionsOf(disk));
      // The same with an image of which the backup was cut off.
      const cut = left.slice();
      cut.set(disk.subarray(0, DISK_BYTES - MIB));
      cut.fill(0, DISK_BYTES - MIB, DISK_BYTES);
      const repaired = edited(cut, await movedGpt(new StrictSource(cut), 64 * MIB));
      await assertSoundDisk(repaired, "gpt");
      assertEquals(await partitionsOf(repaired), await partitionsOf(disk));
    }
  },
});

Deno.test({
  name: "a GPT on a disk of 10 TiB",
  ignore: needs(...TOOLS),
  async fn(): Promise<void> {
    await using image = new ImageFile(0);
    await Deno.writeFile(
      image.path,
      await dividedDisk(DISK_BYTES, "sfdisk", SFDISK_LAYOUT),
    );
    const size = 10 * 1024 ** 4;
    const media = new StrictSource(await image.bytes());
    editFile(image.path, await grownLastPartition(media, size));
    const partitions = await assertSound(image.path, "gpt");
    assertEquals(partitions.find(({ number }) => number === 2)?.length, size - 9 * MIB);
  },
});
