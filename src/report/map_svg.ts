/** Rescue maps as pictures: SVG 1.1, https://www.w3.org/TR/SVG11/ */
import { endOf, intersection, type Range } from "../core/range.ts";
import { printable } from "../core/text.ts";
import { formatBytes, formatCount, plural } from "../core/units.ts";
import {
  LISTED_PARTS,
  type MapCells,
  type MapPart,
  type MapRow,
  percentText,
} from "./map_text.ts";
import { sizeText } from "./rate_text.ts";

/** What is drawn. */
export interface MapDrawing {
  readonly title: string;
  /** What the map covers. */
  readonly range: Range;
  /** All states, rescued first. */
  readonly rows: readonly MapRow[];
  /** "scraping, pass 1, at 1,048,576" */
  readonly progress: string;
  readonly picture: MapCells;
  /** In ascending order; empty when nothing is known of them. */
  readonly parts: readonly MapPart[];
}

/** How a state looks: lighter is better, also in print without colours. */
interface Look {
  readonly color: string;
  /** Lines or dots upon the colour: what an SVG pattern of 6 by 6 holds. */
  readonly texture?: string;
}

const LOOKS: Readonly<Record<string, Look>> = {
  "+": { color: "#cfe8c4" },
  "?": { color: "#ffffff", texture: '<circle cx="3" cy="3" r="0.7" fill="#777777"/>' },
  "*": { color: "#ffd75e", texture: '<path d="M0 6L6 0" stroke="#8a6d00" fill="none"/>' },
  "/": {
    color: "#f08a3c",
    texture: '<path d="M0 6L6 0M0 0L6 6" stroke="#7a3600" fill="none"/>',
  },
  "-": { color: "#8f0f1c" },
};

/** The picture's grid: cells in a row, and rows. */
export const SVG_COLUMNS = 128;
export const SVG_ROWS = 40;

const MARGIN = 20;
const LABEL_WIDTH = 76;
const CELL_WIDTH = 6;
const CELL_HEIGHT = 12;
/** Below the cells of a row: which partition they belong to. */
const STRIP_HEIGHT = 3;
const GRID_WIDTH = SVG_COLUMNS * CELL_WIDTH;
const WIDTH = MARGIN * 2 + LABEL_WIDTH + GRID_WIDTH;
const LINE_HEIGHT = 18;

/** Longest text in one line; a label can be as long as whoever made it liked. */
const MOST_CHARACTERS = 100;

