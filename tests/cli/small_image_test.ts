/** Images that are smaller than their disk: --used, --allocated, packed ones, block maps. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { linuxTest } from "../support/linux_test.ts";
import { LoopDevice, readBytes } from "../support/loop_device.ts";
import { digestOf, run, runCli, shell, tryRun } from "../support/run_cli.ts";
import { exists, numberedSectors, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const MIB = 1024 * 1024;
const CARD_TOOLS = ["sfdisk", "sgdisk", "mke2fs", "e2fsck", "debugfs", "mkfs.fat", "fsck.fat"];
const ignore = needs(...CARD_TOOLS, "mcopy", "mdir", "cmp");

/** Where the partitions of {@linkcode makeCard} begin, and how large they are, MiB. */
const BOOT = { start: 1, size: 20 };
const ROOT = { start: 21, size: 32 };

/**
 * A card of 64 MiB with a FAT and an ext4 partition, which hold files, among old data that
 * nobody needs any more, or on a new card among zeros; behind them nothing is allocated.
 */
async function makeCard(
  folder: TemporaryFolder,
  { label = "dos", isNew = false }: { label?: "dos" | "gpt"; isNew?: boolean } = {},
): Promise<string> {
  const before = isNew ? new Uint8Array(64 * MIB) : numberedSectors(64 * MIB);
  const card = await folder.write("card.img", before);
  const types = label === "dos" ? ["c", "83"] : ["U", "L"];
  const script = [
    `label: ${label}`,
    `start=${BOOT.start}MiB, size=${BOOT.size}MiB, type=${types[0]}`,
    `start=${ROOT.start}MiB, size=${ROOT.size}MiB, type=${types[1]}`,
  ].join("\n");
  await folder.write("layout", `${script}\n`);
  await shell('sfdisk -q --wipe never "$1" < "$2"', card, folder.file("layout"));
  const tree = folder.file("tree");
  await run("mkdir", ["-p", tree]);
  for (const name of ["config.txt", "kernel.img", "notes"]) {
    const bytes = numberedSectors(name === "kernel.img" ? 3 * MIB : 5000, name.length);
    await Deno.writeFile(`${tree}/${name}`, bytes);
  }
  const offset = ROOT.start * MIB;
  await run("mke2fs", [
    ...["-q", "-F", "-t", "ext4", "-d", tree, "-E", `offset=${offset},nodiscard`],
    ...[card, `${ROOT.size}M`],
  ]);
  // FAT16, for 20 MiB: what mkfs.fat takes for this size.
  const boot = folder.file("boot.img");
  await run("dd", [
    `if=${card}`,
    `of=${boot}`,
    "bs=1M",
    `skip=${BOOT.start}`,
    `count=${BOOT.size}`,
    "status=none",
  ]);
  await run("mkfs.fat", [boot]);
  await run("mcopy", ["-i", boot, `${tree}/config.txt`, `${tree}/kernel.img`, "::"]);
  await run("dd", [
    `if=${boot}`,
    `of=${card}`,
    "bs=1M",
    `seek=${BOOT.start}`,
    "conv=notrunc",
    "status=none",
  ]);
  return card;
}

/** Are both file systems of an image clean, and are all files what they were? */
async function checkCard(folder: TemporaryFolder, image: string): Promise<void> {
  await run("e2fsck", ["-fn", `${image}?offset=${ROOT.start * MIB}`]);
  const boot = folder.file("boot.check");
  const root = folder.file("root.check");
  for (const [path, { start, size }] of [[boot, BOOT], [root, ROOT]] as const) {
    await run("dd", [
      `if=${image}`,
      `of=${path}`,
      "bs=1M",
      `skip=${start}`,
      `count=${size}`,
      "status=none",
    ]);
  }
  await run("fsck.fat", ["-n", boot]);
  for (const name of ["config.txt", "kernel.img"]) {
    const copy = folder.file("copy");
    await run("mcopy", ["-n", "-o", "-i", boot, `::${name}`, copy]);
    await run("cmp", [copy, folder.file(`tree/${name}`)]);
    await Deno.remove(copy);
    await run("debugfs", ["-R", `dump /${name} ${copy}`, root]);
    await run("cmp", [copy, folder.file(`tree/${name}`)]);
    await Deno.remove(copy);
  }
}

