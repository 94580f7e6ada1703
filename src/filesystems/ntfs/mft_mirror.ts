/** NTFS documentation, file $MFTMirr, https://flatcap.github.io/linux-ntfs/ntfs/files/mftmirr.html */
import { Buffer } from "node:buffer";
import { FormatError } from "../../core/errors.ts";
import { parseFileRecord } from "./file_record.ts";
import type { MasterFileTable } from "./master_file_table.ts";

// $MFTMirr: a copy of the first records of $MFT, four at least.
const MIRROR_RECORD = 1;
const MIRRORED_RECORDS = 4;

/**
 * Makes sure that the first records of $MFT are those of their copy.
 *
 * @throws {FormatError} when they are not.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function checkMirror(mft: MasterFileTable): Promise<void> {
  const { mirrorCluster, clusterBytes, recordBytes } = mft.geometry;
  const offset = mirrorCluster * clusterBytes;
  const fail = (message: string): FormatError => new FormatError(message, offset, "$MFTMirr");
  const mirror = await mft.systemFile(MIRROR_RECORD, "$MFTMirr");
  if (mirror.firstCluster !== mirrorCluster) {
    throw fail("$MFTMirr is not where the boot sector says");
  }
  for (let number = 0; number < MIRRORED_RECORDS; number++) {
    const stored = await mirror.read(number * recordBytes, recordBytes);
    const copy = parseFileRecord(stored, number, offset);
    const { bytes } = await mft.record(number);
    if (Buffer.compare(bytes, copy.bytes) !== 0) {
      throw fail(`file record ${number} is not the same in $MFT and in $MFTMirr`);
    }
  }
}
