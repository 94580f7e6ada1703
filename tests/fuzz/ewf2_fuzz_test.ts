import { assert } from "@std/assert";
import type { Bytes } from "../../src/core/block.ts";
import { viewOf } from "../../src/core/bytes.ts";
import { DamageError, ImagingError } from "../../src/core/errors.ts";
import { endOf } from "../../src/core/range.ts";
import { adler32 } from "../../src/formats/ewf/adler32.ts";
import { outcomeOf, shownBeside } from "../formats/damage_outcomes.ts";
import {
  type CraftedChunk,
  type CraftedEntry,
  type CraftedSection,
  DESCRIPTOR_BYTES,
  digestData,
  group,
  openFiles2,
  openFolder2,
  packedChunk,
  plainChunk,
  runTable,
  section,
  segmentOf,
  serialized,
  type Tags,
} from "../formats/ewf2_images.ts";
import { CONTENTS, sampleFiles } from "../formats/ewf2_samples.ts";
import { MemoryFolder, onlyFile } from "../formats/ewf_images.ts";
import { patternBytes } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";
import { breathe } from "./breathe.ts";

/** A round takes about a millisecond. `SECTORSHOT_FUZZ=1000000` for a night. */
const ROUNDS = Number(Deno.env.get("SECTORSHOT_FUZZ") ?? 2500);

/** Numbers that break counting. */
const NASTY = [
  0n,
  1n,
  2n,
  8n,
  31n,
  32n,
  63n,
  64n,
  65n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  1n << 52n,
  (1n << 53n) - 1n,
  1n << 53n,
  1n << 63n,
  (1n << 64n) - 1n,
];

type Next = (limit: number) => number;

/** Mostly the number itself, sometimes one that breaks counting. */
function maybeNasty(next: Next, value: bigint): bigint {
  return next(60) > 0 ? value : NASTY[next(NASTY.length)] ?? 0n;
}

/** The same for numbers of 32 bits. */
function maybeNasty32(next: Next, value: number): number {
  return Number(maybeNasty(next, BigInt(value)) & 0xffff_ffffn);
}

const CHUNK_BYTES = 1024;

function chunks(next: Next, count: number): CraftedChunk[] {
  return Array.from({ length: count }, () => {
    const content = patternBytes(next(20) === 0 ? next(CHUNK_BYTES + 9) : CHUNK_BYTES);
    return next(2) === 0 ? packedChunk(content) : plainChunk(content);
  });
}

/** Entries most of which are right; some chunks are filled by a pattern. */
function entriesOf(next: Next, entries: readonly CraftedEntry[]): CraftedEntry[] {
  return entries.map(({ offset, size, flags }) => {
    if (next(8) === 0) return { offset: NASTY[next(NASTY.length)] ?? 0n, size: 8, flags: 5 };
    return {
      offset: maybeNasty(next, offset),
      size: maybeNasty32(next, size),
      flags: next(50) === 0 ? next(16) : flags,
    };
  });
}

