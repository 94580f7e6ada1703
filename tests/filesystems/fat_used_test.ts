/**
 * What a FAT volume uses, against three other programs: The Sleuth Kit, which reads the FAT
 * itself, fsck.fat, and mtools, which reads the files back.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Bytes } from "../../src/core/block.ts";
import { FormatError } from "../../src/core/errors.ts";
import { mergeRanges, type Range, totalLength } from "../../src/core/range.ts";
import { fat } from "../../src/filesystems/all.ts";
import { patternBytes } from "../support/pattern.ts";
import { run } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers, StrictSource } from "../volumes/image_tools.ts";
import { FatEntries, mtools } from "./fat_image.ts";
import {
  blklsSectors,
  checkerSays,
  copyRanges,
  usedRangesAndReads,
  usedRangesOf,
  usedRangesOfFile,
  writeAll,
} from "./used_volumes.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const TOOLS = ["mkfs.fat", "fsck.fat", "mcopy", "mdel", "mdeltree", "mdir", "blkls"];

async function bootSectorOf(path: string): Promise<DataView> {
  using file = await Deno.open(path);
  const bytes = new Uint8Array(512);
  assertEquals(await file.read(bytes), 512);
  return new DataView(bytes.buffer);
}

/** What blkls calls allocated, and what lies behind the last cluster. */
async function sleuthkitRanges(path: string, type = "fat"): Promise<Range[]> {
  const head = await bootSectorOf(path);
  const sectorBytes = head.getUint16(11, true);
  const { size } = await Deno.stat(path);
  const ranges: Range[] = [];
  let known = 0;
  for (const { sector, isAllocated } of await blklsSectors(path, "-f", type)) {
    const offset = sector * sectorBytes;
    known = offset + sectorBytes;
    if (isAllocated) ranges.push({ offset, length: sectorBytes });
  }
  // It lists the sectors that make no whole cluster as free ones.
  const fatSectors = head.getUint16(22, true) || head.getUint32(36, true);
  const rootBytes = head.getUint16(17, true) * 32;
  const dataOffset = (head.getUint16(14, true) + head.getUint8(16) * fatSectors) *
      sectorBytes + rootBytes;
  const clusterBytes = head.getUint8(13) * sectorBytes;
  const clustersEnd = known - (known - dataOffset) % clusterBytes;
  return mergeRanges([...ranges, { offset: clustersEnd, length: size - clustersEnd }]);
}

/** Ranges as the tools see them, and a copy of nothing else that they find whole. */
async function checkWithTools(
  folder: TemporaryFolder,
  image: string,
  tree: string,
): Promise<readonly Range[]> {
  const ranges = await usedRangesOfFile(fat, image);
  assertEquals(ranges, await sleuthkitRanges(image));
  const copy = folder.file("copy.img");
  await copyRanges(image, copy, ranges);
  await run("fsck.fat", ["-n", image]);
  await run("fsck.fat", ["-n", copy]);
  const restored = await folder.folder("restored");
  if ((await Array.fromAsync(Deno.readDir(tree))).length > 0) {
    await mtools("mcopy", copy, "-s", "-n", "::/*", restored);
  }
  await run("diff", ["-r", tree, restored]);
  await Deno.remove(copy);
  await Deno.remove(restored, { recursive: true });
  return ranges;
}

/** Files of many sizes in a few folders. */
async function writeTree(path: string, prefix: string, bytes: number): Promise<string[]> {
  const next = seededNumbers(bytes + prefix.charCodeAt(0));
  const names: string[] = [];
  for (const folder of ["", "dcim/", "dcim/100 a long name of a folder/"]) {
    await Deno.mkdir(`${path}/${prefix}/${folder}`, { recursive: true });
    for (let index = 0; index < 12; index++) {
      const name = `${prefix}/${folder}picture number ${index}.jpeg`;
      const length = index < 2 ? index : next(Math.floor(bytes / 18));
      await Deno.writeFile(`${path}/${name}`, patternBytes(length, { seed: next(1e9) }));
      names.push(name);
    }
  }
  return names;
}

