/** What no program on this runtime can go below: measured beside the jobs, as whole processes. */
import { run } from "../support/run_cli.ts";

/** What the names of packages stand for. */
const CONFIG = new URL("../../deno.json", import.meta.url).pathname;

/** The value in the middle; of an even number the mean of the two there. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** A program that hashes so many bytes of memory, on one core, as sectorshot does. */
export function digestProgram(name: string, size: number): string {
  const hashes = JSON.stringify(new URL("../../src/hashes/all.ts", import.meta.url).href);
  return `import { ${name} } from ${hashes};
    const bytes = new Uint8Array(4 * 1024 * 1024);
    const hasher = await ${name}.create();
    for (let left = ${size}; left > 0; left -= bytes.length) hasher.update(bytes);
    hasher.digest();`;
}

/** A program that packs a file in pieces of 32 KiB on one core, zeros and noise left out. */
export function packProgram(path: string, level: number): string {
  const source = (name: string): string =>
    JSON.stringify(new URL(`../../src/copy/${name}`, import.meta.url).href);
  return `import { ZlibPieces } from ${source("zlib_pieces.ts")};
    import { isNoise } from ${source("noise.ts")};
    const file = Deno.openSync(${JSON.stringify(path)});
    const bytes = new Uint8Array(1024 * 1024);
    const pieces = new ZlibPieces();
    while (file.readSync(bytes) === bytes.length) {
      const head = bytes.subarray(0, 32 * 1024);
      if (head.every((byte) => byte === 0) || isNoise(head)) continue;
      pieces.pack(bytes, 32 * 1024, { packing: "zlib", level: ${level} });
    }`;
}

/** Median of the seconds that a program takes, from start to end; the first is not counted. */
export async function programSeconds(program: string, runs: number): Promise<number> {
  return await withPrograms([program], async ([words = []]) => {
    return await medianSeconds(runs, () => runWords(words));
  });
}

/** Does something with commands that run these programs. */
export async function withPrograms<Result>(
  programs: readonly string[],
  use: (commands: readonly (readonly string[])[]) => Promise<Result>,
): Promise<Result> {
  const folder = await Deno.makeTempDir();
  try {
    const commands = await Promise.all(programs.map(async (program, index) => {
      const path = `${folder}/${index}.ts`;
      await Deno.writeTextFile(path, program);
      const flags = ["--quiet", "--config", CONFIG, "--allow-read", "--allow-ffi"];
      return [Deno.execPath(), "run", ...flags, path];
    }));
    return await use(commands);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Median of the seconds that something takes; the first is not counted. */
export async function medianSeconds(
  runs: number,
  work: () => Promise<unknown>,
  prepare: () => Promise<unknown> = () => Promise.resolve(),
): Promise<number> {
  const times: number[] = [];
  for (let i = -1; i < runs; i++) {
    await prepare();
    const start = performance.now();
    await work();
    if (i >= 0) times.push((performance.now() - start) / 1000);
  }
  return median(times);
}

/** Runs a program with its arguments. */
export async function runWords([program = "", ...args]: readonly string[]): Promise<void> {
  await run(program, args);
}
