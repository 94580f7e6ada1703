import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { deflateSync } from "node:zlib";
import { MemorySource } from "../../src/blocks/memory.ts";
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import { DamageError, FormatError, ImagingError, ReadError } from "../../src/core/errors.ts";
import { aff } from "../../src/formats/aff.ts";
import type { OpenedImage } from "../../src/formats/image_format.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { run } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers, StrictSource } from "../volumes/image_tools.ts";
import {
  affFile,
  digestsOf,
  joined,
  mixedPages,
  nodeZlib,
  openAff,
  packedPage,
  quad,
  readAll,
  readTolerant,
  segment,
  sizes,
  text,
  zeroPage,
} from "./aff_tools.ts";

const PAGE = 4096;
const noTools = needs("affconvert", "affsegment", "affcat", "affinfo", "affsign", "affcrypto");

function messages({ findings }: OpenedImage): string {
  return findings.map(({ message }) => message).join("\n");
}

function metadataOf(image: OpenedImage): Record<string, string> {
  return Object.fromEntries(image.metadata);
}

/** Content in three pages, of which the last is short. */
const CONTENT = mixedPages(2 * PAGE + 1000, PAGE, 5);
const PAGES: readonly Bytes[] = [0, 1, 2].map((page) =>
  CONTENT.slice(page * PAGE, (page + 1) * PAGE)
);
const [FIRST, SECOND, LAST] = PAGES as [Bytes, Bytes, Bytes];

Deno.test({
  name: "images of affconvert are read, whatever the pages and the compression",
  ignore: noTools,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const content = mixedPages(1_234_567, 100_000, 3);
    const raw = await folder.write("card.raw", content);
    const variants = [
      ["-s", "64k"],
      ["-s", "64k", "-x"],
      ["-s", "1m", "-X", "1"],
      ["-s", "256k", "-X", "9"],
      [],
      ["-x"],
    ];
    for (const [index, options] of variants.entries()) {
      const path = folder.file(`card${index}.aff`);
      await run("affconvert", ["-q", ...options, "-o", path, raw]);
      const image = await openAff(await Deno.readFile(path));
      assertBytes(await readAll(image.media), content, options.join(" "));
      assertEquals(image.media.sectorSize, 512);
      assertEquals(image.findings, []);
      // Of affconvert, which makes no SHA-256.
      assertEquals(image.digests, (await digestsOf(content)).slice(0, 2));
      const { "image identifier": id, acquired } = metadataOf(image);
      assert(/^[0-9a-f]{32}$/.test(id ?? ""), id);
      assert(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(acquired ?? ""), acquired);
      assert(metadataOf(image)["command line"]?.includes("affconvert -q"));
    }
  },
});

Deno.test({
  name: "images of no bytes, and of less than a sector, are read",
  ignore: noTools,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    for (const size of [0, 1, 300, 513]) {
      const raw = await folder.write(`${size}.raw`, patternBytes(size));
      const path = folder.file(`${size}.aff`);
      await run("affconvert", ["-q", "-o", path, raw]);
      const image = await openAff(await Deno.readFile(path));
      assertBytes(await readAll(image.media), patternBytes(size));
      assertEquals([image.media.size, image.findings], [size, []]);
    }
  },
});

Deno.test({
  name: "what affsegment wrote is shown, and pages that it moved are found",
  ignore: noTools,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const raw = await folder.write("card.raw", CONTENT);
    const path = folder.file("card.aff");
    await run("affconvert", ["-q", "-s", "4k", "-o", path, raw]);
    const md5 = createHash("md5").update(FIRST).digest();
    const values = [
      ["case_num", "2024/17"],
      ["acquisition_notes", "from the desk"],
      ["device_model", "SD Card"],
      ["device_sn", "0x1234"],
      ["acquisition_tecnician", "A. Nobody"],
      ["something_else", "own words"],
      ["page0_md5", `<${await folder.write("md5", md5)}`],
      // Longer than before: the old segment becomes blank, the new one lies at the end.
      ["aff_file_type", "AFF                       "],
    ];
    for (const [name, value] of values) await run("affsegment", [`-s${name}=${value}`, path]);
    await run("affsegment", ["-sacquisition_seconds/3725", path]);
    await run("affsegment", ["-dafflib_version", path]);
    assert((await run("affinfo", ["-a", path])).includes("null"), "nothing is blank");
    const image = await openAff(await Deno.readFile(path));
    assertBytes(await readAll(image.media), CONTENT);
    assertEquals(image.findings, []);
    const { notes, model, serial, examiner, duration, something_else } = metadataOf(image);
    assertEquals([notes, model, serial], ["from the desk", "SD Card", "0x1234"]);
    assertEquals([examiner, duration], ["A. Nobody", "1:02:05"]);
    assertEquals(something_else, "own words");
    assertEquals(metadataOf(image)["AFFLIB version"], undefined);
    const { caseNumber, acquired } = image.evidence ?? {};
    // affconvert does not say in which zone its date is.
    assertEquals([caseNumber, acquired], ["2024/17", undefined]);
  },
});

