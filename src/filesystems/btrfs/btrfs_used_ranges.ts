/** Btrfs on-disk format, https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html */
import type { BlockSource } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import { endOf, mergeRanges, type Range } from "../../core/range.ts";
import { UsedRanges } from "../used_ranges.ts";
import type { BtrfsChunkMap } from "./btrfs_chunks.ts";
import { checkDeviceExtents } from "./btrfs_device_extents.ts";
import { BtrfsExtents } from "./btrfs_extents.ts";
import { onlyRoot, readBtrfsChunks, readBtrfsRoots } from "./btrfs_roots.ts";
import {
  type BtrfsSuperblock,
  readBtrfsSuperblock,
  SUPERBLOCK_OFFSETS,
} from "./btrfs_superblock.ts";
import { type BtrfsRoot, BtrfsTreeReader } from "./btrfs_tree.ts";

const EXTENT_TREE = 2n;
const DEVICE_TREE = 4n;
const BLOCK_GROUP_TREE = 11n;

/** Kept free of chunks for boot loaders. */
const BOOT_BYTES = 1024 * 1024;
/** Kept free around each superblock. */
const SUPERBLOCK_AREA_BYTES = 64 * 1024;

/**
 * The extents of a btrfs volume, at all places that hold them, its superblocks and its boot
 * area, and what lies behind the end of the device that it calls its own.
 *
 * What is committed is always whole, so it does not matter whether it was unmounted, but
 * for its log, which must be empty. The superblock also names the roots of the last
 * commits; what only these use counts as free, as btrfs itself does, and is lost.
 *
 * One device, each chunk once or twice on it; checksums CRC-32C or SHA-256. Each block that
 * is read is checked, and the extents must add up to what each block group and the
 * superblock say.
 *
 * @throws {FormatError} when there is any doubt.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function btrfsUsedRanges(volume: BlockSource): Promise<readonly Range[]> {
  const superblock = await readBtrfsSuperblock(volume);
  const { chunks, blocks } = await readBtrfsChunks(volume, superblock);
  const reader = new BtrfsTreeReader(volume, superblock, chunks);
  const roots = await readBtrfsRoots(reader, superblock);
  await checkDeviceExtents(reader, onlyRoot(roots, DEVICE_TREE), chunks, superblock.devid);
  const used = new UsedRanges(superblock.total_bytes);
  const extents = new BtrfsExtents(superblock, chunks, used);
  for await (const items of reader.leaves(onlyRoot(roots, EXTENT_TREE))) {
    for (const item of items) extents.addExtentItem(item);
  }
  if (superblock.hasBlockGroupTree) {
    for await (const items of reader.leaves(onlyRoot(roots, BLOCK_GROUP_TREE))) {
      for (const item of items) extents.addBlockGroup(item);
    }
  }
  extents.finish();
  const ranges = used.ranges();
  for (const some of [blocks, reader.visited, beginnings(roots)]) {
    checkTrees(ranges, superblock, chunks, some);
  }
  return mergeRanges([...ranges, ...reserved(volume.size, superblock.total_bytes)]);
}

/** Where trees begin that are there. */
function beginnings(roots: readonly BtrfsRoot[]): readonly number[] {
  return roots.map(({ bytenr }) => bytenr).filter((bytenr) => bytenr !== 0);
}

/** All trees lie in extents, so these blocks must. */
function checkTrees(
  ranges: readonly Range[],
  { nodesize }: BtrfsSuperblock,
  chunks: BtrfsChunkMap,
  blocks: readonly number[],
): void {
  for (const block of blocks) {
    if (chunks.placesOf(block, nodesize).every((place) => isCovered(ranges, place))) continue;
    throw new FormatError(`its tree block ${block} is in no extent`, block, "EXTENT_ITEM");
  }
}

/** Does one of the ranges, which ascend, hold all of it? */
function isCovered(ranges: readonly Range[], { offset, length }: Range): boolean {
  let low = 0;
  let high = ranges.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle]?.offset ?? Infinity) <= offset) low = middle;
    else high = middle;
  }
  const range = ranges[low];
  return range !== undefined && range.offset <= offset && endOf(range) >= offset + length;
}

/** Superblocks, boot area, and what is behind the end. */
function reserved(volumeBytes: number, deviceBytes: number): readonly Range[] {
  const areas = SUPERBLOCK_OFFSETS.map((offset) => ({ offset, length: SUPERBLOCK_AREA_BYTES }));
  return [
    { offset: 0, length: BOOT_BYTES },
    ...areas,
    { offset: deviceBytes, length: volumeBytes - deviceBytes },
  ].map(({ offset, length }) => ({ offset, length: Math.min(length, volumeBytes - offset) }));
}
