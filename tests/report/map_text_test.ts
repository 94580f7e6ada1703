import { assert, assertEquals } from "@std/assert";
import {
  LISTED_PARTS,
  mapLines,
  type MapPart,
  type MapReport,
  partLines,
  percentText,
  PICTURE_COLUMNS,
  pictureLines,
} from "../../src/report/map_text.ts";

const REPORT: MapReport = {
  name: "card.map",
  range: { offset: 0, length: 4096 },
  rows: [
    { mark: "+", name: "rescued", bytes: 3072, areas: 2 },
    { mark: "-", name: "bad-sector", bytes: 1024, areas: 2 },
  ],
  progress: "scraping, pass 1, at byte 512",
  longestBad: [{ offset: 512, length: 512 }, { offset: 2048, length: 512 }],
  badCount: 2,
  sectorSize: 512,
  picture: { cellBytes: 512, cells: ["+", "-", "+", "+", "-", "+", "+", "+"] },
};

Deno.test("everything and nothing are said only of everything and nothing", () => {
  const table: readonly (readonly [number, number, string])[] = [
    [0, 1000, "0%"],
    [0, 0, "0%"],
    [1000, 1000, "100%"],
    [500, 1000, "50.00%"],
    [1, 1_000_000, "<0.01%"],
    [999_999, 1_000_000, ">99.99%"],
    [9999, 10_000, "99.99%"],
    [1, 10_000, "0.01%"],
    [1, 3, "33.33%"],
  ];
  for (const [part, whole, expected] of table) {
    assertEquals(percentText(part, whole), expected, `${part} of ${whole}`);
  }
});

Deno.test("a map in words, figures and characters", () => {
  assertEquals(mapLines(REPORT), [
    "card.map: 4,096 bytes (4 KiB), 4 areas",
    "scraping, pass 1, at byte 512",
    "",
    "   STATE       BYTES   SIZE  PERCENT  AREAS",
    "+  rescued     3,072  3 KiB   75.00%      2",
    "-  bad-sector  1,024  1 KiB   25.00%      2",
    "",
    "bad areas, the longest first:",
    "  at 512: 512 bytes (sector 1)",
    "  at 2,048: 512 bytes (sector 4)",
    "",
    "one character is 512 bytes, and shows the worst state in it:",
    "   0% +-++-+++",
  ]);
});

Deno.test("only the longest bad areas, a single one, and none", () => {
  const heading = (changes: Partial<MapReport>): string | undefined =>
    mapLines({ ...REPORT, ...changes }).find((line) => line.includes("bad area"));
  assertEquals(heading({ badCount: 12_345 }), "the longest of 12,345 bad areas:");
  const [first] = REPORT.longestBad;
  assertEquals(heading({ badCount: 1, longestBad: first ? [first] : [] }), "the bad area:");
  assertEquals(heading({ badCount: 0, longestBad: [] }), undefined);
});

Deno.test("a map that begins elsewhere says so, and an empty one has no picture", () => {
  const [first] = mapLines({ ...REPORT, range: { offset: 1024, length: 4096 } });
  assertEquals(first, "card.map: 4,096 bytes (4 KiB), from byte 1,024 to 5,120, 4 areas");
  const empty = mapLines({ ...REPORT, range: { offset: 0, length: 0 }, rows: [] });
  assertEquals(empty, ["card.map: 0 bytes, 0 areas", REPORT.progress]);
});

Deno.test("the picture is broken into lines, each with its place", () => {
  const cells = Array.from({ length: 150 }, (_, index) => index % 2 === 0 ? "+" : "?");
  const lines = pictureLines({ cells, cellBytes: 512 }, 150 * 512);
  assertEquals(lines.map((line) => line.slice(0, 6)), ["   0% ", "  42% ", "  85% "]);
  assertEquals(lines.map((line) => line.length - 6), [PICTURE_COLUMNS, PICTURE_COLUMNS, 22]);
  assertEquals(lines.map((line) => line.slice(6)).join(""), cells.join(""));
});

function part(number: number): MapPart {
  return {
    number: String(number),
    label: `volume ${number}`,
    range: { offset: number * 4096, length: 4096 },
    coveredBytes: 4096,
    rescuedBytes: 3072,
    badBytes: 1024,
  };
}

Deno.test("partitions with what is rescued of them; many are cut short", () => {
  assertEquals(partLines([]), []);
  assertEquals(partLines([part(1)]), [
    "#  START   SIZE  RESCUED  BAD BYTES  CONTENT",
    "1  4,096  4 KiB   75.00%      1,024  volume 1",
  ]);
  const lines = partLines(Array.from({ length: LISTED_PARTS + 3 }, (_, index) => part(index)));
  assertEquals(lines.length, LISTED_PARTS + 2);
  assertEquals(lines.at(-1), "and 3 more");
  assert(lines.at(-2)?.endsWith(`volume ${LISTED_PARTS - 1}`));
});