Deno.test({
  name: "AFFLIB agrees on double segments, and on sectors that it marked as bad",
  ignore: noTools,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const pattern = patternBytes(512, { seed: 99 });
    const marked = FIRST.slice();
    marked.set(pattern, 1024);
    const file = affFile(
      sizes(PAGE, PAGE),
      segment("badflag", 0, pattern),
      segment("badsectors", 2, quad(1)),
      segment("case_num", 0, text("one")),
      segment("page0", 0, marked),
      segment("case_num", 0, text("two")),
    );
    const path = await folder.write("card.aff", file);
    assertEquals(await run("affcat", ["-s", "case_num", path]), "one");
    const image = await openAff(file);
    assertEquals(image.evidence?.caseNumber, "one");
    assertBytes(await readAll(image.media), marked);
    assert(messages(image).includes("1 sector could not be read"), messages(image));
    // The digests of AFFLIB are those of the pattern, too; only affcat hides it.
    await run("affconvert", ["-q", "-r", "-o", folder.file("card.raw"), path]);
    assertBytes(await Deno.readFile(folder.file("card.raw")), marked);
  },
});

Deno.test({
  name: "encrypted, split and LZMA images are refused by name, a signed one is read",
  ignore: noTools,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const raw = await folder.write("card.raw", CONTENT);
    const refusal = async (path: string): Promise<ImagingError> => {
      const file = await Deno.readFile(path);
      const error = await assertRejects(() => openAff(file), ImagingError);
      assertEquals(error.kind, "environment");
      assert(error.hint !== undefined);
      return error;
    };
    const signed = folder.file("signed.aff");
    await run("affconvert", ["-q", "-o", signed, raw]);
    await run("openssl", [
      ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test"],
      ...["-keyout", folder.file("key.pem"), "-out", folder.file("cert.pem")],
    ]);
    await run("affsign", ["-k", folder.file("key.pem"), "-c", folder.file("cert.pem"), signed]);
    const image = await openAff(await Deno.readFile(signed));
    assertBytes(await readAll(image.media), CONTENT);
    assertEquals(image.findings.map(({ level }) => level), ["note"]);
    assert(messages(image).includes("signatures are not checked"), messages(image));

    await run("affconvert", ["-q", "-L", "-o", folder.file("lzma.aff"), raw]);
    assert((await refusal(folder.file("lzma.aff"))).message.includes("LZMA"));
    await run("affconvert", ["-q", "-o", folder.file("two.afm"), raw]);
    assert((await refusal(folder.file("two.afm"))).message.includes("AFM"));
    await run("affconvert", ["-q", "-o", folder.file("three.afd"), raw]);
    assert((await refusal(folder.file("three.afd/file_000.aff"))).message.includes("AFD"));
    const locked = folder.file("locked.aff");
    await run("env", ["AFFLIB_PASSPHRASE=x", "affconvert", "-q", "-o", locked, raw]);
    const error = await refusal(locked);
    assert(error.message.includes("encrypted"), error.message);
    // What the hint says helps.
    assert(error.hint?.includes("affcrypto -d -O PASSPHRASE"), error.hint);
    await run("affcrypto", ["-d", "-O", "x", locked]);
    assertBytes(await readAll((await openAff(await Deno.readFile(locked))).media), CONTENT);
  },
});