/** Writes, deletes and writes again, so that files lie in pieces in what was free. */
async function fillInPieces(image: string, tree: string, bytes: number): Promise<void> {
  const names = await writeTree(tree, "first", bytes);
  await mtools("mcopy", image, "-s", `${tree}/first`, "::/");
  for (const [index, name] of names.entries()) {
    if (index % 2 === 0) continue;
    await mtools("mdel", image, `::/${name}`);
    await Deno.remove(`${tree}/${name}`);
  }
  await writeTree(tree, "second", bytes);
  await mtools("mcopy", image, "-s", `${tree}/second`, "::/");
  await mtools("mdeltree", image, "::/second/dcim");
  await Deno.remove(`${tree}/second/dcim`, { recursive: true });
  await Deno.writeFile(`${tree}/third.bin`, patternBytes(Math.floor(bytes / 3)));
  await mtools("mcopy", image, `${tree}/third.bin`, "::/");
  for (const [index, name] of names.entries()) {
    if (index % 4 !== 2) continue;
    await mtools("mdel", image, `::/${name}`);
    await Deno.remove(`${tree}/${name}`);
  }
}

/** Leaves a cluster or two. */
async function fillUp(image: string, tree: string, clusterBytes: number): Promise<void> {
  const listing = await mtools("mdir", image, "::/");
  const free = Number(/([\d ]+) bytes free/.exec(listing)?.[1]?.replaceAll(" ", ""));
  assert(free > 4 * clusterBytes, listing);
  const name = "the rest.bin";
  await Deno.writeFile(`${tree}/${name}`, patternBytes(free - 2 * clusterBytes, { seed: 7 }));
  await mtools("mcopy", image, `${tree}/${name}`, "::/");
}

interface Card {
  readonly bytes: number;
  readonly mkfs: readonly string[];
  /** What the files take; about a tenth of the volume when absent. */
  readonly fileBytes?: number;
  /** Bytes behind the volume: a partition that is larger. */
  readonly behind?: number;
  readonly canFill?: boolean;
}

const CARDS: readonly Card[] = [
  { bytes: 1440 * KIB, mkfs: [], canFill: true },
  { bytes: 1 * MIB, mkfs: ["-F12", "-s1", "-f1"], canFill: true },
  { bytes: 8 * MIB, mkfs: ["-F12", "-S4096", "-s1"], canFill: true },
  { bytes: 64 * MIB, mkfs: ["-F12", "-S4096", "-s64"] },
  { bytes: 5 * MIB, mkfs: ["-F16", "-s1"], canFill: true },
  { bytes: 32 * MIB, mkfs: ["-F16", "-s4", "-r1024"], behind: 12_345 * 512 },
  { bytes: 32 * MIB, mkfs: ["-F16", "-S4096", "-s1"], canFill: true },
  { bytes: 64 * MIB, mkfs: ["-F12", "-s128"] },
  { bytes: 40 * MIB, mkfs: ["-F32", "-s1"], canFill: true },
  { bytes: 40 * MIB + 512 * 3, mkfs: ["-F32", "-s1", "-f1"], behind: 512 },
  { bytes: 280 * MIB, mkfs: ["-F32", "-S4096", "-s1"], fileBytes: 3 * MIB },
  { bytes: 140 * MIB, mkfs: ["-F32", "-s4", "-R64"], fileBytes: 3 * MIB },
];

for (const card of CARDS) {
  Deno.test({
    name: `mkfs.fat ${card.mkfs.join(" ")} of ${card.bytes} bytes: exactly what is in use`,
    ignore: needs(...TOOLS),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const image = await folder.write("card.img", "");
      await Deno.truncate(image, card.bytes);
      await run("mkfs.fat", [...card.mkfs, image]);
      await Deno.truncate(image, card.bytes + (card.behind ?? 0));
      const tree = await folder.folder("tree");
      const empty = await checkWithTools(folder, image, tree);
      const fileBytes = card.fileBytes ?? Math.floor(card.bytes / 10);
      await fillInPieces(image, tree, fileBytes);
      const filled = await checkWithTools(folder, image, tree);
      assert(filled.length > empty.length + 1, "the files are in one piece");
      if (card.canFill !== true) return;
      const head = await bootSectorOf(image);
      await fillUp(image, tree, head.getUint8(13) * head.getUint16(11, true));
      const full = await checkWithTools(folder, image, tree);
      assert(totalLength(full) < card.bytes && totalLength(full) > card.bytes * 0.9);
    },
  });
}

