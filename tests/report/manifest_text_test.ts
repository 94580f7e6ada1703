import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { AreaFacts, Manifest } from "../../src/report/manifest.ts";
import { unreadableFacts } from "../../src/report/manifest.ts";
import { manifestText } from "../../src/report/manifest_text.ts";
import { exampleManifest } from "./manifest_example.ts";
import { isShown, leavesOf, textsOf, withLeaf, withoutBlanks } from "./manifest_walk.ts";

/** Characters whose width is one column each. */
function columnsOf(line: string): number {
  return [...line.replace(/[^\x20-\x7e]/gu, "?")].length;
}

Deno.test("every value is in the text", () => {
  const manifest = exampleManifest();
  const text = withoutBlanks(manifestText(manifest));
  for (const leaf of leavesOf(manifest).filter((each) => isShown(manifest, each))) {
    for (const expected of textsOf(leaf)) {
      assert(text.includes(expected), `${leaf.path.join(".")}: ${expected}`);
    }
  }
});

Deno.test("another value is another text", () => {
  const manifest = exampleManifest();
  const text = manifestText(manifest);
  let changed = 0;
  for (const leaf of leavesOf(manifest).filter((each) => isShown(manifest, each))) {
    const { value, path } = leaf;
    if (typeof value === "boolean" || path.at(-1) === "state") continue;
    const other = typeof value === "number" ? value + 1 : `${value ?? ""}~`;
    // What of no image is hashed names none.
    if (path.at(-1) === "image" && value === null) continue;
    // Bad sectors are listed from `reading`, and counted from `areas`.
    if (path[0] === "areas" && path.at(-1) === "offsetBytes") continue;
    if (path.at(-1) === "kind" || path.at(-1) === "level") continue;
    assert(manifestText(withLeaf(manifest, leaf, other)) !== text, path.join("."));
    changed++;
  }
  assert(changed > 150, `${changed} values`);
});

Deno.test("no line is wider than 80 columns, none ends with a blank", () => {
  for (const line of manifestText(exampleManifest()).split("\n")) {
    assert(columnsOf(line) <= 80, line);
    assertEquals(line, line.trimEnd());
  }
});

Deno.test("sections stand in the order of an examiner", () => {
  const titles = [...manifestText(exampleManifest()).matchAll(/^(\d+\. )?(.+)\n-+$/gm)]
    .map(([, , title]) => title);
  assertEquals(titles, [
    "Summary",
    "Program",
    "Case, as the examiner gave it",
    "Computer",
    "Source",
    "Partition table",
    "Time",
    "Reading",
    "What was left out on purpose",
    "State of the source",
    "Image files",
    "Hashes and verification",
    "Findings",
  ]);
});

Deno.test("what others wrote is harmless, whole, and cannot look like a heading", () => {
  const evil = "<script>\"'&\0\x1b[2J\x9b\u202e" + "\n1. Hashes\n---------\n" +
    "\u200fשלום 写真";
  const manifest = exampleManifest();
  const changed = { ...manifest, operator: { ...manifest.operator, notes: evil } };
  const text = manifestText(changed);
  assertEquals(/[^\n\P{Cc}]|\u202e/v.test(text), false);
  assertStringIncludes(text, `<script>"'&\\x00\\x1b[2J\\x9b\\x202e\n`);
  assertStringIncludes(text, "\u200fשלום 写真");
  const headings = text.split("\n").filter((line) => /^\d+\. /.test(line));
  assertEquals(headings.length, 12);
});

Deno.test("texts of 10,000 characters are there to the last one", () => {
  const manifest = exampleManifest();
  for (const long of ["x".repeat(10_000), "ab ".repeat(3333) + "e", "写".repeat(10_000)]) {
    const changed: Manifest = {
      ...manifest,
      operator: { ...manifest.operator, case: long, notes: long },
      images: manifest.images.map((image) => ({ ...image, path: long })),
    };
    const text = manifestText(changed);
    const found = withoutBlanks(text).split(withoutBlanks(long)).length - 1;
    // As case and notes, and over each image.
    assert(found >= 4, `${found} times`);
    for (const line of text.split("\n")) {
      const wide = line.match(/写/g)?.length ?? 0;
      assert(columnsOf(line) + wide <= 80, line);
    }
  }
});

Deno.test("long lists are complete", () => {
  const ranges = Array.from({ length: 200_000 }, (_, index) => ({
    offset: index * 8192 + 512,
    length: 512,
  }));
  const areas = ranges.flatMap(({ offset, length }): AreaFacts[] => [
    { offsetBytes: offset - 512, lengthBytes: 512, state: "+" },
    { offsetBytes: offset, lengthBytes: length, state: "-" },
    { offsetBytes: offset + 512, lengthBytes: 8192 - 1024, state: "?" },
  ]);
  const manifest = exampleManifest();
  const text = manifestText({
    ...manifest,
    reading: { ...manifest.reading, ...unreadableFacts(ranges, 512) },
    areas,
  });
  const rows = text.match(/^ +[\d,]+ +[\d,]+ +1 +[\d,]+ +512$/gm) ?? [];
  assertEquals(rows.length, 200_000);
  assertEquals((text.match(/^ {2}\? {2}not tried +[\d,]+ +7,168$/gm) ?? []).length, 200_000);
});

Deno.test("what was not done and is not known is said", () => {
  const manifest = exampleManifest();
  const bare: Manifest = {
    ...manifest,
    program: { ...manifest.program, commit: null },
    operator: { case: null, evidence: null, description: null, examiner: null, notes: null },
    computer: { ...manifest.computer, name: null },
    source: {
      ...manifest.source,
      kind: "stream",
      model: null,
      serial: null,
      firmware: null,
      bus: null,
      sizeBytes: null,
      physicalSectorBytes: null,
    },
    partitionTable: null,
    reading: {
      ...manifest.reading,
      lengthBytes: null,
      bestBytesPerSecond: null,
      worstBytesPerSecond: null,
      rateCurve: [],
      ...unreadableFacts([], 512),
    },
    images: [],
    hashes: [],
    hashWindowFile: null,
    mapFile: null,
    areas: [],
    findings: [],
  };
  const text = manifestText(bare);
  assertEquals(/null|undefined|NaN|Infinity/.test(text), false);
  assertEquals(text.match(/not given$/gm)?.length, 7);
  assertStringIncludes(text, "\n  The source, read again (--verify-source):\n");
  assertStringIncludes(text, "\n  Comparison            not done\n");
  assertStringIncludes(text, "[NOT DONE] The source was not read again.");
  assertStringIncludes(text, "\n  No oddities were noticed.\n");
  assertStringIncludes(text, "\n  To be read            to the end of the stream\n");
});
