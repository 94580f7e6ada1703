import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { StreamSource } from "../../src/blocks/stdio.ts";
import { RangeMap } from "../../src/copy/range_map.ts";
import {
  orderedPolicy,
  type RangeReader,
  salvagingReader,
} from "../../src/copy/read_policy.ts";
import { runCopy } from "../../src/copy/run_copy.ts";
import { ImagingError, ReadError } from "../../src/core/errors.ts";
import { intersection, type Range } from "../../src/core/range.ts";
import { InOrderReader, type InOrderReaderOptions } from "../../src/rescue/in_order_reader.ts";
import type { RescueProgress } from "../../src/rescue/run_rescue.ts";
import { FaultySource, type FaultySourceOptions } from "../support/faulty_source.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { makeFaults } from "./simulated_drive.ts";

const MIB = 2 ** 20;

/** A drive with these bad places. */
function drive(
  size: number,
  bad: readonly Range[],
  options: Omit<FaultySourceOptions, "map"> = {},
): FaultySource {
  const map = new RangeMap({ offset: 0, length: size }, "+");
  for (const range of bad) map.set(range, "-");
  return new FaultySource({ ...options, map });
}

/** What is read of a drive when these places cannot be. */
function contentWithout(
  size: number,
  bad: readonly Range[],
  sectorSize = 512,
): Uint8Array<ArrayBuffer> {
  const bytes = patternBytes(size, { sectorSize });
  for (const { offset, length } of bad) bytes.fill(0, offset, offset + length);
  return bytes;
}

/** Reads all of a source, in order; answers the bytes and the places called bad. */
async function readAll(
  source: FaultySource,
  reader: RangeReader,
  chunkBytes: number,
): Promise<{ bytes: Uint8Array; bad: readonly Range[] }> {
  const bytes = new Uint8Array(source.size).fill(0xdd);
  let at = 0;
  const { bad } = await runCopy({
    policy: orderedPolicy(source, reader, chunkBytes),
    consumers: [{
      name: "memory",
      consume(chunk): Promise<void> {
        assertEquals(chunk.offset, at);
        at += chunk.length;
        bytes.set(chunk.bytes, chunk.offset);
        return Promise.resolve();
      },
      finish: () => Promise.resolve(),
      abort: () => Promise.resolve(),
    }],
    chunkBytes,
  });
  assertEquals(at, source.size);
  return { bytes, bad };
}

/** How many reads fail while all of it is read, and exactly the bad sectors are lost. */
async function failuresOf(
  makeReader: (source: FaultySource) => RangeReader,
  size: number,
  bad: readonly Range[],
  options: Omit<FaultySourceOptions, "map"> = {},
): Promise<number> {
  const source = drive(size, bad, options);
  const result = await readAll(source, makeReader(source), 2 * MIB);
  assertEquals(result.bad, bad);
  assertBytes(result.bytes, contentWithout(size, bad));
  return source.failures;
}

for (const grain of [512, 4096]) {
  for (const kind of ["scattered", "dead", "clusters", "stripes", "mixed"] as const) {
    Deno.test(`in order, ${kind}, ${grain} bytes fail together: exactly these are lost, by fewer failing reads than piece by piece`, async () => {
      const size = 4 * MIB + 512;
      let failures = 0;
      let pieceByPiece = 0;
      for (let seed = 1; seed <= 2; seed++) {
        const { bad } = makeFaults(kind, { seed, size: 4 * MIB, grain });
        for (const series of [false, true]) {
          failures += await failuresOf((each) => new InOrderReader(each), size, bad, {
            series,
          });
          pieceByPiece += await failuresOf(salvagingReader, size, bad, { series });
        }
      }
      assert(failures <= pieceByPiece, `${failures} failed, ${pieceByPiece} piece by piece`);
    });
  }
}

Deno.test("in order: a healthy drive is read by chunks, nothing else", async () => {
  const source = drive(9 * MIB, []);
  await readAll(source, new InOrderReader(source), MIB);
  assertEquals(
    source.reads,
    Array.from({ length: 9 }, (_, i) => ({
      offset: i * MIB,
      length: MIB,
    })),
  );
});

