/**
 * Images that are smaller than their disks: sectorshot and the programs that people use
 * today in turn (A B A B …) on the same card of 4 GiB (small_card.ts), loop devices and
 * images on one tmpfs. Whole processes, on two cores. Prints medians, and the median of the
 * ratios pair by pair.
 *
 * ```
 * deno task bench --small [--pairs 5] [--only WORD]
 * ```
 *
 * What is written to a device is the card as `read --used` brings it, packed by gzip and xz:
 * such are the images that people keep. The first round warms up and is not counted: what it
 * brought is compared with what it should be. Needs root (losetup, mount), taskset, cmp,
 * sfdisk, dosfstools, e2fsprogs, mtools, zstd, pigz, xz and bmaptool, and 16 GiB of memory.
 * Nothing else should run meanwhile.
 */
import { parseArgs } from "@std/cli/parse-args";
import { LoopDevice } from "../support/loop_device.ts";
import { CLI, run, shell } from "../support/run_cli.ts";
import { Mounted, TemporaryFolder } from "../support/temporary.ts";
import { sfdiskTable } from "../volumes/image_tools.ts";
import { digestProgram, median, programSeconds } from "./limits.ts";
import { makeSmallCard } from "./small_card.ts";

const GIB = 1024 ** 3;
const MEMORY_BYTES = 16 * GIB;

/** Bytes of `st_blocks`. */
const BLOCK_BYTES = 512;

/** The largest part of the used bytes that an image of them may take. */
const SIZE_LIMIT = 1.02;

/** A program and its arguments. */
type Words = readonly string[];

/** What every program is started with: all have the same cores. */
const ON_TWO_CORES: Words = ["taskset", "-c", "0,1"];

/** Where everything lies. */
interface Places {
  /** The card, and a device of it. */
  readonly card: string;
  readonly cardDevice: string;
  /** What `read --used` brings of it, and a device of that. */
  readonly used: string;
  readonly usedDevice: string;
  /** The same with a block map beside it. */
  readonly mapped: string;
  /** The same, packed; `used.img.gz`, `used.img.xz`. */
  readonly gzip: string;
  readonly xz: string;
  /** A device to write to. */
  readonly target: string;
  /** Empty folders to mount on. */
  readonly points: readonly [string, string];
  /** Folders for what comes out; emptied before each run. */
  readonly ours: string;
  readonly theirs: string;
}

/** Something that both can do. */
interface Job {
  readonly title: string;
  readonly ours: Words;
  readonly theirs: Words;
  /** Our time may be at most this part of theirs. */
  readonly limit: number;
  /** Before the round that is checked: leaves nothing of an earlier one. */
  readonly prepare?: () => Promise<unknown>;
  /** Throws unless what came out is what should: in one of the folders, or on the target. */
  readonly check: (folder: string) => Promise<unknown>;
  /** Compare what ours takes with this many bytes, too? */
  readonly wantedBytes?: () => Promise<number>;
}

function sectorshot(...words: string[]): Words {
  return [...CLI, ...words];
}

/** A line of shell as a program. `$1` … are `args`. */
function line(text: string, ...args: string[]): Words {
  return ["bash", "-o", "pipefail", "-c", text, "bash", ...args];
}

function jobs(places: Places): readonly Job[] {
  // The one that takes longest comes last.
  return [...readJobs(places), ...writeJobs(places), pigzJob(places)];
}

