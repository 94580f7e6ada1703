import { assert, assertEquals } from "@std/assert";
import {
  endOf,
  gapsBetween,
  intersection,
  mergeRanges,
  piecesOf,
  type Range,
  totalLength,
} from "../../src/core/range.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

/** The model: a medium of this many bytes, each covered or not. */
const MEDIUM_BYTES = 60;

/** Which bytes the ranges cover. */
function covered(ranges: readonly Range[]): boolean[] {
  const bytes = new Array<boolean>(MEDIUM_BYTES).fill(false);
  for (const { offset, length } of ranges) {
    for (let at = offset; at < offset + length; at++) bytes[at] = true;
  }
  return bytes;
}

/** The runs of covered bytes: the only right answer in ascending order. */
function runs(bytes: readonly boolean[]): Range[] {
  const found: { offset: number; length: number }[] = [];
  for (const [at, isCovered] of bytes.entries()) {
    if (!isCovered) continue;
    const last = found.at(-1);
    if (last !== undefined && last.offset + last.length === at) last.length++;
    else found.push({ offset: at, length: 1 });
  }
  return found;
}

function randomRange(next: (limit: number) => number): Range {
  const offset = next(MEDIUM_BYTES);
  return { offset, length: next(Math.min(16, MEDIUM_BYTES - offset) + 1) };
}

Deno.test("merged ranges cover the same bytes, each once, none touching another", () => {
  const next = seededNumbers(1);
  for (let round = 0; round < 3000; round++) {
    const ranges = Array.from({ length: next(9) }, () => randomRange(next));
    const before = structuredClone(ranges);
    const expected = runs(covered(ranges));
    assertEquals(mergeRanges(ranges), expected);
    assertEquals(ranges, before, "the argument was changed");
    assertEquals(totalLength(expected), covered(ranges).filter((each) => each).length);
  }
});

Deno.test("gaps are what no range covers", () => {
  const next = seededNumbers(2);
  for (let round = 0; round < 3000; round++) {
    const ranges = Array.from({ length: next(7) }, () => randomRange(next));
    const whole = randomRange(next);
    const inside = covered([whole]);
    const bytes = covered(ranges);
    assertEquals(
      gapsBetween(whole, ranges),
      runs(inside.map((isInside, at) => isInside && !bytes[at])),
    );
  }
});

Deno.test("the intersection is what both cover", () => {
  const next = seededNumbers(3);
  for (let round = 0; round < 3000; round++) {
    const [a, b] = [randomRange(next), randomRange(next)];
    const both = covered([a]).map((isCovered, at) => isCovered && covered([b])[at] === true);
    const found = intersection(a, b);
    assertEquals(found === undefined ? [] : [found], runs(both));
    assertEquals(intersection(b, a), found);
  }
});

Deno.test("ranges without an end", () => {
  const rest = { offset: 100, length: Infinity };
  assertEquals(endOf(rest), Infinity);
  assertEquals(intersection({ offset: 50, length: 100 }, rest), { offset: 100, length: 50 });
  assertEquals(intersection({ offset: 50, length: 50 }, rest), undefined);
  assertEquals(gapsBetween({ offset: 0, length: 200 }, [rest]), [{ offset: 0, length: 100 }]);
});

Deno.test("ranges beyond 32 bits", () => {
  const far = 2 ** 45;
  assertEquals(
    mergeRanges([{ offset: far, length: 512 }, { offset: far - 512, length: 512 }]),
    [
      { offset: far - 512, length: 1024 },
    ],
  );
  assert(totalLength([{ offset: 0, length: far }, { offset: far, length: far }]) === 2 ** 46);
  assertEquals(totalLength([]), 0);
});

Deno.test("ranges are cut into pieces that are the same bytes", () => {
  const ranges = [{ offset: 10, length: 25 }, { offset: 40, length: 10 }, {
    offset: 60,
    length: 1,
  }];
  const pieces = [...piecesOf(ranges, 10)];
  assertEquals(pieces, [
    { offset: 10, length: 10 },
    { offset: 20, length: 10 },
    { offset: 30, length: 5 },
    { offset: 40, length: 10 },
    { offset: 60, length: 1 },
  ]);
  assertEquals([...piecesOf([], 10)], []);
});