Deno.test("in order: a sector is lost only if it fails once more than the retries allow", async () => {
  const bad = [{ offset: MIB + 77 * 512, length: 512 }];
  const first = drive(2 * MIB, bad);
  await readAll(first, new InOrderReader(first), MIB);
  const tries = first.failures;
  assert(tries >= 2, "no sector was tried");
  for (const retries of [0, 1, 2, 5]) {
    for (const readableAtTry of [tries + retries, tries + retries + 1]) {
      const source = drive(2 * MIB, bad, { readableAtTry });
      const result = await readAll(source, new InOrderReader(source, { retries }), MIB);
      const lost = readableAtTry > tries + retries ? bad : [];
      assertEquals(result.bad, lost, `${retries} retries, readable at try ${readableAtTry}`);
      assertBytes(result.bytes, contentWithout(2 * MIB, lost));
    }
  }
});

const PHASES = [[512, 256], [512, 1], [4096, 1024], [4096, 3584]] as const;

for (const [sectorSize, sectorPhase] of PHASES) {
  Deno.test(`in order: a medium that begins ${sectorPhase} bytes into a sector of ${sectorSize}`, async () => {
    const size = 5 * MIB / 2 + 300;
    const start = sectorSize - sectorPhase;
    const sectorAt = (offset: number): number => offset - (offset - start) % sectorSize;
    const map = new RangeMap({ offset: 0, length: size }, "+");
    // The cut one at the beginning, some in clusters, one across chunks, the cut one at the end.
    map.set({ offset: 0, length: start }, "-");
    for (const sector of [40, 41, 127, 128, 300]) {
      map.set({ offset: start + sector * sectorSize, length: sectorSize }, "-");
    }
    for (const offset of [MIB, size]) {
      map.set({ offset: sectorAt(offset), length: sectorSize }, "-");
    }
    const bad = map.ranges("-");
    const source = drive(size, bad, { sectorSize, sectorPhase });
    const result = await readAll(source, new InOrderReader(source), MIB);
    assertEquals(result.bad, bad);
    assertBytes(result.bytes, contentWithout(size, bad, sectorSize));
    for (const { offset, length } of source.reads) {
      for (const edge of [offset, offset + length]) {
        const isGiven = edge % MIB === 0 || edge === size;
        assert(isGiven || sectorAt(edge) === edge, `a sector is cut at ${edge}`);
      }
    }
  });
}

Deno.test("in order: an end that is no whole sector, bad or not", async () => {
  for (const sectorSize of [512, 4096]) {
    for (const tail of [1, 100, 511]) {
      for (const isBad of [true, false]) {
        const size = MIB + 3 * sectorSize + tail;
        const bad = [
          { offset: MIB + sectorSize, length: sectorSize },
          ...isBad ? [{ offset: size - tail, length: tail }] : [],
        ];
        const source = drive(size, bad, { sectorSize });
        const result = await readAll(source, new InOrderReader(source), MIB);
        assertEquals(result.bad, bad);
        assertBytes(result.bytes, contentWithout(size, bad, sectorSize));
      }
    }
  }
});

Deno.test("in order: with --sector-size nothing smaller is asked for, and lost in its place", async () => {
  const bad = [{ offset: 5 * 512, length: 512 }, { offset: MIB + 8 * 512, length: 512 }];
  const source = drive(2 * MIB, bad);
  const reader = new InOrderReader(source, { sectorSize: 4096 });
  const result = await readAll(source, reader, MIB);
  const pages = [{ offset: 0, length: 4096 }, { offset: MIB + 4096, length: 4096 }];
  assertEquals(result.bad, pages);
  assertBytes(result.bytes, contentWithout(2 * MIB, pages));
  assert(source.reads.every(({ length }) => length % 4096 === 0));
});

for (const options of [{ scrape: false }, { trim: false, scrape: false }]) {
  Deno.test(`in order: what ${Object.keys(options).join(" and ")} leave is zeros and listed`, async () => {
    const { bad } = makeFaults("dead", { seed: 3, size: 4 * MIB });
    const source = drive(4 * MIB, bad);
    const result = await readAll(source, new InOrderReader(source, options), MIB);
    for (const range of bad) {
      const inside = result.bad.flatMap((each) => intersection(each, range) ?? []);
      assertEquals(inside, [range]);
    }
    assertBytes(result.bytes, contentWithout(4 * MIB, result.bad));
    const all = await failuresOf((each) => new InOrderReader(each), 4 * MIB, bad);
    assert(source.failures < all / 4, `${source.failures} of ${all} reads failed`);
  });
}

