import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { formatMapFile, parseMapFile } from "../../src/copy/map_file.ts";
import { AREA_STATUSES, RangeMap } from "../../src/copy/range_map.ts";
import { CARD_BYTES, cardImage } from "../demo/card_image.ts";
import { linuxTest } from "../support/linux_test.ts";
import {
  CLI,
  type CliEvent,
  type CliResult,
  run,
  runCli,
  shell,
  tryRun,
} from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

/** 4 KiB: rescued, bad, non-scraped, non-trimmed, non-tried, rescued. */
const MAP = `# Mapfile. Created by a test
# Source identity: {"size":4096}
0x00000200     /               3
0x0000  0x0200  +
0x0200  0x0200  -
0x0400  0x0200  /
0x0600  0x0200  *
0x0800  0x0400  ?
0x0C00  0x0400  +
`;
/** As {@linkcode MAP}, but the second half is rescued, and a part of the bad area. */
const OTHER = "0 ? 1\n0 768 ?\n768 100 +\n868 1180 ?\n2048 2048 +\n";
const DONE = "0 + 1\n0 4096 +\n";
const BUT_BAD = "0 + 1\n0 512 -\n512 3584 +\n";

/** What the result event says of the only map. */
function onlyMap({ result }: CliResult): Record<string, unknown> {
  const maps = result["maps"] as Record<string, unknown>[];
  assertEquals(maps.length, 1);
  return maps[0] ?? {};
}

/** The areas of a map's text. */
function areasOf(text: string): unknown[] {
  return [...parseMapFile(text, "map").map.areas()];
}

linuxTest("map: totals, phase and a picture of plain characters", async () => {
  await using folder = await TemporaryFolder.create();
  const path = await folder.write("card.map", MAP);
  const { code, stdout, stderr } = await runCli(["map", path]);
  assertEquals([code, stderr], [0, ""]);
  assertStringIncludes(stdout, `${path}: 4,096 bytes (4 KiB), 6 areas\n`);
  assertStringIncludes(stdout, "\nscraping, pass 3, at byte 512\n");
  const table: readonly (readonly [string, string, string])[] = [
    ["\\+  rescued", "1,536", "37.50%      2"],
    ["\\?  non-tried", "1,024", "25.00%      1"],
    ["\\*  non-trimmed", "512", "12.50%      1"],
    ["/  non-scraped", "512", "12.50%      1"],
    ["-  bad-sector", "512", "12.50%      1"],
  ];
  for (const [name, bytes, rest] of table) {
    assertMatch(stdout, new RegExp(`^${name} +${bytes} .* ${rest}$`, "m"));
  }
  assertStringIncludes(stdout, "  at 512: 512 bytes (sector 1)\n");
  assertStringIncludes(stdout, "\n   0% +-/*??++\n");
  assertEquals(/[^\n\x20-\x7e]/.test(stdout), false);
});

linuxTest("map --json: totals, areas, position and phase in one event", async () => {
  await using folder = await TemporaryFolder.create();
  const path = await folder.write("card.map", MAP);
  const shown = await runCli(["map", path, "--json"]);
  assertEquals(shown.events.length, 1);
  assertEquals(shown.result, {
    event: "result",
    command: "map",
    maps: [{
      name: path,
      start: 0,
      size: 4096,
      position: 512,
      phase: "scraping",
      pass: 3,
      areas: 6,
      states: {
        rescued: { bytes: 1536, areas: 2 },
        nonTried: { bytes: 1024, areas: 1 },
        nonTrimmed: { bytes: 512, areas: 1 },
        nonScraped: { bytes: 512, areas: 1 },
        badSector: { bytes: 512, areas: 1 },
      },
      finished: false,
      bad: [{ offset: 512, length: 512 }],
    }],
    exitCode: 0,
  } as CliEvent);
  const listed = await runCli(["map", path, "--list", "non-tried", "--json"]);
  assertEquals(onlyMap(listed)["listed"], [{ offset: 2048, length: 1024 }]);
  const inverted = await runCli(["map", path, "--invert", "--json"]);
  assertEquals(inverted.events.length, 1);
  assertEquals(
    (onlyMap(inverted)["states"] as Record<string, unknown>)["badSector"],
    { bytes: 1536, areas: 2 },
  );
});