Deno.test("pages may lie in any order, be called seg, and all have one length", async () => {
  const padding = new Uint8Array(PAGE).fill(9);
  const variants: readonly Uint8Array[][] = [
    [
      zeroPage("page2", 1000),
      segment("", 0, new Uint8Array(77)),
      packedPage("page1", SECOND),
      segment("parity0", 0, FIRST),
      sizes(CONTENT.length, PAGE),
      segment("", 0),
      segment("page0", 0, FIRST),
    ],
    [
      sizes(CONTENT.length, PAGE),
      ...PAGES.map((page, index) =>
        segment(`page${index}`, 0, joined(page, padding).slice(0, PAGE))
      ),
    ],
    [
      segment("segsize", PAGE),
      // Early versions gave this segment no flag.
      segment("imagesize", 0, quad(CONTENT.length)),
      packedPage("seg0", FIRST),
      packedPage("seg1", SECOND),
      packedPage("seg2", LAST),
    ],
  ];
  for (const segments of variants) {
    const image = await openAff(affFile(...segments));
    assertBytes(await readAll(image.media), CONTENT);
    assertEquals(image.findings, []);
  }
});

Deno.test("random, overlapping reads bring the right bytes", async () => {
  const next = seededNumbers(11);
  const content = mixedPages(40 * PAGE + 100, PAGE, 9);
  const pages = Array.from({ length: 41 }, (_, page) => {
    const bytes = content.subarray(page * PAGE, (page + 1) * PAGE);
    return page % 3 === 0 ? segment(`page${page}`, 0, bytes) : packedPage(`page${page}`, bytes);
  });
  const { media } = await openAff(affFile(sizes(content.length, PAGE), ...pages));
  const reads = Array.from({ length: 300 }, async () => {
    const offset = next(content.length + 500);
    const into = new Uint8Array(next(3 * PAGE));
    const expected = content.subarray(offset, offset + into.length);
    assertEquals(await media.readAt(offset, into), expected.length);
    assertBytes(into.subarray(0, expected.length), expected, `${into.length} at ${offset}`);
  });
  await Promise.all(reads);
});

Deno.test("one page is unpacked at a time, and once when it is read in order", async () => {
  const content = mixedPages(12 * PAGE, PAGE, 2).map((byte) => byte % 16);
  const pages = Array.from(
    { length: 12 },
    (_, page) => packedPage(`page${page}`, content.subarray(page * PAGE, (page + 1) * PAGE)),
  );
  let calls = 0;
  let running = 0;
  const file = new MemorySource("x", affFile(sizes(content.length, PAGE), ...pages));
  const { media } = await aff.open(file, {
    zlib: {
      ...nodeZlib,
      async inflate(streams, maxBytes): Promise<readonly (Bytes | undefined)[]> {
        calls++;
        assertEquals([++running, streams.length, maxBytes], [1, 1, PAGE]);
        await Promise.resolve();
        running--;
        return await nodeZlib.inflate(streams, maxBytes);
      },
    },
  });
  await readAll(media, 700);
  assertEquals(calls, 12);
  await Promise.all(
    [0, 5, 9, 5, 0, 11].map((page) => media.readAt(page * PAGE, new Uint8Array(PAGE + 5))),
  );
});

Deno.test("a file on a device is asked for whole sectors only", async () => {
  const file = affFile(
    sizes(CONTENT.length, PAGE),
    ...PAGES.map((page, index) => segment(`page${index}`, 0, page)),
  );
  for (const sectorSize of [512, 4096]) {
    const { media } = await openAff(new StrictSource(file, sectorSize));
    assertBytes(await readAll(media), CONTENT);
  }
});

Deno.test("digests of pages are checked", async () => {
  for (const algorithm of ["md5", "sha1", "sha256"]) {
    const digest = (bytes: Bytes): Bytes =>
      new Uint8Array(createHash(algorithm).update(bytes).digest());
    const good = digest(SECOND);
    const file = (stored: Bytes): Bytes =>
      affFile(
        sizes(CONTENT.length, PAGE),
        segment(`page1_${algorithm}`, 0, stored),
        packedPage("page0", FIRST),
        packedPage("page1", SECOND),
        zeroPage("page2", 1000),
        // Of what is stored of a short page, not of a whole one.
        segment(`page2_${algorithm}`, 0, digest(LAST)),
      );
    assertBytes(await readAll((await openAff(file(good))).media), CONTENT);
    const bad = good.slice();
    bad[3] = (bad[3] ?? 0) ^ 1;
    const { media } = await openAff(file(bad));
    const error = await assertRejects(() => readAll(media, PAGE), DamageError);
    assertEquals(error.range, { offset: PAGE, length: PAGE });
    assert(error.message.includes(algorithm), error.message);
    const odd = await openAff(file(good.subarray(1)));
    assertBytes(await readAll(odd.media), CONTENT);
    assert(messages(odd).includes(`page1_${algorithm} holds no digest`), messages(odd));
  }
});

