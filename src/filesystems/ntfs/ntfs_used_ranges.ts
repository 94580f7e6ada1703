/** NTFS documentation, https://flatcap.github.io/linux-ntfs/ntfs/index.html */
import type { BlockSource } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import type { Range } from "../../core/range.ts";
import { notRecognised } from "../file_system.ts";
import { readAll } from "../used_ranges.ts";
import { bytesInUse, isCovered } from "./cluster_bitmap.ts";
import { type FileRecord, namesIn } from "./file_record.ts";
import { checkAwake, isHibernationFile } from "./hibernation.ts";
import { checkLogFile } from "./log_file.ts";
import { MasterFileTable } from "./master_file_table.ts";
import { checkMirror } from "./mft_mirror.ts";
import { BOOT_BYTES, ntfsGeometry, parseNtfsBoot } from "./ntfs_boot.ts";
import { parseRunList } from "./run_list.ts";
import { checkShadowCopies } from "./shadow_copies.ts";
import { checkVolumeState } from "./volume_state.ts";

const BOOT_RECORD = 7;
const MAX_HIBERNATION_FILES = 8;

/**
 * What `FileSystem.usedRanges` answers for NTFS: the clusters that $Bitmap calls used, when
 * nothing speaks against it, and all that is in no cluster. It is held against every file of
 * the volume.
 *
 * @throws {FormatError} when something speaks against it.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function ntfsUsedRanges(volume: BlockSource): Promise<readonly Range[]> {
  const boot = parseNtfsBoot(await readAll(volume, 0, BOOT_BYTES, "boot sector"));
  if (boot === undefined) throw notRecognised("NTFS");
  const mft = await MasterFileTable.open(volume, ntfsGeometry(boot, volume.size));
  await checkMirror(mft);
  await checkVolumeState(mft);
  await checkLogFile(mft);
  await checkShadowCopies(volume);
  if ((await mft.systemFile(BOOT_RECORD, "$Boot")).firstCluster !== 0) {
    throw new FormatError("$Boot does not begin where the volume does", 0, "$Boot");
  }
  const used = await bytesInUse(mft);
  await checkFiles(mft, used);
  return used;
}

/**
 * Makes sure that no file, the file system's own among them, has clusters that are not in
 * `used`, and that no Windows sleeps in one of them.
 */
async function checkFiles(mft: MasterFileTable, used: readonly Range[]): Promise<void> {
  const hibernationFiles = new Set<number>();
  for await (const records of mft.usedRecords()) {
    for (const record of records) {
      checkClusters(record, mft.geometry, used);
      if (!namesIn(record.attributes).some(isHibernationFile)) continue;
      hibernationFiles.add(record.base?.number ?? record.number);
    }
  }
  // Names that differ in case only are possible, but not usual.
  if (hibernationFiles.size > MAX_HIBERNATION_FILES) {
    throw new FormatError("it has many files hiberfil.sys", 0, "hiberfil.sys");
  }
  for (const number of hibernationFiles) await checkAwake(mft, number);
}

function checkClusters(
  record: FileRecord,
  { clusterBytes, clusterCount }: MasterFileTable["geometry"],
  used: readonly Range[],
): void {
  for (const attribute of record.attributes) {
    if (attribute.content !== undefined) continue;
    for (const { lcn, count } of parseRunList(attribute, clusterCount)) {
      if (lcn === undefined) continue;
      const place = { offset: lcn * clusterBytes, length: count * clusterBytes };
      if (isCovered(place, used)) continue;
      throw new FormatError(
        `file record ${record.number} has clusters that $Bitmap calls free`,
        place.offset,
        "$Bitmap",
        { hint: "Run chkdsk on it under Windows first" },
      );
    }
  }
}
