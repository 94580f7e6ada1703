/** Ranges of bytes in words. */
import type { Range } from "../core/range.ts";
import { formatBytes, formatCount, plural } from "../core/units.ts";

/** How many ranges are listed before "and N more". */
export const LISTED_RANGES = 20;

/** "at 1,048,576: 1,024 bytes (sectors 2,048 to 2,049)" */
export function rangeText(range: Range, sectorSize: number): string {
  const first = Math.floor(range.offset / sectorSize);
  const last = Math.ceil((range.offset + range.length) / sectorSize) - 1;
  const sectors = first === last
    ? `sector ${formatCount(first)}`
    : `sectors ${formatCount(first)} to ${formatCount(last)}`;
  return `at ${formatCount(range.offset)}: ${plural(range.length, "byte")} (${sectors})`;
}

/** What ranges to list, and what they come to. */
export interface RangeList {
  readonly ranges: readonly Range[];
  /** How many there are, if `ranges` does not hold them all. */
  readonly count?: number;
  /** Bytes in all of them. */
  readonly bytes: number;
}

/**
 * A heading such as "unreadable: 3 areas, 1,536 bytes (1.5 KiB)", then a line for
 * each of the first twenty.
 */
export function rangeLines(heading: string, list: RangeList, sectorSize: number): string[] {
  const count = list.count ?? list.ranges.length;
  const size = list.bytes < 1024 ? "" : ` (${formatBytes(list.bytes)})`;
  const lines = [`${heading}: ${plural(count, "area")}, ${plural(list.bytes, "byte")}${size}`];
  for (const range of list.ranges.slice(0, LISTED_RANGES)) {
    lines.push(`  ${rangeText(range, sectorSize)}`);
  }
  const rest = count - Math.min(LISTED_RANGES, list.ranges.length);
  if (rest > 0) lines.push(`  and ${formatCount(rest)} more`);
  return lines;
}

/** Ranges for JSON: the first ten thousand at most, as offsets and lengths in bytes. */
export function rangesJson(ranges: readonly Range[]): { offset: number; length: number }[] {
  return ranges.slice(0, 10_000).map(({ offset, length }) => ({ offset, length }));
}
