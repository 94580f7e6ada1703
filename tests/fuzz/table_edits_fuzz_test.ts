import { assert, assertEquals } from "@std/assert";
import { crc32 } from "node:zlib";
import type { Bytes } from "../../src/core/block.ts";
import { ImagingError } from "../../src/core/errors.ts";
import { endOf, intersection, type Range } from "../../src/core/range.ts";
import type { PartitionTable } from "../../src/volumes/partition_table.ts";
import { readPartitionTable } from "../../src/volumes/read_partition_table.ts";
import {
  allocatedEnd,
  grownLastPartition,
  movedGpt,
  sectorPatches,
  shortenedGpt,
  type TableEdit,
} from "../../src/volumes/table_edits.ts";
import { assertBytes } from "../support/pattern.ts";
import { edited } from "../volumes/edit_tools.ts";
import { seededNumbers, StrictSource } from "../volumes/image_tools.ts";

/** A round takes about a millisecond. `SECTORSHOT_FUZZ=1000000` for a night. */
const ROUNDS = Number(Deno.env.get("SECTORSHOT_FUZZ") ?? 2000);

type Next = (limit: number) => number;

/** Sectors of the disks: all that matters is near to everything else. */
const MAX_SECTORS = 400;

/** Numbers that break counting. */
const NASTY = [0n, 1n, 2n, 0xffff_ffffn, 0x1_0000_0000n, 2n ** 41n, 2n ** 53n, 2n ** 64n - 1n];

/** Mostly the number itself, sometimes one near it, or one that breaks counting. */
function maybeNasty(next: Next, value: number): bigint {
  const choice = next(60);
  if (choice === 0) return NASTY[next(NASTY.length)] ?? 0n;
  if (choice === 1) return BigInt(Math.max(0, value + next(5) - 2));
  if (choice === 2) return BigInt(next(MAX_SECTORS + 40));
  return BigInt(value);
}

/** Start and length of some partitions in sectors, mostly apart from each other. */
function someParts(next: Next, first: number, last: number): [start: number, size: number][] {
  const parts: [number, number][] = [];
  let at = first + next(8);
  while (at < last - 1 && parts.length < 4) {
    const size = 1 + next(Math.min(80, last - at));
    parts.push([next(30) === 0 ? next(last) : at, size]);
    at += size + next(20);
  }
  return parts;
}

/** A disk with a GPT that mostly makes sense, its checksums mostly right. */
function gptDisk(next: Next, sectorSize: number): Bytes {
  const sectors = 60 + next(MAX_SECTORS - 60);
  const disk = new Uint8Array(sectors * sectorSize);
  const count = [4, 8, 32, 128][next(4)] ?? 4;
  const arraySectors = Math.ceil(count * 128 / sectorSize);
  const last = sectors - 1 - (next(4) === 0 ? next(20) : 0);
  const array = new Uint8Array(count * 128);
  const first = 2 + arraySectors + (next(3) === 0 ? next(20) : 0);
  const usable = last - arraySectors - 1;
  for (const [index, [start, size]] of someParts(next, first, usable).entries()) {
    const view = new DataView(array.buffer, (next(20) === 0 ? next(count) : index) * 128, 128);
    for (let at = 0; at < 32; at++) view.setUint8(at, next(256));
    view.setBigUint64(32, maybeNasty(next, start), true);
    view.setBigUint64(40, maybeNasty(next, start + size - 1), true);
    view.setUint8(56, 0x61 + index);
  }
  const guid = Uint8Array.from({ length: 16 }, () => next(256));
  for (
    const [lba, other, entries] of [[1, last, 2], [last, 1, last - arraySectors]] as const
  ) {
    disk.set(array, entries * sectorSize);
    const header = new DataView(disk.buffer, lba * sectorSize, sectorSize);
    new Uint8Array(disk.buffer, lba * sectorSize).set(new TextEncoder().encode("EFI PART"));
    header.setUint32(8, next(60) === 0 ? next(9) : 0x00010000, true);
    header.setUint32(12, next(60) === 0 ? next(600) : 92, true);
    const fields: readonly (readonly [number, number])[] = [
      [24, lba],
      [32, other],
      [40, first],
      [48, usable],
      [72, entries],
    ];
    for (const [at, value] of fields) header.setBigUint64(at, maybeNasty(next, value), true);
    disk.set(guid, lba * sectorSize + 56);
    header.setUint32(80, Number(maybeNasty(next, count) & 0xffff_ffffn), true);
    header.setUint32(84, Number(maybeNasty(next, 128) & 0xffff_ffffn), true);
    header.setUint32(88, crc32(array), true);
    header.setUint32(16, 0, true);
    header.setUint32(16, crc32(disk.subarray(lba * sectorSize, lba * sectorSize + 92)), true);
  }
  setRecord(next, disk, 0, 0, [0xee, 1, sectors - 1]);
  if (next(8) === 0) setRecord(next, disk, 0, 1, [0x83, first, 1 + next(sectors - first)]);
  return disk;
}

