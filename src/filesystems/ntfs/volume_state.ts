/** NTFS documentation, attribute $VOLUME_INFORMATION, https://flatcap.github.io/linux-ntfs/ntfs/attributes/volume_information.html */
import { viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { VOLUME_INFORMATION } from "./attribute.ts";
import type { MasterFileTable } from "./master_file_table.ts";

// Content of $VOLUME_INFORMATION in the record of $Volume, little endian:
//  8 1 major version, 9 1 minor version: 3.0 since Windows 2000, 3.1 since Windows XP
// 10 2 flags
const VOLUME_RECORD = 3;
const MIN_BYTES = 12;
const SUPPORTED_MAJOR = 3;
const MAX_MINOR = 1;

/** Flags of a volume on which something is left to be done, in words. */
const UNFINISHED: readonly (readonly [number, string])[] = [
  [0x0001, "it is marked as dirty"],
  [0x0010, "Windows was deleting its change journal"],
  [0x4000, "chkdsk was at work on it"],
];

/**
 * Flags that say nothing about which clusters are in use: the journal gets another size, the
 * version goes up, object identifiers are repaired at the next mount; NT 4 or chkdsk were
 * there; 80h is often set by current versions of Windows.
 */
const HARMLESS = 0x0002 | 0x0004 | 0x0020 | 0x0008 | 0x8000 | 0x0080;

/**
 * Makes sure that nothing is left to be done on the volume.
 *
 * @throws {FormatError} when there is, or the version is not known.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function checkVolumeState(mft: MasterFileTable): Promise<void> {
  const record = await mft.systemRecord(VOLUME_RECORD, "$Volume");
  const fail = (message: string, hint?: string): FormatError =>
    new FormatError(message, record.offset, "$VOLUME_INFORMATION", { hint });
  const [information] = await mft.attributes(record, VOLUME_INFORMATION);
  const content = information?.content;
  if (content === undefined || content.length < MIN_BYTES) {
    throw fail("$Volume says nothing about the volume");
  }
  const view = viewOf(content);
  const [major, minor] = [view.getUint8(8), view.getUint8(9)];
  // Older ones keep a copy of the boot sector where no file is: in the middle.
  if (major !== SUPPORTED_MAJOR || minor > MAX_MINOR) {
    throw fail(`it is NTFS ${major}.${minor}, and 3.0 and 3.1 are known`);
  }
  const flags = view.getUint16(10, true);
  for (const [flag, words] of UNFINISHED) {
    if ((flags & flag) !== 0) throw fail(words, "Run chkdsk on it under Windows first");
  }
  if ((flags & ~HARMLESS) !== 0) throw fail(`its flags ${flags.toString(16)}h are not known`);
}
