/** What btrfs uses, compared with its own tools and the kernel. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { FormatError } from "../../src/core/errors.ts";
import { endOf, mergeRanges, piecesOf, type Range, totalLength } from "../../src/core/range.ts";
import { btrfs } from "../../src/filesystems/btrfs.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { run, shell, tryRun } from "../support/run_cli.ts";
import { Mounted, numberedSectors, TemporaryFolder } from "../support/temporary.ts";
import { needs, toolPath } from "../support/tools.ts";
import { FileSource } from "../volumes/image_tools.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const NEEDS_TOOLS = ["mkfs.btrfs", "btrfs", "btrfstune"];
const NEEDS_MOUNT = ["root", "losetup", "mount", "xfs_io", ...NEEDS_TOOLS];

/** A kind of volume. */
interface Variant {
  readonly name: string;
  readonly options: readonly string[];
  readonly size?: number;
  readonly sectorSize?: number;
  /** How it is mounted. */
  readonly mount?: string;
  /** What is done to it at the end, still mounted; "$1" is the folder. */
  readonly further?: string;
  /** What is done to it before it is filled; arguments of btrfstune. */
  readonly tune?: readonly string[];
  /** A feature that older versions of mkfs.btrfs do not know. */
  readonly requires?: string;
}

/** Does this mkfs.btrfs know the feature? */
function isKnown(feature: string | undefined): boolean {
  const path = toolPath("mkfs.btrfs");
  if (feature === undefined || path === undefined) return true;
  const { stderr } = new Deno.Command(path, { args: ["-O", "list-all"] }).outputSync();
  return new TextDecoder().decode(stderr).includes(feature);
}

const VARIANTS: readonly Variant[] = [
  { name: "as it is made today", options: [] },
  {
    name: "with trees of many levels, SHA-256 and compression",
    options: ["--nodesize", "4096", "--csum", "sha256"],
    mount: "compress-force=zstd,max_inline=0",
  },
  {
    name: "with everything twice",
    options: ["-m", "dup", "-d", "dup"],
    size: 1024 * MIB,
    sectorSize: 4096,
  },
  {
    name: "with data and metadata mixed",
    options: ["--mixed", "-m", "single", "-d", "single"],
    size: 400 * MIB,
  },
  {
    name: "as it was made years ago",
    options: ["-O", "^skinny-metadata,^no-holes,^extref", "-R", "^free-space-tree"],
    mount: "space_cache=v1,max_inline=0",
  },
  {
    name: "with a tree of block groups",
    options: ["-O", "block-group-tree"],
    requires: "block-group-tree",
  },
  {
    name: "with another UUID than its blocks",
    options: [],
    tune: ["-f", "-m"],
  },
  {
    name: "made smaller, balanced and with a preferred subvolume",
    options: ["-m", "single"],
    size: 1000 * MIB,
    further: 'btrfs filesystem resize 700M "$1"; ' +
      'btrfs balance start --full-balance "$1"; btrfs subvolume set-default "$1/sub"',
  },
];

/** Subvolumes, snapshots, clones, holes, room that is preallocated, what is deleted. */
const FILL = `
set -e; text() { yes "$1" | head -c "$2" || true; }
cd "$1"; btrfs subvolume create sub; mkdir -p many few
for i in {1..1200}; do printf '%04d%0900d' $i $i > sub/$i; done
for i in {1..400}; do text "small $i" $((i * 53)) > many/$i; done
for i in {1..60}; do text "line of $i" $((i * 7919)) > few/$i; done
sync; btrfs subvolume snapshot -r sub kept; btrfs subvolume snapshot sub gone
rm sub/*[13579] many/*7 few/*5; sync
for i in {1..9}; do head -c $((i * 400009)) /dev/urandom > few/random$i; done
cp --reflink=always few/random9 few/clone; ln few/8 few/link; ln -s 7 few/symbolic
fallocate -l 3M few/room; truncate -s 50M few/sparse; echo end >> few/sparse
text again 70000 | dd of=few/random8 bs=1000 seek=300 conv=notrunc status=none
sync; rm few/random[135]; btrfs subvolume delete gone; sync
`;

async function emptyFile(folder: TemporaryFolder, name: string, size: number): Promise<string> {
  const path = await folder.write(name, new Uint8Array());
  await Deno.truncate(path, size);
  return path;
}

/** Does something to a volume while it is mounted. */
async function whileMounted(
  path: string,
  mountPoint: string,
  work: (device: LoopDevice) => Promise<unknown>,
  { sectorSize = 512, mount = "defaults" }: Partial<Variant> = {},
): Promise<void> {
  await using device = await LoopDevice.create(path, { sectorSize });
  await using _mounted = await Mounted.create(device.path, mountPoint, "-o", mount);
  await work(device);
  await run("umount", [mountPoint]);
}

/** What is in a mounted volume. */
async function contentOf(mountPoint: string): Promise<string> {
  return await shell(
    'cd "$1"; find . -print0 | sort -z | xargs -0 stat -c "%n %s %h %F"; ' +
      "find . -type f -print0 | sort -z | xargs -0 sha256sum",
    mountPoint,
  );
}

