import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Bytes } from "../../src/core/block.ts";
import { DamageError, FormatError, ImagingError, ReadError } from "../../src/core/errors.ts";
import { MemorySource } from "../../src/blocks/memory.ts";
import { probeEwf } from "../../src/formats/ewf/ewf_probe.ts";
import { openEwf } from "../../src/formats/ewf/ewf_reader.ts";
import { formatFileHeader } from "../../src/formats/ewf/ewf_sections.ts";
import { formatVolume, parseVolume, VOLUME_BYTES } from "../../src/formats/ewf/ewf_volume.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import {
  acquire,
  acquireStream,
  type ImageFiles,
  MemoryFolder,
  openFiles,
  openFolder,
  readAll,
} from "./ewf_images.ts";

const isMissing = needs("ewfacquire", "ewfacquirestream");
const MIB = 1024 * 1024;
const SMALL = ["-S", `${MIB}`];

/** An image of some segments. */
async function segmented(
  options: { readonly size?: number; readonly format?: string; readonly seed?: number } = {},
): Promise<{ readonly files: ImageFiles; readonly bytes: Bytes }> {
  const { size = 3.5 * MIB, format = "encase6", seed = 1 } = options;
  await using folder = await TemporaryFolder.create();
  const bytes = patternBytes(size, { seed });
  const files = await acquire(folder, bytes, { format, compression: "none", args: SMALL });
  return { files, bytes };
}

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
async function assertRefused(
  files: ImageFiles,
  ...words: readonly string[]
): Promise<ImagingError> {
  const folder = new MemoryFolder(files, [...files.keys()].sort()[0]);
  const error = await assertRejects(() => openFolder(folder), ImagingError);
  for (const word of words) assert(error.message.includes(word), `${word}: ${error.message}`);
  assertEquals(folder.openFiles, 1, "the first is the caller's");
  return error;
}

Deno.test({
  name: "a missing segment is named, and so is what lies behind it",
  ignore: isMissing,
  async fn(): Promise<void> {
    for (const format of ["encase6", "smart"]) {
      const { files } = await segmented({ format });
      const [, second = "", third = "", ...others] = [...files.keys()];
      await assertRefused(changed(files, { [second]: undefined }), second, third);
      const last = others.at(-1) ?? "";
      const error = await assertRefused(changed(files, { [last]: undefined }), last);
      assert(error.hint?.includes(last));
      // A file alone, without a folder.
      const alone = new MemorySource("card", [...files.values()][0] ?? new Uint8Array());
      await assertRejects(() => openEwf(alone), FormatError, "is missing");
    }
  },
});

Deno.test({
  name: "segments in another order, or twice, are seen by their numbers",
  ignore: isMissing,
  async fn(): Promise<void> {
    const { files } = await segmented();
    const two = fileOf(files, "card.E02");
    const three = fileOf(files, "card.E03");
    const swapped = changed(files, { "card.E02": three, "card.E03": two });
    await assertRefused(swapped, "card.E02", "segment 2", "is segment 3");
    await assertRefused(changed(files, { "card.E03": two }), "card.E03", "is segment 2");
    await assertRefused(changed(files, { "card.E01": two }), "card.E01 is segment 2");
    const noise = patternBytes(5000);
    await assertRefused(changed(files, { "card.E03": noise }), "card.E03 should be segment 3");
    await assertRefused(changed(files, { "card.E02": new Uint8Array() }), "card.E02");
  },
});

/** The segment with another identifier in its data section. */
function withIdentifier(file: Bytes, byte: number): Bytes {
  const copy = file.slice();
  // The descriptor says "data" or "volume"; what it describes follows.
  const text = new TextDecoder("latin1").decode(copy.subarray(0, 4096));
  for (const type of ["volume\0", "data\0"]) {
    const at = text.indexOf(type) + 76;
    if (at < 76) continue;
    const volume = parseVolume(copy.subarray(at, at + VOLUME_BYTES));
    const setIdentifier = new Uint8Array(16).fill(byte);
    copy.set(formatVolume({ ...volume, setIdentifier }), at);
  }
  return copy;
}

Deno.test({
  name: "a segment of another image is seen by its identifier, or by its size",
  ignore: isMissing,
  async fn(): Promise<void> {
    const { files, bytes } = await segmented();
    const marked = new Map(
      [...files].map(([name, file]) => [name, withIdentifier(file, 0xa1)] as const),
    );
    const image = await openFiles(marked);
    const rows = new Map(image.metadata);
    assertEquals(rows.get("set identifier"), "A1A1A1A1-A1A1-A1A1-A1A1-A1A1A1A1A1A1");
    assertBytes(await readAll(image.media), bytes);
    const foreign = withIdentifier(fileOf(files, "card.E02"), 0xb2);
    await assertRefused(changed(marked, { "card.E02": foreign }), "card.E02", "B2B2", "A1A1");
    // libewf gives no identifier: then the size of the medium has to do.
    const other = await segmented({ size: 3 * MIB, seed: 2 });
    const strange = fileOf(other.files, "card.E02");
    await assertRefused(changed(files, { "card.E02": strange }), "card.E02 belongs to another");
  },
});

