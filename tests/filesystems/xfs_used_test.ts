/** What XFS uses, compared with xfs_db, xfs_repair and the kernel. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { FormatError } from "../../src/core/errors.ts";
import { endOf, gapsBetween, piecesOf, type Range, totalLength } from "../../src/core/range.ts";
import { xfs } from "../../src/filesystems/xfs.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { run, shell, tryRun } from "../support/run_cli.ts";
import { Mounted, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { FileSource } from "../volumes/image_tools.ts";

const MIB = 1024 * 1024;
const NEEDS_TOOLS = ["mkfs.xfs", "xfs_db", "xfs_repair"];
const NEEDS_MOUNT = ["root", "losetup", "mount", "xfs_io", ...NEEDS_TOOLS];

/** A kind of volume. */
interface Variant {
  readonly name: string;
  readonly options: readonly string[];
  readonly sectorSize?: number;
  /** Bytes behind the end of the file system. */
  readonly tail?: number;
  /** Of its largest tree of free space, so that it is known to have nodes. */
  readonly levels?: number;
}

const VARIANTS: readonly Variant[] = [
  { name: "as it is made today", options: [] },
  {
    name: "with a reverse map, blocks of 1 KiB and three groups",
    options: ["-m", "rmapbt=1", "-b", "size=1024", "-d", "agcount=3"],
    tail: 3 * 512,
    levels: 2,
  },
  {
    name: "with sectors of 4 KiB and a log in stripes",
    options: ["-s", "size=4096", "-l", "su=65536"],
    sectorSize: 4096,
    tail: 100 * 4096,
  },
  {
    name: "without most features",
    options: ["-m", "finobt=0,reflink=0,bigtime=0", "-i", "sparse=0"],
  },
];

/** Makes a volume in a file. */
async function makeVolume(
  folder: TemporaryFolder,
  { options, sectorSize = 512, tail = 0 }: Variant,
): Promise<string> {
  const path = await folder.write("volume", new Uint8Array());
  const size = 320 * MIB;
  await Deno.truncate(path, size);
  await using device = await LoopDevice.create(path, { sectorSize });
  await run("mkfs.xfs", ["-q", "-f", ...options, device.path]);
  await Deno.truncate(path, size + tail);
  return path;
}

/** Does something to a volume while it is mounted. */
async function whileMounted(
  path: string,
  mountPoint: string,
  work: (device: LoopDevice) => Promise<unknown>,
  sectorSize = 512,
): Promise<void> {
  await using device = await LoopDevice.create(path, { sectorSize });
  await using _mounted = await Mounted.create(device.path, mountPoint, "-t", "xfs");
  await work(device);
  await run("umount", [mountPoint]);
}

/** Files of all sizes, holes between them, hard links, clones, preallocated room. */
const FILL = `
set -e; text() { yes "$1" | head -c "$2" || true; }
cd "$1"; mkdir -p many few/deep
for i in {1..2400}; do printf '%04d%0900d' $i $i > many/$i; done
for i in {1..60}; do text "line of $i" $((i * 7919)) > few/$i; done
sync; rm many/*[13579]; rm few/*5; sync
for i in {1..9}; do text "again $i" $((i * 40009)) > few/deep/$i; done
cp --reflink=auto few/9 few/clone; ln few/8 few/link; ln -s 7 few/symbolic
fallocate -l 3M few/room; truncate -s 50M few/sparse; echo end >> few/sparse
`;

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
  const { usedRanges } = xfs;
  if (usedRanges === undefined) throw new Error("xfs does not tell what it uses");
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

/** A field of a structure, as xfs_db reads it. */
async function fieldOf(path: string, structure: string, field: string): Promise<number> {
  const text = await run("xfs_db", ["-r", "-f", "-c", structure, "-c", `print ${field}`, path]);
  return Number(/= (\d+)/.exec(text)?.[1]);
}

/** What xfs_db calls free, bytes; blocks that are held back for the trees are among it. */
async function freeOf(path: string): Promise<readonly Range[]> {
  const block = await fieldOf(path, "sb 0", "blocksize");
  const perGroup = await fieldOf(path, "sb 0", "agblocks");
  const text = await run("xfs_db", ["-r", "-f", "-c", "freesp -d", path]);
  return [...text.matchAll(/^ *(\d+) +(\d+) +(\d+) *$/gm)].map((match) => {
    const [group = 0, first = 0, count = 0] = match.slice(1).map(Number);
    return { offset: (group * perGroup + first) * block, length: count * block };
  });
}