/** Bytes that a file takes. */
async function storedBytes(path: string): Promise<number> {
  return ((await Deno.stat(path)).blocks ?? 0) * 512;
}

linuxTest({
  name: "small: --used leaves out what no file system uses, and all files are there",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const card = await makeCard(folder);
    const image = folder.file("small.img");
    const { code, stdout, stderr, result } = await runCli([
      "read",
      card,
      image,
      "--used",
      "--json",
    ]);
    assertEquals(code, 0, stderr);
    assertEquals((await Deno.stat(image)).size, 64 * MIB);
    assertEquals(result["hashes"], { sha256: await digestOf(image) });
    assert(await storedBytes(image) < 16 * MIB, stdout);
    await checkCard(folder, image);
    // The table, boot code and the gap before the first partition are the same.
    assertEquals(await readBytes(image, 0, MIB), await readBytes(card, 0, MIB));
    const selection = result["selection"] as {
      skippedBytes: number;
      volumes: { partition: number; wholeBecause: string | null }[];
    };
    assertEquals(
      selection.volumes.map(({ partition, wholeBecause }) => [partition, wholeBecause]),
      [[1, null], [2, null]],
    );
    assert(selection.skippedBytes > 40 * MIB);
    // Whatever is left out is told beside the image.
    const report = JSON.parse(await Deno.readTextFile(`${image}.json`));
    assertEquals(report.selection, result["selection"]);
    assert(!await exists(`${image}.html`));
  },
});

linuxTest({
  name: "small: --used says in words that deleted files are gone, and what was copied whole",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const card = await makeCard(folder);
    // A file system that was not unmounted: its journal may change what is free.
    await run("debugfs", [
      "-w",
      "-R",
      "feature needs_recovery",
      `${card}?offset=${ROOT.start * MIB}`,
    ]);
    const image = folder.file("small.img");
    const { code, stdout, stderr } = await runCli(["read", card, image, "--used"]);
    assertEquals(code, 0, stderr);
    assertMatch(
      stdout,
      /left out: they are zeros in the image, and with them what was deleted/,
    );
    assertMatch(stdout, /partition 2 \(ext4\): copied whole: /);
    assertEquals(
      await readBytes(image, ROOT.start * MIB, ROOT.size * MIB),
      await readBytes(card, ROOT.start * MIB, ROOT.size * MIB),
    );
  },
});

linuxTest({
  name: "small: an interrupted --used cannot be gone on with as a whole image",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const card = await makeCard(folder);
    const image = folder.file("small.img");
    // What another run left: a part of it.
    const first = await runCli(["read", card, image, "--used"]);
    assertEquals(first.code, 0, first.stderr);
    const identity = JSON.stringify({
      size: 64 * MIB,
      offset: 0,
      partitionStart: 0,
      model: null,
      serial: null,
      selection: "0123456789abcdef",
    });
    await Deno.rename(image, `${image}.part`);
    await Deno.remove(`${image}.sha256`);
    await Deno.remove(`${image}.json`);
    await Deno.writeTextFile(
      `${image}.map`,
      `# Mapfile. Created by sectorshot\n# Source identity: ${identity}\n` +
        `0x00100000     ?               1\n0x00000000  0x00100000  +\n` +
        `0x00100000  0x03F00000  ?\n`,
    );
    const second = await runCli(["read", card, image]);
    assertEquals(second.code, 1);
    assertMatch(second.stderr, /its choice of what is copied \(--used, --allocated\) was/);
    const third = await runCli(["read", card, image, "--used"]);
    assertEquals(third.code, 1);
    assertMatch(third.stderr, /its choice of what is copied/);
  },
});

