import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { MOST_HTML_ROWS } from "../../src/report/html_blocks.ts";
import { type Manifest, unreadableFacts } from "../../src/report/manifest.ts";
import { manifestHtml } from "../../src/report/manifest_html.ts";
import { exampleManifest } from "./manifest_example.ts";
import { isShown, leavesOf, textsOf, withLeaf, withoutBlanks } from "./manifest_walk.ts";

const EVIL =
  "</bdi></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'`&amp;&#60;" +
  "\0\x1b[2J\x9b\u202e]]>--><!--\ud800\uffff" + "\u200fשלום مرحبا 写真 💾";

/**
 * What breaks the rules of HTML, stricter than these are: every element is closed by name or
 * in itself, values of attributes are quoted, references are numeric. Undefined when nothing
 * does.
 */
function htmlProblem(html: string): string | undefined {
  const body = html.replace(/^<!DOCTYPE html>\n/, "").replace(
    /<style>[^<]*<\/style>/,
    "<style></style>",
  );
  if (body.length === html.length) return "no document type";
  const forbidden = /[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u.exec(body);
  if (forbidden !== null) return `character ${forbidden[0].codePointAt(0)}`;
  const open: string[] = [];
  const ids = new Set<string>();
  for (const [token] of body.matchAll(/<[^>]*>|[^<]+/g)) {
    if (/&(?!#\d+;)/.test(token)) return `a bare & in ${token}`;
    const tag = /^<(\/?)([a-z][a-z0-9]*)((?: [\w:-]+="[^"<>]*")*)(\/?)>$/i.exec(token);
    const [, closing, name = "", attributes = "", single] = tag ?? [];
    const id = / id="([^"]*)"/.exec(attributes)?.[1];
    if (id !== undefined) {
      if (ids.has(id)) return `${id} is there twice`;
      ids.add(id);
    }
    if (tag === null) {
      if (/[<>]/.test(token)) return token;
    } else if (closing !== "") {
      if (open.pop() !== name) return `${token} ends nothing`;
    } else if (single === "") open.push(name);
    else if (!VOID.includes(name)) return `${token} does not end in HTML`;
  }
  return open.length === 0 ? undefined : `${open.at(-1)} has no end`;
}

/** Elements without an end tag: those of HTML, and those of SVG that are closed in themselves. */
const VOID = ["meta", "wbr", "rect", "path", "circle", "line", "polygon", "polyline"];

/** What a reader sees. */
function shownText(html: string): string {
  return html.replace(/<style>[^<]*<\/style>/, "").replace(/<[^>]*>/g, "").replace(
    /&#(\d+);/g,
    (_, code: string) => String.fromCodePoint(Number(code)),
  );
}

/** The example with this text in every place that others can write. */
function withTexts(text: string): Manifest {
  const manifest = exampleManifest();
  let changed: Manifest = manifest;
  const own = ["schema", "started", "ended", "kind", "subject", "verdict", "state", "level"];
  for (const leaf of leavesOf(manifest)) {
    const key = String(leaf.path.findLast((each) => typeof each === "string"));
    if (typeof leaf.value !== "string" || own.includes(key) || key === "result") continue;
    changed = withLeaf(changed, leaf, text);
  }
  return changed;
}

Deno.test("every value is on the page", () => {
  const manifest = exampleManifest();
  const text = withoutBlanks(shownText(manifestHtml(manifest)));
  for (const leaf of leavesOf(manifest).filter((each) => isShown(manifest, each))) {
    for (const expected of textsOf(leaf)) {
      assert(text.includes(expected), `${leaf.path.join(".")}: ${expected}`);
    }
  }
});

Deno.test("the page is well-formed", () => {
  const wrong = [
    "<p>",
    "<p></b>",
    "<p>&amp;</p>",
    "<p a='b'></p>",
    "<p/>",
    "<p>></p>",
    "<p>\0</p>",
  ];
  for (const each of wrong) {
    assert(htmlProblem(`<!DOCTYPE html>\n<style></style>${each}`) !== undefined, each);
  }
  assertEquals(htmlProblem("<!DOCTYPE html>\n<p>a<wbr/>b</p>"), undefined);
  const manifest = exampleManifest();
  const bare: Manifest = {
    ...manifest,
    partitionTable: null,
    areas: [],
    images: [],
    hashes: [],
    findings: [],
    reading: { ...manifest.reading, rateCurve: [], unreadable: [] },
  };
  for (const each of [manifest, bare]) {
    const html = manifestHtml(each);
    assertEquals(htmlProblem(html), undefined);
    assertEquals(/NaN|Infinity|undefined|null/.test(html), false);
  }
});

Deno.test("whatever others wrote, it is text", () => {
  const html = manifestHtml(withTexts(EVIL));
  assertEquals(htmlProblem(html), undefined);
  assertEquals(/<(script|img)|onerror="|javascript:/i.test(html), false);
  assertEquals((html.match(/<style>/g) ?? []).length, 1);
  const shown = shownText(html);
  assertStringIncludes(shown, "<script>alert(1)</script><img src=x onerror=alert(1)>\"'`&amp;");
  assertStringIncludes(shown, "&#60;\\x00\\x1b[2J\\x9b\\x202e]]>--><!--\ufffd");
  assertStringIncludes(shown, "\u200fשלום مرحبا 写真 💾");
});

Deno.test("texts of others have a direction of their own", () => {
  const html = manifestHtml(exampleManifest());
  assertStringIncludes(html, '<html lang="en" dir="ltr">');
  for (
    const text of ["צורף", "صور", "מסמך נלווה: 14/ב"].filter((each) => html.includes(each))
  ) {
    assertStringIncludes(html, `<bdi lang="">${text}</bdi>`);
  }
  assertStringIncludes(html, '<bdi lang="">صور</bdi>');
});

Deno.test("10,000 characters are there to the last one", () => {
  const long = "x".repeat(9_999) + "y";
  const manifest = exampleManifest();
  const operator = {
    case: long,
    evidence: long,
    description: long,
    examiner: long,
    notes: long,
  };
  const html = manifestHtml({ ...manifest, operator });
  assertEquals(html.split(`<bdi lang="">${long}</bdi>`).length - 1, 5);
  assertEquals(htmlProblem(html), undefined);
});

Deno.test("the lines of notes are lines", () => {
  const manifest = exampleManifest();
  const operator = { ...manifest.operator, notes: "one\r\n\ntwo <b>" };
  assertStringIncludes(
    manifestHtml({ ...manifest, operator }),
    '<span class="line"><bdi lang="">one</bdi></span><span class="line"></span>' +
      '<span class="line"><bdi lang="">two &#60;b&#62;</bdi></span>',
  );
});

Deno.test("the page needs nothing but itself", () => {
  const html = manifestHtml(exampleManifest());
  assertEquals(/https?:|\bsrc=|\bhref=|@import|<script|<link|<iframe/i.test(html), false);
  assertEquals(
    [...html.matchAll(/url\(([^)]*)\)/g)].filter(([, to]) => !to?.startsWith("#")),
    [],
  );
  for (const [, id] of html.matchAll(/url\(#([^)]*)\)/g)) {
    assertStringIncludes(html, `id="${id}"`);
  }
  assertStringIncludes(html, "default-src 'none'; style-src 'unsafe-inline'");
});

Deno.test("every class that is used has a style, and the other way round", () => {
  const html = manifestHtml(exampleManifest());
  const [style = ""] = /<style>[^<]*<\/style>/.exec(html) ?? [];
  const styled = new Set([...style.matchAll(/\.([a-z][a-z-]*)/g)].map(([, name = ""]) => name));
  const used = new Set(
    [...html.matchAll(/ class="([^"]*)"/g)].flatMap(([, names = ""]) => names.split(" ")),
  );
  // Looks that the example has no use for.
  const unused = new Set(["absent", "many", "end"]);
  assertEquals([...used].filter((name) => !styled.has(name)), []);
  assertEquals([...styled].filter((name) => !used.has(name) && !unused.has(name)), []);
});

Deno.test("the curve goes through its samples", () => {
  const manifest = exampleManifest();
  const rateCurve = [
    { seconds: 10, bytesPerSecond: 50 * 1024 * 1024 },
    { seconds: 30, bytesPerSecond: 100 * 1024 * 1024 },
    { seconds: 40, bytesPerSecond: 0 },
  ];
  const html = manifestHtml({ ...manifest, reading: { ...manifest.reading, rateCurve } });
  const [, points = ""] = /class="rate-line"[^>]* points="([^"]*)"/.exec(html) ?? [];
  // 1000 wide for 40 seconds, 400 high for 100 MiB/s, y from the top.
  assertEquals(points, "0,200 250,200 250,0 750,0 750,400 1000,400");
  for (const label of ["100 MiB/s", "20 MiB/s", "10 s", "40 s"]) {
    assertStringIncludes(html, `>${label}</b>`);
  }
});

Deno.test("the picture shows every state and every partition where it is", () => {
  const manifest = exampleManifest();
  const cellBytes = 1024;
  const cells = 64 * 16;
  const [read, bad] = [600 * cellBytes, 2 * cellBytes];
  const areas: Manifest["areas"] = [
    { offsetBytes: 0, lengthBytes: read, state: "+" },
    { offsetBytes: read, lengthBytes: bad, state: "-" },
    { offsetBytes: read + bad, lengthBytes: cells * cellBytes - read - bad, state: "?" },
  ];
  const html = manifestHtml({ ...manifest, areas });
  const drawn = [
    ...html.matchAll(/<rect x="(\d+)" y="(\d+)" width="(\d+)" height="14" ([^/]*)\/>/g),
  ]
    .map(([, x, y, width, look = ""]) => ({
      cell: (Number(x) - 1) / 12 + (Number(y) - 1) / 22 * 64,
      count: Number(width) / 12,
      look,
    })).filter(({ look }) => !look.includes("look-cells"));
  const countOf = (look: string): number =>
    drawn.filter((each) => each.look.includes(look)).reduce((sum, { count }) => sum + count, 0);
  assertEquals(countOf("read"), 600);
  assertEquals(countOf("badsector"), 2);
  assertEquals(countOf("look-untried"), cells - 602);
  assertEquals(drawn.find(({ look }) => look.includes("badsector"))?.cell, 600);
  // To scale: the second partition of the example in its bar.
  const whole = manifestHtml(manifest);
  const [, left, width] = /left:([\d.]+)%;width:([\d.]+)%">2</.exec(whole) ?? [];
  const size = manifest.source.sizeBytes ?? NaN;
  const second = manifest.partitionTable?.partitions[1];
  assertEquals(Number(left), Math.round((second?.startBytes ?? NaN) / size * 10_000) / 100);
  assertEquals(Number(width), Math.round((second?.sizeBytes ?? NaN) / size * 10_000) / 100);
});

Deno.test("a list that is too long for a browser says where the rest is", () => {
  const ranges = Array.from({ length: MOST_HTML_ROWS + 1234 }, (_, index) => ({
    offset: index * 1024,
    length: 512,
  }));
  const manifest = exampleManifest();
  const reading = { ...manifest.reading, ...unreadableFacts(ranges, 512) };
  const html = manifestHtml({ ...manifest, reading });
  assertStringIncludes(html, "<p>And 1,234 more: the text and the JSON of this report hold");
  const last = ((MOST_HTML_ROWS - 1) * 1024).toLocaleString("en-US");
  assertStringIncludes(html, `<td class="number">${last}</td>`);
});
