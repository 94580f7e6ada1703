/** Images of EWF version 2 of which libewf makes none, put together by the specification. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { deflateSync } from "node:zlib";
import { DamageTolerantSource } from "../../src/blocks/damage_tolerant.ts";
import type { Bytes } from "../../src/core/block.ts";
import { DamageError, FormatError, ImagingError } from "../../src/core/errors.ts";
import { endOf, type Range } from "../../src/core/range.ts";
import type { OpenedImage } from "../../src/formats/image_format.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import {
  aligned,
  CHECKSUMMED,
  type CraftedChunk,
  type CraftedEntry,
  type CraftedHeader,
  type CraftedSection,
  digestData,
  FILLED,
  group,
  openFiles2,
  PACKED,
  packedChunk,
  plainChunk,
  runTable,
  section,
  sectorTable,
  segmentOf,
  serialized,
  type Tags,
} from "./ewf2_images.ts";
import { type ImageFiles, imageOf, readAll } from "./ewf_images.ts";

const CHUNK_BYTES = 1024;
const CONTENT = patternBytes(5 * CHUNK_BYTES);

/** The chunks of the content, packed and plain by turns. */
const CHUNKS: readonly CraftedChunk[] = Array.from({ length: 5 }, (_, index) => {
  const content = contentOf(index);
  return index % 2 === 0 ? packedChunk(content) : plainChunk(content);
});

const DEVICE: Tags = { sn: "S1", md: "Model", ts: 10, bp: 512, ph: 1, dt: "f" };
const CASE: Tags = { nm: "d", cn: "c", tb: 5, sb: 2, gr: 64 };

function contentOf(chunk: number): Bytes {
  return CONTENT.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES);
}

const device = (tags: Tags = {}): CraftedSection =>
  section(0x01, serialized({ ...DEVICE, ...tags }));
const caseData = (tags: Tags = {}): CraftedSection =>
  section(0x02, serialized({ ...CASE, ...tags }));
const DONE = section(0x0f);

function image(sections: readonly CraftedSection[], header: CraftedHeader = {}): ImageFiles {
  return imageOf(segmentOf(sections, header), "card.Ex01");
}

/** A whole image, with these sections behind the chunks. */
function imageWith(...sections: readonly CraftedSection[]): ImageFiles {
  return image([device(), caseData(), ...group(0, CHUNKS), ...sections, DONE]);
}

/** A whole image whose entries are changed. */
function imageOfEntries(
  change: (entry: CraftedEntry, index: number) => CraftedEntry,
  chunks = CHUNKS,
): ImageFiles {
  const groups = group(0, chunks, (entries) => entries.map(change));
  return image([device(), caseData(), ...groups, DONE]);
}

function warningsOf({ findings }: OpenedImage): string[] {
  return findings.filter(({ level }) => level === "warning").map(({ message }) => message);
}

async function tolerantly(files: ImageFiles): Promise<{
  readonly shown: Bytes;
  readonly damaged: readonly Range[];
  readonly warnings: readonly string[];
}> {
  const opened = await openFiles2(files);
  const tolerant = new DamageTolerantSource(opened.media);
  const shown = await readAll(tolerant);
  return { shown, damaged: tolerant.damaged, warnings: warningsOf(opened) };
}

/** The content must be shown, but for these chunks, whose damage is told in these words. */
async function assertDamaged(
  files: ImageFiles,
  chunks: readonly number[],
  words: string,
): Promise<void> {
  const { shown, damaged } = await tolerantly(files);
  const expected = CONTENT.slice();
  for (const chunk of chunks) expected.fill(0, chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES);
  assertBytes(shown, expected);
  const lost = damaged.reduce((sum, { length }) => sum + length, 0);
  assertEquals(lost, chunks.length * CHUNK_BYTES);
  const { media } = await openFiles2(files);
  const error = await assertRejects(() => readAll(media), DamageError);
  assert(error.message.includes(words), error.message);
}

