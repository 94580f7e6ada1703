/** A map in the forms that other programs take. */
import { StreamConsumer } from "../../blocks/stdio.ts";
import {
  bitmapPieces,
  blockEnd,
  type BlockRun,
  blockRuns,
  summarizeMap,
} from "../../copy/map_algebra.ts";
import type { AreaStatus, RangeMap } from "../../copy/range_map.ts";
import { ImagingError } from "../../core/errors.ts";
import type { Range } from "../../core/range.ts";
import type { CommandContext } from "../command.ts";
import { PHASE_NAMES } from "../rescue/phase_names.ts";
import type { LoadedMap } from "./map_input.ts";
import { MAP_STATES } from "./map_states.ts";

/** Forms in which blocks are listed, named as ddrescuelog's `--format`. */
export const LIST_FORMATS = ["list", "bitmap", "bitmap-le", "bitmap-be"] as const;

/** How blocks are listed. */
export interface BlockListing {
  readonly statuses: readonly AreaStatus[];
  readonly blockBytes: number;
  readonly format: typeof LIST_FORMATS[number];
}

/** Characters of a piece of a list, about. */
const PIECE_CHARACTERS = 64 * 1024;

function* numberLines(runs: Iterable<BlockRun>): Generator<string> {
  let piece = "";
  for (const { first, count } of runs) {
    for (let block = first; block < first + count; block++) {
      piece += `${block}\n`;
      if (piece.length < PIECE_CHARACTERS) continue;
      yield piece;
      piece = "";
    }
  }
  if (piece !== "") yield piece;
}

/** The blocks of a map as numbers, a line each, or as bits. */
export function listingPieces(
  map: RangeMap,
  { statuses, blockBytes, format }: BlockListing,
): Iterable<string | Uint8Array> {
  const runs = blockRuns(map, statuses, blockBytes);
  if (format === "list") return numberLines(runs);
  const order = format === "bitmap-be" ? "big" : "little";
  return bitmapPieces(runs, blockEnd(map, blockBytes), order);
}

/**
 * Writes pieces to stdout, one after the other; none is made before the one before it was
 * taken.
 */
export async function writePieces(
  context: CommandContext,
  pieces: Iterable<string | Uint8Array>,
): Promise<void> {
  const encoder = new TextEncoder();
  const stdout = new StreamConsumer("stdout", (bytes) => context.writeStdout(bytes));
  let offset = 0;
  for (const piece of pieces) {
    if (context.signal.aborted) throw new ImagingError("cancelled", "cancelled");
    const bytes = typeof piece === "string" ? encoder.encode(piece) : new Uint8Array(piece);
    const { length } = bytes;
    await stdout.consume({ offset, length, bytes, bad: [], zeros: () => [] });
    offset += length;
  }
}

/** How many ranges a result holds. */
export const MOST_RANGES = 10_000;

/** The first of the areas in these states. */
export function firstRanges(map: RangeMap, statuses: readonly AreaStatus[]): Range[] {
  const found: Range[] = [];
  for (const { offset, length, status } of map.areas()) {
    if (found.length === MOST_RANGES) break;
    if (statuses.includes(status)) found.push({ offset, length });
  }
  return found;
}

/** A map in the form that the README documents. */
export function mapJson({ name, file }: LoadedMap): Record<string, unknown> {
  const { map, currentPosition, currentPhase, currentPass } = file;
  const { totals } = summarizeMap(map, 0);
  const states = MAP_STATES.map(({ key, status }) => {
    const total = totals.find((each) => each.status === status);
    return [key, { bytes: total?.bytes ?? 0, areas: total?.areas ?? 0 }];
  });
  return {
    name,
    start: map.range.offset,
    size: map.range.length,
    position: currentPosition,
    phase: PHASE_NAMES[currentPhase],
    pass: currentPass,
    areas: map.areaCount,
    states: Object.fromEntries(states),
    finished: isFinished(map),
    bad: firstRanges(map, ["-"]),
  };
}

/** Is everything rescued? A map of nothing proves nothing. */
export function isFinished(map: RangeMap): boolean {
  return map.range.length > 0 && map.total("+") === map.range.length;
}