/** A small volume with files in it, in memory. */
async function madeVolume(bytes: number, mkfs: readonly string[]): Promise<Bytes> {
  await using folder = await TemporaryFolder.create();
  const image = await folder.write("card.img", "");
  await Deno.truncate(image, bytes);
  await run("mkfs.fat", [...mkfs, image]);
  await fillInPieces(image, await folder.folder("tree"), bytes / 10);
  return await Deno.readFile(image);
}

interface Damage {
  readonly what: string;
  readonly change: (entries: FatEntries, kind: "fat12" | "fat16" | "fat32") => void;
  /** What our error says. */
  readonly says: RegExp;
  /** What fsck.fat says about it, where it looks for it. */
  readonly fsck?: RegExp;
  readonly kinds?: readonly string[];
}

const DAMAGES: readonly Damage[] = [
  {
    what: "FATs that differ",
    change: (entries) => entries.set(entries.linked, 0, 1),
    says: /copies of the FAT/,
    fsck: /FATs differ/,
  },
  {
    what: "a dirty bit in the boot sector",
    change: ({ view }, kind) => view.setUint8(kind === "fat32" ? 0x41 : 0x25, 1),
    says: /not unmounted cleanly/,
    fsck: /Dirty bit is set/,
  },
  {
    what: "a wish for a surface test",
    change: ({ view }, kind) => view.setUint8(kind === "fat32" ? 0x41 : 0x25, 2),
    says: /needs to be checked/,
  },
  {
    what: "a cleared ClnShutBit",
    change: (entries, kind) => entries.set(1, kind === "fat32" ? 0x07ffffff : 0x7fff),
    says: /not unmounted cleanly/,
    kinds: ["fat16", "fat32"],
  },
  {
    what: "a cleared HrdErrBit",
    change: (entries, kind) => entries.set(1, kind === "fat32" ? 0x0bffffff : 0xbfff),
    says: /disk errors/,
    kinds: ["fat16", "fat32"],
  },
  {
    what: "a file that goes on in a free cluster",
    change: (entries) => entries.set(entries.get(entries.linked), 0),
    says: /goes on in cluster \d+, a free one/,
    fsck: /free cluster/i,
  },
  {
    what: "a root directory that is free",
    change: (entries) => entries.set(entries.view.getUint32(44, true), 0),
    says: /goes on in cluster 2, a free one/,
    fsck: /free cluster|Root directory/i,
    kinds: ["fat32"],
  },
  {
    what: "a root directory outside",
    change: ({ view }) => {
      for (const sector of [0, 6]) view.setUint32(sector * 512 + 44, 0xfffff, true);
    },
    says: /root directory is in cluster 1048575/,
    kinds: ["fat32"],
  },
  {
    what: "an entry that leads outside",
    change: (entries, kind) =>
      entries.set(entries.linked, { fat12: 0xff0, fat16: 0xfff0, fat32: 0x0ffffff0 }[kind]),
    says: /leads from cluster/,
    fsck: /out of range/,
  },
  {
    what: "an entry that leads to cluster 1",
    change: (entries) => entries.set(entries.linked, 1),
    says: /leads from cluster \d+ to 1/,
  },
  {
    what: "another media byte in the FAT",
    change: (entries, kind) =>
      entries.set(0, { fat12: 0xff9, fat16: 0xfff9, fat32: 0x0ffffff9 }[kind]),
    says: /media byte/,
  },
  {
    what: "a second entry that is none",
    change: (entries, kind) =>
      entries.set(1, { fat12: 0x00f, fat16: 0xf00f, fat32: 0x0f00000f }[kind]),
    says: /second entry/,
  },
  {
    what: "a size that is larger than the volume",
    change: ({ view }) => {
      for (const sector of [0, 6]) view.setUint16(sector * 512 + 19, 0, true);
      for (const sector of [0, 6]) view.setUint32(sector * 512 + 32, 0x7fffffff, true);
    },
    says: /larger than what holds it/,
  },
  {
    what: "two sizes",
    change: ({ view }) => {
      view.setUint16(19, 1000, true);
      view.setUint32(32, 1001, true);
    },
    says: /two different sizes/,
    kinds: ["fat12", "fat16"],
  },
  {
    what: "a root directory as FAT16 has it",
    change: ({ view }) => view.setUint16(17, 512, true),
    says: /half FAT16/,
    kinds: ["fat32"],
  },
  {
    what: "no signature",
    change: ({ view }) => view.setUint8(510, 0),
    says: /no signature/,
  },
  {
    what: "a FAT that is too small",
    change: ({ view }, kind) => {
      for (const sector of kind === "fat32" ? [0, 6] : [0]) {
        if (kind === "fat32") view.setUint32(sector * 512 + 36, 1, true);
        else view.setUint16(sector * 512 + 22, 1, true);
      }
    },
    says: /too small/,
  },
  {
    what: "another kind in the name of the kind",
    change: ({ view }, kind) => {
      if (kind === "fat32") view.setUint8(85, 0x31);
      else view.setUint8(58, kind === "fat12" ? 0x36 : 0x32);
    },
    says: /its boot sector says fat1/,
  },
  {
    what: "a root directory that does not fill its last sector",
    change: ({ view }) => view.setUint16(17, view.getUint16(17, true) - 1, true),
    says: /last sector/,
    kinds: ["fat12", "fat16"],
  },
  {
    what: "a backup boot sector with other places",
    change: ({ view }) => view.setUint32(6 * 512 + 36, 1, true),
    says: /the backup of it differ/,
    fsck: /differences between boot sector and its backup/,
    kinds: ["fat32"],
  },
  {
    what: "a version of FAT32 that is not known",
    change: ({ view }) => view.setUint16(42, 1, true),
    says: /version/,
    kinds: ["fat32"],
  },
  {
    what: "an active FAT that is not there",
    change: ({ view }) => view.setUint16(40, 0x82, true),
    says: /active FAT/,
    kinds: ["fat32"],
  },
  {
    what: "BitLocker To Go",
    change: ({ view }) => {
      const guid = Uint8Array.fromHex("3bd66749292ed84a8399f6a339e3d001");
      for (const [index, byte] of guid.entries()) view.setUint8(424 + index, byte);
    },
    says: /does not begin like FAT/,
  },
];

