/** Images of which no program makes the like, put together by the specification. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { deflateSync } from "node:zlib";
import { DamageTolerantSource } from "../../src/blocks/damage_tolerant.ts";
import type { Bytes } from "../../src/core/block.ts";
import { DamageError, FormatError } from "../../src/core/errors.ts";
import { formatDigest, formatHash } from "../../src/formats/ewf/ewf_digest.ts";
import { endOf, type Range } from "../../src/core/range.ts";
import {
  DESCRIPTOR_BYTES,
  FILE_HEADER_BYTES,
  formatDescriptor,
  formatFileHeader,
} from "../../src/formats/ewf/ewf_sections.ts";
import { formatError2 } from "../../src/formats/ewf/ewf_ranges.ts";
import { formatTable, PACKED } from "../../src/formats/ewf/ewf_table.ts";
import { formatSmartVolume, formatVolume } from "../../src/formats/ewf/ewf_volume.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { type ImageFiles, imageOf, openFiles } from "./ewf_images.ts";

const CHUNK_BYTES = 1024;

/** A section; its descriptor may say something wrong, or be damaged behind its checksum. */
interface CraftedSection {
  readonly type: string;
  /** Given the byte of the file where it begins. */
  readonly content: (start: number) => Uint8Array;
  readonly next?: (start: number, end: number) => number;
  readonly size?: number;
  /** Bytes of the descriptor that are inverted. */
  readonly damaged?: readonly number[];
}

function segmentOf(number: number, sections: readonly CraftedSection[]): Bytes {
  const parts: number[] = [...formatFileHeader(number)];
  for (const { type, content, next, size, damaged = [] } of sections) {
    const at = parts.length;
    const bytes = content(at + DESCRIPTOR_BYTES);
    const end = at + DESCRIPTOR_BYTES + bytes.length;
    const isLast = type === "next" || type === "done";
    const descriptor = formatDescriptor({
      type,
      next: next?.(at, end) ?? (isLast ? at : end),
      size: size ?? (isLast ? 0 : end - at),
    });
    for (const place of damaged) descriptor[place] = ~(descriptor[place] ?? 0);
    parts.push(...descriptor, ...bytes);
  }
  return Uint8Array.from(parts);
}

function section(type: string, content: Uint8Array = new Uint8Array()): CraftedSection {
  return { type, content: () => content };
}

interface Counts {
  readonly chunkCount: number;
  readonly sectorCount: number;
}

function volumeBytes({ chunkCount, sectorCount }: Counts, isSmart = false): Bytes {
  const geometry = { chunkCount, sectorCount, chunkSectors: 2, sectorBytes: 512 };
  return isSmart ? formatSmartVolume(geometry) : formatVolume({
    ...geometry,
    mediaType: 1,
    mediaFlags: 3,
    compressionLevel: 1,
    errorGranularity: 2,
    setIdentifier: new Uint8Array(16),
  });
}

/** Packed chunks behind each other, and where each of them begins. */
function packed(chunks: readonly Uint8Array[]): {
  readonly bytes: Bytes;
  readonly starts: readonly number[];
} {
  const parts: number[] = [];
  const starts = chunks.map((chunk) => {
    const start = parts.length;
    parts.push(...deflateSync(chunk));
    return start;
  });
  return { bytes: Uint8Array.from(parts), starts };
}

function chunksOf(content: Bytes): Bytes[] {
  return Array.from(
    { length: Math.ceil(content.length / CHUNK_BYTES) },
    (_, index) => content.slice(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES),
  );
}

/** A group as EnCase writes it. `damaged` are bytes of the descriptors of both tables. */
function group(
  chunks: readonly Uint8Array[],
  damaged: readonly number[] = [],
): CraftedSection[] {
  const { bytes, starts } = packed(chunks);
  let base = 0;
  const table = (): Uint8Array => formatTable(base, starts.map((start) => start + PACKED));
  return [
    {
      type: "sectors",
      content: (start) => {
        base = start;
        return bytes;
      },
    },
    { type: "table", content: table, damaged },
    { type: "table2", content: table, damaged },
  ];
}

