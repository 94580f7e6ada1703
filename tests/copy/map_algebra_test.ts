import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  bitmapPieces,
  blockEnd,
  blockRuns,
  combineMaps,
  compareMaps,
  invertMap,
  MapBuilder,
  type MapOperation,
  pictureOf,
  summarizeMap,
  totalsIn,
} from "../../src/copy/map_algebra.ts";
import { formatMapFile, parseMapFile } from "../../src/copy/map_file.ts";
import {
  type Area,
  AREA_STATUSES,
  type AreaStatus,
  RangeMap,
} from "../../src/copy/range_map.ts";
import type { Range } from "../../src/core/range.ts";
import { tryRun } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

/** The model: the state of every byte, undefined outside of the map. */
type Model = (AreaStatus | undefined)[];

/** A small map that may begin anywhere, and what it says of every byte. */
function randomModel(next: (limit: number) => number): Model {
  const start = next(3) === 0 ? next(60) : 0;
  const model: Model = new Array<undefined>(start).fill(undefined);
  for (let count = 1 + next(9); count > 0; count--) {
    const status = AREA_STATUSES[next(AREA_STATUSES.length)];
    for (let length = 1 + next(30); length > 0; length--) model.push(status);
  }
  return model;
}

function areasOf(model: Model): Area[] {
  const areas: { offset: number; length: number; status: AreaStatus }[] = [];
  for (const [offset, status] of model.entries()) {
    if (status === undefined) continue;
    const last = areas.at(-1);
    if (last?.status === status) last.length++;
    else areas.push({ offset, length: 1, status });
  }
  return areas;
}

function mapOf(model: Model): RangeMap {
  return RangeMap.fromAreas(areasOf(model));
}

function textOf(model: Model): string {
  return formatMapFile({
    comments: [],
    currentPosition: 7,
    currentPhase: "/",
    currentPass: 2,
    map: mapOf(model),
  });
}

/** What the manual says of each operation, byte by byte. */
function combined(
  operation: MapOperation,
  own: AreaStatus | undefined,
  other: AreaStatus | undefined,
): AreaStatus | undefined {
  if (own === undefined || other === undefined) return own;
  const [a, b] = [own === "+", other === "+"];
  const isRescued = { and: a && b, or: a || b, xor: a !== b }[operation];
  if (isRescued) return "+";
  return a ? "-" : own;
}

const OPERATIONS: readonly MapOperation[] = ["and", "or", "xor"];
const LETTERS: Readonly<Record<MapOperation, string>> = { and: "y", or: "z", xor: "x" };

Deno.test("maps are combined and inverted byte by byte as the manual says", () => {
  const next = seededNumbers(21);
  for (let round = 0; round < 2000; round++) {
    const [a, b] = [randomModel(next), randomModel(next)];
    for (const operation of OPERATIONS) {
      const expected = a.map((status, at) => combined(operation, status, b[at]));
      assertEquals(
        [...combineMaps(mapOf(a), mapOf(b), operation).areas()],
        areasOf(expected),
        operation,
      );
    }
    const inverted = a.map((status) => status && (status === "+" ? "-" : "+"));
    assertEquals([...invertMap(mapOf(a)).areas()], areasOf(inverted));
  }
});

Deno.test("maps are compared byte by byte, also where only one of them reaches", () => {
  const next = seededNumbers(22);
  let same = 0;
  for (let round = 0; round < 2000; round++) {
    const a = randomModel(next);
    const b = next(2) === 0 ? randomModel(next) : a.slice();
    if (next(2) === 0) b[next(b.length + 2)] = "*";
    const expected: Range[] = [];
    let bytes = 0;
    for (let at = 0; at < Math.max(a.length, b.length); at++) {
      if (a[at] === b[at]) continue;
      bytes++;
      const last = expected.at(-1);
      if (last === undefined || last.offset + last.length < at) {
        expected.push({ offset: at, length: 1 });
      } else expected[expected.length - 1] = { ...last, length: last.length + 1 };
    }
    if (b.includes(undefined, b.findIndex((status) => status !== undefined))) continue;
    const most = next(4);
    const found = compareMaps(mapOf(a), mapOf(b), most);
    assertEquals(found.count, expected.length);
    assertEquals(found.bytes, bytes);
    assertEquals(found.ranges, expected.slice(0, most));
    if (bytes === 0) same++;
  }
  assert(same > 100, `only ${same} pairs were the same`);
});