linuxTest("map: several maps, of which one is damaged", async () => {
  await using folder = await TemporaryFolder.create();
  const good = await folder.write("good.map", MAP);
  const bad = await folder.write("bad.map", "0 ? 1\n0 512 +\n1024 512 +\n");
  const missing = folder.file("none.map");
  const { code, stdout, stderr } = await runCli(["map", good, bad, missing, good]);
  assertEquals(code, 2);
  assertEquals(stdout.match(/good\.map: 4,096 bytes/g)?.length, 2);
  assertStringIncludes(stderr, "bad.map: line 3: a gap before this area");
  assertStringIncludes(stderr, "none.map: no such file (ENOENT)");
  const json = await runCli(["map", good, missing, "--json"]);
  assertEquals(json.code, 1);
  const maps = json.result["maps"] as Record<string, unknown>[];
  assertEquals(maps.map((map) => Object.hasOwn(map, "error")), [false, true]);
});

linuxTest({
  name: "map --and, --or, --xor, --invert: what ddrescuelog makes of the same maps",
  ignore: needs("ddrescuelog"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const path = await folder.write("a.map", MAP);
    const other = await folder.write("b.map", OTHER);
    for (
      const [ours, theirs] of [
        [["--and", other], ["-y", other]],
        [["--or", other], ["-z", other]],
        [["--xor", other], ["-x", other]],
        [["--invert"], ["-n"]],
      ] as const
    ) {
      const { code, stdout, stderr } = await runCli(["map", path, ...ours]);
      assertEquals([code, stderr], [0, ""]);
      const expected = await run("ddrescuelog", [...theirs, path]);
      assertEquals(areasOf(stdout), areasOf(expected), ours.join(" "));
      // Position, phase and pass stay; so does what the map says of its source.
      const file = parseMapFile(stdout, "map");
      assertEquals([file.currentPosition, file.currentPhase, file.currentPass], [512, "/", 3]);
      assert(file.comments.includes('Source identity: {"size":4096}'));
      // What was made is a map for ddrescue.
      await run("ddrescuelog", ["-t", await folder.write("new.map", stdout)]);
    }
    assertEquals(await Deno.readTextFile(path), MAP);
  },
});

linuxTest("map: stdin can be either map, and the result goes on to the next", async () => {
  await using folder = await TemporaryFolder.create();
  const path = await folder.write("a.map", MAP);
  const stdin = new TextEncoder().encode(OTHER);
  const expected = await runCli(["map", path, "--or", await folder.write("b.map", OTHER)]);
  assertEquals((await runCli(["map", path, "--or=-"], { stdin })).stdout.split("\n").slice(2), [
    ...expected.stdout.split("\n").slice(2),
  ]);
  const shown = await runCli(["map", "-"], { stdin });
  assertStringIncludes(shown.stdout, "stdin: 4,096 bytes (4 KiB), 4 areas\n");
  const line = '"${@:2}" map "$1" --invert | "${@:2}" map - --invert --json';
  const twice = JSON.parse(await shell(line, path, ...CLI)) as CliEvent;
  const [map] = twice["maps"] as { readonly states: { readonly rescued: unknown } }[];
  assertEquals(map?.states.rescued, { bytes: 1536, areas: 2 });
});

linuxTest(
  "map: maps that have nothing in common are left as they are, and said so",
  async () => {
    await using folder = await TemporaryFolder.create();
    const path = await folder.write("a.map", MAP);
    const other = await folder.write("b.map", "0 ? 1\n8192 512 +\n");
    const { code, stdout, stderr } = await runCli(["map", path, "--or", other]);
    assertEquals(code, 0);
    assertEquals(areasOf(stdout), areasOf(MAP));
    assertStringIncludes(stderr, "have no part of the disk in common");
  },
);

