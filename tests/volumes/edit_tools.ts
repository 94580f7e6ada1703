/** Disks to change, and what other programs say of them afterwards. */
import { assertEquals } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import type { Bytes } from "../../src/core/block.ts";
import type { Partition } from "../../src/volumes/partition_table.ts";
import { readPartitionTable } from "../../src/volumes/read_partition_table.ts";
import type { TableEdit } from "../../src/volumes/table_edits.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { patternBytes } from "../support/pattern.ts";
import { FileSource, ImageFile, run, sfdiskTable } from "./image_tools.ts";

/** A disk in memory after a change; bytes that nobody wrote are zeros. */
export function edited(disk: Uint8Array, edit: TableEdit): Bytes {
  const bytes = new Uint8Array(edit.size);
  bytes.set(disk.subarray(0, edit.size));
  for (const patch of edit.patches) bytes.set(patch.bytes, patch.offset);
  return bytes;
}

/** Makes the change in a file. */
export function editFile(path: string, edit: TableEdit): void {
  using file = Deno.openSync(path, { read: true, write: true });
  file.truncateSync(edit.size);
  for (const { offset, bytes } of edit.patches) {
    file.seekSync(offset, Deno.SeekMode.Start);
    file.writeSync(bytes);
  }
}

/** Fills every partition but extended ones with the pattern: each its own. */
export async function filledDisk(disk: Bytes, sectorSize = 512): Promise<Bytes> {
  const table = await readPartitionTable(new MemorySource("disk", disk, sectorSize));
  for (const { number, kind, start, length } of table.partitions) {
    if (kind !== "extended") disk.set(patternBytes(length, { seed: 100 + number }), start);
  }
  return disk;
}

/** The content of all partitions that hold data. */
export function contentsOf(disk: Uint8Array, partitions: readonly Partition[]): Uint8Array[] {
  return partitions.filter(({ kind }) => kind !== "extended")
    .map(({ start, length }) => disk.slice(start, start + length));
}

/** The partitions of a disk in memory. */
export async function partitionsOf(
  disk: Bytes,
  sectorSize = 512,
): Promise<readonly Partition[]> {
  return (await readPartitionTable(new MemorySource("disk", disk, sectorSize))).partitions;
}

/** What sgdisk, sfdisk and parted see: start and length in bytes by number. */
type Places = readonly (readonly [number: number, start: number, length: number])[];

function bytesIn(text: string | undefined): number {
  return parseInt(text ?? "");
}

async function partedPlaces(path: string): Promise<Places> {
  const { stdout } = await run("parted", ["-m", "-s", path, "unit", "B", "print"]);
  return stdout.split("\n").filter((line) => /^\d+:/.test(line)).map((line) => {
    const [number, start, , length] = line.split(":");
    return [bytesIn(number), bytesIn(start), bytesIn(length)];
  });
}

async function sfdiskPlaces(path: string): Promise<Places> {
  const table = await sfdiskTable(path);
  return (table.partitions ?? []).map(({ node, start, size }) => [
    Number(node.slice(path.length).replace(/^p/, "")),
    start * table.sectorsize,
    size * table.sectorsize,
  ]);
}

function byNumber(places: Places): Places {
  return places.toSorted((a, b) => a[0] - b[0]);
}

/** Does everybody find these partitions, and nothing to complain about? */
export async function assertSound(
  path: string,
  scheme: "gpt" | "mbr",
  sectorSize = 512,
): Promise<readonly Partition[]> {
  await using source = path.startsWith("/dev/") ? undefined : new FileSource(path, sectorSize);
  if (scheme === "gpt") {
    const { stdout } = await run("sgdisk", ["--verify", path]);
    assertEquals(/No problems found/.test(stdout), true, stdout);
    // It has opinions about gaps and alignment, too.
    assertEquals(/^Problem|CRC/m.test(stdout), false, stdout);
  }
  const verified = await run("sfdisk", ["--verify", path]);
  assertEquals(/No errors detected/.test(verified.stdout), true, verified.stdout);
  assertEquals(verified.stderr, "");
  const places = byNumber(await sfdiskPlaces(path));
  assertEquals(byNumber(await partedPlaces(path)), places);
  if (source === undefined) return [];
  const table = await readPartitionTable(source);
  assertEquals(table.findings, []);
  assertEquals(
    byNumber(table.partitions.map(({ number, start, length }) => [number, start, length])),
    places,
  );
  return table.partitions;
}

/** As {@linkcode assertSound}, on a disk of the test's own with sectors of that size. */
export async function assertSoundDisk(
  disk: Bytes,
  scheme: "gpt" | "mbr",
  sectorSize = 512,
): Promise<void> {
  await using image = new ImageFile(0);
  await Deno.writeFile(image.path, disk);
  if (sectorSize === 512) await assertSound(image.path, scheme);
  else {
    await using device = await LoopDevice.create(image.path, { sectorSize });
    await assertSound(device.path, scheme, sectorSize);
  }
}

/** A disk that a program has divided; `words` are its arguments but for the path. */
export async function dividedDisk(
  size: number,
  tool: "sfdisk" | "sgdisk" | "parted",
  words: string | readonly string[],
): Promise<Bytes> {
  await using image = new ImageFile(size);
  await divide(image.path, tool, words);
  return await image.bytes();
}

/** Divides a file or device; sfdisk takes its layout as text. */
export async function divide(
  path: string,
  tool: "sfdisk" | "sgdisk" | "parted",
  words: string | readonly string[],
): Promise<void> {
  if (tool === "sfdisk") {
    await run("sfdisk", ["--no-reread", "--no-tell-kernel", path], String(words));
  } else if (tool === "sgdisk") await run("sgdisk", [...words, path]);
  else await run("parted", ["-s", path, ...words]);
}
