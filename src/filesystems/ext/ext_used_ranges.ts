/** ext4 data structures, "Layout" and "Block and inode Bitmaps", https://docs.kernel.org/filesystems/ext4/ */
import type { BlockSource } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import { endOf, type Range, totalLength } from "../../core/range.ts";
import { readAll, UsedRanges } from "../used_ranges.ts";
import { type GroupUse, placedBlocks, readGroupUse } from "./ext_block_bitmaps.ts";
import { readExtDescriptors } from "./ext_descriptor_table.ts";
import { hasIncompat } from "./ext_features.ts";
import { checkGeometry, groupClusters, groupFirstBlock } from "./ext_geometry.ts";
import { fixedBlocks } from "./ext_group_layout.ts";
import { checkJournal } from "./ext_journal.ts";
import { checkMmp } from "./ext_mmp.ts";
import { type ExtSuperblock, parseExtSuperblock } from "./ext_superblock.ts";
import {
  SUPERBLOCK_BYTES,
  SUPERBLOCK_OFFSET,
  superblockError,
} from "./ext_superblock_error.ts";

/** Bounds memory: a volume with more pieces than this is copied whole. */
const MAX_RUNS = 2 ** 21;

/**
 * The bytes that a file system of ext2/3/4 uses: what its block bitmaps say, which must agree
 * with the counts and cover all of its structures; boot code; and what lies behind it.
 *
 * @throws {FormatError} when it was not cleanly unmounted, has features that are not known,
 * is damaged, or contradicts itself.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function extUsedRanges(volume: BlockSource): Promise<readonly Range[]> {
  if (!Number.isSafeInteger(volume.size)) {
    throw superblockError("s_blocks_count", "the size of the volume is not known");
  }
  const bytes = await readAll(volume, SUPERBLOCK_OFFSET, SUPERBLOCK_BYTES, "superblock");
  const superblock = parseExtSuperblock(bytes);
  checkGeometry(superblock, volume.size);
  await checkMmp(volume, superblock);
  await checkJournal(volume, superblock);
  const used = new UsedBlocks(superblock);
  for await (const descriptors of readExtDescriptors(volume, superblock)) {
    for await (const use of readGroupUse(volume, superblock, descriptors)) used.addGroup(use);
  }
  return withSurroundings(used.ranges(), superblock, volume.size);
}

/** Boot code, and what is no longer the file system's: nothing says what it is. */
function withSurroundings(
  ranges: readonly Range[],
  { s_blocks_count, blockBytes }: ExtSuperblock,
  volumeBytes: number,
): readonly Range[] {
  const all = new UsedRanges(volumeBytes);
  all.add(0, SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES);
  for (const { offset, length } of ranges) all.add(offset, length);
  const end = s_blocks_count * blockBytes;
  all.add(end, volumeBytes - end);
  return all.ranges();
}

/** Gathers what all groups use, and holds it against what else is known of it. */
class UsedBlocks {
  readonly #superblock: ExtSuperblock;
  /** What bitmaps say, in bytes. */
  readonly #marked: UsedRanges;
  /** Where structures lie, in bytes. */
  readonly #structures: UsedRanges;
  #structureBytes = 0;
  #freeClusters = 0;
  #runs = 0;

  constructor(superblock: ExtSuperblock) {
    this.#superblock = superblock;
    const bytes = superblock.s_blocks_count * superblock.blockBytes;
    this.#marked = new UsedRanges(bytes);
    this.#structures = new UsedRanges(bytes);
    const { s_mmp_block } = superblock;
    if (hasIncompat(superblock, "MMP")) this.#addStructure({ offset: s_mmp_block, length: 1 });
  }

  /** @throws {FormatError} when its descriptor counts otherwise. */
  addGroup({ descriptor, clusters }: GroupUse): void {
    const { group, bg_free_blocks_count } = descriptor;
    const free = groupClusters(this.#superblock, group) - totalLength(clusters);
    if (free !== bg_free_blocks_count) {
      throw new FormatError(
        `block group ${group} has ${free} free clusters, its descriptor says ` +
          `${bg_free_blocks_count}`,
        0,
        "bg_free_blocks_count",
      );
    }
    this.#freeClusters += free;
    for (const run of clusters) this.#addMarked(group, run);
    for (const blocks of fixedBlocks(this.#superblock, group)) this.#addStructure(blocks);
    for (const blocks of placedBlocks(this.#superblock, descriptor)) {
      this.#addStructure(blocks);
    }
  }

  /**
   * All of it.
   *
   * @throws {FormatError} when structures lie over one another or in free blocks, or the
   * superblock counts otherwise.
   */
  ranges(): readonly Range[] {
    const { s_free_blocks_count, clusterBlocks } = this.#superblock;
    const free = this.#freeClusters * clusterBlocks;
    if (free !== s_free_blocks_count) {
      throw superblockError(
        "s_free_blocks_count",
        `it has ${free} free blocks, its superblock says ${s_free_blocks_count}`,
      );
    }
    const structures = this.#structures.ranges();
    if (totalLength(structures) !== this.#structureBytes) {
      throw new FormatError("its structures lie over one another", 0, "bg_inode_table");
    }
    const marked = totalLength(this.#marked.ranges());
    for (const { offset, length } of structures) this.#marked.add(offset, length);
    const all = this.#marked.ranges();
    if (totalLength(all) !== marked) {
      throw new FormatError("its bitmaps call its own structures free", 0, "bg_block_bitmap");
    }
    return all;
  }

  /** Clusters of a group; the last one of all may be cut off. */
  #addMarked(group: number, run: Range): void {
    if (++this.#runs > MAX_RUNS) {
      throw new FormatError("its free space is too scattered", 0, "bg_block_bitmap");
    }
    const { s_blocks_count, clusterBlocks, blockBytes } = this.#superblock;
    const first = groupFirstBlock(this.#superblock, group);
    const begin = first + run.offset * clusterBlocks;
    const end = Math.min(first + endOf(run) * clusterBlocks, s_blocks_count);
    this.#marked.add(begin * blockBytes, (end - begin) * blockBytes);
  }

  #addStructure({ offset, length }: Range): void {
    const { blockBytes } = this.#superblock;
    this.#structures.add(offset * blockBytes, length * blockBytes);
    this.#structureBytes += length * blockBytes;
  }
}