Deno.test("a page that is missing, double or of another length is damage of its range", async () => {
  const last = zeroPage("page2", 1000);
  const first = segment("page0", 0, FIRST);
  const padded = joined(deflateSync(SECOND), new Uint8Array(99_999));
  const cases: readonly (readonly [string, readonly Uint8Array[], number])[] = [
    ["not in the file", [last, first], 1],
    [
      "more than once",
      [last, first, packedPage("page1", SECOND), segment("page1", 0, FIRST)],
      1,
    ],
    [
      "more than once",
      [last, first, packedPage("page1", SECOND), packedPage("seg1", FIRST)],
      1,
    ],
    ["instead of 4096", [last, first, segment("page1", 0, SECOND.subarray(1))], 1],
    ["instead of 4096", [last, first, packedPage("page1", SECOND.subarray(9))], 1],
    [
      "longer than a page",
      [last, first, segment("page1", 0, CONTENT.subarray(0, PAGE + 1))],
      1,
    ],
    [
      "longer than a page",
      [last, first, segment("page1", 0, new Uint8Array(PAGE + 99_999))],
      1,
    ],
    ["unpacked", [last, first, packedPage("page1", CONTENT.subarray(0, PAGE + 1))], 1],
    ["longer than a page", [last, first, segment("page1", 1, padded)], 1],
    ["unpacked", [last, first, segment("page1", 1, SECOND)], 1],
    ["no length", [last, first, segment("page1", 0x33, text("\0\0\x10"))], 1],
    ["no length", [last, first, zeroPage("page1", PAGE + 1)], 1],
    ["instead of 1000", [zeroPage("page2", 999), first, packedPage("page1", SECOND)], 2],
    ["instead of 1000", [zeroPage("page2", 1001), first, packedPage("page1", SECOND)], 2],
  ];
  for (const [message, segments, damaged] of cases) {
    const image = await openAff(affFile(sizes(CONTENT.length, PAGE), ...segments));
    const range = { offset: damaged * PAGE, length: damaged === 2 ? 1000 : PAGE };
    const error = await assertRejects(
      () => image.media.readAt(range.offset + 7, new Uint8Array(5)),
      DamageError,
    );
    assertEquals(error.range, range, message);
    assert(error.message.includes(message), error.message);
    const pages = await readTolerant(image.media);
    assertEquals(pages.damaged, [range]);
    const expected = CONTENT.slice().fill(0, range.offset, range.offset + range.length);
    assertBytes(pages.bytes, expected, message);
  }
});

Deno.test("what is odd about the pages is said at once", async () => {
  const pages = [segment("page0", 0, FIRST), segment("page2", 0, LAST)];
  const missing = await openAff(affFile(sizes(CONTENT.length, PAGE), ...pages));
  assert(messages(missing).includes("1 of 3 pages of the image are not in the file"));
  assert(messages(missing).includes(`at byte ${PAGE}`), messages(missing));
  const outside = await openAff(affFile(sizes(100, PAGE), ...pages));
  assert(messages(outside).includes("1 page in the file lie"), messages(outside));
  assertBytes(await readAll(outside.media), CONTENT.subarray(0, 100));
  const twice = await openAff(affFile(sizes(CONTENT.length, PAGE), ...pages, ...pages));
  assert(messages(twice).includes("more than once"), messages(twice));
  assert(missing.findings.every(({ level }) => level === "warning"));
});