/** Nothing but free blocks is skipped, and all free blocks but those that are held back. */
async function compareWithXfsDb(path: string, used: readonly Range[]): Promise<void> {
  const { size } = await Deno.stat(path);
  const whole = { offset: 0, length: size };
  const free = gapsBetween(whole, gapsBetween(whole, await freeOf(path)));
  const skipped = gapsBetween(whole, used);
  const wronglySkipped = skipped.filter((gap) =>
    !free.some((range) => range.offset <= gap.offset && endOf(range) >= endOf(gap))
  );
  assertEquals(wronglySkipped, []);
  const block = await fieldOf(path, "sb 0", "blocksize");
  let heldBack = 0;
  for (let group = 0; group < await fieldOf(path, "sb 0", "agcount"); group++) {
    heldBack += block * await fieldOf(path, `agf ${group}`, "flcount");
  }
  assertEquals(totalLength(free) - totalLength(skipped), heldBack);
  assert(totalLength(skipped) > size / 2, "hardly anything is skipped");
}

for (const variant of VARIANTS) {
  Deno.test({
    name: `XFS ${variant.name}: a copy of what is used is all that is there`,
    ignore: needs(...NEEDS_MOUNT),
    fn: async () => {
      await using folder = await TemporaryFolder.create();
      const path = await makeVolume(folder, variant);
      const mountPoint = await folder.folder("mounted");
      let before = "";
      await whileMounted(path, mountPoint, async () => {
        await shell(FILL, mountPoint);
        before = await contentOf(mountPoint);
      }, variant.sectorSize);
      if (variant.levels !== undefined) {
        const levels = [0, 1, 2].map((group) => fieldOf(path, `agf ${group}`, "bnolevel"));
        assertEquals(Math.max(...await Promise.all(levels)), variant.levels);
      }
      const used = await usedOf(path, variant.sectorSize);
      await compareWithXfsDb(path, used);
      const copy = folder.file("copy");
      await copyOf(path, used, copy);
      assertEquals((await tryRun("xfs_repair", ["-n", "-f", copy])).code, 0);
      await whileMounted(copy, mountPoint, async () => {
        assertEquals(await contentOf(mountPoint), before);
      }, variant.sectorSize);
      if (variant.tail !== undefined) {
        const { size } = await Deno.stat(path);
        const last = used.at(-1);
        assert(last !== undefined && endOf(last) === size && last.length >= variant.tail);
      }
    },
  });
}

const MADE: readonly Variant[] = [
  { name: "version 4", options: ["-m", "crc=0"] },
  { name: "version 4, sectors of a block", options: ["-m", "crc=0", "-b", "size=512"] },
  { name: "version 4, counters up to date", options: ["-m", "crc=0", "-l", "lazy-count=0"] },
  { name: "version 4, old log", options: ["-m", "crc=0", "-l", "version=1"] },
  { name: "blocks of 64 KiB", options: ["-b", "size=65536"] },
];

for (const variant of MADE) {
  Deno.test({
    name: `XFS just made, ${variant.name}: what is used is what xfs_db does not call free`,
    ignore: needs(...NEEDS_TOOLS),
    fn: async () => {
      await using folder = await TemporaryFolder.create();
      const path = await folder.write("volume", new Uint8Array());
      await Deno.truncate(path, 512 * MIB);
      await folder.write("data", new Uint8Array(300_000).fill(7));
      const prototype = await folder.write(
        "prototype",
        `/dev/null\n0 0\nd--755 0 0\ndata ---644 0 0 ${folder.file("data")}\n$\n`,
      );
      await run("mkfs.xfs", ["-q", "-f", ...variant.options, "-p", prototype, path]);
      const used = await usedOf(path);
      await compareWithXfsDb(path, used);
      const copy = folder.file("copy");
      await copyOf(path, used, copy);
      assertEquals((await tryRun("xfs_repair", ["-n", "-f", copy])).code, 0);
    },
  });
}

Deno.test({
  name: "an XFS whose log must be replayed is not looked into, until it was",
  ignore: needs(...NEEDS_MOUNT),
  fn: async () => {
    await using folder = await TemporaryFolder.create();
    const path = await makeVolume(folder, { name: "", options: [] });
    const mountPoint = await folder.folder("mounted");
    await whileMounted(path, mountPoint, async () => {
      await shell('for i in {1..50}; do echo $i > "$1/$i"; done', mountPoint);
      await run("xfs_io", ["-x", "-c", "shutdown -f", mountPoint]);
    });
    const error = await assertRejects(() => usedOf(path), FormatError);
    assertEquals(error.field, "log");
    assertStringIncludes(error.message, "its log holds changes");
    await whileMounted(path, mountPoint, () => Promise.resolve());
    await compareWithXfsDb(path, await usedOf(path));
  },
});

