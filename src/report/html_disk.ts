/** A disk as a picture, its states and its partitions: SVG 1.1, https://www.w3.org/TR/SVG11/ */
import { endOf, intersection, type Range } from "../core/range.ts";
import { formatBytes, formatCount } from "../core/units.ts";
import type { AreaState, PartitionFacts } from "./manifest.ts";
import type { DiskPicture } from "./manifest_blocks.ts";
import { rangeOfPartition, stateCells } from "./manifest_states.ts";
import { type MapCells, percentText } from "./map_text.ts";
import { xmlText } from "./map_svg.ts";

const COLUMNS = 64;
const ROWS = 16;
const CELL_WIDTH = 12;
const CELL_HEIGHT = 14;
/** Below the cells of a row: which partition they belong to. */
const STRIP_HEIGHT = 3;
const ROW_GAP = 5;

/** A narrower partition has no room for its number, parts of 100. */
const LABELLED_PERCENT = 4;

/** Where many partitions are, the first are named below the picture. */
const NAMED_PARTITIONS = 40;

/** How a state looks: textures tell them apart on paper without colours, too. */
const LOOKS: Readonly<Record<AreaState, { readonly name: string; readonly mark: string }>> = {
  "+": { name: "read", mark: "" },
  "?": { name: "untried", mark: '<circle cx="3" cy="3" r="0.8" class="untried-mark"/>' },
  "*": { name: "untrimmed", mark: '<path d="M0 6L6 0" class="untrimmed-mark" fill="none"/>' },
  "/": {
    name: "unscraped",
    mark: '<path d="M0 6L6 0M0 0L6 6" class="unscraped-mark" fill="none"/>',
  },
  "-": { name: "badsector", mark: "" },
};

