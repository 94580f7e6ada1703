/** Volatility, "Hiber Address Space": PO_MEMORY_IMAGE, https://github.com/volatilityfoundation/volatility/wiki/Hiber-Address-Space */
import { asciiText } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import type { FileName } from "./file_record.ts";
import { type MasterFileTable, ROOT_FOLDER } from "./master_file_table.ts";

// hiberfil.sys in the root folder: the memory of a Windows that sleeps, or sleeps in part
// (fast startup). Its first 4 bytes, in either case of letters:
//   "hibr" asleep, "wake" awake again, "rstr" waking up; zeros: awake (Windows 8 and later)
const NAME = "hiberfil.sys";
const SIGNATURE_BYTES = 4;
const AWAKE: readonly string[] = ["\0\0\0\0", "wake"];

/** Is this the name of the file that a hibernated Windows sleeps in? */
export function isHibernationFile({ folder, name }: FileName): boolean {
  return folder === ROOT_FOLDER && name.toLowerCase() === NAME;
}

/**
 * Makes sure that no Windows sleeps in hiberfil.sys, of which this is the record.
 *
 * @throws {FormatError} when one does, or when it cannot be told.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function checkAwake(mft: MasterFileTable, recordNumber: number): Promise<void> {
  const record = await mft.record(recordNumber);
  const data = await mft.data(record);
  if (data === undefined || data.size < SIGNATURE_BYTES) return;
  // What was never written reads as zeros.
  if (data.initializedBytes < SIGNATURE_BYTES) return;
  const signature = asciiText(await data.read(0, SIGNATURE_BYTES)).toLowerCase();
  if (AWAKE.includes(signature)) return;
  throw new FormatError(
    signature === "hibr"
      ? "a hibernated Windows is in it"
      : "its hiberfil.sys may hold a hibernated Windows",
    record.offset,
    NAME,
    { hint: "Start Windows, and shut it down without fast startup" },
  );
}
