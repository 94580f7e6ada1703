/**
 * Directories of FAT volumes: what they lead to must be in use. The volumes are made by mtools;
 * fsck.fat sees the same damages.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Bytes } from "../../src/core/block.ts";
import { FormatError } from "../../src/core/errors.ts";
import { fat } from "../../src/filesystems/all.ts";
import { patternBytes } from "../support/pattern.ts";
import { run } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { StrictSource } from "../volumes/image_tools.ts";
import { FatEntries, mtools } from "./fat_image.ts";
import { blklsSectors, checkerSays, usedRangesOf } from "./used_volumes.ts";

const MIB = 1024 * 1024;
const TOOLS = ["mkfs.fat", "fsck.fat", "mcopy", "mmd", "mdel", "blkls"];

type Kind = "fat12" | "fat16" | "fat32";

const CARDS: readonly (readonly [Kind, number, readonly string[]])[] = [
  ["fat12", 1 * MIB, ["-F12", "-s1"]],
  ["fat16", 5 * MIB, ["-F16", "-s1"]],
  ["fat32", 34 * MIB, ["-F32", "-s1"]],
];

/** A volume as a camera fills it. */
async function madeCard(bytes: number, mkfs: readonly string[]): Promise<Bytes> {
  await using folder = await TemporaryFolder.create();
  const image = await folder.write("card.img", "");
  await Deno.truncate(image, bytes);
  await run("mkfs.fat", ["-n", "CAMERA", ...mkfs, image]);
  const picture = await folder.write("picture", patternBytes(400));
  const movie = await folder.write("movie", patternBytes(5000));
  const empty = await folder.write("empty", "");
  await mtools("mmd", image, "::/DCIM", "::/DCIM/100CANON", "::/DCIM/101CANON");
  await mtools("mcopy", image, picture, "::/DCIM/100CANON/IMG_0001.JPG");
  await mtools("mcopy", image, movie, "::/DCIM/100CANON/a movie.mp4");
  await mtools("mcopy", image, picture, "::/DCIM/101CANON/GONE.JPG");
  await mtools("mcopy", image, empty, "::/EMPTY.TXT");
  await mtools("mdel", image, "::/DCIM/101CANON/GONE.JPG");
  return await Deno.readFile(image);
}

/** An entry of a directory, by its eleven characters (of a deleted one, without the first). */
class Entry {
  readonly #volume: Bytes;
  readonly #view: DataView;
  readonly at: number;
  readonly #isFat32: boolean;

  constructor(volume: Bytes, name: string, kind: Kind) {
    this.#volume = volume;
    this.#view = new DataView(volume.buffer);
    this.#isFat32 = kind === "fat32";
    this.at = Buffer.from(volume.buffer).indexOf(name) - (11 - name.length);
    assert(this.at > 0, `${name} is not there`);
  }