/** The sections of a segment, most of which make sense. `first` is that of its chunks. */
function sectionsOf(
  next: Next,
  counts: readonly number[],
  { first, total, isLast }: {
    readonly first: number;
    readonly total: number;
    readonly isLast: boolean;
  },
): CraftedSection[] {
  const number = (value: number): string => `${maybeNasty(next, BigInt(value))}`;
  const device: Tags = {
    ts: number(total * 2),
    bp: number(512),
    ph: next(3),
    dt: "f",
    hs: next(3),
  };
  const data: Tags = {
    nt: "x\u0003y".repeat(next(9)),
    tb: number(total),
    cp: next(50) === 0 ? next(3) : "",
    sb: number(2),
    tt: number(1_000_000_000),
  };
  const sections = [section(0x01, serialized(device)), section(0x02, serialized(data))];
  let at = first;
  for (const count of counts) {
    const start = next(60) === 0 ? next(9) : at;
    const change = (entries: readonly CraftedEntry[]): CraftedEntry[] =>
      entriesOf(next, entries);
    const [sectors, table] = group(start, chunks(next, count), change, next(4) > 0 ? 16 : 1);
    if (sectors !== undefined) sections.push(sectors);
    if (table !== undefined && next(30) > 0) sections.push(table);
    at += count;
  }
  const run = (): readonly [bigint, number] => [maybeNasty(next, BigInt(next(20))), next(9)];
  const more = [
    section(0x05, runTable([run(), run()], 16, maybeNasty32(next, 2))),
    section(0x06, runTable([run()], 32, maybeNasty32(next, 1))),
    section(0x08, digestData("a1".repeat(16))),
    section(0x09, digestData("b2".repeat(20))),
    section(0x10, serialized({ tps: number(512) })),
    section([0x07, 0x0a, 0x0c, 0x0e, 0x55][next(5)] ?? 0, new Uint8Array(next(40))),
  ];
  for (const each of more) if (next(4) === 0) sections.push(each);
  if (next(200) === 0) sections.push(section(next(2) === 0 ? 0x0b : 0x21));
  if (next(20) > 0) sections.push(section(isLast !== (next(20) === 0) ? 0x0f : 0x0d));
  return sections.map((each): CraftedSection => ({
    ...each,
    flags: next(300) === 0 ? next(8) : next(3) === 0 ? 1 : 0,
    ...(next(60) === 0 ? { before: next(50) } : {}),
    ...(next(60) === 0 ? { md5: new Uint8Array(16) } : {}),
    ...(next(6) > 0 ? {} : {
      previous: (right: number) => maybeNasty(next, BigInt(right)),
      dataBytes: (right: number) => maybeNasty(next, BigInt(right)),
      paddingBytes: maybeNasty32(next, 0),
    }),
  }));
}

/** Changes some bytes, or cuts, or adds. */
function spoiled(next: Next, bytes: Bytes): Bytes {
  const how = next(24);
  const copy = how > 1
    ? bytes.slice()
    : how === 0
    ? bytes.slice(0, next(bytes.length + 1))
    : Uint8Array.from([...bytes, ...patternBytes(next(200))]);
  for (let changes = next(3) === 0 ? next(5) : 0; changes > 0 && copy.length > 0; changes--) {
    copy[next(copy.length)] = next(256);
  }
  return copy;
}

interface Counts {
  refused: number;
  damaged: number;
  read: number;
  whole: number;
}

/** The rounds are well chosen when all of it happens often. */
function assertOften(counts: Readonly<Record<string, number>>, rounds: number): void {
  for (const [name, count] of Object.entries(counts)) {
    assert(rounds < 1000 || count > rounds / 100, `only ${count} ${name} of ${rounds}`);
  }
}

Deno.test("whatever an .Ex01 holds, it is read, damaged, or an ImagingError", async () => {
  const next = seededNumbers(97);
  const counts: Counts = { refused: 0, damaged: 0, read: 0, whole: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    await breathe(round);
    const segments = Array.from(
      { length: next(4) === 0 ? 1 + next(4) : 1 },
      () => Array.from({ length: next(3) }, () => 1 + next(5)),
    );
    const total = segments.flat().reduce((sum, count) => sum + count, 0);
    const files = new Map<string, Bytes>();
    let first = 0;
    for (const [segment, groups] of segments.entries()) {
      const isLast = segment === segments.length - 1;
      const sections = sectionsOf(next, groups, { first, total, isLast });
      const header = { number: next(80) === 0 ? next(9) : segment + 1 };
      if (next(60) > 0) {
        files.set(`card.Ex0${segment + 1}`, spoiled(next, segmentOf(sections, header)));
      }
      first += groups.reduce((sum, count) => sum + count, 0);
    }
    if (!files.has("card.Ex01")) continue;
    try {
      await readSome(next, new MemoryFolder(files, "card.Ex01"), counts);
    } catch (error) {
      throw new Error(`round ${round}`, { cause: error });
    }
  }
  assertOften({ ...counts }, ROUNDS);
});