const DAMAGED_CARDS = [
  ["fat12", 1 * MIB, ["-F12", "-s1"]],
  ["fat16", 5 * MIB, ["-F16", "-s1"]],
  ["fat32", 34 * MIB, ["-F32", "-s1"]],
] as const;

for (const [kind, bytes, mkfs] of DAMAGED_CARDS) {
  Deno.test({
    name: `${kind}: whatever makes it doubtful is an error`,
    ignore: needs(...TOOLS),
    async fn(t): Promise<void> {
      const volume = await madeVolume(bytes, mkfs);
      await usedRangesOf(fat, new StrictSource(volume));
      for (const { what, change, says, fsck, kinds } of DAMAGES) {
        if (kinds !== undefined && !kinds.includes(kind)) continue;
        await t.step(what, async () => {
          const damaged = volume.slice();
          change(new FatEntries(damaged, kind), kind);
          const source = new StrictSource(damaged);
          const error = await assertRejects(() => usedRangesOf(fat, source), FormatError);
          assert(says.test(error.message), error.message);
          if (fsck !== undefined) {
            const said = await checkerSays(damaged, "fsck.fat", "-n");
            assert(fsck.test(said), said);
          }
        });
      }
      await t.step("a volume that was cut", async () => {
        const cut = new StrictSource(volume.subarray(0, volume.length - 512));
        await assertRejects(
          () => usedRangesOf(fat, cut),
          FormatError,
          "larger than what holds it",
        );
      });
    },
  });
}