function readJobs(places: Places): readonly Job[] {
  const { card, cardDevice, used, usedDevice, ours, theirs } = places;
  return [
    {
      title: "read --used, against a full read",
      ours: sectorshot("read", "--used", cardDevice, `${ours}/out.img`),
      theirs: sectorshot("read", cardDevice, `${theirs}/out.img`),
      limit: 0.35,
      check: (folder) => compareFiles(places, `${folder}/out.img`),
      wantedBytes: () => usedBytes(places),
    },
    {
      title: "the same, --hash none",
      ours: sectorshot("read", "--used", cardDevice, `${ours}/out.img`, "--hash", "none"),
      theirs: sectorshot("read", cardDevice, `${theirs}/out.img`, "--hash", "none"),
      limit: 0.35,
      check: (folder) => compareFiles(places, `${folder}/out.img`),
    },
    {
      title: "read to .img.zst, against dd | zstd",
      ours: sectorshot("read", cardDevice, `${ours}/out.img.zst`),
      theirs: line(
        'dd if="$1" bs=1M status=none | zstd -T2 -q -o "$2"',
        cardDevice,
        `${theirs}/out.img.zst`,
      ),
      limit: 1,
      check: (folder) => shell('zstd -dc "$1" | cmp - "$2"', `${folder}/out.img.zst`, card),
    },
    {
      title: "sparse read, against dd conv=sparse",
      ours: sectorshot("read", usedDevice, `${ours}/out.img`, "--hash", "none"),
      theirs: [
        ...["dd", `if=${usedDevice}`, `of=${theirs}/out.img`],
        ...["bs=1M", "conv=sparse", "status=none"],
      ],
      limit: 1,
      check: (folder) => run("cmp", [`${folder}/out.img`, used]),
    },
  ];
}

function pigzJob({ card, cardDevice, ours, theirs }: Places): Job {
  return {
    title: "read to .img.gz, against dd | pigz",
    ours: sectorshot("read", cardDevice, `${ours}/out.img.gz`),
    theirs: line(
      'dd if="$1" bs=1M status=none | pigz -p 2 > "$2"',
      cardDevice,
      `${theirs}/out.img.gz`,
    ),
    limit: 0.6,
    check: (folder) => shell('gunzip -c "$1" | cmp - "$2"', `${folder}/out.img.gz`, card),
  };
}

function writeJobs({ used, mapped, gzip, xz, target }: Places): readonly Job[] {
  const outcome = {
    prepare: () => run("blkdiscard", [target]),
    check: () => run("cmp", [used, target]),
  };
  const unpackTo = 'dd of="$2" bs=1M iflag=fullblock oflag=direct status=none';
  return [
    {
      ...outcome,
      title: "write .img.gz, against gunzip | dd, cmp",
      ours: sectorshot("write", gzip, target, "--yes"),
      theirs: line(`gunzip -c "$1" | ${unpackTo} && cmp "$3" "$2"`, gzip, target, used),
      limit: 0.8,
    },
    {
      ...outcome,
      title: "write .img.xz, against xz | dd",
      ours: sectorshot("write", xz, target, "--yes", "--no-verify"),
      theirs: line(`xz -dc "$1" | ${unpackTo}`, xz, target),
      limit: 2,
    },
    {
      ...outcome,
      title: "write with bmap, against bmaptool copy",
      ours: sectorshot("write", mapped, target, "--yes", "--no-verify"),
      theirs: ["bmaptool", "--quiet", "copy", "--bmap", `${mapped}.bmap`, mapped, target],
      limit: 1,
    },
  ];
}

/** A partition of the card: bytes. */
interface Place {
  readonly offset: number;
  readonly length: number;
}

/** The boot partition and the root partition. */
async function partitionsOf(card: string): Promise<readonly [Place, Place]> {
  const { partitions, sectorsize } = await sfdiskTable(card);
  const [boot, root] = partitions.map(({ start, size }) => ({
    offset: start * sectorsize,
    length: size * sectorsize,
  }));
  if (boot === undefined || root === undefined) throw new Error("the card has no partitions");
  return [boot, root];
}

