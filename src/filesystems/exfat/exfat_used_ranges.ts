/** exFAT specification, section 7.1.5, https://learn.microsoft.com/en-us/windows/win32/fileio/exfat-specification */
import type { BlockSource } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import { mergeRanges, type Range, totalLength } from "../../core/range.ts";
import { runsOfSetBits, UsedRanges } from "../used_ranges.ts";
import type { ExfatBootSector } from "./exfat_boot_sector.ts";
import { ExfatClusters } from "./exfat_chain.ts";
import { readExfatBoot } from "./exfat_checks.ts";
import { type ExfatRoot, readExfatRoot } from "./exfat_root.ts";

/** Bounds memory; a volume in more pieces is read as fast when it is read whole. */
const MAX_RUNS = 2 ** 20;

/**
 * What an exFAT volume uses: everything before the first cluster (boot regions, FAT, the
 * gaps around it), the clusters that the allocation bitmap marks, and what lies behind the
 * last cluster. Bad clusters are marked and so among them. Directories other than the root
 * are not read: a volume that was unmounted cleanly has no entries that lead to free
 * clusters.
 *
 * @throws {FormatError} when there is any doubt; see `FileSystem.usedRanges`.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function exfatUsedRanges(volume: BlockSource): Promise<readonly Range[]> {
  const boot = await readExfatBoot(volume);
  const clusters = new ExfatClusters(volume, boot);
  await clusters.checkFirstEntries();
  const root = await readExfatRoot(clusters, boot);
  const heapOffset = boot.ClusterHeapOffset * boot.sectorBytes;
  const heapEnd = heapOffset + boot.ClusterCount * boot.clusterBytes;

  const used = new UsedRanges(volume.size);
  used.add(0, heapOffset);
  await addMarkedClusters(used, clusters, boot, root);
  used.add(heapEnd, volume.size - heapEnd);
  const ranges = used.ranges();
  // Were one of them not marked, adding it would make the whole larger.
  if (totalLength(mergeRanges([...ranges, ...root.runs])) !== totalLength(ranges)) {
    throw new FormatError(
      "its allocation bitmap calls clusters of its own structures free",
      heapOffset,
      "BitmapEntry",
    );
  }
  return ranges;
}

/** Adds the clusters that the allocation bitmap marks; it can be larger than memory. */
async function addMarkedClusters(
  used: UsedRanges,
  clusters: ExfatClusters,
  boot: ExfatBootSector,
  { bitmap }: ExfatRoot,
): Promise<void> {
  const { ClusterCount, ClusterHeapOffset, sectorBytes, clusterBytes } = boot;
  const heapOffset = ClusterHeapOffset * sectorBytes;
  let index = 0;
  let runs = 0;
  for await (const bytes of clusters.read(bitmap.runs, bitmap.length, "allocation bitmap")) {
    // A range without bits is left where the bitmap has room for more clusters.
    const bits = Math.max(0, Math.min(bytes.length * 8, ClusterCount - index));
    for (const run of runsOfSetBits(bytes, bits)) {
      if (++runs > MAX_RUNS) {
        throw new FormatError("its files are in too many pieces", heapOffset, "BitmapEntry");
      }
      used.add(heapOffset + (index + run.offset) * clusterBytes, run.length * clusterBytes);
    }
    index += bytes.length * 8;
  }
}
