import { assert } from "@std/assert";
import type { Bytes } from "../../src/core/block.ts";
import { FormatError } from "../../src/core/errors.ts";
import { endOf, gapsBetween, intersection, type Range } from "../../src/core/range.ts";
import {
  crc32cFrom,
  CRC_START,
  littleEndian32,
} from "../../src/filesystems/ext/ext_checksums.ts";
import {
  assertCopyIsWhole,
  CountingSource,
  debugfs,
  dumpe2fs,
  E2FSPROGS,
  mke2fs,
  present,
  usedRanges,
} from "../filesystems/ext_used_images.ts";
import { patternBytes } from "../support/pattern.ts";
import { tryRun } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers, StrictSource } from "../volumes/image_tools.ts";

/** Changed volumes; some thousand a second. `SECTORSHOT_FUZZ=1000000` for a longer run. */
const ROUNDS = Number(Deno.env.get("SECTORSHOT_FUZZ") ?? 6000);

/** Volumes of random content; each takes a second. */
const VOLUMES = Math.ceil(ROUNDS / 3000);

/** So many of the changed volumes that were accepted are shown to dumpe2fs. */
const SHOWN = 30;

const KIB = 1024;
const MIB = 1024 * KIB;

type Next = (limit: number) => number;

/** Numbers that break counting. */
const NASTY = [
  0,
  1,
  2,
  3,
  7,
  8,
  31,
  32,
  63,
  255,
  256,
  1023,
  1024,
  0x7fff,
  0x8000,
  0xffff,
  0x7fff_ffff,
  0x8000_0000,
  0xffff_ffff,
];

/** Fields of the superblock that say something. */
const FIELDS = [
  ...[0, 4, 12, 20, 24, 28, 32, 36, 40, 56, 76, 88, 92, 96, 100, 206, 224, 232, 254, 260],
  ...[336, 344, 352, 360, 372, 404, 588, 592, 624],
];

/** A volume in memory and the places in it that decide. */
interface Volume {
  readonly bytes: Bytes;
  readonly hasChecksums: boolean;
  readonly descriptorBytes: number;
  readonly descriptors: number;
  readonly groups: number;
  /** Superblock, descriptors, bitmaps, what leads to the journal: each as often as the others. */
  readonly places: readonly (readonly Range[])[];
}

/** Small ones: 16 groups or so, blocks of 1 KiB. */
const OPTIONS: readonly string[] = [
  "-t ext4 -g 256 -N 128",
  "-t ext4 -g 256 -N 128 -O ^flex_bg,^has_journal",
  "-t ext4 -g 256 -N 128 -O ^metadata_csum,uninit_bg,^64bit",
  "-t ext4 -g 256 -N 128 -O ^metadata_csum,^uninit_bg,^has_journal",
  "-t ext4 -g 256 -N 128 -O meta_bg,^resize_inode,^has_journal",
  "-t ext4 -C 4096 -g 1024 -N 128 -O bigalloc,mmp",
  "-t ext4 -g 256 -N 128 -O sparse_super2,^metadata_csum,^uninit_bg,^has_journal",
  "-t ext2 -g 256 -N 128",
  "-t ext3 -g 256 -N 128",
];

async function makeVolume(folder: TemporaryFolder, options: string): Promise<Volume> {
  const files = folder.file("files");
  await Deno.mkdir(files, { recursive: true });
  for (let index = 0; index < 6; index++) {
    const content = patternBytes(30_000 * index, { seed: index + 1 });
    await Deno.writeFile(`${files}/${index}`, content);
  }
  const path = folder.file("volume");
  await mke2fs(path, 4 * MIB, ["-b", "1024", ...options.split(" "), "-d", files]);
  await debugfs(path, ["rm /2"]);
  const { text } = await dumpe2fs(path);
  const blocks = (pattern: RegExp): number[] =>
    [...text.matchAll(pattern)].map((match) => Number(match[1]));
  const bitmaps = blocks(/Block bitmap at (\d+)/g);
  const inodes = blocks(/Inode table at (\d+)/g)[0] ?? 0;
  const inodeBytes = Number(/Inode size:\s+(\d+)/.exec(text)?.[1]);
  // 0 without a journal.
  const first = Number((await tryRun("debugfs", ["-R", "bmap <8> 0", path])).stdout);
  return {
    bytes: await Deno.readFile(path),
    hasChecksums: /metadata_csum/.test(text),
    descriptorBytes: Number(/Group descriptor size:\s+(\d+)/.exec(text)?.[1] ?? 32),
    descriptors: 2 * KIB,
    groups: bitmaps.length,
    places: [
      FIELDS.map((at) => ({ offset: KIB + at, length: 4 })),
      bitmaps.map((_, group) => ({ offset: 2 * KIB + group * 32, length: 32 })),
      bitmaps.map((block) => ({ offset: block * KIB, length: 32 })),
      [
        { offset: KIB, length: KIB },
        { offset: 2 * KIB, length: 2 * KIB },
        { offset: inodes * KIB + 7 * inodeBytes, length: 128 },
        ...(first > 0 ? [{ offset: first * KIB, length: 64 }] : []),
      ],
    ],
  };
}

