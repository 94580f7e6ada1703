import { assert, assertEquals, assertThrows } from "@std/assert";
import { invertMap } from "../../src/copy/map_algebra.ts";
import {
  formatMapFile,
  type MapFile,
  mapFilePieces,
  parseMapFile,
} from "../../src/copy/map_file.ts";
import { AREA_STATUSES, type AreaStatus, RangeMap } from "../../src/copy/range_map.ts";
import { FormatError } from "../../src/core/errors.ts";
import { patternBytes } from "../support/pattern.ts";
import { run, tryRun } from "../support/run_cli.ts";
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
  ["0 512 +\n512 512 -\n", 1, "status line"],
  ["0x0 ? 0\n", 1, "status line"],
  ["0x0 ? 0x2\n", 1, "status line"],
  ["0x0 ? -1\n", 1, "status line"],
  ["0x0 ? 2147483648\n", 1, "status line"],
  ["0x20000000000000 ? 1\n", 1, "status line"],
  ["-1 ? 1\n", 1, "status line"],
  ["\ufeff# c\n0 ? 1\n", 1, "status line"],
  ["# c\n0x0 ? 1\n0x0 0x200\n", 3, "block"],
  ["0 ? 1\n0 512 +\n512 51", 3, "block"],
  ["0 ? 1\n0 512 +\n512 512 ", 3, "block"],
  ["0 ? 1\n0x0 0xG00 +\n", 2, "status"],
  ["0 ? 1\n0x0 -1 +\n", 2, "block"],
  ["0 ? 1\n-512 512 +\n", 2, "block"],
  ["0 ? 1\n0x0 1e3 +\n", 2, "status"],
  ["0 ? 1\n0 1k +\n", 2, "status"],
  ["0 ? 1\n0 # 512 +\n", 2, "block"],
  ["0 ? 1\n0 512 # +\n", 2, "status"],
  ["0 ? 1\n09 512 +\n", 2, "status"],
  ["0 ? 1\n0 512 +\n\0\0\0\0\0\0\0\0", 3, "block"],
  ["0 ? 1\n0x0 0x200 !\n", 2, "status"],
  ["0 ? 1\n0x0 0x200 F\n", 2, "status"],
  ["0 ? 1\n0x200 0 +\n", 2, "size"],
  ["0 ? 1\n0 512 +\n512 0 -\n", 3, "size"],
  ["0 ? 1\n0 0 +\n# c\n0 512 -\n", 2, "size"],
  ["0 ? 1\n0x0 0x1FFFFFFFFFFFFF +\n0x1FFFFFFFFFFFFF 1 +\n", 3, "size"],
  ["0 ? 1\n0x0 0x20000000000000 +\n", 2, "size"],
  ["0 ? 1\n0 99999999999999999999 +\n", 2, "size"],
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

/** Odd text that ddrescue reads, too: the phase, the pass, and the areas. */
const ACCEPTED:
  readonly (readonly [text: string, phase: string, pass: number, areas: string])[] = [
    ["0 ? 1\n", "?", 1, ""],
    ["0 ?\n0 512 +\n", "?", 1, "0 512 +"],
    ["0 ?? 1\n0 512 +\n", "?", 1, "0 512 +"],
    ["0 ?2\n0 512+\n", "?", 2, "0 512 +"],
    ["0 ? 08\n0 512 +\n", "?", 8, "0 512 +"],
    ["0 ? x\n0 512 ++\n512 512 - junk\n", "?", 1, "0 512 +, 512 512 -"],
    ["+0 / +3 9\n+0 +512 +\n", "/", 3, "0 512 +"],
    ["0 ? #2\n  # 7 7 7\n0 512 +# good\n", "?", 1, "0 512 +"],
    ["0 G 1\n0X200 0x100 *\n", "G", 1, "512 256 *"],
    ["0 + 1\n0 0 ?\n", "+", 1, ""],
    ["\v0\f? 1\r\n0 010-\r\n\f\n", "?", 1, "0 8 -"],
    ["0 ? 1\0 this is not seen\n0 512 +\0\n", "?", 1, "0 512 +"],
  ];

for (const [text, phase, pass, areas] of ACCEPTED) {
  Deno.test(`what ddrescue reads is a map: ${JSON.stringify(text)}`, () => {
    const file = parseMapFile(text, "map");
    assertEquals([file.currentPhase, file.currentPass], [phase, pass] as const);
    const words = [...file.map.areas()].map((area) =>
      `${area.offset} ${area.length} ${area.status}`
    );
    assertEquals(words.join(", "), areas);
  });
}

/** What a map can be damaged by. */
const SPLINTERS =
  "0x0|0|512|0x200|1024|01000| |  |\t|\n|\n0 512 +\n|# c\n|#|?|*|/|-|+|F|\r|\0|+5|-0|0x|x|9|08|\v|é"
    .split("|");

/** Hundreds of maps, most of them damaged in one place or some. */
function damagedMaps(): string[] {
  const next = seededNumbers(4711);
  return Array.from({ length: 600 }, () => {
    let text = "# c\n0x10 ? 2\n0x0 0x200 +\n0x200  0x400  -\n0x600 0x100 ?\n";
    for (let count = next(4); count > 0; count--) {
      const at = next(text.length + 1);
      const splinter = next(2) === 0 ? "" : SPLINTERS[next(SPLINTERS.length)] ?? "";
      text = text.slice(0, at) + splinter + text.slice(at + next(4));
    }
    return text;
  });
}