/** A group as SMART writes it: the chunks lie behind the entries. */
function smartGroup(
  chunks: readonly Uint8Array[],
  damaged: readonly number[] = [],
): CraftedSection {
  const { bytes, starts } = packed(chunks);
  return {
    type: "table",
    damaged,
    content: (start) => {
      const behind = start + 24 + chunks.length * 4;
      const table = formatTable(0, starts.map((each) => behind + each + PACKED), false);
      return Uint8Array.from([...table, ...bytes]);
    },
  };
}

/** All that can be read, with zeros elsewhere, and where that is. */
async function readTolerant(files: ImageFiles): Promise<{
  readonly shown: Bytes;
  readonly damaged: readonly Range[];
  readonly warnings: readonly string[];
}> {
  const image = await openFiles(files);
  const media = new DamageTolerantSource(image.media);
  const shown = new Uint8Array(media.size);
  assertEquals(await media.readAt(0, shown), shown.length);
  const warnings = image.findings.filter(({ level }) => level === "warning")
    .map(({ message }) => message);
  return { shown, damaged: media.damaged, warnings };
}

/** The content with zeros in place of these chunks. */
function without(content: Bytes, first: number, count: number): Bytes {
  return content.slice().fill(0, first * CHUNK_BYTES, (first + count) * CHUNK_BYTES);
}

const CONTENT = patternBytes(9 * CHUNK_BYTES);
const CHUNKS = chunksOf(CONTENT);
const COUNTS = { chunkCount: 9, sectorCount: 18 };

Deno.test("several groups in one file are one medium", async () => {
  const file = segmentOf(1, [
    section("volume", volumeBytes(COUNTS)),
    ...group(CHUNKS.slice(0, 4)),
    ...group(CHUNKS.slice(4, 5)),
    ...group(CHUNKS.slice(5)),
    section("done"),
  ]);
  const { shown, damaged, warnings } = await readTolerant(imageOf(file));
  assertBytes(shown, CONTENT);
  assertEquals(damaged, []);
  assertEquals(warnings, []);
});

Deno.test("a group whose two tables are not recognized any more leaves a gap", async () => {
  const fileWith = (damaged: readonly number[]): ImageFiles =>
    imageOf(segmentOf(1, [
      section("volume", volumeBytes(COUNTS)),
      ...group(CHUNKS.slice(0, 4)),
      ...group(CHUNKS.slice(4, 6), damaged),
      ...group(CHUNKS.slice(6)),
      section("done"),
    ]));
  // The first letter of their types.
  const gap = await readTolerant(fileWith([0]));
  assert(gap.warnings.length > 0);
  assertEquals(gap.damaged, [{ offset: 4 * CHUNK_BYTES, length: 2 * CHUNK_BYTES }]);
  assertBytes(gap.shown, without(CONTENT, 4, 2));
  // Their padding: it is known where they end and what they are.
  const whole = await readTolerant(fileWith([50]));
  assertEquals(whole.warnings.length, 2, whole.warnings.join());
  assertBytes(whole.shown, CONTENT);
  // Their types, and two different ends: what follows is lost.
  const cut = await readTolerant(fileWith([0, 24]));
  assertEquals(cut.damaged, [{ offset: 4 * CHUNK_BYTES, length: 5 * CHUNK_BYTES }]);
  assertBytes(cut.shown, without(CONTENT, 4, 5));
});

Deno.test("a segment of SMART whose table is not recognized any more leaves a gap", async () => {
  const files = new Map([
    [
      "card.s01",
      segmentOf(1, [
        section("volume", volumeBytes(COUNTS, true)),
        smartGroup(CHUNKS.slice(0, 4)),
        section("next"),
      ]),
    ],
    ["card.s02", segmentOf(2, [smartGroup(CHUNKS.slice(4, 6), [0]), section("next")])],
    ["card.s03", segmentOf(3, [smartGroup(CHUNKS.slice(6)), section("done")])],
  ]);
  const { shown, damaged, warnings } = await readTolerant(files);
  assert(warnings.some((message) => message.startsWith("card.s02: ")), warnings.join());
  assertEquals(damaged, [{ offset: 4 * CHUNK_BYTES, length: 2 * CHUNK_BYTES }]);
  assertBytes(shown, without(CONTENT, 4, 2));
});