async function assertRefused(files: ImageFiles, ...words: readonly string[]): Promise<void> {
  const error = await assertRejects(() => openFiles2(files), FormatError);
  for (const word of words) assert(error.message.includes(word), `${word}: ${error.message}`);
}

Deno.test("an image by the specification alone is read, with all that it tells", async () => {
  const files = imageWith(
    section(0x05, runTable([[4n, 2], [6n, 1]], 16)),
    section(0x06, runTable([[16n, 0], [9n, 1]], 32)),
    section(0x08, digestData("a1".repeat(16))),
    section(0x09, digestData("b2".repeat(20))),
    section(0x10, serialized({ tps: 4096 })),
    section(0x0a, serialized({ p: 0 })),
  );
  const opened = await openFiles2(files);
  assertBytes(await readAll(opened.media), CONTENT);
  assertEquals(opened.findings, [
    { level: "note", message: "card.Ex01: the acquisition was interrupted and gone on with" },
  ]);
  assertEquals(opened.digests, [
    { algorithm: "md5", hex: "a1".repeat(16) },
    { algorithm: "sha1", hex: "b2".repeat(20) },
  ]);
  assertEquals(opened.unreadable, [{ offset: 2048, length: 1536 }]);
  const rows = new Map(opened.metadata);
  assertEquals(rows.get("tracks"), "data from sector 16, audio from sector 9");
  assertEquals(rows.get("filled by patterns"), "4,096 bytes");
  assertEquals(rows.get("set identifier"), "A1A1A1A1-A1A1-A1A1-A1A1-A1A1A1A1A1A1");
});

Deno.test("all attributes of device and case are shown", async () => {
  const files = image([
    device({ lb: "label", hs: 7, dc: 8, rs: 9, ls: 1, pid: 44, dt: "m", ph: "" }),
    caseData({ en: "e", ex: "x", nt: "n", av: "8.1", os: "W", tt: 1000000000, at: 1, wb: 2 }),
    ...group(0, CHUNKS),
    DONE,
  ]);
  const { metadata } = await openFiles2(files);
  assertEquals(metadata.slice(1).filter(([name]) => name !== "set identifier"), [
    ["compression", "zlib"],
    ["chunk size", "1 KiB (2 sectors)"],
    ["sector size", "512 bytes"],
    ["sectors", "10"],
    ["media type", "memory"],
    ["medium", "logical"],
    ["write blocker", "Tableau"],
    ["error granularity", "64 sectors"],
    ["segments", "1"],
    ["case number", "c"],
    ["evidence number", "e"],
    ["description", "d"],
    ["examiner", "x"],
    ["notes", "n"],
    ["acquired", "2001-09-09T01:46:40.000Z"],
    ["system time", "1970-01-01T00:00:01.000Z"],
    ["operating system", "W"],
    ["program version", "8.1"],
    ["model", "Model"],
    ["serial number", "S1"],
    ["device label", "label"],
    ["HPA", "7 sectors"],
    ["DCO", "8 sectors"],
    ["PALM RAM", "9 sectors"],
    ["drive logs", "1 sector"],
    ["process", "44"],
  ]);
});

Deno.test("integrity hashes are checked where they are set", async () => {
  const sections: readonly CraftedSection[] = [
    device(),
    caseData(),
    ...group(0, CHUNKS),
    section(0x05, runTable([[4n, 2]], 16)),
    section(0x08, digestData("a1".repeat(16))),
    section(0x09, digestData("b2".repeat(20))),
    DONE,
  ];
  const hashed = sections.map((each) => ({ ...each, flags: 1 }));
  const whole = await tolerantly(image(hashed));
  assertEquals(whole.warnings, []);
  assertBytes(whole.shown, CONTENT);
  for (const [index, { type }] of sections.entries()) {
    // What the hash of no data is nobody tells; chunks have checksums of their own.
    if (type === 0x0f || type === 0x03) continue;
    const wrong = hashed.with(index, {
      ...section(type),
      ...hashed[index],
      flags: 1,
      md5: new Uint8Array(16),
    });
    if (type <= 0x02) await assertRefused(image(wrong), "does not fit its integrity hash");
    else {
      const { warnings } = await tolerantly(image(wrong));
      assert(warnings[0]?.includes("does not fit its integrity hash"), warnings.join());
    }
  }
});

