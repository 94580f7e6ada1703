/** exFAT specification, sections 6, 7.1 and 7.2, https://learn.microsoft.com/en-us/windows/win32/fileio/exfat-specification */
import type { Bytes } from "../../core/block.ts";
import { safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { mergeRanges, type Range, totalLength } from "../../core/range.ts";
import { addToChecksum, type ExfatBootSector } from "./exfat_boot_sector.ts";
import type { ExfatClusters } from "./exfat_chain.ts";

// Directory entry (section 6.2), 32 bytes, little endian:
//   0 1 EntryType; 00h: the end; bit 7: in use, bit 6: secondary, bit 5: benign
//   1 1 81h, allocation bitmap: BitmapFlags
//   4 4 82h, up-case table: TableChecksum
//  20 4 FirstCluster
//  24 8 DataLength, bytes
const ENTRY_BYTES = 32;
const ALLOCATION_BITMAP = 0x81;
const UP_CASE_TABLE = 0x82;
/** Bitmap, up-case table, volume label, file. */
const CRITICAL_PRIMARY: ReadonlySet<number> = new Set([0x81, 0x82, 0x83, 0x85]);
const TYPE_CLASS = 0xe0;
const CRITICAL_PRIMARY_CLASS = 0x80;

/** The specification's limit for directories (section 7.4). */
export const MAX_DIRECTORY_BYTES = 256 * 1024 * 1024;
/** A map for every code unit of UTF-16. */
const MAX_UP_CASE_BYTES = 2 * 65536;

/** Something of the file system's own in clusters. */
interface Allocation {
  /** Where it is, in its order. */
  readonly runs: readonly Range[];
  /** Bytes. */
  readonly length: number;
}

/** What the root directory leads to. */
export interface ExfatRoot {
  /** Clusters of the root directory, the bitmap and the up-case table. */
  readonly runs: readonly Range[];
  /** The root directory alone. */
  readonly directory: Allocation;
  readonly bitmap: Allocation;
}

/**
 * Finds the allocation bitmap and the up-case table, of which there must be one each, and
 * checks what can be checked of them.
 *
 * @throws {FormatError} when something is missing or contradicts the specification.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function readExfatRoot(
  clusters: ExfatClusters,
  boot: ExfatBootSector,
): Promise<ExfatRoot> {
  const maxClusters = Math.min(
    boot.ClusterCount,
    Math.ceil(MAX_DIRECTORY_BYTES / boot.clusterBytes),
  );
  const what = "root directory";
  const runs = await clusters.chain(boot.FirstClusterOfRootDirectory, maxClusters, what);
  const entries = await systemEntries(clusters, runs);
  const bitmapEntry = onlyEntry(entries, ALLOCATION_BITMAP, "allocation bitmap");
  const upCaseEntry = onlyEntry(entries, UP_CASE_TABLE, "up-case table");

  // One bit a cluster. The specification does not forbid that there is room for more.
  const bitmapBytes = Math.ceil(boot.ClusterCount / 8);
  const bitmap = await allocation(clusters, boot, bitmapEntry, {
    what: "allocation bitmap",
    min: bitmapBytes,
    max: bitmapBytes + boot.clusterBytes,
  });
  if (bitmapEntry[1] !== 0) fail("BitmapFlags", "its allocation bitmap is a second one");
  const upCase = await allocation(clusters, boot, upCaseEntry, {
    what: "up-case table",
    min: 2,
    max: MAX_UP_CASE_BYTES,
  });
  await checkUpCaseTable(clusters, upCase, viewOf(upCaseEntry).getUint32(4, true));
  const all = [...runs, ...bitmap.runs, ...upCase.runs];
  if (totalLength(mergeRanges(all)) !== totalLength(all)) {
    fail("FirstCluster", "its own structures overlap");
  }
  return { runs: all, directory: { runs, length: totalLength(runs) }, bitmap };
}

/** The entries of the bitmap and of the up-case table. */
async function systemEntries(
  clusters: ExfatClusters,
  runs: readonly Range[],
): Promise<Uint8Array[]> {
  const found: Uint8Array[] = [];
  for await (const bytes of clusters.read(runs, totalLength(runs), "root directory")) {
    for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
      const type = bytes[at] ?? 0;
      if (type === 0) return found;
      if ((type & TYPE_CLASS) !== CRITICAL_PRIMARY_CLASS) continue;
      if (!CRITICAL_PRIMARY.has(type)) {
        fail("EntryType", `its root directory has an unknown entry, ${type.toString(16)}h`);
      }
      if (type !== ALLOCATION_BITMAP && type !== UP_CASE_TABLE) continue;
      found.push(bytes.slice(at, at + ENTRY_BYTES));
      if (found.length > 2) fail("EntryType", "its root directory names a table twice");
    }
  }
  return found;
}

function onlyEntry(entries: readonly Uint8Array[], type: number, what: string): Uint8Array {
  const [entry, second] = entries.filter((each) => each[0] === type);
  if (entry !== undefined && second === undefined) return entry;
  return fail("EntryType", `it has ${second === undefined ? "no" : "more than one"} ${what}`);
}

/** Follows an entry to its clusters, which must be as many as its length needs. */
async function allocation(
  clusters: ExfatClusters,
  { clusterBytes }: ExfatBootSector,
  entry: Uint8Array,
  { what, min, max }: { readonly what: string; readonly min: number; readonly max: number },
): Promise<Allocation> {
  const view = viewOf(entry);
  const length = safeNumber(view.getBigUint64(24, true), "DataLength");
  if (length < min || length > max) fail("DataLength", `its ${what} has ${length} bytes`);
  const count = Math.ceil(length / clusterBytes);
  const runs = await clusters.chain(view.getUint32(20, true), count, what);
  if (totalLength(runs) < length) fail("DataLength", `its ${what} is not all there`);
  return { runs, length };
}

/** Section 7.2.2. That it is right says, too, that clusters are where they seem to be. */
async function checkUpCaseTable(
  clusters: ExfatClusters,
  table: Allocation,
  TableChecksum: number,
): Promise<void> {
  let checksum = 0;
  for await (const bytes of clusters.read(table.runs, table.length, "up-case table")) {
    checksum = checksumOf(bytes, checksum);
  }
  if (checksum !== TableChecksum) {
    fail("TableChecksum", "the checksum of its up-case table is wrong");
  }
}

function checksumOf(bytes: Bytes, initial: number): number {
  let checksum = initial;
  for (const byte of bytes) checksum = addToChecksum(checksum, byte);
  return checksum;
}

function fail(field: string, message: string): never {
  throw new FormatError(message, 0, field);
}
