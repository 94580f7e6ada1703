/** What stands in a copy where the medium could not be read. */
import { isZero } from "../../../ffi/memory.ts";
import { makeChunk } from "../../copy/run_copy.ts";
import type { BlockSource, Chunk } from "../../core/block.ts";
import { intersection, piecesOf, type Range } from "../../core/range.ts";
import type { ImageWriter } from "../../formats/image_format.ts";
import type { Fill } from "./rescue_options.ts";

/** Bytes that are written at once. */
const PIECE_BYTES = 1024 * 1024;

/**
 * What to write into places that could not be read: zeros, or in every sector a readable text
 * with its number, so that files which are hit can be found by it.
 */
export function* unreadableChunks(
  source: BlockSource,
  unreadable: readonly Range[],
  fill: Fill,
  sectorSize: number,
): Generator<Chunk> {
  for (const piece of piecesOf(unreadable, PIECE_BYTES)) {
    yield makeChunk(
      piece.offset,
      fill === "marker"
        ? markers(source.name, piece, sectorSize)
        : new Uint8Array(piece.length),
    );
  }
}

/** Writes a marker into every sector that could not be read. */
export async function writeMarkers(
  writer: ImageWriter,
  source: BlockSource,
  unreadable: readonly Range[],
  sectorSize: number,
): Promise<void> {
  for (const chunk of unreadableChunks(source, unreadable, "marker", sectorSize)) {
    await writer.consume(chunk);
  }
}

/** Puts zeros over the markers of an earlier run; answers whether there were any. */
export async function clearMarkers(
  writer: ImageWriter,
  saved: BlockSource,
  unreadable: readonly Range[],
): Promise<boolean> {
  let found = false;
  const whole = { offset: 0, length: saved.size };
  const inside = unreadable.flatMap((area) => intersection(area, whole) ?? []);
  for (const { offset, length } of piecesOf(inside, PIECE_BYTES)) {
    const bytes = new Uint8Array(length);
    await saved.readAt(offset, bytes);
    if (isZero(bytes)) continue;
    found = true;
    await writer.consume(makeChunk(offset, bytes.fill(0)));
  }
  return found;
}

/** Sectors of blanks, each with a line of text at its beginning. */
function markers(
  name: string,
  { offset, length }: Range,
  sectorSize: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length).fill(0x20);
  for (let at = 0; at < length; at += sectorSize) {
    const sector = Math.floor((offset + at) / sectorSize);
    const text = `sectorshot: unreadable sector ${sector} of ${name}\n`;
    new TextEncoder().encodeInto(text, bytes.subarray(at, at + sectorSize));
  }
  return bytes;
}
