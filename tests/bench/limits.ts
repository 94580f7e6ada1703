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
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(path, program);
    const times: number[] = [];
    for (let i = -1; i < runs; i++) {
      const start = performance.now();
      await run(Deno.execPath(), [
        ...["run", "--quiet", "--config", CONFIG, "--allow-read", "--allow-ffi", path],
      ]);
      if (i >= 0) times.push((performance.now() - start) / 1000);
    }
    return median(times);
  } finally {
    await Deno.remove(path);
  }
}