linuxTest({
  name: "map --list and --convert: the blocks of ddrescuelog, byte for byte",
  ignore: needs("ddrescuelog"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const next = seededNumbers(31);
    const map = new RangeMap({ offset: 3000, length: 400_000 });
    for (let change = 0; change < 200; change++) {
      const status = AREA_STATUSES[next(5)] ?? "?";
      map.set({ offset: next(400_000), length: next(3000) }, status);
    }
    const head = {
      comments: [],
      currentPosition: 0,
      currentPhase: "?",
      currentPass: 1,
    } as const;
    const path = await folder.write("map", formatMapFile({ ...head, map }));
    for (
      const [ours, theirs] of [
        [["--list=-/*"], ["-l-/*"]],
        [["--list", "?"], ["-l?"]],
        [["--list", "bad-sector,rescued", "--block-size", "4096"], ["-l-+", "-b4096"]],
        [["--list=-", "--block-size=1"], ["-l-", "-b1"]],
        [["--list=-", "--convert", "bitmap"], ["-l-", "-Fbitmap"]],
        [["--convert", "bitmap"], ["-l+", "-Fbitmap"]],
        [["--convert", "bitmap-be", "--block-size", "1K"], ["-l+", "-Fbitmap-be", "-b1024"]],
        [["--convert", "bitmap-le", "--list", "*"], ["-l*", "-Fbitmap-le"]],
      ] as const
    ) {
      const { code, stdoutBytes, stderr } = await runCli(["map", path, ...ours]);
      assertEquals([code, stderr], [0, ""]);
      const { stdout } = await new Deno.Command("ddrescuelog", {
        args: [...theirs, path],
        stderr: "null",
      }).output();
      assert(stdout.length > 20, theirs.join(" "));
      assertEquals(stdoutBytes, stdout, ours.join(" "));
    }
  },
});

linuxTest("map --list: whoever reads it may go away", async () => {
  await using folder = await TemporaryFolder.create();
  const path = await folder.write("map", "0 ? 1\n0 0x100000000000 -\n");
  const line = '("${@:2}" map "$1" --list bad-sector; echo $? > "$1.code") | head -n 2';
  assertEquals(await tryRun("bash", ["-c", line, "bash", path, ...CLI]), {
    code: 0,
    stdout: "0\n1\n",
    stderr: (await Deno.readTextFile(`${path}.code`)) === "1\n"
      ? "sectorshot: error: cannot write to stdout: Broken pipe (os error 32)\n" +
        "sectorshot: hint: the program that reads the output ended early\n"
      : "",
  });
  assertEquals(await Deno.readTextFile(`${path}.code`), "1\n");
});

linuxTest("map --done: 0 all, 4 but for bad sectors, 1 more to try", async () => {
  await using folder = await TemporaryFolder.create();
  const done = await folder.write("done.map", DONE);
  const bad = await folder.write("bad.map", BUT_BAD);
  const more = await folder.write("more.map", MAP);
  const empty = await folder.write("empty.map", "0 + 1\n");
  const nothing = await folder.write("nothing.map", "");
  for (
    const [names, expected, words] of [
      [[done], 0, "everything is rescued"],
      [[bad], 4, "rescued, but for 512 bytes in bad sectors"],
      [[more], 1, "not finished: 2,048 bytes to be tried, 512 bytes in bad sectors"],
      [[empty], 1, "it is empty"],
      [[nothing], 2, ""],
      [[done, bad], 4, "everything is rescued"],
      [[bad, more, done], 1, "not finished"],
      [[bad, "--or", done], 0, "everything is rescued"],
      [[done, "--xor", bad], 1, "in bad sectors"],
    ] as const
  ) {
    const { code, stdout } = await runCli(["map", ...names, "--done"]);
    if (names.includes("--xor" as never)) {
      // Rescued in both is not rescued in one: all of it is bad but for one sector.
      assertEquals([code, stdout.includes("3,584 bytes in bad sectors")], [4, true]);
      continue;
    }
    assertEquals(code, expected, names.join(" "));
    assertStringIncludes(stdout, words);
  }
  const { result } = await runCli(["map", bad, "--done", "--json"]);
  assertEquals(result["exitCode"], 4);
});

