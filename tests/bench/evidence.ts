/**
 * E01 images: sectorshot and the tools of libewf in turn (A B A B …) on the same work, a
 * loop device over a file on tmpfs, images on the same tmpfs. Whole processes, on two
 * cores. Prints medians, and the median of the ratios pair by pair.
 *
 * ```
 * deno task bench --evidence [--size 2G] [--pairs 5] [--only WORD]
 * ```
 *
 * The first round warms up and is not counted: what it brought is compared with the
 * source. Needs root (losetup, mount), taskset, cmp and ewf-tools, and of memory four
 * times the size. Nothing else should run meanwhile.
 */
import { parseArgs } from "@std/cli/parse-args";
import { openLibcrypto } from "../../ffi/libcrypto.ts";
import { openLibdeflate } from "../../ffi/libdeflate.ts";
import { parseByteCount } from "../../src/core/units.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { CLI, run, shell, tryRun } from "../support/run_cli.ts";
import { Mounted, TemporaryFolder } from "../support/temporary.ts";
import { makeBenchDisk } from "./bench_data.ts";
import {
  digestProgram,
  median,
  medianSeconds,
  packProgram,
  programSeconds,
  runWords,
  withPrograms,
} from "./limits.ts";

/** A program and its arguments. */
type Words = readonly string[];

/** What every program is started with: all have the same cores. */
const ON_TWO_CORES: Words = ["taskset", "-c", "0,1"];

/** The largest part of their image's size that ours may have. */
const SIZE_LIMIT = 1.02;

/** Where everything lies. */
interface Places {
  /** The file below the device. */
  readonly content: string;
  readonly device: string;
  /** An image of ours, packed fast, for what reads images. */
  readonly image: string;
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
  /** Throws unless what lies in one of the folders is what should come out. */
  readonly check: (folder: string) => Promise<unknown>;
  /** Compare what both take, too? */
  readonly sized?: boolean;
}

function sectorshot(...words: string[]): Words {
  return [...CLI, ...words];
}

/** An image of the device; `ewf` is what ewfacquire is told beside. */
function readJob(
  places: Places,
  job: { title: string; options: Words; ewf: Words; limit: number; sized?: boolean },
): Job {
  const { device, content, ours, theirs } = places;
  return {
    ...job,
    ours: sectorshot("read", device, `${ours}/image.E01`, ...job.options),
    theirs: ["ewfacquire", "-u", "-q", ...job.ewf, "-t", `${theirs}/image`, device],
    check: async (folder) => {
      await run("ewfverify", ["-q", `${folder}/image.E01`]);
      // ewfexport puts a word behind the bytes.
      await shell(
        'ewfexport -u -q -f raw -t - "$1" |' +
          '{ cmp --bytes=$(stat -c %s "$2") - "$2" && cat > /dev/null; }',
        `${folder}/image.E01`,
        content,
      );
    },
  };
}

function jobs(places: Places): readonly Job[] {
  const { image, content, ours, theirs } = places;
  return [
    readJob(places, {
      title: "read to E01, fast, MD5",
      options: ["--hash", "md5", "--compression", "fast"],
      ewf: ["-c", "deflate:fast"],
      limit: 0.25,
      sized: true,
    }),
    readJob(places, {
      title: "read to E01, best, MD5",
      options: ["--hash", "md5", "--compression", "best"],
      ewf: ["-c", "deflate:best"],
      limit: 0.3,
    }),
    readJob(places, {
      title: "read to E01, none, MD5 and SHA-256",
      options: ["--hash", "md5,sha256", "--compression", "none"],
      ewf: ["-c", "deflate:none", "-d", "sha256"],
      limit: 0.6,
    }),
    {
      title: "verify E01",
      ours: sectorshot("verify", image),
      theirs: ["ewfverify", "-q", image],
      limit: 0.5,
      check: () => refuseDamage(image),
    },
    {
      title: "read E01 back to raw",
      ours: sectorshot("convert", image, `${ours}/out.img`, "--hash", "none"),
      theirs: ["ewfexport", "-u", "-q", "-f", "raw", "-t", `${theirs}/out`, image],
      limit: 0.5,
      // ewfexport cuts large ones, and writes down what it did.
      check: (folder) =>
        shell(
          'find "$1" -type f ! -name "*.info" | sort | xargs cat | cmp - "$2"',
          folder,
          content,
        ),
    },
  ];
}

