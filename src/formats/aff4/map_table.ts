/**
 * Which stream has what of the image: AFF4 Standard v1.0, section 4,
 * https://github.com/aff4/Standard
 *
 * ```
 * entry   0  u64 byte of the image      8  u64 bytes
 *        16  u64 byte of the target    24  u32 number of the target
 * ```
 *
 * The standard does not say what entries that overlap would mean: they are refused.
 */
import type { Bytes } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import type { Range } from "../../core/range.ts";

export const MAP_ENTRY_BYTES = 28;

/** A part of the image, and where in its stream it begins. */
export interface MapPiece extends Range {
  /** Its number in the list of targets. */
  readonly target: number;
  readonly targetOffset: number;
}

/** Pieces of an image, without gaps, in their order. */
export class MapTable {
  readonly size: number;
  readonly #starts: Float64Array;
  readonly #targetOffsets: Float64Array;
  readonly #targets: Uint32Array;
  readonly #count: number;

  /** `pieces` ascend from 0 to `size` without gaps. */
  constructor(size: number, pieces: Iterable<MapPiece>, most: number) {
    this.size = size;
    this.#starts = new Float64Array(most);
    this.#targetOffsets = new Float64Array(most);
    this.#targets = new Uint32Array(most);
    let count = 0;
    for (const { offset, target, targetOffset } of pieces) {
      this.#starts[count] = offset;
      this.#targets[count] = target;
      this.#targetOffsets[count] = targetOffset;
      count++;
    }
    this.#count = count;
  }

  get count(): number {
    return this.#count;
  }

  /** The piece of this number. */
  piece(number: number): MapPiece {
    const offset = this.#starts[number] ?? this.size;
    const end = number + 1 < this.#count ? this.#starts[number + 1] ?? this.size : this.size;
    return {
      offset,
      length: end - offset,
      target: this.#targets[number] ?? 0,
      targetOffset: this.#targetOffsets[number] ?? 0,
    };
  }

  /** The pieces that have something of a range, cut to it, in their order. */
  *within({ offset, length }: Range): Generator<MapPiece> {
    const end = Math.min(offset + length, this.size);
    for (let number = this.#find(offset); number < this.#count; number++) {
      const piece = this.piece(number);
      if (piece.offset >= end) return;
      const cut = Math.max(0, offset - piece.offset);
      yield {
        offset: piece.offset + cut,
        length: Math.min(piece.length, end - piece.offset) - cut,
        target: piece.target,
        targetOffset: piece.targetOffset + cut,
      };
    }
  }

  /** All places of a target, neighbours joined. */
  placesOf(target: number): Range[] {
    const places: { offset: number; length: number }[] = [];
    for (let number = 0; number < this.#count; number++) {
      if (this.#targets[number] !== target) continue;
      const { offset, length } = this.piece(number);
      const last = places.at(-1);
      if (last !== undefined && last.offset + last.length === offset) last.length += length;
      else places.push({ offset, length });
    }
    return places;
  }

  /** The last piece that does not begin behind a byte. */
  #find(offset: number): number {
    let [low, high] = [0, this.#count];
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] ?? Infinity) <= offset) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** What a map needs to know to be read. */
export interface MapOptions {
  /** Bytes of the image. */
  readonly size: number;
  /** Bytes of each target; Infinity for symbolic ones. */
  readonly targetSizes: readonly number[];
  /** The number of the target that fills gaps, from the same place on. */
  readonly gapTarget: number;
}

/**
 * Reads the entries of a map.
 *
 * @throws {FormatError} when they overlap, or reach out of the image or a target.
 */
export function parseMap(bytes: Bytes, options: MapOptions): MapTable {
  if (bytes.length % MAP_ENTRY_BYTES !== 0) {
    throw mapError(bytes.length, "its length is not that of whole entries");
  }
  const count = bytes.length / MAP_ENTRY_BYTES;
  const order = orderOf(bytes, count);
  return new MapTable(options.size, piecesOf(bytes, order, options), count * 2 + 1);
}

/** The numbers of entries, by the place in the image. Nearly always they are in order. */
function orderOf(bytes: Bytes, count: number): Uint32Array {
  const view = viewOf(bytes);
  const start = (number: number): bigint => view.getBigUint64(number * MAP_ENTRY_BYTES, true);
  const order = Uint32Array.from({ length: count }, (_, number) => number);
  const isSorted = order.every((number) => number === 0 || start(number - 1) <= start(number));
  if (isSorted) return order;
  return order.sort((a, b) => {
    const [first, second] = [start(a), start(b)];
    return first < second ? -1 : first > second ? 1 : a - b;
  });
}

/** Entries and the gaps between them. */
function* piecesOf(
  bytes: Bytes,
  order: Uint32Array,
  { size, targetSizes, gapTarget }: MapOptions,
): Generator<MapPiece> {
  const view = viewOf(bytes);
  let end = 0;
  for (const number of order) {
    const at = number * MAP_ENTRY_BYTES;
    const [offset, length, targetOffset] = [at, at + 8, at + 16]
      .map((place) => Number(view.getBigUint64(place, true))) as [number, number, number];
    const target = view.getUint32(at + 24, true);
    if (length === 0) continue;
    const targetSize = targetSizes[target];
    if (targetSize === undefined) throw mapError(at, `there is no target ${target}`);
    if (offset < end) throw mapError(at, "two entries have the same part of the image");
    if (offset + length > size) throw mapError(at, "an entry reaches out of the image");
    const isInside = targetOffset <= Number.MAX_SAFE_INTEGER &&
      targetOffset + length <= targetSize;
    if (!isInside) throw mapError(at, "an entry reaches out of its target");
    if (offset > end) {
      yield { offset: end, length: offset - end, target: gapTarget, targetOffset: end };
    }
    yield { offset, length, target, targetOffset };
    end = offset + length;
  }
  if (end < size) {
    yield { offset: end, length: size - end, target: gapTarget, targetOffset: end };
  }
}

function mapError(offset: number, what: string): FormatError {
  return new FormatError(`the map of the image makes no sense: ${what}`, offset, "map_entry");
}