linuxTest({
  name: "map --compare: 0 and 2 where ddrescuelog has 0 and 1",
  ignore: needs("ddrescuelog"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const a = await folder.write("a.map", MAP);
    const texts = [
      MAP,
      MAP.replace("/               3", "?               1"),
      MAP.replace("0x0600  0x0200  *", "0x0600  0x0200  /"),
      `${MAP}0x1000 512 ?\n`,
      OTHER,
      DONE,
    ];
    const codes: number[] = [];
    for (const text of texts) {
      const b = await folder.write("b.map", text);
      const { code } = await runCli(["map", a, "--compare", b]);
      const theirs = await tryRun("ddrescuelog", ["-p", b, a]);
      assertEquals(code, theirs.code * 2, text);
      codes.push(code);
    }
    assertEquals(codes, [0, 0, 2, 2, 2, 2]);
    const b = await folder.write("b.map", `${MAP}0x1000 512 ?\n`);
    const { stdout } = await runCli(["map", a, "--compare", b]);
    assertStringIncludes(stdout, "differ: 1 area, 512 bytes\n  at 4,096: 512 bytes (sector 8)");
    assertStringIncludes(stdout, `${b} covers bytes 0 to 4,608`);
    const compared = onlyMap(await runCli(["map", a, "--compare", b, "--json"]));
    assertEquals(compared, {
      name: a,
      other: b,
      same: false,
      differingBytes: 512,
      differingCount: 1,
      differing: [{ offset: 4096, length: 512 }],
    });
  },
});

linuxTest("map --svg: a picture, which replaces nothing unless it is told to", async () => {
  await using folder = await TemporaryFolder.create();
  const path = await folder.write("<card>.map", MAP);
  const svg = folder.file("card.svg");
  const first = await runCli(["map", path, "--svg", svg]);
  assertEquals([first.code, first.stderr], [0, ""]);
  assertStringIncludes(first.stdout, "rescued");
  const drawn = await Deno.readTextFile(svg);
  assertStringIncludes(drawn, "&#60;card&#62;.map</text>");
  assertStringIncludes(drawn, "non-tried: 1,024 bytes (1 KiB), 25.00%, 1 area</text>");
  assertEquals((await runCli(["map", path, "--svg=-"])).stdout, drawn);

  await Deno.writeTextFile(svg, "precious");
  const again = await runCli(["map", path, "--svg", svg]);
  assertEquals(again.code, 1);
  assertStringIncludes(again.stderr, "it exists");
  assertEquals(await Deno.readTextFile(svg), "precious");
  const forced = await runCli(["map", path, "--svg", svg, "--force", "--json"]);
  assertEquals([forced.code, onlyMap(forced)["svg"]], [0, svg]);
  assertEquals(await Deno.readTextFile(svg), drawn);
  assertEquals(await folder.names(), ["<card>.map", "card.svg"]);
});