Deno.test({
  name: "a later segment says which one to name",
  ignore: isMissing,
  async fn(): Promise<void> {
    const { files } = await segmented();
    const error = await assertRejects(
      () => openFiles(files, { name: "card.E02" }),
      ImagingError,
      "card.E02: it is segment 2 of card.E01",
    );
    assertEquals(error.kind, "usage");
    assert(error.hint?.includes("card.E01"));
    const input = { name: "card.E02", size: 1, sectorSize: 512 };
    const head = fileOf(files, "card.E02");
    assertEquals(probeEwf({ ...input, head }), "exact");
    // Called by the number of segment 100, with all that this means.
    const late = new Map([["card.EAA", formatFileHeader(100)]]);
    await assertRejects(() => openFiles(late), ImagingError, "segment 100 of card.E01");
  },
});

Deno.test("relatives of EWF are recognized and refused by name", async () => {
  for (
    const [signature, word] of [
      ["LVF\x09\x0d\x0a\xff\0\x01\x01\0\0\0", "L01"],
      ["LEF2\x0d\x0a\x81\0\x02\x01\x01\0", "Lx01"],
      ["ADCRYPT\0\x01\0\0\0", "encrypted"],
    ] as const
  ) {
    const head = new Uint8Array(600);
    head.set(Uint8Array.from(signature, (character) => character.charCodeAt(0)));
    assertEquals(probeEwf({ name: "", size: 600, sectorSize: 512, head }), "exact");
    await assertRejects(() => openEwf(new MemorySource("x", head)), FormatError, word);
  }
  const head = new Uint8Array(100);
  assertEquals(probeEwf({ name: "card.E01", size: 100, sectorSize: 512, head }), "no");
});

Deno.test({
  name: "of many segments few are open at a time, and none in the end",
  ignore: isMissing,
  async fn(): Promise<void> {
    const { files, bytes } = await segmented({ size: 20 * MIB });
    assert(files.size > 20);
    const folder = new MemoryFolder(files);
    const { media } = await openFolder(folder);
    const shown = new Uint8Array(bytes.length);
    const pieces = Array.from({ length: 40 }, (_, index) => index * bytes.length / 40);
    await Promise.all(
      pieces.map((at) => media.readAt(at, shown.subarray(at, at + bytes.length / 40))),
    );
    assertBytes(shown, bytes);
    assertBytes(await readAll(media, MIB), bytes);
    assert(folder.mostOpen > 2 && folder.mostOpen <= 24, `${folder.mostOpen} were open`);
    await media[Symbol.asyncDispose]();
    assertEquals(folder.openFiles, 0);
  },
});

Deno.test({
  name: "an acquisition that was cut short shows what is there",
  ignore: isMissing,
  async fn(): Promise<void> {
    const { files, bytes } = await segmented();
    const names = [...files.keys()];
    const last = names.at(-1) ?? "";
    // Killed while it wrote the last segment: tables of that one were never written.
    const cut = changed(files, { [last]: fileOf(files, last).slice(0, 40_000) });
    const image = await openFiles(cut);
    assertEquals(image.media.size, bytes.length);
    assert(
      image.findings.some(({ message }) => message.startsWith(`${last}: the file is cut`)),
    );
    assert(image.findings.some(({ message }) => message.includes("cannot be read")));
    const error = await assertRejects(() => readAll(image.media), DamageError);
    const { offset, length } = error.range;
    assertEquals(offset + length, bytes.length);
    assert(offset > 2 * MIB && offset < bytes.length);
    assert(error.message.includes(last), error.message);
    const before = new Uint8Array(offset);
    await image.media.readAt(0, before);
    assertBytes(before, bytes.subarray(0, offset));
  },
});

Deno.test({
  name: "a stream that was cut short: nobody knew how large it would be",
  ignore: isMissing,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = patternBytes(2.5 * MIB);
    const files = await acquireStream(folder, bytes, ["-f", "encase5", ...SMALL]);
    const first = fileOf(files, "card.E01");
    // As it was before the end: counts are filled in behind.
    const text = new TextDecoder("latin1").decode(first.subarray(0, 4096));
    const at = text.indexOf("volume\0") + 76;
    const volume = parseVolume(first.subarray(at, at + VOLUME_BYTES));
    const unknown = first.slice();
    unknown.set(formatVolume({ ...volume, chunkCount: 0, sectorCount: 0 }), at);
    const image = await openFiles(new Map([["card.E01", unknown]]));
    assert(image.findings.some(({ message }) => message.startsWith("card.E02 is missing")));
    assert(image.findings.some(({ message }) => message.includes("how large")));
    assert(image.media.size > 0.9 * MIB && image.media.size < MIB);
    assertBytes(await readAll(image.media), bytes.subarray(0, image.media.size));
  },
});

Deno.test({
  name: "a segment that is exchanged or taken away while it is read makes the read fail",
  ignore: isMissing,
  async fn(): Promise<void> {
    const { files, bytes } = await segmented({ size: 20 * MIB });
    const present = new Map(files);
    const { media } = await openFolder(new MemoryFolder(present));
    const into = new Uint8Array(1000);
    // The first ones were closed meanwhile.
    present.set("card.E02", fileOf(files, "card.E02").slice(0, -1));
    present.delete("card.E03");
    await assertRejects(() => media.readAt(1.5 * MIB, into), ReadError, "card.E02 was changed");
    await assertRejects(
      () => media.readAt(2.5 * MIB, into),
      ReadError,
      "card.E03 is not there",
    );
    present.set("card.E02", fileOf(files, "card.E02"));
    await media.readAt(1.5 * MIB, into);
    assertBytes(into, bytes.subarray(1.5 * MIB, 1.5 * MIB + 1000));
    await media[Symbol.asyncDispose]();
  },
});