Deno.test({
  name: "damaged maps are refused and accepted as by ddrescuelog, at the same lines",
  ignore: needs("ddrescuelog"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const counts = { refused: 0, accepted: 0 };
    for (const text of damagedMaps()) {
      const path = await folder.write("map", text);
      const theirs = await tryRun("ddrescuelog", ["--invert-mapfile", path]);
      let ours: MapFile;
      try {
        ours = parseMapFile(text, path);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        // What has no status line at all is nothing to do for them, and no map for us; an
        // area of no bytes is skipped by them where it comes first.
        if (/: (there is no status line|an area of no bytes)$/.test(error.message)) continue;
        assertEquals(theirs.code, 2, `${JSON.stringify(text)}: ${error.message}`);
        assertEquals(/line (\d+)/.exec(theirs.stderr)?.[1], String(error.offset));
        counts.refused++;
        continue;
      }
      assertEquals(theirs.code, 0, `${JSON.stringify(text)}: ${theirs.stderr}`);
      const inverted = theirs.stdout === "" ? [] : [
        ...parseMapFile(theirs.stdout, "theirs").map.areas(),
      ];
      assertEquals(inverted, [...invertMap(ours.map).areas()], JSON.stringify(text));
      counts.accepted++;
    }
    assert(counts.refused > 100 && counts.accepted > 100, JSON.stringify(counts));
  },
});

Deno.test("control characters of a damaged line do not reach the terminal", () => {
  const error = assertThrows(() => parseMapFile("\x1b]0;title\x07\n", "map"), FormatError);
  assertEquals(/\p{Cc}/u.test(error.message), false, error.message);
});

Deno.test("text in UTF-16, as Windows' shells write it, is called by its name", () => {
  const bytes = Uint8Array.of(0xff, 0xfe, 0x23, 0, 0x20, 0);
  assertThrows(() => parseMapFile(bytes, "map"), FormatError, "UTF-16");
});

Deno.test("bytes and text are read alike, whatever the size", () => {
  const areas = 200_000;
  const lines = ["# many", "0 ? 1"];
  for (let index = 0; index < areas; index++) {
    lines.push(`0x${(index * 2 ** 20).toString(16)} 0x100000 ${index % 2 === 0 ? "+" : "-"}`);
  }
  const text = lines.join("\n");
  const { map } = parseMapFile(text, "map");
  assertEquals(map.areaCount, areas);
  assertEquals(map.total("-"), areas / 2 * 2 ** 20);
  assertEquals(map.areaAt(2 ** 20 * (areas - 1)), {
    offset: 2 ** 20 * (areas - 1),
    length: 2 ** 20,
    status: "-",
  });
  const again = parseMapFile(new TextEncoder().encode(text), "map").map;
  assertEquals(again.areaCount, areas);
  // Pieces are whole lines, and together what formatMapFile gives.
  const file = { ...parseMapFile("0 ? 1", "map"), map };
  const pieces = [...mapFilePieces(file)];
  assert(pieces.length > 10);
  assert(pieces.every((piece) => piece.endsWith("\n") && piece.length < 70_000));
  assertEquals(pieces.join(""), formatMapFile(file));
});

Deno.test("of endless comments the first thousand are kept", () => {
  const { comments } = parseMapFile("# c\n".repeat(5000) + "0 ? 1\n", "map");
  assertEquals([comments.length, comments[999]], [1000, "c"]);
});

/** As ddrescuelog calls them. */
const STATUS_NAMES: Readonly<Record<AreaStatus, string>> = {
  "?": "non-tried",
  "+": "rescued",
  "*": "non-trimmed",
  "/": "non-scraped",
  "-": "bad-sector",
};

Deno.test({
  name: "ddrescue's totals of random maps are ours",
  ignore: needs("ddrescuelog"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    for (let seed = 400; seed < 500; seed++) {
      const file = { ...parseMapFile("0 / 3", "map"), map: randomMap(seed) };
      const path = await folder.write("map", formatMapFile(file));
      const shown = await run("ddrescuelog", ["--show-status", "--binary-prefixes", path]);
      for (const [status, name] of Object.entries(STATUS_NAMES)) {
        const line = new RegExp(`^ *${name}: +(\\d+) (Ki|Mi)?B, +in +(\\d+) area`, "m").exec(
          shown,
        );
        const unit = { "": 1, Ki: 1024, Mi: 1024 ** 2 }[line?.[2] ?? ""] ?? NaN;
        const ranges = file.map.ranges(status as AreaStatus);
        assertEquals(Number(line?.[3]), ranges.length, `seed ${seed}, ${name}\n${shown}`);
        const theirs = Number(line?.[1]) * unit;
        const ours = file.map.total(status as AreaStatus);
        assert(Math.abs(theirs - ours) < unit, `seed ${seed}: ${name} ${theirs}, ${ours}`);
      }
    }
  },
});

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
