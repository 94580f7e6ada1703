/** The pieces of a report as HTML: https://html.spec.whatwg.org/ */
import { formatCount } from "../core/units.ts";
import { curveHtml } from "./html_curve.ts";
import { diskHtml } from "./html_disk.ts";
import {
  type Block,
  type Fact,
  linesOf,
  type Row,
  type Span,
  type Statement,
  type Table,
  type Tone,
} from "./manifest_blocks.ts";
import { xmlText } from "./map_svg.ts";

/** More rows would bring a browser to its knees; the other files hold them all. */
export const MOST_HTML_ROWS = 5000;

/** Tables that are so long are set closer. */
const MANY_ROWS = 12;

/** Digests are broken between groups of so many digits. */
const CODE_GROUP = 16;

/** Verdicts can be told apart in black and white. */
const SIGNS: Readonly<Record<Tone, string>> = {
  good: "\u2713",
  bad: "\u2715",
  warning: "!",
  open: "\u2013",
};

export function blockHtml(block: Block): string {
  switch (block.kind) {
    case "facts":
      return factsHtml(block.facts, "facts");
    case "paragraph":
      return `<p>${xmlText(block.text)}</p>`;
    case "heading":
      return `<h3>${spanHtml(block.value)}</h3>`;
    case "statements":
      return `<ul class="statements">${block.statements.map(statementHtml).join("\n")}</ul>`;
    case "curve":
      return curveHtml(block.samples);
    case "disk":
      return diskHtml(block);
    case "table":
      return tableHtml(block);
  }
}

/** A value. What others wrote keeps its own direction and says nothing of its language. */
export function spanHtml({ text, look, tone }: Span): string {
  if (tone !== undefined) return verdictHtml(tone, text);
  switch (look) {
    case "plain":
      return xmlText(text);
    case "absent":
      return `<span class="absent">${xmlText(text)}</span>`;
    case "code":
      return `<span class="code" dir="ltr">${codeHtml(text)}</span>`;
    case "given":
      return `<bdi lang="">${xmlText(text)}</bdi>`;
  }
}

/** A text in its own lines. */
function linesHtml(value: Span): string {
  const lines = value.look === "given" ? linesOf(value.text) : [];
  if (lines.length < 2) return spanHtml(value);
  return lines.map((text) =>
    `<span class="line">${text === "" ? "" : spanHtml({ text, look: "given" })}</span>`
  ).join("");
}

/** Broken between the words of a command line, not at the hyphens in them. */
function codeHtml(text: string): string {
  if (!/^[0-9a-f]+$/.test(text)) {
    return text.split(" ").map((word) => `<span class="word">${xmlText(word)}</span>`).join(
      " ",
    );
  }
  return (text.match(new RegExp(`.{1,${CODE_GROUP}}`, "g")) ?? []).join("<wbr/>");
}

function verdictHtml(tone: Tone, word: string): string {
  return `<span class="verdict ${tone}"><span aria-hidden="true">${SIGNS[tone]} </span>` +
    `${xmlText(word)}</span>`;
}

function factsHtml(facts: readonly Fact[], look: string): string {
  const items = facts.map(({ label, value }) =>
    `<dt>${xmlText(label)}</dt><dd>${
      look === "facts" ? linesHtml(value) : spanHtml(value)
    }</dd>`
  );
  return `<dl class="${look}">${items.join("\n")}</dl>`;
}

function statementHtml({ tone, word, text }: Statement): string {
  return `<li>${verdictHtml(tone, word)}<span>${xmlText(text)}</span></li>`;
}

function tableHtml({ columns, rows }: Table): string {
  const heads = columns.map(({ title, isNumber }) =>
    title === ""
      ? "<td></td>"
      : `<th scope="col"${isNumber === true ? ' class="number"' : ""}>${xmlText(title)}</th>`
  );
  const looks = columns.map(({ isNumber }) => isNumber === true ? ' class="number"' : "");
  const shown = rows.slice(0, MOST_HTML_ROWS);
  const hasDetails = shown.some(({ details }) => details !== undefined && details.length > 0);
  const body = hasDetails ? shown.map((row) => `<tbody>${rowHtml(row, looks)}</tbody>`) : [
    `<tbody${shown.length > MANY_ROWS ? ' class="many"' : ""}>`,
    ...shown.map((row) => rowHtml(row, looks)),
    "</tbody>",
  ];
  return [
    `<div class="scroll"><table><thead><tr>${heads.join("")}</tr></thead>`,
    ...body,
    "</table></div>",
    ...restLines(rows.length - shown.length),
  ].join("\n");
}

function restLines(count: number): string[] {
  if (count <= 0) return [];
  return [
    `<p>And ${formatCount(count)} more: the text and the JSON of this report hold the ` +
    "complete list.</p>",
  ];
}

function rowHtml({ cells, details }: Row, looks: readonly string[]): string {
  const line = `<tr>${
    cells.map((cell, index) => `<td${looks[index] ?? ""}>${spanHtml(cell)}</td>`).join("")
  }</tr>`;
  if (details === undefined || details.length === 0) return line;
  return `${line}\n<tr class="more"><td colspan="${cells.length}">` +
    `${factsHtml(details, "details")}</td></tr>`;
}