linuxTest("map --svg never takes the place of a map or an image", async () => {
  await using folder = await TemporaryFolder.create();
  const path = await folder.write("card.map", MAP);
  const other = await folder.write("other.map", OTHER);
  const image = await folder.write("card.img", new Uint8Array(4096));
  await Deno.link(path, folder.file("link.svg"));
  await Deno.symlink(other, folder.file("symbolic.svg"));
  const saved = await folder.write("new.svg.tmp", MAP);
  for (
    const args of [
      [path, "--svg", path],
      [path, "--svg", folder.file("link.svg")],
      [path, "--svg", other, "--or", other],
      [path, "--svg", folder.file("symbolic.svg"), "--compare", other],
      [path, "--svg", image, "--image", image],
      [saved, "--svg", folder.file("new.svg")],
      [path, "--svg", "/dev/null"],
      [path, "--svg", "/dev/no_such_disk.svg"],
      [path, "--svg", folder.path],
      [path, "--svg", folder.file("none/card.svg")],
    ]
  ) {
    const { code, stderr } = await runCli(["map", ...args, "--force"]);
    assertEquals(code, 1, args.join(" "));
    assertMatch(stderr, /^sectorshot: error: cannot (use|write) .*\n.*hint: /m);
  }
  assertEquals(await Deno.readTextFile(path), MAP);
  assertEquals(await Deno.readTextFile(other), OTHER);
  assertEquals(await Deno.readTextFile(saved), MAP);
  assertEquals(await Deno.readFile(image), new Uint8Array(4096));
  assertEquals((await folder.names()).includes("new.svg"), false);
});

linuxTest("map --image: partitions by name, in the text and in the picture", async () => {
  await using folder = await TemporaryFolder.create();
  const image = await folder.write("card.img", cardImage("hello"));
  const map = new RangeMap({ offset: 0, length: CARD_BYTES }, "+");
  map.set({ offset: 2048 * 512, length: 1024 }, "-");
  const head = { comments: [], currentPosition: 0, currentPhase: "+", currentPass: 1 } as const;
  const path = await folder.write("card.map", formatMapFile({ ...head, map }));
  const svg = folder.file("card.svg");
  const { code, stdout, stderr } = await runCli([
    "map",
    path,
    "--image",
    image,
    "--svg",
    svg,
  ]);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^1 +1,048,576 +8 MiB +99\.99% +1,024 +FAT16/m);
  assertMatch(stdout, /^2 +9,437,184 +6 MiB +100% +0 +Linux/m);
  const drawn = await Deno.readTextFile(svg);
  assertMatch(drawn, />1: FAT16[^<]*: 8 MiB at 1,048,576, rescued 99\.99%, 1,024 bad bytes</);
  assertMatch(drawn, /<title>2: Linux[^<]*<\/title>/);

  const short = await folder.write("short.img", new Uint8Array(4096));
  const warned = await runCli(["map", path, "--image", short]);
  assertStringIncludes(warned.stderr, "has 4,096 bytes, the map goes to byte 16,777,216");
});

/** Command lines that make no sense, and a word of the answer. */
const SENSELESS: readonly (readonly [args: readonly string[], word: string])[] = [
  [[], "a name is missing"],
  [["A", "--and", "B", "--or", "B"], "together"],
  [["A", "--done", "--compare", "B"], "together"],
  [["A", "--list", "+", "--done"], "together"],
  [["A", "A", "--invert"], "several maps"],
  [["A", "A", "--list", "+"], "several maps"],
  [["A", "A", "--svg", "S"], "several maps"],
  [["-", "--and=-"], "two maps from stdin"],
  [["A", "--list", "bad"], "states bad"],
  [["A", "--list", "+!"], "states +!"],
  [["A", "--convert", "png"], "--convert png"],
  [["A", "--block-size", "0"], "--block-size 0"],
  [["A", "--block-size", "2G"], "--block-size 2147483648"],
  [["A", "--block-size", "x"], "--block-size x"],
  [["A", "--force"], "--force"],
  [["A", "--done", "--image", "B"], "--image"],
  [["A", "--svg", "S", "--image=-"], "--image -"],
  [["A", "--svg=-", "--json"], "--svg -"],
  [["A", "--svg=-", "--invert"], "--svg -"],
  [["A", "--convert", "bitmap", "--json"], "--json"],
];

