import { assert, assertEquals, assertRejects } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import { FormatError } from "../../src/core/errors.ts";
import { totalLength } from "../../src/core/range.ts";
import { run } from "../support/run_cli.ts";
import { patternBytes } from "../support/pattern.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { FileSource, seededNumbers } from "../volumes/image_tools.ts";
import {
  assertCopyIsWhole,
  assertSameAsDumpe2fs,
  assertSameFolder,
  CountingSource,
  debugfs,
  dumpe2fs,
  E2FSPROGS,
  makeSparse,
  mke2fs,
  present,
  usedOf,
  usedRanges,
} from "./ext_used_images.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** What volumes are made with: a name for people, bytes, options of mke2fs. */
const KINDS: readonly (readonly [string, number, string])[] = [
  ["ext2", 24 * MIB, "-t ext2"],
  ["ext2 of revision 0", 24 * MIB, "-t ext2 -r 0 -O none"],
  ["ext2 without sparse_super", 40 * MIB, "-t ext2 -b 1024 -O ^sparse_super,^resize_inode"],
  ["ext3", 40 * MIB, "-t ext3"],
  ["ext4", 64 * MIB, "-t ext4"],
  ["ext4 without a journal", 40 * MIB, "-t ext4 -O ^has_journal"],
  ["blocks of 1 KiB", 40 * MIB, "-t ext4 -b 1024"],
  ["blocks of 2 KiB", 40 * MIB, "-t ext4 -b 2048"],
  ["blocks of 4 KiB", 40 * MIB, "-t ext4 -b 4096"],
  ["blocks of 64 KiB", 256 * MIB, "-t ext4 -b 65536"],
  ["small groups", 40 * MIB, "-t ext4 -b 1024 -g 1024"],
  ["a short last group", 40 * MIB + 700 * KIB, "-t ext4 -b 1024 -g 4096"],
  ["bigalloc", 128 * MIB, "-t ext4 -O bigalloc -C 65536"],
  ["bigalloc, blocks of 1 KiB", 64 * MIB, "-t ext4 -O bigalloc -b 1024 -C 16384"],
  [
    "bigalloc, blocks of 1 KiB, small groups",
    64 * MIB,
    "-t ext4 -O bigalloc -b 1024 -C 4096 -g 8192",
  ],
  ["meta_bg", 64 * MIB, "-t ext4 -b 1024 -g 1024 -O meta_bg,^resize_inode"],
  [
    "meta_bg without 64bit and flex_bg",
    64 * MIB,
    "-t ext4 -b 1024 -g 1024 -O meta_bg,^resize_inode,^64bit,^flex_bg",
  ],
  ["without flex_bg", 64 * MIB, "-t ext4 -b 1024 -O ^flex_bg"],
  ["flex_bg of 64 groups", 128 * MIB, "-t ext4 -b 1024 -g 1024 -G 64"],
  ["sparse_super2", 64 * MIB, "-t ext4 -b 1024 -O sparse_super2"],
  [
    "sparse_super2 with one copy",
    64 * MIB,
    "-t ext4 -b 1024 -O sparse_super2,^resize_inode -E num_backup_sb=1",
  ],
  ["without 64bit", 40 * MIB, "-t ext4 -O ^64bit"],
  ["descriptors of 128 bytes", 64 * MIB, "-t ext4 -b 1024 -E desc_size=128"],
  ["uninit_bg", 64 * MIB, "-t ext4 -b 1024 -O ^metadata_csum,uninit_bg"],
  [
    "uninit_bg without 64bit",
    64 * MIB,
    "-t ext4 -b 1024 -O ^metadata_csum,uninit_bg,^64bit,^flex_bg",
  ],
  ["no checksums", 64 * MIB, "-t ext4 -b 1024 -O ^metadata_csum,^uninit_bg"],
  ["metadata_csum_seed", 40 * MIB, "-t ext4 -O metadata_csum_seed"],
  ["inline_data", 40 * MIB, "-t ext4 -O inline_data"],
  ["many inodes", 40 * MIB, "-t ext4 -b 1024 -i 2048 -I 256"],
  ["mmp", 40 * MIB, "-t ext4 -O mmp"],
  ["quota", 40 * MIB, "-t ext4 -O quota,project"],
  ["orphan_file", 40 * MIB, "-t ext4 -O orphan_file"],
  ["fast_commit", 64 * MIB, "-t ext4 -O fast_commit"],
  [
    "everything else",
    40 * MIB,
    "-t ext4 -O casefold,encrypt,verity,ea_inode,large_dir,stable_inodes",
  ],
  ["lazy tables", 64 * MIB, "-t ext4 -b 1024 -E lazy_itable_init=1,lazy_journal_init=1"],
  ["a journal in many pieces", 40 * MIB, "-t ext4 -b 1024 -g 256 -O ^flex_bg"],
  ["a small journal behind", 64 * MIB, "-t ext4 -b 1024 -J size=4,location=40M"],
];

