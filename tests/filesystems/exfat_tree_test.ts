/**
 * Directories of exFAT volumes: all that they lead to must be in use. The volumes are filled by
 * exfat-fuse; fsck.exfat sees the same damages where it looks for them.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Bytes } from "../../src/core/block.ts";
import { FormatError } from "../../src/core/errors.ts";
import { exfat } from "../../src/filesystems/all.ts";
import { patternBytes } from "../support/pattern.ts";
import { run } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { StrictSource } from "../volumes/image_tools.ts";
import { MountedExfat, Volume } from "./exfat_image.ts";
import { checkerSays, usedRangesOf } from "./used_volumes.ts";

const MIB = 1024 * 1024;
const CLUSTER_BYTES = 4096;
const TOOLS = ["root", "losetup", "mkfs.exfat", "fsck.exfat", "mount.exfat-fuse"];

const PICTURE = "IMG_0001.JPG";
const MOVIE = "MOVIE.AVI";
const FOLDER = "100CANON";

/** A volume that exfat-fuse formatted and filled. */
async function madeVolume(fill: (path: string) => Promise<void>): Promise<Bytes> {
  await using folder = await TemporaryFolder.create();
  const image = await folder.write("card.img", "");
  await Deno.truncate(image, 8 * MIB);
  await run("mkfs.exfat", ["-c", String(CLUSTER_BYTES), "-L", "CAMERA", image]);
  {
    await using mounted = await MountedExfat.create(image, folder.file("card"), "rw");
    await fill(mounted.path);
  }
  return await Deno.readFile(image);
}

/** A picture of eight clusters in one piece, a film in pieces of a cluster. */
async function fillCard(path: string): Promise<void> {
  await Deno.mkdir(`${path}/DCIM/${FOLDER}`, { recursive: true });
  await Deno.writeFile(`${path}/DCIM/${FOLDER}/${PICTURE}`, patternBytes(30_000));
  for (let index = 0; index < 5; index++) {
    for (const name of [MOVIE, "SOUND.WAV"]) {
      const piece = patternBytes(CLUSTER_BYTES, { seed: index });
      await Deno.writeFile(`${path}/${name}`, piece, { append: true });
    }
  }
  await Deno.writeFile(`${path}/EMPTY.TXT`, new Uint8Array());
  await Deno.writeFile(`${path}/DCIM/GONE.JPG`, patternBytes(30_000));
  await Deno.remove(`${path}/DCIM/GONE.JPG`);
}

interface Damage {
  readonly what: string;
  readonly change: (volume: Volume) => void;
  readonly says: RegExp;
  /** What fsck.exfat says about it, where it looks for it. */
  readonly fsck?: RegExp;
}