/** Two decimals at most: pages stay small. */
function number(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** The textures, and the gaps between cells. */
function patterns(): string {
  return Object.values(LOOKS).filter(({ mark }) => mark !== "").map(({ name, mark }) =>
    `<pattern id="look-${name}" width="6" height="6" patternUnits="userSpaceOnUse">` +
    `<rect width="6" height="6" class="${name}"/>${mark}</pattern>`
  ).join("") +
    `<pattern id="look-cells" x="1" width="${CELL_WIDTH}" height="${CELL_HEIGHT}"` +
    ' patternUnits="userSpaceOnUse">' +
    `<rect x="${CELL_WIDTH - 1}" width="1" height="${CELL_HEIGHT}" class="gap"/></pattern>`;
}

/** The attributes that fill a shape with a state's look. */
function fillOf(state: string): string {
  const { name, mark } = LOOKS[state as AreaState];
  return mark === "" ? `class="cell ${name}"` : `class="cell" fill="url(#look-${name})"`;
}

/** Light and dark by turns, so that neighbours can be told apart. */
function shadeOf(index: number): string {
  return index % 2 === 0 ? "part-a" : "part-b";
}

/** A figure: the partitions to scale, the cells, and what they mean. */
export function diskHtml(picture: DiskPicture): string {
  const { range, partitions, areas } = picture;
  const cells = stateCells(areas, range, COLUMNS * ROWS);
  const row = formatBytes(cells.cellBytes * COLUMNS);
  const strips = partitions.length === 0
    ? ""
    : " The line below the cells shows the partitions, as the bar does.";
  return [
    "<figure>",
    barHtml(picture),
    cellsSvg(picture, cells),
    stateLegend(picture),
    partitionLegend(picture),
    `<figcaption>From byte ${formatCount(range.offset)}, row by row. One cell is ` +
    `${formatBytes(cells.cellBytes)}, a row is ${row}; a cell shows the worst state in it.` +
    `${strips}</figcaption></figure>`,
  ].filter((part) => part !== "").join("\n");
}

/** The partitions on one line, to scale, with their numbers where there is room. */
function barHtml({ range, partitions }: DiskPicture): string {
  const spans = partitions.flatMap((partition, index) => {
    const inside = intersection(rangeOfPartition(partition), range);
    if (inside === undefined) return [];
    const left = (inside.offset - range.offset) / range.length * 100;
    const width = inside.length / range.length * 100;
    const isNarrow = width < LABELLED_PERCENT;
    const place = `style="left:${number(left)}%;width:${number(width)}%"`;
    return [
      `<span class="${shadeOf(index)}${isNarrow ? " narrow" : ""}" ${place}>` +
      `${isNarrow ? "" : formatCount(partition.number)}</span>`,
    ];
  });
  if (spans.length === 0) return "";
  return `<div class="bar" aria-hidden="true">${spans.join("")}</div>`;
}

function cellsSvg({ range, partitions }: DiskPicture, picture: MapCells): string {
  const { cells, cellBytes } = picture;
  const rows = Math.ceil(cells.length / COLUMNS);
  const strip = partitions.length === 0 ? 0 : STRIP_HEIGHT;
  const rowHeight = CELL_HEIGHT + strip + ROW_GAP;
  const lines: string[] = [];
  for (let row = 0; row < rows; row++) {
    const first = row * COLUMNS;
    const y = 1 + row * rowHeight;
    const inRow = cells.slice(first, first + COLUMNS);
    lines.push(
      ...runLines(inRow, y),
      `<rect x="1" y="${y}" width="${inRow.length * CELL_WIDTH}" height="${CELL_HEIGHT}"` +
        ' fill="url(#look-cells)"/>',
    );
    const offset = range.offset + first * cellBytes;
    const length = Math.min(COLUMNS * cellBytes, endOf(range) - offset);
    const place = { offset, length };
    lines.push(...stripLines(partitions, place, cellBytes, y + CELL_HEIGHT));
  }
  const width = COLUMNS * CELL_WIDTH + 2;
  const height = rows * rowHeight - ROW_GAP + 2;
  return [
    `<svg class="cells" viewBox="0 0 ${width} ${height}" role="img"` +
    ' aria-label="The states of the source from its beginning to its end">',
    `<defs>${patterns()}</defs>`,
    ...lines,
    "</svg>",
  ].join("\n");
}

/** One rectangle for equal cells that are neighbours. */
function runLines(cells: readonly string[], y: number): string[] {
  const lines: string[] = [];
  let first = 0;
  for (let index = 1; index <= cells.length; index++) {
    const state = cells[first] ?? "+";
    if (index < cells.length && cells[index] === state) continue;
    const x = 1 + first * CELL_WIDTH;
    const width = (index - first) * CELL_WIDTH;
    lines.push(
      `<rect x="${x}" y="${y}" width="${width}" height="${CELL_HEIGHT}" ${fillOf(state)}/>`,
    );
    first = index;
  }
  return lines;
}

function stripLines(
  partitions: readonly PartitionFacts[],
  row: Range,
  cellBytes: number,
  y: number,
): string[] {
  const xOf = (place: number): number => 1 + (place - row.offset) / cellBytes * CELL_WIDTH;
  return partitions.flatMap((partition, index) => {
    const inside = intersection(rangeOfPartition(partition), row);
    if (inside === undefined) return [];
    const width = Math.max(0.5, xOf(endOf(inside)) - xOf(inside.offset));
    return [
      `<rect x="${number(xOf(inside.offset))}" y="${y}" width="${number(width)}"` +
      ` height="${STRIP_HEIGHT}" class="${shadeOf(index)}"/>`,
    ];
  });
}

function swatch(attributes: string): string {
  return '<svg viewBox="0 0 22 12" aria-hidden="true">' +
    `<rect x="0.5" y="0.5" width="21" height="11" ${attributes}/></svg>`;
}

/** The states that occur. */
function stateLegend({ states, range }: DiskPicture): string {
  const items = states.filter(({ areas }) => areas > 0).map(({ mark, name, bytes }) =>
    `<li>${swatch(fillOf(mark))}<span>${xmlText(name)}, ` +
    `${xmlText(percentText(bytes, range.length))}</span></li>`
  );
  return `<ul class="legend">${items.join("")}</ul>`;
}

function partitionLegend({ partitions }: DiskPicture): string {
  if (partitions.length === 0) return "";
  const items = partitions.slice(0, NAMED_PARTITIONS).map((partition, index) => {
    const content = partition.fileSystem ?? partition.typeName;
    return `<li>${swatch(`class="cell ${shadeOf(index)}"`)}<span>` +
      `${formatCount(partition.number)}: <bdi lang="">${xmlText(content)}</bdi>, ` +
      `${formatBytes(partition.sizeBytes)}</span></li>`;
  });
  const rest = partitions.length - items.length;
  if (rest > 0) items.push(`<li>and ${formatCount(rest)} more</li>`);
  return `<ul class="legend">${items.join("")}</ul>`;
}
