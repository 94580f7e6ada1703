/** What ewfacquire of libewf wrote as EWF version 2, read. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { MemorySource } from "../../src/blocks/memory.ts";
import { ZlibPool } from "../../src/copy/zlib_pool.ts";
import type { Bytes } from "../../src/core/block.ts";
import { FormatError, ImagingError } from "../../src/core/errors.ts";
import { openEwf2 } from "../../src/formats/ewf2/ewf2_reader.ts";
import { firstSegmentName, segmentName } from "../../src/formats/ewf2/ewf2_names.ts";
import { IMAGE_FORMATS, openImage } from "../../src/formats/registry.ts";
import { assertBytes } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";
import { openFiles2, openFolder2 } from "./ewf2_images.ts";
import { CONTENTS, SAMPLE_NAMES, sampleFiles, type SampleName } from "./ewf2_samples.ts";
import { CountingZlib, type ImageFiles, MemoryFolder, readAll } from "./ewf_images.ts";

function hexOf(name: string, bytes: Uint8Array): string {
  return createHash(name).update(bytes).digest("hex");
}

/** The content as the sample holds it: whole sectors where a pattern fills the last chunk. */
function contentOf(name: SampleName): Bytes {
  const content = CONTENTS[name]();
  return name === "oddFilled" ? content.subarray(0, 7680) : content;
}

for (const name of SAMPLE_NAMES) {
  Deno.test(`${name}: all bytes and digests are those that went in`, async () => {
    const image = await openFiles2(sampleFiles(name));
    const content = contentOf(name);
    assertEquals(image.findings.filter(({ level }) => level === "warning"), []);
    assertBytes(await readAll(image.media), content);
    for (const { algorithm, hex } of image.digests ?? []) {
      assertEquals(hex, hexOf(algorithm, CONTENTS[name]()));
    }
    assertEquals(image.digests?.[0]?.algorithm, "md5");
    await image.media[Symbol.asyncDispose]();
  });

  Deno.test(`${name}: any piece of it is read alike, on one thread and on several`, async () => {
    const next = seededNumbers(7);
    const content = contentOf(name);
    const folder = new MemoryFolder(sampleFiles(name));
    for (const zlib of [undefined, new CountingZlib(), new ZlibPool({ threads: 2 })]) {
      const file = await folder.open(folder.name);
      if (file === undefined) throw new Error("There is no first file");
      const { media } = await openEwf2(file, { folder, zlib });
      await Promise.all(Array.from({ length: 30 }, async () => {
        const at = next(content.length);
        const into = new Uint8Array(next(40_000)).fill(0xdd);
        const count = await media.readAt(at, into);
        assertEquals(count, Math.min(into.length, content.length - at));
        assertBytes(into.subarray(0, count), content.subarray(at, at + count));
      }));
      await media[Symbol.asyncDispose]();
      assertEquals(folder.openFiles, 0);
    }
  });

  Deno.test(`${name}: only one format is sure of it`, async () => {
    const [file = new Uint8Array()] = [...sampleFiles(name).values()];
    const input = { name: "card", size: file.length, sectorSize: 512, head: file };
    const sure = IMAGE_FORMATS.filter((format) => format.probe(input) === "exact");
    assertEquals(sure.map(({ id }) => id), ["ewf2"]);
    if (name === "segments") return;
    const { media } = await openImage(new MemorySource("card.Ex01", file));
    assertEquals(media.size, contentOf(name).length);
  });
}

Deno.test("what ewfacquire was told is shown", async () => {
  const { metadata, evidence } = await openFiles2(sampleFiles("every"));
  // As ewfinfo shows it of the same file.
  assertEquals(metadata, [
    ["layout", "EWF version 2.1"],
    ["compression", "zlib"],
    ["chunk size", "8 KiB (16 sectors)"],
    ["sector size", "512 bytes"],
    ["sectors", "82"],
    ["media type", "fixed disk"],
    ["medium", "physical"],
    ["error granularity", "16 sectors"],
    ["set identifier", "67D417D5-3908-7F48-B095-D8F3CCE70DD2"],
    ["segments", "1"],
    ["case number", "2026-17"],
    ["evidence number", "3"],
    ["description", "a description"],
    ["examiner", "Ä. Author"],
    ["notes", "all of it"],
    ["acquired", "2026-11-30T16:03:34.000Z"],
    ["system time", "2026-11-30T16:03:34.000Z"],
    ["operating system", "Linux"],
    ["program version", "20260627"],
  ]);
  assertEquals(evidence?.examiner, "Ä. Author");
  assertEquals(evidence?.isPhysical, true);
  assertEquals(evidence?.isRemovable, false);
  assertEquals(evidence?.acquired?.toISOString(), new Map(metadata).get("acquired"));
});

Deno.test("sectors of 4096 bytes, logical media, removable ones and discs are told", async () => {
  const large = await openFiles2(sampleFiles("sectors4096"));
  assertEquals(large.media.sectorSize, 4096);
  assertEquals(new Map(large.metadata).get("medium"), "logical");
  assertEquals(large.evidence?.isPhysical, false);
  const removable = await openFiles2(sampleFiles("errors"));
  assertEquals(removable.evidence?.isRemovable, true);
  const disc = new Map((await openFiles2(sampleFiles("optical"))).metadata);
  assertEquals(disc.get("media type"), "optical disc");
  // The first one is stored so though it begins at sector 0.
  assertEquals(disc.get("tracks"), "data from sector 16, data from sector 50");
});