Deno.test("a changed padding is seen where the integrity hash covers it", async () => {
  const data = runTable([[4n, 2]], 16);
  const md5 = section(0x05, data, { flags: 1 });
  assertEquals(warningsOf(await openFiles2(imageWith(md5))), []);
  const file = [...imageWith(md5).values()][0] ?? new Uint8Array();
  // Behind it come its descriptor, and that of "done".
  file[file.length - 128 - 1] = 1;
  const [warning = ""] = warningsOf(await openFiles2(imageOf(file, "card.Ex01")));
  assert(warning.includes("integrity hash"), warning);
});

Deno.test("what is encrypted, logical evidence or of unknown flags is refused by name", async () => {
  const sections = [device(), caseData(), ...group(0, CHUNKS), DONE];
  for (const [index, each] of sections.entries()) {
    for (const flags of [2, 3]) {
      await assertRefused(image(sections.with(index, { ...each, flags })), "it is encrypted");
    }
    const strange = image(sections.with(index, { ...each, flags: 4 }));
    await assertRefused(strange, "data flags 0x4", "does not know");
  }
  await assertRefused(imageWith(section(0x0b, new Uint8Array(64))), "it is encrypted");
  for (const type of [0x20, 0x21, 0x22, 0x23]) {
    await assertRefused(imageWith(section(type)), "logical evidence");
  }
});

Deno.test("compression methods and versions that nobody is sure of are refused by name", async () => {
  const sections = [device(), caseData(), ...group(0, CHUNKS), DONE];
  await assertRefused(image(sections, { compression: 2 }), "bzip2 in Ex01");
  await assertRefused(image(sections, { compression: 0 }), "compression method 0");
  await assertRefused(image(sections, { compression: 3 }), "compression method 3");
  await assertRefused(image(sections, { version: [2, 2] }), "version 2.2");
  await assertRefused(image(sections, { version: [3, 1] }), "version 3.1");
  await assertRefused(image(sections, { number: 0 }), "segment number is 0");
  await assertRefused(image(sections, { number: 7 }), "is segment 7");
  for (const cp of ["", 0, 1]) {
    const files = image([device(), caseData({ cp }), ...group(0, CHUNKS), DONE]);
    assertBytes((await tolerantly(files)).shown, CONTENT);
  }
  const two = image([device(), caseData({ cp: 2 }), ...group(0, CHUNKS), DONE]);
  await assertRefused(two, "two compression methods");
});

Deno.test("sections that are not known, or not understood, are told of", async () => {
  for (
    const [type, word] of [[0x55, "0x55"], [0x07, "increment data"], [0x00, "0x0"]] as const
  ) {
    const opened = await openFiles2(imageWith(section(type, new Uint8Array(16))));
    assert(warningsOf(opened)[0]?.includes(word), warningsOf(opened).join());
    assertBytes(await readAll(opened.media), CONTENT);
  }
  const { findings } = await openFiles2(imageWith(section(0x0c), section(0x0e)));
  assertEquals(findings.map(({ level }) => level), ["note"]);
});

