import { assert, assertEquals } from "@std/assert";
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import { FormatError } from "../../src/core/errors.ts";
import { endOf, mergeRanges, type Range } from "../../src/core/range.ts";
import { btrfsUsedRanges } from "../../src/filesystems/btrfs/btrfs_used_ranges.ts";
import { crc32c } from "../../src/filesystems/checksum.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

/** A round takes about half a millisecond. `SECTORSHOT_FUZZ=1000000` for a night. */
const ROUNDS = Number(Deno.env.get("SECTORSHOT_FUZZ") ?? 2500);

/** Numbers that break counting. */
const NASTY = [0, 1, 2, 7, 8, 168, 169, 4095, 4096, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

const BLOCK_BYTES = 4096;
const KIB = 1024;
const FSID = Uint8Array.from({ length: 16 }, (_, index) => 0xb0 + index);
const DEVICE = Uint8Array.from({ length: 16 }, (_, index) => 0xd0 + index);
const GENERATION = 40;

type Next = (limit: number) => number;

/** A piece of the address space, and its places. */
interface Chunk {
  readonly logical: number;
  readonly length: number;
  readonly type: number;
  readonly stripes: readonly number[];
}

/** An item of a leaf before it is written. */
interface Item {
  readonly key: readonly [objectid: number, type: number, offset: number];
  /** Offsets, sizes in bits, and values of its fields. */
  readonly fields: readonly (readonly [at: number, bits: 8 | 16 | 64, value: number])[];
  readonly bytes: number;
}

/** Where a tree begins. */
interface Root {
  readonly bytenr: number;
  readonly level: number;
}

/** A volume of blocks that were written, and zeros, which takes little memory. */
class SparseVolume implements BlockSource {
  readonly name = "volume";
  readonly sectorSize = 512;
  readonly size: number;
  readonly blocks = new Map<number, Bytes>();
  /** Bytes that were asked for. */
  asked = 0;

  constructor(size: number) {
    this.size = size;
  }

  readAt(offset: number, into: Bytes): Promise<number> {
    this.asked += into.length;
    assert(this.asked < 64 * KIB * KIB, "reads without end");
    const length = Math.min(into.length, this.size - offset);
    for (let at = 0; at < length;) {
      const position = offset + at;
      const inBlock = position % BLOCK_BYTES;
      const count = Math.min(BLOCK_BYTES - inBlock, length - at);
      const block = this.blocks.get(position - inBlock);
      if (block !== undefined) into.set(block.subarray(inBlock, inBlock + count), at);
      at += count;
    }
    return Promise.resolve(length);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** A volume in the making: mostly as it should be, and its checksums always are. */
class VolumeBuilder {
  readonly next: Next;
  readonly volume: SparseVolume;
  readonly deviceBytes: number;
  readonly hasGroupTree: boolean;
  readonly isSkinny: boolean;
  readonly chunks: readonly Chunk[];
  /** Extents: logical addresses and lengths. */
  readonly extents: { readonly start: number; readonly length: number }[] = [];
  wrongFields = 0;
  readonly #wrongEach: number;
  readonly #pools = new Map<Chunk, number[]>();

  constructor(next: Next) {
    this.next = next;
    this.deviceBytes = [4, 70, 300 * KIB][next(3)]! * KIB * KIB;
    this.volume = new SparseVolume(this.deviceBytes + next(3) * BLOCK_BYTES);
    this.hasGroupTree = next(2) === 0;
    this.isSkinny = next(2) === 0;
    this.chunks = this.#layOut();
    this.#wrongEach = [1e9, 150, 600][next(3)] ?? 600;
  }

  /** A chunk for the chunk tree, one for the other trees, and some for data. */
  #layOut(): readonly Chunk[] {
    const chunks: Chunk[] = [];
    let place = (16 + this.next(16)) * 8 * KIB * 8;
    let logical = (1 + this.next(200)) * 64 * KIB;
    const types = [2, 4, ...Array.from({ length: this.next(3) }, () => 1)];
    for (const type of types) {
      const length = 128 * KIB;
      const isTwice = this.next(2) === 0;
      const stripes = isTwice ? [place, place + length] : [place];
      place += stripes.length * length + this.next(2) * 64 * KIB;
      chunks.push({ logical, length, type: type | (isTwice ? 32 : 0), stripes });
      logical += length + this.next(3) * 64 * KIB;
    }
    return chunks;
  }

  /** Blocks of a chunk that are taken, in no order. */
  pool(chunk: Chunk): number[] {
    const known = this.#pools.get(chunk);
    if (known !== undefined) return known;
    const blocks: number[] = [];
    for (let at = 0; at < chunk.length && blocks.length < 14; at += BLOCK_BYTES) {
      if (this.next(2) === 0) blocks.push(chunk.logical + at);
    }
    for (const start of blocks) this.extents.push({ start, length: BLOCK_BYTES });
    const pool = blocks.toSorted((a, b) => (a ^ 0x5000) - (b ^ 0x5000));
    this.#pools.set(chunk, pool);
    return pool;
  }

  placesOf(start: number): readonly number[] {
    const chunk = this.chunks.find(({ logical, length }) =>
      start >= logical && start < logical + length
    );
    return chunk?.stripes.map((stripe) => stripe + start - chunk.logical) ?? [];
  }

  #number(value: number): number {
    if (this.next(this.#wrongEach) > 0) return value;
    this.wrongFields++;
    if (this.next(2) === 0) return value + this.next(5) - 2 >>> 0;
    return NASTY[this.next(NASTY.length)] ?? 0;
  }

  put8(view: DataView, at: number, value: number): void {
    view.setUint8(at, this.#number(value) & 0xff);
  }

  put16(view: DataView, at: number, value: number): void {
    view.setUint16(at, this.#number(value) & 0xffff, true);
  }

  put32(view: DataView, at: number, value: number): void {
    view.setUint32(at, this.#number(value), true);
  }

  put64(view: DataView, at: number, value: number): void {
    this.put32(view, at, value % 2 ** 32);
    this.put32(view, at + 4, Math.floor(value / 2 ** 32));
  }

  putKey(view: DataView, at: number, [objectid, type, offset]: Item["key"]): void {
    this.put64(view, at, objectid);
    this.put8(view, at + 8, type);
    this.put64(view, at + 9, offset);
  }

  putChunk(view: DataView, at: number, { length, type, stripes }: Chunk): void {
    this.put64(view, at, length);
    this.put64(view, at + 8, 2);
    this.put64(view, at + 24, type);
    this.put16(view, at + 44, stripes.length);
    for (const [index, stripe] of stripes.entries()) {
      this.put64(view, at + 48 + index * 32, 1);
      this.put64(view, at + 56 + index * 32, stripe);
      new Uint8Array(view.buffer).set(DEVICE, at + 64 + index * 32);
    }
  }

  /** Puts the checksum into a block, and the block where it belongs. */
  seal(view: DataView, places: readonly number[]): void {
    const bytes = new Uint8Array(view.buffer as ArrayBuffer);
    view.setUint32(0, crc32c(bytes.subarray(32)), true);
    for (const place of places) this.volume.blocks.set(place, bytes);
  }
}

function emptyBlock(): DataView {
  const bytes = new Uint8Array(BLOCK_BYTES);
  bytes.set(FSID, 32);
  return new DataView(bytes.buffer);
}

function putHeader(
  builder: VolumeBuilder,
  view: DataView,
  bytenr: number,
  owner: number,
  count: number,
  level: number,
): void {
  builder.put64(view, 48, bytenr);
  builder.put8(view, 56, 1);
  builder.put64(view, 80, GENERATION);
  builder.put64(view, 88, owner);
  builder.put32(view, 96, count);
  builder.put8(view, 100, level);
}

function putLeaf(
  builder: VolumeBuilder,
  owner: number,
  bytenr: number,
  items: readonly Item[],
): void {
  const view = emptyBlock();
  putHeader(builder, view, bytenr, owner, items.length, 0);
  let end = BLOCK_BYTES;
  for (const [index, { key, fields, bytes }] of items.entries()) {
    end -= bytes;
    const at = 101 + index * 25;
    builder.putKey(view, at, key);
    builder.put32(view, at + 17, end - 101);
    builder.put32(view, at + 21, bytes);
    const chunk = key[1] === 228
      ? builder.chunks.find(({ logical }) => logical === key[2])
      : undefined;
    if (chunk !== undefined) builder.putChunk(view, end, chunk);
    for (const [field, bits, value] of fields) {
      if (bits === 8) builder.put8(view, end + field, value);
      else if (bits === 16) builder.put16(view, end + field, value);
      else builder.put64(view, end + field, value);
    }
  }
  builder.seal(view, builder.placesOf(bytenr));
}

/** Writes a tree into blocks of a chunk. */
function putTree(
  builder: VolumeBuilder,
  owner: number,
  chunk: Chunk,
  items: readonly Item[],
): Root | undefined {
  const pool = builder.pool(chunk);
  // As many leaves as there is room for, with their node.
  const most = Math.max(Math.ceil(items.length / 4), 3 + builder.next(30));
  let row: { readonly key: Item["key"]; readonly bytenr: number }[] = [];
  for (let at = 0; at === 0 || at < items.length; at += most) {
    const bytenr = pool.pop();
    if (bytenr === undefined) return undefined;
    const part = items.slice(at, at + most);
    putLeaf(builder, owner, bytenr, part);
    row.push({ key: part[0]?.key ?? [0, 0, 0], bytenr });
  }
  for (let level = 1;; level++) {
    const [only] = row;
    if (row.length === 1 && only !== undefined && (level > 1 || builder.next(3) > 0)) {
      return { bytenr: only.bytenr, level: level - 1 };
    }
    const bytenr = pool.pop();
    if (bytenr === undefined) return undefined;
    const view = emptyBlock();
    putHeader(builder, view, bytenr, owner, row.length, level);
    for (const [index, child] of row.entries()) {
      const at = 101 + index * 33;
      builder.putKey(view, at, child.key);
      builder.put64(view, at + 17, child.bytenr);
      builder.put64(view, at + 25, GENERATION);
    }
    builder.seal(view, builder.placesOf(bytenr));
    row = [{ key: row[0]?.key ?? [0, 0, 0], bytenr }];
  }
}

/** Fills data chunks with extents. */
function addData(builder: VolumeBuilder): void {
  for (const { logical, length, type } of builder.chunks) {
    if ((type & 1) === 0) continue;
    for (let at = builder.next(4) * BLOCK_BYTES; at < length;) {
      const bytes = Math.min((1 + builder.next(5)) * BLOCK_BYTES, length - at);
      builder.extents.push({ start: logical + at, length: bytes });
      at += bytes + builder.next(5) * BLOCK_BYTES;
    }
  }
}

function extentItems(builder: VolumeBuilder): Item[] {
  return builder.extents.map(({ start, length }) => {
    const chunk = builder.chunks.find((each) =>
      start >= each.logical && start < each.logical + each.length
    );
    const isData = ((chunk?.type ?? 0) & 1) !== 0;
    const isShort = builder.isSkinny && !isData;
    return {
      key: isShort ? [start, 169, 0] : [start, 168, length],
      fields: [[0, 64, 1], [8, 64, 7], [16, 64, isData ? 1 : 2]],
      bytes: isData ? 53 : 33,
    };
  });
}

function groupItems(builder: VolumeBuilder): Item[] {
  return builder.chunks.map(({ logical, length, type }) => {
    const used = builder.extents
      .filter(({ start }) => start >= logical && start < logical + length)
      .reduce((sum, extent) => sum + extent.length, 0);
    return {
      key: [logical, 192, length],
      fields: [[0, 64, used], [8, 64, 256], [16, 64, type]],
      bytes: 24,
    };
  });
}

function deviceItems(builder: VolumeBuilder): Item[] {
  return builder.chunks.flatMap(({ logical, length, stripes }) =>
    stripes.map((offset): Item => ({
      key: [1, 204, offset],
      fields: [[0, 64, 3], [8, 64, 256], [16, 64, logical], [24, 64, length]],
      bytes: 48,
    }))
  );
}

function byKey(a: Item, b: Item): number {
  return a.key[0] - b.key[0] || a.key[1] - b.key[1] || a.key[2] - b.key[2];
}

function rootItem(number: number, { bytenr, level }: Root): Item {
  return {
    key: [number, 132, 0],
    fields: [[160, 64, GENERATION], [176, 64, bytenr], [238, 8, level]],
    bytes: 439,
  };
}

function putSuperblock(builder: VolumeBuilder, at: number, root: Root, chunkRoot: Root): void {
  const { deviceBytes, extents, chunks } = builder;
  const view = emptyBlock();
  const bytes = new Uint8Array(view.buffer);
  bytes.set(new TextEncoder().encode("_BHRfS_M"), 64);
  const numbers: readonly (readonly [number, number])[] = [
    [48, at],
    [56, 1],
    [72, GENERATION],
    [80, root.bytenr],
    [88, chunkRoot.bytenr],
    [96, 0],
    [120, extents.reduce((sum, extent) => sum + extent.length, 0)],
    [136, 1],
    [164, GENERATION],
    [180, builder.hasGroupTree ? 11 : 3],
    [188, 0x241 | (builder.isSkinny ? 0x100 : 0)],
    [201, 1],
    [209, deviceBytes],
  ];
  for (const [offset, value] of numbers) builder.put64(view, offset, value);
  builder.put32(view, 144, BLOCK_BYTES);
  builder.put32(view, 148, BLOCK_BYTES);
  builder.put16(view, 196, 0);
  builder.put8(view, 198, root.level);
  builder.put8(view, 199, chunkRoot.level);
  bytes.set(DEVICE, 267);
  let end = 811;
  for (const chunk of chunks.filter(({ type }) => (type & 2) !== 0)) {
    builder.putKey(view, end, [256, 228, chunk.logical]);
    builder.putChunk(view, end + 17, chunk);
    end += 17 + 48 + chunk.stripes.length * 32;
  }
  builder.put32(view, 160, end - 811);
  builder.seal(view, [at]);
}

/** Puts a volume together; answers what is used of it, or undefined when it got too full. */
function putVolume(builder: VolumeBuilder): readonly Range[] | undefined {
  const [system, metadata] = builder.chunks;
  if (system === undefined || metadata === undefined) return undefined;
  builder.pool(system);
  builder.pool(metadata);
  addData(builder);
  const chunkItems: Item[] = builder.chunks.map(({ logical, stripes }) => ({
    key: [256, 228, logical],
    fields: [],
    bytes: 48 + stripes.length * 32,
  }));
  const deviceItem: Item = {
    key: [1, 216, 1],
    fields: [[0, 64, 1], [8, 64, builder.deviceBytes]],
    bytes: 98,
  };
  const chunkRoot = putTree(builder, 3, system, [deviceItem, ...chunkItems]);
  const groups = groupItems(builder);
  const items = [...extentItems(builder), ...(builder.hasGroupTree ? [] : groups)];
  const extentRoot = putTree(builder, 2, metadata, items.toSorted(byKey));
  const groupRoot = builder.hasGroupTree ? putTree(builder, 11, metadata, groups) : undefined;
  const deviceRoot = putTree(builder, 4, metadata, deviceItems(builder));
  if (chunkRoot === undefined || extentRoot === undefined || deviceRoot === undefined) {
    return undefined;
  }
  if (builder.hasGroupTree && groupRoot === undefined) return undefined;
  const roots = [rootItem(2, extentRoot), rootItem(4, deviceRoot), rootItem(5, extentRoot)];
  if (groupRoot !== undefined) roots.push(rootItem(11, groupRoot));
  const root = putTree(builder, 1, metadata, roots);
  if (root === undefined) return undefined;
  const { size } = builder.volume;
  const superblocks = [64 * KIB, 64 * KIB * KIB, 256 * KIB * KIB * KIB]
    .filter((at) => at + BLOCK_BYTES <= size);
  for (const at of superblocks) putSuperblock(builder, at, root, chunkRoot);
  return [
    { offset: 0, length: KIB * KIB },
    ...superblocks.map((offset) => ({ offset, length: Math.min(64 * KIB, size - offset) })),
    { offset: builder.deviceBytes, length: size - builder.deviceBytes },
    ...builder.extents.flatMap(({ start, length }) =>
      builder.placesOf(start).map((offset) => ({ offset, length }))
    ),
  ];
}

/** Changes some bytes of blocks, checksums or not. */
function spoil(next: Next, { blocks }: SparseVolume): number {
  const changes = next(6) === 0 ? 1 + next(4) : 0;
  const all = [...blocks.values()];
  for (let change = 0; change < changes; change++) {
    const block = all[next(all.length)];
    if (block === undefined) continue;
    const at = next(2) === 0 ? next(200) : next(BLOCK_BYTES);
    block[at] = next(256);
    if (next(2) === 0) {
      new DataView(block.buffer).setUint32(0, crc32c(block.subarray(32)), true);
    }
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

Deno.test("whatever a btrfs holds, what is used is told exactly, or not at all", async () => {
  const next = seededNumbers(79);
  const counts = { refused: 0, told: 0, toldAlthoughWrong: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const builder = new VolumeBuilder(next);
    const used = putVolume(builder);
    if (used === undefined) continue;
    const wrong = spoil(next, builder.volume) + builder.wrongFields;
    try {
      const told = await btrfsUsedRanges(builder.volume);
      checkShape(told, builder.volume.size);
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
