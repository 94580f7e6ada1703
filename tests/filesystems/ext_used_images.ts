/** Volumes of ext2/3/4 that e2fsprogs made, and what they say is in use. */
import { assert, assertEquals } from "@std/assert";
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import { endOf, gapsBetween, mergeRanges, type Range } from "../../src/core/range.ts";
import { ext } from "../../src/filesystems/ext.ts";
import { run, tryRun } from "../support/run_cli.ts";
import { FileSource } from "../volumes/image_tools.ts";

/** Everything that the tests of this family ask of e2fsprogs. */
export const E2FSPROGS = ["mke2fs", "debugfs", "dumpe2fs", "e2fsck", "resize2fs", "tune2fs"];

/** The value, which must be there. */
export function present<T>(value: T | null | undefined, what: string): T {
  if (value === undefined || value === null) throw new Error(`there is no ${what}`);
  return value;
}

/** A file of zeros that costs no room. */
export async function makeSparse(path: string, size: number): Promise<void> {
  await Deno.writeFile(path, new Uint8Array());
  await Deno.truncate(path, size);
}

/** Makes a file system in a new file; `options` as `mke2fs` takes them. */
export async function mke2fs(
  path: string,
  size: number,
  options: readonly string[],
): Promise<void> {
  await makeSparse(path, size);
  await run("mke2fs", ["-q", "-F", ...options, path]);
  // It does not count what it takes from a folder.
  if (options.join(" ").includes("quota")) await tryRun("e2fsck", ["-f", "-y", path]);
}

/** Lets debugfs do these things, one after the other. */
export async function debugfs(path: string, commands: readonly string[]): Promise<void> {
  const script = await Deno.makeTempFile({ prefix: "sectorshot-test-" });
  try {
    await Deno.writeTextFile(script, commands.join("\n") + "\n");
    await run("debugfs", ["-w", "-f", script, path]);
  } finally {
    await Deno.remove(script);
  }
}

/** What dumpe2fs says of a volume. */
export interface Dump {
  /** Bytes of a block, of the file system. */
  readonly blockBytes: number;
  readonly bytes: number;
  /** Bytes that it calls free, ascending, joined. */
  readonly free: readonly Range[];
  /** All that it printed. */
  readonly text: string;
}

/** Asks dumpe2fs. */
export async function dumpe2fs(path: string): Promise<Dump> {
  const text = await run("dumpe2fs", [path]);
  const field = (name: string): number => {
    const match = new RegExp(`^${name}: +(\\d+)$`, "m").exec(text);
    return Number(present(match, `"${name}" from dumpe2fs`)[1]);
  };
  const blockBytes = field("Block size");
  const bytes = field("Block count") * blockBytes;
  // Where there are clusters, the last block that is named is the first one of its cluster.
  const unit = Number(/^Cluster size: +(\d+)$/m.exec(text)?.[1] ?? blockBytes);
  const free: Range[] = [];
  for (const [, list = ""] of text.matchAll(/^ {2}Free blocks: (.*)$/gm)) {
    for (const part of list.split(", ").filter((part) => part !== "")) {
      const [first = 0, last = first] = part.split("-").map(Number);
      const end = Math.min(last * blockBytes + unit, bytes);
      free.push({ offset: first * blockBytes, length: end - first * blockBytes });
    }
  }
  return {
    blockBytes,
    bytes,
    free: mergeRanges(free),
    text,
  };
}

/** A source that remembers how it was read. */
export class CountingSource implements BlockSource {
  readonly name = "counting";
  readonly size: number;
  readonly sectorSize = 512;
  readonly #source: BlockSource;
  reads = 0;
  bytes = 0;
  largest = 0;

  constructor(source: BlockSource) {
    this.#source = source;
    this.size = source.size;
  }

  async readAt(offset: number, into: Bytes): Promise<number> {
    assert(offset % 512 === 0 && offset + into.length <= this.size);
    this.reads++;
    this.bytes += into.length;
    this.largest = Math.max(this.largest, into.length);
    return await this.#source.readAt(offset, into);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source[Symbol.asyncDispose]();
  }
}

/** What our own code says is in use. */
export async function usedRanges(volume: BlockSource): Promise<readonly Range[]> {
  return await present(ext.usedRanges, "usedRanges")(volume);
}

/** What our own code says is in use in an image. */
export async function usedOf(path: string): Promise<readonly Range[]> {
  await using source = new FileSource(path);
  return await usedRanges(source);
}

/** Boot code and superblock are ours to copy, whatever bitmaps say. */
const HEAD_BYTES = 2048;

/**
 * Are these exactly the blocks that dumpe2fs does not call free, and what is in front of and
 * behind the blocks of the file system?
 */
export async function assertSameAsDumpe2fs(
  path: string,
  used: readonly Range[],
): Promise<void> {
  const { size } = await Deno.stat(path);
  const { free } = await dumpe2fs(path);
  const whole = { offset: 0, length: size };
  const head = { offset: 0, length: HEAD_BYTES };
  const expected = mergeRanges([head, ...gapsBetween(whole, free)]);
  assertEquals(used, expected);
  assert(used.every((range) => range.length > 0 && endOf(range) <= size));
}

/** Copies these bytes into a new file; all else is zero there. */
export async function copyRanges(
  from: string,
  to: string,
  ranges: readonly Range[],
): Promise<void> {
  const { size } = await Deno.stat(from);
  await makeSparse(to, size);
  using source = await Deno.open(from);
  using target = await Deno.open(to, { write: true });
  const buffer = new Uint8Array(1024 * 1024);
  for (const range of ranges) {
    for (let at = range.offset; at < endOf(range);) {
      const piece = buffer.subarray(0, Math.min(buffer.length, endOf(range) - at));
      source.seekSync(at, Deno.SeekMode.Start);
      const count = source.readSync(piece) ?? 0;
      assert(count > 0);
      // Holes stay holes.
      if (piece.subarray(0, count).some((byte) => byte !== 0)) {
        target.seekSync(at, Deno.SeekMode.Start);
        for (let done = 0; done < count;) done += target.writeSync(piece.subarray(done, count));
      }
      at += count;
    }
  }
}

/** Is the file system without any fault? */
export async function assertClean(path: string): Promise<void> {
  const { code, stdout, stderr } = await tryRun("e2fsck", ["-f", "-n", path]);
  assertEquals(code, 0, `e2fsck ended with ${code}: ${stdout}${stderr}`);
}

/** Takes all files out of a volume, into a new folder. */
export async function rdump(path: string, folder: string): Promise<void> {
  await Deno.mkdir(folder);
  await run("debugfs", ["-R", `rdump / ${folder}`, path]);
}

/** Do both folders hold the same? `lost+found`, which a volume has of itself, is left out. */
export async function assertSameFolder(actual: string, expected: string): Promise<void> {
  await run("diff", ["-r", "--no-dereference", "-x", "lost+found", actual, expected]);
}

/**
 * Copies what is in use into a file of its own, where no fault is found, and every file has
 * its bytes.
 */
export async function assertCopyIsWhole(path: string, folder: string): Promise<void> {
  const used = await usedOf(path);
  await assertSameAsDumpe2fs(path, used);
  const copy = `${path}.copy`;
  await copyRanges(path, copy, used);
  await assertClean(path);
  await assertClean(copy);
  await rdump(path, `${folder}/original`);
  await rdump(copy, `${folder}/copied`);
  await assertSameFolder(`${folder}/copied`, `${folder}/original`);
}
