/** NTFS documentation, attribute $ATTRIBUTE_LIST, https://flatcap.github.io/linux-ntfs/ntfs/attributes/attribute_list.html */
import { safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { nameAt } from "./attribute.ts";
import { type FileReference, referenceAt } from "./file_record.ts";

// Entry, little endian:
//  0 4 type of the attribute
//  4 2 length of the entry
//  6 1 UTF-16 units in the name
//  7 1 offset of the name
//  8 8 first virtual cluster of the extent
// 16 8 reference to the file record that holds it
// 24 2 identifier of the attribute there
const MIN_ENTRY_BYTES = 26;

/** The most that Windows lets a list have. */
export const MAX_LIST_BYTES = 256 * 1024;

/** Where an attribute of a file with several records is, or an extent of it. */
export interface ListedAttribute {
  readonly type: number;
  readonly name: string;
  readonly firstVcn: number;
  readonly holder: FileReference;
  readonly id: number;
}

/**
 * Reads the content of an attribute list. `offset` is the place of its file record.
 *
 * @throws {FormatError} when an entry reaches outside of the list.
 */
export function parseAttributeList(content: Uint8Array, offset: number): ListedAttribute[] {
  const view = viewOf(content);
  const entries: ListedAttribute[] = [];
  for (let at = 0; at < content.length;) {
    const length = at + MIN_ENTRY_BYTES <= content.length ? view.getUint16(at + 4, true) : 0;
    if (length < MIN_ENTRY_BYTES || at + length > content.length) {
      throw new FormatError(
        `the file record at byte ${offset} has an impossible list of attributes`,
        offset,
        "$ATTRIBUTE_LIST",
      );
    }
    const entry = content.subarray(at, at + length);
    entries.push({
      type: view.getUint32(at, true),
      name: nameAt(entry, entry[7] ?? 0, entry[6] ?? 0, offset),
      firstVcn: safeNumber(view.getBigUint64(at + 8, true), "first VCN", offset),
      holder: referenceAt(view, at + 16),
      id: view.getUint16(at + 24, true),
    });
    at += length;
  }
  return entries;
}
