import { assert, assertEquals } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import type { Bytes } from "../../src/core/block.ts";
import { FormatError } from "../../src/core/errors.ts";
import { endOf, gapsBetween, mergeRanges, type Range } from "../../src/core/range.ts";
import { crc32c, withoutField } from "../../src/filesystems/checksum.ts";
import { xfsUsedRanges } from "../../src/filesystems/xfs/xfs_used_ranges.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

/** A round takes about half a millisecond. `SECTORSHOT_FUZZ=1000000` for a night. */
const ROUNDS = Number(Deno.env.get("SECTORSHOT_FUZZ") ?? 2500);

/** Numbers that break counting. */
const NASTY = [0, 1, 2, 3, 63, 64, 512, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];

const SECTOR_BYTES = 512;
const UUID = Uint8Array.from({ length: 16 }, (_, index) => 0xa0 + index);

type Next = (limit: number) => number;

/** A run of blocks of a group. */
interface Run {
  readonly start: number;
  readonly length: number;
}

/** A volume in the making: mostly as it should be, and its checksums always are. */
class VolumeBuilder {
  readonly next: Next;
  readonly version: 4 | 5;
  readonly blockBytes: number;
  readonly bytes: Bytes;
  readonly groupBlocks: number;
  readonly groups: number;
  readonly blocks: number;
  /** How many fields are wrong. */
  wrongFields = 0;
  readonly #view: DataView;
  /** One field of so many is wrong. */
  readonly #wrongEach: number;

  constructor(next: Next) {
    this.next = next;
    this.version = next(2) === 0 ? 4 : 5;
    this.blockBytes = this.version === 5 ? 1024 : 512 << next(2);
    this.groupBlocks = 64 + next(65);
    this.groups = 1 + next(3);
    this.blocks = this.groupBlocks * this.groups - next(this.groupBlocks - 63);
    this.bytes = new Uint8Array(this.blocks * this.blockBytes + next(3) * SECTOR_BYTES);
    this.#view = new DataView(this.bytes.buffer);
    this.#wrongEach = [1e9, 60, 200][next(3)] ?? 200;
  }

