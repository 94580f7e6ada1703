/** exFAT specification, section 7.1.5, https://learn.microsoft.com/en-us/windows/win32/fileio/exfat-specification */
import type { BlockSource } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import { mergeRanges, type Range, totalLength } from "../../core/range.ts";
import { runsOfSetBits, UsedRanges } from "../used_ranges.ts";
import type { ExfatBootSector } from "./exfat_boot_sector.ts";
import { ExfatClusters } from "./exfat_chain.ts";
import { readExfatBoot } from "./exfat_checks.ts";
import { type ExfatRoot, readExfatRoot } from "./exfat_root.ts";
import { checkExfatTree } from "./exfat_tree.ts";

/** Bounds memory; a volume in more pieces is read as fast when it is read whole. */
const MAX_RUNS = 2 ** 20;
/** Bounds memory, too: 32 MiB for a bit of each. Clusters of 4 KiB are 1 TiB then. */
const MAX_CLUSTERS = 2 ** 28;

/**
 * What an exFAT volume uses: everything before the first cluster (boot regions, FAT, the
 * gaps around it), the clusters that the allocation bitmap marks, and what lies behind the
 * last cluster. Bad clusters are marked and so among them. All directories are read to make
 * sure that no file is in clusters that are not marked: there are cameras that never say that
 * a volume is in use.
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
  const bitmap = await readBitmap(clusters, boot, root);
  addMarkedClusters(used, bitmap, boot);
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
  await checkExfatTree(clusters, boot, root, bitmap);
  return ranges;
}

/** A bit for each cluster. */
async function readBitmap(
  clusters: ExfatClusters,
  boot: ExfatBootSector,
  { bitmap }: ExfatRoot,
): Promise<Uint8Array> {
  const { ClusterCount } = boot;
  if (ClusterCount > MAX_CLUSTERS) {
    throw new FormatError(`its ${ClusterCount} clusters are too many`, 0, "ClusterCount");
  }
  const all = new Uint8Array(Math.ceil(ClusterCount / 8));
  let at = 0;
  // Behind it there may be room for more clusters.
  for await (const bytes of clusters.read(bitmap.runs, all.length, "allocation bitmap")) {
    all.set(bytes, at);
    at += bytes.length;
  }
  return all;
}

/** Adds the clusters that the allocation bitmap marks. */
function addMarkedClusters(used: UsedRanges, bitmap: Uint8Array, boot: ExfatBootSector): void {
  const { ClusterCount, ClusterHeapOffset, sectorBytes, clusterBytes } = boot;
  const heapOffset = ClusterHeapOffset * sectorBytes;
  let runs = 0;
  for (const run of runsOfSetBits(bitmap, ClusterCount)) {
    if (++runs > MAX_RUNS) {
      throw new FormatError("its files are in too many pieces", heapOffset, "BitmapEntry");
    }
    used.add(heapOffset + run.offset * clusterBytes, run.length * clusterBytes);
  }
}
