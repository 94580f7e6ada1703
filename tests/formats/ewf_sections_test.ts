import { assert, assertEquals, assertThrows } from "@std/assert";
import { deflateSync, inflateSync } from "node:zlib";
import { viewOf } from "../../src/core/bytes.ts";
import { FormatError } from "../../src/core/errors.ts";
import { adler32 } from "../../src/formats/ewf/adler32.ts";
import {
  DIGEST_BYTES,
  formatDigest,
  formatHash,
  HASH_BYTES,
  parseDigest,
  parseHash,
} from "../../src/formats/ewf/ewf_digest.ts";
import {
  contentOf,
  formatHeaders,
  type HeaderContent,
  parseHeader,
} from "../../src/formats/ewf/ewf_header.ts";
import type { EwfLayout } from "../../src/formats/ewf/ewf_layouts.ts";
import {
  firstSegmentName,
  largestSegmentNumber,
  segmentName,
} from "../../src/formats/ewf/ewf_names.ts";
import {
  formatError2,
  formatSession,
  parseError2,
  parseSession,
} from "../../src/formats/ewf/ewf_ranges.ts";
import {
  DESCRIPTOR_BYTES,
  FILE_HEADER_BYTES,
  formatDescriptor,
  formatFileHeader,
  isSoundDescriptor,
  parseDescriptor,
  parseFileHeader,
  putChecksum,
} from "../../src/formats/ewf/ewf_sections.ts";
import {
  formatTable,
  MAX_TABLE_ENTRIES,
  PACKED,
  parseTableEntries,
  parseTableHeader,
  TABLE_HEADER_BYTES,
} from "../../src/formats/ewf/ewf_table.ts";
import {
  formatSmartVolume,
  formatVolume,
  isSmartVolume,
  parseSmartVolume,
  parseVolume,
  SMART_VOLUME_BYTES,
  VOLUME_BYTES,
} from "../../src/formats/ewf/ewf_volume.ts";
import { numberedSectorsWithZeros, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers, withFlippedByte } from "../volumes/image_tools.ts";
import { acquire, type ImageFiles } from "./ewf_images.ts";

const isMissing = needs("ewfacquire");

/** A section of a file, found without the code that is tested. */
interface RawSection {
  readonly type: string;
  readonly descriptor: Uint8Array;
  readonly content: Uint8Array;
  readonly next: number;
  readonly size: number;
}

function sectionsOf(bytes: Uint8Array): RawSection[] {
  const sections: RawSection[] = [];
  const view = viewOf(bytes);
  for (let at = 13;;) {
    const type = new TextDecoder().decode(bytes.subarray(at, at + 16)).replace(/\0.*$/, "");
    const next = Number(view.getBigUint64(at + 16, true));
    const size = Number(view.getBigUint64(at + 24, true));
    const isLast = type === "next" || type === "done";
    const end = isLast ? at + 76 : next;
    sections.push({
      type,
      descriptor: bytes.subarray(at, at + 76),
      content: bytes.subarray(at + 76, end),
      next,
      size,
    });
    if (isLast) return sections;
    at = next;
  }
}

function allSections(files: ImageFiles): RawSection[] {
  return [...files.values()].flatMap(sectionsOf);
}

/** The same section, written by us from what we read in it. */
function rewritten({ type, content }: RawSection, isSmart: boolean): Uint8Array | undefined {
  switch (type) {
    case "volume":
    case "data":
      if (!isSmart) return formatVolume(parseVolume(content));
      return formatSmartVolume(parseSmartVolume(content), isSmartVolume(content));
    case "table":
    case "table2": {
      const header = parseTableHeader(content);
      const behind = content.subarray(TABLE_HEADER_BYTES);
      const entries = parseTableEntries(behind, header.entryCount, !isSmart);
      return formatTable(header.base, entries, !isSmart);
    }
    case "digest":
      return formatDigest(parseDigest(content));
    case "hash":
      return formatHash(parseHash(content));
    default:
      return undefined;
  }
}

