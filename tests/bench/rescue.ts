/**
 * `sectorshot read` and `ddrescue -d` in turn (A B A B …) on the same failing devices:
 * rescued bytes, time to the end, time to 99 % of what is readable, failing reads as the
 * device counts them. Medians, and medians of the ratios pair by pair.
 *
 * ```
 * deno task bench --rescue [--pairs 5] [--only WORD] [--failure MILLISECONDS]
 *   [--dead SIZE] [--direct] [--sector-size 4096]
 * ```
 *
 * Failing reads cost 50 ms each, others nothing extra. A dead area of 64 MiB takes two
 * hours a run, a quarter of an hour with sectors of 4096 bytes: `--dead 1M` or `--failure 1`
 * for a quick look. `--direct` lets 512 bytes fail together, as on a drive; without it the
 * page cache between rounds to 4 KiB.
 *
 * Needs root (losetup), nbdfuse, fusermount3 and ddrescue, and 4 GiB of memory.
 * Nothing else should run meanwhile.
 */
import { parseArgs } from "@std/cli/parse-args";
import { parseMapFile } from "../../src/copy/map_file.ts";
import { totalLength } from "../../src/core/range.ts";
import { parseByteCount } from "../../src/core/units.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { CLI, run, shell } from "../support/run_cli.ts";
import { Mounted, TemporaryFolder } from "../support/temporary.ts";
import { median } from "./limits.ts";
import {
  type BenchDisk,
  DISK_KINDS,
  DISK_TITLES,
  type DiskSettings,
  holdSame,
  makeBenchDisk,
  writeContent,
} from "./rescue_disks.ts";

/** What care may cost on a healthy disk: being ready for a rescue, looking for zeros. */
const COST_LIMIT = 1.03;

/** How often the size of the image is looked at. */
const POLL_MILLISECONDS = 10;

/** What a run came to. */
interface Run {
  readonly seconds: number;
  /** Seconds until 99 % of what is readable was in the image. */
  readonly secondsTo99: number;
  readonly rescuedBytes: number;
  readonly failures: number;
  readonly reads: number;
}

interface Tool {
  readonly name: string;
  readonly words: (
    device: string,
    image: string,
    map: string,
    sectorSize: number,
  ) => readonly string[];
}

const OURS: Tool = {
  name: "sectorshot",
  words: (device, image, map) => [
    ...CLI,
    "read",
    device,
    image,
    "--hash",
    "none",
    "--map",
    map,
  ],
};
const THEIRS: Tool = {
  name: "ddrescue -d",
  words: (device, image, map, sectorSize) => [
    ...["ddrescue", "-q", "-d", `--sector-size=${sectorSize}`, device, image, map],
  ],
};

/** Bytes that a file takes; 0 when there is none. */
async function storedBytes(path: string): Promise<number> {
  try {
    return ((await Deno.stat(path)).blocks ?? 0) * 512;
  } catch {
    return 0;
  }
}

async function measure(tool: Tool, folder: TemporaryFolder, bench: BenchDisk): Promise<Run> {
  const image = folder.file("image.img");
  const map = folder.file("image.map");
  for (const path of [image, `${image}.part`, map, `${map}.bak`]) {
    await Deno.remove(path).catch(() => {});
  }
  await dropCaches();
  await bench.disk.counts();
  const [program = "", ...args] = tool.words(bench.disk.path, image, map, bench.sectorSize);
  const start = performance.now();
  const child = new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let secondsTo99 = NaN;
  let isRunning = true;
  const watch = async (): Promise<void> => {
    while (isRunning && Number.isNaN(secondsTo99)) {
      const stored = Math.max(await storedBytes(image), await storedBytes(`${image}.part`));
      if (stored >= 0.99 * bench.readableBytes) {
        secondsTo99 = (performance.now() - start) / 1000;
      } else await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
    }
  };
  const watching = watch();
  const { code, stderr } = await child.output();
  const seconds = (performance.now() - start) / 1000;
  isRunning = false;
  await watching;
  if (code !== 0 && code !== 4) {
    throw new Error(`${tool.name}: exit code ${code}: ${new TextDecoder().decode(stderr)}`);
  }
  const { failures, reads } = await bench.disk.counts();
  const kept = await Deno.readTextFile(map).catch(() => undefined);
  const rescued = kept === undefined
    ? [{ offset: 0, length: bench.size }]
    : parseMapFile(kept, map).map.ranges("+");
  if (!await holdSame(image, bench.content, rescued)) {
    throw new Error(`${tool.name}: the image does not hold what its map calls rescued`);
  }
  return { seconds, secondsTo99, rescuedBytes: totalLength(rescued), failures, reads };
}

