/** What the tests of used ranges share. */
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import type { Range } from "../../src/core/range.ts";
import type { FileSystem } from "../../src/filesystems/file_system.ts";
import { run, tryRun } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { FileSource } from "../volumes/image_tools.ts";

/** What a volume uses; nothing when the file system cannot tell. */
export async function usedRangesOf(
  fileSystem: FileSystem,
  volume: BlockSource,
): Promise<readonly Range[]> {
  return await fileSystem.usedRanges?.(volume) ?? [];
}

/** The same of an image file. */
export async function usedRangesOfFile(
  fileSystem: FileSystem,
  path: string,
): Promise<readonly Range[]> {
  await using volume = new FileSource(path);
  return await usedRangesOf(fileSystem, volume);
}

/** The same, and how long the reads were. */
export async function usedRangesAndReads(
  fileSystem: FileSystem,
  path: string,
): Promise<{ readonly ranges: readonly Range[]; readonly lengths: readonly number[] }> {
  await using file = new FileSource(path);
  const lengths: number[] = [];
  const ranges = await usedRangesOf(fileSystem, {
    name: file.name,
    size: file.size,
    sectorSize: file.sectorSize,
    readAt(offset, into): Promise<number> {
      lengths.push(into.length);
      return file.readAt(offset, into);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
  return { ranges, lengths };
}

/** The sectors that blkls (The Sleuth Kit) lists, ascending. */
export async function blklsSectors(
  path: string,
  ...options: string[]
): Promise<readonly { readonly sector: number; readonly isAllocated: boolean }[]> {
  const lines = (await run("blkls", [...options, "-e", "-l", path])).matchAll(
    /^(\d+)\|([af])$/gm,
  );
  return Array.from(lines, ([, sector, state]) => ({
    sector: Number(sector),
    isAllocated: state === "a",
  }));
}

/** Zeros but for the ranges: what `read --used` makes of it. */
export async function copyRanges(
  from: string,
  to: string,
  ranges: readonly Range[],
): Promise<void> {
  using source = await Deno.open(from);
  using target = await Deno.open(to, { write: true, createNew: true });
  await target.truncate((await Deno.stat(from)).size);
  for (const { offset, length } of ranges) {
    const bytes = new Uint8Array(length);
    await source.seek(offset, Deno.SeekMode.Start);
    for (let at = 0; at < length;) at += await source.read(bytes.subarray(at)) ?? length;
    await target.seek(offset, Deno.SeekMode.Start);
    await writeAll(target, bytes);
  }
}

/** Writes all of it at the place where the file is. */
export async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

/** What a checking program says about a volume, however it ends. */
export async function checkerSays(
  volume: Bytes,
  tool: string,
  ...options: string[]
): Promise<string> {
  await using folder = await TemporaryFolder.create();
  const path = await folder.write("card.img", volume);
  const { stdout, stderr } = await tryRun(tool, [...options, path]);
  return stdout + stderr;
}
