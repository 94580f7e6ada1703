/**
 * What an exFAT volume uses, against three other programs: The Sleuth Kit, which reads the
 * allocation bitmap itself, fsck.exfat, and exfat-fuse, which reads the files back.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Bytes } from "../../src/core/block.ts";
import { FormatError } from "../../src/core/errors.ts";
import { mergeRanges, type Range, totalLength } from "../../src/core/range.ts";
import { exfat } from "../../src/filesystems/all.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { patternBytes } from "../support/pattern.ts";
import { run } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers, StrictSource } from "../volumes/image_tools.ts";
import { MountedExfat, putChecksums, Volume } from "./exfat_image.ts";
import {
  blklsSectors,
  checkerSays,
  copyRanges,
  usedRangesAndReads,
  usedRangesOf,
  usedRangesOfFile,
} from "./used_volumes.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const TOOLS = ["root", "losetup", "mkfs.exfat", "fsck.exfat", "mount.exfat-fuse", "blkls"];

/** The first sectors of a volume, and where its clusters are. */
async function placesOf(path: string): Promise<{
  readonly sectorBytes: number;
  readonly heapOffset: number;
  readonly clusterBytes: number;
  readonly heapEnd: number;
}> {
  using file = await Deno.open(path);
  const head = new Uint8Array(512);
  assertEquals(await file.read(head), 512);
  const view = new DataView(head.buffer);
  const sectorBytes = 2 ** view.getUint8(108);
  const clusterBytes = sectorBytes * 2 ** view.getUint8(109);
  const heapOffset = view.getUint32(88, true) * sectorBytes;
  const heapEnd = heapOffset + view.getUint32(92, true) * clusterBytes;
  return { sectorBytes, heapOffset, clusterBytes, heapEnd };
}

/** What blkls calls allocated, and what lies behind the last cluster. */
async function sleuthkitRanges(path: string): Promise<Range[]> {
  const { sectorBytes, heapEnd } = await placesOf(path);
  const sectors = (await blklsSectors(path)).filter(({ isAllocated }) => isAllocated);
  const ranges = sectors.map(({ sector }) => ({
    offset: sector * sectorBytes,
    length: sectorBytes,
  }));
  const { size } = await Deno.stat(path);
  return mergeRanges([...ranges, { offset: heapEnd, length: size - heapEnd }]);
}

/** Ranges as the tools see them, and a copy of nothing else that they find whole. */
async function checkWithTools(
  folder: TemporaryFolder,
  image: string,
  tree: string,
): Promise<readonly Range[]> {
  const ranges = await usedRangesOfFile(exfat, image);
  assertEquals(ranges, await sleuthkitRanges(image));
  const copy = folder.file("copy.img");
  await copyRanges(image, copy, ranges);
  await run("fsck.exfat", ["-n", image]);
  await run("fsck.exfat", ["-n", copy]);
  {
    await using mounted = await MountedExfat.create(copy, folder.file("copy"), "ro");
    await run("diff", ["-r", tree, mounted.path]);
  }
  await Deno.remove(copy);
  return ranges;
}

/** Puts the same file into both folders. */
async function writeBoth(paths: readonly string[], name: string, bytes: Bytes): Promise<void> {
  for (const path of paths) await Deno.writeFile(`${path}/${name}`, bytes);
}

/** Writes, deletes and writes again, so that files lie in pieces in what was free. */
async function fillInPieces(paths: readonly string[], bytes: number): Promise<void> {
  const next = seededNumbers(bytes);
  const folders = ["", "DCIM/", "DCIM/100 Bilder äöü/"];
  const names = folders.flatMap((folder) =>
    Array.from({ length: 12 }, (_, index) => `${folder}picture number ${index}.jpeg`)
  );
  for (const path of paths) await Deno.mkdir(`${path}/${folders.at(-1)}`, { recursive: true });
  for (const [index, name] of names.entries()) {
    const length = index < 2 ? index : next(Math.floor(bytes / 18));
    await writeBoth(paths, name, patternBytes(length, { seed: next(1e9) }));
  }
  for (const [index, name] of names.entries()) {
    if (index % 2 === 0) continue;
    for (const path of paths) await Deno.remove(`${path}/${name}`);
  }
  await writeBoth(paths, "DCIM/movie.mp4", patternBytes(Math.floor(bytes / 2), { seed: 3 }));
  for (const path of paths) {
    await Deno.mkdir(`${path}/gone`);
    for (let index = 0; index < 40; index++) await Deno.mkdir(`${path}/gone/${index}`);
    await Deno.remove(`${path}/gone`, { recursive: true });
    for (const [index, name] of names.entries()) {
      if (index % 4 === 2) await Deno.remove(`${path}/${name}`);
    }
  }
}