async function usedOf(path: string, sectorSize = 512): Promise<readonly Range[]> {
  await using source = new FileSource(path, sectorSize);
  const { usedRanges } = btrfs;
  if (usedRanges === undefined) throw new Error("btrfs does not tell what it uses");
  return await usedRanges(source);
}

/** A file of zeros but for these places. */
async function copyOf(path: string, ranges: readonly Range[], to: string): Promise<void> {
  using from = await Deno.open(path);
  using into = await Deno.open(to, { write: true, create: true });
  await into.truncate((await from.stat()).size);
  for (const { offset, length } of piecesOf(ranges, MIB)) {
    await from.seek(offset, Deno.SeekMode.Start);
    await into.seek(offset, Deno.SeekMode.Start);
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) at += await from.read(bytes.subarray(at)) ?? length;
    for (let at = 0; at < length;) at += await into.write(bytes.subarray(at));
  }
}

async function dumpTree(path: string, tree: string): Promise<string> {
  return await run("btrfs", ["inspect-internal", "dump-tree", "-t", tree, path]);
}

/** A field of the superblock, as btrfs reads it. */
async function superField(path: string, name: string): Promise<number> {
  const text = await run("btrfs", ["inspect-internal", "dump-super", path]);
  return Number(new RegExp(`^${name}\\s+(\\d+)`, "m").exec(text)?.[1]);
}

/** A piece of the address space: its places on the device. */
interface Chunk {
  readonly logical: number;
  readonly length: number;
  readonly offsets: readonly number[];
}

async function chunksOf(path: string): Promise<readonly Chunk[]> {
  const text = await dumpTree(path, "chunk");
  return text.split("FIRST_CHUNK_TREE CHUNK_ITEM ").slice(1).map((part) => ({
    logical: parseInt(part),
    length: Number(/length (\d+)/.exec(part)?.[1]),
    offsets: [...part.matchAll(/devid 1 offset (\d+)/g)].map((match) => Number(match[1])),
  }));
}

/** What must be used, as the tools of btrfs list it: extents, superblocks, the boot area. */
async function expectedOf(path: string): Promise<readonly Range[]> {
  const chunks = await chunksOf(path);
  const nodeBytes = await superField(path, "nodesize");
  const text = await dumpTree(path, "extent");
  const ranges: Range[] = [];
  for (const match of text.matchAll(/item \d+ key \((\d+) (EXTENT|METADATA)_ITEM (\d+)\)/g)) {
    const start = Number(match[1]);
    const length = match[2] === "EXTENT" ? Number(match[3]) : nodeBytes;
    for (const { logical, length: chunkBytes, offsets } of chunks) {
      if (start < logical || start >= logical + chunkBytes) continue;
      for (const at of offsets) ranges.push({ offset: at + start - logical, length });
    }
  }
  assert(ranges.length > 10, "btrfs lists hardly any extents");
  const { size } = await Deno.stat(path);
  const end = await superField(path, "dev_item.total_bytes");
  ranges.push(
    { offset: 0, length: MIB },
    { offset: 64 * MIB, length: 64 * KIB },
    { offset: end, length: size - end },
  );
  return mergeRanges(ranges);
}

/** Exactly what the tools list, and not much of the volume. */
async function compareWithTools(path: string, used: readonly Range[]): Promise<void> {
  assertEquals(used, await expectedOf(path));
  const { size } = await Deno.stat(path);
  assert(totalLength(used) < size / 2, "nearly everything is copied");
}

for (const variant of VARIANTS) {
  Deno.test({
    name: `btrfs ${variant.name}: a copy of what is used is all that is there`,
    ignore: needs(...NEEDS_MOUNT) || !isKnown(variant.requires),
    fn: async () => {
      await using folder = await TemporaryFolder.create();
      // What was there before must not be needed.
      const path = await folder.write("volume", new Uint8Array(30 * MIB).fill(0xaa));
      await Deno.truncate(path, variant.size ?? 512 * MIB);
      await run("mkfs.btrfs", ["-q", "-f", "-K", ...variant.options, path]);
      if (variant.tune !== undefined) await run("btrfstune", [...variant.tune, path]);
      const mountPoint = await folder.folder("mounted");
      let before = "";
      await whileMounted(path, mountPoint, async () => {
        await shell(FILL, mountPoint);
        if (variant.further !== undefined) await shell(variant.further, mountPoint);
        before = await contentOf(mountPoint);
      }, variant);
      const used = await usedOf(path, variant.sectorSize);
      await compareWithTools(path, used);
      const copy = folder.file("copy");
      await copyOf(path, used, copy);
      const check = ["check", "--readonly", "--check-data-csum", copy];
      assertEquals((await tryRun("btrfs", check)).code, 0);
      // Two with the same UUID would be one for the kernel.
      await Deno.remove(path);
      const again = { ...variant, mount: "subvolid=5" };
      await whileMounted(copy, mountPoint, async () => {
        assertEquals(await contentOf(mountPoint), before);
      }, again);
    },
  });
}