function setRecord(
  next: Next,
  disk: Bytes,
  byte: number,
  index: number,
  [type, start, size]: readonly [number, number, number],
): void {
  if (byte + 512 > disk.length) return;
  const view = new DataView(disk.buffer, byte);
  const at = 446 + 16 * index;
  view.setUint8(at + 4, next(80) === 0 ? next(256) : type);
  view.setUint32(at + 8, Number(maybeNasty(next, start) & 0xffff_ffffn), true);
  view.setUint32(at + 12, Number(maybeNasty(next, size) & 0xffff_ffffn), true);
  view.setUint16(510, 0xaa55, true);
}

/** A disk with an MBR, an extended partition in most of them. */
function mbrDisk(next: Next, sectorSize: number): Bytes {
  const sectors = 60 + next(MAX_SECTORS - 60);
  const disk = new Uint8Array(sectors * sectorSize);
  const parts = someParts(next, 1, sectors);
  const extended = next(4) === 0 ? -1 : next(parts.length);
  for (const [index, [start, size]] of parts.entries()) {
    setRecord(next, disk, 0, index, [index === extended ? 5 : 0x83, start, size]);
    if (index !== extended) continue;
    const end = start + size;
    for (let at = start; at < end - 2;) {
      const left = end - at - 1;
      const length = 1 + next(left);
      setRecord(next, disk, at * sectorSize, 0, [0x83, 1, length]);
      const following = at + 1 + length + next(3);
      if (following >= end - 2 || next(3) === 0) break;
      setRecord(next, disk, at * sectorSize, 1, [5, following - start, end - following]);
      at = following;
    }
  }
  return disk;
}

/** Changes some bytes where the table is, mostly. */
function spoiled(next: Next, disk: Bytes, sectorSize: number): Bytes {
  for (let changes = next(4) === 0 ? next(4) : 0; changes > 0; changes--) {
    const sector = next(3) === 0 ? disk.length / sectorSize - 1 : next(4);
    disk[sector * sectorSize + next(512)] = next(256);
  }
  return next(12) === 0 ? disk.slice(0, next(disk.length / sectorSize) * sectorSize) : disk;
}

/** No patch may reach into these: content that somebody has. */
function contents(disk: Bytes, table: PartitionTable): Range[] {
  const ranges = table.partitions
    .filter(({ kind }) => kind !== "extended")
    .map(({ start, length }) => ({ offset: start, length }));
  return [{ offset: 0, length: Math.min(440, disk.length) }, ...ranges];
}