/** What a round changed, to be undone. */
interface Change {
  readonly offset: number;
  readonly bytes: Bytes;
}

function put(volume: Volume, offset: number, bytes: Uint8Array, undo: Change[]): void {
  const end = offset + bytes.length;
  undo.push({ offset, bytes: volume.bytes.slice(offset, end) });
  volume.bytes.set(bytes, offset);
}

/** One number or one bit of what decides. */
function change(next: Next, volume: Volume, undo: Change[]): void {
  const places = present(volume.places[next(volume.places.length)], "kind");
  const place = present(places[next(places.length)], "place");
  const width = [1, 2, 4][next(3)] ?? 1;
  const offset = place.offset + Math.floor(next(place.length - 3) / width) * width;
  const old = volume.bytes.subarray(offset, offset + width);
  const what = next(4);
  if (what === 0) {
    put(volume, offset, Uint8Array.of((old[0] ?? 0) ^ (1 << next(8))), undo);
  } else if (what === 1) {
    const near = new Uint8Array(old);
    near[0] = (near[0] ?? 0) + next(7) - 3;
    put(volume, offset, near, undo);
  } else {
    const value = what === 2 ? NASTY[next(NASTY.length)] ?? 0 : next(2 ** 32);
    put(volume, offset, littleEndian32(value).subarray(0, width), undo);
  }
}

/** Makes the checksums right again, so that what they protect is looked at. */
function repairChecksums(volume: Volume, undo: Change[]): void {
  const { bytes, descriptorBytes } = volume;
  const seed = crc32cFrom(CRC_START, bytes.subarray(KIB + 104, KIB + 120));
  for (let group = 0; group < volume.groups; group++) {
    const at = volume.descriptors + group * descriptorBytes;
    const descriptor = bytes.slice(at, at + descriptorBytes);
    descriptor.fill(0, 30, 32);
    const parts = [littleEndian32(group), descriptor];
    put(volume, at + 30, littleEndian32(parts.reduce(crc32cFrom, seed)).subarray(0, 2), undo);
  }
  const checksum = crc32cFrom(CRC_START, bytes.subarray(KIB, KIB + 1020));
  put(volume, KIB + 1020, littleEndian32(checksum), undo);
}

/** What ext says of a volume; undefined when it says that it cannot say. */
async function usedOrRefused(bytes: Bytes): Promise<readonly Range[] | undefined> {
  const source = new CountingSource(new StrictSource(bytes));
  try {
    return await usedRanges(source);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return undefined;
  } finally {
    // Whatever it says of itself, little is read and held.
    assert(source.bytes < 4 * bytes.length && source.largest <= MIB);
    assert(source.reads < 2000, `${source.reads} reads`);
  }
}

/** Ascending, joined, within the volume; boot code and superblock are among them. */
function checkRanges(used: readonly Range[], size: number): void {
  let end = -1;
  for (const range of used) {
    assert(range.offset > end && range.length > 0);
    end = endOf(range);
  }
  assert(end <= size);
  assert(used[0]?.offset === 0 && used[0].length >= 2 * KIB);
}

/** What we leave out must be free for dumpe2fs too, where it makes sense of the volume. */
async function showToDumpe2fs(
  folder: TemporaryFolder,
  bytes: Bytes,
  used: readonly Range[],
): Promise<void> {
  const path = await folder.write("changed", bytes);
  if ((await tryRun("dumpe2fs", [path])).code !== 0) return;
  const { free } = await dumpe2fs(path);
  const usedThere = gapsBetween({ offset: 0, length: bytes.length }, free);
  for (const gap of gapsBetween({ offset: 0, length: bytes.length }, used)) {
    for (const range of usedThere) {
      const lost = intersection(gap, range);
      assert(lost === undefined, `dumpe2fs says that ${lost?.offset} is in use`);
    }
  }
}