for (const format of ["smart", "ftk", "encase1", "encase5", "encase6"]) {
  Deno.test({
    name: `${format}: each section is written again as ewfacquire wrote it`,
    ignore: isMissing,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const bytes = numberedSectorsWithZeros(3 * 1024 * 1024);
      const args = ["-S", `${1024 * 1024}`, "-d", "sha1", "-C", "7"];
      const files = await acquire(folder, bytes, { format, compression: "none", args });
      for (const [index, file] of [...files.values()].entries()) {
        assertEquals(parseFileHeader(file), index + 1);
        assertEquals(formatFileHeader(index + 1), file.slice(0, FILE_HEADER_BYTES));
      }
      const seen = new Set<string>();
      for (const section of allSections(files)) {
        seen.add(section.type);
        const { type, next, size } = section;
        assert(isSoundDescriptor(section.descriptor));
        assertEquals(parseDescriptor(section.descriptor), { type, next, size });
        assertEquals(formatDescriptor({ type, next, size }), section.descriptor.slice());
        const ours = rewritten(section, format === "smart");
        if (ours === undefined) continue;
        assertEquals(ours, section.content.slice(0, ours.length), type);
        // Behind a table its chunks can follow.
        if (!type.startsWith("table")) assertEquals(ours.length, section.content.length);
      }
      assert(seen.has("volume") && seen.has("table") && seen.has("next") && seen.has("hash"));
      assertEquals(seen.has("digest"), format === "encase6");
    },
  });
}

const CONTENT: HeaderContent = {
  caseNumber: "c 1",
  evidenceNumber: "n 2",
  description: "a 3",
  examiner: "e 4",
  notes: "t 5",
};

for (
  // libewf 20140813 writes encase7 and linen7 like encase6.
  const layout of [
    "ewf",
    "smart",
    "ftk",
    "encase1",
    "encase2",
    "encase3",
    "encase4",
    "encase5",
    "encase6",
    "linen5",
    "linen6",
  ] satisfies EwfLayout[]
) {
  Deno.test({
    name: `${layout}: headers are those that ewfacquire writes`,
    ignore: isMissing,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const typed = ["-C", "c 1", "-E", "n 2", "-D", "a 3", "-e", "e 4", "-N", "t 5"];
      const bytes = numberedSectorsWithZeros(40_960);
      const files = await acquire(folder, bytes, { format: layout, args: typed });
      const theirs = allSections(files).filter(({ type }) => type.startsWith("header"))
        .map(({ type, content }) => ({ type, text: new Uint8Array(inflateSync(content)) }));
      const last = theirs.at(-1);
      const read = contentOf(parseHeader(last?.text ?? new Uint8Array()));
      for (const [name, value] of Object.entries(CONTENT)) {
        assertEquals(read[name as keyof HeaderContent], value);
      }
      assert(Math.abs((read.acquired?.getTime() ?? 0) - Date.now()) < 60_000);
      assertEquals(formatHeaders(layout, read), theirs as ReturnType<typeof formatHeaders>);
    },
  });
}

Deno.test("headers of every layout are read back, whatever is typed", () => {
  const layouts: EwfLayout[] = ["ewf", "encase4", "encase7", "linen7", "ftk"];
  const acquired = new Date("2021-03-04T05:06:07Z");
  for (const layout of layouts) {
    const typed = { ...CONTENT, notes: "two\tlines\r\nin one", examiner: "J. Doe", acquired };
    for (const { type, text } of formatHeaders(layout, typed)) {
      const read = contentOf(parseHeader(text));
      assertEquals(read.notes, "two lines in one", layout);
      assertEquals(read.examiner, "J. Doe");
      assertEquals(read.acquired, acquired);
      assertEquals(type === "header2", text[0] === 0xff);
    }
  }
  const [wide] = formatHeaders("encase6", { notes: "Jörg 💾", model: "Łódź" });
  assertEquals(contentOf(parseHeader(wide?.text ?? new Uint8Array())).notes, "Jörg 💾");
  assertEquals(contentOf(parseHeader(wide?.text ?? new Uint8Array())).model, "Łódź");
});