/** Files of all kinds, below `folder`, of about that many bytes in all. */
async function makeFiles(folder: string, bytes: number, seed: number): Promise<void> {
  const next = seededNumbers(seed);
  await Deno.mkdir(`${folder}/deep/er`, { recursive: true });
  for (let made = 0, index = 0; made < bytes; index++) {
    const place = ["", "deep/", "deep/er/"][next(3)] ?? "";
    const length = [next(60), next(5000), next(100_000), next(700_000)][next(4)] ?? 0;
    const path = `${folder}/${place}file${index}`;
    await Deno.writeFile(path, patternBytes(length, { seed: seed + index }));
    made += length;
    if (index % 7 === 0) await Deno.symlink(`file${index}`, `${path}.link`);
    if (index % 9 === 0) {
      // A hole, and something behind it.
      await Deno.truncate(path, length + 3 * MIB);
      await Deno.writeFile(path, patternBytes(300, { seed: index }), { append: true });
    }
  }
}

for (const [name, size, options] of KINDS) {
  Deno.test({
    name: `what ext uses: ${name}`,
    ignore: needs(...E2FSPROGS),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const files = await folder.folder("files");
      await makeFiles(files, size / 12, size % 1000 + options.length);
      const path = folder.file("volume");
      await mke2fs(path, size, [...options.split(" "), "-d", files]);
      await assertCopyIsWhole(path, folder.path);
      // debugfs adds zeros to small files that it takes out of their inodes.
      if (name !== "inline_data") await assertSameFolder(`${folder.path}/copied`, files);
      const used = totalLength(await usedOf(path));
      assert(used < size / 2, `${used} of ${size} bytes are called used`);
    },
  });
  Deno.test({
    name: `what ext uses: ${name}, empty`,
    ignore: needs(...E2FSPROGS),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const path = folder.file("volume");
      await mke2fs(path, size, options.split(" "));
      await assertCopyIsWhole(path, folder.path);
    },
  });
}

Deno.test({
  name: "what ext uses: files were deleted, and written into what they left",
  ignore: needs(...E2FSPROGS),
  async fn(): Promise<void> {
    for (const options of ["-t ext4 -b 1024", "-t ext2 -b 1024", "-t ext4 -O bigalloc"]) {
      await using folder = await TemporaryFolder.create();
      const files = await folder.folder("files");
      for (let index = 0; index < 300; index++) {
        await Deno.writeFile(`${files}/${index}`, patternBytes(20_000, { seed: index + 1 }));
      }
      const path = folder.file("volume");
      await mke2fs(path, 48 * MIB, [...options.split(" "), "-d", files]);
      const before = totalLength(await usedOf(path));
      const even = Array.from({ length: 150 }, (_, index) => `rm /${2 * index}`);
      await debugfs(path, even);
      assert(totalLength(await usedOf(path)) < before - 150 * 16_000);
      await Deno.writeFile(folder.file("big"), patternBytes(6 * MIB, { seed: 999 }));
      await debugfs(path, [`write ${folder.file("big")} big`, "mkdir more"]);
      await assertCopyIsWhole(path, folder.path);
    }
  },
});

Deno.test({
  name: "what ext uses: meta_bg that begins in the middle, as growing while mounted leaves it",
  ignore: needs(...E2FSPROGS),
  async fn(): Promise<void> {
    for (const options of ["-O meta_bg,^resize_inode", "-O meta_bg,^resize_inode,^flex_bg"]) {
      for (const first of [1, 3, 7]) {
        await using folder = await TemporaryFolder.create();
        const path = folder.file("volume");
        await makeSparse(path, 100 * MIB);
        const mke2fs = ["mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-g", "1024"];
        const variable = `MKE2FS_FIRST_META_BG=${first}`;
        await run("env", [variable, ...mke2fs, ...options.split(" "), path]);
        await assertCopyIsWhole(path, folder.path);
      }
    }
  },
});

