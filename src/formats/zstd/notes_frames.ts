/**
 * What files say of themselves that are written here, in skippable frames (RFC 8878, 3.1.2,
 * https://www.rfc-editor.org/rfc/rfc8878#section-3.1.2) with the magic number 0x184d2a55.
 *
 * ```
 * behind the first frame           a text that is always the same: there is a seek table
 * in front of the seek table       u32 CRC-32 of the frame with the seek table
 *                                  text, see content_notes.ts
 * ```
 */
import type { Bytes } from "../../core/block.ts";
import { asciiText, viewOf } from "../../core/bytes.ts";
import { type ContentNotes, formatNotes, parseNotes } from "../pieces/content_notes.ts";
import { formatSkippable, skippableValue } from "./frames.ts";

/** Which of the skippable frames it is. */
const NOTES_KIND = 0x5;

const CHECKSUM_BYTES = 4;

/** Without a seek table, nothing else shows that a file was cut where a frame ends. */
export const MARK_FRAME = formatSkippable(
  NOTES_KIND,
  new TextEncoder().encode("sectorshot image, with a seek table\n"),
);

/** The notes, and the CRC-32 of the frame with the seek table. */
export interface TableNotes extends ContentNotes {
  readonly tableChecksum: number;
}

/** A frame whose length does not depend on the checksum. */
export function formatNotesFrame(notes: TableNotes): Bytes {
  const text = new TextEncoder().encode(formatNotes(notes));
  const value = new Uint8Array(CHECKSUM_BYTES + text.length);
  viewOf(value).setUint32(0, notes.tableChecksum, true);
  value.set(text, CHECKSUM_BYTES);
  return formatSkippable(NOTES_KIND, value);
}

/** Undefined when it is no such frame. */
export function parseNotesFrame(frame: Uint8Array): TableNotes | undefined {
  const value = skippableValue(frame, NOTES_KIND);
  if (value === undefined || value.length < CHECKSUM_BYTES) return undefined;
  const notes = parseNotes(asciiText(value.subarray(CHECKSUM_BYTES)));
  if (notes === undefined) return undefined;
  return { ...notes, tableChecksum: viewOf(value).getUint32(0, true) };
}
