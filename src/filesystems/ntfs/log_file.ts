/** NTFS documentation, file $LogFile, https://flatcap.github.io/linux-ntfs/ntfs/files/logfile.html */
import { hasAscii, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { isPowerOfTwo } from "../file_system.ts";
import type { AttributeStream } from "./attribute_stream.ts";
import { applyFixups } from "./fixups.ts";
import type { MasterFileTable } from "./master_file_table.ts";

// $LogFile begins with two restart pages, of which the one with the larger sequence number
// counts; they are alike after a clean dismount. All bytes are FFh where nothing was ever
// logged (so mkntfs and ntfs-3g leave it).
// Restart page, little endian:
//  0 4 "RSTR"; the rest of the header is in fixups.ts
// 16 4 size of a restart page
// 24 2 offset of the restart area
// 26 2 minor version, 28 2 major version: 1.1; 2.0 while Windows 8 or later has the volume
//      open, also over a shutdown with fast startup
// Restart area:
//  0 8 current sequence number
// 12 2 first client that is in use, FFFFh for none
// 14 2 flags, 2: the volume is clean
const LOG_RECORD = 2;
const EMPTY_CHECK_BYTES = 64 * 1024;
const MIN_PAGE_BYTES = 512;
const MAX_PAGE_BYTES = 64 * 1024;
const AREA_BYTES = 16;
const NO_CLIENT = 0xffff;
const IS_CLEAN = 2;
const SUPPORTED_MAJOR = 1;

/** What one restart page says. */
interface RestartPage {
  readonly majorVersion: number;
  readonly sequence: bigint;
  readonly isClean: boolean;
}

/**
 * Makes sure that the journal holds nothing that is still to be done: that the volume was
 * dismounted cleanly.
 *
 * @throws {FormatError} when it was not, or when it cannot be told.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function checkLogFile(mft: MasterFileTable): Promise<void> {
  const log = await mft.systemFile(LOG_RECORD, "$LogFile");
  const head = await log.read(0, Math.min(EMPTY_CHECK_BYTES, log.initializedBytes));
  if (head.length >= MIN_PAGE_BYTES && head.every((byte) => byte === 0xff)) return;
  const pageBytes = head.length >= MIN_PAGE_BYTES ? viewOf(head).getUint32(16, true) : 0;
  const isPlausible = isPowerOfTwo(pageBytes) && pageBytes >= MIN_PAGE_BYTES &&
    pageBytes <= MAX_PAGE_BYTES;
  if (!isPlausible) throw fail("its $LogFile is damaged");
  const pages = [await readPage(log, 0, pageBytes), await readPage(log, pageBytes, pageBytes)];
  const newest = pages.reduce((a, b) => b.sequence > a.sequence ? b : a).sequence;
  for (const { majorVersion, isClean, sequence } of pages) {
    if (sequence !== newest) continue;
    if (majorVersion > SUPPORTED_MAJOR) {
      throw fail(
        "Windows has not let go of it: it was shut down with fast startup, hibernated or " +
          "interrupted",
      );
    }
    if (majorVersion < SUPPORTED_MAJOR) throw fail("the version of its $LogFile is not known");
    if (!isClean) throw fail("it was not dismounted cleanly");
  }
}

async function readPage(
  log: AttributeStream,
  offset: number,
  length: number,
): Promise<RestartPage> {
  const page = await log.read(offset, length);
  // After chkdsk had to do with it, it says CHKD.
  if (!hasAscii(page, 0, "RSTR")) throw fail("its $LogFile is damaged");
  applyFixups(page, offset, "a restart page of its $LogFile");
  const view = viewOf(page);
  const area = view.getUint16(24, true);
  if (area + AREA_BYTES > page.length) throw fail("its $LogFile is damaged");
  const isUnused = view.getUint16(area + 12, true) === NO_CLIENT;
  return {
    majorVersion: view.getInt16(28, true),
    sequence: view.getBigUint64(area, true),
    isClean: isUnused || (view.getUint16(area + 14, true) & IS_CLEAN) !== 0,
  };
}

function fail(message: string): FormatError {
  return new FormatError(message, 0, "$LogFile", {
    hint: "Start Windows, and shut it down without fast startup",
  });
}