/** Leaves a few clusters. */
async function fillUp(paths: readonly string[], clusterBytes: number): Promise<void> {
  const [mounted = ""] = paths;
  const [blocks = "", size = ""] = (await run("stat", ["-f", "-c", "%a %S", mounted])).split(
    " ",
  );
  const free = Number(blocks) * Number(size);
  assert(free > 8 * clusterBytes, `${free} bytes are free`);
  await writeBoth(paths, "the rest", patternBytes(free - 4 * clusterBytes, { seed: 9 }));
}

interface Card {
  readonly bytes: number;
  readonly mkfs: readonly string[];
  /** What the files take; about a tenth of the volume when absent. */
  readonly fileBytes?: number;
  /** 512 when absent. */
  readonly sectorBytes?: number;
  /** Bytes behind the volume: a partition that is larger. */
  readonly behind?: number;
  readonly canFill?: boolean;
}

const CARDS: readonly Card[] = [
  { bytes: 8 * MIB, mkfs: [], canFill: true },
  { bytes: 9 * MIB, mkfs: ["-c", "512"], canFill: true },
  { bytes: 33 * MIB + 512, mkfs: ["-c", "4K", "-b", "64K"], canFill: true, behind: 512 * 77 },
  { bytes: 64 * MIB, mkfs: ["-c", "32K", "--pack-bitmap"] },
  { bytes: 64 * MIB, mkfs: ["-c", "4K"], sectorBytes: 4096, canFill: true },
  { bytes: 300 * MIB, mkfs: ["-c", "128K", "-b", "16M"], fileBytes: 20 * MIB },
  { bytes: 128 * MIB, mkfs: ["-c", "1M"], fileBytes: 4 * MIB },
  { bytes: 256 * MIB, mkfs: ["-c", "32M"], fileBytes: 0 },
];

/** Formats an image; with large sectors it has to look like a disk that has them. */
async function format(image: string, { mkfs, sectorBytes }: Card): Promise<void> {
  if (sectorBytes === undefined) await run("mkfs.exfat", [...mkfs, image]);
  else {
    await using loop = await LoopDevice.create(image, { sectorSize: sectorBytes });
    await run("mkfs.exfat", [...mkfs, loop.path]);
  }
}

for (const card of CARDS) {
  const { bytes, mkfs, sectorBytes = 512, behind = 0 } = card;
  Deno.test({
    name:
      `mkfs.exfat ${mkfs.join(" ")} of ${bytes} bytes, sectors of ${sectorBytes}: exactly ` +
      "what is in use",
    ignore: needs(...TOOLS),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const image = await folder.write("card.img", "");
      await Deno.truncate(image, bytes);
      await format(image, card);
      await Deno.truncate(image, bytes + behind);
      assertEquals((await placesOf(image)).sectorBytes, sectorBytes);
      const tree = await folder.folder("tree");
      const empty = await checkWithTools(folder, image, tree);
      if (card.fileBytes === 0) return;
      {
        await using mounted = await MountedExfat.create(image, folder.file("card"), "rw");
        await fillInPieces([mounted.path, tree], card.fileBytes ?? Math.floor(bytes / 10));
      }
      const filled = await checkWithTools(folder, image, tree);
      assert(filled.length > empty.length + 1, "the files are in one piece");
      if (card.canFill !== true) return;
      const places = await placesOf(image);
      {
        await using mounted = await MountedExfat.create(image, folder.file("card"), "rw");
        await fillUp([mounted.path, tree], places.clusterBytes);
      }
      const full = await checkWithTools(folder, image, tree);
      assert(totalLength(full) < bytes + behind && totalLength(full) > bytes * 0.9);
    },
  });
}

interface Damage {
  readonly what: string;
  readonly change: (volume: Volume) => void;
  /** What our error says. */
  readonly says: RegExp;
  /** What fsck.exfat says about it, where it looks for it. */
  readonly fsck?: RegExp;
  /** Are the checksums of the boot regions left as they are? */
  readonly isUnsummed?: boolean;
}

