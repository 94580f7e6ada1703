import { assert, assertEquals, assertRejects } from "@std/assert";
import { AREA_STATUSES, type AreaStatus, RangeMap } from "../../src/copy/range_map.ts";
import {
  type ResumePolicy,
  resumePolicy,
  type ResumePolicyOptions,
} from "../../src/copy/resume_policy.ts";
import { ReadError } from "../../src/core/errors.ts";
import { endOf, type Range } from "../../src/core/range.ts";
import { FaultySource } from "../support/faulty_source.ts";
import { assertBytes, patternBytes, PatternSource } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

const SIZE = 40_000;
const CHUNK_BYTES = 4096;

/** A map in which all is in this state. */
function allOf(status: AreaStatus): RangeMap {
  return new RangeMap({ offset: 0, length: SIZE }, status);
}

/** A policy; unless told otherwise nothing is done yet, and a saved image is read, too. */
function makePolicy(
  options: Pick<ResumePolicyOptions, "source"> & Partial<ResumePolicyOptions>,
): ResumePolicy {
  return resumePolicy({
    saved: undefined,
    map: allOf("?"),
    chunkBytes: CHUNK_BYTES,
    withSaved: options.saved !== undefined,
    ...options,
  });
}

/** Reads all, one after the other; answers what was bad. */
async function readAll(policy: ResumePolicy): Promise<Range[]> {
  const bad: Range[] = [];
  for (let range = policy.next(); range !== undefined; range = policy.next()) {
    bad.push(...(await policy.read(range, new Uint8Array(range.length))).bad);
  }
  return bad;
}

/** A map in which areas begin and end anywhere. */
function randomMap(seed: number): RangeMap {
  const next = seededNumbers(seed);
  const map = allOf(AREA_STATUSES[next(5)] ?? "?");
  for (let change = next(12); change > 0; change--) {
    map.set({ offset: next(SIZE), length: next(9000) }, AREA_STATUSES[next(5)] ?? "?");
  }
  return map;
}

for (const withSaved of [true, false]) {
  Deno.test(
    `${withSaved ? "every byte once" : "only what is missing"}, each from its own place`,
    async () => {
      for (let seed = 1; seed <= 150; seed++) {
        const map = randomMap(seed);
        const areas = [...map.areas()];
        const policy = makePolicy({
          source: new PatternSource(SIZE, { seed: 1 }),
          saved: new PatternSource(SIZE, { seed: 2 }),
          map,
          withSaved,
        });
        // The copy enters what it did while the policy is still used.
        map.set({ offset: 0, length: SIZE }, "+");
        const ranges: Range[] = [];
        for (let range = policy.next(); range !== undefined; range = policy.next()) {
          ranges.push(range);
        }
        const fromSaved = (offset: number): boolean =>
          areas.some((area) =>
            area.offset <= offset && offset < endOf(area) && "+-".includes(area.status)
          );
        // Against a plain array of bytes: which were asked for.
        const asked = new Uint8Array(SIZE);
        let last = 0;
        for (const range of ranges) {
          assert(range.offset >= last, "not ascending");
          last = endOf(range);
          assert(range.length > 0 && range.length <= CHUNK_BYTES);
          // No chunk goes over a border of chunks, nor mixes what is done and what is not.
          const { offset } = range;
          assertEquals(Math.floor(offset / CHUNK_BYTES), Math.floor((last - 1) / CHUNK_BYTES));
          asked.fill(1, offset, last);
          const into = new Uint8Array(range.length);
          assertEquals(await policy.read(range, into), { length: range.length, bad: [] });
          const patternSeed = fromSaved(offset) ? 2 : 1;
          assertBytes(into, patternBytes(range.length, { offset, seed: patternSeed }));
        }
        const expected = Uint8Array.from(
          { length: SIZE },
          (_, offset) => withSaved || !fromSaved(offset) ? 1 : 0,
        );
        assertBytes(asked, expected, `seed ${seed}`);
        assertEquals(policy.totalBytes, expected.reduce((sum, byte) => sum + byte, 0));
        assertEquals(policy.next(), undefined);
      }
    },
  );
}

