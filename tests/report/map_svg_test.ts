import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type MapDrawing, mapSvg, SVG_COLUMNS, xmlText } from "../../src/report/map_svg.ts";
import { LISTED_PARTS, type MapPart } from "../../src/report/map_text.ts";

const STATES = [["+", "rescued"], ["?", "non-tried"], ["-", "bad-sector"]] as const;

function part(number: number, offset: number, length: number, label = "ext4"): MapPart {
  return {
    number: String(number),
    label,
    range: { offset, length },
    coveredBytes: length,
    rescuedBytes: length - 512,
    badBytes: 512,
  };
}

/** A drawing of these cells of 512 bytes each. */
function drawing(cells: readonly string[], changes: Partial<MapDrawing> = {}): MapDrawing {
  return {
    title: "card.map",
    range: { offset: 0, length: cells.length * 512 },
    rows: STATES.map(([mark, name]) => {
      const count = cells.filter((cell) => cell === mark).length;
      return { mark, name, bytes: count * 512, areas: Math.min(count, 1) };
    }),
    progress: "copying, pass 1, at byte 0",
    picture: { cellBytes: 512, cells },
    parts: [],
    ...changes,
  };
}

/** Width and fill of all rectangles that are as high as a cell of the grid. */
function cellsOf(svg: string): { x: number; y: number; width: number; fill: string }[] {
  const pattern =
    /<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="12" fill="([^"]+)" stroke="#666666" stroke-width="0.3"/g;
  return [...svg.matchAll(pattern)].map(([, x, y, width, fill = ""]) => ({
    x: Number(x),
    y: Number(y),
    width: Number(width),
    fill,
  }));
}

Deno.test("every cell is drawn once, in the look of its state", () => {
  const cells = Array.from(
    { length: SVG_COLUMNS * 2 + 5 },
    (_, index) => index < 3 ? "-" : index < SVG_COLUMNS + 7 ? "+" : "?",
  );
  const drawn = cellsOf(mapSvg(drawing(cells)));
  // A run of equal cells in a row is one rectangle.
  assertEquals(drawn.map(({ width }) => width / 6), [
    3,
    SVG_COLUMNS - 3,
    7,
    SVG_COLUMNS - 7,
    5,
  ]);
  assertEquals(drawn.map(({ fill }) => fill), [
    "#8f0f1c",
    "#cfe8c4",
    "#cfe8c4",
    "url(#state63)",
    "url(#state63)",
  ]);
  assertEquals(new Set(drawn.map(({ y }) => y)).size, 3);
  const [first, second, third] = drawn;
  assertEquals(second?.x, (first?.x ?? NaN) + 18);
  assertEquals(third?.x, first?.x);
});

