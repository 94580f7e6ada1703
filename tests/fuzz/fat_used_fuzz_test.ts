import { assert } from "@std/assert";
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import { FormatError } from "../../src/core/errors.ts";
import { endOf, type Range } from "../../src/core/range.ts";
import { fat } from "../../src/filesystems/all.ts";
import { run } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

/** A round takes about a fifth of a millisecond. `SECTORSHOT_FUZZ=1000000` for a while. */
const ROUNDS = Number(Deno.env.get("SECTORSHOT_FUZZ") ?? 10_000);
const MIB = 1024 * 1024;

type Next = (limit: number) => number;

/** Numbers that break counting. */
const NASTY = [
  0,
  1,
  2,
  3,
  0x7f,
  0x80,
  0xff,
  0xffff,
  0x10000,
  0x7fffffff,
  0xfffffff,
  0xffffffff,
];

/** Fields of the boot sector: byte offset and length. */
const FIELDS: readonly (readonly [number, number])[] = [
  [11, 2],
  [13, 1],
  [14, 2],
  [16, 1],
  [17, 2],
  [19, 2],
  [21, 1],
  [22, 2],
  [32, 4],
  [36, 4],
  [37, 1],
  [40, 2],
  [42, 2],
  [44, 4],
  [50, 2],
  [54, 4],
  [65, 1],
  [82, 4],
  [510, 2],
];

/** Fields of a directory entry: byte offset and length. */
const ENTRY_FIELDS: readonly (readonly [number, number])[] = [
  [0, 1],
  [2, 1],
  [11, 1],
  [20, 2],
  [26, 2],
  [28, 4],
];

/** Clusters of the directories, and of some files; others have nothing but a FAT entry. */
const TREE_CLUSTERS = 40;

/** A volume, and where its structures are. */
interface Seed {
  readonly volume: Bytes;
  /** All that is changed lies before. */
  readonly metadataBytes: number;
  /** Byte offsets of the directories. */
  readonly directories: readonly number[];
  readonly fatOffset: number;
  readonly fatBytes: number;
  readonly entryBits: number;
}

/** Writes an entry of a directory, after the specification. */
function putEntry(
  volume: Bytes,
  at: number,
  name: string,
  attributes: number,
  cluster: number,
): void {
  volume.set(new TextEncoder().encode(name.padEnd(11)), at);
  volume[at + 11] = attributes;
  put(volume, at + 26, 2, cluster);
  if (attributes === 0) put(volume, at + 28, 4, 700);
}

/** Two directories in each other (mtools takes small FAT32 for FAT16), files in all three. */
function putTree(seed: Seed): void {
  const { volume, directories } = seed;
  for (const [index, start] of directories.entries()) {
    let at = start;
    while (volume[at] !== 0) at += 32;
    if (index > 0) {
      putEntry(volume, at, ".", 0x10, index + 2);
      putEntry(volume, at + 32, "..", 0x10, index === 1 ? 0 : 3);
      at += 64;
    }
    if (index < 2) putEntry(volume, at + 32, "FOLDER", 0x10, index + 3);
    // A file in two clusters, and a deleted one.
    putEntry(volume, at + 64, "A~1     JPG", 0, 10 + 2 * index);
    putEntry(volume, at + 96, "\xe5", 0, 30);
    volume[at + 96] = 0xe5;
    putEntry(volume, at, "A~1", 0x0f, 0);
    for (const copy of [0, 1]) {
      if (index > 0) setEntry(seed, volume, index + 2, 0xffffffff, copy);
      setEntry(seed, volume, 10 + 2 * index, 11 + 2 * index, copy);
      setEntry(seed, volume, 11 + 2 * index, 0xffffffff, copy);
    }
  }
}

/** A formatted volume with chains of clusters in both FATs. */
async function makeSeed(sectors: number, entryBits: number, next: Next): Promise<Seed> {
  await using folder = await TemporaryFolder.create();
  const image = await folder.write("card.img", "");
  await Deno.truncate(image, sectors * 512);
  await run("mkfs.fat", ["-a", "-s1", `-F${entryBits}`, image]);
  const volume = await Deno.readFile(image);
  const view = new DataView(volume.buffer);
  const fatOffset = view.getUint16(14, true) * 512;
  const fatBytes = (view.getUint16(22, true) || view.getUint32(36, true)) * 512;
  const rootOffset = fatOffset + 2 * fatBytes;
  const dataOffset = rootOffset + view.getUint16(17, true) * 32;
  const metadataBytes = dataOffset + TREE_CLUSTERS * 512;
  const directories = [rootOffset, dataOffset + 512, dataOffset + 1024];
  const seed = { volume, metadataBytes, directories, fatOffset, fatBytes, entryBits };
  putTree(seed);
  const clusters = sectors - dataOffset / 512;
  for (let cluster = TREE_CLUSTERS + 2; cluster < clusters; cluster += 1 + next(4)) {
    for (const copy of [0, 1]) setEntry(seed, volume, cluster, cluster + 1, copy);
    cluster++;
    for (const copy of [0, 1]) setEntry(seed, volume, cluster, 0xffffffff, copy);
  }
  return seed;
}