Deno.test("reads may be asked for in any order and overlap", async () => {
  const map = randomMap(7);
  const areas = [...map.areas()];
  const policy = makePolicy({
    source: new FaultySource({
      map: allOf("+"),
      content: new PatternSource(SIZE, { seed: 1 }),
      delay: (read) => new Promise((resolve) => setTimeout(resolve, 5 - read % 5)),
    }),
    saved: new PatternSource(SIZE, { seed: 2 }),
    map,
  });
  const reads: Promise<void>[] = [];
  for (let range = policy.next(); range !== undefined; range = policy.next()) {
    const { offset, length } = range;
    const into = new Uint8Array(length);
    const area = areas.find((each) => each.offset <= offset && offset < endOf(each));
    const seed = "+-".includes(area?.status ?? "") ? 2 : 1;
    reads.push(
      policy.read(range, into).then(() => {
        assertBytes(into, patternBytes(length, { offset, seed }));
      }),
    );
  }
  assert(reads.length > 10);
  await Promise.all(reads);
});

Deno.test("sectors that fail now are bad; what failed before comes from the image", async () => {
  const drive = allOf("+");
  drive.set({ offset: 512, length: 512 }, "-");
  drive.set({ offset: 8192, length: 1024 }, "-");
  const map = allOf("?");
  map.set({ offset: 8192, length: 1024 }, "-");
  const source = new FaultySource({ map: drive });
  const saved = new PatternSource(SIZE, { seed: 2 });
  const policy = makePolicy({ source, saved, map });
  assertEquals(await readAll(policy), [{ offset: 512, length: 512 }]);
  assert(source.reads.every(({ offset, length }) => offset + length <= 8192 || offset >= 9216));
});

Deno.test("a source or a saved image that ends early is an error that names it", async () => {
  const good = allOf("+");
  const short = new FaultySource({ map: good, endsAt: 5000 });
  const whole = new PatternSource(SIZE, { name: "whole" });
  for (const status of ["?", "+"] as const) {
    const policy = makePolicy({
      source: status === "?" ? short : whole,
      saved: status === "?" ? whole : short,
      map: allOf(status),
    });
    const error = await assertRejects(() => readAll(policy), ReadError);
    assertEquals(error.offset, 5000);
    assert(error.message.includes("faulty"), error.message);
  }
});

Deno.test("where nothing is done there need be no saved image", async () => {
  const map = new RangeMap({ offset: 0, length: 5000 });
  const source = new PatternSource(5000);
  const policy = makePolicy({ source, map, withSaved: true });
  const [first, second] = [policy.next(), policy.next()];
  assertEquals([first?.length, second?.length, policy.next()], [4096, 904, undefined]);
  assertEquals(
    (await policy.read({ offset: 4096, length: 904 }, new Uint8Array(904))).length,
    904,
  );
});

Deno.test("where everything is done and no digest is wanted there is nothing to read", () => {
  const policy = makePolicy({
    source: new PatternSource(SIZE),
    saved: new PatternSource(SIZE),
    map: allOf("+"),
    withSaved: false,
  });
  assertEquals([policy.totalBytes, policy.next()], [0, undefined]);
});

/** Runs it as a copy does: several reads at once. */
async function runAhead(
  policy: ResumePolicy,
  depth: number,
): Promise<Range[]> {
  const brought: Range[] = [];
  const underWay = new Set<Promise<void>>();
  for (let range = policy.next(); range !== undefined; range = policy.next()) {
    const { offset } = range;
    const work = policy.read(range, new Uint8Array(range.length)).then(({ length, bad }) => {
      assertEquals(bad, []);
      if (length > 0) brought.push({ offset, length });
    });
    underWay.add(work);
    work.finally(() => underWay.delete(work)).catch(() => {}); // Whoever waits sees it.
    if (underWay.size >= depth) await Promise.race(underWay);
  }
  await Promise.all(underWay);
  return brought.toSorted((a, b) => a.offset - b.offset);
}

Deno.test("with `stop` it ends at the first trouble, and asks a failing medium little more", async () => {
  const bad = allOf("+");
  bad.set({ offset: 3 * CHUNK_BYTES + 512, length: 20_000 }, "-");
  for (const depth of [1, 2, 8]) {
    const source = new FaultySource({ map: bad, delay: () => Promise.resolve() });
    const policy = makePolicy({ source, onBad: "stop" });
    const brought = await runAhead(policy, depth);
    assertEquals(policy.trouble, 3 * CHUNK_BYTES);
    assertEquals(brought.map(({ offset }) => offset), [0, CHUNK_BYTES, 2 * CHUNK_BYTES]);
    assert(source.reads.length <= 5, `${source.reads.length} reads`);
  }
});

