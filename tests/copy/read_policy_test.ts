import { assert, assertEquals, assertRejects } from "@std/assert";
import { readWithSalvage, sequentialPolicy, strictReader } from "../../src/copy/read_policy.ts";
import { RangeMap } from "../../src/copy/range_map.ts";
import { ReadError } from "../../src/core/errors.ts";
import { intersection, mergeRanges, type Range } from "../../src/core/range.ts";
import { FaultySource } from "../support/faulty_source.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

/** A drive of which some sectors, alone and in runs, are bad. */
function drive(
  sectors: number,
  sectorSize: number,
  seed: number,
  tailBytes = 0,
): RangeMap {
  const next = seededNumbers(seed);
  const map = new RangeMap({ offset: 0, length: sectors * sectorSize + tailBytes }, "+");
  for (let area = 0; area < 12; area++) {
    const length = next(4) === 0 ? next(sectors / 4) : next(3);
    map.set({ offset: next(sectors) * sectorSize, length: length * sectorSize }, "-");
  }
  return map;
}

/** The unreadable parts of a range, and its bytes with zeros there. */
function expectedOf(
  map: RangeMap,
  range: Range,
  sectorSize: number,
): { bad: Range[]; bytes: Uint8Array } {
  const bad = mergeRanges(map.ranges("-").flatMap((each) => intersection(each, range) ?? []));
  const bytes = patternBytes(range.length, { offset: range.offset, sectorSize });
  for (const { offset, length } of bad) {
    bytes.fill(0, offset - range.offset, offset - range.offset + length);
  }
  return { bad, bytes };
}

for (const sectorSize of [512, 4096]) {
  Deno.test(`of ${sectorSize}-byte sectors exactly the bad ones are lost`, async () => {
    const next = seededNumbers(sectorSize);
    for (let round = 0; round < 40; round++) {
      const sectors = 1024 * 512 / sectorSize;
      const map = drive(sectors, sectorSize, 100 + round);
      const source = new FaultySource({ map, sectorSize });
      const first = next(sectors);
      const count = 1 + next(Math.min(sectors - first, 300_000 / sectorSize));
      const range = { offset: first * sectorSize, length: count * sectorSize };
      const into = new Uint8Array(range.length).fill(0xdd);
      const outcome = await readWithSalvage(source, range, into);
      const expected = expectedOf(map, range, sectorSize);
      assertEquals(outcome, { length: range.length, bad: expected.bad });
      assertBytes(into, expected.bytes);
    }
  });

  Deno.test(`of ${sectorSize}-byte sectors no request cuts one, nor leaves its range`, async () => {
    const size = 200 * sectorSize + 100;
    const map = drive(200, sectorSize, 5, 100);
    // A bad tail, which is no whole sector.
    map.set({ offset: 200 * sectorSize, length: 100 }, "-");
    const source = new FaultySource({ map, sectorSize });
    const range = { offset: 3 * sectorSize, length: size - 3 * sectorSize };
    const into = new Uint8Array(range.length);
    const outcome = await readWithSalvage(source, range, into);
    assertEquals(outcome.bad, expectedOf(map, range, sectorSize).bad);
    for (const { offset, length } of source.reads) {
      assertEquals(offset % sectorSize, 0);
      assert(offset >= range.offset && offset + length <= size);
      assert(length % sectorSize === 0 || offset + length === size);
    }
  });
}

Deno.test("a range that begins inside of a sector loses no more than its bad sectors", async () => {
  const map = new RangeMap({ offset: 0, length: 300 * 512 }, "+");
  for (const sector of [3, 150, 151, 256]) map.set({ offset: sector * 512, length: 512 }, "-");
  for (const offset of [1, 256, 700, 3 * 512 + 100, 65_536 - 1]) {
    const range = { offset, length: 300 * 512 - offset - 50 };
    const into = new Uint8Array(range.length);
    const outcome = await readWithSalvage(new FaultySource({ map }), range, into);
    const expected = expectedOf(map, range, 512);
    assertEquals(outcome, { length: range.length, bad: expected.bad });
    assertBytes(into, expected.bytes);
  }
});

Deno.test("a healthy range is one request", async () => {
  const source = new FaultySource({ map: new RangeMap({ offset: 0, length: 2 ** 22 }, "+") });
  await readWithSalvage(source, { offset: 0, length: 2 ** 22 }, new Uint8Array(2 ** 22));
  assertEquals(source.reads, [{ offset: 0, length: 2 ** 22 }]);
});

Deno.test("one bad sector in 4 MiB costs some hundred requests, not one for each sector", async () => {
  const map = new RangeMap({ offset: 0, length: 2 ** 22 }, "+");
  map.set({ offset: 1_000 * 512, length: 512 }, "-");
  const source = new FaultySource({ map });
  await readWithSalvage(source, { offset: 0, length: 2 ** 22 }, new Uint8Array(2 ** 22));
  assert(source.reads.length <= 1 + 64 + 128, `${source.reads.length} requests`);
});

Deno.test("a drive that goes away is an error, at whatever request, and nothing is bad", async () => {
  const map = new RangeMap({ offset: 0, length: 256 * 1024 }, "+");
  map.set({ offset: 70 * 512, length: 512 }, "-");
  const whole = { offset: 0, length: 256 * 1024 };
  const count = await (async () => {
    const source = new FaultySource({ map });
    await readWithSalvage(source, whole, new Uint8Array(whole.length));
    return source.reads.length;
  })();
  assert(count > 100);
  for (const goneAtRead of [0, 1, 2, 3, 50, count - 1]) {
    const source = new FaultySource({ map, goneAtRead });
    const error = await assertRejects(
      () => readWithSalvage(source, whole, new Uint8Array(whole.length)),
      ReadError,
    );
    assertEquals(error.osCode, "ENODEV");
    // It is not asked again and again.
    assertEquals(source.reads.length, goneAtRead + 1);
  }
});