const DAMAGES: readonly Damage[] = [
  {
    what: "a file whose last cluster is free",
    change: (volume) => volume.setFree(volume.first(PICTURE) + 7),
    says: /its file "DCIM\/100CANON\/IMG_0001.JPG" is in cluster \d+, .* calls free/,
    fsck: /IMG_0001.JPG|bitmap/,
  },
  {
    what: "a file whose first cluster is free",
    change: (volume) => volume.setFree(volume.first(PICTURE)),
    says: /its file "DCIM\/100CANON\/IMG_0001.JPG" is in cluster \d+, .* calls free/,
    fsck: /IMG_0001.JPG|bitmap/,
  },
  {
    what: "a file in pieces, one of which is free",
    change: (volume) => volume.setFree(volume.getFat(volume.getFat(volume.first(MOVIE)))),
    says: /its file "MOVIE.AVI" is in cluster \d+, .* calls free/,
    fsck: /MOVIE.AVI|bitmap/,
  },
  {
    what: "a directory that is free",
    change: (volume) => volume.setFree(volume.first(FOLDER)),
    says: /its directory "DCIM\/100CANON" is in cluster \d+, .* calls free/,
    fsck: /100CANON|bitmap/,
  },
  {
    what: "a file in pieces that leads outside",
    change: (volume) => volume.setFat(volume.first(MOVIE), 0x7000000),
    says: /its file "MOVIE.AVI" leads to cluster 117440512/,
    fsck: /MOVIE.AVI/,
  },
  {
    what: "a file in pieces that goes in a circle",
    change: (volume) => volume.setFat(volume.first(MOVIE), volume.first(MOVIE)),
    says: /"MOVIE.AVI" is in cluster \d+, where something else is/,
    fsck: /MOVIE.AVI/,
  },
  {
    what: "two files in the same place",
    change: (volume) =>
      volume.changeSet(
        MOVIE,
        (at) => volume.view.setUint32(at + 52, volume.first(PICTURE), true),
      ),
    says: /where something else is, too|leads to cluster 0|leads to cluster/,
    fsck: /MOVIE.AVI/,
  },
  {
    what: "a file that begins outside",
    change: (volume) =>
      volume.changeSet(PICTURE, (at) => volume.view.setUint32(at + 52, 0xfff0, true)),
    says: /"DCIM\/100CANON\/IMG_0001.JPG" has 8 clusters from 65520 on/,
    fsck: /IMG_0001.JPG/,
  },
  {
    what: "a file that is longer than the volume",
    change: (volume) =>
      volume.changeSet(PICTURE, (at) => volume.view.setUint32(at + 60, 0x1000, true)),
    says: /IMG_0001.JPG" has \d+ clusters from \d+ on: they are not all there/,
    fsck: /IMG_0001.JPG/,
  },
  {
    what: "a file of an impossible length",
    change: (volume) =>
      volume.changeSet(PICTURE, (at) => volume.view.setUint32(at + 60, 0x80000000, true)),
    says: /DataLength is impossible/,
    fsck: /IMG_0001.JPG/,
  },
  {
    what: "a file with bytes but no cluster",
    change: (volume) =>
      volume.changeSet("EMPTY.TXT", (at) => volume.view.setUint32(at + 56, 77, true)),
    says: /its file "EMPTY.TXT" has 77 bytes but no cluster/,
    fsck: /EMPTY.TXT/,
  },
  {
    what: "an empty file in a free cluster",
    change: (volume) =>
      volume.changeSet("EMPTY.TXT", (at) => {
        volume.bytes[at + 33] = 3;
        volume.view.setUint32(at + 52, 1500, true);
      }),
    says: /its file "EMPTY.TXT" is in cluster 1500, .* calls free/,
    fsck: /EMPTY.TXT/,
  },
  {
    what: "a directory that leads to its parent, and so in a circle",
    change: (volume) =>
      volume.changeSet(
        FOLDER,
        (at) => volume.view.setUint32(at + 52, volume.first("DCIM"), true),
      ),
    says: /its directory "DCIM\/100CANON" is in cluster \d+, where something else is/,
  },
  {
    what: "a directory that leads to the root",
    change: (volume) =>
      volume.changeSet(FOLDER, (at) => volume.view.setUint32(at + 52, volume.root, true)),
    says: /its directory "DCIM\/100CANON" is in cluster \d+, where something else is/,
  },
  {
    what: "a directory of no size",
    change: (volume) =>
      volume.changeSet(FOLDER, (at) => volume.view.setUint32(at + 56, 0, true)),
    says: /its directory "DCIM\/100CANON" has 0 bytes/,
    fsck: /100CANON/,
  },
  {
    what: "a directory that holds a picture",
    change: (volume) =>
      volume.bytes.set(patternBytes(CLUSTER_BYTES), volume.place(volume.first(FOLDER))),
    says: /its directory "DCIM\/100CANON" (has|lacks)/,
  },
  {
    what: "a wrong checksum of a file's entries",
    change: (volume) => volume.bytes[volume.set(PICTURE) + 8]! ^= 1,
    says: /its file "IMG_0001.JPG" in its directory "DCIM\/100CANON" has a wrong checksum/,
    fsck: /checksum/,
  },
  {
    what: "entries of a file that are fewer than it says",
    change: (volume) => volume.bytes[volume.set(PICTURE) + 1] = 9,
    says: /its directory "DCIM\/100CANON" lacks entries of a file/,
    fsck: /100CANON|entr/,
  },
  {
    what: "entries that belong to no file",
    change: (volume) => volume.bytes[volume.set(PICTURE)] = 0x05,
    says: /its directory "DCIM\/100CANON" has entries that belong to no file/,
  },
  {
    what: "a file without a stream extension",
    change: (volume) => volume.changeSet(PICTURE, (at) => volume.bytes[at + 32] = 0xc1),
    says: /in its directory "DCIM\/100CANON" has no stream extension/,
    fsck: /stream/i,
  },
  {
    what: "an entry that is critical and not known, of a file",
    change: (volume) => volume.changeSet(PICTURE, (at) => volume.bytes[at + 64] = 0xc2),
    says: /has an unknown entry, c2h/,
  },
  {
    what: "an entry that is critical and not known, in a directory",
    change: (volume) => volume.bytes[volume.set(PICTURE)] = 0x86,
    says: /its directory "DCIM\/100CANON" has an unknown entry, 86h/,
  },
  {
    what: "somebody's own entry with clusters that are free",
    change: (volume) => {
      const at = volume.entry(0x83);
      volume.bytes.fill(0, at, at + 32);
      volume.bytes.set([0xa5, 0, 0, 0, 3], at);
      volume.view.setUint32(at + 20, 1500, true);
      volume.view.setUint32(at + 24, 5, true);
    },
    says: /its file "entry a5h" is in cluster 1500, .* calls free/,
  },
];

