/** Image files that other programs made, and sources that watch how they are read. */
import { assert, assertEquals } from "@std/assert";
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import { gapsBetween, type Range } from "../../src/core/range.ts";

/** Answers of a program that was expected to succeed. */
export interface ToolOutput {
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program with an optional text on its standard input.
 *
 * @throws {Error} with what it said on stderr when it fails, or ends with a code
 * that is not among `codes`.
 */
export async function run(
  tool: string,
  args: readonly string[],
  input = "",
  codes: readonly number[] = [0],
): Promise<ToolOutput> {
  const path = `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin`;
  const child = new Deno.Command(tool, {
    args: [...args],
    env: { PATH: path, LC_ALL: "C.UTF-8" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [output] = await Promise.all([
    child.output(),
    // A program that needs no input may have closed it.
    new Blob([input]).stream().pipeTo(child.stdin).catch((error: unknown) => {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }),
  ]);
  const decoder = new TextDecoder();
  const stdout = decoder.decode(output.stdout);
  const stderr = decoder.decode(output.stderr);
  if (!codes.includes(output.code)) {
    throw new Error(`${tool} ${args.join(" ")} ended with ${output.code}: ${stdout}${stderr}`);
  }
  return { stdout, stderr };
}

/** A sparse file of `size` bytes in a directory of its own; both go when disposed. */
export class ImageFile implements AsyncDisposable {
  readonly path: string;
  readonly #directory: string;

  constructor(size: number) {
    this.#directory = Deno.makeTempDirSync({ prefix: "sectorshot-test-" });
    this.path = `${this.#directory}/disk.img`;
    Deno.writeFileSync(this.path, new Uint8Array());
    Deno.truncateSync(this.path, size);
  }

  /** All of it in memory. */
  async bytes(): Promise<Bytes> {
    return await Deno.readFile(this.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#directory, { recursive: true });
  }
}

/** An image file as a medium, for images that are too large for memory. */
export class FileSource implements BlockSource {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly #file: Deno.FsFile;

  constructor(path: string, sectorSize = 512) {
    this.name = path;
    this.sectorSize = sectorSize;
    this.#file = Deno.openSync(path);
    this.size = this.#file.seekSync(0, Deno.SeekMode.End);
  }

  readAt(offset: number, into: Bytes): Promise<number> {
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    let count = 0;
    while (count < into.length) {
      const more = this.#file.readSync(into.subarray(count));
      if (more === null) break;
      count += more;
    }
    return Promise.resolve(count);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#file.close();
    return Promise.resolve();
  }
}

/** Bytes in memory that fail the test when asked for anything but their whole sectors. */
export class StrictSource implements BlockSource {
  readonly name = "strict";
  readonly size: number;
  readonly sectorSize: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, sectorSize = 512) {
    this.#bytes = bytes;
    this.size = bytes.length;
    this.sectorSize = sectorSize;
  }

  readAt(offset: number, into: Bytes): Promise<number> {
    assert(Number.isSafeInteger(offset) && offset >= 0, `reads at ${offset}`);
    assert(offset + into.length <= this.size, `reads ${into.length} bytes at ${offset}`);
    // As raw devices want it; what an odd size leaves over at the end is excepted.
    assertEquals(offset % this.sectorSize, 0, `reads at ${offset}`);
    if (offset + into.length < this.size) assertEquals(into.length % this.sectorSize, 0);
    into.set(this.#bytes.subarray(offset, offset + into.length));
    return Promise.resolve(into.length);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** The image with one byte of it inverted. */
export function withFlippedByte(bytes: Uint8Array, offset: number): Uint8Array {
  const copy = bytes.slice();
  copy[offset] = ~(copy[offset] ?? 0);
  return copy;
}

/** Numbers below `limit` in an order that only the seed decides (a 32-bit xorshift). */
export function seededNumbers(seed: number): (limit: number) => number {
  let state = seed | 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

/** What `sfdisk --json` says; numbers are sectors. */
export interface SfdiskTable {
  readonly label: string;
  readonly id: string;
  readonly sectorsize: number;
  readonly partitions: readonly {
    readonly node: string;
    readonly start: number;
    readonly size: number;
    readonly type: string;
    readonly uuid?: string;
    readonly name?: string;
    readonly attrs?: string;
    readonly bootable?: boolean;
  }[];
}

/** Asks sfdisk how an image or device is divided. */
export async function sfdiskTable(path: string): Promise<SfdiskTable> {
  const { stdout } = await run("sfdisk", ["--json", path]);
  const { partitiontable } = JSON.parse(stdout) as { partitiontable: SfdiskTable };
  return partitiontable;
}

/** The room that mmls (The Sleuth Kit) calls unallocated and that holds no table. */
export async function mmlsGaps(path: string, diskSize: number): Promise<Range[]> {
  const { stdout } = await run("mmls", ["-B", path]);
  const free: Range[] = [];
  const tables: Range[] = [];
  for (const line of stdout.split("\n")) {
    const match = /^\d+:\s+(\S+)\s+(\d+)\s+(\d+)\s+\d+\s+\S+\s+(.*)$/.exec(line);
    if (match === null) continue;
    const [, slot, first, last, description] = match;
    const offset = Number(first) * 512;
    const range = { offset, length: (Number(last) + 1) * 512 - offset };
    if (description === "Unallocated") free.push(range);
    else if (slot === "Meta" && !/^(DOS|Win95|Linux) Extended/.test(description ?? "")) {
      tables.push(range);
    }
  }
  const allocated = gapsBetween({ offset: 0, length: diskSize }, free);
  return gapsBetween({ offset: 0, length: diskSize }, [...allocated, ...tables]);
}
