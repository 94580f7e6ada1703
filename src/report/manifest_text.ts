import { printable } from "../core/text.ts";
import { formatBytes } from "../core/units.ts";
import type { Manifest } from "./manifest.ts";
import {
  type Block,
  type DiskPicture,
  type Fact,
  linesOf,
  type Section,
  type Span,
  type Statement,
  type Table,
} from "./manifest_blocks.ts";
import { reportDocument } from "./manifest_document.ts";
import { stateCells } from "./manifest_states.ts";
import { curveLines } from "./manifest_text_curve.ts";
import { padded, textWidth, wrapped } from "./manifest_text_layout.ts";
import { PICTURE_COLUMNS, pictureLines } from "./map_text.ts";

const WIDTH = 80;
/** In front of everything but headings: what others wrote cannot look like one. */
const INDENT = "  ";
/** Where the values of facts begin. */
const VALUE_COLUMN = 24;
/** In front of what belongs to a row of a table. */
const DETAIL_INDENT = "    ";
/** What does not fit beside its label: digests are cut at this length. */
const CODE_WIDTH = 64;
const WORD_WIDTH = 11;
const PICTURE_ROWS = 12;

/**
 * A report as plain text: UTF-8, ASCII but for what others wrote, at most 80 columns, every
 * list complete.
 */
export function manifestText(manifest: Manifest): string {
  const { title, program, summary, sections, ending } = reportDocument(manifest);
  const lines = [
    ...wrapped(`${title}, ${shown(program)}`, WIDTH),
    "=".repeat(WIDTH),
    "",
    ...sectionLines({ title: "Summary", blocks: summary }),
  ];
  for (const [index, { title, blocks }] of sections.entries()) {
    append(lines, ["", ...sectionLines({ title: `${index + 1}. ${title}`, blocks })]);
  }
  append(lines, ["", "-".repeat(WIDTH), ...wrapped(shown(ending), WIDTH), ""]);
  return lines.join("\n");
}

/** Lists can be longer than the arguments of a call. */
function append(lines: string[], more: readonly string[]): void {
  for (const line of more) lines.push(line);
}

function shown(text: string): string {
  return printable(text.toWellFormed());
}

function sectionLines({ title, blocks }: Section): string[] {
  const lines = [title, "-".repeat(title.length)];
  for (const [index, block] of blocks.entries()) {
    if (index > 0) lines.push("");
    append(lines, blockLines(block));
  }
  return lines;
}

function blockLines(block: Block): string[] {
  switch (block.kind) {
    case "facts":
      return block.facts.flatMap(factLines);
    case "paragraph":
      return indented(wrapped(shown(block.text), WIDTH - INDENT.length), INDENT);
    case "heading":
      return indented(wrapped(`${shown(block.value.text)}:`, WIDTH - INDENT.length), INDENT);
    case "statements":
      return block.statements.flatMap(statementLines);
    case "curve":
      return indented(curveLines(block.samples), INDENT);
    case "disk":
      return diskLines(block);
    case "table":
      return tableBlockLines(block);
  }
}

function indented(lines: readonly string[], indent: string): string[] {
  return lines.map((line) => (indent + line).trimEnd());
}

/** The label, and the value behind it or, where that is one long word, below. */
function factLines({ label, value }: Fact): string[] {
  const head = padded(INDENT + label, VALUE_COLUMN);
  const width = WIDTH - VALUE_COLUMN;
  const texts = value.look === "given" ? linesOf(value.text).map(shown) : [shown(value.text)];
  const [first = ""] = texts;
  if (value.look === "code" && !first.includes(" ") && textWidth(first) > width) {
    return [head.trimEnd(), ...indented(wrapped(first, CODE_WIDTH), INDENT + INDENT)];
  }
  const lines = texts.flatMap((text) => wrapped(text, width));
  return lines.map((line, index) =>
    ((index === 0 ? head : " ".repeat(VALUE_COLUMN)) + line).trimEnd()
  );
}

function statementLines({ word, text }: Statement): string[] {
  const head = padded(`[${word}]`, WORD_WIDTH);
  const lines = wrapped(shown(text), WIDTH - INDENT.length - WORD_WIDTH);
  return lines.map((line, index) =>
    INDENT + (index === 0 ? head : " ".repeat(WORD_WIDTH)) + line
  );
}

function diskLines({ range, areas }: DiskPicture): string[] {
  const picture = stateCells(areas, range, PICTURE_COLUMNS * PICTURE_ROWS);
  const caption = `One character is ${formatBytes(picture.cellBytes)}, and shows the worst ` +
    "state in it:";
  return indented([caption, ...pictureLines(picture, range.length)], INDENT);
}

/** Rows in columns; where these would be too wide, each row as facts. */
function tableBlockLines({ columns, rows }: Table): string[] {
  const titles = columns.map(({ title }) => title);
  const widths = titles.map(textWidth);
  const cells = rows.map((row) => row.cells.map(({ text }) => shown(text)));
  for (const row of cells) {
    for (const [index, cell] of row.entries()) {
      widths[index] = Math.max(widths[index] ?? 0, textWidth(cell));
    }
  }
  const total = widths.reduce((sum, width) => sum + width + INDENT.length, 0);
  if (total > WIDTH) return recordLines({ kind: "table", columns, rows });
  const line = (row: readonly string[]): string =>
    row.map((cell, index) =>
      INDENT + padded(cell, widths[index] ?? 0, columns[index]?.isNumber === true)
    ).join("").trimEnd();
  const lines = [line(titles)];
  for (const [index, row] of rows.entries()) {
    if (index > 0 && (row.details?.length ?? 0) > 1) lines.push("");
    lines.push(line(cells[index] ?? []));
    append(lines, (row.details ?? []).flatMap(detailLines));
  }
  return lines;
}

function recordLines({ columns, rows }: Table): string[] {
  const lines: string[] = [];
  for (const [index, { cells, details }] of rows.entries()) {
    if (index > 0) lines.push("");
    append(
      lines,
      cells.flatMap((value: Span, column) =>
        factLines({ label: columns[column]?.title ?? "", value: oneLine(value) })
      ),
    );
    append(lines, (details ?? []).flatMap(detailLines));
  }
  return lines;
}

/** In tables, line ends in names are shown like other control characters. */
function oneLine(value: Span): Span {
  return value.look === "given" ? { text: value.text, look: "plain" } : value;
}

function detailLines({ label, value }: Fact): string[] {
  const indent = DETAIL_INDENT;
  const width = WIDTH - indent.length - INDENT.length;
  const lines = wrapped(`${label}: ${shown(value.text)}`, width);
  return lines.map((line, index) => (index === 0 ? indent : indent + INDENT) + line);
}