Deno.test("with `stop` no third read begins before the first one has ended", async () => {
  const bad = allOf("+");
  bad.set({ offset: 512, length: 512 }, "-");
  const slowly = new Promise<void>((resolve) => setTimeout(resolve, 50));
  const source = new FaultySource({
    map: bad,
    delay: (_, offset) => offset === 0 ? slowly : undefined,
  });
  const policy = makePolicy({ source, onBad: "stop" });
  await runAhead(policy, 8);
  assertEquals(policy.trouble, 0);
  assertEquals(source.reads.map(({ offset }) => offset), [0, CHUNK_BYTES]);
});

Deno.test("with `fail` the first place that cannot be read is the end", async () => {
  const bad = allOf("+");
  bad.set({ offset: 9000, length: 512 }, "-");
  const policy = makePolicy({ source: new FaultySource({ map: bad }), onBad: "fail" });
  await assertRejects(() => runAhead(policy, 1), ReadError, "EIO");
  assertEquals(policy.trouble, undefined);
});

Deno.test("without trouble `stop` brings every byte, several at once", async () => {
  const source = new FaultySource({ map: allOf("+") });
  const policy = makePolicy({ source, onBad: "stop" });
  const brought = await runAhead(policy, 8);
  assertEquals(brought.reduce((sum, { length }) => sum + length, 0), SIZE);
  assertEquals(policy.trouble, undefined);
});

Deno.test("what is unreadable is zeros where the saved image ends before it", async () => {
  const map = allOf("+");
  const end = SIZE - 6000;
  map.set({ offset: end, length: 6000 }, "-");
  const source = new PatternSource(SIZE);
  const whole = new Uint8Array(SIZE).fill(0xee);
  const policy = makePolicy({ source, map, saved: new PatternSource(end) });
  for (let range = policy.next(); range !== undefined; range = policy.next()) {
    const into = whole.subarray(range.offset, endOf(range));
    assertEquals(await policy.read(range, into), { length: range.length, bad: [] });
  }
  const expected = new Uint8Array(SIZE);
  expected.set(patternBytes(end));
  assertBytes(whole, expected);
  // What was rescued must be there.
  const short = makePolicy({ source, map, saved: new PatternSource(end - 1) });
  await assertRejects(() => readAll(short), ReadError, "it ends there");
});

/** The chunk whose reads hang, and with them all that are asked for behind it. */
const STUCK = 3 * CHUNK_BYTES;

function stuckSource(): FaultySource {
  let isStuck = false;
  return new FaultySource({
    map: allOf("+"),
    abandons: 1,
    delay: (_read, offset) => {
      isStuck ||= offset === STUCK;
      return isStuck ? new Promise(() => {}) : undefined;
    },
  });
}

Deno.test("what hangs is trouble; the system keeps the memory of what was given up", async () => {
  for (const depth of [1, 2, 8]) {
    const source = stuckSource();
    const told: Range[] = [];
    const policy = makePolicy({
      source,
      onBad: "stop",
      readTimeoutMilliseconds: 40,
      onAbandoned: (range) => told.push(range),
    });
    const lent: number[] = [];
    const read = policy.read.bind(policy);
    policy.read = (range, into) => read(range, into, () => lent.push(range.offset));
    const brought = await runAhead(policy, depth);
    assertEquals(policy.trouble, STUCK);
    assertEquals(brought.map(({ offset }) => offset), [0, CHUNK_BYTES, 2 * CHUNK_BYTES]);
    assertEquals(told, [{ offset: STUCK, length: CHUNK_BYTES }]);
    // The one behind it was asked for, too.
    assertEquals(lent, depth === 1 ? [STUCK] : [STUCK, STUCK + CHUNK_BYTES]);
  }
});

Deno.test("with `fail` a read that hangs is the end", async () => {
  const policy = makePolicy({
    source: stuckSource(),
    onBad: "fail",
    readTimeoutMilliseconds: 40,
  });
  await assertRejects(() => runAhead(policy, 1), ReadError, "ETIMEDOUT");
});