Deno.test({
  name: "what ext uses: nearly full",
  ignore: needs(...E2FSPROGS),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const files = await folder.folder("files");
    await Deno.writeFile(`${files}/big`, patternBytes(31 * MIB));
    const path = folder.file("volume");
    await mke2fs(path, 40 * MIB, ["-t", "ext4", "-m", "0", "-d", files]);
    await assertCopyIsWhole(path, folder.path);
    assert(totalLength(await usedOf(path)) > 35 * MIB);
  },
});

Deno.test({
  name: "what ext uses: grown and shrunk by resize2fs",
  ignore: needs(...E2FSPROGS),
  async fn(): Promise<void> {
    for (
      const options of [
        "-t ext4 -b 1024",
        "-t ext4 -b 1024 -O ^resize_inode",
        "-t ext4 -b 1024 -g 512 -O ^resize_inode,meta_bg",
        "-t ext4 -b 1024 -O ^metadata_csum,uninit_bg,^flex_bg",
        "-t ext4 -b 1024 -O sparse_super2",
        "-t ext3 -b 1024",
      ]
    ) {
      await using folder = await TemporaryFolder.create();
      const files = await folder.folder("files");
      await makeFiles(files, 4 * MIB, 5);
      const path = folder.file("volume");
      await mke2fs(path, 24 * MIB, [...options.split(" "), "-d", files]);
      await Deno.truncate(path, 150 * MIB);
      await run("resize2fs", [path]);
      assert((await dumpe2fs(path)).bytes > 140 * MIB);
      await assertCopyIsWhole(path, folder.path);
      await assertSameFolder(`${folder.path}/copied`, files);
      await run("e2fsck", ["-f", "-y", path]);
      // What it leaves behind its new end is copied: nothing says what it is.
      await run("resize2fs", [path, "60M"]);
      await Deno.truncate(path, 150 * MIB);
      const used = await usedOf(path);
      await assertSameAsDumpe2fs(path, used);
      assertEquals(used.at(-1), { offset: 60 * MIB, length: 90 * MIB });
    }
  },
});

Deno.test({
  name: "what ext uses: checksums and features that tune2fs changes",
  ignore: needs(...E2FSPROGS),
  async fn(): Promise<void> {
    for (
      const changes of [
        ["-O", "^metadata_csum"],
        ["-O", "^has_journal"],
        ["-O", "metadata_csum_seed"],
        ["-U", "random"],
        ["-I", "512"],
        ["-O", "mmp"],
        ["-O", "quota"],
      ]
    ) {
      await using folder = await TemporaryFolder.create();
      const files = await folder.folder("files");
      await makeFiles(files, 3 * MIB, 6);
      const path = folder.file("volume");
      const options = changes[0] === "-I" ? ["-O", "^flex_bg"] : [];
      await mke2fs(path, 40 * MIB, ["-t", "ext4", "-b", "1024", ...options, "-d", files]);
      await run("tune2fs", [...changes, path]);
      await assertCopyIsWhole(path, folder.path);
      await assertSameFolder(`${folder.path}/copied`, files);
    }
  },
});

Deno.test({
  name: "what ext uses: a large volume is read in few and small pieces",
  ignore: needs(...E2FSPROGS),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const path = folder.file("volume");
    await mke2fs(path, 200 * GIB, ["-t", "ext4", "-O", "^uninit_bg,^metadata_csum"]);
    await using source = new CountingSource(new FileSource(path));
    const used = await usedRanges(source);
    await assertSameAsDumpe2fs(path, used);
    // 1600 groups, of which 16 each have their bitmaps side by side.
    assert(source.reads < 120, `${source.reads} reads`);
    assert(source.bytes < 16 * MIB && source.largest <= MIB);
  },
});