Deno.test("in order: a place that fails is through before the next one is rescued", async () => {
  const bad = [{ offset: 9 * 512, length: 512 }, { offset: MIB + 70 * 512, length: 1024 }];
  const source = drive(2 * MIB, bad);
  const reader = new InOrderReader(source);
  const into = [new Uint8Array(MIB), new Uint8Array(MIB)] as const;
  const [first, second] = await Promise.all([
    reader.read({ offset: 0, length: MIB }, into[0]),
    reader.read({ offset: MIB, length: MIB }, into[1]),
  ]);
  assertEquals([first.bad, second.bad], bad.map((range) => [range]));
  // Both were asked for as a whole, before anything was known.
  const small = source.reads.slice(2).map(({ offset }) => offset < MIB);
  assert(small.includes(true) && small.includes(false));
  assertEquals(small, small.toSorted((a, b) => Number(b) - Number(a)));
});

Deno.test("in order: behind a bad place the next is not asked for as a whole, until one is good", async () => {
  const source = drive(4 * MIB, [{ offset: 600 * 512, length: 512 }]);
  const reader = new InOrderReader(source);
  const requests: number[] = [];
  for (let chunk = 0; chunk < 4; chunk++) {
    const range = { offset: chunk * MIB, length: MIB };
    const before = source.reads.length;
    await reader.read(range, new Uint8Array(MIB));
    requests.push(source.reads.length - before);
    const largest = Math.max(...source.reads.slice(before).map(({ length }) => length));
    assertEquals(largest === MIB, chunk !== 1, `chunk ${chunk}`);
  }
  assertEquals(requests.slice(2), [1, 1]);
});

Deno.test("in order: once it failed, one chunk is asked for after the other", async () => {
  for (const bad of [[], [{ offset: 512, length: 512 }]]) {
    let most = 0;
    const source: FaultySource = drive(6 * MIB, bad, {
      delay(): Promise<void> {
        most = Math.max(most, source.underWay);
        return new Promise((resolve) => setTimeout(resolve, 0));
      },
    });
    const reader = new InOrderReader(source);
    const readChunk = (chunk: number): Promise<unknown> =>
      reader.read({ offset: chunk * MIB, length: MIB }, new Uint8Array(MIB));
    for (const chunk of [0, 1]) await readChunk(chunk);
    most = 0;
    await Promise.all([2, 3, 4].map(readChunk));
    assertEquals(most, bad.length === 0 ? 3 : 1);
  }
});

Deno.test("in order: what failed as a whole is not asked for once more", async () => {
  for (const length of [512, 4096, 65536]) {
    const source = drive(2 * 65536, [{ offset: 0, length }]);
    const reader = new InOrderReader(source, { trim: false, scrape: false });
    const into = new Uint8Array(length).fill(0xdd);
    assertEquals(await reader.read({ offset: 0, length }, into), {
      length,
      bad: [{ offset: 0, length }],
    });
    assertEquals(source.reads, [{ offset: 0, length }]);
    assertBytes(into, new Uint8Array(length));
  }
});

Deno.test("in order: a drive that goes away is an error, at whatever request", async () => {
  const bad = [{ offset: 70 * 512, length: 1024 }];
  const healthy = drive(MIB, bad);
  await new InOrderReader(healthy).read({ offset: 0, length: MIB }, new Uint8Array(MIB));
  const count = healthy.reads.length;
  for (const series of [false, true]) {
    for (const goneAtRead of [0, 1, 2, 3, 10, count - 1]) {
      const source = drive(MIB, bad, { goneAtRead, series });
      const reader = new InOrderReader(source);
      const error = await assertRejects(
        () => reader.read({ offset: 0, length: MIB }, new Uint8Array(MIB)),
        ReadError,
      );
      assertEquals(error.osCode, "ENODEV");
      // One more may have been under way.
      assert(source.reads.length <= goneAtRead + 2, `${source.reads.length} reads`);
    }
  }
});