Deno.test("headers of other programs are read", () => {
  const bytes = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
  // As the specification shows them: text dates, a code page, several categories.
  const old = parseHeader(bytes(
    "1\r\nmain\r\nc\tn\ta\te\tt\tav\tov\tm\tu\tp\tr\r\n" +
      "1\t2\tJ\xf6rg\t\t\t3.21b\tWin XP\t2002 3 4 10 19 59\t2002 3 4 10 19 59\t0\tb\r\n\r\n",
  ));
  assertEquals(old.newline, "\r\n");
  assertEquals(old.identifiers.length, 11);
  const content = contentOf(old);
  assertEquals(content.description, "Jörg");
  assertEquals(content.examiner, undefined);
  assertEquals(content.passwordHash, undefined);
  assertEquals(content.compression, "best");
  assertEquals(content.acquired, new Date(2002, 2, 4, 10, 19, 59));
  const linen = parseHeader(
    bytes("3\nmain\na\tm\tp\tpid\nx\t1142163845\tabc\t17\n\nsrce\n0\t1\n"),
  );
  assertEquals(linen.categoryCount, 3);
  assertEquals(contentOf(linen).acquired, new Date("2006-03-12T11:44:05Z"));
  assertEquals(contentOf(linen).passwordHash, "abc");
  assertEquals(contentOf(linen).processId, "17");
  const big = new Uint8Array([
    0xfe,
    0xff,
    ...[..."1\nmain\nn\n7\n"].flatMap((c) => [0, c.charCodeAt(0)]),
  ]);
  assertEquals(contentOf(parseHeader(big)).evidenceNumber, "7");
  for (const text of ["", "main", "1\nsrce\n\n", "x\nmain\n", "\0\0"]) {
    assertThrows(() => parseHeader(bytes(text)), FormatError);
  }
});

Deno.test("Adler-32 is that of zlib, also in parts", () => {
  const next = seededNumbers(301);
  for (const length of [0, 1, 2, 3799, 3800, 3801, 65_521, 200_000]) {
    for (const fill of [undefined, 0xff, 0]) {
      const bytes = Uint8Array.from({ length }, () => fill ?? next(256));
      const stream = deflateSync(bytes, { level: 0 });
      const expected = viewOf(stream).getUint32(stream.length - 4);
      assertEquals(adler32(bytes), expected);
      const cut = next(length + 1);
      assertEquals(adler32(bytes.subarray(cut), adler32(bytes.subarray(0, cut))), expected);
    }
  }
});

Deno.test("segments are named as EnCase and SMART name them", () => {
  const names = (first: string, ...numbers: number[]): (string | undefined)[] =>
    numbers.map((number) => segmentName(first, number));
  assertEquals(names("card.E01", 1, 2, 9, 10, 99, 100, 101, 125, 126, 775, 776), [
    "card.E01",
    "card.E02",
    "card.E09",
    "card.E10",
    "card.E99",
    "card.EAA",
    "card.EAB",
    "card.EAZ",
    "card.EBA",
    "card.EZZ",
    "card.FAA",
  ]);
  assertEquals(names("a.b.e01", 2, 100, 776), ["a.b.e02", "a.b.eaa", "a.b.faa"]);
  assertEquals(names("x.s01", 2, 100, 776, 5507, 5508), [
    "x.s02",
    "x.saa",
    "x.taa",
    "x.zzz",
    undefined,
  ]);
  assertEquals(largestSegmentNumber("card.E01"), 99 + 22 * 26 * 26);
  assertEquals(segmentName("card.E01", 14_971), "card.ZZZ");
  assertEquals(segmentName("card.E01", 14_972), undefined);
  assertEquals(segmentName("card.ewf", 2), undefined);
  assertEquals(largestSegmentNumber("card.ewf"), 1);
  for (const first of ["card.E01", "card.s01", "card.S01", "e01.e01"]) {
    const seen = new Set<string>();
    for (let number = 1; number <= largestSegmentNumber(first); number++) {
      const name = segmentName(first, number) ?? "";
      assert(name !== "" && !seen.has(name));
      seen.add(name);
      assertEquals(firstSegmentName(name, number), first);
    }
  }
  assertEquals(firstSegmentName("card.E03", 2), undefined);
  assertEquals(firstSegmentName("card", 2), undefined);
});