Deno.test({
  name: "and, or, xor, invert and compare do what ddrescuelog does",
  ignore: needs("ddrescuelog"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const next = seededNumbers(23);
    const verdicts = new Set<number>();
    for (let round = 0; round < 200; round++) {
      const a = randomModel(next);
      // One in four is the same map, or nearly so.
      const b = next(4) > 0 ? randomModel(next) : [...a.slice(0, -1), a.at(next(2) - 1)];
      const [path, other] = [
        await folder.write("a", textOf(a)),
        await folder.write("b", textOf(b)),
      ];
      const overlaps = a.some((status, at) => status !== undefined && b[at] !== undefined);
      for (const operation of OPERATIONS) {
        const theirs = await tryRun("ddrescuelog", [`-${LETTERS[operation]}`, other, path]);
        assertEquals(theirs.code, 0, theirs.stderr);
        const ours = combineMaps(mapOf(a), mapOf(b), operation);
        if (!overlaps) {
          // They print nothing then; for us it is the first map as it was.
          assertEquals([theirs.stdout, [...ours.areas()]], ["", areasOf(a)]);
          continue;
        }
        const file = parseMapFile(theirs.stdout, "theirs");
        assertEquals([...ours.areas()], [...file.map.areas()], operation);
        assertEquals([file.currentPosition, file.currentPhase], [7, "/"]);
      }
      const inverted = await tryRun("ddrescuelog", ["-n", path]);
      assertEquals(
        [...invertMap(mapOf(a)).areas()],
        [...parseMapFile(inverted.stdout, "theirs").map.areas()],
      );
      const { code } = await tryRun("ddrescuelog", ["-q", "-p", other, path]);
      verdicts.add(code);
      assertEquals(compareMaps(mapOf(a), mapOf(b), 0).count === 0, code === 0);
    }
    assertEquals([...verdicts].toSorted(), [0, 1]);
  },
});

/** All bytes of some pieces. */
function joined(pieces: Iterable<Uint8Array>): number[] {
  return [...pieces].flatMap((piece) => [...piece]);
}

/** Numbers of all blocks. */
function numbersOf(map: RangeMap, statuses: readonly AreaStatus[], bytes: number): number[] {
  return [...blockRuns(map, statuses, bytes)].flatMap(({ first, count }) =>
    Array.from({ length: count }, (_, index) => first + index)
  );
}

Deno.test({
  name: "lists and bitmaps of blocks are those of ddrescuelog, whatever the block size",
  ignore: needs("ddrescuelog"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const next = seededNumbers(24);
    for (let round = 0; round < 150; round++) {
      const model = randomModel(next);
      const map = mapOf(model);
      const path = await folder.write("map", textOf(model));
      const statuses = AREA_STATUSES.filter(() => next(2) === 0);
      if (statuses.length === 0) statuses.push("-");
      const bytes = [1, 2, 3, 7, 8, 16, 100][next(7)] ?? 1;
      const list = ["-b", String(bytes), `--list-blocks=${statuses.join("")}`];
      const theirs = await tryRun("ddrescuelog", [...list, path]);
      assertEquals(
        numbersOf(map, statuses, bytes).map((number) => `${number}\n`).join(""),
        theirs.stdout,
        `${textOf(model)} ${list}`,
      );
      const orders = [["little", "bitmap"], ["little", "bitmap-le"], ["big", "bitmap-be"]];
      for (const [order, format = ""] of orders) {
        const { stdout } = await new Deno.Command("ddrescuelog", {
          args: [...list, "-F", format, path],
          stderr: "null",
        }).output();
        const ours = bitmapPieces(
          blockRuns(map, statuses, bytes),
          blockEnd(map, bytes),
          order === "big" ? "big" : "little",
        );
        assertEquals(joined(ours), [...stdout], `${textOf(model)} ${list} ${format}`);
      }
    }
  },
});

Deno.test("a bitmap of several pieces has every bit in its place", () => {
  const blocks = 3 * 64 * 1024 * 8 + 13;
  const edge = 64 * 1024 * 8;
  const runs = [
    { first: 3, count: 2 },
    { first: edge - 9, count: 20 },
    { first: edge * 2 - 1, count: 1 },
    { first: edge * 2, count: edge + 13 },
  ];
  const isSet = (block: number): boolean =>
    runs.some(({ first, count }) => first <= block && block < first + count);
  for (const order of ["little", "big"] as const) {
    const bytes = joined(bitmapPieces(runs, blocks, order));
    assertEquals(bytes.length, Math.ceil(blocks / 8));
    let wrong = 0;
    for (let block = 0; block < bytes.length * 8; block++) {
      const bit = order === "little" ? block % 8 : 7 - block % 8;
      const value = ((bytes[Math.floor(block / 8)] ?? 0) >> bit & 1) === 1;
      if (value !== isSet(block)) wrong++;
    }
    assertEquals(wrong, 0, order);
  }
  assertEquals(joined(bitmapPieces([], 0, "little")), []);
});