Deno.test("a pattern fills a chunk as its bytes stand in the table", async () => {
  const pattern = 0x0102030405060708n;
  const filled = Uint8Array.from({ length: CHUNK_BYTES }, (_, at) => 8 - at % 8);
  const entry = { offset: pattern, flags: PACKED | FILLED };
  for (const size of [0, 8]) {
    const files = imageOfEntries((same, index) => index === 2 ? { ...entry, size } : same);
    const { shown, warnings } = await tolerantly(files);
    assertEquals(warnings, []);
    const expected = CONTENT.slice();
    expected.set(filled, 2 * CHUNK_BYTES);
    assertBytes(shown, expected);
    // A piece of it, from within.
    const { media } = await openFiles2(files);
    const into = new Uint8Array(5);
    assertEquals(await media.readAt(2 * CHUNK_BYTES + 3, into), 5);
    assertEquals([...into], [5, 4, 3, 2, 1]);
  }
  const strange = imageOfEntries((same, index) => index === 2 ? { ...entry, size: 9 } : same);
  await assertDamaged(strange, [2], "has a pattern and a size");
  // Without the flag "packed" the pattern means nothing.
  const plain = imageOfEntries((same, index) =>
    index === 1 ? { ...same, flags: FILLED | CHECKSUMMED } : same
  );
  assertBytes((await tolerantly(plain)).shown, CONTENT);
});

Deno.test("flags that contradict each other, and entries that lead astray, are damage", async () => {
  for (const flags of [0, PACKED | CHECKSUMMED, 7, 6 | 8, 8, 0x8000_0002, FILLED]) {
    const files = imageOfEntries((same, index) => index === 3 ? { ...same, flags } : same);
    await assertDamaged(files, [3], "flags that mean nothing");
  }
  for (
    const change of [
      { offset: 0n },
      { offset: 31n },
      { offset: 1n << 40n },
      { offset: (1n << 64n) - 1n },
      { size: 0xffff_ffff },
    ]
  ) {
    const files = imageOfEntries((same, index) => index === 3 ? { ...same, ...change } : same);
    await assertDamaged(files, [3], "leads to where the file has no chunks");
  }
  for (const change of [{ size: 0 }, { size: 3 }, { size: 500 }, { offset: 600n }]) {
    const files = imageOfEntries((same, index) => index === 3 ? { ...same, ...change } : same);
    await assertDamaged(files, [3], "does not fit its checksum");
  }
});

Deno.test("a chunk that holds too little, or too much, is damage", async () => {
  for (const make of [packedChunk, plainChunk]) {
    const short = CHUNKS.with(1, make(contentOf(1).subarray(0, 512)));
    await assertDamaged(imageOfEntries((same) => same, short), [1], "512 bytes instead of");
    const long = CHUNKS.with(1, make(patternBytes(CHUNK_BYTES + 1, { seed: 9 })));
    const words = make === packedChunk ? "cannot be unpacked" : "does not fit its checksum";
    await assertDamaged(imageOfEntries((same) => same, long), [1], words);
  }
  const bytes = deflateSync(contentOf(1)).subarray(0, -1);
  const cut = CHUNKS.with(1, { bytes, flags: PACKED });
  await assertDamaged(imageOfEntries((same) => same, cut), [1], "cannot be unpacked");
});

Deno.test("chunks that are not aligned, and sections that begin late, are read", async () => {
  const loose = group(0, CHUNKS, undefined, 1);
  const { shown, warnings } = await tolerantly(image([device(), caseData(), ...loose, DONE]));
  assertEquals(warnings, []);
  assertBytes(shown, CONTENT);
  // An acquisition that was interrupted leaves bytes which no section counts.
  const [sectors = DONE, table = DONE] = group(0, CHUNKS);
  const late = image([device(), caseData(), { ...sectors, before: 333 }, table, DONE]);
  assertBytes((await tolerantly(late)).shown, CONTENT);
});