  #number(value: number): number {
    if (this.next(this.#wrongEach) > 0) return value;
    this.wrongFields++;
    if (this.next(2) === 0) return value + this.next(5) - 2 >>> 0;
    return NASTY[this.next(NASTY.length)] ?? 0;
  }

  put8(at: number, value: number): void {
    this.#view.setUint8(at, this.#number(value) & 0xff);
  }

  put16(at: number, value: number): void {
    this.#view.setUint16(at, this.#number(value) & 0xffff);
  }

  put32(at: number, value: number): void {
    this.#view.setUint32(at, this.#number(value));
  }

  put64(at: number, value: number): void {
    this.put32(at, 0);
    this.put32(at + 4, value);
  }

  /** Puts UUID and checksum of version 5 into a structure. */
  stamp(at: number, length: number, uuidOffset: number, crcOffset: number): void {
    if (this.version === 4) return;
    this.bytes.set(UUID, at + uuidOffset);
    const piece = this.bytes.subarray(at, at + length);
    this.#view.setUint32(at + crcOffset, crc32c(withoutField(piece, crcOffset, 4)), true);
  }
}

/** Runs of free blocks with others between them, in a group of so many blocks. */
function freeRuns(next: Next, first: number, blocks: number): readonly Run[] {
  const runs: Run[] = [];
  for (let at = first + next(9); at < blocks;) {
    const length = Math.min(1 + next(9), blocks - at);
    runs.push({ start: at, length });
    at += length + 1 + next(9);
  }
  return next(20) === 0 ? [] : runs;
}

/** What a tree consists of. */
interface Tree {
  readonly root: number;
  readonly levels: number;
  readonly blocks: number;
}

/** Writes a tree, a few records to a block; `take` gives it blocks. */
function putTree(
  volume: VolumeBuilder,
  group: number,
  magic: number,
  records: readonly Run[],
  take: () => number,
): Tree {
  let entries = records.map((record) => ({ record, pointer: 0 }));
  let levels = 0;
  let blocks = 0;
  while (true) {
    const parts: (typeof entries)[] = [];
    const most = Math.max(2 + volume.next(8), Math.ceil(entries.length / 5));
    for (let at = 0; at === 0 || at < entries.length; at += most) {
      parts.push(entries.slice(at, at + most));
    }
    const places = parts.map(take);
    for (const [index, part] of parts.entries()) {
      putTreeBlock(volume, group, magic, levels, part, places, index);
    }
    blocks += parts.length;
    levels++;
    if (parts.length === 1) return { root: places[0] ?? 0, levels, blocks };
    entries = parts.map(([first], index) => ({
      record: first?.record ?? { start: 0, length: 0 },
      pointer: places[index] ?? 0,
    }));
  }
}

function putTreeBlock(
  volume: VolumeBuilder,
  group: number,
  magic: number,
  level: number,
  entries: readonly { readonly record: Run; readonly pointer: number }[],
  places: readonly number[],
  index: number,
): void {
  const { blockBytes, version } = volume;
  const at = (group * volume.groupBlocks + (places[index] ?? 0)) * blockBytes;
  volume.put32(at, magic);
  volume.put16(at + 4, level);
  volume.put16(at + 6, entries.length);
  volume.put32(at + 8, places[index - 1] ?? 0xffffffff);
  volume.put32(at + 12, places[index + 1] ?? 0xffffffff);
  const first = at + (version === 5 ? 56 : 16);
  if (version === 5) {
    volume.put64(at + 16, at / 512);
    volume.put32(at + 48, group);
  }
  const most = Math.floor((blockBytes - (first - at)) / (level === 0 ? 8 : 12));
  for (const [slot, { record, pointer }] of entries.entries()) {
    volume.put32(first + slot * 8, record.start);
    volume.put32(first + slot * 8 + 4, record.length);
    if (level > 0) volume.put32(first + most * 8 + slot * 4, pointer);
  }
  volume.stamp(at, blockBytes, 32, 52);
}

/** Writes the headers and trees of a group; answers its free runs and its free blocks. */
function putGroup(
  volume: VolumeBuilder,
  group: number,
  first: number,
): { readonly runs: readonly Run[]; readonly counted: number } {
  const { next, version } = volume;
  const length = Math.min(volume.groupBlocks, volume.blocks - group * volume.groupBlocks);
  const runs = freeRuns(next, first + 24, length);
  let place = first;
  const take = (): number => place++;
  const [byBlock, bySize] = version === 5 ? [0x41423342, 0x41423343] : [0x41425442, 0x41425443];
  const block = putTree(volume, group, byBlock, runs, take);
  const sorted = runs.toSorted((a, b) => a.length - b.length || a.start - b.start);
  const size = putTree(volume, group, bySize, sorted, take);
  const at = group * volume.groupBlocks * volume.blockBytes;
  const agf = at + SECTOR_BYTES;
  const free = runs.reduce((sum, run) => sum + run.length, 0);
  const slots = version === 5 ? 119 : 128;
  const count = next(5);
  const flfirst = next(slots);
  const fields = [
    0x58414746,
    1,
    group,
    length,
    block.root,
    size.root,
    0,
    block.levels,
    size.levels,
    0,
    flfirst,
    (flfirst + count - 1 + slots) % slots,
    count,
    free,
    Math.max(0, ...runs.map((run) => run.length)),
    block.blocks + size.blocks - 2,
  ];
  for (const [index, value] of fields.entries()) volume.put32(agf + index * 4, value);
  volume.stamp(agf, SECTOR_BYTES, 64, 216);
  const agfl = at + 3 * SECTOR_BYTES;
  if (version === 5) {
    volume.put32(agfl, 0x5841464c);
    volume.put32(agfl + 4, group);
  }
  for (let index = 0; index < count; index++) {
    volume.put32(agfl + (version === 5 ? 36 : 0) + (flfirst + index) % slots * 4, take());
  }
  volume.stamp(agfl, SECTOR_BYTES, 8, 32);
  return { runs, counted: free + count + block.blocks + size.blocks - 2 };
}

const LOG_BLOCKS = 8;

/** A log that ends with "unmounted" somewhere. */
function putLog(volume: VolumeBuilder, at: number): void {
  const { next } = volume;
  const sectors = LOG_BLOCKS * volume.blockBytes / SECTOR_BYTES;
  const cycle = 1 + next(5);
  const record = cycle === 1 ? next(sectors - 1) : next(sectors);
  const head = (record + 2) % sectors;
  for (let sector = 0; sector < sectors; sector++) {
    const round = sector < head || head === 0 ? cycle : cycle - 1;
    volume.put32(at + sector * SECTOR_BYTES, round);
  }
  const header = at + record * SECTOR_BYTES;
  const round = record + 2 > sectors ? cycle - 1 : cycle;
  const fields = [0xfeedbabe, round, 2, 512, round, record, round, record, 0, 0, 1];
  for (const [index, value] of fields.entries()) volume.put32(header + index * 4, value);
  volume.bytes.set(UUID, header + 304);
  volume.put32(header + 320, 32768);
  const operation = at + (record + 1) % sectors * SECTOR_BYTES;
  volume.put8(operation + 8, 0xaa);
  volume.put8(operation + 9, 0x20);
  volume.put16(operation + 12, 0x556e);
}

function putSuperblock(volume: VolumeBuilder, logBlock: number, counted: number): void {
  const { blockBytes, groupBlocks, version } = volume;
  const lazy = volume.version === 5 ? 0x18a : 0x08a;
  const numbers: readonly (readonly [number, number])[] = [
    [0, 0x58465342],
    [4, blockBytes],
    [84, groupBlocks],
    [88, volume.groups],
    [96, LOG_BLOCKS],
    [200, lazy],
    [204, lazy],
  ];
  for (const [at, value] of numbers) volume.put32(at, value);
  volume.put64(8, volume.blocks);
  volume.put64(48, logBlock);
  volume.put64(56, (logBlock + LOG_BLOCKS) * 2);
  volume.put64(144, counted);
  volume.put16(100, 0xb4b0 | version);
  volume.put16(102, SECTOR_BYTES);
  volume.put16(104, blockBytes / 2);
  volume.put8(120, Math.log2(blockBytes));
  volume.put8(121, 9);
  volume.put8(123, 1);
  volume.put8(124, Math.ceil(Math.log2(groupBlocks)));
  if (version === 5) {
    volume.put32(212, 0x0d);
    volume.put32(216, 0xeb);
  }
  volume.bytes.set(UUID, 32);
  volume.stamp(0, SECTOR_BYTES, 32, 224);
}

/** Puts a volume together; answers what is used of it. */
function putVolume(volume: VolumeBuilder): readonly Range[] {
  const { blockBytes, bytes } = volume;
  const header = Math.ceil(4 * SECTOR_BYTES / blockBytes);
  const free: Range[] = [];
  let counted = 0;
  for (let group = 0; group < volume.groups; group++) {
    const first = header + (group === 0 ? LOG_BLOCKS + 1 : 0);
    const { runs, counted: blocks } = putGroup(volume, group, first);
    counted += blocks;
    for (const { start, length } of runs) {
      const offset = (group * volume.groupBlocks + start) * blockBytes;
      free.push({ offset, length: length * blockBytes });
    }
  }
  putLog(volume, header * blockBytes);
  putSuperblock(volume, header, counted);
  return gapsBetween({ offset: 0, length: bytes.length }, free);
}

/** Changes some bytes where there is something, checksums or not. */
function spoil(next: Next, bytes: Bytes): number {
  const changes = next(4) === 0 ? 1 + next(4) : 0;
  for (let change = 0; change < changes; change++) {
    bytes[next(8) === 0 ? next(bytes.length) : next(8192)] = next(256);
  }
  return changes;
}

/** Ascending, joined, and inside the volume. */
function checkShape(ranges: readonly Range[], size: number): void {
  let end = -1;
  for (const range of ranges) {
    assert(range.offset > end && range.length > 0, `a range at ${range.offset}`);
    end = endOf(range);
  }
  assert(end <= size, "a range outside of the volume");
}

/** Much faster than a comparison that can say what differs. */
function checkSame(told: readonly Range[], used: readonly Range[]): void {
  if (JSON.stringify(told) !== JSON.stringify(used)) assertEquals(told, used);
}

Deno.test("whatever an XFS volume holds, what is used is told exactly, or not at all", async () => {
  const next = seededNumbers(78);
  const counts = { refused: 0, told: 0, toldAlthoughWrong: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const volume = new VolumeBuilder(next);
    const used = putVolume(volume);
    const wrong = spoil(next, volume.bytes) + volume.wrongFields;
    try {
      const told = await xfsUsedRanges(new MemorySource("volume", volume.bytes));
      checkShape(told, volume.bytes.length);
      // Some fields do not matter; for those that do it takes two that agree.
      if (wrong < 2) checkSame(told, mergeRanges(used));
      if (wrong === 0) counts.told++;
      else counts.toldAlthoughWrong++;
    } catch (error) {
      if (!(error instanceof FormatError) || wrong === 0) {
        throw new Error(`round ${round}`, { cause: error });
      }
      counts.refused++;
    }
  }
  for (const [name, count] of Object.entries(counts)) {
    assert(ROUNDS < 1000 || count > ROUNDS / 50, `only ${count} ${name} of ${ROUNDS}`);
  }
});