/**
 * The page cache of the loop device's file would answer the second program. The programs
 * themselves come back into it: how fast they are read from this machine's disk is not asked.
 */
async function dropCaches(): Promise<void> {
  await new Deno.Command("sync").output();
  await shell("echo 1 > /proc/sys/vm/drop_caches");
  await run("ddrescue", ["--help"]);
  const [program = "", ...args] = CLI;
  await run(program, [...args, "read", "--help"]);
}

function print(...cells: readonly string[]): void {
  const widths = [34, 22, 14, 14, 8, 8, 8];
  console.log(cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(" ").trimEnd());
}

/** What is compared, and the largest ratio allowed. */
const MEASURES: readonly (readonly [
  title: string,
  value: (run: Run) => number,
  limit: number,
  digits: number,
])[] = [
  ["seconds to the end", (run) => run.seconds, 1, 2],
  ["seconds to 99 %", (run) => run.secondsTo99, 0.9, 2],
  ["failing reads", (run) => run.failures, 1, 0],
  ["all reads", (run) => run.reads, Infinity, 0],
];

function printRows(
  title: string,
  bench: BenchDisk,
  pairs: readonly (readonly [Run, Run])[],
): void {
  const rescued = (index: 0 | 1): number =>
    Math.min(...pairs.map((pair) => pair[index].rescuedBytes));
  const missing = (index: 0 | 1): number => bench.readableBytes - rescued(index);
  print(
    title,
    "readable bytes left",
    String(missing(0)),
    String(missing(1)),
    "",
    "",
    missing(0) <= Math.max(0, missing(1)) ? "met" : "NOT MET",
  );
  for (const [name, value, limit, digits] of MEASURES) {
    const ratio = median(pairs.map(([ours, theirs]) => value(ours) / value(theirs)));
    print(
      "",
      name,
      median(pairs.map(([ours]) => value(ours))).toFixed(digits),
      median(pairs.map(([, theirs]) => value(theirs))).toFixed(digits),
      ratio.toFixed(3),
      limit < Infinity ? limit.toFixed(2) : "-",
      limit < Infinity && !Number.isNaN(ratio) ? ratio <= limit ? "met" : "NOT MET" : "",
    );
  }
}

/** Bytes of ddrescue's requests (manual 1.27, --cluster-size), and of most of ours. */
const REQUEST_BYTES = 64 * 1024;

/** Seconds in which a device without bad sectors is read by such requests, one at a time. */
async function healthySeconds(
  folder: TemporaryFolder,
  content: string,
  settings: DiskSettings,
): Promise<number> {
  const bench = await makeBenchDisk(folder, content, { ...settings, kind: "healthy" });
  await using _disk = bench.disk;
  const times: number[] = [];
  for (let run = 0; run < 3; run++) {
    await dropCaches();
    const start = performance.now();
    await shell(
      'dd if="$1" of=/dev/null bs="$2" iflag=direct status=none',
      bench.disk.path,
      String(REQUEST_BYTES),
    );
    times.push((performance.now() - start) / 1000);
  }
  return median(times);
}

/**
 * Before 99 % are read nearly every bad place has failed once, and nearly all else was read:
 * nobody who asks for one thing at a time is faster. Each bad place fails once in a request
 * and once by itself, and the first one before that in a large request: who begins at full
 * speed does not know of it.
 */
function printLimits(
  { bad }: BenchDisk,
  failureMilliseconds: number,
  seconds: number,
  theirs: Pick<Run, "secondsTo99" | "failures">,
): void {
  const row = (title: string, least: number, other: number, digits: number): void =>
    print(
      "",
      `limit: ${title}`,
      least.toFixed(digits),
      other.toFixed(digits),
      (least / other).toFixed(3),
    );
  const to99 = bad.length * failureMilliseconds / 1000 + seconds;
  row("to 99 %", to99, theirs.secondsTo99, 2);
  row("failing reads", 2 * bad.length + 1, theirs.failures, 0);
}

/** What a process took: seconds by the clock, and of its processors. */
interface Cost {
  readonly wall: number;
  readonly processor: number;
}