Deno.test({
  name: "exFAT: an entry that leads to a free cluster, or nowhere, is an error",
  ignore: needs(...TOOLS),
  async fn(t): Promise<void> {
    const made = await madeVolume(fillCard);
    const expected = await usedRangesOf(exfat, new StrictSource(made));
    const { bytes } = new Volume(made);
    assertEquals(bytes[new Volume(made).set(PICTURE) + 33], 3, "the picture is in pieces");
    assertEquals(bytes[new Volume(made).set(MOVIE) + 33], 1, "the film is in one piece");
    for (const { what, change, says, fsck } of DAMAGES) {
      await t.step(what, async () => {
        const volume = new Volume(made.slice());
        change(volume);
        const source = new StrictSource(volume.bytes);
        const error = await assertRejects(() => usedRangesOf(exfat, source), FormatError);
        assert(says.test(error.message), error.message);
        if (fsck === undefined) return;
        const said = await checkerSays(volume.bytes, "fsck.exfat", "-n");
        assert(fsck.test(said), `${error.message}: ${said}`);
      });
    }
    await t.step("a directory without a cluster is empty", async () => {
      const volume = new Volume(made.slice());
      volume.changeSet(FOLDER, (at) => volume.bytes.fill(0, at + 52, at + 64));
      assertEquals(await usedRangesOf(exfat, new StrictSource(volume.bytes)), expected);
    });
  },
});

Deno.test({
  name: "exFAT: deep trees and directories in many pieces are read to their ends",
  ignore: needs(...TOOLS),
  async fn(): Promise<void> {
    const deep = Array.from({ length: 60 }, (_, index) => `d${index}`).join("/");
    const made = await madeVolume(async (path) => {
      await Deno.mkdir(`${path}/${deep}`, { recursive: true });
      await Deno.writeFile(`${path}/${deep}/DEEPEST.BIN`, patternBytes(9000));
      await Deno.mkdir(`${path}/MANY`);
      for (let index = 0; index < 300; index++) {
        const name = `a picture with the number ${index}, or a name that is longer`;
        await Deno.writeFile(`${path}/MANY/${name}`, patternBytes(index));
      }
      await Deno.writeFile(`${path}/MANY/LAST.BIN`, patternBytes(9000));
    });
    const volume = new Volume(made);
    await usedRangesOf(exfat, new StrictSource(made));
    assertEquals(made[volume.set("MANY") + 33], 1, "the directory is in one piece");
    for (
      const [name, says] of [
        ["DEEPEST.BIN", /\/d58\/d59\/DEEPEST.BIN" is in cluster/],
        ["LAST.BIN", /"MANY\/LAST.BIN" is in cluster/],
      ] as const
    ) {
      const damaged = new Volume(made.slice());
      damaged.setFree(damaged.first(name) + 2);
      const source = new StrictSource(damaged.bytes);
      const error = await assertRejects(() => usedRangesOf(exfat, source), FormatError);
      assert(says.test(error.message), error.message);
    }
  },
});