Deno.test({
  name: "a cluster that is marked bad is copied; one with reserved bits only, too",
  ignore: needs(...TOOLS),
  async fn(): Promise<void> {
    const volume = await madeVolume(34 * MIB, ["-F32", "-s1"]);
    const before = await usedRangesOf(fat, new StrictSource(volume));
    const entries = new FatEntries(volume, "fat32");
    const bad = entries.free;
    entries.set(bad, 0x0ffffff7);
    const reserved = entries.free;
    entries.set(reserved, 0x10000000);
    const after = await usedRangesOf(fat, new StrictSource(volume));
    assertEquals(totalLength(after) - totalLength(before), 2 * 512);
    // fsck.fat counts one free cluster less, the bad one, and sees nothing wrong otherwise.
    const said = await checkerSays(volume, "fsck.fat", "-n");
    const wrong =
      /Free cluster summary wrong \((\d+) vs. really (\d+)\)\n {2}Auto-correcting.\n\n/;
    const [, stored, counted] = wrong.exec(said) ?? [];
    assertEquals(Number(counted), Number(stored) - 1, said);
  },
});

Deno.test({
  name: "FAT32 with one active FAT: all that either of them marks",
  ignore: needs(...TOOLS),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", "");
    await Deno.truncate(image, 34 * MIB);
    await run("mkfs.fat", ["-F32", "-s1", image]);
    const tree = await folder.folder("tree");
    const empty = await Deno.readFile(image);
    await fillInPieces(image, tree, 500_000);
    const volume = await Deno.readFile(image);
    const expected = await usedRangesOf(fat, new StrictSource(volume));
    const entries = new FatEntries(volume, "fat32");
    // The first FAT is as old as the volume; the second one is active.
    const old = new FatEntries(empty, "fat32");
    for (let cluster = 0; cluster < 5000; cluster++) {
      entries.set(cluster, old.get(cluster), 0);
    }
    await assertRejects(
      () => usedRangesOf(fat, new StrictSource(volume)),
      FormatError,
      "copies",
    );
    for (const sector of [0, 6]) entries.view.setUint16(sector * 512 + 40, 0x81, true);
    assertEquals(await usedRangesOf(fat, new StrictSource(volume)), expected);

    await Deno.writeFile(image, volume);
    const copy = folder.file("copy.img");
    await copyRanges(image, copy, expected);
    const restored = await folder.folder("restored");
    await mtools("mcopy", copy, "-s", "-n", "::/*", restored);
    await run("diff", ["-r", tree, restored]);
  },
});

/** A number of clusters, and what a volume that looks like this kind is then. */
interface Border {
  readonly clusters: number;
  readonly looks: "FAT12" | "FAT16" | "FAT32";
  /** Does the boot sector say that it looks so? */
  readonly isNamed?: boolean;
  /** Absent: systems do not agree. */
  readonly kind?: "FAT12" | "FAT16" | "FAT32";
}

const BORDERS: readonly Border[] = [
  { clusters: 4068, looks: "FAT12", kind: "FAT12" },
  { clusters: 4069, looks: "FAT12" },
  { clusters: 4084, looks: "FAT12", isNamed: true, kind: "FAT12" },
  { clusters: 4084, looks: "FAT16", isNamed: true },
  { clusters: 4085, looks: "FAT12", isNamed: true },
  { clusters: 4085, looks: "FAT16", isNamed: true },
  { clusters: 4086, looks: "FAT16", isNamed: true },
  { clusters: 4087, looks: "FAT12", isNamed: true },
  { clusters: 4087, looks: "FAT16", isNamed: true, kind: "FAT16" },
  { clusters: 4101, looks: "FAT16" },
  { clusters: 4102, looks: "FAT16", kind: "FAT16" },
  { clusters: 65508, looks: "FAT16", kind: "FAT16" },
  { clusters: 65509, looks: "FAT16" },
  { clusters: 65524, looks: "FAT16", isNamed: true, kind: "FAT16" },
  { clusters: 65525, looks: "FAT16", isNamed: true },
  { clusters: 65525, looks: "FAT32", isNamed: true, kind: "FAT32" },
  // There is no other way to read these.
  { clusters: 65524, looks: "FAT32", kind: "FAT32" },
  { clusters: 4085, looks: "FAT32", kind: "FAT32" },
];

