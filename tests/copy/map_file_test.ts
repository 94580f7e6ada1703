import { assert, assertEquals, assertThrows } from "@std/assert";
import { formatMapFile, type MapFile, parseMapFile } from "../../src/copy/map_file.ts";
import { AREA_STATUSES, RangeMap } from "../../src/copy/range_map.ts";
import { FormatError } from "../../src/core/errors.ts";
import { patternBytes } from "../support/pattern.ts";
import { run } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

/** The example of the GNU ddrescue manual, chapter "Mapfile structure". */
const MANUAL = `# Mapfile. Created by GNU ddrescue version 1.29
# Command line: ddrescue -d -c18 /dev/fd0 fdimage mapfile
# Start time:   2015-07-21 09:37:44
# Current time: 2015-07-21 09:38:19
# Copying non-tried blocks... Pass 1 (forwards)
# current_pos  current_status  current_pass
0x00120000     ?               1
#      pos        size  status
0x00000000  0x00117000  +
0x00117000  0x00000200  -
0x00117200  0x00001000  /
0x00118200  0x00007E00  *
0x00120000  0x00048000  ?
`;

function randomMap(seed: number, unit = 512): RangeMap {
  const next = seededNumbers(seed);
  const map = new RangeMap({ offset: next(5) * unit, length: (50 + next(1000)) * unit });
  for (let change = 0; change < 60; change++) {
    map.set(
      { offset: next(1000) * unit, length: next(20) * unit },
      AREA_STATUSES[next(5)] ?? "?",
    );
  }
  return map;
}

Deno.test("the manual's example", () => {
  const file = parseMapFile(MANUAL, "mapfile");
  assertEquals(
    [file.currentPosition, file.currentPhase, file.currentPass],
    [0x120000, "?", 1],
  );
  assertEquals(file.comments[0], "Mapfile. Created by GNU ddrescue version 1.29");
  assertEquals([...file.map.areas()], [
    { offset: 0, length: 0x117000, status: "+" },
    { offset: 0x117000, length: 0x200, status: "-" },
    { offset: 0x117200, length: 0x1000, status: "/" },
    { offset: 0x118200, length: 0x7e00, status: "*" },
    { offset: 0x120000, length: 0x48000, status: "?" },
  ]);
});

Deno.test("what is written is read back the same", () => {
  for (let seed = 1; seed < 200; seed++) {
    const file: MapFile = {
      comments: ["made by a test", "", "sectorshot source: /dev/sdb # really"],
      currentPosition: seed * 2 ** 33,
      currentPhase: (["?", "*", "/", "-", "F", "G", "+"] as const)[seed % 7] ?? "?",
      currentPass: 1 + seed % 3,
      map: randomMap(seed),
    };
    const again = parseMapFile(formatMapFile(file), "map");
    assertEquals([...again.map.areas()], [...file.map.areas()]);
    assertEquals(again.currentPosition, file.currentPosition);
    assertEquals([again.currentPhase, again.currentPass], [
      file.currentPhase,
      file.currentPass,
    ]);
    assertEquals(again.comments.slice(0, 3), file.comments);
  }
});

Deno.test("the largest places survive", () => {
  const map = new RangeMap({ offset: 0, length: Number.MAX_SAFE_INTEGER });
  map.set({ offset: 2 ** 52, length: 512 }, "-");
  const text = formatMapFile({
    comments: [],
    currentPosition: 0,
    currentPhase: "+",
    currentPass: 1,
    map,
  });
  assertEquals([...parseMapFile(text, "map").map.areas()], [...map.areas()]);
});