Deno.test("behind a gap of which nobody knows how long it is, nothing is shown", async () => {
  for (const counts of [{ chunkCount: 0, sectorCount: 0 }, { chunkCount: 3, sectorCount: 6 }]) {
    const file = segmentOf(1, [
      section("volume", volumeBytes(counts)),
      ...group(CHUNKS.slice(0, 2)),
      ...group(CHUNKS.slice(2, 4), [0]),
      ...group(CHUNKS.slice(4)),
      section("done"),
    ]);
    const { shown, damaged, warnings } = await readTolerant(imageOf(file));
    assert(warnings.length > 0);
    const end = damaged[0]?.offset ?? shown.length;
    assert(end <= 2 * CHUNK_BYTES, `${end} bytes are shown`);
    assertBytes(shown.subarray(0, end), CONTENT.subarray(0, end));
    assert(damaged.every((range) => endOf(range) === shown.length));
  }
});

Deno.test("a chunk that holds too little, or too much, is damaged", async () => {
  for (const length of [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES + 1, 100 * CHUNK_BYTES]) {
    const chunks = CHUNKS.with(3, patternBytes(length));
    const file = segmentOf(1, [
      section("volume", volumeBytes(COUNTS)),
      ...group(chunks),
      section("done"),
    ]);
    const { media } = await openFiles(imageOf(file));
    const into = new Uint8Array(CONTENT.length);
    const error = await assertRejects(() => media.readAt(0, into), DamageError);
    assertEquals(error.range, { offset: 3 * CHUNK_BYTES, length: CHUNK_BYTES });
    assert(error.message.startsWith("card.E01 is damaged in sectors 6 to 7"), error.message);
  }
});

Deno.test("counts that do not agree are told of", async () => {
  const cases: readonly (readonly [Counts, size: number, word: string])[] = [
    [{ chunkCount: 9, sectorCount: 16 }, 8192, "tells of"],
    [{ chunkCount: 8, sectorCount: 18 }, 9216, "tells of"],
    [{ chunkCount: 9, sectorCount: 22 }, 11_264, "cannot be read"],
    [{ chunkCount: 0, sectorCount: 18 }, 9216, ""],
    [{ chunkCount: 0, sectorCount: 0 }, 9216, "how large"],
    [{ chunkCount: 4_000_000_000, sectorCount: 18 }, 9216, "tells of"],
  ];
  for (const [counts, size, word] of cases) {
    const file = segmentOf(1, [
      section("volume", volumeBytes(counts)),
      ...group(CHUNKS),
      section("done"),
    ]);
    const { shown, warnings, damaged } = await readTolerant(imageOf(file));
    assertEquals(shown.length, size);
    const readable = Math.min(size, CONTENT.length);
    assertBytes(shown.subarray(0, readable), CONTENT.subarray(0, readable));
    assertEquals(damaged.length, size > CONTENT.length ? 1 : 0);
    if (word === "") assertEquals(warnings, []);
    else assert(warnings.some((message) => message.includes(word)), warnings.join());
  }
});

Deno.test("sections that lead back, or that contradict themselves, end no reader", async () => {
  const back = segmentOf(1, [
    section("volume", volumeBytes(COUNTS)),
    ...group(CHUNKS),
    { ...section("data"), next: () => FILE_HEADER_BYTES },
  ]);
  const circle = await readTolerant(imageOf(back));
  assertBytes(circle.shown, CONTENT);
  assert(circle.warnings.some((each) => each.includes("leads back to byte 13")));
  const twofold = segmentOf(1, [
    section("volume", volumeBytes(COUNTS)),
    { ...section("header", new Uint8Array(50)), size: 99 },
    ...group(CHUNKS),
    section("done"),
  ]);
  const { shown, warnings } = await readTolerant(imageOf(twofold));
  assertBytes(shown, CONTENT);
  assert(warnings.some((each) => each.includes("two places where it ends")));
  // Expert Witness 1.35 leaves the size out.
  const unsized = segmentOf(
    1,
    [section("volume", volumeBytes(COUNTS)), ...group(CHUNKS), section("done")]
      .map((each) => ({ ...each, size: 0 })),
  );
  assertEquals((await readTolerant(imageOf(unsized))).warnings, []);
});