const DAMAGES: readonly Damage[] = [
  {
    what: "a boot region with a wrong checksum",
    change: ({ bytes }) => bytes[300] = 1,
    says: /checksum of its boot region/,
    fsck: /checksum/,
    isUnsummed: true,
  },
  {
    what: "a checksum that is not repeated to the end",
    change: ({ bytes }) => bytes[12 * 512 - 1] = ~(bytes[12 * 512 - 1] ?? 0),
    says: /checksum of its boot region/,
    isUnsummed: true,
  },
  {
    what: "a backup boot region with a wrong checksum",
    change: ({ bytes }) => bytes[12 * 512 + 300] = 1,
    says: /checksum of its backup boot region/,
    isUnsummed: true,
  },
  {
    what: "a backup boot sector with other places",
    change: ({ bytes }) => bytes[12 * 512 + 92] = (bytes[12 * 512 + 92] ?? 0) - 1,
    says: /the backup of it differ/,
  },
  {
    what: "a dirty volume",
    change: ({ bytes }) => bytes[106] = 2,
    says: /not unmounted cleanly/,
  },
  { what: "media failures", change: ({ bytes }) => bytes[106] = 4, says: /media failures/ },
  { what: "an active second FAT", change: ({ bytes }) => bytes[106] = 1, says: /flags/ },
  { what: "flags that are not known", change: ({ bytes }) => bytes[107] = 1, says: /flags/ },
  { what: "another revision", change: (volume) => volume.setBoot(104, 1), says: /revision/ },
  { what: "TexFAT", change: (volume) => volume.setBoot(110, 2), says: /TexFAT/ },
  { what: "no signature", change: (volume) => volume.setBoot(510, 0), says: /signature/ },
  {
    what: "a volume that is too long",
    change: (volume) => volume.setBoot(74, 0x7f),
    says: /larger than what holds it/,
  },
  {
    what: "more clusters than there is room for",
    change: (volume) => volume.setBoot(93, 0x7f),
    says: /do not fit|too small/,
  },
  {
    what: "a FAT in the boot regions",
    change: (volume) => [80, 81, 82, 83].forEach((at) => volume.setBoot(at, 0)),
    says: /boot regions/,
  },
  {
    what: "a FAT that reaches into the clusters",
    change: (volume) => volume.setBoot(86, 1),
    says: /begin in its FAT/,
  },
  {
    what: "a root directory outside",
    change: (volume) => volume.setBoot(98, 1),
    says: /root directory is in cluster/,
  },
  {
    what: "a root directory that goes in a circle",
    change: (volume) => volume.setFat(volume.root, volume.root),
    says: /no end|free/,
  },
  {
    what: "a root directory that leads outside",
    change: (volume) => volume.setFat(volume.root, 1),
    says: /leads to cluster 1/,
  },
  {
    what: "a FAT that begins oddly",
    change: (volume) => volume.setFat(0, 0xfffffff0),
    says: /begins oddly/,
  },
  {
    what: "a second entry of the FAT that is odd",
    change: (volume) => volume.setFat(1, 0),
    says: /begins oddly/,
  },
  {
    what: "no allocation bitmap",
    change: (volume) => volume.bytes[volume.entry(0x81)] = 0x01,
    says: /no allocation bitmap/,
    fsck: /bitmap/,
  },
  {
    what: "a second allocation bitmap",
    change: (volume) => volume.bytes[volume.entry(0x81) + 1] = 1,
    says: /second one/,
  },
  {
    what: "two allocation bitmaps",
    change: (volume) => {
      const from = volume.entry(0x81);
      volume.bytes.copyWithin(volume.entry(0x83), from, from + 32);
    },
    says: /twice|more than one/,
  },
  {
    what: "no up-case table",
    change: (volume) => volume.bytes[volume.entry(0x82)] = 0x02,
    says: /no up-case table/,
    fsck: /upcase/,
  },
  {
    what: "an up-case table with a wrong checksum",
    change: (volume) => volume.bytes[volume.place(volume.cluster(0x82)) + 200]! ^= 1,
    says: /checksum of its up-case table/,
    fsck: /upcase/,
  },
  {
    what: "an entry that is critical and not known",
    change: (volume) => volume.bytes[volume.entry(0x83)] = 0x84,
    says: /unknown entry, 84h/,
  },
  {
    what: "a bitmap that is too short",
    change: (volume) => volume.view.setUint32(volume.entry(0x81) + 24, 3, true),
    says: /has 3 bytes/,
    fsck: /bitmap/,
  },
  {
    what: "a bitmap that ends early",
    change: (volume) => volume.setFat(volume.cluster(0x81), 0xffffffff),
    says: /not all there/,
  },
  {
    what: "a bitmap that is free",
    change: (volume) => volume.setFree(volume.cluster(0x81)),
    says: /own structures free/,
  },
  {
    what: "an up-case table that is free",
    change: (volume) => volume.setFree(volume.cluster(0x82)),
    says: /own structures free/,
  },
  {
    what: "a root directory that is free",
    change: (volume) => volume.setFree(volume.root),
    says: /own structures free/,
  },
  {
    what: "a root directory in the bitmap",
    change: (volume) => volume.setFat(volume.root, volume.cluster(0x81)),
    says: /overlap/,
  },
];

