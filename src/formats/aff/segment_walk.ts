import { Buffer } from "node:buffer";
import type { BlockSource } from "../../core/block.ts";
import { readBytes } from "../../core/bytes.ts";
import type { Finding } from "../../core/errors.ts";
import { formatCount } from "../../core/units.ts";
import { FileWindow } from "./file_window.ts";
import {
  AFF_HEADER_BYTES,
  HEAD_BYTES,
  isTailOf,
  MAX_NAME_BYTES,
  parseSegmentHead,
  type SegmentHead,
  TAIL_BYTES,
  TAIL_MAGIC,
} from "./segments.ts";

/** Bytes that are looked through for the end of a damaged segment: larger than any page. */
const SEARCH_BYTES = 80 * 1024 * 1024;
const SEARCH_STEP_BYTES = 1024 * 1024;

/** More damaged places, and the rest of the file is not looked at. */
const MAX_DAMAGED = 16;

/** A segment and its place in the file. */
export interface PlacedSegment extends SegmentHead {
  /** First byte of its head. */
  readonly offset: number;
}

/**
 * Goes through all segments of a file, in their order. Both ends of a segment tell how long
 * it is, and must agree: one that is damaged is left out, and the walk goes on behind it.
 * `report` is told.
 *
 * @throws {ReadError} when the file cannot be read.
 */
export async function* walkSegments(
  file: BlockSource,
  report: (finding: Finding) => void,
): AsyncGenerator<PlacedSegment> {
  const window = new FileWindow(file);
  let damaged = 0;
  for (let at = AFF_HEADER_BYTES; at < file.size;) {
    const head = await segmentHeadAt(window, at);
    const isWhole = head !== undefined && await hasItsTail(window, at, head);
    if (isWhole) {
      yield { ...head, offset: at };
      at += head.totalBytes;
      continue;
    }
    damaged++;
    const end = damaged > MAX_DAMAGED ? undefined : await endOfDamaged(file, window, at, head);
    report({ level: "warning", message: damageText(file, at, head, end) });
    if (end === undefined) return;
    at = end;
  }
}

/** The head of the segment at this byte of the file; undefined where there is none. */
export async function segmentHeadAt(
  window: FileWindow,
  offset: number,
): Promise<SegmentHead | undefined> {
  return parseSegmentHead(await window.bytes(offset, HEAD_BYTES + MAX_NAME_BYTES));
}

async function hasItsTail(
  window: FileWindow,
  offset: number,
  { totalBytes }: SegmentHead,
): Promise<boolean> {
  const tail = await window.bytes(offset + totalBytes - TAIL_BYTES, TAIL_BYTES);
  return isTailOf(tail, totalBytes);
}

/** Where the next segment begins, behind one whose ends do not agree. */
async function endOfDamaged(
  file: BlockSource,
  window: FileWindow,
  offset: number,
  head: SegmentHead | undefined,
): Promise<number | undefined> {
  if (head !== undefined) {
    const end = offset + head.totalBytes;
    const isEnd = end === file.size ||
      (end < file.size && await segmentHeadAt(window, end) !== undefined);
    if (isEnd) return end;
  }
  return await findTail(file, offset);
}

/** The end of the segment that begins at `offset`, by the length that its tail tells. */
async function findTail(file: BlockSource, offset: number): Promise<number | undefined> {
  const end = Math.min(offset + SEARCH_BYTES, file.size);
  for (let at = offset + HEAD_BYTES; at < end; at += SEARCH_STEP_BYTES) {
    // A tail may lie across the end of the step.
    const bytes = await readBytes(file, at, SEARCH_STEP_BYTES + TAIL_BYTES - 1);
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let found = text.indexOf(TAIL_MAGIC, 0, "latin1"); found >= 0;) {
      const tailEnd = at + found + TAIL_BYTES;
      if (isTailOf(bytes.subarray(found), tailEnd - offset)) return tailEnd;
      found = text.indexOf(TAIL_MAGIC, found + 1, "latin1");
    }
  }
  return undefined;
}

function damageText(
  file: BlockSource,
  offset: number,
  head: SegmentHead | undefined,
  end: number | undefined,
): string {
  if (end !== undefined) {
    return `the AFF file is damaged: the segment at byte ${offset} ` +
      `(${formatCount(end - offset)} bytes) is left out`;
  }
  const isCut = file.size - offset < HEAD_BYTES + MAX_NAME_BYTES ||
    (head !== undefined && offset + head.totalBytes > file.size);
  return isCut
    ? `the AFF file was cut off, or is damaged from byte ${offset} on`
    : `the AFF file is damaged from byte ${offset} on: nothing behind that is used`;
}
