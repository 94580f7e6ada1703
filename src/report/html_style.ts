/**
 * How a report looks: system fonts, one accent colour, dark where the reader's system is
 * dark, always light on paper. Nothing is loaded from anywhere.
 */
export const REPORT_STYLE = `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1b1f24; --quiet: #59636e; --rule: #d8dee4; --tint: #f4f6f8;
  --accent: #1d5c87; --accent-light: #9cc3de; --on-accent: #ffffff;
  --bad: #a3161f; --on-bad: #ffffff;
  --read: #cfe3d4; --untried: #ffffff; --untried-mark: #8a929b;
  --untrimmed: #f5d565; --untrimmed-mark: #7a6000;
  --unscraped: #ee9a55; --unscraped-mark: #6d3000; --cell-line: #8a929b;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14181c; --ink: #e4e8ec; --quiet: #9aa5b1; --rule: #323a43; --tint: #1c2228;
    --accent: #7cb8e0; --accent-light: #33617f; --on-accent: #10161b;
    --bad: #ff8a85; --on-bad: #2a0606;
    --read: #2f5a44; --untried: #14181c; --untried-mark: #77828d;
    --untrimmed: #8a7420; --untrimmed-mark: #ffe9a0;
    --unscraped: #a45a1c; --unscraped-mark: #ffd9b8; --cell-line: #4a545f;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue",
    Arial, sans-serif;
}
main { max-width: 50rem; margin: 0 auto; padding: 3.5rem 1.5rem 4rem; }
header { border-top: 4px solid var(--accent); padding-top: 1.5rem; margin-bottom: 2rem; }
h1 { font-size: 2.1rem; line-height: 1.2; font-weight: 600; letter-spacing: -0.015em;
  margin: 0 0 0.4rem; }
header p { margin: 0; color: var(--quiet); }
section { margin-top: 3rem; }
h2 { font-size: 1.2rem; line-height: 1.3; font-weight: 600; margin: 0 0 1.1rem;
  padding-bottom: 0.5rem; border-bottom: 1px solid var(--rule); break-after: avoid; }
h2 .number { color: var(--accent); font-variant-numeric: tabular-nums; margin-right: 0.6em; }
h3 { font-size: 1rem; font-weight: 600; margin: 2rem 0 0.6rem; break-after: avoid;
  overflow-wrap: anywhere; }
p { margin: 1rem 0; max-width: 42rem; overflow-wrap: anywhere; }
.summary { margin-top: 0; background: var(--tint); border: 1px solid var(--rule);
  border-radius: 6px; padding: 1.5rem 1.75rem 1.25rem; }
.summary h2 { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); margin: 0; }
dl { margin: 0; }
dt { color: var(--quiet); }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
.facts { display: grid; grid-template-columns: 11rem minmax(0, 1fr); gap: 0.4rem 1.5rem; }
.summary .facts { grid-template-columns: 7.5rem minmax(0, 1fr); column-gap: 1rem; }
.details { display: grid; grid-template-columns: max-content minmax(0, 1fr);
  gap: 0.1rem 1rem; font-size: 0.9rem; }
bdi { overflow-wrap: anywhere; white-space: pre-wrap; }
.line { display: block; min-height: 1.55em; }
.code { font-family: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas,
  "DejaVu Sans Mono", monospace; font-size: 0.875em; overflow-wrap: anywhere; }
.word { display: inline-block; max-width: 100%; }
.absent { color: var(--quiet); font-style: italic; }
.statements { list-style: none; margin: 1.25rem 0 0; padding: 0; }
.statements li { display: grid; grid-template-columns: 7.5rem minmax(0, 1fr); gap: 0 1rem;
  align-items: baseline; padding: 0.5rem 0; border-top: 1px solid var(--rule);
  overflow-wrap: anywhere; break-inside: avoid; }
.statements li:first-child { border-top: 0; }
.summary .statements li:first-child { border-top: 1px solid var(--rule); }
.verdict { display: inline-block; font-size: 0.78rem; line-height: 1.35rem; font-weight: 700;
  letter-spacing: 0.03em; padding: 0 0.55rem; border-radius: 3px; white-space: nowrap;
  justify-self: start; border: 1.5px solid; print-color-adjust: exact;
  -webkit-print-color-adjust: exact; }
.verdict.good { color: var(--accent); border-color: var(--accent); }
.verdict.bad { color: var(--on-bad); background: var(--bad); border-color: var(--bad); }
.verdict.warning { color: var(--ink); border-color: var(--ink); }
.verdict.open { color: var(--quiet); border-color: var(--quiet); border-style: dashed; }
.scroll { overflow-x: auto; margin: 1rem 0;
  /* A shadow at the edge behind which there is more: it is covered at the ends. */
  background: linear-gradient(to right, var(--paper) 40%, transparent) left / 2rem 100% local,
    linear-gradient(to left, var(--paper) 40%, transparent) right / 2rem 100% local,
    linear-gradient(to right, var(--cell-line), transparent) left / 0.3rem 100% scroll,
    linear-gradient(to left, var(--cell-line), transparent) right / 0.3rem 100% scroll;
  background-repeat: no-repeat; }
table { border-collapse: collapse; width: 100%; font-size: 0.94rem;
  font-variant-numeric: tabular-nums lining-nums; }
th { text-align: left; font-weight: 600; font-size: 0.82rem; color: var(--quiet);
  vertical-align: bottom; padding: 0.3rem 0.9rem 0.3rem 0; }
thead th, thead td { border-bottom: 1.5px solid var(--ink); }
td { text-align: left; vertical-align: top; padding: 0.4rem 0.9rem 0.4rem 0; }
th:last-child, td:last-child { padding-right: 0; }
th.number, td.number { text-align: right; white-space: nowrap; }
tbody { break-inside: avoid; border-bottom: 1px solid var(--rule); }
tbody.many { break-inside: auto; }
tbody.many td { padding-top: 0.15rem; padding-bottom: 0.15rem; }
tr.more td { padding: 0 0 0.6rem; }
figure { margin: 1.75rem 0; break-inside: avoid; }
figcaption { color: var(--quiet); font-size: 0.88rem; margin-top: 0.75rem; }
svg { display: block; }
.legend { list-style: none; margin: 0.75rem 0 0; padding: 0; font-size: 0.88rem;
  display: flex; flex-wrap: wrap; gap: 0.25rem 1.5rem; }
.legend li { display: flex; gap: 0.5rem; align-items: center; overflow-wrap: anywhere;
  min-width: 0; }
.legend svg { flex: none; width: 22px; height: 12px; }
.cells { width: 100%; height: auto; }
.read { fill: var(--read); } .untried { fill: var(--untried); }
.untried-mark { fill: var(--untried-mark); }
.untrimmed { fill: var(--untrimmed); } .untrimmed-mark { stroke: var(--untrimmed-mark); }
.unscraped { fill: var(--unscraped); } .unscraped-mark { stroke: var(--unscraped-mark); }
.badsector { fill: var(--bad); }
.gap { fill: var(--paper); }
.cell { stroke: var(--cell-line); stroke-width: 0.5; }
.cells .cell { stroke: none; }
.untried.cell { stroke: var(--cell-line); }
.part-a { fill: var(--accent); } .part-b { fill: var(--accent-light); }
.bar { position: relative; height: 1.7rem; border: 1px solid var(--cell-line);
  margin-bottom: 0.6rem; overflow: hidden; print-color-adjust: exact;
  -webkit-print-color-adjust: exact; }
.bar span { position: absolute; top: 0; bottom: 0; min-width: 1px; overflow: hidden;
  padding-left: 0.35rem; font-size: 0.8rem; line-height: 1.6rem; }
.bar .narrow { padding: 0; }
.bar .part-a { background: var(--accent); color: var(--on-accent); }
.bar .part-b { background: var(--accent-light); color: var(--ink); }
.curve { display: grid; grid-template-columns: max-content minmax(0, 1fr);
  gap: 0.4rem 0.6rem; font-size: 0.82rem; color: var(--quiet);
  font-variant-numeric: tabular-nums; padding-top: 0.6rem; }
.curve .y { position: relative; height: 13rem; text-align: right; }
.curve .y span { display: block; height: 0; line-height: 0; }
.curve .y b { position: absolute; right: 0; font-weight: 400; line-height: 1rem;
  transform: translateY(50%); white-space: nowrap; }
.curve svg { width: 100%; height: 13rem; overflow: visible; }
.curve .x { position: relative; height: 1.3rem; grid-column: 2; }
.curve .x b { position: absolute; font-weight: 400; transform: translateX(-50%);
  white-space: nowrap; }
.curve .x b:first-child { transform: none; }
.curve .x b.end { transform: translateX(-100%); }
.gridline { stroke: var(--rule); stroke-width: 1; } .axis { stroke: var(--quiet); }
.rate-area { fill: var(--accent); opacity: 0.16; }
.rate-line { fill: none; stroke: var(--accent); stroke-width: 1.6; stroke-linejoin: round; }
footer { margin-top: 4rem; padding-top: 1rem; border-top: 1px solid var(--rule);
  color: var(--quiet); font-size: 0.88rem; overflow-wrap: anywhere; }
@media (max-width: 36rem) {
  main { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.7rem; }
  .summary { padding: 1.1rem 1rem 0.75rem; }
  .facts, .summary .facts { grid-template-columns: minmax(0, 1fr); gap: 0; }
  .facts dt { font-size: 0.85rem; margin-top: 0.6rem; }
  .facts dt:first-of-type { margin-top: 0; }
  .statements li { grid-template-columns: minmax(0, 1fr); gap: 0.3rem; }
  .details { column-gap: 0.7rem; font-size: 0.85rem; }
  table { font-size: 0.82rem; }
  th, td { padding-right: 0.5rem; }
  th.number { white-space: normal; }
}
@page { size: A4; margin: 18mm 17mm 20mm;
  @bottom-right { content: counter(page) " / " counter(pages); font: 9pt sans-serif;
    color: #59636e; } }
@media print {
  :root { color-scheme: light; }
  html { font-size: 10pt; }
  body { line-height: 1.45; }
  main { max-width: none; padding: 0; }
  section { margin-top: 2rem; }
  .scroll { overflow: visible; background: none; }
  p, li { orphans: 3; widows: 3; }
}
`;