for (const label of ["dos", "gpt"] as const) {
  linuxTest({
    name: `small: --allocated ends behind the last partition (${label}), valid in itself`,
    ignore: ignore || needs("root", "losetup"),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const card = await makeCard(folder, { label });
      const image = folder.file("small.img");
      const { code, stderr, result } = await runCli([
        "read",
        card,
        image,
        "--allocated",
        "--json",
      ]);
      assertEquals(code, 0, stderr);
      const end = (ROOT.start + ROOT.size) * MIB;
      const { size } = await Deno.stat(image);
      assert(size >= end && size <= end + MIB, `${size}`);
      assertEquals(
        await readBytes(image, MIB, end - MIB),
        await readBytes(card, MIB, end - MIB),
      );
      await run("sfdisk", ["--verify", image]);
      const { gptBackupOffsetBytes } = result["selection"] as { gptBackupOffsetBytes: number };
      if (label === "gpt") {
        assertEquals(gptBackupOffsetBytes, 64 * MIB - 33 * 512);
        const { stdout } = await tryRun("sgdisk", ["--verify", image]);
        assertStringIncludes(stdout, "No problems found");
      }
      // Onto a larger disk, with the table fitted to it.
      await using target = await LoopDevice.create(
        await folder.write("target", numberedSectors(100 * MIB, 9)),
      );
      const written = await runCli(["write", image, target.path, "--yes", "--expand"]);
      assertEquals(written.code, 0, written.stderr);
      assertMatch(written.stdout, /partition 2.* grows from 32 MiB to /);
      await run("sfdisk", ["--verify", target.path]);
      const table = JSON.parse((await tryRun("sfdisk", ["--json", target.path])).stdout);
      const last = table.partitiontable.partitions[1];
      assertEquals(last.start * 512, ROOT.start * MIB);
      assert((last.start + last.size) * 512 > 98 * MIB, JSON.stringify(last));
      if (label === "gpt") {
        const { stdout } = await tryRun("sgdisk", ["--verify", target.path]);
        assertStringIncludes(stdout, "No problems found");
      }
      await checkCard(folder, target.path);
    },
  });
}

linuxTest({
  name: "small: --fix-gpt moves the backup to the end of the disk; without it that is said",
  ignore: ignore || needs("root", "losetup"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const card = await makeCard(folder, { label: "gpt" });
    await using target = await LoopDevice.create(
      await folder.write("target", numberedSectors(100 * MIB, 9)),
    );
    const plain = await runCli(["write", card, target.path, "--yes"]);
    assertEquals(plain.code, 0, plain.stderr);
    assertMatch(plain.stderr, /the backup of its GPT is not at the end: --fix-gpt moves it/);
    const fixed = await runCli(["write", card, target.path, "--yes", "--fix-gpt", "--json"]);
    assertEquals(fixed.code, 0, fixed.stderr);
    const { stdout } = await tryRun("sgdisk", ["--verify", target.path]);
    assertStringIncludes(stdout, "No problems found");
    const [only] = fixed.result["targets"] as { fitted: string }[];
    assertMatch(only?.fitted ?? "", /backup/);
    // All but the table is as in the image.
    const inside = ROOT.start * MIB + ROOT.size * MIB - MIB;
    assertEquals(await readBytes(target.path, MIB, inside), await readBytes(card, MIB, inside));
  },
});

linuxTest({
  name: "small: --expand without a table is refused, and the disk has no first block",
  ignore: needs("root", "losetup"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("data.img", numberedSectors(4 * MIB));
    await using target = await LoopDevice.create(
      await folder.write("target", new Uint8Array(8 * MIB)),
    );
    const { code, stderr, stdout } = await runCli([
      "write",
      image,
      target.path,
      "--yes",
      "--expand",
    ]);
    assertEquals(code, 1, stderr);
    assertMatch(stdout, /FAILED: /);
    assertEquals((await readBytes(target.path, 0, MIB)).every((byte) => byte === 0), true);
  },
});

const PACKERS = [
  {
    ending: "gz",
    pack: 'gzip -c "$1" > "$2"',
    unpack: 'gzip -dc "$1" > "$2"',
    isWritten: true,
  },
  {
    ending: "zst",
    pack: 'zstd -qc "$1" > "$2"',
    unpack: 'zstd -qdc "$1" > "$2"',
    isWritten: true,
  },
  {
    ending: "xz",
    pack: 'xz -c -T2 --block-size=8MiB "$1" > "$2"',
    unpack: "",
    isWritten: false,
  },
  { ending: "bz2", pack: 'bzip2 -c "$1" > "$2"', unpack: "", isWritten: false },
  { ending: "lz4", pack: 'lz4 -qc "$1" > "$2"', unpack: "", isWritten: false },
  {
    ending: "zip",
    pack: 'cd "$(dirname "$1")" && zip -q "$2" "$(basename "$1")"',
    unpack: 'unzip -p "$1" > "$2"',
    isWritten: true,
  },
] as const;