/** A volume of 8 MiB with a bitmap of several clusters. */
async function madeVolume(): Promise<Bytes> {
  await using folder = await TemporaryFolder.create();
  const image = await folder.write("card.img", "");
  await Deno.truncate(image, 8 * MIB);
  await run("mkfs.exfat", ["-c", "512", "-L", "LABEL", image]);
  return await Deno.readFile(image);
}

Deno.test({
  name: "whatever makes an exFAT volume doubtful is an error",
  ignore: needs("mkfs.exfat", "fsck.exfat"),
  async fn(t): Promise<void> {
    const made = await madeVolume();
    const expected = await usedRangesOf(exfat, new StrictSource(made));
    const summed = made.slice();
    putChecksums(summed);
    assertEquals(summed, made, "the checksums of this test are not those of mkfs.exfat");
    for (const { what, change, says, fsck, isUnsummed } of DAMAGES) {
      await t.step(what, async () => {
        const volume = new Volume(made.slice());
        change(volume);
        if (isUnsummed !== true) putChecksums(volume.bytes);
        const source = new StrictSource(volume.bytes);
        const error = await assertRejects(() => usedRangesOf(exfat, source), FormatError);
        assert(says.test(error.message), error.message);
        if (fsck !== undefined) {
          const said = await checkerSays(volume.bytes, "fsck.exfat", "-n", "-v");
          assert(fsck.test(said), said);
        }
      });
    }
    await t.step("a volume that was cut", async () => {
      const cut = new StrictSource(made.subarray(0, made.length - 512));
      await assertRejects(
        () => usedRangesOf(exfat, cut),
        FormatError,
        "larger than what holds it",
      );
    });
    await t.step("what changes in use does not", async () => {
      // PercentInUse, ClearToZero.
      const volume = new Volume(made.slice());
      volume.bytes[112] = 55;
      volume.bytes[106] = 8;
      assertEquals(await usedRangesOf(exfat, new StrictSource(volume.bytes)), expected);
    });
  },
});

Deno.test({
  name: "while it is mounted and written to, an exFAT volume is doubtful",
  ignore: needs(...TOOLS),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", await madeVolume());
    {
      await using mounted = await MountedExfat.create(image, folder.file("card"), "rw");
      await Deno.writeFile(`${mounted.path}/file`, patternBytes(5000));
      const copy = folder.file("copy.img");
      await run("dd", ["status=none", "bs=1M", `if=${mounted.device.path}`, `of=${copy}`]);
      await assertRejects(
        () => usedRangesOfFile(exfat, copy),
        FormatError,
        "not unmounted cleanly",
      );
    }
    await usedRangesOfFile(exfat, image);
  },
});

Deno.test({
  name: "an allocation bitmap of megabytes is read in pieces of at most one",
  ignore: needs("mkfs.exfat"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", "");
    const bytes = 64 * 1024 * MIB;
    await Deno.truncate(image, bytes);
    await run("mkfs.exfat", ["-c", "4096", image]);
    const { ranges, lengths } = await usedRangesAndReads(exfat, image);
    assertEquals(Math.max(...lengths), MIB);
    const { heapOffset, heapEnd, clusterBytes } = await placesOf(image);
    // Bitmap, up-case table (5836 bytes) and root directory, one behind the other.
    const clusters = Math.ceil((heapEnd - heapOffset) / clusterBytes / 8 / clusterBytes) + 2 +
      1;
    assertEquals(ranges[0], { offset: 0, length: heapOffset + clusters * clusterBytes });
    assertEquals(totalLength(ranges.slice(1)), bytes - heapEnd);

    // Every second cluster: the list of ranges would take more memory than it is worth.
    using raw = await Deno.open(image, { write: true });
    await raw.seek(heapOffset + 4096, Deno.SeekMode.Start);
    await raw.write(new Uint8Array(300 * KIB).fill(0x55));
    await assertRejects(() => usedRangesOfFile(exfat, image), FormatError, "too many pieces");
  },
});