/** Sectors of a volume that mkfs.fat makes, with room for some more clusters in its FAT. */
const FORMATTED_SECTORS = { FAT12: 4096, FAT16: 4200, FAT32: 67_000 };

/** Formats a volume and then gives it another number of clusters, of 512 bytes. */
async function writeBorder(image: string, border: Border): Promise<void> {
  const { clusters, looks } = border;
  const large = looks === "FAT16" && clusters > 5000 ? 66_060 : undefined;
  const isSmall = looks === "FAT32" && clusters < 5000;
  await Deno.truncate(image, isSmall ? 3 * MIB : (large ?? FORMATTED_SECTORS[looks]) * 512);
  await run("mkfs.fat", ["-a", "-s1", `-F${looks.slice(3)}`, image]);
  await Deno.truncate(image, (clusters > 5000 ? 34 : 3) * MIB);
  const volume = await Deno.readFile(image);
  const view = new DataView(volume.buffer);
  const fatSectors = view.getUint16(22, true) || view.getUint32(36, true);
  const sectors = view.getUint16(14, true) + view.getUint8(16) * fatSectors +
    view.getUint16(17, true) * 32 / 512 + clusters;
  for (const sector of looks === "FAT32" ? [0, 6] : [0]) {
    view.setUint16(sector * 512 + 19, 0, true);
    view.setUint32(sector * 512 + 32, sectors, true);
  }
  const nameAt = looks === "FAT32" ? 82 : 54;
  if (border.isNamed !== true) volume.fill(0x20, nameAt + 3, nameAt + 8);
  await Deno.writeFile(image, volume);
}

Deno.test({
  name: "the number of clusters decides, and where it does not, nobody guesses",
  ignore: needs(...TOOLS, "fsstat"),
  async fn(t): Promise<void> {
    for (const border of BORDERS) {
      const { clusters, looks, isNamed, kind } = border;
      const name = `${clusters} clusters, ${looks}${isNamed === true ? "" : ", unnamed"}`;
      await t.step(name, async () => {
        await using folder = await TemporaryFolder.create();
        const image = await folder.write("card.img", "");
        await writeBorder(image, border);
        if (kind === undefined) {
          await assertRejects(
            () => usedRangesOfFile(fat, image),
            FormatError,
            `${clusters} clusters`,
          );
          return;
        }
        const type = kind === "FAT32" ? "fat32" : "fat";
        assertEquals(await usedRangesOfFile(fat, image), await sleuthkitRanges(image, type));
        const said = await run("fsstat", ["-f", type, image]);
        assertEquals(/File System Type: (\w+)/.exec(said)?.[1], kind);
      });
    }
  },
});

Deno.test({
  name: "a FAT of many megabytes is read in pieces of at most one",
  ignore: needs("mkfs.fat", "mcopy"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", "");
    await Deno.truncate(image, 2048 * MIB);
    await run("mkfs.fat", ["-F32", "-s1", image]);
    await mtools("mcopy", image, await folder.write("a.bin", patternBytes(3 * MIB)), "::/");
    const { ranges, lengths } = await usedRangesAndReads(fat, image);
    assert(Math.max(...lengths) <= MIB && lengths.length > 32, `${lengths.length} reads`);
    const view = await bootSectorOf(image);
    const fats = 2 * view.getUint32(36, true) * 512 + view.getUint16(14, true) * 512;
    // The root directory and the file, in whole clusters of 512 bytes.
    assertEquals(ranges[0], { offset: 0, length: fats + 512 + 3 * MIB });

    // Every second cluster: the list of ranges would take more memory than it is worth.
    using raw = await Deno.open(image, { write: true });
    const entries = new Uint32Array(2.2 * MIB).map((_, index) => index % 2 * 0x0fffffff);
    const fatOffset = view.getUint16(14, true) * 512;
    for (const start of [fatOffset, fatOffset + view.getUint32(36, true) * 512]) {
      await raw.seek(start + MIB, Deno.SeekMode.Start);
      await writeAll(raw, new Uint8Array(entries.buffer));
    }
    await assertRejects(() => usedRangesOfFile(fat, image), FormatError, "too many pieces");
  },
});