/** Both file systems of the image hold the files of the card. */
async function compareFiles({ card, points }: Places, image: string): Promise<void> {
  const [boot, root] = await partitionsOf(card);
  await using folder = await TemporaryFolder.create();
  for (const [index, path] of [card, image].entries()) {
    const files = await folder.folder(String(index));
    // Not every kernel has FAT.
    await run("mcopy", ["-s", "-Q", "-i", `${path}@@${boot.offset}`, "::", files]);
  }
  await run("diff", ["--recursive", folder.file("0"), folder.file("1")]);
  // Parts of devices: mount(8) refuses a second loop over a file that has one.
  await using cardDevice = await LoopDevice.create(card, { readOnly: true });
  await using imageDevice = await LoopDevice.create(image, { readOnly: true });
  const [theirs, ours] = [
    await cardDevice.addPartition(2, root.offset, root.length),
    await imageDevice.addPartition(2, root.offset, root.length),
  ];
  await using expected = await Mounted.create(theirs, points[0], "-o", "ro");
  await using found = await Mounted.create(ours, points[1], "-o", "ro");
  await run("diff", ["--recursive", "--no-dereference", expected.path, found.path]);
  // Not lazily: the places are needed again.
  await run("umount", [expected.path]);
  await run("umount", [found.path]);
}

/** What the file systems use, as their own tools count it, and what lies before partitions. */
async function usedBytes({ card }: Places): Promise<number> {
  const [boot, root] = await partitionsOf(card);
  await using device = await LoopDevice.create(card, { readOnly: true });
  const fat = await usedFatBytes(await device.addPartition(1, boot.offset, boot.length));
  const ext = await usedExtBytes(await device.addPartition(2, root.offset, root.length));
  const outside = root.offset - boot.length;
  return fat + ext + outside;
}

async function usedExtBytes(device: string): Promise<number> {
  const text = await run("dumpe2fs", ["-h", device]);
  const field = (name: string): number =>
    numberIn(text, new RegExp(`^${name}:\\s+(\\d+)`, "m"));
  return (field("Block count") - field("Free blocks")) * field("Block size");
}

async function usedFatBytes(device: string): Promise<number> {
  const text = await run("fsck.fat", ["-n", "-v", device]);
  const dataOffset = numberIn(text, /Data area starts at byte (\d+)/);
  const clusterBytes = numberIn(text, /(\d+) bytes per cluster/);
  return dataOffset + numberIn(text, /(\d+)\/\d+ clusters/) * clusterBytes;
}

function numberIn(text: string, pattern: RegExp): number {
  const value = Number(pattern.exec(text)?.[1]);
  if (!Number.isSafeInteger(value)) throw new Error(`${pattern} is not in:\n${text}`);
  return value;
}

/** Bytes that a file takes in its file system. */
async function storedBytes(path: string): Promise<number> {
  return ((await Deno.stat(path)).blocks ?? NaN) * BLOCK_BYTES;
}

/** Removes what lies in both folders. */
async function empty({ ours, theirs }: Places): Promise<void> {
  for (const folder of [ours, theirs]) {
    for await (const { name } of Deno.readDir(folder)) await Deno.remove(`${folder}/${name}`);
  }
}

/** Seconds that a program takes. */
async function time(places: Places, words: Words): Promise<number> {
  await empty(places);
  await run("sync", []);
  const [program = "", ...args] = [...ON_TWO_CORES, ...words];
  const start = performance.now();
  await run(program, args);
  return (performance.now() - start) / 1000;
}

function print(...cells: readonly string[]): void {
  const widths = [40, 12, 12, 8, 8, 8];
  console.log(cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(" ").trimEnd());
}

function printRow(
  title: string,
  values: readonly [ours: string, theirs: string],
  ratio: number,
  limit: number,
): void {
  const met = ratio <= limit ? "met" : "NOT MET";
  print(title, ...values, ratio.toFixed(3), limit.toFixed(2), met);
}

async function measure(places: Places, job: Job, pairs: number): Promise<void> {
  let stored = NaN;
  for (
    const [folder, words] of [[places.theirs, job.theirs], [places.ours, job.ours]] as const
  ) {
    await job.prepare?.();
    await time(places, words);
    await job.check(folder);
    if (job.wantedBytes !== undefined) stored = await storedBytes(`${folder}/out.img`);
  }
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    ours.push(await time(places, job.ours));
    theirs.push(await time(places, job.theirs));
  }
  const ratio = median(ours.map((seconds, pair) => seconds / (theirs[pair] ?? NaN)));
  const seconds = [median(ours).toFixed(2), median(theirs).toFixed(2)] as const;
  printRow(job.title, seconds, ratio, job.limit);
  if (job.wantedBytes === undefined) return;
  const wanted = await job.wantedBytes();
  const sizes = [`${stored}`, `${wanted}`] as const;
  printRow("  bytes stored, against bytes in use", sizes, stored / wanted, SIZE_LIMIT);
}