Deno.test({
  name: "maps that ddrescue made tell what ddrescue saw",
  ignore: needs("ddrescue"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const size = 300 * 512;
    const source = await folder.write("source", patternBytes(size));
    const bad = new RangeMap({ offset: 0, length: size }, "+");
    const next = seededNumbers(13);
    for (let area = 0; area < 8; area++) {
      bad.set({ offset: next(300) * 512, length: (1 + next(4)) * 512 }, "-");
    }
    const drive = await folder.write(
      "drive.map",
      formatMapFile({
        comments: [],
        currentPosition: 0,
        currentPhase: "+",
        currentPass: 1,
        map: bad,
      }),
    );
    // The drive is played by our map; every stage of a rescue leaves one of theirs.
    for (const stage of [["--no-trim", "--no-scrape"], ["--no-scrape"], ["--retry-passes=1"]]) {
      const path = folder.file(`${stage.length}${stage[0]}.map`);
      const image = folder.file("image");
      await run("ddrescue", ["-q", "-f", ...stage, `-H${drive}`, source, image, path]);
      const { map, comments, currentPhase } = parseMapFile(await Deno.readTextFile(path), path);
      assertEquals(map.range, bad.range);
      assert(comments.some((comment) => comment.includes("ddrescue")));
      assert(map.total("*", "/", "-") >= bad.total("-"), stage.join(" "));
      if (stage[0] === "--retry-passes=1") {
        assertEquals(currentPhase, "+");
        assertEquals([...map.areas()], [...bad.areas()]);
      } else assert(map.total("*", "/") > 0, "the stage was to leave something undone");
      // Nothing that is bad is called good.
      for (const { offset, length } of bad.ranges("-")) {
        for (let at = offset; at < offset + length; at += 512) {
          assert(map.areaAt(at)?.status !== "+");
        }
      }
    }
  },
});

Deno.test({
  name: "ddrescuelog accepts our maps and counts the same blocks in each state",
  ignore: needs("ddrescuelog"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    for (let seed = 300; seed < 306; seed++) {
      const map = randomMap(seed);
      const path = await folder.write(
        "map",
        formatMapFile({
          comments: ["sectorshot"],
          currentPosition: map.range.offset,
          currentPhase: "?",
          currentPass: 1,
          map,
        }),
      );
      await run("ddrescuelog", ["--show-status", path]);
      for (const status of AREA_STATUSES) {
        const listed = await run("ddrescuelog", ["-b512", `--list-blocks=${status}`, path]);
        const blocks = listed.split(/\s+/).filter((word) => word !== "").map(Number);
        const expected = map.ranges(status).flatMap(({ offset, length }) =>
          Array.from({ length: length / 512 }, (_, index) => offset / 512 + index)
        );
        assertEquals(blocks, expected, `status ${status}, seed ${seed}`);
      }
    }
  },
});

Deno.test("numbers may be hexadecimal, octal or decimal, as in the manual", () => {
  const { map, currentPosition } = parseMapFile(
    "010 ?\n0 512 +\n512 01000 -\n0x400 1 ?\n",
    "map",
  );
  assertEquals(currentPosition, 8);
  assertEquals([...map.areas()], [
    { offset: 0, length: 512, status: "+" },
    { offset: 512, length: 512, status: "-" },
    { offset: 1024, length: 1, status: "?" },
  ]);
});

Deno.test("a map that went through an editor of Windows is still a map", () => {
  const { map, comments } = parseMapFile(MANUAL.replaceAll("\n", "\r\n"), "map");
  assertEquals([...map.areas()], [...parseMapFile(MANUAL, "map").map.areas()]);
  assertEquals(comments[0]?.trimEnd(), "Mapfile. Created by GNU ddrescue version 1.29");
});

Deno.test("a comment may hold anything: it names files and models", () => {
  for (const odd of ["line\u2028separator", "paragraph\u2029", "return\rhere", "# + ? 0x0"]) {
    const { map, comments } = parseMapFile(`# ${odd}\n${MANUAL}`, "map");
    assertEquals([comments[0], map.areaCount], [odd, 5]);
  }
});

Deno.test("blank lines, comments behind fields, and no line feed at the end", () => {
  const text = "\n# top\n\n0 +  1   # done\n\n0\t0x200\t+ # good\n# between\n 0x200 1 -";
  const { map, comments } = parseMapFile(text, "map");
  assertEquals(map.areaCount, 2);
  assertEquals(comments.map((comment) => comment.trim()), ["top"]);
});

