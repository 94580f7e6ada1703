import { assert } from "@std/assert";
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import { FormatError } from "../../src/core/errors.ts";
import { endOf, type Range } from "../../src/core/range.ts";
import { exfat } from "../../src/filesystems/all.ts";
import { run } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

/** A round takes about half a millisecond. `SECTORSHOT_FUZZ=1000000` for a while. */
const ROUNDS = Number(Deno.env.get("SECTORSHOT_FUZZ") ?? 4000);
const MIB = 1024 * 1024;
const REGION_BYTES = 12 * 512;
const FIRST_FILE_CLUSTER = 60;

type Next = (limit: number) => number;

/** Numbers that break counting. */
const NASTY = [0, 1, 2, 3, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0xfffffff7, 0xffffffff];

/** Fields of the boot sector: byte offset and length. */
const FIELDS: readonly (readonly [number, number])[] = [
  [64, 8],
  [72, 4],
  [76, 4],
  [80, 4],
  [84, 4],
  [88, 4],
  [92, 4],
  [96, 4],
  [104, 2],
  [106, 2],
  [108, 1],
  [109, 1],
  [110, 1],
  [112, 1],
  [510, 2],
];

/** Fields of a file's set of three entries: byte offset and length. */
const SET_FIELDS: readonly (readonly [number, number])[] = [
  [0, 1],
  [1, 1],
  [4, 2],
  [32, 1],
  [33, 1],
  [35, 1],
  [52, 4],
  [56, 4],
  [60, 4],
  [64, 1],
  [96, 1],
];

/** Directories: they are in one cluster each, behind the structures that mkfs.exfat makes. */
const FOLDER_CLUSTERS = [50, 51] as const;
const SET_BYTES = 96;

/** Where the structures of a volume are, in bytes. */
interface Seed {
  readonly volume: Bytes;
  readonly fatOffset: number;
  readonly clusters: number;
  readonly heapOffset: number;
  readonly bitmapOffset: number;
  readonly rootOffset: number;
  /** Byte offsets of sets of entries. */
  readonly sets: number[];
  readonly metadataBytes: number;
}

/** A formatted volume with some clusters in use. */
async function makeSeed(bytes: number, clusterBytes: number, next: Next): Promise<Seed> {
  await using folder = await TemporaryFolder.create();
  const image = await folder.write("card.img", "");
  await Deno.truncate(image, bytes);
  await run("mkfs.exfat", ["-c", String(clusterBytes), "-b", "4096", "-L", "FUZZ", image]);
  const volume = await Deno.readFile(image);
  const view = new DataView(volume.buffer);
  const heapOffset = view.getUint32(88, true) * 512;
  const place = (cluster: number): number => heapOffset + (cluster - 2) * clusterBytes;
  const rootOffset = place(view.getUint32(96, true));
  let entry = rootOffset;
  while (volume[entry] !== 0x81) entry += 32;
  const seed = {
    volume,
    fatOffset: view.getUint32(80, true) * 512,
    clusters: view.getUint32(92, true),
    heapOffset,
    bitmapOffset: place(view.getUint32(entry + 20, true)),
    rootOffset,
    sets: [],
    metadataBytes: place(FIRST_FILE_CLUSTER),
  };
  assert(seed.metadataBytes > rootOffset + clusterBytes);
  const second = view.getUint32(entry + 20, true) + 1;
  if (Math.ceil(seed.clusters / 8) > clusterBytes) {
    // Nothing says that a bitmap must be in one piece.
    const elsewhere = FIRST_FILE_CLUSTER - 2;
    volume.copyWithin(place(elsewhere), place(second), place(second + 1));
    view.setUint32(seed.fatOffset + 4 * (second - 1), elsewhere, true);
    view.setUint32(seed.fatOffset + 4 * elsewhere, 0xffffffff, true);
    mark(seed, elsewhere);
    volume.fill(0x5a, place(elsewhere), place(elsewhere) + 50);
  }
  putTree(seed, clusterBytes);
  for (let cluster = FIRST_FILE_CLUSTER; cluster < seed.clusters; cluster += 1 + next(5)) {
    // As far as the first cluster of the bitmap reaches.
    if (cluster - 2 < clusterBytes * 8) mark(seed, cluster);
  }
  return seed;
}