Deno.test("blocks of huge disks have exact numbers", () => {
  const map = new RangeMap({ offset: 0, length: 2 ** 53 - 1 }, "+");
  map.set({ offset: 2 ** 53 - 1024, length: 512 }, "-");
  assertEquals([...blockRuns(map, ["-"], 512)], [{ first: 2 ** 44 - 2, count: 1 }]);
  assertEquals(blockEnd(map, 512), 2 ** 44);
});

Deno.test("totals, also of a part, and the longest bad areas are those of the model", () => {
  const next = seededNumbers(25);
  for (let round = 0; round < 1000; round++) {
    const model = randomModel(next);
    const map = mapOf(model);
    const areas = areasOf(model);
    const most = next(4);
    const { totals, longestBad } = summarizeMap(map, most);
    assertEquals(totals.map(({ status }) => status), [...AREA_STATUSES]);
    for (const { status, bytes, areas: count } of totals) {
      assertEquals(bytes, model.filter((each) => each === status).length);
      assertEquals(count, areas.filter((each) => each.status === status).length);
    }
    const bad = areas.filter((each) => each.status === "-").map(({ offset, length }) => ({
      offset,
      length,
    }));
    assertEquals(longestBad, bad.toSorted((a, b) => b.length - a.length).slice(0, most));
    const part = { offset: next(150), length: next(100) };
    const inside = model.slice(part.offset, part.offset + part.length);
    for (const [status, bytes] of Object.entries(totalsIn(map, part))) {
      assertEquals(bytes, inside.filter((each) => each === status).length);
    }
  }
});

Deno.test("a cell of the picture is as bad as the worst byte in it", () => {
  const next = seededNumbers(26);
  const badness = "+?*/-";
  for (let round = 0; round < 300; round++) {
    const sectors = randomModel(next).filter((status) => status !== undefined);
    const offset = next(2) * 4096;
    const areas = areasOf(sectors).map(({ offset: at, length, status }) => ({
      offset: offset + at * 512,
      length: length * 512,
      status,
    }));
    const { cellBytes, cells } = pictureOf(RangeMap.fromAreas(areas), 1 + next(40));
    assertEquals(cellBytes % 512, 0);
    const sectorsInCell = cellBytes / 512;
    assertEquals(cells.length, Math.ceil(sectors.length / sectorsInCell));
    for (const [index, cell] of cells.entries()) {
      const inside = sectors.slice(index * sectorsInCell, (index + 1) * sectorsInCell);
      const worst = Math.max(...inside.map((status) => badness.indexOf(status ?? "")));
      assertEquals(cell, badness[worst]);
    }
  }
});

Deno.test("a picture has no more cells than asked for, whatever the size of the disk", () => {
  for (const length of [0, 1, 511, 512, 513, 512 * 768, 512 * 768 + 1, 2 ** 40, 2 ** 53 - 1]) {
    const { cells, cellBytes } = pictureOf(new RangeMap({ offset: 0, length }), 768);
    assert(cells.length <= 768, `${length} bytes: ${cells.length} cells`);
    assert(cells.length * cellBytes >= length);
    assertEquals(cells.every((cell) => cell === "?"), true);
    assertEquals(cells.length === 0, length === 0);
  }
  const map = new RangeMap({ offset: 0, length: 2 ** 53 - 1 }, "+");
  map.set({ offset: 2 ** 53 - 2, length: 1 }, "-");
  assertEquals(pictureOf(map, 768).cells.indexOf("-"), pictureOf(map, 768).cells.length - 1);
});

Deno.test("a builder makes what RangeMap makes of the same areas", () => {
  const next = seededNumbers(27);
  for (let round = 0; round < 500; round++) {
    let offset = next(3) * 100;
    const areas: Area[] = [];
    for (let count = next(12); count > 0; count--) {
      const length = 1 + next(5);
      areas.push({ offset, length, status: AREA_STATUSES[next(5)] ?? "?" });
      offset += length;
    }
    const builder = new MapBuilder();
    for (const area of areas) builder.add(area);
    const built = builder.build();
    const expected = RangeMap.fromAreas(areas);
    assertEquals([...built.areas()], [...expected.areas()]);
    assertEquals([built.range, built.areaCount], [expected.range, expected.areaCount]);
    assertEquals(builder.end, areas.length === 0 ? undefined : offset);
  }
});

Deno.test("a builder takes no gap, no overlap, and no negative length", () => {
  const builder = new MapBuilder();
  builder.add({ offset: 10, length: 0, status: "+" });
  builder.add({ offset: 10, length: 5, status: "-" });
  assertThrows(() => builder.add({ offset: 16, length: 1, status: "+" }), RangeError);
  assertThrows(() => builder.add({ offset: 14, length: 1, status: "+" }), RangeError);
  assertThrows(() => builder.add({ offset: 15, length: -1, status: "+" }), RangeError);
  assertEquals([...builder.build().areas()], [{ offset: 10, length: 5, status: "-" }]);
});
