/** NTFS documentation, concept Data Runs, https://flatcap.github.io/linux-ntfs/ntfs/concepts/data_runs.html */
import { FormatError } from "../../core/errors.ts";
import type { NonResidentAttribute } from "./attribute.ts";

// Mapping pairs, one behind the other, then a zero byte:
// 0 1 low half: bytes of the length, high half: bytes of the place
// 1   length in clusters, little endian, signed but positive
//     place: the cluster (LCN), relative to that of the pair before, little endian, signed;
//     without one the run is a hole

/** Clusters that lie one behind the other, in a file and on the volume. */
export interface Run {
  /** Where they are in the file, in clusters. */
  readonly vcn: number;
  /** Where they are on the volume, in clusters; undefined for a hole. */
  readonly lcn: number | undefined;
  /** Clusters, at least one. */
  readonly count: number;
}

/**
 * Decodes where an extent of an attribute lies. All runs are inside of the volume of
 * `clusterCount` clusters, and are as many clusters as the extent says.
 *
 * @throws {FormatError} when they contradict that, or each other.
 */
export function parseRunList(extent: NonResidentAttribute, clusterCount: number): Run[] {
  const { mappingPairs, firstVcn, lastVcn, offset } = extent;
  const fail = (message: string): FormatError =>
    new FormatError(
      `the file record at byte ${offset} says ${message}`,
      offset,
      "mapping pairs",
    );
  const runs: Run[] = [];
  let [at, vcn, lcn] = [0, firstVcn, 0];
  for (;;) {
    const header = mappingPairs[at];
    if (header === 0) break;
    if (header === undefined) throw fail("nowhere where its clusters end");
    const countBytes = header & 0xf;
    const placeBytes = header >>> 4;
    const count = signedNumber(mappingPairs, at + 1, countBytes);
    const delta = signedNumber(mappingPairs, at + 1 + countBytes, placeBytes);
    if (count === undefined || delta === undefined || count < 1) {
      throw fail("something impossible about its clusters");
    }
    lcn += delta;
    const isOutside = lcn < 0 || lcn + count > clusterCount;
    if (placeBytes > 0 && isOutside) throw fail("that it has clusters outside of the volume");
    runs.push({ vcn, lcn: placeBytes > 0 ? lcn : undefined, count });
    vcn += count;
    at += 1 + countBytes + placeBytes;
  }
  if (vcn !== lastVcn + 1) throw fail("how many clusters it has in two ways");
  return runs;
}

/**
 * A signed little-endian number of up to eight bytes, 0 for none; undefined when it is past
 * 2^53-1 or the bytes end before.
 */
function signedNumber(bytes: Uint8Array, start: number, length: number): number | undefined {
  if (length === 0) return 0;
  if (length > 8 || start + length > bytes.length) return undefined;
  const top = bytes[start + length - 1] ?? 0;
  let value = top < 0x80 ? top : top - 0x100;
  for (let at = start + length - 2; at >= start; at--) {
    value = value * 0x100 + (bytes[at] ?? 0);
  }
  return Number.isSafeInteger(value) ? value : undefined;
}