function setEntry(
  seed: Seed,
  volume: Bytes,
  cluster: number,
  value: number,
  copy: number,
): void {
  const { fatOffset, fatBytes, entryBits } = seed;
  const at = fatOffset + copy * fatBytes + Math.floor(cluster * entryBits / 8);
  const view = new DataView(volume.buffer);
  if (entryBits === 32) view.setUint32(at, value, true);
  else if (entryBits === 16) view.setUint16(at, value, true);
  else {
    const odd = cluster % 2 === 1;
    const other = view.getUint16(at, true) & (odd ? 0x000f : 0xf000);
    view.setUint16(at, other | (value & 0xfff) << (odd ? 4 : 0), true);
  }
}

function put(volume: Bytes, at: number, length: number, value: number): void {
  for (let byte = 0; byte < length; byte++) {
    if (at + byte < volume.length) volume[at + byte] = value >>> (8 * byte);
  }
}

/** Changes something, mostly in all copies of it. */
function spoil(next: Next, seed: Seed, volume: Bytes): void {
  const isEverywhere = next(5) > 0;
  const what = next(11);
  const value = next(2) === 0 ? NASTY[next(NASTY.length)] ?? 0 : next(5000);
  if (what < 3) {
    const [at, length] = FIELDS[next(FIELDS.length)] ?? [0, 1];
    const old = volume[at] ?? 0;
    const changed = next(3) === 0 ? old + next(5) - 2 : value;
    put(volume, at, next(3) === 0 ? 1 : length, changed);
    // The backup of FAT32; of the others these bytes are the FAT.
    if (isEverywhere && seed.entryBits === 32) volume.copyWithin(6 * 512, 0, 512);
  } else if (what < 7) {
    const cluster = next(3) === 0 ? next(20) : next(seed.fatBytes * 8 / seed.entryBits - 1);
    for (const copy of isEverywhere ? [0, 1] : [next(2)]) {
      setEntry(seed, volume, cluster, value, copy);
    }
  } else if (what < 10) {
    const entry = (seed.directories[next(3)] ?? 0) + 32 * next(9);
    const [at, length] = ENTRY_FIELDS[next(ENTRY_FIELDS.length)] ?? [0, 1];
    put(volume, entry + at, length, next(3) === 0 ? next(TREE_CLUSTERS) : value);
  } else volume[next(seed.metadataBytes)] = next(256);
}

/** A volume that may be said to be larger than it is; it counts what is read. */
class CountingSource implements BlockSource {
  readonly name = "fuzz";
  readonly sectorSize = 512;
  readonly size: number;
  readonly #bytes: Bytes;
  reads = 0;
  readBytes = 0;

  constructor(bytes: Bytes, size: number) {
    this.#bytes = bytes;
    this.size = size;
  }