Deno.test("lists of bad sectors and of tracks are read back", () => {
  const next = seededNumbers(302);
  for (const count of [0, 1, 300]) {
    const runs = Array.from(
      { length: count },
      () => ({ first: next(2 ** 31), count: next(99) }),
    );
    const bytes = formatError2(runs);
    // The layout of the specification: header of 520 bytes, entries of 8.
    assertEquals(bytes.length, 520 + count * 8 + 4);
    assertEquals(viewOf(bytes).getUint32(0, true), count);
    assertEquals(parseError2(bytes), runs);
    const tracks = runs.map(({ first }, index) => ({ first, isAudio: index % 2 === 1 }));
    const session = formatSession(tracks);
    assertEquals(session.length, 36 + count * 32 + 4);
    assertEquals(parseSession(session), tracks);
    for (let at = 0; at < 520 + count * 8 + 4; at += 1 + next(20)) {
      assertThrows(() => parseError2(withFlippedByte(bytes, at)), FormatError);
    }
    assertThrows(() => parseError2(bytes.subarray(0, -1)), FormatError);
  }
});

Deno.test("each changed byte of a small structure is seen", () => {
  const volume = formatVolume({
    chunkCount: 5,
    chunkSectors: 64,
    sectorBytes: 512,
    sectorCount: 300,
    mediaType: 1,
    mediaFlags: 3,
    compressionLevel: 1,
    errorGranularity: 64,
    setIdentifier: new Uint8Array(16).fill(7),
  });
  assertEquals(volume.length, VOLUME_BYTES);
  const smart = formatSmartVolume({
    chunkCount: 5,
    chunkSectors: 64,
    sectorBytes: 512,
    sectorCount: 300,
  });
  assertEquals(smart.length, SMART_VOLUME_BYTES);
  const digest = formatDigest({ md5: "ab".repeat(16) });
  assertEquals(digest.length, DIGEST_BYTES);
  assertEquals(parseDigest(digest), { md5: "ab".repeat(16), sha1: undefined });
  const hash = formatHash({});
  assertEquals(hash.length, HASH_BYTES);
  assertEquals(parseHash(hash), { md5: undefined });
  const table = formatTable(1000, [76, PACKED + 400]);
  const parsers: readonly (readonly [Uint8Array, (bytes: Uint8Array) => unknown])[] = [
    [volume, parseVolume],
    [smart, parseSmartVolume],
    [digest, parseDigest],
    [hash, parseHash],
    [table.subarray(0, TABLE_HEADER_BYTES), parseTableHeader],
    [table.subarray(TABLE_HEADER_BYTES), (bytes) => parseTableEntries(bytes, 2, true)],
  ];
  for (const [bytes, parse] of parsers) {
    parse(bytes);
    for (let at = 0; at < bytes.length; at++) {
      assertThrows(() => parse(withFlippedByte(bytes, at)), FormatError);
      assertThrows(() => parse(bytes.subarray(0, at)), FormatError);
    }
  }
  assertThrows(() => parseFileHeader(formatFileHeader(0)), FormatError, "segment number");
});

Deno.test("impossible numbers are refused, though their checksum is right", () => {
  const volume = formatVolume({
    chunkCount: 5,
    chunkSectors: 64,
    sectorBytes: 512,
    sectorCount: 300,
    mediaType: 1,
    mediaFlags: 3,
    compressionLevel: 1,
    errorGranularity: 64,
    setIdentifier: new Uint8Array(16),
  });
  for (
    const [offset, value] of [
      [8, 0n],
      [8, 0xffff_ffffn],
      [12, 0n],
      [12, 0x8000_0000n],
      [16, 0xffff_ffff_ffff_ffffn],
      [16, 0x000f_ffff_ffff_ffffn],
    ] as const
  ) {
    const bytes = volume.slice();
    if (offset === 16) viewOf(bytes).setBigUint64(offset, value, true);
    else viewOf(bytes).setUint32(offset, Number(value), true);
    putChecksum(bytes, VOLUME_BYTES - 4);
    assertThrows(() => parseVolume(bytes), FormatError, "impossible");
  }
  const table = formatTable(0, [76]);
  viewOf(table).setUint32(0, MAX_TABLE_ENTRIES + 1, true);
  putChecksum(table, TABLE_HEADER_BYTES - 4);
  assertThrows(() => parseTableHeader(table), FormatError, "impossible");
  assertThrows(() => parseTableEntries(new Uint8Array(100), 25, true), FormatError, "room");
  const descriptor = formatDescriptor({ type: "sectors", next: 1, size: 2 });
  viewOf(descriptor).setBigUint64(16, 1n << 60n, true);
  putChecksum(descriptor, DESCRIPTOR_BYTES - 4);
  assertThrows(() => parseDescriptor(descriptor), FormatError, "impossible");
});
