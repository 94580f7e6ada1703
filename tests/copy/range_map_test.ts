import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Area,
  AREA_STATUSES,
  type AreaStatus,
  RangeMap,
} from "../../src/copy/range_map.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

const OPERATIONS = 20_000;

/** The model: the state of every byte of the map, the first of which is `offset`. */
interface Model {
  readonly offset: number;
  readonly bytes: AreaStatus[];
}

function statusAt(index: number): AreaStatus {
  return AREA_STATUSES[index % AREA_STATUSES.length] ?? "?";
}

/** Runs of one state: the areas that a map of these bytes must have. */
function areasOf({ offset, bytes }: Model): Area[] {
  const areas: { offset: number; length: number; status: AreaStatus }[] = [];
  for (const [index, status] of bytes.entries()) {
    const last = areas.at(-1);
    if (last?.status === status) last.length++;
    else areas.push({ offset: offset + index, length: 1, status });
  }
  return areas;
}

function assertModel(map: RangeMap, model: Model): void {
  // Contiguous, ascending, neighbours differ: the model's areas are so by construction.
  const expected = areasOf(model);
  assertEquals([...map.areas()], expected);
  assertEquals(map.areaCount, expected.length);
  assertEquals(map.range, { offset: model.offset, length: model.bytes.length });
}

for (const offset of [0, 1000, 2 ** 40]) {
  Deno.test(`thousands of random changes from ${offset} on leave what a plain array has`, () => {
    const next = seededNumbers(offset % 1000 + 11);
    const length = 64;
    const model: Model = { offset, bytes: new Array<AreaStatus>(length).fill("?") };
    const map = new RangeMap({ offset, length });
    for (let operation = 0; operation < OPERATIONS; operation++) {
      const from = next(length + 10) - 5;
      const size = next(3) === 0 ? next(length + 10) : next(4);
      const status = statusAt(next(5));
      map.set({ offset: offset + from, length: size }, status);
      for (let at = Math.max(0, from); at < Math.min(length, from + size); at++) {
        model.bytes[at] = status;
      }
      if (operation % 20 === 0 || operation > OPERATIONS - 500) assertModel(map, model);
      const place = next(length + 4) - 2;
      const area = map.areaAt(offset + place);
      assertEquals(area?.status, model.bytes[place]);
      if (area !== undefined) {
        assert(area.offset <= offset + place && offset + place < area.offset + area.length);
      }
      const wanted = [statusAt(next(5)), statusAt(next(5))];
      assertEquals(
        map.total(...wanted),
        model.bytes.filter((each) => wanted.includes(each)).length,
      );
    }
    for (const status of AREA_STATUSES) {
      assertEquals(
        map.ranges(status),
        areasOf(model).filter((area) => area.status === status)
          .map(({ offset, length }) => ({ offset, length })),
      );
    }
    assertEquals(
      map.ranges("+", "-").length,
      areasOf(model).filter((area) => "+-".includes(area.status)).length,
    );
  });
}

Deno.test("maps from areas are what the areas say, neighbours of one state joined", () => {
  const next = seededNumbers(12);
  for (let round = 0; round < 500; round++) {
    const offset = next(100);
    const model: Model = { offset, bytes: [] };
    const areas: Area[] = [];
    for (let count = next(10); count > 0; count--) {
      const [length, status] = [1 + next(9), statusAt(next(5))];
      areas.push({ offset: offset + model.bytes.length, length, status });
      for (let at = 0; at < length; at++) model.bytes.push(status);
    }
    const map = RangeMap.fromAreas(areas);
    if (areas.length > 0) assertModel(map, model);
    else assertEquals([map.range, map.areaCount], [{ offset: 0, length: 0 }, 0]);
    // What was made can be changed as any other.
    map.set({ offset: offset + 3, length: 5 }, "*");
    for (let at = 3; at < Math.min(8, model.bytes.length); at++) model.bytes[at] = "*";
    if (areas.length > 0) assertModel(map, model);
  }
});

Deno.test("areas with a gap, an overlap or no bytes make no map", () => {
  const area = (offset: number, length: number): Area => ({ offset, length, status: "+" });
  for (
    const areas of [
      [area(0, 10), area(11, 5)],
      [area(0, 10), area(9, 5)],
      [area(0, 10), area(10, 0)],
      [area(0, 0)],
      [area(10, 5), area(0, 5)],
      [area(0, -5)],
    ]
  ) assertThrows(() => RangeMap.fromAreas(areas), RangeError);
});