  readAt(offset: number, into: Bytes): Promise<number> {
    assert(Number.isSafeInteger(offset) && offset >= 0 && into.length <= MIB);
    assert(offset + into.length <= this.size);
    this.reads++;
    this.readBytes += into.length;
    into.fill(0);
    into.set(this.#bytes.subarray(offset, offset + into.length));
    return Promise.resolve(into.length);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** Ranges are ascending, apart from each other, and inside. */
function checkShape(ranges: readonly Range[], size: number): void {
  let end = -1;
  for (const range of ranges) {
    assert(range.offset > end && range.length > 0 && endOf(range) <= size);
    end = endOf(range);
  }
}

/** Where everything is, by the boot sector alone. */
class Geometry {
  readonly #volume: Bytes;
  readonly #view: DataView;
  readonly #fatOffset: number;
  readonly clusterBytes: number;
  readonly rootOffset: number;
  readonly dataOffset: number;
  readonly clusters: number;
  readonly bits: number;

  constructor(volume: Bytes) {
    this.#volume = volume;
    const view = this.#view = new DataView(volume.buffer);
    const sectorBytes = view.getUint16(11, true);
    this.clusterBytes = sectorBytes * view.getUint8(13);
    this.#fatOffset = view.getUint16(14, true) * sectorBytes;
    const fatSectors = view.getUint16(22, true) || view.getUint32(36, true);
    this.rootOffset = this.#fatOffset + view.getUint8(16) * fatSectors * sectorBytes;
    this.dataOffset = this.rootOffset + view.getUint16(17, true) * 32;
    const sectors = view.getUint16(19, true) || view.getUint32(32, true);
    this.clusters = Math.floor((sectors * sectorBytes - this.dataOffset) / this.clusterBytes);
    this.bits = view.getUint16(22, true) === 0 ? 32 : this.clusters < 4085 ? 12 : 16;
  }

  /** Of the first FAT. */
  entry(cluster: number): number {
    let entry = 0;
    for (let bit = 0; bit < this.bits; bit += 4) {
      const at = cluster * this.bits + bit;
      const byte = this.#volume[this.#fatOffset + Math.floor(at / 8)] ?? 0;
      entry |= (at % 8 === 0 ? byte & 0xf : byte >>> 4) << bit;
    }
    return entry >>> 0;
  }

  place(cluster: number): number {
    return this.dataOffset + (cluster - 2) * this.clusterBytes;
  }

  /** The first clusters of all files and directories. */
  firstClusters(): number[] {
    const found: number[] = [];
    const visit = (start: number, length: number): void => {
      for (let at = start; at < start + length; at += 32) {
        const attributes = this.#volume[at + 11] ?? 0;
        // Free ones, "." and "..", labels and long names.
        if ([0, 0xe5, 0x2e].includes(this.#volume[at] ?? 0) || attributes & 8) continue;
        const high = this.bits === 32 ? this.#view.getUint16(at + 20, true) : 0;
        const cluster = high * 65536 + this.#view.getUint16(at + 26, true);
        if (cluster === 0) continue;
        found.push(cluster);
        if (attributes & 16) visitChain(cluster);
      }
    };
    const visitChain = (first: number): void => {
      for (let at = first; at >= 2 && at < this.clusters + 2;) {
        visit(this.place(at), this.clusterBytes);
        at = this.entry(at) & 0x0fffffff;
      }
    };
    if (this.bits === 32) visitChain(this.#view.getUint32(44, true));
    else visit(this.rootOffset, this.dataOffset - this.rootOffset);
    return found;
  }
}

/** Once more, in the simplest way: is all that has an entry in the first FAT among them? */
function checkCover(ranges: readonly Range[], volume: Bytes, size: number): void {
  const geometry = new Geometry(volume);
  const { dataOffset, clusters, clusterBytes } = geometry;
  let index = 0;
  const mustHave = (offset: number, length: number): void => {
    while (index < ranges.length && endOf(ranges[index]!) <= offset) index++;
    const range = ranges[index];
    assert(range !== undefined && range.offset <= offset && endOf(range) >= offset + length);
  };
  mustHave(0, dataOffset);
  for (let cluster = 2; cluster < clusters + 2; cluster++) {
    if (geometry.entry(cluster) !== 0) mustHave(geometry.place(cluster), clusterBytes);
  }
  const clustersEnd = geometry.place(clusters + 2);
  if (size > clustersEnd) mustHave(clustersEnd, size - clustersEnd);
  index = 0;
  for (const cluster of geometry.firstClusters().toSorted((a, b) => a - b)) {
    mustHave(geometry.place(cluster), clusterBytes);
  }
}

Deno.test({
  name: "whatever a FAT volume holds, what it uses is told right, or a FormatError",
  ignore: needs("mkfs.fat"),
  async fn(): Promise<void> {
    const next = seededNumbers(1203);
    const seeds = [
      await makeSeed(300, 12, next),
      await makeSeed(4200, 16, next),
      await makeSeed(500, 32, next),
    ];
    const works = seeds.map((seed) => ({
      seed,
      volume: seed.volume.slice(),
      counts: { told: 0, refused: 0 },
    }));
    for (let round = 0; round < ROUNDS; round += works.length) {
      for (const { seed, volume, counts } of works) {
        try {
          await spoilAndAsk(next, seed, volume, counts);
        } catch (error) {
          throw new Error(`round ${round}`, { cause: error });
        }
      }
    }
    for (const { told, refused } of works.map(({ counts }) => counts)) {
      assert(Math.min(told, refused) > ROUNDS / 60, `${told} told, ${refused} refused`);
    }
  },
});

/** One round; of `volume` only the metadata change. */
async function spoilAndAsk(
  next: Next,
  seed: Seed,
  volume: Bytes,
  counts: { told: number; refused: number },
): Promise<void> {
  volume.set(seed.volume.subarray(0, seed.metadataBytes));
  for (let changes = next(4); changes >= 0; changes--) spoil(next, seed, volume);
  const isCut = next(8) === 0;
  const size = isCut ? next(volume.length) : next(4) === 0 ? 64 * MIB : volume.length;
  const source = new CountingSource(volume.subarray(0, size), size);
  try {
    const ranges = await fat.usedRanges?.(source) ?? [];
    checkShape(ranges, size);
    checkCover(ranges, volume, size);
    counts.told++;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    counts.refused++;
  }
  // The FAT, and each cluster of a directory, once more than before.
  assert(source.readBytes <= 2 * size + 4096 && source.reads < 2000);
}