/** What has to be refused, and the reason that is given. */
const REFUSED: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["a journal to replay", ["feature needs_recovery"], /journal has to be replayed/],
  ["no clean end", ["ssv state 0"], /not cleanly unmounted/],
  ["errors", ["ssv state 3"], /errors that were not repaired/],
  ["errors that were counted", ["ssv error_count 1"], /errors that were not repaired/],
  ["orphans", ["ssv last_orphan 12"], /orphans/],
  ["orphans in their file", ["feature orphan_present"], /orphans/],
  ["an unknown compatible feature", ["ssv feature_compat 0x8000003c"], /not supported.*0x8000/],
  ["an unknown feature", ["ssv feature_incompat 0x802c2"], /not supported.*0x80000/],
  ["an unknown feature for writing", ["feature FEATURE_R19"], /not supported.*0x80000/],
  ["snapshots", ["feature FEATURE_R7"], /not supported/],
  ["shared blocks", ["feature shared_blocks"], /not supported/],
  ["compression", ["feature FEATURE_I0"], /not supported/],
  ["a journal elsewhere", ["ssv journal_inum 0"], /on another device/],
  ["a journal that is none", ["ssv journal_inum 11"], /./],
  ["a wrong count of free blocks", ["ssv free_blocks_count 77"], /superblock says 77/],
  [
    "a wrong count in a group",
    ["set_bg 1 free_blocks_count 77", "set_bg 1 checksum calc"],
    /77/,
  ],
  ["a wrong checksum of a descriptor", ["set_bg 1 checksum 0x1234"], /wrong checksum/],
  ["a block bitmap elsewhere", ["set_bg 1 block_bitmap 9000", "set_bg 1 checksum calc"], /./],
  ["features in revision 0", ["ssv rev_level 0"], /although it is of revision 0/],
  ["another revision", ["ssv rev_level 2"], /revision/],
];

for (const [name, commands, reason] of REFUSED) {
  Deno.test({
    name: `what ext uses is not told: ${name}`,
    ignore: needs(...E2FSPROGS),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const path = folder.file("volume");
      await mke2fs(path, 40 * MIB, ["-t", "ext4", "-b", "1024"]);
      await usedOf(path);
      await debugfs(path, commands);
      const error = await assertRejects(() => usedOf(path), FormatError);
      assert(reason.test(error.message), error.message);
    },
  });
}

/** The same, of volumes that are made in another way. */
const REFUSED_OTHERS: readonly (readonly [string, string, readonly string[], RegExp])[] = [
  ["both checksums", "-t ext4", ["feature uninit_bg"], /exclude each other/],
  ["meta_bg and resize_inode", "-t ext4", ["feature meta_bg"], /exclude each other/],
  [
    "a wrong CRC-16 of a descriptor",
    "-t ext4 -b 1024 -O ^metadata_csum,uninit_bg",
    ["set_bg 1 checksum 0x1234"],
    /wrong checksum/,
  ],
  ["flags of snapshots", "-t ext4", ["ssv flags 0x11"], /snapshots/],
  [
    "no bitmap without checksums",
    "-t ext3 -b 1024",
    ["set_bg 1 flags 2"],
    /no bitmap, which needs checksums/,
  ],
  ["unknown flags of a group", "-t ext3 -b 1024", ["set_bg 1 flags 8"], /unknown flags/],
  [
    "inode tables over one another",
    "-t ext3 -b 1024 -g 4096",
    ["set_bg 1 inode_table 300"],
    /over one another/,
  ],
  [
    "bitmaps over one another",
    "-t ext3 -b 1024 -g 4096",
    ["set_bg 3 block_bitmap 4098", "set_bg 3 free_blocks_count 77"],
    /./,
  ],
];

for (const [name, options, commands, reason] of REFUSED_OTHERS) {
  Deno.test({
    name: `what ext uses is not told: ${name}`,
    ignore: needs(...E2FSPROGS),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const path = folder.file("volume");
      await mke2fs(path, 40 * MIB, options.split(" "));
      await usedOf(path);
      await debugfs(path, commands);
      const error = await assertRejects(() => usedOf(path), FormatError);
      assert(reason.test(error.message), error.message);
    },
  });
}

Deno.test({
  name: "what ext uses is not told: a journal that is not empty, or that ended badly",
  ignore: needs(...E2FSPROGS),
  async fn(): Promise<void> {
    for (
      const options of ["-t ext4 -b 1024", "-t ext3", "-t ext4 -b 1024 -g 256 -O ^flex_bg"]
    ) {
      await using folder = await TemporaryFolder.create();
      const path = folder.file("volume");
      await mke2fs(path, 40 * MIB, options.split(" "));
      const { blockBytes } = await dumpe2fs(path);
      const first = Number(await run("debugfs", ["-R", "bmap <8> 0", path]));
      // With what s_start and s_errno become.
      for (const [at, reason] of [[28, /has to be replayed/], [32, /ended with/]] as const) {
        const bytes = await Deno.readFile(path);
        bytes[first * blockBytes + at + 3] = 1;
        const volume = new MemorySource("volume", bytes);
        const error = await assertRejects(() => usedRanges(volume), FormatError);
        assert(reason.test(error.message), error.message);
      }
    }
  },
});