Deno.test("chunks go by their numbers; where none leads to one, that is damage", async () => {
  const back = group(3, CHUNKS.slice(3));
  const front = group(0, CHUNKS.slice(0, 3));
  const swapped = await tolerantly(image([device(), caseData(), ...back, ...front, DONE]));
  assertEquals(swapped.warnings, []);
  assertBytes(swapped.shown, CONTENT);
  const gap = image([device(), caseData(), ...group(0, CHUNKS.slice(0, 2)), ...back, DONE]);
  await assertDamaged(gap, [2], "no sector table leads to it");
  const [warning = ""] = warningsOf(await openFiles2(gap));
  assert(warning.includes("1 KiB of 5 KiB cannot be read"), warning);
  const twice = image([device(), caseData(), ...front, ...group(2, CHUNKS.slice(2)), DONE]);
  await assertRefused(twice, "two sector tables lead to chunk 2");
  const same = image([device(), caseData(), ...front, ...front, ...back, DONE]);
  await assertRefused(same, "two sector tables lead to chunk 0");
  const [sectors = DONE, table = DONE] = front;
  const none = image([device(), caseData(), sectors, ...back, DONE]);
  await assertDamaged(none, [0, 1, 2], "no sector table leads to it");
  const empty = section(0x04, sectorTable(0n, []));
  const more = image([device(), caseData(), sectors, table, empty, ...back, DONE]);
  assertEquals((await tolerantly(more)).warnings, []);
});

Deno.test("a table whose checksums are wrong is lost, and its chunks are named", async () => {
  for (const at of [3, 17, 40, 32 + 3 * 16 + 1]) {
    const [sectors = DONE, table = DONE] = group(0, CHUNKS.slice(0, 3));
    const damaged = {
      ...table,
      data: (start: number): Uint8Array => {
        const data = table.data(start);
        data[at] = (data[at] ?? 0) ^ 1;
        return data;
      },
    };
    const back = group(3, CHUNKS.slice(3));
    const files = image([device(), caseData(), sectors, damaged, ...back, DONE]);
    await assertDamaged(files, [0, 1, 2], "no sector table leads to it");
    const [warning = ""] = warningsOf(await openFiles2(files));
    assert(/the sector table at byte [\d,]+ is damaged/.test(warning), warning);
  }
});

Deno.test("absurd counts take neither memory nor time", async () => {
  const sections = (first: bigint, count: number): ImageFiles =>
    image([
      device(),
      caseData(),
      ...group(0, CHUNKS),
      section(0x04, sectorTable(first, [], count)),
      DONE,
    ]);
  for (
    const [first, count, word] of [
      [5n, 0xffff_ffff, "number of entries"],
      [5n, 1024 * 1024, "no room for its"],
      [1n << 60n, 1, "impossible"],
    ] as const
  ) {
    const { shown, warnings } = await tolerantly(sections(first, count));
    assertBytes(shown, CONTENT);
    assert(warnings[0]?.includes(word), warnings.join());
  }
  const far = image([device(), caseData(), ...group(2 ** 52, CHUNKS), DONE]);
  await assertRefused(far, "number of chunks is impossible");
  for (
    const [tags, word] of [
      [{ bp: 0 }, "bytes in a sector"],
      [{ bp: 2 ** 31 }, "bytes in a sector"],
      [{ bp: "" }, "does not tell how large a sector is"],
      [{ ts: "18446744073709551615" }, "impossible"],
      [{ ts: 2 ** 52 }, "number of sectors"],
      [{ ts: "-1" }, "is no number"],
      [{ ts: "9".repeat(21) }, "is no number"],
    ] as const
  ) await assertRefused(image([device(tags), caseData(), ...group(0, CHUNKS), DONE]), word);
  for (
    const [tags, word] of [
      [{ sb: 0 }, "sectors in a chunk"],
      [{ sb: 2 ** 31 }, "sectors in a chunk"],
      [{ sb: "" }, "does not tell how large a chunk is"],
      [{ tt: 2 ** 33 }, "target time is impossible"],
      [{ tb: "1e3" }, "is no number"],
    ] as const
  ) await assertRefused(image([device(), caseData(tags), ...group(0, CHUNKS), DONE]), word);
  // A medium that is said to be huge: what is not there is damage, at once.
  const huge = image([
    device({ ts: 2 ** 40 }),
    caseData({ tb: "" }),
    ...group(0, CHUNKS),
    DONE,
  ]);
  const { media } = await openFiles2(huge);
  assertEquals(media.size, 2 ** 49);
  const into = new Uint8Array(4096);
  assertEquals(await media.readAt(0, into), 4096);
  await assertRejects(() => media.readAt(2 ** 48, into), DamageError, "no sector table");
  const errors = section(0x05, runTable([[1n, 1]], 16, 0xffff_ffff));
  const [warning = ""] = warningsOf(await openFiles2(imageWith(errors)));
  assert(warning.includes("no room"), warning);
  const places = section(0x05, runTable([[0n, 1], [10n, 1], [2n ** 50n, 0xffff_ffff]], 16));
  const opened = await openFiles2(imageWith(places));
  assertEquals(opened.unreadable, [{ offset: 0, length: 512 }]);
});