Deno.test({
  name: "whatever a volume of ext holds, its use is told or refused",
  ignore: needs(...E2FSPROGS),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const volumes: Volume[] = [];
    for (const options of OPTIONS) volumes.push(await makeVolume(folder, options));
    for (const { bytes } of volumes) assert(await usedOrRefused(bytes) !== undefined);
    const next = seededNumbers(4096);
    const counts = { refused: 0, told: 0, shown: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      const volume = present(volumes[next(volumes.length)], "volume");
      const undo: Change[] = [];
      for (let changes = 1 + next(3); changes > 0; changes--) change(next, volume, undo);
      if (volume.hasChecksums && next(4) > 0) repairChecksums(volume, undo);
      try {
        const used = await usedOrRefused(volume.bytes);
        if (used === undefined) counts.refused++;
        else {
          counts.told++;
          checkRanges(used, volume.bytes.length);
          if (next(ROUNDS) < 4 * SHOWN) {
            counts.shown++;
            await showToDumpe2fs(folder, volume.bytes, used);
          }
        }
      } catch (error) {
        throw new Error(`round ${round}`, { cause: error });
      }
      for (const { offset, bytes } of undo.reverse()) volume.bytes.set(bytes, offset);
    }
    // The changes are well chosen when all of it happens often.
    for (const [name, least] of [["refused", ROUNDS / 20], ["told", ROUNDS / 20]] as const) {
      assert(
        ROUNDS < 1000 || counts[name] > least,
        `only ${counts[name]} ${name} of ${ROUNDS}`,
      );
    }
    // Volumes are as they were: all that was changed was undone.
    for (const { bytes } of volumes) assert(await usedOrRefused(bytes) !== undefined);
  },
});

/** Options that go together, by chance. */
function randomOptions(next: Next): string[] {
  const pick = <T>(...from: readonly T[]): T | undefined => from[next(from.length)];
  const type = pick("ext2", "ext3", "ext4", "ext4", "ext4");
  const block = pick("1024", "2048", "4096");
  const features = new Set<string>();
  if (type === "ext4") {
    // No quota: debugfs does not count for it.
    for (
      const feature of ["^64bit", "^flex_bg", "inline_data", "sparse_super2", "ea_inode"]
    ) {
      if (next(4) === 0) features.add(feature);
    }
    const checksums = pick("metadata_csum", "^metadata_csum,uninit_bg", "^metadata_csum");
    if (checksums !== undefined) features.add(checksums);
    if (next(4) === 0) features.add("^has_journal");
  }
  const isMeta = next(4) === 0;
  if (isMeta) features.add("meta_bg,^resize_inode");
  const group = next(2) === 0 ? ["-g", String(1024 * (1 + next(4)))] : [];
  const more = features.size > 0 ? ["-O", [...features].join(",")] : [];
  return ["-t", type ?? "ext4", "-b", block ?? "4096", ...group, ...more];
}

/** What somebody may do with files, in the words of debugfs. */
async function randomCommands(next: Next, folder: TemporaryFolder): Promise<string[]> {
  const commands: string[] = [];
  const names: string[] = [];
  for (let step = 0; step < 60; step++) {
    if (next(3) > 0 || names.length === 0) {
      const content = patternBytes(next(next(5) === 0 ? 900_000 : 40_000), { seed: step + 1 });
      const path = await folder.write(`content${step}`, content);
      names.push(`f${step}`);
      commands.push(`write ${path} f${step}`);
    } else if (next(4) === 0) commands.push(`mkdir d${step}`);
    else commands.push(`rm ${names.splice(next(names.length), 1)}`);
  }
  return commands;
}

Deno.test({
  name: "whatever files are on a volume of ext, none of their blocks is left out",
  ignore: needs(...E2FSPROGS),
  async fn(): Promise<void> {
    const next = seededNumbers(77);
    for (let index = 0; index < VOLUMES; index++) {
      await using folder = await TemporaryFolder.create();
      const path = folder.file("volume");
      const options = randomOptions(next);
      await mke2fs(path, (32 + next(64)) * MIB, options);
      await debugfs(path, await randomCommands(next, folder));
      try {
        await assertCopyIsWhole(path, folder.path);
      } catch (error) {
        throw new Error(`volume ${index}: ${options.join(" ")}`, { cause: error });
      }
    }
  },
});