/** Makes what the jobs need beside the card: `used` and `mapped`. */
async function makeImages(card: string, folder: TemporaryFolder): Promise<[string, string]> {
  const used = folder.file("used.img");
  // A block map would be found beside packed images of the same name, too.
  const mapped = folder.file("mapped.img");
  const [program = "", ...args] = sectorshot("read", "--used", card, mapped, "--bmap");
  await run(program, args);
  await run("cp", ["--sparse=always", mapped, used]);
  await shell('gzip -c "$1" > "$1.gz" && xz -T2 -2 -c "$1" > "$1.xz"', used);
  return [used, mapped];
}

/** A little more than what is hashed without a thread of its own. */
const SMALL_BYTES = 18 * 1024 * 1024;

/** One digest runs on one core, and a program has to start. */
async function printLimits(places: Places, runs: number): Promise<void> {
  const row = (title: string, seconds: number): void =>
    print(`limit: ${title}`, seconds.toFixed(2));
  for (const [title, bytes] of [["card", 4 * GIB], ["used bytes", await usedBytes(places)]]) {
    const seconds = await programSeconds(digestProgram("sha256", Number(bytes)), runs);
    row(`SHA-256 of the ${title}, in memory`, seconds);
  }
  const small = `${places.ours}/../small.img`;
  await shell('head -c "$1" "$2" > "$3"', String(SMALL_BYTES), places.used, small);
  const words = sectorshot("write", small, places.target, "--yes", "--no-verify");
  const times: number[] = [];
  for (let i = -1; i < runs; i++) {
    const seconds = await time(places, words);
    if (i >= 0) times.push(seconds);
  }
  await Deno.remove(small);
  row(`starting, and writing ${SMALL_BYTES} bytes`, median(times));
}

async function main(): Promise<void> {
  const options = parseArgs(Deno.args, {
    string: ["pairs", "only"],
    default: { pairs: "5" },
  });
  const pairs = Number(options.pairs);
  if (!(pairs >= 1)) {
    throw new Error("usage: deno task bench --small [--pairs 5] [--only WORD]");
  }
  await using outside = await TemporaryFolder.create();
  const memory = await outside.folder("memory");
  await using _memory = await Mounted.memory(memory, MEMORY_BYTES);
  // Temporary folders are made there from now on.
  Deno.env.set("TMPDIR", memory);
  await using folder = await TemporaryFolder.create();
  console.log("making a card of 4 GiB ...");
  const card = await makeSmallCard(folder);
  await using cardDevice = await LoopDevice.create(card, { readOnly: true });
  console.log("packing what is used of it ...");
  const [used, mapped] = await makeImages(cardDevice.path, folder);
  await using usedDevice = await LoopDevice.create(used, { readOnly: true });
  const target = await folder.write("target.img", new Uint8Array());
  await Deno.truncate(target, (await Deno.stat(card)).size);
  await using targetDevice = await LoopDevice.create(target);
  const places: Places = {
    card,
    cardDevice: cardDevice.path,
    used,
    usedDevice: usedDevice.path,
    mapped,
    gzip: `${used}.gz`,
    xz: `${used}.xz`,
    target: targetDevice.path,
    points: [await folder.folder("point1"), await folder.folder("point2")],
    ours: await folder.folder("ours"),
    theirs: await folder.folder("theirs"),
  };
  print("job", "ours", "theirs", "ratio", "at most");
  for (const job of jobs(places)) {
    if (job.title.includes(options.only ?? "")) await measure(places, job, pairs);
  }
  if (options.only === undefined) {
    await printLimits(places, pairs);
  }
  const cores = Math.min(2, navigator.hardwareConcurrency);
  console.log(`medians of ${pairs} pairs, 4 GiB, ${cores} cores`);
}

await main();