async function costOf(words: readonly string[], outputs: readonly string[]): Promise<Cost> {
  for (const path of outputs) await Deno.remove(path).catch(() => {});
  await new Deno.Command("sync").output();
  const text = await shell(
    "TIMEFORMAT='%R %U %S'; { time \"$@\" > /dev/null 2> /dev/null; } 2>&1",
    ...words,
  );
  const [wall = NaN, user = NaN, system = NaN] = text.trim().split(" ").map(Number);
  return { wall, processor: user + system };
}

/** What is always done while a healthy disk is read, and the words that leave it out. */
const COSTS: readonly (readonly [title: string, without: readonly string[]])[] = [
  ["ready for a rescue", ["--on-error", "zero"]],
  ["looking for zeros", ["--no-sparse"]],
];

/** By the clock that is as unsteady as the machine, so by its processors, too. */
async function printCosts(
  folder: TemporaryFolder,
  content: string,
  pairs: number,
): Promise<void> {
  await using device = await LoopDevice.create(content, { readOnly: true });
  const image = folder.file("healthy.img");
  const words = [...CLI, "read", device.path, image, "--hash", "none"];
  print("care on a healthy disk", "measure", "with it", "without", "ratio", "limit");
  for (const [title, without] of COSTS) {
    const runs: (readonly [ours: Cost, without: Cost])[] = [];
    for (let pair = -1; pair < pairs; pair++) {
      const ours = await costOf(words, [image]);
      const other = await costOf([...words, ...without], [image]);
      if (pair >= 0) runs.push([ours, other]);
    }
    printCost(title, "seconds", runs.map(([ours, other]) => [ours.wall, other.wall]));
    printCost("", "processor seconds", runs.map(([a, b]) => [a.processor, b.processor]));
  }
}

function printCost(
  title: string,
  measure: string,
  pairs: readonly (readonly [ours: number, without: number])[],
): void {
  const ratio = median(pairs.map(([ours, without]) => ours / without));
  print(
    title,
    measure,
    median(pairs.map(([ours]) => ours)).toFixed(2),
    median(pairs.map(([, without]) => without)).toFixed(2),
    ratio.toFixed(3),
    COST_LIMIT.toFixed(2),
    ratio <= COST_LIMIT ? "met" : "NOT MET",
  );
}

async function main(): Promise<void> {
  const options = parseArgs(Deno.args, {
    string: ["pairs", "only", "failure", "dead", "sector-size"],
    boolean: ["direct"],
    default: { pairs: "5", failure: "50", dead: "64M", "sector-size": "512" },
  });
  await using outside = await TemporaryFolder.create();
  await using _memory = await Mounted.memory(await outside.folder("memory"), 4 * 2 ** 30);
  Deno.env.set("TMPDIR", outside.file("memory"));
  await using folder = await TemporaryFolder.create();
  const content = folder.file("content.img");
  await writeContent(content, 2 ** 30);
  const isAskedFor = (word: string): boolean => word.includes(options.only ?? "");
  if (isAskedFor("cost")) {
    await printCosts(folder, content, Math.max(11, Number(options.pairs)));
  }
  const kinds = DISK_KINDS.filter(isAskedFor);
  if (kinds.length > 0) {
    print("device", "measure", OURS.name, THEIRS.name, "ratio", "limit");
  }
  for (const kind of kinds) {
    const settings = {
      kind,
      failureMilliseconds: Number(options.failure),
      deadBytes: parseByteCount(options.dead) ?? 64 * 2 ** 20,
      direct: options.direct,
      sectorSize: Number(options["sector-size"]),
    };
    const bench = await makeBenchDisk(folder, content, settings);
    await using _disk = bench.disk;
    const pairs: (readonly [Run, Run])[] = [];
    for (let pair = 0; pair < Number(options.pairs); pair++) {
      const ours = await measure(OURS, folder, bench);
      pairs.push([ours, await measure(THEIRS, folder, bench)]);
    }
    printRows(DISK_TITLES[kind], bench, pairs);
    if (kind !== "scattered") continue;
    const theirs = (value: (run: Run) => number): number =>
      median(pairs.map(([, run]) => value(run)));
    const seconds = await healthySeconds(folder, content, settings);
    printLimits(bench, Number(options.failure), seconds, {
      secondsTo99: theirs((run) => run.secondsTo99),
      failures: theirs((run) => run.failures),
    });
  }
}

await main();
