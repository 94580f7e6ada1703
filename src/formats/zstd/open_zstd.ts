/** Shows what is inside of Zstandard: RFC 8878, https://www.rfc-editor.org/rfc/rfc8878 */
import type { BlockSource, Bytes } from "../../core/block.ts";
import { readBytes } from "../../core/bytes.ts";
import type { Finding } from "../../core/errors.ts";
import { plural } from "../../core/units.ts";
import type { ZlibService } from "../../core/zlib.ts";
import type { OpenedImage, OpenOptions } from "../image_format.ts";
import { openPackedStream } from "../packed/packed_stream.ts";
import type { ContentNotes } from "../pieces/content_notes.ts";
import { PieceMedia } from "../pieces/piece_media.ts";
import { isPlausible, PieceTable } from "../pieces/piece_table.ts";
import {
  checksumOf,
  frameEnd,
  MAX_FRAME_HEAD_BYTES,
  parseFrameHead,
  skippableBytes,
} from "./frames.ts";
import { MARK_FRAME, parseNotesFrame } from "./notes_frames.ts";
import {
  FOOTER_BYTES,
  type FoundSeekTable,
  parseSeekTable,
  type SeekTable,
  seekTableBytes,
} from "./seek_table.ts";

/** Frames with more content are not unpacked in memory. */
const MAX_CONTENT_BYTES = 64 * 1024 * 1024;

/** What is written here has its first frame ended by then. */
const MAX_MARK_OFFSET = 4 * 1024 * 1024;

const NO_SEEK_TABLE: Finding = {
  level: "warning",
  message: "the seek table is not at the end of the file: it was cut, or something was put " +
    "behind it",
};

/** Heads of frames that are looked at when a file is opened: that takes a second at most. */
const MAX_LOOKED_AT = 8192;

/** Notes are not longer. */
const MAX_NOTES_BYTES = 8 * 1024;

/**
 * Takes over `file`. One with a seek table, and with checksums in its frames, can be read
 * in any order; whatever is doubtful about that, it is read as a stream.
 *
 * @throws {FormatError} when the file is damaged at its beginning.
 */
export async function openZstd(
  file: BlockSource,
  options: OpenOptions = {},
): Promise<OpenedImage> {
  const { zlib } = options;
  if (zlib !== undefined && Number.isFinite(file.size)) {
    const image = await openFrames(file, zlib);
    if (image !== undefined) return image;
  }
  const findings = await lacksSeekTable(file) ? [NO_SEEK_TABLE] : [];
  const image = await openPackedStream(file, "zstd", options);
  return { ...image, findings: [...image.findings, ...findings] };
}

/** Was there a seek table at its end once? */
async function lacksSeekTable(file: BlockSource): Promise<boolean> {
  if (!Number.isFinite(file.size)) return false;
  const bytes = await readBytes(file, 0, MAX_MARK_OFFSET + MARK_FRAME.length);
  const head = parseFrameHead(bytes);
  const end = head === undefined ? undefined : frameEnd(bytes, head);
  if (end === undefined) return false;
  return MARK_FRAME.every((byte, index) => bytes[end + index] === byte);
}

/** Undefined when there is no seek table, or any doubt about it. */
async function openFrames(
  file: BlockSource,
  zlib: ZlibService,
): Promise<OpenedImage | undefined> {
  const seekTable = await readSeekTable(file);
  if (seekTable === undefined) return undefined;
  const { contents, stored } = seekTable;
  const table = new PieceTable(contents, stored);
  const isPossible = contents.every((length, number) =>
    length <= MAX_CONTENT_BYTES &&
    (length === 0 || isPlausible(length, stored[number] ?? 0))
  );
  if (!isPossible) return undefined;
  const notes = await readNotes(file, seekTable, table);
  // What was written here has a checksum of the table instead.
  if (notes === undefined && !await fitsFrames(file, table)) return undefined;
  const isPiece = (bytes: Bytes, number: number): boolean =>
    isFrame(bytes, table.content(number).length, { isWhole: true }) &&
    fits(seekTable, bytes, number);
  const frameCount = contents.reduce((count, length) => count + Number(length > 0), 0);
  return {
    media: new PieceMedia({ file, table, zlib, packing: "zstd", isPiece }),
    metadata: [["packed as", `Zstandard, ${plural(frameCount, "frame")}`]],
    findings: [],
    digests: notes?.digests,
    isPacking: true,
  };
}

/** Undefined where there is none, or its frames do not end where it begins. */
async function readSeekTable(file: BlockSource): Promise<FoundSeekTable | undefined> {
  const footer = await readBytes(file, Math.max(0, file.size - FOOTER_BYTES), FOOTER_BYTES);
  const length = seekTableBytes(footer);
  if (length === undefined || length > file.size) return undefined;
  const start = file.size - length;
  const table = parseSeekTable(await readBytes(file, start, length));
  const end = table?.stored.reduce((sum, size) => sum + size, 0);
  return end === start ? table : undefined;
}

/**
 * Do all frames begin as the table says? One wrong size would move all that lies behind it,
 * unnoticed by whoever reads only there. False when they are too many to be looked at.
 */
async function fitsFrames(file: BlockSource, table: PieceTable): Promise<boolean> {
  if (table.count > MAX_LOOKED_AT) return false;
  for (let number = 0; number < table.count; number++) {
    if (!await hasHead(file, table, number)) return false;
  }
  return true;
}

/** Does the frame begin as the table says? */
async function hasHead(file: BlockSource, table: PieceTable, number: number): Promise<boolean> {
  const { offset, length } = table.stored(number);
  const head = await readBytes(file, offset, Math.min(length, MAX_FRAME_HEAD_BYTES));
  const contentBytes = table.content(number).length;
  return contentBytes === 0 ? skippableBytes(head) === length : isFrame(head, contentBytes);
}

/** A frame with so much content, that checks it? All of it, or just its beginning? */
function isFrame(bytes: Uint8Array, contentBytes: number, { isWhole = false } = {}): boolean {
  const head = parseFrameHead(bytes);
  return head !== undefined && head.contentBytes === contentBytes && head.hasChecksum &&
    !head.hasDictionary && (!isWhole || frameEnd(bytes, head) === bytes.length);
}

/** Does the table have the checksum that the frame has? */
function fits({ checksums }: SeekTable, frame: Bytes, number: number): boolean {
  return checksums === undefined || checksums[number] === checksumOf(frame);
}

/**
 * What stands in the last frame in front of the table. Undefined when it was not written
 * here, or not together with this table.
 */
async function readNotes(
  file: BlockSource,
  { checksum }: FoundSeekTable,
  table: PieceTable,
): Promise<ContentNotes | undefined> {
  const { offset, length } = table.stored(table.count - 1);
  if (table.count === 0 || length > MAX_NOTES_BYTES) return undefined;
  const notes = parseNotesFrame(await readBytes(file, offset, length));
  const isRight = notes?.tableChecksum === checksum && notes.size === table.contentBytes;
  return isRight ? notes : undefined;
}
