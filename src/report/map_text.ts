/** Rescue maps in words and characters. */
import { endOf, type Range } from "../core/range.ts";
import { formatBytes, formatCount, plural } from "../core/units.ts";
import { rangeText } from "./ranges_text.ts";
import { sizeText } from "./rate_text.ts";
import { tableLines } from "./table_text.ts";

/** What of a map has one state. */
export interface MapRow {
  /** The character that stands for the state: "+". */
  readonly mark: string;
  /** "rescued" */
  readonly name: string;
  readonly bytes: number;
  readonly areas: number;
}

/** A map in a row of cells of equal size. */
export interface MapCells {
  /** The last cell may be short. */
  readonly cellBytes: number;
  /** A mark for each cell. */
  readonly cells: readonly string[];
}

/** What there is to say about a map. */
export interface MapReport {
  /** As it is to be shown. */
  readonly name: string;
  /** What the map covers. */
  readonly range: Range;
  /** All states, rescued first. */
  readonly rows: readonly MapRow[];
  /** "scraping, pass 1, at 1,048,576" */
  readonly progress: string;
  /** The longest unreadable areas. */
  readonly longestBad: readonly Range[];
  readonly badCount: number;
  readonly sectorSize: number;
  readonly picture: MapCells;
}

/** "12.34%"; 0% and 100% are said only of nothing and of everything. */
export function percentText(part: number, whole: number): string {
  if (part === 0) return "0%";
  if (part === whole) return "100%";
  const percent = part / whole * 100;
  if (percent < 0.01) return "<0.01%";
  return percent > 99.99 ? ">99.99%" : `${percent.toFixed(2)}%`;
}

/** Cells in a line of the picture. */
export const PICTURE_COLUMNS = 64;

/** The cells in lines, each with the place where it begins, as a part of the whole. */
export function pictureLines({ cells, cellBytes }: MapCells, bytes: number): string[] {
  const lines: string[] = [];
  for (let first = 0; first < cells.length; first += PICTURE_COLUMNS) {
    const percent = Math.floor(first * cellBytes / bytes * 100);
    const row = cells.slice(first, first + PICTURE_COLUMNS).join("");
    lines.push(`${String(percent).padStart(4)}% ${row}`);
  }
  return lines;
}

/** Totals, the longest bad areas, and a picture of ASCII characters. */
export function mapLines(report: MapReport): string[] {
  const { name, range, rows, progress, longestBad, badCount, sectorSize, picture } = report;
  const areas = rows.reduce((sum, row) => sum + row.areas, 0);
  const from = range.offset === 0
    ? ""
    : `, from byte ${formatCount(range.offset)} to ${formatCount(endOf(range))}`;
  const lines = [
    `${name}: ${sizeText(range.length)}${from}, ${plural(areas, "area")}`,
    progress,
  ];
  if (range.length === 0) return lines;
  lines.push(
    "",
    ...tableLines(
      ["", "STATE", ">BYTES", ">SIZE", ">PERCENT", ">AREAS"],
      rows.map((row) => [
        row.mark,
        row.name,
        formatCount(row.bytes),
        formatBytes(row.bytes),
        percentText(row.bytes, range.length),
        formatCount(row.areas),
      ]),
    ),
  );
  if (longestBad.length > 0) {
    const heading = longestBad.length < badCount
      ? `the longest of ${formatCount(badCount)} bad areas:`
      : badCount === 1
      ? "the bad area:"
      : "bad areas, the longest first:";
    lines.push("", heading, ...longestBad.map((each) => `  ${rangeText(each, sectorSize)}`));
  }
  const cell = formatBytes(picture.cellBytes);
  lines.push("", `one character is ${cell}, and shows the worst state in it:`);
  return [...lines, ...pictureLines(picture, range.length)];
}

/** A part of the disk that has a name, and how far it is rescued. */
export interface MapPart {
  /** "1", as the partition table counts; "" for the whole disk. */
  readonly number: string;
  /** As it is to be shown. */
  readonly label: string;
  /** Where it lies on the disk. */
  readonly range: Range;
  /** How much of it the map covers. */
  readonly coveredBytes: number;
  readonly rescuedBytes: number;
  readonly badBytes: number;
}

/** How many parts are listed before "and N more". */
export const LISTED_PARTS = 40;

/** How far each part of the disk is rescued. */
export function partLines(parts: readonly MapPart[]): string[] {
  if (parts.length === 0) return [];
  const lines = tableLines(
    ["#", ">START", ">SIZE", ">RESCUED", ">BAD BYTES", "CONTENT"],
    parts.slice(0, LISTED_PARTS).map((part) => [
      part.number,
      formatCount(part.range.offset),
      formatBytes(part.range.length),
      percentText(part.rescuedBytes, part.range.length),
      formatCount(part.badBytes),
      part.label,
    ]),
  );
  const rest = parts.length - LISTED_PARTS;
  return rest > 0 ? [...lines, `and ${formatCount(rest)} more`] : lines;
}
