/** The smaller parts of which reports are made. */
import { assert, assertEquals } from "@std/assert";
import { MapBuilder, pictureOf, summarizeMap } from "../../src/copy/map_algebra.ts";
import type { AreaFacts, AreaState, PartitionFacts } from "../../src/report/manifest.ts";
import { rateAxis, timeAxis } from "../../src/report/manifest_axis.ts";
import { drawnPartitions, stateCells, stateRows } from "../../src/report/manifest_states.ts";
import { padded, textWidth, wrapped } from "../../src/report/manifest_text_layout.ts";
import { commandLineText, durationText, timeText } from "../../src/report/manifest_words.ts";
import { run } from "../support/run_cli.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

Deno.test("states are counted and drawn as those of a map", () => {
  const next = seededNumbers(5);
  const states: readonly AreaState[] = ["+", "-", "/", "*", "?"];
  for (let round = 0; round < 30; round++) {
    const areas: AreaFacts[] = [];
    const start = next(3) * 4096;
    const builder = new MapBuilder();
    let at = start;
    for (let index = 0; index < 1 + next(400); index++) {
      const lengthBytes = (1 + next(40)) * 512;
      // Neighbours in one state are one area in a map.
      const state = states[(index * 2 + next(2)) % 5] ?? "+";
      if (areas.at(-1)?.state === state) continue;
      areas.push({ offsetBytes: at, lengthBytes, state });
      builder.add({ offset: at, length: lengthBytes, status: state });
      at += lengthBytes;
    }
    const map = builder.build();
    const range = { offset: start, length: at - start };
    assertEquals(stateCells(areas, range, 300), pictureOf(map, 300));
    for (const { status, bytes, areas: count } of summarizeMap(map, 0).totals) {
      const row = stateRows(areas).find(({ mark }) => mark === status);
      assertEquals([row?.bytes, row?.areas], [bytes, count]);
    }
  }
});

Deno.test("partitions that hold others are not drawn over them", () => {
  const part = (number: number, startBytes: number, sizeBytes: number): PartitionFacts => ({
    number,
    startBytes,
    sizeBytes,
    typeId: "0x83",
    typeName: "Linux",
    name: null,
    guid: null,
    fileSystem: null,
  });
  const extended = part(2, 1000, 9000);
  const parts = [part(1, 0, 1000), extended, part(6, 6000, 4000), part(5, 1512, 4000)];
  assertEquals(drawnPartitions(parts).map(({ number }) => number), [1, 5, 6]);
  // Twice the same place: none holds the other.
  assertEquals(drawnPartitions([part(1, 0, 10), part(2, 0, 10)]).length, 2);
});

Deno.test("axes have few lines at round values, and reach the top", () => {
  const next = seededNumbers(3);
  for (let round = 0; round < 2000; round++) {
    const most = next(1000) * 10 ** next(11) / 100;
    const { top, ticks } = rateAxis(most);
    assert(top >= most && (most < 1 || top <= most * 2.1), `${most}: ${top}`);
    assert(ticks.length >= 2 && ticks.length <= 6, `${most}: ${ticks.length} lines`);
    assertEquals(new Set(ticks.map(({ label }) => label)).size, ticks.length, `${most}`);
    const seconds = (1 + next(1000)) * 10 ** next(7) / 1000;
    const labels = timeAxis(seconds).ticks.map(({ label }) => label);
    assert(labels.length >= 2 && labels.length <= 7, `${seconds} s: ${labels.length} lines`);
    assertEquals(new Set(labels).size, labels.length, `${seconds} s: ${labels.join()}`);
  }
  assertEquals(rateAxis(200 * 1024 * 1024).ticks.map(({ label }) => label), [
    "0",
    "50 MiB/s",
    "100 MiB/s",
    "150 MiB/s",
    "200 MiB/s",
  ]);
  assertEquals(timeAxis(5400).ticks.map(({ label }) => label), [
    "0",
    "0:15",
    "0:30",
    "0:45",
    "1:00",
    "1:15",
    "1:30",
  ]);
});

Deno.test("columns are those of a terminal", () => {
  // Wide by UAX #11, letters with marks of their own, nothing at all.
  assertEquals(textWidth("写真"), 4);
  assertEquals(textWidth("e\u0301a"), 2);
  assertEquals(textWidth("\u200f"), 0);
  assertEquals(textWidth("💾"), 2);
  assertEquals(padded("写", 4), "写  ");
  assertEquals(padded("7", 4, true), "   7");
});

Deno.test("lines are broken at blanks, words only where they must be", () => {
  assertEquals(wrapped("one two three", 7), ["one two", "three"]);
  assertEquals(wrapped("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
  assertEquals(wrapped("a bcdefgh", 4), ["a", "bcde", "fgh"]);
  assertEquals(wrapped("写真写真", 5), ["写真", "写真"]);
  assertEquals(wrapped("", 5), [""]);
  const next = seededNumbers(11);
  for (let round = 0; round < 500; round++) {
    const text = Array.from({ length: next(200) }, () => "ab  é写"[next(6)] ?? "").join("");
    const lines = wrapped(text, 2 + next(30));
    assertEquals(lines.join("").replaceAll(" ", ""), text.replaceAll(" ", ""));
  }
});

Deno.test({
  name: "a shell understands the command line as it was given",
  ignore: needs("bash"),
  async fn(): Promise<void> {
    const args = [
      "printf",
      "%s\\0",
      "plain",
      "with blank",
      "it's",
      "",
      "$HOME",
      "a\\b",
      '"',
      "*",
    ];
    const out = await run("bash", ["-c", commandLineText(args)]);
    assertEquals(out.split("\0").slice(0, -1), args.slice(2));
  },
});

Deno.test("times in words", () => {
  assertEquals(timeText("2026-03-01T09:30:07+01:00"), "2026-03-01 09:30:07 +01:00");
  assertEquals(timeText("2026-03-01T09:30:07Z"), "2026-03-01 09:30:07 +00:00");
  assertEquals(timeText("yesterday"), "yesterday");
  assertEquals(durationText(59.9994), "59.999 s");
  assertEquals(durationText(192.46), "3:12 (192.46 s)");
});
