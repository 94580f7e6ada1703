/**
 * sectorshot and the tools that people use today, in turn (A B A B …) on the same work:
 * a loop device over a file on tmpfs, images on the same tmpfs. Whole processes, from
 * start to end. Prints medians, and the median of the ratios pair by pair.
 *
 * ```
 * deno task bench [--size 2G] [--pairs 5] [--only WORD]
 * deno task bench --rescue ...     (failing devices: see rescue.ts)
 * deno task bench --evidence ...   (E01 images: see evidence.ts)
 * deno task bench --small ...      (small and packed images: see small.ts)
 * ```
 *
 * Needs root (losetup, mount), coreutils, diffutils, dcfldd and dc3dd. Nothing else
 * should run meanwhile.
 */
import { parseArgs } from "@std/cli/parse-args";
import { parseByteCount } from "../../src/core/units.ts";
import { makeBenchDisk } from "./bench_data.ts";
import { digestProgram, median, programSeconds } from "./limits.ts";

const PERMISSIONS = ["--allow-read", "--allow-ffi", "--allow-env=NO_COLOR"];
const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** A command and its arguments. */
type Words = readonly string[];

/** One after the other, as one job. */
type Job = readonly Words[];

interface Row {
  readonly title: string;
  readonly ours: Job;
  readonly peers: readonly { readonly name: string; readonly job: Job }[];
  /** Our time may be at most this part of the fastest peer's. */
  readonly limit: number;
  /** Removed before each run. */
  readonly outputs: readonly string[];
}

/**
 * What no program on this runtime can go below: an empty program, and the digest of as
 * many bytes that are in memory already, on one core.
 */
const LIMITS: readonly (readonly [title: string, program: (size: number) => string])[] = [
  ["an empty program", () => ""],
  ["SHA-256 alone, in memory", (size) => digestProgram("sha256", size)],
  ["MD5 alone, in memory", (size) => digestProgram("md5", size)],
];

/** A whole process that must end within this many milliseconds. */
interface StartRow {
  readonly title: string;
  readonly ours: Words;
  readonly limitMilliseconds: number;
}

function sectorshot(...words: string[]): Words {
  return [Deno.execPath(), "run", "--quiet", ...PERMISSIONS, MAIN, ...words];
}

async function run(words: Words): Promise<string> {
  const [command = "", ...args] = words;
  const output = await new Deno.Command(command, { args, stdin: "null" }).output();
  const text = new TextDecoder().decode(output.stdout);
  if (output.success) return text.trim();
  throw new Error(`${words.join(" ")}: ${new TextDecoder().decode(output.stderr)}`);
}

/** Seconds that a job takes. */
async function time(job: Job, outputs: readonly string[]): Promise<number> {
  await run(["rm", "-f", ...outputs]);
  await run(["sync"]);
  const start = performance.now();
  for (const words of job) await run(words);
  return (performance.now() - start) / 1000;
}

function print(...cells: readonly string[]): void {
  const widths = [30, 34, 9, 9, 9, 9, 8];
  console.log(cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(" ").trimEnd());
}

async function measureRow(row: Row, pairs: number): Promise<void> {
  const ours: number[] = [];
  const theirs = row.peers.map((): number[] => []);
  for (let pair = -1; pair < pairs; pair++) {
    // The first round warms up and is not counted.
    const counted = pair >= 0;
    const mine = await time(row.ours, row.outputs);
    if (counted) ours.push(mine);
    for (const [index, { job }] of row.peers.entries()) {
      const seconds = await time(job, row.outputs);
      if (counted) theirs[index]?.push(seconds);
    }
  }
  const fastest = Math.min(...theirs.map(median));
  for (const [index, { name }] of row.peers.entries()) {
    const times = theirs[index] ?? [];
    const ratio = median(ours.map((seconds, pair) => seconds / (times[pair] ?? NaN)));
    const counts = median(times) === fastest;
    print(
      index === 0 ? row.title : "",
      name,
      median(ours).toFixed(2),
      median(times).toFixed(2),
      ratio.toFixed(3),
      counts && row.limit < Infinity ? row.limit.toFixed(2) : "-",
      counts && row.limit < Infinity ? (ratio <= row.limit ? "met" : "NOT MET") : "",
    );
  }
}

async function measureStart(row: StartRow, runs: number): Promise<void> {
  const times: number[] = [];
  for (let i = -1; i < runs; i++) {
    const seconds = await time([row.ours], []);
    if (i >= 0) times.push(seconds * 1000);
  }
  const middle = median(times);
  print(
    row.title,
    "whole process",
    `${middle.toFixed(0)} ms`,
    "-",
    "-",
    `${row.limitMilliseconds} ms`,
    middle <= row.limitMilliseconds ? "met" : "NOT MET",
  );
}