linuxTest(
  "map: command lines that make no sense are refused before anything is read",
  async () => {
    await using folder = await TemporaryFolder.create();
    await Promise.all(SENSELESS.map(async ([args, word]) => {
      const { code, stdout, stderr } = await runCli(["map", ...args], { cwd: folder.path });
      assertEquals(code, 1, `${args.join(" ")}: ${stderr}`);
      if (!args.includes("--json")) assertEquals(stdout, "");
      assertStringIncludes(stderr, word, args.join(" "));
      assertMatch(stderr, /^sectorshot: hint: /m);
      assertEquals(/no such file|bug/.test(stderr), false, stderr);
    }));
  },
);

linuxTest("map: what is no map is refused with the line and the reason", async () => {
  await using folder = await TemporaryFolder.create();
  const table: readonly (readonly [text: string, reason: string])[] = [
    ["", "line 1: there is no status line"],
    ["0 512 +\n512 512 -\n", 'line 1: not a status line: "0 512 +"'],
    ["0 ? 0\n0 512 +\n", "line 1: there is no such pass"],
    ["0 ? 1\n0 512 +\n512 51", 'line 3: not "position size status": "512 51"'],
    ["0 ? 1\n0 512 x\n", 'line 2: unknown status "x"'],
    ["# c\n0 ? 1\n0 512 +\n256 512 -\n", "line 4: areas overlap"],
    ["0 ? 1\n0 512 +\n1024 512 -\n", "line 3: a gap before this area"],
    ["\x1b]2;x\x07\n", 'not a status line: "\\x1b]2;x\\x07"'],
  ];
  for (const [text, reason] of table) {
    const path = await folder.write("bad.map", text);
    for (const args of [[path], [path, "--done"], [path, "--list", "+"]]) {
      const { code, stdout, stderr } = await runCli(["map", ...args]);
      assertEquals([code, stdout], [2, ""], text);
      assertStringIncludes(stderr, reason);
    }
  }
  const sparse = await folder.write("card.img", "");
  await Deno.truncate(sparse, 2 ** 34);
  for (
    const [path, reason] of [
      [folder.path, "it is a folder"],
      [folder.file("none"), "no such file (ENOENT)"],
      ["/dev/null", "it is no ordinary file"],
      [sparse, "it has 17,179,869,184 bytes (16 GiB)"],
    ] as const
  ) {
    const { code, stderr } = await runCli(["map", path]);
    assertEquals(code, 1);
    assertStringIncludes(stderr, reason);
  }
});

linuxTest("map: CRLF, an area that begins elsewhere, and no final line feed", async () => {
  await using folder = await TemporaryFolder.create();
  const path = await folder.write("odd.map", "# c\r\n0 ?\r\n1024 512 +\r\n1536 512 -");
  const { code, stdout } = await runCli(["map", path]);
  assertEquals(code, 0);
  assertStringIncludes(stdout, "1,024 bytes (1 KiB), from byte 1,024 to 2,048, 2 areas");
  assertStringIncludes(stdout, "   0% +-\n");
});

linuxTest({
  name: "map: a map of two million areas is read in bounded memory",
  ignore: needs("time"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const areas = 2_000_000;
    const lines = ["0 ? 1"];
    for (let area = 0; area < areas; area++) {
      lines.push(`0x${(area * 4096).toString(16).padStart(10, "0")} 0x1000 ${"+-"[area % 2]}`);
    }
    const path = await folder.write("large.map", lines.join("\n"));
    const prefix = ["time", "--format=peak %M KiB"];
    const { code, stdout, stderr } = await runCli(["map", path], { prefix });
    assertEquals(code, 0, stderr);
    assertMatch(stdout, /^- {2}bad-sector +4,096,000,000 .* 50\.00% +1,000,000$/m);
    // Some bytes an area, beside the text itself and what every run takes.
    const { size } = await Deno.stat(path);
    const peak = Number(/^peak (\d+) KiB$/m.exec(stderr)?.[1]) * 1024;
    assert(peak < size + areas * 120 + 100 * 1024 * 1024, stderr);
  },
});
