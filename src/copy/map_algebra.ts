/** What can be told of rescue maps, and made of them. Agrees with ddrescuelog 1.27. */
import { endOf, type Range } from "../core/range.ts";
import { type Area, AREA_STATUSES, type AreaStatus, RangeMap } from "./range_map.ts";

/**
 * Makes a map of areas that come in ascending order. It takes a few bytes an area, where
 * a list of areas would take a hundred: maps of dying disks have millions.
 */
export class MapBuilder {
  readonly #starts: number[] = [];
  readonly #statuses: AreaStatus[] = [];
  #end: number | undefined;

  /** Where the next area must begin; undefined before the first. */
  get end(): number | undefined {
    return this.#end;
  }

  /**
   * Adds an area; one without bytes changes nothing but the place for the first.
   *
   * @throws {RangeError} when it does not follow the one before it.
   */
  add(area: Area): void {
    if (area.length < 0 || area.offset !== (this.#end ?? area.offset)) {
      throw new RangeError(`Cannot add an area at ${area.offset} behind ${this.#end}`);
    }
    this.#end = endOf(area);
    if (area.length === 0 || area.status === this.#statuses.at(-1)) return;
    this.#starts.push(area.offset);
    this.#statuses.push(area.status);
  }

  /** The map of all that was added. */
  build(): RangeMap {
    const end = this.#end ?? 0;
    const offset = this.#starts[0] ?? end;
    const map = new RangeMap({ offset, length: end - offset }, this.#statuses[0]);
    for (const [index, start] of this.#starts.entries()) {
      map.set({ offset: start, length: end - start }, this.#statuses[index] ?? "?");
    }
    return map;
  }
}

/** What of a map has one state. */
export interface StatusTotal {
  readonly status: AreaStatus;
  readonly bytes: number;
  readonly areas: number;
}

/** A map in figures. */
export interface MapSummary {
  /** One for each state, in the order of {@linkcode AREA_STATUSES}. */
  readonly totals: readonly StatusTotal[];
  /** The longest areas of unreadable sectors, the longest first. */
  readonly longestBad: readonly Range[];
}

/** Counts what a map holds, and finds its `most` longest unreadable areas. */
export function summarizeMap(map: RangeMap, most: number): MapSummary {
  const totals = AREA_STATUSES.map((status) => ({ status, bytes: 0, areas: 0 }));
  const longestBad: Range[] = [];
  for (const { offset, length, status } of map.areas()) {
    const total = totals.find((each) => each.status === status);
    if (total !== undefined) {
      total.bytes += length;
      total.areas++;
    }
    if (status !== "-") continue;
    const place = longestBad.findIndex((range) => range.length < length);
    if (place >= 0) longestBad.splice(place, 0, { offset, length });
    else if (longestBad.length < most) longestBad.push({ offset, length });
    if (longestBad.length > most) longestBad.pop();
  }
  return { totals, longestBad };
}

/** A run of bytes in two maps; undefined where a map does not reach. */
interface Pair extends Range {
  readonly status: AreaStatus | undefined;
  readonly other: AreaStatus | undefined;
}

/** Every byte that at least one of the maps covers, in ascending order. */
function* sideBySide(map: RangeMap, other: RangeMap): Generator<Pair> {
  const lists = [map.areas(), other.areas()] as const;
  const next = (list: Generator<Area>): Area | undefined => {
    const { done, value } = list.next();
    return done === true ? undefined : value;
  };
  let [left, right] = [next(lists[0]), next(lists[1])];
  let at = 0;
  while (left !== undefined || right !== undefined) {
    const inLeft = left !== undefined && left.offset <= at;
    const inRight = right !== undefined && right.offset <= at;
    const edges = [left, right].flatMap((area) =>
      area === undefined ? [] : [area.offset <= at ? endOf(area) : area.offset]
    );
    const end = Math.min(...edges);
    if (inLeft || inRight) {
      yield {
        offset: at,
        length: end - at,
        status: inLeft ? left?.status : undefined,
        other: inRight ? right?.status : undefined,
      };
    }
    at = end;
    if (left !== undefined && endOf(left) <= at) left = next(lists[0]);
    if (right !== undefined && endOf(right) <= at) right = next(lists[1]);
  }
}

/** How two maps can be made one. */
export type MapOperation = "and" | "or" | "xor";

/** The state of a byte whose states in both maps are these. */
const COMBINED: Readonly<
  Record<MapOperation, (status: AreaStatus, other: AreaStatus) => AreaStatus>
> = {
  and: (status, other) => status === "+" && other !== "+" ? "-" : status,
  or: (status, other) => other === "+" ? "+" : status,
  xor: (status, other) => other !== "+" ? status : status === "+" ? "-" : "+",
};

/**
 * The rescued parts of two maps combined. What is rescued in `map` and not in the result
 * becomes a bad sector; all else that is not rescued keeps its state in `map`. So does
 * everything that `other` does not cover.
 */
export function combineMaps(map: RangeMap, other: RangeMap, operation: MapOperation): RangeMap {
  const builder = new MapBuilder();
  for (const pair of sideBySide(map, other)) {
    const { offset, length, status } = pair;
    if (status === undefined) continue;
    const combined = pair.other === undefined
      ? status
      : COMBINED[operation](status, pair.other);
    builder.add({ offset, length, status: combined });
  }
  return builder.build();
}

/** Rescued becomes bad, and everything else rescued. */
export function invertMap(map: RangeMap): RangeMap {
  const builder = new MapBuilder();
  for (const { offset, length, status } of map.areas()) {
    builder.add({ offset, length, status: status === "+" ? "-" : "+" });
  }
  return builder.build();
}

/** Where two maps differ. */
export interface MapDifferences {
  /** Ascending, neighbours joined; the first `most` of them. */
  readonly ranges: readonly Range[];
  /** All of them. */
  readonly count: number;
  /** Bytes in all of them. */
  readonly bytes: number;
}

/** Compares state by state; what only one of the maps covers differs, too. */
export function compareMaps(map: RangeMap, other: RangeMap, most: number): MapDifferences {
  const ranges: Range[] = [];
  let current: Range | undefined;
  let [count, bytes] = [0, 0];
  for (const { offset, length, status, other: theirs } of sideBySide(map, other)) {
    if (status === theirs) continue;
    bytes += length;
    if (current !== undefined && endOf(current) === offset) {
      current = { offset: current.offset, length: current.length + length };
      if (count <= most) ranges[count - 1] = current;
      continue;
    }
    current = { offset, length };
    count++;
    if (count <= most) ranges.push(current);
  }
  return { ranges, count, bytes };
}

/** Blocks, one after the other. */
export interface BlockRun {
  /** Number of the first; block 0 begins at byte 0, wherever the map begins. */
  readonly first: number;
  readonly count: number;
}

/**
 * The blocks that hold at least one byte in one of these states: ascending, each once,
 * neighbours of one area in one run.
 */
export function* blockRuns(
  map: RangeMap,
  statuses: readonly AreaStatus[],
  blockBytes: number,
): Generator<BlockRun> {
  let free = 0;
  for (const area of map.areas()) {
    if (!statuses.includes(area.status)) continue;
    const first = Math.max(free, Math.floor(area.offset / blockBytes));
    const end = Math.floor((endOf(area) - 1) / blockBytes) + 1;
    if (end > first) yield { first, count: end - first };
    free = Math.max(free, end);
  }
}

/** The number of the block behind the last one of the map, counted as in {@linkcode BlockRun}. */
export function blockEnd(map: RangeMap, blockBytes: number): number {
  return Math.ceil(endOf(map.range) / blockBytes);
}

/** Which bit of a byte stands for the first of its eight blocks. */
export type BitOrder = "little" | "big";

/** Bytes of a bitmap that are made at a time. */
const BITMAP_PIECE_BYTES = 64 * 1024;

/**
 * One bit for each block from block 0 on, set for those in `runs`, which ascend; the last
 * byte is filled up with zeros. The pieces are the caller's to keep.
 */
export function* bitmapPieces(
  runs: Iterable<BlockRun>,
  blocks: number,
  order: BitOrder,
): Generator<Uint8Array<ArrayBuffer>> {
  const list = runs[Symbol.iterator]();
  let run = list.next();
  const pieceBlocks = BITMAP_PIECE_BYTES * 8;
  for (let start = 0; start < blocks; start += pieceBlocks) {
    const end = Math.min(blocks, start + pieceBlocks);
    const piece = new Uint8Array(Math.ceil((end - start) / 8));
    while (run.done !== true && run.value.first < end) {
      const { first, count } = run.value;
      setBits(
        piece,
        Math.max(first, start) - start,
        Math.min(first + count, end) - start,
        order,
      );
      if (first + count > end) break;
      run = list.next();
    }
    yield piece;
  }
}

/** Sets the bits from `from` to `to`, which is not one of them. */
function setBits(bytes: Uint8Array, from: number, to: number, order: BitOrder): void {
  for (let bit = from; bit < to;) {
    const index = bit >> 3;
    if (bit % 8 === 0 && to - bit >= 8) {
      bytes[index] = 0xff;
      bit += 8;
      continue;
    }
    bytes[index] = (bytes[index] ?? 0) | (order === "little" ? 1 << bit % 8 : 0x80 >> bit % 8);
    bit++;
  }
}

/** A map in a row of cells of equal size. */
export interface MapPicture {
  /** Bytes of a cell: whole sectors of 512 bytes. The last cell may be short. */
  readonly cellBytes: number;
  /** The worst state in each cell. */
  readonly cells: readonly AreaStatus[];
}

/** From the best to the worst. */
const BADNESS: readonly AreaStatus[] = ["+", "?", "*", "/", "-"];

/** Draws a map in at most that many cells. */
export function pictureOf(map: RangeMap, mostCells: number): MapPicture {
  const { offset, length } = map.range;
  const cellBytes = Math.max(1, Math.ceil(length / mostCells / 512)) * 512;
  const cells = new Array<AreaStatus>(Math.ceil(length / cellBytes)).fill("+");
  for (const area of map.areas()) {
    const badness = BADNESS.indexOf(area.status);
    const first = Math.floor((area.offset - offset) / cellBytes);
    const last = Math.floor((endOf(area) - 1 - offset) / cellBytes);
    for (let cell = first; cell <= last; cell++) {
      if (BADNESS.indexOf(cells[cell] ?? "+") < badness) cells[cell] = area.status;
    }
  }
  return { cellBytes, cells };
}

/** What of a part of the map has which state: bytes, by state. */
export function totalsIn(map: RangeMap, part: Range): Readonly<Record<AreaStatus, number>> {
  const totals: Record<AreaStatus, number> = { "?": 0, "*": 0, "/": 0, "-": 0, "+": 0 };
  let at = Math.max(part.offset, map.range.offset);
  for (;;) {
    const area = at < endOf(part) ? map.areaAt(at) : undefined;
    if (area === undefined) return totals;
    totals[area.status] += Math.min(endOf(area), endOf(part)) - at;
    at = endOf(area);
  }
}
