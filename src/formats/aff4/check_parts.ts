/** The bytes that hashes of an image are over, piece by piece. */
import type { BlockSource } from "../../core/block.ts";
import { readBytes } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { endOf, type Range } from "../../core/range.ts";
import type { Bevy } from "./bevies.ts";
import type { ChunkReader } from "./chunk_reader.ts";
import type { Aff4Hash } from "./hashes.ts";
import { bevyCount, bevyUrn, chunkCount } from "./image_stream.ts";

/** Read in one go. */
const PIECE_BYTES = 4 * 1024 * 1024;

/** All bevies of a stream, in their order. @throws {FormatError} when one is damaged. */
async function* beviesOf({ stream, bevies }: ChunkReader): AsyncGenerator<Bevy> {
  for (let number = 0; number < bevyCount(stream); number++) {
    const bevy = await bevies.get(number);
    if (typeof bevy === "string") throw new FormatError(bevy, 0, bevyUrn(stream.urn, number));
    yield bevy;
  }
}

/** The hashes of all chunks of a stream, of one kind. */
export async function* blockHashes(
  reader: ChunkReader,
  { id }: Aff4Hash,
): AsyncGenerator<Uint8Array> {
  for await (const bevy of beviesOf(reader)) yield bevy.hashes.get(id) ?? new Uint8Array();
}

export async function* indexesOf(reader: ChunkReader): AsyncGenerator<Uint8Array> {
  for await (const bevy of beviesOf(reader)) yield bevy.index;
}

/** The content of a stream. @throws {FormatError} when a chunk is damaged. */
export async function* streamBytes(reader: ChunkReader): AsyncGenerator<Uint8Array> {
  const { stream } = reader;
  const [count, inOneGo] = [chunkCount(stream), Math.ceil(PIECE_BYTES / stream.chunkBytes)];
  for (let first = 0; first < count; first += inOneGo) {
    const length = Math.min(inOneGo, count - first);
    const numbers = Array.from({ length }, (_, index) => first + index);
    const contents = await reader.read(numbers);
    for (const number of numbers) {
      const content = contents.get(number) ?? "is not there";
      if (typeof content !== "string") yield content;
      else throw new FormatError(`chunk ${number} ${content}`, 0, stream.urn);
    }
  }
}

/** A part of a source, piece by piece. */
export async function* piecesOf(source: BlockSource, range: Range): AsyncGenerator<Uint8Array> {
  for (let at = range.offset; at < endOf(range); at += PIECE_BYTES) {
    yield await readBytes(source, at, Math.min(PIECE_BYTES, endOf(range) - at));
  }
}