Deno.test({
  name: "btrfs that was an ext4: the old file system is used, too",
  ignore: needs("mkfs.ext4", "e2fsck", "btrfs-convert", ...NEEDS_MOUNT),
  fn: async () => {
    await using folder = await TemporaryFolder.create();
    const path = await emptyFile(folder, "volume", 512 * MIB);
    await folder.folder("root");
    await folder.write("root/file", numberedSectors(30 * MIB));
    await run("mkfs.ext4", ["-q", "-F", "-d", folder.file("root"), path]);
    await run("btrfs-convert", [path]);
    const used = await usedOf(path);
    await compareWithTools(path, used);
    const copy = folder.file("copy");
    await copyOf(path, used, copy);
    assertEquals((await tryRun("btrfs", ["check", "--readonly", copy])).code, 0);
    // And back again.
    await run("btrfs-convert", ["-r", copy]);
    assertEquals((await tryRun("e2fsck", ["-f", "-n", copy])).code, 0);
  },
});

Deno.test({
  name: "btrfs: what is committed is whole while it is mounted, its log is not",
  ignore: needs(...NEEDS_MOUNT),
  fn: async () => {
    await using folder = await TemporaryFolder.create();
    const path = await emptyFile(folder, "volume", 512 * MIB);
    await run("mkfs.btrfs", ["-q", path]);
    const mountPoint = await folder.folder("mounted");
    const committed = folder.file("committed");
    const logged = folder.file("logged");
    await whileMounted(path, mountPoint, async () => {
      await shell(
        'cd "$1"; for i in {1..300}; do echo $i > $i; done; sync; echo 1 > new',
        mountPoint,
      );
      await run("cp", ["--sparse=always", path, committed]);
      await run("xfs_io", ["-c", "pwrite 0 100k", "-c", "fsync", `${mountPoint}/9`]);
      await run("cp", ["--sparse=always", path, logged]);
    });
    await compareWithTools(committed, await usedOf(committed));
    const error = await assertRejects(() => usedOf(logged), FormatError);
    assertEquals(error.field, "log_root");
    const copy = folder.file("copy");
    await copyOf(committed, await usedOf(committed), copy);
    assertEquals((await tryRun("btrfs", ["check", "--readonly", copy])).code, 0);
  },
});

Deno.test({
  name: "btrfs: superblocks far out are used, and one that is newer is a doubt",
  ignore: needs(...NEEDS_TOOLS),
  fn: async () => {
    await using folder = await TemporaryFolder.create();
    const path = await emptyFile(folder, "volume", 257 * 1024 * MIB);
    await folder.folder("root");
    await folder.write("root/file", numberedSectors(3 * MIB));
    await run("mkfs.btrfs", ["-q", "--rootdir", folder.file("root"), path]);
    const used = await usedOf(path);
    assert(used.some((range) => range.offset === 2 ** 38 && range.length === 64 * KIB));
    assert(used.every((range) => endOf(range) < 2 ** 31 || range.offset === 2 ** 38));
    const copy = folder.file("copy");
    await copyOf(path, used, copy);
    const check = ["check", "--readonly", "--check-data-csum", copy];
    assertEquals((await tryRun("btrfs", check)).code, 0);
    // The first superblock is put back to what it was before a commit.
    const old = folder.file("old");
    await shell('dd if="$1" of="$2" bs=64K skip=1 count=1 status=none', copy, old);
    await run("btrfs", ["filesystem", "label", copy, "newer"]);
    await usedOf(copy);
    await shell('dd if="$2" of="$1" bs=64K seek=1 conv=notrunc status=none', copy, old);
    await assertRejects(() => usedOf(copy), FormatError, "is newer than the first one");
  },
});

Deno.test({
  name: "btrfs of kinds that cannot be told for certain is not looked into",
  ignore: needs("root", "losetup", ...NEEDS_TOOLS),
  fn: async () => {
    await using folder = await TemporaryFolder.create();
    const path = await emptyFile(folder, "volume", 512 * MIB);
    const other = await emptyFile(folder, "other", 512 * MIB);
    const make = (...args: string[]): Promise<string> =>
      run("mkfs.btrfs", ["-q", "-f", ...args]);
    await make(path, other);
    await assertRejects(() => usedOf(path), FormatError, "it is on 2 devices");
    for (const kind of ["xxhash", "blake2"]) {
      await make("--csum", kind, path);
      await assertRejects(() => usedOf(path), FormatError, "cannot be checked");
    }
    await make("-d", "raid0", path);
    await assertRejects(() => usedOf(path), FormatError, "laid out as RAID");
    await make(path);
    await run("btrfstune", ["-f", "-S", "1", path]);
    await assertRejects(() => usedOf(path), FormatError, "seed");
    await run("btrfstune", ["-f", "-S", "0", path]);
    await usedOf(path);
    await Deno.truncate(path, 511 * MIB);
    await assertRejects(() => usedOf(path), FormatError, "larger than the volume");
  },
});