Deno.test("what is no read error is passed on", async () => {
  const map = new RangeMap({ offset: 0, length: 4096 }, "+");
  const source = new FaultySource({
    map,
    delay: () => Promise.reject(new RangeError("a bug")),
  });
  await assertRejects(
    () => readWithSalvage(source, { offset: 0, length: 4096 }, new Uint8Array(4096)),
    RangeError,
    "a bug",
  );
  assertEquals(source.reads.length, 1);
});

Deno.test("a drive that ends early is short, with bad sectors before the end or not", async () => {
  for (const endsAt of [0, 512, 64 * 1024, 100_000, 131_072 - 1]) {
    for (const isBad of [false, true]) {
      const map = new RangeMap({ offset: 0, length: 131_072 }, "+");
      if (isBad) map.set({ offset: 0, length: 512 }, "-");
      const source = new FaultySource({ map, endsAt });
      const into = new Uint8Array(131_072);
      const outcome = await readWithSalvage(source, { offset: 0, length: 131_072 }, into);
      const length = isBad ? Math.max(endsAt, 512) : endsAt;
      assertEquals(outcome, { length, bad: isBad ? [{ offset: 0, length: 512 }] : [] });
      const expected = patternBytes(length);
      if (isBad) expected.fill(0, 0, 512);
      assertBytes(into.subarray(0, length), expected);
    }
  }
});

Deno.test("the sequential policy goes from the first byte to the last, once", () => {
  for (const size of [0, 1, 4095, 4096, 4097, 12_288, 12_289]) {
    const map = new RangeMap({ offset: 0, length: size }, "+");
    const policy = sequentialPolicy(new FaultySource({ map }), {
      chunkBytes: 4096,
      onBad: "zero",
    });
    assertEquals(policy.totalBytes, size);
    let at = 0;
    for (let range = policy.next(); range !== undefined; range = policy.next()) {
      assertEquals(range, { offset: at, length: Math.min(4096, size - at) });
      at += range.length;
    }
    assertEquals(at, size);
    assertEquals(policy.next(), undefined);
  }
});

Deno.test("bad sectors become zeros, or end the run: as it was asked for", async () => {
  const map = new RangeMap({ offset: 0, length: 8192 }, "+");
  map.set({ offset: 512, length: 1024 }, "-");
  const range = { offset: 0, length: 8192 };
  const options = { chunkBytes: 8192 };
  const into = new Uint8Array(8192);
  const zero = sequentialPolicy(new FaultySource({ map }), { ...options, onBad: "zero" });
  assertEquals((await zero.read(range, into)).bad, [{ offset: 512, length: 1024 }]);
  assertBytes(into, expectedOf(map, range, 512).bytes);
  const source = new FaultySource({ map });
  const fail = sequentialPolicy(source, { ...options, onBad: "fail" });
  const error = await assertRejects(() => fail.read(range, into), ReadError);
  assertEquals([error.osCode, source.reads.length], ["EIO", 1]);
});

Deno.test("a medium of known size that ends early is an error that names the place", async () => {
  const map = new RangeMap({ offset: 0, length: 8192 }, "+");
  for (const onBad of ["zero", "fail"] as const) {
    const policy = sequentialPolicy(new FaultySource({ map, endsAt: 5000 }), {
      chunkBytes: 4096,
      onBad,
    });
    assertEquals(await policy.read({ offset: 0, length: 4096 }, new Uint8Array(4096)), {
      length: 4096,
      bad: [],
    });
    const error = await assertRejects(
      () => policy.read({ offset: 4096, length: 4096 }, new Uint8Array(4096)),
      ReadError,
    );
    assertEquals([error.offset, error.message.includes("5000")], [5000, true]);
  }
});

Deno.test("where the first failure is the end, a read that hangs is one", async () => {
  const hangs = new Promise<void>(() => {});
  const map = new RangeMap({ offset: 0, length: 4096 }, "+");
  const source = new FaultySource({ map, abandons: 1, delay: () => hangs });
  const policy = sequentialPolicy(source, {
    chunkBytes: 4096,
    onBad: "fail",
    readTimeoutMilliseconds: 40,
  });
  let lent = 0;
  const range = { offset: 0, length: 4096 };
  const error = await assertRejects(
    () => policy.read(range, new Uint8Array(4096), () => lent++),
    ReadError,
  );
  assertEquals([error.osCode, lent, source.abandoned], ["ETIMEDOUT", 1, 1]);
});

Deno.test("where nobody waits any more, or for ever, nothing is given up", async () => {
  const hangs = new Promise<void>(() => {});
  const map = new RangeMap({ offset: 0, length: 4096 }, "+");
  const source = new FaultySource({ map, abandons: 2, delay: () => hangs });
  const range = { offset: 0, length: 4096 };
  const cancelled = strictReader(source, 40);
  cancelled.read(range, new Uint8Array(4096));
  cancelled.cancel?.();
  strictReader(source).read(range, new Uint8Array(4096));
  await new Promise((resolve) => setTimeout(resolve, 150));
  assertEquals([source.underWay, source.abandoned], [2, 0]);
});
