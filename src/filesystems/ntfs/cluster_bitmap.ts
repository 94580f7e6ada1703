/** NTFS documentation, file $Bitmap, https://flatcap.github.io/linux-ntfs/ntfs/files/bitmap.html */
import { FormatError } from "../../core/errors.ts";
import { endOf, type Range } from "../../core/range.ts";
import { runsOfSetBits, UsedRanges } from "../used_ranges.ts";
import type { MasterFileTable } from "./master_file_table.ts";

// $Bitmap: one bit for each cluster, the lowest of the first byte for cluster 0; 1: in use.
const BITMAP_RECORD = 6;
const PIECE_BYTES = 1024 * 1024;
/** A list of more runs would take hundreds of megabytes. */
const MAX_RUNS = 1024 * 1024;

/**
 * The bytes of the volume that $Bitmap calls used, and all that is in no cluster: ascending,
 * joined.
 *
 * @throws {FormatError} when there are more pieces than memory should hold.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function bytesInUse(mft: MasterFileTable): Promise<readonly Range[]> {
  const { clusterBytes, clusterCount } = mft.geometry;
  const used = new UsedRanges(mft.volume.size);
  const bitmap = await mft.systemFile(BITMAP_RECORD, "$Bitmap");
  const length = Math.ceil(clusterCount / 8);
  let runs = 0;
  for (let at = 0; at < length; at += PIECE_BYTES) {
    const piece = await bitmap.read(at, Math.min(PIECE_BYTES, length - at));
    const bits = Math.min(piece.length * 8, clusterCount - at * 8);
    for (const { offset, length: count } of runsOfSetBits(piece, bits)) {
      if (++runs > MAX_RUNS) {
        throw new FormatError("its free space is in too many pieces", 0, "$Bitmap");
      }
      used.add((at * 8 + offset) * clusterBytes, count * clusterBytes);
    }
  }
  // The copy of the boot sector is there, and what does not fill a cluster.
  const end = clusterCount * clusterBytes;
  used.add(end, mft.volume.size - end);
  return used.ranges();
}

/** Is all of `range` in one of `ranges`, which are ascending and joined? */
export function isCovered(range: Range, ranges: readonly Range[]): boolean {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle]?.offset ?? 0) <= range.offset) low = middle + 1;
    else high = middle;
  }
  const candidate = ranges[low - 1];
  return candidate !== undefined && endOf(range) <= endOf(candidate);
}