/** Opens the image and reads here and there: the medium may be said to be very large. */
async function readSome(next: Next, folder: MemoryFolder, counts: Counts): Promise<void> {
  let image;
  try {
    image = await openFolder2(folder);
  } catch (error) {
    if (!(error instanceof ImagingError)) throw error;
    counts.refused++;
    assert(folder.openFiles <= 1, "a segment was left open");
    return;
  }
  const { media, unreadable = [], findings } = image;
  assert(Number.isSafeInteger(media.size) && media.size >= 0);
  assert(unreadable.every((range) => range.length > 0 && endOf(range) <= media.size));
  for (let reads = 0; reads < 4; reads++) {
    const offset = reads === 0 ? 0 : next(3) === 0 ? next(4096) : Math.floor(
      media.size * next(1000) / 1000,
    );
    const into = new Uint8Array(next(8192));
    try {
      const count = await media.readAt(offset, into);
      assert(count === Math.min(into.length, Math.max(0, media.size - offset)));
      counts.read++;
    } catch (error) {
      if (!(error instanceof DamageError)) throw error;
      const { range } = error;
      assert(range.length > 0 && range.offset >= 0 && endOf(range) <= media.size);
      counts.damaged++;
    }
  }
  if (findings.length === 0) counts.whole++;
  await media[Symbol.asyncDispose]();
  assert(folder.openFiles === 0);
}

const SEEDS = ["every", "plain", "sectors4096", "oneSector", "emptyBlock", "odd"] as const;

Deno.test("whatever is changed in an .Ex01 of libewf, no wrong byte is shown as right", async () => {
  const next = seededNumbers(98);
  const seeds = await Promise.all(SEEDS.map(async (name) => {
    const beside = shownBeside(await openFiles2(sampleFiles(name)));
    return { file: onlyFile(sampleFiles(name)), bytes: CONTENTS[name](), beside };
  }));
  const counts: Record<string, number> = { error: 0, finding: 0, damage: 0, same: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    await breathe(round);
    const { file, bytes, beside } = seeds[next(seeds.length)] ?? seeds[0] ?? fail();
    const copy = spoiled(next, file);
    // The identifier of the set is covered by nothing.
    copy.set(file.subarray(16, Math.min(32, copy.length)), Math.min(16, copy.length));
    const files = new Map([["card.Ex01", copy]]);
    const expected = { bytes, beside, open: openFiles2 };
    const outcome = await outcomeOf(files, expected, `round ${round}`);
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  assertOften(counts, ROUNDS);
});

function fail(): never {
  throw new Error("There is no sample");
}

/** Changes numbers of descriptors and tables of a real image, and makes their checksums right. */
function forged(next: Next, file: Bytes): Bytes {
  const copy = file.slice();
  const view = viewOf(copy);
  for (let at = file.length - DESCRIPTOR_BYTES; at > 0;) {
    const previous = Number(viewOf(file).getBigUint64(at + 8, true));
    const start = at - Number(viewOf(file).getBigUint64(at + 16, true));
    if (viewOf(file).getUint32(at, true) === 4 && next(2) === 0) {
      const entries = viewOf(file).getUint32(start + 8, true);
      const field = next(3) === 0 ? next(16) : 32 + next(entries * 16);
      for (let byte = next(8); byte >= 0; byte--) copy[start + field + byte] = next(256);
      const count = Math.min(view.getUint32(start + 8, true), entries);
      const sums = [[start, start + 16], [start + 32, start + 32 + count * 16]] as const;
      for (const [from, to] of sums) view.setUint32(to, adler32(copy.subarray(from, to)), true);
    }
    if (next(4) === 0) {
      const field = [0, 4, 8, 16, 24, 28][next(6)] ?? 0;
      view.setUint32(
        at + field,
        Number((NASTY[next(NASTY.length)] ?? 0n) & 0xffff_ffffn),
        true,
      );
      view.setUint32(at + 60, adler32(copy.subarray(at, at + 60)), true);
    }
    if (previous === 0) break;
    at = previous;
  }
  return copy;
}

Deno.test("an .Ex01 of libewf that was forged is read, damaged, or an ImagingError", async () => {
  const next = seededNumbers(99);
  const files = SEEDS.map((name) => onlyFile(sampleFiles(name)));
  const counts: Counts = { refused: 0, damaged: 0, read: 0, whole: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    await breathe(round);
    const file = forged(next, files[next(files.length)] ?? fail());
    try {
      await readSome(next, new MemoryFolder(new Map([["card.Ex01", file]])), counts);
    } catch (error) {
      throw new Error(`round ${round}`, { cause: error });
    }
  }
  assertOften({ ...counts }, ROUNDS);
});