Deno.test("without a size the image ends where its last page does", async () => {
  const lasts = [segment("page2", 0, LAST), packedPage("page2", LAST), zeroPage("page2", 1000)];
  for (const last of lasts) {
    const image = await openAff(affFile(
      segment("pagesize", PAGE),
      last,
      segment("page0", 0, FIRST),
      packedPage("page1", SECOND),
    ));
    assertBytes(await readAll(image.media), CONTENT);
    assert(messages(image).includes("does not tell the size of the image"), messages(image));
  }
  const broken = await openAff(affFile(segment("pagesize", PAGE), segment("page2", 1, LAST)));
  assertEquals(broken.media.size, 3 * PAGE);
  await assertRejects(() => broken.media.readAt(2 * PAGE, new Uint8Array(1)), DamageError);
});

Deno.test("of segments of one name the first counts, as in AFFLIB, and it is said", async () => {
  const image = await openAff(affFile(
    sizes(1000, PAGE),
    segment("page0", 0, FIRST),
    segment("imagesize", 2, quad(2000)),
    segment("case_num", 0, text("one")),
    segment("case_num", 0, text("two")),
  ));
  assertEquals([image.media.size, image.evidence?.caseNumber], [1000, "one"]);
  for (const name of ["imagesize", "case_num"]) {
    assert(messages(image).includes(`${name} is there more than once`), messages(image));
  }
});

Deno.test("a damaged segment is left out, those behind it are found", async () => {
  // A segment inside of a page, as in the image of a disk with AFF files on it.
  const inside = SECOND.slice();
  inside.set(segment("page1", 0, text("inside")), 100);
  const [first, second, last] = [FIRST, inside, LAST].map((page, index) =>
    segment(`page${index}`, 0, page)
  ) as [Bytes, Bytes, Bytes];
  const start = affFile(sizes(CONTENT.length, PAGE), first).length;
  for (const place of [0, 3, 5, 7, 9, 11, second.length - 8, second.length - 1]) {
    const bytes = affFile(sizes(CONTENT.length, PAGE), first, second, last);
    bytes[start + place] = (bytes[start + place] ?? 0) ^ 0x40;
    const image = await openAff(bytes);
    assert(messages(image).includes(`the segment at byte ${start}`), messages(image));
    // That, and that a page is missing.
    assertEquals(image.findings.length, 2, messages(image));
    const { bytes: read, damaged } = await readTolerant(image.media);
    assertEquals(damaged, [{ offset: PAGE, length: PAGE }], `byte ${place}`);
    assertBytes(read, CONTENT.slice().fill(0, PAGE, 2 * PAGE));
  }
});

Deno.test("the end of a damaged segment is found, wherever it lies", async () => {
  const step = 1024 * 1024;
  for (const total of [step + 10, step + 16, step + 17, step + 21, step + 24, 2 * step + 20]) {
    const large = segment("parity0", 0, new Uint8Array(total - 24 - "parity0".length));
    large[0] = 0;
    const image = await openAff(
      affFile(sizes(1000, PAGE), large, segment("page0", 0, LAST)),
    );
    assertBytes(await readAll(image.media), LAST, `${total} bytes`);
    assertEquals(image.findings.length, 1);
  }
});

Deno.test("a file with much damage is not searched without end", async () => {
  const broken = new Uint8Array(PAGE).fill(65);
  const junk = Array.from({ length: 40 }, (_, index) => {
    const bytes = segment(`page${index + 1}`, 0, broken);
    bytes[0] = 0;
    return bytes;
  });
  const image = await openAff(
    affFile(sizes(41 * PAGE, PAGE), segment("page0", 0, FIRST), ...junk),
  );
  assertEquals(image.findings.length, 18);
  assert(messages(image).includes("nothing behind that is used"), messages(image));
});