Deno.test({
  name: "an XFS whose log was thrown away by xfs_repair has a clean one",
  ignore: needs(...NEEDS_MOUNT),
  fn: async () => {
    await using folder = await TemporaryFolder.create();
    const path = await makeVolume(folder, { name: "", options: [] });
    const mountPoint = await folder.folder("mounted");
    await whileMounted(path, mountPoint, async () => {
      await shell('for i in {1..50}; do echo $i > "$1/$i"; done', mountPoint);
      await run("xfs_io", ["-x", "-c", "shutdown -f", mountPoint]);
    });
    await assertRejects(() => usedOf(path), FormatError, "log");
    await tryRun("xfs_repair", ["-L", "-f", path]);
    await compareWithXfsDb(path, await usedOf(path));
  },
});

Deno.test({
  name: "an XFS with another UUID than its blocks, made larger",
  ignore: needs("xfs_growfs", ...NEEDS_MOUNT),
  fn: async () => {
    await using folder = await TemporaryFolder.create();
    const path = await makeVolume(folder, { name: "", options: [] });
    await run("xfs_db", ["-x", "-p", "xfs_admin", "-c", "uuid generate", path]);
    await compareWithXfsDb(path, await usedOf(path));
    await Deno.truncate(path, 500 * MIB + 12345);
    const mountPoint = await folder.folder("mounted");
    await whileMounted(path, mountPoint, () => run("xfs_growfs", [mountPoint]));
    await compareWithXfsDb(path, await usedOf(path));
  },
});

Deno.test({
  name: "XFS without a free block",
  ignore: needs(...NEEDS_MOUNT),
  fn: async () => {
    await using folder = await TemporaryFolder.create();
    const path = await makeVolume(folder, { name: "", options: ["-m", "crc=1,reflink=0"] });
    const mountPoint = await folder.folder("mounted");
    await whileMounted(path, mountPoint, () =>
      shell(
        'for b in 1M 4k; do dd if=/dev/zero of="$1/$b" bs=$b status=none || true; done; ' +
          'xfs_io -x -c "resblks 0" "$1"; dd if=/dev/zero of="$1/x" bs=4k status=none || true',
        mountPoint,
      ));
    const used = await usedOf(path);
    const { size } = await Deno.stat(path);
    assert(totalLength(used) > size * 0.99);
    assertEquals((await tryRun("xfs_repair", ["-n", "-f", path])).code, 0);
  },
});

Deno.test({
  name: "XFS: the smallest log, gone round, on a volume that is used for a while",
  ignore: needs(...NEEDS_MOUNT),
  fn: async () => {
    await using folder = await TemporaryFolder.create();
    const path = await folder.write("volume", new Uint8Array());
    await Deno.truncate(path, 320 * MIB);
    // "--unsupported" allows logs as they were made in the past.
    await run("mkfs.xfs", ["--unsupported", "-q", "-l", "size=13m", path]);
    const mountPoint = await folder.folder("mounted");
    let head = 0;
    let rounds = 0;
    for (let turn = 0; turn < 4; turn++) {
      await whileMounted(path, mountPoint, async () => {
        await shell(
          'mkdir "$1/$2"; cd "$1/$2"; mkdir {1..8000}; sync; touch {1..8000}/x; sync; rm -r *7',
          mountPoint,
          String(turn),
        );
      });
      await compareWithXfsDb(path, await usedOf(path));
      const log = await run("xfs_logprint", ["-t", path]);
      assertStringIncludes(log, "<CLEAN>");
      const newHead = Number(/head: (\d+)/.exec(log)?.[1]);
      if (newHead < head) rounds++;
      head = newHead;
    }
    assert(rounds > 0, "the log never went round");
  },
});