Deno.test("areas of one state that touch are one", () => {
  const { map } = parseMapFile("0 ? 1\n0 512 +\n512 512 +\n", "map");
  assertEquals([...map.areas()], [{ offset: 0, length: 1024, status: "+" }]);
});

/** Damaged text, and the line and field that the error must name. */
const DAMAGED: readonly (readonly [text: string, line: number, field: string])[] = [
  ["", 1, "status line"],
  ["\n\n", 3, "status line"],
  ["# only\n# comments\n", 3, "status line"],
  ["not a map\n", 1, "status line"],
  ["0x0 ! 1\n", 1, "status line"],
  ["0x0\n", 1, "status line"],
  ["0x0 ?? 1\n", 1, "status line"],
  ["0x0 ? 0\n", 1, "status line"],
  ["0x0 ? x\n", 1, "status line"],
  ["0x0 ? 1 2\n", 1, "status line"],
  ["-1 ? 1\n", 1, "status line"],
  ["# c\n0x0 ? 1\n0x0 0x200\n", 3, "block"],
  ["0 ? 1\n0x0 0x200 + +\n", 2, "block"],
  ["0 ? 1\n0x0 0xG00 +\n", 2, "block"],
  ["0 ? 1\n0x0 -1 +\n", 2, "block"],
  ["0 ? 1\n0x0 1e3 +\n", 2, "block"],
  ["0 ? 1\n09 512 +\n", 2, "block"],
  ["0 ? 1\n0 512 +\n\0\0\0\0\0\0\0\0", 3, "block"],
  ["0 ? 1\n0x0 0x200 !\n", 2, "status"],
  ["0 ? 1\n0x0 0x200 F\n", 2, "status"],
  ["0 ? 1\n0x0 0x200 ++\n", 2, "status"],
  ["0 ? 1\n0x0 0 +\n", 2, "size"],
  ["0 ? 1\n0x0 0x1FFFFFFFFFFFFF +\n0x1FFFFFFFFFFFFF 1 +\n", 3, "size"],
  ["0 ? 1\n0x0 0x20000000000000 +\n", 2, "block"],
  ["0 ? 1\n0 512 +\n1024 512 +\n", 3, "position"],
  ["0 ? 1\n0 512 +\n256 512 +\n", 3, "position"],
  ["0 ? 1\n# c\n\n512 512 +\n0 512 +\n", 5, "position"],
];

for (const [text, line, field] of DAMAGED) {
  Deno.test(`damage is named by its line: ${JSON.stringify(text)}`, () => {
    const error = assertThrows(() => parseMapFile(text, "card.img.map"), FormatError);
    assertEquals([error.offset, error.field, error.kind], [line, field, "corrupt"]);
    assert(error.message.includes("card.img.map"), error.message);
    assert(error.message.includes(`line ${line}:`), error.message);
    assert(error.hint !== undefined);
  });
}

Deno.test("a gap is called a gap, and an overlap an overlap", () => {
  const parse = (second: string) => (): MapFile =>
    parseMapFile(`0 ? 1\n0 512 +\n${second} 512 +\n`, "map");
  assertThrows(parse("1024"), FormatError, "gap");
  assertThrows(parse("256"), FormatError, "overlap");
});

Deno.test("a map that was cut anywhere is never taken for another one of the same size", () => {
  const whole = parseMapFile(MANUAL, "map").map;
  for (let length = 0; length < MANUAL.length - 1; length++) {
    let map: RangeMap;
    try {
      ({ map } = parseMapFile(MANUAL.slice(0, length), "map"));
    } catch (error) {
      assert(error instanceof FormatError);
      continue;
    }
    if (map.range.length === whole.range.length) {
      assertEquals([...map.areas()], [...whole.areas()]);
    }
  }
});
