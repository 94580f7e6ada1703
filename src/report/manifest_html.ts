import { blockHtml } from "./html_blocks.ts";
import { REPORT_STYLE } from "./html_style.ts";
import type { Manifest } from "./manifest.ts";
import type { Section } from "./manifest_blocks.ts";
import { reportDocument } from "./manifest_document.ts";
import { xmlText } from "./map_svg.ts";

/** Nothing is loaded, nothing runs: even if something slipped into the page. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; " +
  "form-action 'none'";

/**
 * A report as one page of HTML that needs nothing beside itself. Lists are complete up to
 * 5,000 rows; longer ones say where the rest is.
 */
export function manifestHtml(manifest: Manifest): string {
  const { title, program, summary, sections, ending } = reportDocument(manifest);
  const { evidence, case: caseName } = manifest.operator;
  const named = evidence ?? caseName ?? manifest.source.name;
  return [
    "<!DOCTYPE html>",
    '<html lang="en" dir="ltr">',
    "<head>",
    '<meta charset="utf-8"/>',
    `<meta http-equiv="Content-Security-Policy" content="${POLICY}"/>`,
    '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
    '<meta name="color-scheme" content="light dark"/>',
    '<meta name="referrer" content="no-referrer"/>',
    `<title>${xmlText(`${title}: ${named}`)}</title>`,
    `<style>${REPORT_STYLE}</style>`,
    "</head>",
    "<body>",
    "<main>",
    `<header><h1>${xmlText(title)}</h1><p>${xmlText(program)}</p></header>`,
    sectionHtml({ title: "Summary", blocks: summary }),
    ...sections.map((section, index) => sectionHtml(section, index + 1)),
    `<footer>${xmlText(ending)}</footer>`,
    "</main>",
    "</body>",
    "</html>",
    "",
  ].join("\n");
}

function sectionHtml({ title, blocks }: Section, number?: number): string {
  const [look, mark] = number === undefined
    ? [' class="summary"', ""]
    : ["", `<span class="number">${number}</span>`];
  return [
    `<section${look}>`,
    `<h2>${mark}${xmlText(title)}</h2>`,
    ...blocks.map(blockHtml),
    "</section>",
  ].join("\n");
}