/** A log of which the last record says "unmounted", and the round in which it stands. */
function logBytes(sectors: number, record: number, cycle: number, uuid: Uint8Array): DataView {
  const view = new DataView(new ArrayBuffer(sectors * 512));
  const head = (record + 2) % sectors;
  for (let sector = 0; sector < sectors; sector++) {
    view.setUint32(sector * 512, sector < head || head === 0 ? cycle : cycle - 1);
  }
  const round = record + 2 > sectors ? cycle - 1 : cycle;
  const at = record * 512;
  for (const [offset, value] of [[0, 0xfeedbabe], [4, round], [8, 2], [12, 512]] as const) {
    view.setUint32(at + offset, value);
  }
  for (
    const [offset, value] of [[16, round], [20, record], [24, round], [28, record]] as const
  ) {
    view.setUint32(at + offset, value);
  }
  for (const [offset, value] of [[40, 1], [300, 1], [320, 32768]] as const) {
    view.setUint32(at + offset, value);
  }
  uuid.forEach((byte, index) => view.setUint8(at + 304 + index, byte));
  const operation = (record + 1) % sectors * 512;
  view.setUint32(operation + 4, 8);
  view.setUint16(operation + 8, 0xaa20);
  view.setUint16(operation + 12, 0x556e, true);
  return view;
}

Deno.test({
  name: "XFS: a log is clean when xfs_logprint says so, wherever it ends",
  ignore: needs("xfs_logprint", ...NEEDS_TOOLS),
  fn: async () => {
    await using folder = await TemporaryFolder.create();
    const path = await folder.write("volume", new Uint8Array());
    await Deno.truncate(path, 320 * MIB);
    await run("mkfs.xfs", ["--unsupported", "-q", "-l", "size=13m,agnum=1", path]);
    const block = await fieldOf(path, "sb 0", "blocksize");
    const logStart = await fieldOf(path, "sb 0", "logstart");
    const perGroup = 2 ** await fieldOf(path, "sb 0", "agblklog");
    const start = block *
      (await fieldOf(path, "sb 0", "agblocks") * Math.floor(logStart / perGroup) +
        logStart % perGroup);
    const sectors = await fieldOf(path, "sb 0", "logblocks") * block / 512;
    const uuid = (await Deno.readFile(path)).slice(32, 48);
    using file = await Deno.open(path, { write: true });
    const expectState = async (view: DataView, isClean: boolean): Promise<void> => {
      await file.seek(start, Deno.SeekMode.Start);
      const bytes = new Uint8Array(view.buffer as ArrayBuffer);
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      const { stdout } = await tryRun("xfs_logprint", ["-t", path]);
      assertEquals(stdout.includes("<CLEAN>"), isClean);
      if (isClean) await compareWithXfsDb(path, await usedOf(path));
      else await assertRejects(() => usedOf(path), FormatError, "its log holds changes");
    };
    for (const record of [0, 1, 12345, sectors - 3, sectors - 2, sectors - 1]) {
      await expectState(logBytes(sectors, record, 7, uuid), true);
    }
    await expectState(logBytes(sectors, 0, 1, uuid), true);
    // Two operations; one that says something else.
    const spoil: readonly ((view: DataView) => void)[] = [
      (view) => view.setUint32(500 * 512 + 40, 2),
      (view) => view.setUint8(501 * 512 + 9, 1),
    ];
    for (const change of spoil) {
      const view = logBytes(sectors, 500, 7, uuid);
      change(view);
      await expectState(view, false);
    }
  },
});

Deno.test({
  name: "XFS on several devices, or not completely made, is not looked into",
  ignore: needs(...NEEDS_TOOLS),
  fn: async () => {
    await using folder = await TemporaryFolder.create();
    const path = await folder.write("volume", new Uint8Array());
    const other = await folder.write("other", new Uint8Array());
    await Deno.truncate(path, 320 * MIB);
    await Deno.truncate(other, 64 * MIB);
    await run("mkfs.xfs", ["-q", "-f", "-l", `logdev=${other},size=64m`, path]);
    await assertRejects(() => usedOf(path), FormatError, "its log is on another device");
    await run("mkfs.xfs", ["-q", "-f", "-r", `rtdev=${other}`, path]);
    await assertRejects(() => usedOf(path), FormatError, "realtime");
    await run("mkfs.xfs", ["-q", "-f", path]);
    await Deno.truncate(path, 319 * MIB);
    await assertRejects(() => usedOf(path), FormatError, "larger than the volume");
    await Deno.truncate(path, 320 * MIB);
    await run("xfs_db", ["-x", "-f", "-c", "sb 0", "-c", "write -d inprogress 1", path]);
    await assertRejects(() => usedOf(path), FormatError, "not completely made");
  },
});