/** Text for the content or an attribute of an element: no markup, no control characters. */
export function xmlText(text: string): string {
  return printable(text.toWellFormed()).replace(/[\ufffe\uffff]/g, "\ufffd").replace(
    /[&<>"']/g,
    (character) => `&#${character.charCodeAt(0)};`,
  );
}

function shortened(text: string): string {
  const characters = [...text];
  if (characters.length <= MOST_CHARACTERS) return text;
  return `${characters.slice(0, MOST_CHARACTERS - 3).join("")}...`;
}

function textAt(x: number, y: number, text: string, attributes = ""): string {
  return `<text x="${x}" y="${y}"${attributes}>${xmlText(shortened(text))}</text>`;
}

/** Two decimals at most: pictures stay small. */
function number(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function patterns(): string[] {
  return Object.entries(LOOKS).flatMap(([mark, { color, texture }]) =>
    texture === undefined ? [] : [
      `<pattern id="${patternId(mark)}" width="6" height="6" patternUnits="userSpaceOnUse">` +
      `<rect width="6" height="6" fill="${color}"/>${texture}</pattern>`,
    ]
  );
}

function patternId(mark: string): string {
  return `state${mark.charCodeAt(0)}`;
}

function fillOf(mark: string): string {
  const look = LOOKS[mark];
  if (look === undefined) return "#000000";
  return look.texture === undefined ? look.color : `url(#${patternId(mark)})`;
}

/** Runs of equal values: where each begins, and how long it is. */
function runsOf<Value>(
  values: readonly Value[],
): { value: Value; first: number; count: number }[] {
  const runs: { value: Value; first: number; count: number }[] = [];
  for (const [first, value] of values.entries()) {
    const last = runs.at(-1);
    if (last !== undefined && last.value === value) last.count++;
    else runs.push({ value, first, count: 1 });
  }
  return runs;
}

/** Light and dark by turns, so that neighbours can be told apart. */
function shadeOf(index: number): string {
  return index % 2 === 0 ? "#33557f" : "#9db4d0";
}

/** The grid of cells, with what each row begins with at its left. */
function gridLines({ range, picture, parts }: MapDrawing, top: number): string[] {
  const { cells, cellBytes } = picture;
  const left = MARGIN + LABEL_WIDTH;
  const lines: string[] = [];
  const rowHeight = rowHeightOf(parts);
  for (let first = 0; first < cells.length; first += SVG_COLUMNS) {
    const y = top + first / SVG_COLUMNS * rowHeight;
    const place = range.offset + first * cellBytes;
    lines.push(
      textAt(left - 6, y + 10, place === 0 ? "0" : formatBytes(place), ' text-anchor="end"'),
    );
    for (const run of runsOf(cells.slice(first, first + SVG_COLUMNS))) {
      lines.push(
        `<rect x="${left + run.first * CELL_WIDTH}" y="${y}" width="${
          run.count * CELL_WIDTH
        }"` +
          ` height="${CELL_HEIGHT}" fill="${fillOf(run.value)}" stroke="#666666"` +
          ` stroke-width="0.3"/>`,
      );
    }
    const row = {
      offset: place,
      length: Math.min(SVG_COLUMNS * cellBytes, endOf(range) - place),
    };
    lines.push(...stripLines(parts, row, cellBytes, y + CELL_HEIGHT));
  }
  return lines;
}

/** The partitions of one row of the grid. */
function stripLines(
  parts: readonly MapPart[],
  row: Range,
  cellBytes: number,
  y: number,
): string[] {
  const left = MARGIN + LABEL_WIDTH;
  const xOf = (place: number): number => left + (place - row.offset) / cellBytes * CELL_WIDTH;
  return parts.flatMap((part, index) => {
    const inside = intersection(part.range, row);
    if (inside === undefined) return [];
    const [from, to] = [xOf(inside.offset), xOf(endOf(inside))];
    return [
      `<rect x="${number(from)}" y="${y}" width="${number(Math.max(to - from, 0.5))}"` +
      ` height="${STRIP_HEIGHT}" fill="${shadeOf(index)}"/>`,
    ];
  });
}

function rowHeightOf(parts: readonly MapPart[]): number {
  return CELL_HEIGHT + (parts.length === 0 ? 0 : STRIP_HEIGHT) + 2;
}

/** Partitions to scale, with their numbers where there is room. */
function barLines({ range, parts }: MapDrawing, top: number): string[] {
  const left = MARGIN + LABEL_WIDTH;
  const scale = GRID_WIDTH / range.length;
  const lines = [
    `<rect x="${left}" y="${top}" width="${GRID_WIDTH}" height="20" fill="#ffffff"` +
    ` stroke="#666666" stroke-width="0.5"/>`,
  ];
  for (const [index, part] of parts.entries()) {
    const inside = intersection(part.range, range);
    if (inside === undefined) continue;
    const x = left + (inside.offset - range.offset) * scale;
    const width = Math.max(inside.length * scale, 0.5);
    lines.push(
      `<rect x="${number(x)}" y="${top}" width="${number(width)}" height="20"` +
        ` fill="${shadeOf(index)}" stroke="#ffffff" stroke-width="0.5"><title>${
          xmlText(partTitle(part))
        }</title></rect>`,
    );
    const room = Math.floor((width - 8) / 7);
    const label = [...partTitle(part)].length <= room ? partTitle(part) : part.number;
    if (label === "" || label.length > room) continue;
    const color = index % 2 === 0 ? "#ffffff" : "#000000";
    lines.push(textAt(Math.round(x) + 4, top + 14, label, ` fill="${color}"`));
  }
  return lines;
}

function partTitle({ number, label }: MapPart): string {
  return number === "" ? label : `${number}: ${label}`;
}

/** What each colour means, and how much of it there is. */
function legendLines({ range, rows }: MapDrawing, top: number): string[] {
  return rows.flatMap((row, index) => {
    const y = top + index * LINE_HEIGHT;
    const share = percentText(row.bytes, range.length);
    const total = `${row.name}: ${sizeText(row.bytes)}, ${share}, ${plural(row.areas, "area")}`;
    return [
      `<rect x="${MARGIN}" y="${y}" width="24" height="12" fill="${fillOf(row.mark)}"` +
      ` stroke="#666666" stroke-width="0.5"/>`,
      textAt(MARGIN + 32, y + 10, total),
    ];
  });
}

/** The partitions by name: the bar has no room for those of small ones. */
function partListLines(parts: readonly MapPart[], top: number): string[] {
  const listed = parts.slice(0, LISTED_PARTS).map((part) => {
    const bad = part.badBytes === 0 ? "" : `, ${plural(part.badBytes, "bad byte")}`;
    const outside = part.coveredBytes < part.range.length ? ", not all of it in the map" : "";
    const rescued = percentText(part.rescuedBytes, part.range.length);
    return `${partTitle(part)}: ${formatBytes(part.range.length)} at ` +
      `${formatCount(part.range.offset)}, rescued ${rescued}${bad}${outside}`;
  });
  const rest = parts.length - listed.length;
  if (rest > 0) listed.push(`and ${formatCount(rest)} more`);
  return listed.flatMap((text, index) => {
    const y = top + index * LINE_HEIGHT;
    const key = index < LISTED_PARTS
      ? [
        `<rect x="${MARGIN}" y="${y}" width="24" height="12" fill="${shadeOf(index)}"/>`,
      ]
      : [];
    return [...key, textAt(MARGIN + 32, y + 10, text)];
  });
}

/** A page of SVG on white ground, which looks the same on paper. */
export function mapSvg(drawing: MapDrawing): string {
  const { title, range, rows, progress, picture, parts } = drawing;
  const lines: string[] = [];
  let y = MARGIN + 18;
  lines.push(textAt(MARGIN, y, title, ' font-size="18" font-weight="bold"'));
  y += 22;
  const from = range.offset === 0 ? "" : ` from byte ${formatCount(range.offset)} on`;
  lines.push(textAt(MARGIN, y, `${sizeText(range.length)}${from}; ${progress}`));
  y += 16;
  lines.push(...legendLines(drawing, y));
  y += rows.length * LINE_HEIGHT + 8;
  if (parts.length > 0 && range.length > 0) {
    lines.push(...barLines(drawing, y));
    y += 32;
  }
  lines.push(...gridLines(drawing, y));
  y += Math.ceil(picture.cells.length / SVG_COLUMNS) * rowHeightOf(parts) + 16;
  if (range.length > 0) {
    const cell = formatBytes(picture.cellBytes);
    lines.push(textAt(MARGIN, y, `One cell is ${cell}, and shows the worst state in it.`));
  }
  y += 14;
  lines.push(...partListLines(parts, y));
  y += Math.min(parts.length, LISTED_PARTS + 1) * LINE_HEIGHT + MARGIN;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<svg xmlns="http://www.w3.org/2000/svg" version="1.1" width="${WIDTH}" height="${y}"` +
    ` viewBox="0 0 ${WIDTH} ${y}" font-family="sans-serif" font-size="12">`,
    `<title>${xmlText(title)}</title>`,
    `<defs>${patterns().join("")}</defs>`,
    `<rect width="${WIDTH}" height="${y}" fill="#ffffff"/>`,
    ...lines,
    "</svg>",
    "",
  ].join("\n");
}
