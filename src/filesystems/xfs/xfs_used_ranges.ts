/** XFS Algorithms & Data Structures, section "AG Free Space Management", https://mirrors.edge.kernel.org/pub/linux/utils/fs/xfs/docs/xfs_filesystem_structure.pdf */
import type { BlockSource } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import type { Range } from "../../core/range.ts";
import { UsedRanges } from "../used_ranges.ts";
import { FreeExtents } from "./xfs_free_extents.ts";
import { BY_BLOCK, BY_SIZE, walkFreeTree } from "./xfs_free_tree.ts";
import { readXfsGroup, type XfsGroup } from "./xfs_group.ts";
import { requireCleanLog } from "./xfs_log.ts";
import { XfsReader } from "./xfs_reader.ts";
import { readXfsSuperblock, type XfsSuperblock } from "./xfs_superblock.ts";

/**
 * All of an XFS volume but the blocks that both free space trees of their allocation group
 * call free. So the log, quotas, what was preallocated, what was deleted while it was open,
 * and blocks that are held back for the trees are used, and so is what lies behind the end
 * of the file system.
 *
 * Versions 4 and 5, on one device, with a clean log. The two trees of each group, its header
 * and the superblock must agree to the block; version 5 has checksums, too.
 *
 * @throws {FormatError} when there is any doubt.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function xfsUsedRanges(volume: BlockSource): Promise<readonly Range[]> {
  const superblock = await readXfsSuperblock(volume);
  await requireCleanLog(volume, superblock);
  const reader = new XfsReader(volume, superblock);
  const used = new UsedRanges(volume.size);
  const { sb_agcount, sb_blocksize, sb_dblocks, sb_fdblocks } = superblock;
  let freeBlocks = 0;
  for (let number = 0; number < sb_agcount; number++) {
    const group = await readXfsGroup(reader, number);
    const free = await readFreeExtents(reader, group);
    for (const { start, length } of free.gaps(group.agf_length)) {
      used.add(reader.offsetOf(number, start), length * sb_blocksize);
    }
    freeBlocks += group.agf_freeblks + group.agf_flcount +
      (superblock.hasLazyCounters ? group.agf_btreeblks : 0);
  }
  if (freeBlocks !== sb_fdblocks) {
    throw new FormatError(
      `its superblock counts ${sb_fdblocks} free blocks, its groups ${freeBlocks}`,
      0,
      "sb_fdblocks",
    );
  }
  const end = sb_dblocks * sb_blocksize;
  used.add(end, volume.size - end);
  return used.ranges();
}

/** Reads both trees of a group; they and its header must say the same. */
async function readFreeExtents(reader: XfsReader, group: XfsGroup): Promise<FreeExtents> {
  const free = new FreeExtents();
  const byBlock = await walkFreeTree(reader, group, BY_BLOCK, ({ start, length }) => {
    free.push(start, length);
  });
  let same = 0;
  // In the order by size all differ: as many, all of them known, are the same ones.
  const bySize = await walkFreeTree(reader, group, BY_SIZE, ({ start, length }) => {
    if (!free.has(start, length)) {
      throw disagreement(group, "the free space trees", "ar_startblock");
    }
    same++;
  });
  if (same !== free.count) throw disagreement(group, "the free space trees", "ar_blockcount");
  if (free.total !== group.agf_freeblks) {
    throw disagreement(group, "the AGF and the free space trees", "agf_freeblks");
  }
  if (free.longest !== group.agf_longest) {
    throw disagreement(group, "the AGF and the free space trees", "agf_longest");
  }
  const { superblock } = reader;
  const treeBlocks = byBlock.length - 1 + bySize.length - 1 +
    (superblock.hasReverseMap ? group.agf_rmap_blocks - 1 : 0);
  if (superblock.hasLazyCounters && treeBlocks !== group.agf_btreeblks) {
    throw disagreement(group, "the AGF and the free space trees", "agf_btreeblks");
  }
  checkTaken(superblock, group, free, [...byBlock, ...bySize]);
  return free;
}

/** What must not be free: the trees themselves, the free list, the log, the root directory. */
function checkTaken(
  { log, root, sb_logblocks }: XfsSuperblock,
  group: XfsGroup,
  free: FreeExtents,
  treeBlocks: readonly number[],
): void {
  const own = [...treeBlocks, ...group.freeList];
  if (new Set(own).size !== own.length) {
    throw disagreement(group, "the free space trees and the free list", "agfl_bno");
  }
  const taken = own.map((block) => ({ start: block, length: 1 }));
  if (log.group === group.number) taken.push({ start: log.block, length: sb_logblocks });
  if (root.group === group.number) taken.push({ start: root.block, length: 1 });
  if (taken.some(({ start, length }) => free.overlaps(start, length))) {
    throw disagreement(group, "the free space trees and what is in use", "ar_startblock");
  }
  if (own.some((block) => block < group.headerBlocks)) {
    throw disagreement(group, "the free space trees and the headers", "agf_roots");
  }
}

function disagreement(group: XfsGroup, what: string, field: string): FormatError {
  return new FormatError(
    `${what} of its group ${group.number} contradict each other`,
    group.agf.offset,
    field,
  );
}