Deno.test("in order: a drive that ends early is an error, with bad places or not", async () => {
  for (const bad of [[], [{ offset: 512, length: 512 }]]) {
    const source = drive(MIB, bad, { endsAt: 100_000 });
    const error = await assertRejects(
      () => readAll(source, new InOrderReader(source), MIB),
      ReadError,
      "it ends there",
    );
    assertEquals(error.offset, 100_000);
  }
});

Deno.test("in order: of what reaches past the end, the bytes up to the end", async () => {
  const size = 65536 + 1024;
  for (const bad of [[], [{ offset: size - 512, length: 512 }]]) {
    const reader = new InOrderReader(drive(size, bad));
    const into = new Uint8Array(4096);
    const outcome = await reader.read({ offset: 65536, length: 4096 }, into);
    assertEquals(outcome, { length: 1024, bad });
    assertBytes(into.subarray(0, 1024), contentWithout(size, bad).subarray(65536));
    const behind = await reader.read({ offset: size + 4096, length: 4096 }, into);
    assertEquals(behind, { length: 0, bad: [] });
  }
});

Deno.test("in order: what is no read error is passed on", async () => {
  const source = drive(MIB, [], { delay: () => Promise.reject(new TypeError("a bug")) });
  await assertRejects(
    () => new InOrderReader(source).read({ offset: 0, length: MIB }, new Uint8Array(MIB)),
    TypeError,
    "a bug",
  );
});

