/** FAT specification 1.03, https://download.microsoft.com/download/1/6/1/161ba512-40e2-4cc9-843a-923143f3456c/fatgen103.doc */
import type { BlockSource } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import type { Range } from "../../core/range.ts";
import { notRecognised } from "../file_system.ts";
import { readAll, runsOfSetBits, UsedRanges } from "../used_ranges.ts";
import { parseFatBootSector } from "./fat_boot_sector.ts";
import { checkBackupBootSector, checkFatBootSector } from "./fat_checks.ts";
import { readFatClusters } from "./fat_clusters.ts";
import { checkFatTree } from "./fat_tree.ts";

const BOOT_SECTOR_BYTES = 512;

/** Bounds memory; a volume in more pieces is read as fast when it is read whole. */
const MAX_RUNS = 2 ** 20;

/**
 * What a FAT volume uses: everything before the first cluster (reserved sectors, FATs, the
 * root directory of FAT12 and FAT16), the clusters that the FAT does not call free, and
 * what lies behind the last cluster. All directories are read to make sure that none leads
 * to a free cluster: there are cameras that never say that a volume is in use, and FAT12
 * cannot say it.
 *
 * @throws {FormatError} when there is any doubt; see `FileSystem.usedRanges`.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function fatUsedRanges(volume: BlockSource): Promise<readonly Range[]> {
  const head = await readAll(volume, 0, BOOT_SECTOR_BYTES, "boot sector");
  const boot = parseFatBootSector(head);
  if (boot === undefined) throw notRecognised("FAT");
  checkFatBootSector(boot, volume.size);
  await checkBackupBootSector(volume, head, boot);
  const { dataOffset, clusterBytes, clusters } = boot;
  const clustersEnd = dataOffset + clusters * clusterBytes;

  const used = new UsedRanges(volume.size);
  used.add(0, dataOffset);
  const { copied, allocated } = await readFatClusters(volume, boot);
  let runs = 0;
  for (const run of runsOfSetBits(copied.bits, clusters)) {
    if (++runs > MAX_RUNS) {
      throw new FormatError("its files are in too many pieces", boot.fatOffset, "FAT");
    }
    used.add(dataOffset + run.offset * clusterBytes, run.length * clusterBytes);
  }
  used.add(clustersEnd, volume.size - clustersEnd);
  await checkFatTree(volume, boot, allocated);
  return used.ranges();
}