Deno.test("sections that lead forward, back to themselves or nowhere end no reader", async () => {
  const sections = [device(), caseData(), ...group(0, CHUNKS), section(0x0e)];
  for (
    const change of [
      { previous: (): bigint => 1n << 63n },
      { previous: (): bigint => 1n << 20n },
      { previous: (right: number): bigint => BigInt(right + 64) },
      { previous: (right: number): bigint => BigInt(right + 1) },
      { dataBytes: (): bigint => (1n << 64n) - 1n },
      { dataBytes: (): bigint => 5000n },
      { paddingBytes: 1 },
    ] satisfies Partial<CraftedSection>[]
  ) {
    // All sections before this one are found from the beginning.
    const files = image([...sections, { ...DONE, ...change }]);
    const { shown, warnings } = await tolerantly(files);
    assertBytes(shown, CONTENT);
    assert(warnings[0]?.includes("searched from the beginning"), warnings.join());
  }
  // As the first of all.
  const first = { ...DONE, previous: (): bigint => 0n };
  await assertRefused(image([...sections, first]), "no sound device information");
});

Deno.test("texts may hold what their form is made of, in either order of bytes", async () => {
  const tags = { nt: "a\u0003tab\u0001and\u0002lines", ex: "Ünï \u{1f600}" };
  const rows = async (data: CraftedSection): Promise<ReadonlyMap<string, string>> =>
    new Map((await openFiles2(image([device(), data, ...group(0, CHUNKS), DONE]))).metadata);
  const escaped = await rows(caseData(tags));
  assertEquals(escaped.get("notes"), "a\ttab\nand\rlines");
  assertEquals(escaped.get("examiner"), "Ünï \u{1f600}");
  const text = "\ufeff1\nmain\nsb\tcn\n2\tcase\n\n";
  const big = Buffer.from(text, "utf16le").swap16();
  assertEquals((await rows(section(0x02, deflateSync(big)))).get("case number"), "case");
  // The last values may be left out, not added to.
  const few = Buffer.from("\ufeff1\nmain\nsb\tcn\tnt\n2\tcase\n\n", "utf16le");
  assertEquals((await rows(section(0x02, deflateSync(few)))).get("case number"), "case");
  const data = (lines: string): CraftedSection =>
    section(0x02, aligned(deflateSync(Buffer.from(lines, "utf16le"))));
  for (
    const [lines, word] of [
      [text.slice(1), "no byte order mark"],
      ["", "no byte order mark"],
      ["\ufeff2\nmain\nsb\n2\n\n", "does not begin with one object"],
      ["\ufeff1\nother\nsb\n2\n\n", "does not begin with one object"],
      ["\ufeff1\nmain\nsb\n2\t3\n\n", "2 values for 1 tags"],
      ["\ufeff1\nmain\nsb\tsb\n2\t3\n\n", "the tag sb twice"],
    ] as const
  ) await assertRefused(image([device(), data(lines), ...group(0, CHUNKS), DONE]), word);
  const noise = section(0x02, patternBytes(64));
  await assertRefused(
    image([device(), noise, ...group(0, CHUNKS), DONE]),
    "cannot be unpacked",
  );
});