  get cluster(): number {
    return this.#view.getUint16(this.at + 26, true) +
      (this.#isFat32 ? this.#view.getUint16(this.at + 20, true) * 65536 : 0);
  }

  set cluster(value: number) {
    this.#view.setUint16(this.at + 26, value % 65536, true);
    if (this.#isFat32) this.#view.setUint16(this.at + 20, value >>> 16, true);
  }

  set size(value: number) {
    this.#view.setUint32(this.at + 28, value, true);
  }

  set attributes(value: number) {
    this.#volume[this.at + 11] = value;
  }

  /** Puts a byte into the name. */
  setCharacter(index: number, value: number): void {
    this.#volume[this.at + index] = value;
  }
}

/** What a damage can take hold of. */
interface Parts {
  readonly volume: Bytes;
  readonly entries: FatEntries;
  readonly kind: Kind;
  entry(name: string): Entry;
  /** Byte offset of a cluster of 512 bytes. */
  place(cluster: number): number;
}

function partsOf(volume: Bytes, kind: Kind): Parts {
  const view = new DataView(volume.buffer);
  const fatSectors = view.getUint16(22, true) || view.getUint32(36, true);
  const sectors = view.getUint16(14, true) + view.getUint8(16) * fatSectors;
  const data = sectors * 512 + view.getUint16(17, true) * 32;
  return {
    volume,
    entries: new FatEntries(volume, kind),
    kind,
    entry: (name) => new Entry(volume, name, kind),
    place: (cluster) => data + (cluster - 2) * 512,
  };
}

const PICTURE = "IMG_0001JPG";
const MOVIE = "AMOVIE~1MP4";
const FOLDER = "100CANON   ";
const DCIM = "DCIM       ";

interface Damage {
  readonly what: string;
  readonly change: (parts: Parts) => void;
  readonly says: RegExp;
  /** What fsck.fat says about it, where it looks for it. */
  readonly fsck?: RegExp;
  readonly kinds?: readonly Kind[];
}

const DAMAGES: readonly Damage[] = [
  {
    what: "a file whose cluster is free",
    change: ({ entries, entry }) => entries.set(entry(PICTURE).cluster, 0),
    says: /its file "DCIM\/100CANON\/IMG_0001.JPG" begins in cluster \d+, which no file has/,
    fsck: /IMG_0001.JPG[^]*free cluster/,
  },
  {
    what: "a file of many clusters, the first of which is free",
    change: ({ entries, entry }) => entries.set(entry(MOVIE).cluster, 0),
    says: /its file "DCIM\/100CANON\/AMOVIE~1.MP4" begins in cluster/,
    fsck: /MP4[^]*free cluster/i,
  },
  {
    what: "a file whose cluster has nothing but reserved bits",
    change: ({ entries, entry }) => entries.set(entry(PICTURE).cluster, 0xf0000000),
    says: /"DCIM\/100CANON\/IMG_0001.JPG" begins in cluster/,
    fsck: /free cluster/,
    kinds: ["fat32"],
  },
  {
    what: "a directory whose cluster is free",
    change: ({ entries, entry }) => entries.set(entry(FOLDER).cluster, 0),
    says: /its directory "DCIM\/100CANON" begins in cluster/,
    fsck: /free cluster/,
  },
  {
    what: "a directory in the root whose cluster is free",
    change: ({ entries, entry }) => entries.set(entry(DCIM).cluster, 0),
    says: /its directory "DCIM" begins in cluster/,
    fsck: /free cluster/,
  },
  {
    what: "a file that begins outside",
    change: ({ entry, kind }) => entry(PICTURE).cluster = kind === "fat12" ? 0xf00 : 0xfff0,
    says: /"DCIM\/100CANON\/IMG_0001.JPG" begins in cluster/,
    fsck: /start cluster|Bad/i,
    kinds: ["fat12", "fat16"],
  },
  {
    what: "a file whose cluster is too large by its upper half",
    change: ({ entry }) => entry(PICTURE).cluster += 65536 * 5,
    says: /"DCIM\/100CANON\/IMG_0001.JPG" begins in cluster/,
    fsck: /start cluster|Bad/i,
    kinds: ["fat32"],
  },
  {
    what: "a file that begins in cluster 1",
    change: ({ entry }) => entry(PICTURE).cluster = 1,
    says: /begins in cluster 1,/,
    fsck: /start cluster|Bad/i,
  },
  {
    what: "an empty file with a cluster that is free",
    change: ({ entries, entry }) => entry("EMPTY   TXT").cluster = entries.free,
    says: /its file "EMPTY.TXT" begins in cluster/,
    fsck: /free cluster/,
  },
  {
    what: "a file with bytes but no cluster",
    change: ({ entry }) => entry("EMPTY   TXT").size = 99,
    says: /its file "EMPTY.TXT" has 99 bytes but no cluster/,
    fsck: /EMPTY.TXT/,
  },
  {
    what: "a directory without a cluster",
    change: ({ entry }) => entry(FOLDER).cluster = 0,
    says: /its directory "DCIM\/100CANON" has no cluster/,
    fsck: /100CANON/,
  },
  {
    what: "a directory that holds a picture",
    change: ({ volume, entry, place }) =>
      volume.set(patternBytes(512), place(entry(FOLDER).cluster)),
    says: /its directory "DCIM\/100CANON" does not begin like one/,
    fsck: /100CANON/,
  },
  {
    what: "a directory that is zero",
    change: ({ volume, entry, place }) => {
      const start = place(entry(FOLDER).cluster);
      volume.fill(0, start, start + 512);
    },
    says: /does not begin like one/,
  },
  {
    what: "a directory that leads to its parent, and so in a circle",
    change: ({ entry }) => entry(FOLDER).cluster = entry(DCIM).cluster,
    says: /its directory "DCIM\/100CANON" goes on where one was already/,
  },
  {
    what: "a directory whose chain is a circle",
    change: ({ entries, entry }) => entries.set(entry(FOLDER).cluster, entry(FOLDER).cluster),
    says: /its directory "DCIM\/100CANON" goes on where one was already/,
  },
  {
    what: "a directory that goes on in a bad cluster",
    change: ({ entries, entry, kind }) =>
      entries.set(
        entry(FOLDER).cluster,
        { fat12: 0xff7, fat16: 0xfff7, fat32: 0xffffff7 }[kind],
      ),
    says: /a directory goes on in cluster/,
  },
  {
    what: "a directory that goes on where something else is",
    change: ({ volume, entries, entry, place }) => {
      const cluster = entries.free;
      entries.set(cluster, 0xfffffff);
      entries.set(entry(FOLDER).cluster, cluster);
      volume.set(new Uint8Array(512).fill(0x11), place(cluster));
    },
    says: /makes no sense/,
  },
  {
    what: "a directory of more than 65,536 entries",
    change: ({ entries, entry }) => {
      const first = entries.free;
      for (let cluster = first; cluster < first + 4096; cluster++) {
        entries.set(cluster, cluster === first + 4095 ? 0xfffffff : cluster + 1);
      }
      entries.set(entry(FOLDER).cluster, first);
    },
    says: /its directory "DCIM\/100CANON" is too long/,
    kinds: ["fat32"],
  },
  {
    what: "a name with a control character",
    change: ({ entry }) => entry(PICTURE).setCharacter(2, 0x1b),
    says: /"DCIM\/100CANON\/IM\\x1b_0001.JPG" is none: its entry makes no sense/,
    fsck: /Bad short file name|bad/i,
  },
  {
    what: "a directory that is a label",
    change: ({ entry }) => entry(FOLDER).attributes = 0x18,
    says: /makes no sense/,
  },
  {
    what: "a file behind the end, which Linux reads",
    change: ({ volume, entries, entry, place }) => {
      const { at, cluster } = entry(PICTURE);
      volume.copyWithin(place(entry(FOLDER).cluster) + 480, at, at + 32);
      volume[at] = 0;
      entries.set(cluster, 0);
    },
    says: /"DCIM\/100CANON\/IMG_0001.JPG" begins in cluster/,
    fsck: /free cluster/,
  },
];

for (const [kind, bytes, mkfs] of CARDS) {
  Deno.test({
    name: `${kind}: an entry that leads to a free cluster, or nowhere, is an error`,
    ignore: needs(...TOOLS),
    async fn(t): Promise<void> {
      const volume = await madeCard(bytes, mkfs);
      await usedRangesOf(fat, new StrictSource(volume));
      for (const { what, change, says, fsck, kinds } of DAMAGES) {
        if (kinds !== undefined && !kinds.includes(kind)) continue;
        await t.step(what, async () => {
          const damaged = volume.slice();
          change(partsOf(damaged, kind));
          const source = new StrictSource(damaged);
          const error = await assertRejects(() => usedRangesOf(fat, source), FormatError);
          assert(says.test(error.message), error.message);
          if (fsck !== undefined) {
            const said = await checkerSays(damaged, "fsck.fat", "-n");
            assert(fsck.test(said), said);
          }
        });
      }
      await t.step("what names no file does not count", async () => {
        const expected = await usedRangesOf(fat, new StrictSource(volume));
        const changed = volume.slice();
        const { entry } = partsOf(changed, kind);
        // A label, a deleted file; OS/2 has something else in the upper half of the cluster.
        entry("CAMERA     ").cluster = 77;
        entry("ONE    JPG").size = 12345;
        if (kind !== "fat32") changed[entry(PICTURE).at + 21] = 0x7f;
        assertEquals(await usedRangesOf(fat, new StrictSource(changed)), expected);
      });
    },
  });
}

/** Sixty folders in each other, and one with so many files that it is in pieces. */
async function writeLargeTree(path: string): Promise<void> {
  const deep = Array.from({ length: 60 }, (_, index) => `d${index}`).join("/");
  await Deno.mkdir(`${path}/${deep}`, { recursive: true });
  await Deno.writeFile(`${path}/${deep}/DEEPEST.BIN`, patternBytes(300));
  await Deno.mkdir(`${path}/many`);
  for (let index = 0; index < 400; index++) {
    await Deno.writeFile(`${path}/many/a picture with number ${index}`, patternBytes(index));
  }
  await Deno.writeFile(`${path}/many/the last of all`, patternBytes(300));
}

for (const [kind, bytes, mkfs] of CARDS) {
  Deno.test({
    name: `${kind}: deep trees and directories in many pieces are read to their ends`,
    ignore: needs(...TOOLS),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const image = await folder.write("card.img", "");
      await Deno.truncate(image, bytes);
      await run("mkfs.fat", [...mkfs, image]);
      const tree = await folder.folder("tree");
      await writeLargeTree(tree);
      await mtools("mcopy", image, "-s", `${tree}/d0`, `${tree}/many`, "::/");
      const volume = await Deno.readFile(image);
      const ranges = await usedRangesOf(fat, new StrictSource(volume));
      const allocated = (await blklsSectors(image, "-f", "fat")).filter((each) =>
        each.isAllocated
      );
      for (const { sector } of allocated) {
        assert(
          ranges.some(({ offset, length }) =>
            offset <= sector * 512 && sector * 512 < offset + length
          ),
        );
      }
      const parts = partsOf(volume, kind);
      const first = parts.entry("MANY       ").cluster;
      assert(parts.entries.get(first) !== first + 1, "the directory is in one piece");
      for (
        const [name, says] of [["DEEPEST BIN", /d58\/d59\/DEEPEST.BIN"/i], [
          "THELAS~1   ",
          /"MANY\/THELAS~1"/i,
        ]] as const
      ) {
        const damaged = volume.slice();
        const { entries, entry } = partsOf(damaged, kind);
        entries.set(entry(name).cluster, 0);
        const source = new StrictSource(damaged);
        const error = await assertRejects(() => usedRangesOf(fat, source), FormatError);
        assert(says.test(error.message), error.message);
        assert(/free cluster/.test(await checkerSays(damaged, "fsck.fat", "-n")));
      }
    },
  });
}