/** Does `verify` see one changed byte? An image that is not looked at is verified soonest. */
async function refuseDamage(image: string): Promise<void> {
  const place = Math.floor((await Deno.stat(image)).size / 2);
  const flip = async (): Promise<void> => {
    using file = await Deno.open(image, { read: true, write: true });
    const byte = new Uint8Array(1);
    await file.seek(place, Deno.SeekMode.Start);
    await file.read(byte);
    byte[0] = ~(byte[0] ?? 0);
    await file.seek(place, Deno.SeekMode.Start);
    await file.write(byte);
  };
  await flip();
  const [program = "", ...args] = sectorshot("verify", image);
  const { code } = await tryRun(program, args);
  await flip();
  if (code === 0) throw new Error(`verify did not see that byte ${place} of the image changed`);
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

/** Bytes of all that lies in a folder. */
async function sizeOf(folder: string): Promise<number> {
  let size = 0;
  for await (const { name } of Deno.readDir(folder)) {
    size += (await Deno.stat(`${folder}/${name}`)).size;
  }
  return size;
}

function print(...cells: readonly string[]): void {
  const widths = [42, 12, 12, 8, 8, 8];
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
  const sizes: number[] = [];
  for (
    const [folder, words] of [[places.ours, job.ours], [places.theirs, job.theirs]] as const
  ) {
    await time(places, words);
    await job.check(folder);
    sizes.push(await sizeOf(folder));
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
  const [mine = NaN, other = NaN] = sizes;
  if (job.sized) printRow("  its size", [`${mine}`, `${other}`], mine / other, SIZE_LIMIT);
}

/** Above this size threads are started: 16 MiB. */
const SMALL_BYTES = 17 * 1024 * 1024;

/** Seconds from start to end where there is next to nothing to do. */
async function startingSeconds(places: Places, runs: number): Promise<number> {
  const small = `${places.content}.small`;
  await shell('head -c "$1" "$2" > "$3"', String(SMALL_BYTES), places.content, small);
  const words = sectorshot("read", small, `${places.ours}/image.E01`, "--hash", "md5");
  const seconds = await togetherSeconds(places, [words], runs);
  await Deno.remove(small);
  return seconds;
}

/** Gets the bytes from the device into a file. */
function copyWords({ device, theirs }: Places): Words {
  return [
    "dd",
    `if=${device}`,
    `of=${theirs}/copy.img`,
    "bs=4M",
    "iflag=direct",
    "status=none",
  ];
}

/** Seconds in which all of this is done, at the same time. */
async function togetherSeconds(
  places: Places,
  jobs: readonly Words[],
  runs: number,
): Promise<number> {
  return await medianSeconds(
    runs,
    () => Promise.all(jobs.map((words) => runWords([...ON_TWO_CORES, ...words]))),
    async () => {
      await empty(places);
      await run("sync", []);
    },
  );
}

/**
 * One digest runs on one core, and two cores do two seconds of work in a second. The program
 * has to start, and nothing is read, hashed or packed before.
 */
async function printLimits(places: Places, size: number, runs: number): Promise<void> {
  const row = (title: string, seconds: number): void =>
    print(`limit: ${title}`, seconds.toFixed(2));
  const start = await startingSeconds(places, runs);
  const md5 = await programSeconds(digestProgram("md5", size), runs);
  const sha256 = await programSeconds(digestProgram("sha256", size), runs);
  const copying = await togetherSeconds(places, [copyWords(places)], runs);
  const digests = ["md5", "sha256"].map((name) => digestProgram(name, size));
  const together = await withPrograms(
    digests,
    (commands) => togetherSeconds(places, [...commands, copyWords(places)], runs),
  );
  row(`starting, and ${SMALL_BYTES} bytes`, start);
  row("MD5 alone, in memory", md5);
  row("SHA-256 alone, in memory", sha256);
  row("dd to a file", copying);
  row("none, verify: starting and MD5", start + md5);
  row("none: all of it on two cores", start + (md5 + sha256 + copying) / 2);
  row("none: MD5, SHA-256 and dd at once", together);
  for (const [name, level] of [["fast", 1], ["best", 9]] as const) {
    const packing = await programSeconds(packProgram(places.content, level), runs);
    row(`packing alone, ${name}`, packing);
    row(`${name}: all of it on two cores`, start + (md5 + packing + copying) / 2);
  }
}

async function main(): Promise<void> {
  const options = parseArgs(Deno.args, {
    string: ["size", "pairs", "only"],
    default: { size: "2G", pairs: "5" },
  });
  const size = parseByteCount(options.size) ?? NaN;
  const pairs = Number(options.pairs);
  if (!(size >= 1024 * 1024) || !(pairs >= 1)) {
    throw new Error("usage: deno task bench --evidence [--size 2G] [--pairs 5] [--only WORD]");
  }
  await using outside = await TemporaryFolder.create();
  const memory = await outside.folder("memory");
  await using _memory = await Mounted.memory(memory, 4 * size + 64 * 2 ** 20);
  const content = `${memory}/disk.img`;
  console.log(`making a disk of ${size} bytes ...`);
  makeBenchDisk(content, size);
  await using device = await LoopDevice.create(content, { readOnly: true });
  const places: Places = {
    content,
    device: device.path,
    image: `${memory}/image.E01`,
    ours: `${memory}/ours`,
    theirs: `${memory}/theirs`,
  };
  await Deno.mkdir(places.ours);
  await Deno.mkdir(places.theirs);
  const [program = "", ...args] = sectorshot(
    ...["read", device.path, places.image, "--hash", "md5", "--compression", "fast"],
  );
  await run(program, args);
  print("job", "ours", "theirs", "ratio", "at most");
  for (const job of jobs(places)) {
    if (job.title.includes(options.only ?? "")) await measure(places, job, pairs);
  }
  if (options.only === undefined || options.only === "limit") {
    await printLimits(places, size, pairs);
  }
  const cores = Math.min(2, navigator.hardwareConcurrency);
  console.log(`medians of ${pairs} pairs, ${size} bytes, ${cores} cores`);
  const has = (library: unknown): string => library === undefined ? "no" : "with";
  console.log(`${has(openLibcrypto())} libcrypto, ${has(openLibdeflate())} libdeflate`);
}

await main();