Deno.test("metadata of Guymager and of AFF 1.0 is understood", async () => {
  const image = await openAff(affFile(
    sizes(0, PAGE),
    segment("devicesectors", 2, quad(5_000_000_000)),
    segment("badsectors", 2, quad(17)),
    segment("CaseNumber", 0, text("C-1")),
    segment("EvidenceNumber", 0, text("E-2")),
    segment("Examiner", 0, text("Zoë")),
    segment("Description", 0, text("a card")),
    segment("Notes", 0, text("")),
    segment("acquisition_notes", 0, text("second choice \0\0")),
    segment("acquisition_date", 0, text("2024-02-03 04:05:06 UTC\n")),
    segment("afflib_version", 0, text('"3.7.20"')),
    segment("cylinders", 1023),
    segment("image_gid", 0, text("0123456789abcdef")),
    segment("acquisition_dmesg", 0, new Uint8Array(70_000).fill(65)),
    segment("blob", 0, new Uint8Array(12)),
    segment("nothing", 5),
    segment("md5", 0, new Uint8Array(15)),
    segment("sha256", 0, new Uint8Array(32).fill(0xab)),
  ));
  assertEquals(image.evidence, {
    caseNumber: "C-1",
    evidenceNumber: "E-2",
    examiner: "Zoë",
    description: "a card",
    notes: "second choice",
    acquired: new Date("2024-02-03T04:05:06Z"),
    system: undefined,
    program: undefined,
    model: undefined,
    serial: undefined,
  });
  const shown = metadataOf(image);
  assertEquals(shown["sectors of the device"], "5,000,000,000");
  assertEquals(shown["unreadable sectors"], "17");
  assertEquals(shown["AFFLIB version"], "3.7.20");
  assertEquals([shown["cylinders"], shown["nothing"]], ["1,023", "5"]);
  assertEquals(shown["image identifier"], "30313233343536373839616263646566");
  assertEquals([shown["system messages"], shown["blob"]], ["70,000 bytes", "12 bytes"]);
  assertEquals(shown["page size"], "4,096 bytes");
  assertEquals(image.digests, [{ algorithm: "sha256", hex: "ab".repeat(32) }]);
  assert(messages(image).includes("md5 is no digest: it has 15 bytes"), messages(image));
  assert(messages(image).includes("17 sectors could not be read"), messages(image));
});

Deno.test("what is no AFF file, or contradicts itself, is an error with a place", async () => {
  const cases: readonly (readonly [string, Bytes])[] = [
    ["header", text("AFF11\r\n\0")],
    ["header", text("AFF10")],
    ["pagesize", affFile()],
    ["pagesize", affFile(segment("imagesize", 2, quad(9)))],
    ["pagesize", affFile(segment("pagesize", 0))],
    ["pagesize", affFile(segment("pagesize", 2 ** 26 + 1))],
    ["imagesize", affFile(segment("pagesize", PAGE), segment("imagesize", 2, text("1234")))],
    ["imagesize", affFile(segment("pagesize", PAGE), segment("imagesize", 2, quad(2 ** 63)))],
  ];
  for (const [field, file] of cases) {
    const error = await assertRejects(() => openAff(file), FormatError);
    assertEquals(error.field, field, error.message);
    assert(error.offset >= 0 && error.offset <= file.length);
  }
  const unknown = affFile(sizes(PAGE, PAGE), segment("page0", 0x41, FIRST));
  await assertRejects(() => openAff(unknown), ImagingError, "unknown way");
  const packed = affFile(sizes(PAGE, PAGE), packedPage("page0", FIRST));
  await assertRejects(() => aff.open(new MemorySource("x", packed)), ImagingError, "no zlib");
});

Deno.test("other sectors are taken over where that makes sense", async () => {
  const open = (bytes: number): Promise<OpenedImage> =>
    openAff(affFile(segment("sectorsize", bytes), segment("pagesize", PAGE)));
  for (const bytes of [512, 2048, 4096]) {
    assertEquals((await open(bytes)).media.sectorSize, bytes);
  }
  for (const bytes of [0, 520, 2352, 2 ** 30]) {
    const image = await open(bytes);
    assertEquals(image.media.sectorSize, 512);
    assert(messages(image).includes("512 is used instead"), messages(image));
  }
});

Deno.test("a file that fails once is read the next time, and closing it closes it", async () => {
  const memory = new MemorySource(
    "x",
    affFile(sizes(PAGE, PAGE), segment("page0", 0, FIRST)),
  );
  let fails = false;
  let closed = 0;
  const file: BlockSource = {
    name: "x",
    size: memory.size,
    sectorSize: 512,
    readAt(offset, into): Promise<number> {
      if (fails) return Promise.reject(new ReadError("it fails", offset));
      return memory.readAt(offset, into);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(void closed++),
  };
  const { media } = await openAff(file);
  fails = true;
  await assertRejects(() => readAll(media), ReadError);
  fails = false;
  assertBytes(await readAll(media), FIRST);
  assertEquals(closed, 0);
  await media[Symbol.asyncDispose]();
  assertEquals(closed, 1);
});