Deno.test("in order: cancelling ends a rescue, also while a read of it hangs", async () => {
  const asked = Promise.withResolvers<void>();
  const hang = Promise.withResolvers<void>();
  const source = drive(MIB, [{ offset: 0, length: 512 }], {
    delay(read): Promise<void> | undefined {
      if (read < 3) return undefined;
      asked.resolve();
      return hang.promise;
    },
  });
  const reader = new InOrderReader(source);
  const into = new Uint8Array(MIB).fill(0xdd);
  const reading = reader.read({ offset: 0, length: MIB }, into);
  await asked.promise;
  reader.cancel();
  const error = await assertRejects(() => reading, ImagingError);
  assertEquals(error.kind, "cancelled");
  assert(source.underWay > 0, "no read hangs");
  // The memory is the caller's again: what comes late does not go there.
  const left = into.slice();
  hang.resolve();
  while (source.underWay > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  await new Promise((resolve) => setTimeout(resolve, 1));
  assertBytes(into, left);
});

/** Where requests hang that touch it, with all that come behind them until they are given up. */
const STUCK = MIB + 70_656;
const STUCK_SECTOR = { offset: STUCK, length: 512 };

/** A drive on which requests hang at {@linkcode STUCK}. */
function stuckDrive(
  bad: readonly Range[],
  options: Omit<FaultySourceOptions, "map" | "delay"> = {},
): FaultySource {
  let stuckSince = -1;
  const source: FaultySource = drive(12 * MIB, bad, {
    abandons: Infinity,
    ...options,
    delay(_read, offset, length): Promise<void> | undefined {
      const { abandoned } = source;
      if (offset <= STUCK && STUCK < offset + length) stuckSince = abandoned;
      return stuckSince === abandoned ? new Promise(() => {}) : undefined;
    },
  });
  return source;
}

for (const series of [false, true]) {
  Deno.test(`in order: what hangs is given up and counts as failed${series ? ", in series" : ""}`, async () => {
    const told: Range[] = [];
    const bad = [{ offset: MIB + 600 * 512, length: 1024 }, { offset: 5 * MIB, length: 512 }];
    const source = stuckDrive(bad, { series });
    const reader = new InOrderReader(source, {
      readTimeoutMilliseconds: 40,
      onAbandoned: (range) => told.push(range),
    });
    const result = await readAll(source, reader, MIB);
    const lost = [...bad, STUCK_SECTOR].toSorted((a, b) => a.offset - b.offset);
    assertEquals(result.bad, lost);
    assertBytes(result.bytes, contentWithout(12 * MIB, lost));
    assertEquals(told.length, source.abandoned);
    // What only waited behind it has not failed.
    for (const { offset, length } of told) {
      assert(offset <= STUCK && STUCK < offset + length, `${offset}+${length} did not hang`);
    }
    assertEquals(told.at(-1), STUCK_SECTOR);
  });
}

Deno.test("in order: memory that was given up is the system's, and what waited is read again", async () => {
  const source = stuckDrive([]);
  const reader = new InOrderReader(source, { readTimeoutMilliseconds: 40 });
  let lent = 0;
  const places = [MIB, 2 * MIB, 3 * MIB].map(async (offset) => {
    const into = new Uint8Array(MIB);
    const outcome = await reader.read({ offset, length: MIB }, into, () => lent++);
    const expected = contentWithout(12 * MIB, [STUCK_SECTOR]);
    assertBytes(outcome.bytes ?? into, expected.subarray(offset, offset + MIB));
    assertEquals(outcome.bad, offset === MIB ? [STUCK_SECTOR] : []);
    return outcome.bytes !== undefined;
  });
  // Two had been asked for, so that no more memory is lost.
  assertEquals(await Promise.all(places), [true, true, false]);
  assertEquals(lent, 2);
});

Deno.test("in order: what only waited behind what hung has not failed", async () => {
  const reader = new InOrderReader(stuckDrive([]), {
    trim: false,
    scrape: false,
    readTimeoutMilliseconds: 40,
  });
  const length = 4096;
  const places = [STUCK, STUCK + length].map((offset) =>
    reader.read({ offset, length }, new Uint8Array(length))
  );
  const bad = (await Promise.all(places)).map((outcome) => outcome.bad);
  assertEquals(bad, [[{ offset: STUCK, length }], []]);
});

Deno.test("in order: where a place fails and the one behind it hangs, neither spoils the other", async () => {
  const bad = [{ offset: 512, length: 512 }];
  const source = stuckDrive(bad);
  const reader = new InOrderReader(source, { readTimeoutMilliseconds: 40 });
  const result = await readAll(source, reader, MIB);
  assertEquals(result.bad, [...bad, STUCK_SECTOR]);
  assertBytes(result.bytes, contentWithout(12 * MIB, result.bad));
});

Deno.test("in order: where a drive that hung cannot be opened again, it went away", async () => {
  const source = stuckDrive([], { abandonedCode: "ENODEV" });
  const reader = new InOrderReader(source, { readTimeoutMilliseconds: 40 });
  let lent = 0;
  const error = await assertRejects(
    () => reader.read({ offset: MIB, length: MIB }, new Uint8Array(MIB), () => lent++),
    ReadError,
  );
  assertEquals([error.osCode, lent], ["ENODEV", 1]);
});

Deno.test("in order: after cancelling nothing is given up any more", async () => {
  const source = stuckDrive([]);
  const reader = new InOrderReader(source, { readTimeoutMilliseconds: 40 });
  reader.read({ offset: MIB, length: MIB }, new Uint8Array(MIB));
  await new Promise((resolve) => setTimeout(resolve, 1));
  reader.cancel();
  await new Promise((resolve) => setTimeout(resolve, 150));
  assertEquals([source.underWay, source.abandoned], [1, 0]);
});

Deno.test("in order: a stream is refused", () => {
  const stream = new StreamSource("stdin", new ReadableStream({ type: "bytes" }));
  assertThrows(() => new InOrderReader(stream), RangeError, "stdin is a stream");
});

Deno.test("in order: progress counts bad areas over all places", async () => {
  const { bad } = makeFaults("scattered", { seed: 5, size: 4 * MIB });
  const told: RescueProgress[] = [];
  const options: InOrderReaderOptions = { onProgress: (progress) => told.push(progress) };
  const source = drive(4 * MIB, bad);
  await readAll(source, new InOrderReader(source, options), MIB);
  const last = told.at(-1);
  assertEquals(last?.badAreas, bad.length);
  assertEquals(last?.unreadableBytes, bad.reduce((sum, each) => sum + each.length, 0));
  assertEquals(last?.pendingBytes, 0);
  const areas = told.map(({ badAreas }) => badAreas);
  assertEquals(areas, areas.toSorted((a, b) => a - b));
});