Deno.test("without a volume there is no medium", async () => {
  const file = segmentOf(1, [...group(CHUNKS), section("done")]);
  await assertRejects(() => openFiles(imageOf(file)), FormatError, "no volume section");
  const data = segmentOf(1, [
    ...group(CHUNKS),
    section("data", volumeBytes(COUNTS)),
    section("done"),
  ]);
  const { shown, warnings } = await readTolerant(imageOf(data));
  assertBytes(shown, CONTENT);
  assert(warnings.some((each) => each.includes("its data section is used")));
});

Deno.test("a table and its copy that differ, though both are sound, are told of", async () => {
  const [sectors, table, copy] = group(CHUNKS);
  if (sectors === undefined || table === undefined || copy === undefined) throw new Error();
  const other = { ...copy, content: () => formatTable(0, [1, 2, 3]) };
  const file = segmentOf(1, [
    section("volume", volumeBytes(COUNTS)),
    sectors,
    table,
    other,
    section("done"),
  ]);
  const { shown, warnings } = await readTolerant(imageOf(file));
  assertBytes(shown, CONTENT);
  assert(warnings.some((each) => each.includes("and its copy differ")));
});

/** An image of nine chunks with these sections behind them. */
function imageWith(...sections: readonly CraftedSection[]): ImageFiles {
  return imageOf(segmentOf(1, [
    section("volume", volumeBytes(COUNTS)),
    ...group(CHUNKS),
    ...sections,
    section("done"),
  ]));
}

async function warningsOf(files: ImageFiles): Promise<string[]> {
  const { findings } = await openFiles(files);
  return findings.filter(({ level }) => level === "warning").map(({ message }) => message);
}

Deno.test("digests that are zero were not set, and two that differ are told of", async () => {
  const md5 = "a1".repeat(16);
  const hash = section("hash", formatHash({ md5 }));
  const agree = imageWith(
    section("digest", formatDigest({ md5, sha1: "0c".repeat(20) })),
    hash,
  );
  assertEquals((await openFiles(agree)).digests, [
    { algorithm: "md5", hex: md5 },
    { algorithm: "sha1", hex: "0c".repeat(20) },
  ]);
  assertEquals(await warningsOf(agree), []);
  const unset = imageWith(section("digest", formatDigest({})), section("hash", formatHash({})));
  assertEquals((await openFiles(unset)).digests, []);
  const other = section("digest", formatDigest({ md5: "b2".repeat(16) }));
  const [warning = ""] = await warningsOf(imageWith(other, hash));
  assert(warning.includes("another md5"), warning);
});

Deno.test("unreadable places are joined and stay within the medium", async () => {
  const runs = [
    { first: 4, count: 2 },
    { first: 6, count: 1 },
    { first: 1, count: 1 },
    { first: 17, count: 100 },
    { first: 18, count: 1 },
    { first: 0xffff_ffff, count: 0xffff_ffff },
  ];
  const files = imageWith(section("error2", formatError2(runs)));
  assertEquals((await openFiles(files)).unreadable, [
    { offset: 512, length: 512 },
    { offset: 2048, length: 1536 },
    { offset: 8704, length: 512 },
  ]);
  const [warning = ""] = await warningsOf(files);
  assert(warning.startsWith("2 unreadable places"), warning);
});

Deno.test("what programs leave out or add is no damage", async () => {
  // Logicube leaves the checksum of its data section out.
  const logicube = volumeBytes(COUNTS);
  logicube.fill(0, -4);
  assertEquals(await warningsOf(imageWith(section("data", logicube))), []);
  logicube[logicube.length - 1] = 1;
  const [damaged = ""] = await warningsOf(imageWith(section("data", logicube)));
  assert(damaged.includes("data section is damaged"), damaged);
  const [different = ""] = await warningsOf(
    imageWith(section("data", volumeBytes({ ...COUNTS, sectorCount: 17 }))),
  );
  assert(different.includes("another geometry"), different);
  assertEquals(await warningsOf(imageWith(section("something new", patternBytes(99)))), []);
  const [incomplete = ""] = await warningsOf(imageWith(section("incomplete", patternBytes(9))));
  assert(incomplete.includes("calls it incomplete"), incomplete);
});