for (const { ending, pack, unpack, isWritten } of PACKERS) {
  linuxTest({
    name: `small: what others pack as .${ending} is written right, verified, and shown`,
    ignore: ignore || needs("root", "losetup", "gzip", "zstd", "xz", "bzip2", "lz4", "zip"),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const card = await makeCard(folder, { isNew: true });
      const packed = folder.file(`card.img.${ending}`);
      await shell(pack, card, packed);
      await using target = await LoopDevice.create(
        await folder.write("target", numberedSectors(66 * MIB, 9)),
      );
      const written = await runCli(["write", packed, target.path, "--yes", "--json"]);
      assertEquals(written.code, 0, written.stderr);
      assertEquals(written.result["hashes"], { sha256: await digestOf(card) });
      await run("cmp", ["-n", String(64 * MIB), card, target.path]);
      const compared = await runCli(["verify", packed, target.path]);
      assertEquals(compared.code, 0, compared.stderr);
      // A digest beside it is that of the packed file, as on download pages.
      await shell('cd "$1" && sha256sum "$2" > "$2.sha256"', folder.path, `card.img.${ending}`);
      const verified = await runCli(["verify", packed]);
      assertEquals(verified.code, 0, verified.stderr + verified.stdout);
      assertMatch(verified.stdout, /sha256: OK, as in .*, for the file itself/);
      const listed = await runCli(["hash", "--check", `${packed}.sha256`], {
        cwd: folder.path,
      });
      assertEquals(listed.code, 0, listed.stderr + listed.stdout);
      for (const hex of [await digestOf(card), await digestOf(packed)]) {
        const expected = await runCli(["verify", packed, "--expect", `sha256:${hex}`]);
        assertEquals(expected.code, 0, expected.stdout);
      }
      const wrong = await runCli(["verify", packed, "--expect", `sha256:${"0".repeat(64)}`]);
      assertEquals(wrong.code, 2, wrong.stdout);
      const shown = await runCli(["info", packed]);
      assertEquals(shown.code, 0, shown.stderr);
      assertMatch(shown.stdout, /MBR/);
      assertMatch(shown.stdout, /Linux/);
    },
  });

  linuxTest({
    name: `small: a .${ending} that is cut or damaged never gets its first block`,
    ignore: ignore || needs("root", "losetup", "gzip", "zstd", "xz", "bzip2", "lz4", "zip"),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const image = await folder.write("card.img", numberedSectors(3 * MIB));
      const packed = folder.file(`card.img.${ending}`);
      await shell(pack, image, packed);
      const bytes = await Deno.readFile(packed);
      await using target = await LoopDevice.create(
        await folder.write("target", numberedSectors(4 * MIB, 9)),
      );
      const damaged = bytes.slice();
      const middle = bytes.length >> 1;
      damaged[middle] = (damaged[middle] ?? 0) ^ 0x10;
      for (const broken of [damaged, bytes.slice(0, middle), bytes.slice(0, -1)]) {
        await Deno.writeFile(packed, broken);
        const { code, stdout, stderr } = await runCli(["write", packed, target.path, "--yes"]);
        assert(code === 1 || code === 2, `${code}: ${stdout}${stderr}`);
        const first = await readBytes(target.path, 0, MIB);
        const isOld = first[0] === numberedSectors(512, 9)[0];
        assert(isOld || first.every((byte) => byte === 0), "the first block is there");
        const verified = await runCli([
          "verify",
          packed,
          "--expect",
          `sha256:${"0".repeat(64)}`,
        ]);
        assert(verified.code === 2 || verified.code === 1, verified.stdout);
      }
    },
  });

  if (!isWritten) continue;
  linuxTest({
    name: `small: a card is read into .${ending}, which others unpack, and written back`,
    ignore: ignore || needs("root", "losetup", "gzip", "zstd", "unzip"),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const card = await makeCard(folder, { isNew: true });
      const name = ending === "zip" ? "out.zip" : `out.img.${ending}`;
      const packed = folder.file(name);
      const read = await runCli(["read", card, packed, "--verify", "--bmap"]);
      assertEquals(read.code, 0, read.stderr);
      const theirs = folder.file("theirs");
      await shell(unpack, packed, theirs);
      await run("cmp", [card, theirs]);
      // The digest beside it is that of the image in it.
      assertEquals(
        await Deno.readTextFile(folder.file("out.img.sha256")),
        `${await digestOf(card)}  out.img\n`,
      );
      const verified = await runCli(["verify", packed]);
      assertEquals(verified.code, 0, verified.stdout + verified.stderr);
      assertMatch(verified.stdout, /sha256: OK, as in the image itself/);
      assertMatch(verified.stdout, /sha256: OK, as in .*out\.img\.sha256/);
      await using target = await LoopDevice.create(
        await folder.write("target", new Uint8Array(66 * MIB)),
      );
      const written = await runCli(["write", packed, target.path, "--yes"]);
      assertEquals(written.code, 0, written.stderr);
      assertMatch(written.stderr, /only what .*out\.img\.bmap calls data is written/);
      await run("cmp", ["-n", String(64 * MIB), card, target.path]);
      const back = folder.file("back.img");
      const converted = await runCli(["convert", packed, back]);
      assertEquals(converted.code, 0, converted.stderr);
      await run("cmp", [card, back]);
      const used = folder.file(`used.img.${ending}`);
      const small = await runCli(["read", card, used, "--used", "--allocated"]);
      assertEquals(small.code, 0, small.stderr);
      assertMatch(small.stdout, /the image ends behind the last partition/);
    },
  });
}