Deno.test({
  name: "what ext uses is not told: a structure lies in a free block",
  ignore: needs(...E2FSPROGS),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const path = folder.file("volume");
    await mke2fs(path, 40 * MIB, ["-t", "ext2", "-b", "1024", "-g", "4096"]);
    const { text } = await dumpe2fs(path);
    const group = /Group 1:[^]*?Inode table at (\d+)[^]*? (\d+) free blocks/.exec(text);
    const [, table, free] = present(group, "group 1").map(Number);
    const all = Number(/^Free blocks: +(\d+)$/m.exec(text)?.[1]);
    await debugfs(path, [
      `freeb ${present(table, "table") + 5}`,
      `set_bg 1 free_blocks_count ${present(free, "count") + 1}`,
      `ssv free_blocks_count ${all + 1}`,
    ]);
    const error = await assertRejects(() => usedOf(path), FormatError);
    assert(/call its own structures free/.test(error.message), error.message);
  },
});

Deno.test({
  name: "what ext uses is not told: somebody uses it",
  ignore: needs(...E2FSPROGS),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const path = folder.file("volume");
    await mke2fs(path, 40 * MIB, ["-t", "ext4", "-O", "mmp"]);
    const { blockBytes, text } = await dumpe2fs(path);
    const block = Number(/MMP block number: +(\d+)/.exec(text)?.[1]);
    for (const [at, value] of [[4, 0x51], [7, 0xe2], [0, 0]] as const) {
      const bytes = await Deno.readFile(path);
      bytes[block * blockBytes + at] = value;
      const volume = new MemorySource("volume", bytes);
      const error = await assertRejects(() => usedRanges(volume), FormatError);
      assert(/in use|multiple mount/.test(error.message), error.message);
    }
  },
});

Deno.test({
  name: "what ext uses is not told: an external journal",
  ignore: needs(...E2FSPROGS),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const journal = folder.file("journal");
    await mke2fs(journal, 8 * MIB, ["-b", "4096", "-O", "journal_dev"]);
    const error = await assertRejects(() => usedOf(journal), FormatError);
    assert(error.message.includes("journal of another file system"), error.message);
  },
});

Deno.test({
  name: "what ext uses is not told: a volume that was cut",
  ignore: needs(...E2FSPROGS),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const path = folder.file("volume");
    await mke2fs(path, 16 * MIB, ["-t", "ext4"]);
    await Deno.truncate(path, 16 * MIB - 512);
    const error = await assertRejects(() => usedOf(path), FormatError);
    assert(error.message.includes("more than the volume"), error.message);
    await Deno.truncate(path, 1500);
    await assertRejects(() => usedOf(path), FormatError);
  },
});

Deno.test({
  name: "what ext uses: what lies behind its end is used",
  ignore: needs(...E2FSPROGS),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const path = folder.file("volume");
    await mke2fs(path, 16 * MIB, ["-t", "ext4", "-b", "1024"]);
    await Deno.truncate(path, 16 * MIB + 12_345 * 512);
    const used = await usedOf(path);
    await assertSameAsDumpe2fs(path, used);
    const last = present(used.at(-1), "range");
    assert(last.offset <= 16 * MIB);
    assertEquals(last.offset + last.length, 16 * MIB + 12_345 * 512);
  },
});

Deno.test({
  name: "what ext uses is not told: a flipped bit in what has a checksum",
  ignore: needs(...E2FSPROGS),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const path = folder.file("volume");
    await mke2fs(path, 8 * MIB, ["-t", "ext4", "-b", "1024", "-O", "64bit,^resize_inode"]);
    const bytes = await Deno.readFile(path);
    const places = /Block bitmap at (\d+)/.exec((await dumpe2fs(path)).text);
    const bitmap = Number(places?.[1]) * KIB;
    await usedRanges(new MemorySource("volume", bytes));
    const spots = [
      ...Array.from({ length: 1024 }, (_, i) => KIB + i),
      ...Array.from({ length: 64 }, (_, i) => 2 * KIB + i),
      ...Array.from({ length: KIB }, (_, i) => bitmap + i),
    ];
    for (const at of spots) {
      const original = bytes[at] ?? 0;
      bytes[at] = original ^ (1 << at % 8);
      await assertRejects(
        () => usedRanges(new MemorySource("volume", bytes)),
        FormatError,
        "",
        `byte ${at}`,
      );
      bytes[at] = original;
    }
  },
});