Deno.test("a clone and its original do not change each other", () => {
  const map = new RangeMap({ offset: 0, length: 100 });
  map.set({ offset: 10, length: 10 }, "+");
  const clone = map.clone();
  const before = [...map.areas()];
  map.set({ offset: 15, length: 50 }, "-");
  assertEquals([...clone.areas()], before);
  assertEquals(clone.range, map.range);
  const changed = [...map.areas()];
  clone.set({ offset: 0, length: 100 }, "/");
  assertEquals([...map.areas()], changed);
});

Deno.test("clones of many ages keep what the map was when they were made", () => {
  const next = seededNumbers(14);
  const length = 48;
  const map = new RangeMap({ offset: 512, length }, "/");
  const model: Model = { offset: 512, bytes: new Array<AreaStatus>(length).fill("/") };
  const clones: { readonly clone: RangeMap; readonly model: Model }[] = [];
  for (let round = 0; round < 300; round++) {
    clones.push({ clone: map.clone(), model: { ...model, bytes: model.bytes.slice() } });
    // One of the maps changes; which one it is must not matter to the others.
    const chosen = clones[next(clones.length * 2)] ?? { clone: map, model };
    const [from, size, status] = [next(length), next(12), statusAt(next(5))];
    chosen.clone.set({ offset: 512 + from, length: size }, status);
    for (let at = from; at < Math.min(length, from + size); at++) {
      chosen.model.bytes[at] = status;
    }
    for (const each of clones.slice(-5)) assertModel(each.clone, each.model);
  }
  for (const each of clones) assertModel(each.clone, each.model);
  assertModel(map, model);
});

Deno.test("totals and ranges of random sets of states are those of the model", () => {
  const next = seededNumbers(15);
  const sectors = 200;
  const model: Model = { offset: 0, bytes: new Array<AreaStatus>(sectors).fill("?") };
  const map = new RangeMap({ offset: 0, length: sectors * 512 });
  for (let round = 0; round < 2000; round++) {
    const [from, count, status] = [next(sectors), next(30), statusAt(next(5))];
    map.set({ offset: from * 512, length: count * 512 }, status);
    for (let at = from; at < Math.min(sectors, from + count); at++) model.bytes[at] = status;
    const wanted = AREA_STATUSES.filter(() => next(2) === 0);
    const expected = areasOf(model).filter((area) => wanted.includes(area.status));
    assertEquals(
      map.ranges(...wanted),
      expected.map((area) => ({ offset: area.offset * 512, length: area.length * 512 })),
    );
    assertEquals(
      map.total(...wanted),
      expected.reduce((sum, area) => sum + area.length * 512, 0),
    );
    const place = next(sectors * 512);
    const found = areasOf(model).find((area) =>
      area.offset * 512 <= place && place < (area.offset + area.length) * 512
    );
    assertEquals(map.areaAt(place), {
      offset: (found?.offset ?? NaN) * 512,
      length: (found?.length ?? NaN) * 512,
      status: found?.status ?? "?",
    });
  }
});

Deno.test("an empty map has no areas, and stays empty", () => {
  const map = new RangeMap({ offset: 512, length: 0 });
  map.set({ offset: 0, length: 1024 }, "+");
  assertEquals([...map.areas()], []);
  assertEquals([map.areaAt(512), map.areaAt(0)], [undefined, undefined]);
  assertEquals([map.range, map.total("+", "?")], [{ offset: 512, length: 0 }, 0]);
  assertEquals([...map.clone().areas()], []);
});

Deno.test("a map of a huge disk with many areas stays quick", () => {
  const disk = 20 * 1024 ** 4;
  const map = new RangeMap({ offset: 0, length: disk });
  const step = 1024 ** 2;
  for (let at = 0; at < 20_000; at++) map.set({ offset: at * step * 2, length: step }, "+");
  assertEquals(map.areaCount, 40_000);
  assertEquals(map.total("+"), 20_000 * step);
  assertEquals(map.areaAt(19_999 * step * 2 + step)?.length, disk - 19_999 * step * 2 - step);
});