Deno.test("every state has a look of its own, and every pattern that is used is there", () => {
  const svg = mapSvg(drawing(["+", "?", "*", "/", "-"]));
  const fills = cellsOf(svg).map(({ fill }) => fill);
  assertEquals(new Set(fills).size, 5);
  for (const fill of fills) {
    const id = /^url\(#(.+)\)$/.exec(fill)?.[1];
    if (id !== undefined) assertStringIncludes(svg, `<pattern id="${id}"`);
    else assert(/^#[0-9a-f]{6}$/.test(fill) && fill !== "#000000", fill);
  }
});

Deno.test("the legend has the totals", () => {
  const svg = mapSvg(drawing(["+", "+", "+", "-"]));
  assertStringIncludes(svg, ">rescued: 1,536 bytes (1.5 KiB), 75.00%, 1 area</text>");
  assertStringIncludes(svg, ">bad-sector: 512 bytes, 25.00%, 1 area</text>");
  assertStringIncludes(svg, ">non-tried: 0 bytes, 0%, 0 areas</text>");
  assertStringIncludes(svg, ">2,048 bytes (2 KiB); copying, pass 1, at byte 0</text>");
});

Deno.test("partitions are named, those without room in the bar by their number", () => {
  const cells = new Array<string>(1000).fill("+");
  const svg = mapSvg(drawing(cells, {
    parts: [part(1, 0, 512), part(2, 512, 20_000, "a long name"), part(3, 20_512, 491_488)],
  }));
  assertStringIncludes(svg, ">3: ext4</text>");
  assertStringIncludes(svg, "<title>1: ext4</title>");
  assertStringIncludes(
    svg,
    "2: a long name: 19.5 KiB at 512, rescued 97.44%, 512 bad bytes</text>",
  );
  assertEquals(/fill="#000000">2: a long name</.test(svg), false);
  assertStringIncludes(svg, ' fill="#000000">2</text>');
  assertEquals(svg.includes(' fill="#ffffff">1</text>'), false);
  // Below each row of the grid, the part of it that belongs to a partition.
  const strips = [...svg.matchAll(/width="([\d.]+)" height="3"/g)].map(([, width]) =>
    Number(width)
  );
  const total = strips.reduce((sum, width) => sum + width, 0);
  assert(Math.abs(total - 6000) < 1, `strips of ${total}`);
});

Deno.test("a partition outside of the map is listed, and not drawn", () => {
  const outside = { ...part(1, 512_000, 512), coveredBytes: 0 };
  const svg = mapSvg(drawing(["+"], { parts: [outside] }));
  assertEquals(svg.includes("<title>1: ext4</title>"), false);
  assertStringIncludes(svg, "not all of it in the map</text>");
});

Deno.test("of very many partitions the first are listed", () => {
  const parts = Array.from({ length: 500 }, (_, index) => part(index + 1, index * 512, 512));
  const svg = mapSvg(drawing(new Array<string>(500).fill("+"), { parts }));
  assertStringIncludes(svg, `>and ${500 - LISTED_PARTS} more</text>`);
  assertEquals(svg.includes(`>${LISTED_PARTS + 1}: ext4: `), false);
});

Deno.test("names cannot become markup, nor break the file", () => {
  assertEquals(xmlText(`<a b="c">&'`), "&#60;a b=&#34;c&#34;&#62;&#38;&#39;");
  assertEquals(xmlText("\0\x1b\ud800\ufffe\u202e💾ä"), "\\x00\\x1b\ufffd\ufffd\\x202e💾ä");
  const evil = `"/><script>alert(1)</script>]]>&amp;`;
  const svg = mapSvg(drawing(["+"], { title: evil, parts: [part(1, 0, 512, evil)] }));
  assertEquals(svg.includes("<script"), false);
  assertEquals(svg.includes("]]>"), false);
  // A name as long as a page is cut.
  const long = mapSvg(drawing(["+"], { title: "<".repeat(5000) }));
  const shown = /font-weight="bold">([^<]*)</.exec(long)?.[1] ?? "";
  assertEquals(shown, "&#60;".repeat(97) + "...");
});

Deno.test("a map of nothing is a picture without cells", () => {
  const svg = mapSvg(drawing([]));
  assertEquals(cellsOf(svg), []);
  assertEquals(/NaN|Infinity|undefined/.test(svg), false);
  assertStringIncludes(svg, ">0 bytes; ");
});

/**
 * What breaks the rules of XML 1.0 for a document without declarations; undefined when
 * nothing does.
 */
function xmlProblem(text: string): string | undefined {
  const forbidden = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u.exec(text);
  if (forbidden !== null) return `character ${forbidden[0].codePointAt(0)}`;
  const open: string[] = [];
  const body = text.replace(/^<\?xml [^?<>]*\?>\n/, "");
  for (const [token] of body.matchAll(/<[^>]*>|[^<]+/g)) {
    const tag = /^<(\/?)(\w+)((?: [\w:-]+="[^"<]*")*)(\/?)>$/.exec(token);
    const [, closing, name = "", , single] = tag ?? [];
    if (/&(?!#\d+;)/.test(token)) return `a bare & in ${token}`;
    if (tag === null) {
      if (token.startsWith("<") || token.includes("]]>")) return token;
    } else if (closing !== "") {
      if (open.pop() !== name) return `${token} ends nothing`;
    } else if (single === "") open.push(name);
  }
  return open.length === 0 ? undefined : `${open.at(-1)} has no end`;
}

Deno.test("what is drawn is well-formed XML, whatever the names", () => {
  for (const broken of ["<a>", "<a></b>", "<a>&</a>", "<a>]]></a>", "<a b='c/>", "<a>\0</a>"]) {
    assert(xmlProblem(broken) !== undefined, broken);
  }
  const evil = `<&"'>\0\x1b]]>\ud800\uffff💾`;
  const cells = ["+", "?", "*", "/", "-"];
  for (const parts of [[], [part(1, 0, 2560, evil), part(2, 512, 100_000, evil)]]) {
    const svg = mapSvg(drawing(cells, { title: evil, progress: evil, parts }));
    assertEquals(xmlProblem(svg), undefined);
    assertEquals(/NaN|Infinity|undefined/.test(svg), false);
  }
});