Deno.test("device information and case data of later segments stand in for damaged ones", async () => {
  const [one, two] = [group(0, CHUNKS.slice(0, 3)), group(3, CHUNKS.slice(3))];
  const last = segmentOf([device(), caseData(), ...two, DONE], { number: 2 });
  const files = (first: readonly CraftedSection[], second = last): ImageFiles =>
    new Map([["card.Ex01", segmentOf([...first, ...one, section(0x0d)])], [
      "card.Ex02",
      second,
    ]]);
  const whole = await tolerantly(files([device(), caseData()]));
  assertEquals(whole.warnings, []);
  assertBytes(whole.shown, CONTENT);
  const noise = section(0x01, patternBytes(64));
  const { shown, warnings } = await tolerantly(files([noise, section(0x02)]));
  assertEquals(warnings.length, 2);
  assertBytes(shown, CONTENT);
  const other = segmentOf([device({ ts: 11 }), caseData({ sb: 4 }), ...two, DONE], {
    number: 2,
  });
  const differ = (await tolerantly(files([device(), caseData()], other))).warnings;
  assertEquals(differ.map((each) => each.split(" tells")[0]), [
    "card.Ex02: its device information",
    "card.Ex02: its case data",
  ]);
  const foreign = segmentOf([device(), caseData(), ...two, DONE], { number: 2, setByte: 9 });
  const error = await assertRejects(
    () => openFiles2(files([device(), caseData()], foreign)),
    ImagingError,
    "card.Ex02 belongs to another image",
  );
  assert(error.message.includes("09090909"), error.message);
});

Deno.test("two digests that differ are told of, and damaged ones are left out", async () => {
  const md5 = (byte: string): CraftedSection => section(0x08, digestData(byte.repeat(16)));
  const differ = await openFiles2(imageWith(md5("a1"), md5("b2")));
  assert(warningsOf(differ)[0]?.includes("another one"), warningsOf(differ).join());
  assertEquals(warningsOf(await openFiles2(imageWith(md5("a1"), md5("a1")))), []);
  const damaged = section(0x08, digestData("a1".repeat(16)).fill(1, 3, 4));
  const opened = await openFiles2(imageWith(damaged));
  assertEquals(opened.digests, []);
  assert(warningsOf(opened)[0]?.includes("checksum of the MD5 hash is wrong"));
  const short = await openFiles2(imageWith(section(0x09, new Uint8Array(16))));
  assert(warningsOf(short)[0]?.includes("16 bytes instead of 24"), warningsOf(short).join());
});

Deno.test("counts that do not agree are told of", async () => {
  const files = (tags: Tags, more: Tags = {}): ImageFiles =>
    image([device(tags), caseData(more), ...group(0, CHUNKS), DONE]);
  const fewer = await tolerantly(files({ ts: 4 }, { tb: 2 }));
  assertBytes(fewer.shown, CONTENT.subarray(0, 2048));
  assert(fewer.warnings[0]?.includes("tells of 2 chunks, its tables of 5"));
  const unknown = await tolerantly(files({ ts: "" }, { tb: "" }));
  assertBytes(unknown.shown, CONTENT);
  assert(unknown.warnings[0]?.includes("does not tell how large the medium is"));
  const odd = await tolerantly(files({}, { tb: 6 }));
  assert(odd.warnings[0]?.includes("tells of 6 chunks"));
  const more = await tolerantly(files({ ts: 14 }, { tb: 7 }));
  assertBytes(more.shown.subarray(0, CONTENT.length), CONTENT);
  assertEquals(more.damaged.map(({ offset }) => offset)[0], CONTENT.length);
  assertEquals(endOf(more.damaged.at(-1) ?? { offset: 0, length: 0 }), 14 * 512);
});