/** Two directories in each other, and files in all three of them. */
function putTree(seed: Seed, clusterBytes: number): void {
  const { volume, heapOffset, rootOffset, fatOffset } = seed;
  const folders = FOLDER_CLUSTERS.map((cluster) => heapOffset + (cluster - 2) * clusterBytes);
  for (const [index, start] of [rootOffset, ...folders].entries()) {
    let at = start;
    while (volume[at] !== 0) at += 32;
    const folder = FOLDER_CLUSTERS[index];
    if (folder !== undefined) {
      putSet(seed, at, 0x10, 3, folder, clusterBytes);
      at += SET_BYTES;
    }
    // One in one piece, one in the FAT; they go backwards there.
    const first = 30 + 4 * index;
    putSet(seed, at, 0, 3, first, clusterBytes + 1);
    putSet(seed, at + SET_BYTES, 0, 1, first + 3, clusterBytes + 1);
    put(volume, fatOffset + 4 * (first + 3), 4, first + 2);
    put(volume, fatOffset + 4 * (first + 2), 4, 0xffffffff);
    for (let cluster = first; cluster < first + 4; cluster++) mark(seed, cluster);
  }
  for (const cluster of FOLDER_CLUSTERS) mark(seed, cluster);
}

/** Writes a file's set of entries, after the specification. */
function putSet(
  { volume, sets }: Seed,
  at: number,
  attributes: number,
  flags: number,
  cluster: number,
  length: number,
): void {
  volume.set([0x85, 2, 0, 0, attributes], at);
  volume.set([0xc0, flags, 0, 3], at + 32);
  put(volume, at + 52, 4, cluster);
  put(volume, at + 56, 8, length);
  volume.set([0xc1, 0, 0x41, 0, 0x42, 0, 0x43, 0], at + 64);
  putSetChecksum(volume, at);
  sets.push(at);
}

/** Section 6.3.3 of the specification. */
function putSetChecksum(volume: Bytes, start: number): void {
  let checksum = 0;
  for (let at = start; at < start + 32 * (1 + (volume[start + 1] ?? 0)); at++) {
    if (at === start + 2 || at === start + 3) continue;
    checksum = (checksum % 2 << 15 | checksum >>> 1) + (volume[at] ?? 0) & 0xffff;
  }
  put(volume, start + 2, 2, checksum);
}

/** Marks one in the first cluster of the bitmap. */
function mark({ volume, bitmapOffset }: Seed, cluster: number): void {
  const at = bitmapOffset + Math.floor((cluster - 2) / 8);
  volume[at] = (volume[at] ?? 0) | 1 << (cluster - 2) % 8;
}

function put(volume: Bytes, at: number, length: number, value: number): void {
  for (let byte = 0; byte < length; byte++) {
    if (at + byte < volume.length) volume[at + byte] = byte < 4 ? value >>> (8 * byte) : 0;
  }
}

/** Changes something; answers whether that was in the boot regions. */
function spoil(next: Next, seed: Seed, volume: Bytes): boolean {
  const value = next(2) === 0 ? NASTY[next(NASTY.length)] ?? 0 : next(3000);
  const what = next(12);
  if (what < 2) {
    const [at, length] = FIELDS[next(FIELDS.length)] ?? [0, 1];
    const old = volume[at] ?? 0;
    const changed = next(2) === 0 ? old + next(5) - 2 : value;
    put(volume, at, next(2) === 0 ? 1 : length, changed);
    if (next(6) > 0) put(volume, REGION_BYTES + at, next(2) === 0 ? 1 : length, changed);
    return true;
  }
  if (what < 4) put(volume, seed.fatOffset + 4 * next(40), 4, next(2) === 0 ? value : next(40));
  else if (what < 6) put(volume, seed.rootOffset + next(128), next(2) === 0 ? 1 : 4, value);
  else if (what < 8) {
    volume[seed.bitmapOffset + next(Math.min(512, Math.ceil(seed.clusters / 8)))] = next(256);
  } else if (what < 11) {
    const set = seed.sets[next(seed.sets.length)] ?? 0;
    const [at, length] = SET_FIELDS[next(SET_FIELDS.length)] ?? [0, 1];
    put(volume, set + at, length, next(3) === 0 ? next(FIRST_FILE_CLUSTER) : value);
    if (next(8) > 0) putSetChecksum(volume, set);
  } else {
    const at = next(seed.metadataBytes);
    volume[at] = next(256);
    return at < 2 * REGION_BYTES;
  }
  return false;
}