linuxTest({
  name: "small: images from pigz, bgzip, pbzip2, zstd --long, 7z, and of several streams",
  ignore: ignore || needs("root", "losetup", "pigz", "bgzip", "pbzip2", "7z", "zstd", "xz"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(3 * MIB));
    const packers: readonly (readonly [name: string, line: string])[] = [
      ["pigz.gz", 'pigz -c "$1" > "$2"'],
      ["rsync.gz", 'gzip --rsyncable -c "$1" > "$2"'],
      ["bgzip.gz", 'bgzip -c "$1" > "$2"'],
      ["pbzip2.bz2", 'pbzip2 -c "$1" > "$2"'],
      ["long.zst", 'zstd -q --long=27 --ultra -20 -c "$1" > "$2"'],
      ["seven.zip", '7z a -bso0 -tzip "$2" "$1"'],
      ["store.zip", 'cd "$(dirname "$1")" && zip -q0 "$2" "$(basename "$1")"'],
      [
        "several.gz",
        'for at in 0 1 2; do dd if="$1" bs=1M skip=$at count=1 status=none | gzip; done > "$2"',
      ],
      [
        "several.xz",
        'for at in 0 1 2; do dd if="$1" bs=1M skip=$at count=1 status=none | xz; done > "$2"',
      ],
      [
        "several.zst",
        'for at in 0 1 2; do dd if="$1" bs=1M skip=$at count=1 status=none | zstd -q; done > "$2"',
      ],
      [
        "several.bz2",
        'for at in 0 1 2; do dd if="$1" bs=1M skip=$at count=1 status=none | bzip2; done > "$2"',
      ],
    ];
    await using target = await LoopDevice.create(
      await folder.write("target", new Uint8Array(3 * MIB)),
    );
    for (const [name, line] of packers) {
      const packed = folder.file(name);
      await shell(line, image, packed);
      // What it is is told by its content, not by its name.
      const renamed = folder.file(`${name}.dat`);
      await Deno.rename(packed, renamed);
      const { code, stderr } = await runCli(["write", renamed, target.path, "--yes"]);
      assertEquals(code, 0, `${name}: ${stderr}`);
      await run("cmp", [image, target.path]);
    }
  },
});

linuxTest({
  name: "small: bombs, archives in archives, garbage behind the end, secrets: clear errors",
  ignore: ignore || needs("root", "losetup", "gzip", "zip", "7z"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(2 * MIB));
    await using target = await LoopDevice.create(
      await folder.write("target", numberedSectors(3 * MIB, 9)),
    );
    const refused = async (name: string, reason: RegExp): Promise<void> => {
      const { code, stderr, stdout } = await runCli([
        ...["write", folder.file(name), target.path, "--yes"],
      ]);
      assert(code === 1 || code === 2, `${name}: ${code}`);
      assertMatch(stderr + stdout, reason, name);
    };
    await shell('head -c 32M /dev/zero | gzip > "$1"', folder.file("bomb.gz"));
    await refused("bomb.gz", /too (small|large)|larger|ends there|does not fit|no room/);
    await shell('gzip -c "$1" > "$2"; printf "garbage" >> "$2"', image, folder.file("more.gz"));
    await refused("more.gz", /byte \d+|garbage|behind/);
    await shell(
      'cd "$1" && gzip -c card.img > in.gz && zip -q nested.zip in.gz && gzip -c nested.zip > nested.gz',
      folder.path,
    );
    await refused("nested.gz", /what is packed in it is/);
    await shell('cd "$1" && zip -q -P secret locked.zip card.img', folder.path);
    await refused("locked.zip", /encrypted/);
    await shell(
      'cd "$1" && cp card.img other.img && zip -q two.zip card.img other.img',
      folder.path,
    );
    await refused("two.zip", /card\.img.*other\.img/s);
    await shell(
      'cd "$1" && zip -q empty.zip -i nothing . 2>/dev/null; printf "PK\\005\\006%018d" 0 | tr 0 "\\000" > none.zip',
      folder.path,
    );
    await refused("none.zip", /no |empty|nothing/i);
  },
});