/** Is the change right, as far as can be told without knowing what it should be? */
async function check(
  disk: Bytes,
  sectorSize: number,
  table: PartitionTable,
  edit: TableEdit,
): Promise<void> {
  let end = 0;
  for (const { offset, bytes } of edit.patches) {
    const range = { offset, length: bytes.length };
    assert(offset >= end && endOf(range) <= edit.size, "outside of the disk");
    for (const content of contents(disk, table)) {
      assertEquals(intersection(content, range), undefined, "content is overwritten");
    }
    end = endOf(range);
  }
  const media = new StrictSource(disk, sectorSize);
  const whole = edited(disk, edit);
  const after = await readPartitionTable(new StrictSource(whole, sectorSize));
  assertEquals(after.scheme, table.scheme);
  assertEquals(after.partitions.length, table.partitions.length);
  for (const [index, partition] of after.partitions.entries()) {
    const before = table.partitions[index];
    const isGrown = partition.number === edit.partition?.number ||
      partition.kind === "extended";
    const length = isGrown ? partition.length : before?.length ?? NaN;
    assert(length >= (before?.length ?? NaN), "a partition shrank");
    assertEquals({ ...partition, length }, { ...before, length });
    const last = endOf({ offset: partition.start, length });
    // An MBR disk that is cut may have ended too early before.
    assert(last <= edit.size || last > disk.length && edit.patches.length === 0, "cut off");
  }
  const known = new Set(table.findings.map(({ message }) => message));
  const odd = after.findings.filter(({ message }) =>
    /backup|primary/.test(message) ||
    /overlap|covers|usable/.test(message) && !known.has(message)
  );
  assertEquals(odd, []);
  const aligned = await sectorPatches(media, edit.patches, sectorSize);
  const again = whole.slice();
  for (const { offset, bytes } of aligned) {
    again.set(bytes.subarray(0, edit.size - offset), offset);
  }
  assertBytes(again, whole);
}

Deno.test("whatever a partition table says, changes keep what partitions hold", async () => {
  const next = seededNumbers(4711);
  const counts = { refused: 0, none: 0, moved: 0, grown: 0, cut: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const sectorSize = next(4) === 0 ? 4096 : 512;
    const make = next(3) === 0 ? mbrDisk : gptDisk;
    const disk = spoiled(next, make(next, sectorSize), sectorSize);
    try {
      await changeSome(next, disk, sectorSize, counts);
    } catch (error) {
      throw new Error(`round ${round}`, { cause: error });
    }
  }
  // The disks are well chosen when all of it happens often.
  for (const [name, count] of Object.entries(counts)) {
    assert(ROUNDS < 1000 || count > ROUNDS / 50, `only ${count} ${name} of ${ROUNDS}`);
  }
});

async function changeSome(
  next: Next,
  disk: Bytes,
  sectorSize: number,
  counts: { refused: number; none: number; moved: number; grown: number; cut: number },
): Promise<void> {
  const media = new StrictSource(disk, sectorSize);
  let table: PartitionTable;
  try {
    table = await readPartitionTable(media);
  } catch (error) {
    if (!(error instanceof ImagingError)) throw error;
    counts.none++;
    return;
  }
  const size = next(4) === 0 ? next(disk.length + 9) : disk.length + next(50) * 1000 + next(
    3 * 1024 * 1024,
  );
  const edits = {
    moved: () => movedGpt(media, size),
    grown: () => grownLastPartition(media, size),
    cut: () => shortenedGpt(media, table),
  };
  for (const [name, edit] of Object.entries(edits)) {
    let result: TableEdit;
    try {
      result = await edit();
    } catch (error) {
      if (!(error instanceof ImagingError)) throw error;
      counts.refused++;
      continue;
    }
    try {
      await check(disk, sectorSize, table, result);
    } catch (error) {
      throw new Error(name, { cause: error });
    }
    counts[name as keyof typeof edits]++;
  }
  try {
    const end = await allocatedEnd(media, table);
    if (end === undefined) return;
    for (const { start, length } of table.partitions) {
      assert(Math.min(start + length, disk.length) <= end, "a partition is cut off");
    }
  } catch (error) {
    if (!(error instanceof ImagingError)) throw error;
  }
}