/** Puts the right checksums into both boot regions (specification, section 3.4). */
function putChecksums(volume: Bytes): void {
  const view = new DataView(volume.buffer);
  for (const start of [0, REGION_BYTES]) {
    let checksum = 0;
    for (let at = 0; at < 11 * 512; at++) {
      if (at === 106 || at === 107 || at === 112) continue;
      checksum = (checksum % 2 << 31 | checksum >>> 1) + (volume[start + at] ?? 0) >>> 0;
    }
    for (let at = 0; at < 512; at += 4) view.setUint32(start + 11 * 512 + at, checksum, true);
  }
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

/** Once more, in the simplest way: is every cluster among them that the bitmap marks? */
function checkCover(ranges: readonly Range[], volume: Bytes, size: number): void {
  const view = new DataView(volume.buffer);
  const sectorBytes = 2 ** view.getUint8(108);
  const clusterBytes = sectorBytes * 2 ** view.getUint8(109);
  const clusters = view.getUint32(92, true);
  const fatOffset = view.getUint32(80, true) * sectorBytes;
  const heapOffset = view.getUint32(88, true) * sectorBytes;
  const place = (cluster: number): number => heapOffset + (cluster - 2) * clusterBytes;
  // Where a chain has its bytes, one cluster after the other.
  const follow = (first: number): number[] => {
    const places: number[] = [];
    for (let cluster = first; cluster !== 0xffffffff && places.length < 5000;) {
      places.push(place(cluster));
      cluster = view.getUint32(fatOffset + 4 * cluster, true);
    }
    return places;
  };
  const entries = follow(view.getUint32(96, true)).flatMap((start) =>
    Array.from({ length: clusterBytes / 32 }, (_, index) => start + 32 * index)
  );
  const bitmap = follow(
    view.getUint32((entries.find((entry) => volume[entry] === 0x81) ?? 0) + 20, true),
  );
  let index = 0;
  const mustHave = (offset: number, length: number): void => {
    while (index < ranges.length && endOf(ranges[index]!) <= offset) index++;
    const range = ranges[index];
    assert(range !== undefined && range.offset <= offset && endOf(range) >= offset + length);
  };
  mustHave(0, heapOffset);
  for (let bit = 0; bit < clusters; bit++) {
    const byte = Math.floor(bit / 8);
    const at = (bitmap[Math.floor(byte / clusterBytes)] ?? 0) + byte % clusterBytes;
    if ((volume[at] ?? 0) >>> bit % 8 & 1) mustHave(place(bit + 2), clusterBytes);
  }
  const heapEnd = place(clusters + 2);
  if (size > heapEnd) mustHave(heapEnd, size - heapEnd);
  index = 0;
  const first = view.getUint32(96, true);
  for (const offset of filePlaces(volume, follow(first), follow, clusterBytes)) {
    mustHave(offset, clusterBytes);
  }
}

/** Where all clusters of all files and directories below this one are, ascending. */
function filePlaces(
  volume: Bytes,
  directory: readonly number[],
  follow: (first: number) => number[],
  clusterBytes: number,
): number[] {
  const view = new DataView(volume.buffer);
  const heap = (cluster: number): number =>
    view.getUint32(88, true) * 2 ** view.getUint8(108) + (cluster - 2) * clusterBytes;
  const entries = directory.flatMap((start) =>
    Array.from({ length: clusterBytes / 32 }, (_, index) => start + 32 * index)
  );
  const places: number[] = [];
  for (const [index, entry] of entries.entries()) {
    const stream = entries[index + 1] ?? 0;
    if (volume[entry] !== 0x85) continue;
    assert(volume[stream] === 0xc0);
    const first = view.getUint32(stream + 20, true);
    if (first === 0) continue;
    const count = Math.max(1, Math.ceil(view.getUint32(stream + 24, true) / clusterBytes));
    const own = ((volume[stream + 1] ?? 0) & 2) === 0
      ? follow(first)
      : Array.from({ length: count }, (_, each) => heap(first + each));
    places.push(...own);
    if (((volume[entry + 4] ?? 0) & 0x10) === 0) continue;
    places.push(...filePlaces(volume, own.slice(0, count), follow, clusterBytes));
  }
  return places.sort((a, b) => a - b);
}

Deno.test({
  name: "whatever an exFAT volume holds, what it uses is told right, or a FormatError",
  ignore: needs("mkfs.exfat"),
  async fn(): Promise<void> {
    const next = seededNumbers(2019);
    const seeds = [
      await makeSeed(512 * 1024, 512, next),
      await makeSeed(3 * MIB, 512, next),
      await makeSeed(1 * MIB, 4096, next),
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

/** One round; of `volume` only what lies before the files changes. */
async function spoilAndAsk(
  next: Next,
  seed: Seed,
  volume: Bytes,
  counts: { told: number; refused: number },
): Promise<void> {
  volume.set(seed.volume.subarray(0, seed.metadataBytes));
  let isBoot = false;
  for (let changes = next(3); changes >= 0; changes--) {
    isBoot = spoil(next, seed, volume) || isBoot;
  }
  if (isBoot && next(8) > 0) putChecksums(volume);
  const isCut = next(10) === 0;
  const size = isCut ? next(volume.length) : next(4) === 0 ? 64 * MIB : volume.length;
  const source = new CountingSource(volume.subarray(0, size), size);
  try {
    const ranges = await exfat.usedRanges?.(source) ?? [];
    checkShape(ranges, size);
    checkCover(ranges, volume, size);
    counts.told++;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    counts.refused++;
  }
  assert(source.readBytes <= 64 * MIB && source.reads < 9000);
}