linuxTest({
  name: "small: a block map is used by itself; one of another image is refused with both sizes",
  ignore: ignore || needs("root", "losetup", "bmaptool"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const card = await makeCard(folder);
    const image = folder.file("small.img");
    const read = await runCli(["read", card, image, "--used", "--bmap"]);
    assertEquals(read.code, 0, read.stderr);
    // bmaptool takes the map, and comes to the same.
    const theirs = await folder.write("theirs", new Uint8Array(64 * MIB));
    await run("bmaptool", ["-q", "copy", "--bmap", `${image}.bmap`, image, theirs]);
    await run("cmp", [image, theirs]);
    const before = numberedSectors(66 * MIB, 9);
    await using target = await LoopDevice.create(await folder.write("target", before));
    const written = await runCli(["write", image, target.path, "--yes"]);
    assertEquals(written.code, 0, written.stderr);
    assertMatch(written.stdout, /written and verified/);
    await checkCard(folder, target.path);
    // The rest stays as it was, zeros it, or is all of the image.
    const free = (ROOT.start + ROOT.size + 5) * MIB;
    assertEquals(await readBytes(target.path, free, MIB), before.slice(free, free + MIB));
    for (const option of ["--zero-unmapped", "--no-bmap"]) {
      const whole = await runCli(["write", image, target.path, "--yes", option]);
      assertEquals(whole.code, 0, whole.stderr);
      await run("cmp", ["-n", String(64 * MIB), image, target.path]);
    }
    await run("bmaptool", ["create", "-o", `${image}.bmap`, image]);
    const again = await runCli(["write", image, target.path, "--yes", "--discard"]);
    assertEquals(again.code, 0, again.stderr);
    await checkCard(folder, target.path);
    // A byte of the image that the map covers is another one.
    const bytes = await readBytes(image, BOOT.start * MIB, 512);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    await shell(
      'dd of="$1" bs=512 seek=$2 conv=notrunc status=none < "$3"',
      image,
      String(BOOT.start * 2048),
      await folder.write("sector", bytes),
    );
    const damaged = await runCli(["write", image, target.path, "--yes"]);
    assertEquals(damaged.code, 2, damaged.stdout + damaged.stderr);
    assertMatch(damaged.stdout + damaged.stderr, /is not what its block map says/);
    assertEquals((await readBytes(target.path, 0, 512)).every((byte) => byte === 0), true);
    await run("truncate", ["-s", "50M", image]);
    const other = await runCli(["write", image, target.path, "--yes"]);
    assertEquals(other.code, 2, other.stderr);
    assertMatch(other.stderr, /52428800.*67108864|67108864.*52428800/);
  },
});

linuxTest({
  name: "small: the holes of a sparse file are not read, and arrive as zeros",
  ignore: needs("root", "losetup", "truncate", "cmp"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = folder.file("sparse.img");
    await Deno.writeFile(image, numberedSectors(MIB));
    await run("truncate", ["-s", "64M", image]);
    await shell('dd if="$1" of="$1" bs=1M seek=40 count=1 conv=notrunc status=none', image);
    const copy = folder.file("copy.img");
    const { code, stderr } = await runCli(["read", image, copy]);
    assertEquals(code, 0, stderr);
    await run("cmp", [image, copy]);
    assert(await storedBytes(copy) <= 3 * MIB);
    await using target = await LoopDevice.create(
      await folder.write("target", numberedSectors(64 * MIB, 9)),
    );
    const written = await runCli(["write", image, target.path, "--yes"]);
    assertEquals(written.code, 0, written.stderr);
    await run("cmp", [image, target.path]);
  },
});