function jobs(folder: string, source: string, target: string): Row[] {
  const image = `${folder}/image.img`;
  const card = `${folder}/disk.img`;
  const outputs = [image, `${image}.sha256`, `${image}.md5`, `${image}.log`];
  return [
    {
      title: "read, no hash",
      ours: [sectorshot("read", source, image, "--hash", "none")],
      peers: [
        { name: "dd bs=1M", job: [["dd", `if=${source}`, `of=${image}`, "bs=1M"]] },
        {
          name: "dd bs=4M iflag=direct",
          job: [["dd", `if=${source}`, `of=${image}`, "bs=4M", "iflag=direct"]],
        },
      ],
      limit: 1.1,
      outputs,
    },
    {
      title: "read, no hash, no holes",
      ours: [sectorshot("read", source, image, "--hash", "none", "--no-sparse")],
      peers: [{
        name: "dd bs=4M iflag=direct",
        job: [["dd", `if=${source}`, `of=${image}`, "bs=4M", "iflag=direct"]],
      }],
      limit: Infinity,
      outputs,
    },
    {
      title: "read with SHA-256",
      ours: [sectorshot("read", source, image)],
      peers: [{
        name: "dcfldd hash=sha256 bs=1M",
        job: [["dcfldd", `if=${source}`, `of=${image}`, "hash=sha256", "bs=1M"]],
      }],
      limit: 0.3,
      outputs,
    },
    {
      title: "read with SHA-256",
      ours: [sectorshot("read", source, image)],
      peers: [{
        name: "dc3dd hash=sha256",
        job: [["dc3dd", `if=${source}`, `of=${image}`, "hash=sha256"]],
      }],
      limit: 0.35,
      outputs,
    },
    {
      title: "read with MD5 and SHA-256",
      ours: [sectorshot("read", source, image, "--hash", "md5,sha256")],
      peers: [{
        name: "dcfldd hash=md5,sha256 bs=1M",
        job: [["dcfldd", `if=${source}`, `of=${image}`, "hash=md5,sha256", "bs=1M"]],
      }],
      limit: 0.4,
      outputs,
    },
    {
      title: "hash DEVICE",
      ours: [sectorshot("hash", source)],
      peers: [{ name: "sha256sum", job: [["sha256sum", source]] }],
      limit: 0.25,
      outputs: [],
    },
    {
      title: "verify IMAGE DEVICE",
      ours: [sectorshot("verify", card, source)],
      peers: [{ name: "cmp", job: [["cmp", card, source]] }],
      limit: 0.8,
      outputs: [],
    },
    {
      title: "write with verify",
      ours: [sectorshot("write", card, target, "--yes")],
      peers: [{
        name: "dd bs=4M oflag=direct, then cmp",
        job: [
          ["dd", `if=${card}`, `of=${target}`, "bs=4M", "oflag=direct"],
          ["cmp", card, target],
        ],
      }],
      limit: 1.1,
      outputs: [],
    },
  ];
}

const STARTS: readonly StartRow[] = [
  { title: "--help", ours: sectorshot("--help"), limitMilliseconds: 150 },
  { title: "list", ours: sectorshot("list"), limitMilliseconds: 250 },
];

async function main(): Promise<void> {
  const options = parseArgs(Deno.args, { string: ["size", "pairs", "only"] });
  const size = parseByteCount(options.size ?? "2G") ?? NaN;
  const pairs = Number(options.pairs ?? 5);
  if (!(size >= 1024 * 1024) || !(pairs >= 1)) {
    throw new Error("usage: deno task bench [--size 2G] [--pairs 5] [--only WORD]");
  }
  const folder = await Deno.makeTempDir({ prefix: "sectorshot-bench-" });
  const undo: Words[] = [["rmdir", folder]];
  try {
    await run(["mount", "-t", "tmpfs", "-o", `size=${4 * size}`, "tmpfs", folder]);
    undo.unshift(["umount", folder]);
    console.log(`making a disk of ${size} bytes ...`);
    makeBenchDisk(`${folder}/disk.img`, size);
    // Written once, so that no run pays for its memory.
    await run(["dd", `if=${folder}/disk.img`, `of=${folder}/target.img`, "bs=4M"]);
    const source = await run(["losetup", "-f", "--show", "-r", `${folder}/disk.img`]);
    undo.unshift(["losetup", "-d", source]);
    const target = await run(["losetup", "-f", "--show", `${folder}/target.img`]);
    undo.unshift(["losetup", "-d", target]);
    print("job", "against", "ours", "theirs", "ratio", "at most", "");
    for (const row of jobs(folder, source, target)) {
      const words = `${row.title} ${row.peers.map(({ name }) => name).join(" ")}`;
      if (options.only === undefined || words.includes(options.only)) {
        await measureRow(row, pairs);
      }
    }
    for (const row of STARTS) {
      if (options.only === undefined || row.title.includes(options.only)) {
        await measureStart(row, pairs);
      }
    }
    for (const [title, program] of options.only === undefined ? LIMITS : []) {
      print("limit", title, (await programSeconds(program(size), pairs)).toFixed(2));
    }
    console.log(
      `medians of ${pairs} pairs, ${size} bytes, ${navigator.hardwareConcurrency} cores`,
    );
  } finally {
    for (const words of undo) await run(words);
  }
}

// Failing devices, against ddrescue; E01 images, against libewf's tools; small images.
if (Deno.args.includes("--rescue")) await import("./rescue.ts");
else if (Deno.args.includes("--evidence")) await import("./evidence.ts");
else if (Deno.args.includes("--small")) await import("./small.ts");
else await main();