Deno.test("places that could not be read when the image was made are told", async () => {
  assertEquals((await openFiles2(sampleFiles("errors"))).unreadable, [
    { offset: 96 * 512, length: 7 * 512 },
    { offset: 288 * 512, length: 16 * 512 },
  ]);
});

Deno.test("a medium that ends within a sector shows it where the chunk does", async () => {
  const odd = await openFiles2(sampleFiles("odd"));
  assertEquals(odd.media.size, 8892);
  assertEquals(odd.findings.map(({ level }) => level), ["note"]);
  // A chunk that is filled does not tell: whole sectors are shown, and the digests differ.
  const filled = await openFiles2(sampleFiles("oddFilled"));
  assertEquals(filled.media.size, 7680);
  const shown = hexOf("md5", await readAll(filled.media));
  assert(shown !== filled.digests?.[0]?.hex);
});

/** The same files but for these; undefined takes one away. */
function changed(
  files: ImageFiles,
  changes: Readonly<Record<string, Bytes | undefined>>,
): ImageFiles {
  const result = new Map(files);
  for (const [name, bytes] of Object.entries(changes)) {
    if (bytes === undefined) result.delete(name);
    else result.set(name, bytes);
  }
  return result;
}

function fileOf(files: ImageFiles, name: string): Bytes {
  const bytes = files.get(name);
  if (bytes === undefined) throw new Error(`There is no ${name}`);
  return bytes;
}

/** Opening must fail, close all that was opened but the first file, and name these. */
async function assertRefused(files: ImageFiles, ...words: readonly string[]): Promise<void> {
  const folder = new MemoryFolder(files, [...files.keys()].sort()[0]);
  const error = await assertRejects(() => openFolder2(folder), ImagingError);
  for (const word of words) assert(error.message.includes(word), `${word}: ${error.message}`);
  assertEquals(folder.openFiles, 1, "the first is the caller's");
}

Deno.test("segments that are missing, swapped, doubled, foreign or empty are named", async () => {
  const files = sampleFiles("segments");
  assertEquals([...files.keys()], ["card.Ex01", "card.Ex02", "card.Ex03"]);
  assertEquals((await openFiles2(files)).files, [...files.keys()]);
  const [one, two, three] = [...files.values()];
  await assertRefused(changed(files, { "card.Ex02": undefined }), "card.Ex02", "card.Ex03");
  await assertRefused(
    changed(files, { "card.Ex03": undefined }),
    "card.Ex03 is missing",
    "768 KiB",
  );
  const swapped = changed(files, { "card.Ex02": three, "card.Ex03": two });
  await assertRefused(swapped, "card.Ex02", "segment 2", "is segment 3");
  await assertRefused(changed(files, { "card.Ex03": two }), "card.Ex03", "is segment 2");
  await assertRefused(changed(files, { "card.Ex02": one }), "card.Ex02", "is segment 1");
  await assertRefused(changed(files, { "card.Ex02": new Uint8Array() }), "card.Ex02 should be");
  const foreign = fileOf(files, "card.Ex02").slice();
  foreign[20] = (foreign[20] ?? 0) ^ 1;
  await assertRefused(changed(files, { "card.Ex02": foreign }), "card.Ex02 belongs to another");
  const packed = fileOf(files, "card.Ex03").slice();
  packed[10] = 2;
  await assertRefused(changed(files, { "card.Ex03": packed }), "card.Ex03 is compressed in");
  await assertRefused(changed(files, { "card.Ex01": undefined }), "segment 2 of card.Ex01");
  const renamed = changed(files, { "card.Ex01": two });
  await assertRefused(renamed, "card.Ex01 is segment 2 of an image");
  const alone = new MemorySource("card", one ?? new Uint8Array());
  await assertRejects(() => openEwf2(alone), FormatError, "is missing");
});

Deno.test("segments are named by two digits, then by letters up to EzZZ", () => {
  for (
    const [number, name] of [
      [1, "a.Ex01"],
      [2, "a.Ex02"],
      [99, "a.Ex99"],
      [100, "a.ExAA"],
      [125, "a.ExAZ"],
      [126, "a.ExBA"],
      [775, "a.ExZZ"],
      [776, "a.EyAA"],
      [2127, "a.EzZZ"],
      [2128, undefined],
      [0, undefined],
    ] as const
  ) {
    assertEquals(segmentName("a.Ex01", number), name);
    if (name !== undefined) assertEquals(firstSegmentName(name, number), "a.Ex01");
  }
  assertEquals(segmentName("a.ex01", 776), "a.eyaa");
  assertEquals(segmentName("a.EX01", 100), "a.EXAA");
  assertEquals(segmentName("a.img", 2), undefined);
  assertEquals(segmentName("a.img", 1), "a.img");
  assertEquals(firstSegmentName("a.E02", 2), undefined);
});
