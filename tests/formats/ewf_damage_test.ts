import { assert, assertEquals, assertRejects } from "@std/assert";
import { DamageTolerantSource } from "../../src/blocks/damage_tolerant.ts";
import type { Bytes } from "../../src/core/block.ts";
import { DamageError } from "../../src/core/errors.ts";
import { endOf, gapsBetween, type Range } from "../../src/core/range.ts";
import type { OpenedImage } from "../../src/formats/image_format.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";
import { type Outcome, outcomeOf, shownBeside } from "./damage_outcomes.ts";
import {
  acquire,
  type ImageFiles,
  imageOf,
  onlyFile,
  openFiles,
  readAll,
} from "./ewf_images.ts";

const isMissing = needs("ewfacquire");

/** A chunk of 16 sectors. */
const CHUNK_BYTES = 8192;

/** Two chunks that can be packed very well, and a short one that cannot be packed. */
function content(): Bytes {
  const bytes = new Uint8Array(2 * CHUNK_BYTES + 1024);
  const text = "Each byte of a small image is changed in turn. ";
  for (let at = 0; at < bytes.length; at++) bytes[at] = text.charCodeAt(at % text.length);
  bytes.set(patternBytes(1024), 2 * CHUNK_BYTES);
  return bytes;
}

/** A small image in one file; "-b 16" is the smallest chunk there is. */
async function smallImage(bytes: Bytes, format = "encase6"): Promise<Bytes> {
  await using folder = await TemporaryFolder.create();
  const args = ["-b", "16", "-d", "sha1", "-C", "7"];
  return onlyFile(await acquire(folder, bytes, { format, args }));
}

/**
 * Changes each byte of the file in turn. Answers those whose change nobody can see: all
 * that is shown stays the same.
 *
 * What no checksum covers, by reason:
 *
 * 1. How a zlib stream says what it holds: the Adler-32 in it is that of the content. Bits
 *    behind the last code mean nothing (RFC 1951, 3.2.3), and what repeats itself can be
 *    copied from several places. The content is the same then.
 * 2. Table entries of SMART and of ASR's format have no checksum, but what they lead to
 *    has: a changed one is seen when its chunk is read, unless it leads to the beginning
 *    of another chunk.
 * 3. Sections that only EWF-X of libewf has are not looked at.
 */
async function unseenChanges(file: Bytes, bytes: Bytes, name: string): Promise<number[]> {
  const next = seededNumbers(401);
  const beside = shownBeside(await openFiles(imageOf(file, name)));
  const unseen: number[] = [];
  const outcomes: Record<Outcome, number> = { error: 0, finding: 0, damage: 0, same: 0 };
  for (let at = 0; at < file.length; at++) {
    const copy = file.slice();
    // One bit, or all of them.
    copy[at] = (copy[at] ?? 0) ^ (next(3) === 0 ? 0xff : 1 << next(8));
    const outcome = await outcomeOf(imageOf(copy, name), { bytes, beside }, `byte ${at}`);
    outcomes[outcome]++;
    if (outcome === "same") unseen.push(at);
  }
  assert(outcomes.error > 0 && outcomes.finding > 0 && outcomes.damage > 0);
  return unseen;
}

/** Where zlib streams lie: rule 1 above. */
function packedRanges(file: Bytes): Range[] {
  const ranges: Range[] = [];
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const text = new TextDecoder("latin1").decode(file);
  const nextOf = (index: number): number => Number(view.getBigUint64(index + 16, true));
  for (const { index } of text.matchAll(/header2?\0{9,10}/g)) {
    ranges.push({ offset: index + 76, length: nextOf(index) - index - 76 });
  }
  for (const { index } of text.matchAll(/table\0{11}/g)) {
    const count = view.getUint32(index + 76, true);
    const base = Number(view.getBigUint64(index + 84, true));
    const entries = Array.from(
      { length: count },
      (_, entry) => view.getUint32(index + 100 + entry * 4, true),
    );
    const starts = entries.map((entry) => base + entry % 2 ** 31);
    // Chunks lie before their table, or behind it in the same section.
    const end = (starts[0] ?? 0) > index ? nextOf(index) : index;
    for (const [i, entry] of entries.entries()) {
      const offset = starts[i] ?? 0;
      if (entry >= 2 ** 31) ranges.push({ offset, length: (starts[i + 1] ?? end) - offset });
    }
  }
  return ranges;
}

for (const format of ["encase6", "encase1", "smart"]) {
  Deno.test({
    name: `${format}: each changed byte is seen, and no wrong byte is shown as right`,
    ignore: isMissing,
    async fn(): Promise<void> {
      const bytes = content();
      const file = await smallImage(bytes, format);
      const name = format === "smart" ? "card.s01" : "card.E01";
      const unseen = await unseenChanges(file, bytes, name);
      const packed = packedRanges(file);
      assert(packed.length >= 3, `${packed.length} streams`);
      const unexpected = unseen.filter((at) =>
        packed.every((range) => at < range.offset || at >= endOf(range))
      );
      assertEquals(unexpected, [], `of ${file.length} bytes`);
    },
  });

  Deno.test({
    name: `${format}: wherever a file is cut, that is seen`,
    ignore: isMissing,
    async fn(): Promise<void> {
      const bytes = content();
      const file = await smallImage(bytes, format);
      const expected = { bytes, beside: "" };
      for (let cut = 0; cut < file.length; cut++) {
        const files = imageOf(file.slice(0, cut), "card.E01");
        const outcome = await outcomeOf(files, expected, `cut to ${cut}`);
        assert(outcome === "error" || outcome === "finding", `cut to ${cut}: ${outcome}`);
      }
    },
  });
}

/** Where the first section of this type begins in the file. */
function sectionAt(file: Bytes, type: string): number {
  const text = new TextDecoder("latin1").decode(file);
  const at = text.indexOf(type.padEnd(16, "\0"));
  assert(at > 0, `there is no ${type} section`);
  return at;
}

/** The image with these bytes inverted. */
function withDamage(files: ImageFiles, name: string, ...places: readonly number[]): ImageFiles {
  const file = (files.get(name) ?? new Uint8Array()).slice();
  for (const at of places) file[at] = ~(file[at] ?? 0);
  return new Map([...files, [name, file]]);
}

/** The message of the only warning. */
function onlyWarning({ findings }: OpenedImage): string {
  const warnings = findings.filter(({ level }) => level === "warning");
  assertEquals(warnings.length, 1, JSON.stringify(warnings));
  return warnings[0]?.message ?? "";
}

Deno.test({
  name: "a damaged table is replaced by its copy, and the other way round",
  ignore: isMissing,
  async fn(): Promise<void> {
    const bytes = content();
    const files = imageOf(await smallImage(bytes));
    const file = onlyFile(files);
    // Header, entries, footer.
    for (const at of [76, 76 + 24 + 5, 76 + 24 + 12]) {
      for (const type of ["table", "table2"]) {
        const damaged = withDamage(files, "card.E01", sectionAt(file, type) + at);
        const image = await openFiles(damaged);
        const words = type === "table" ? "its copy is used" : "the copy of a table";
        assert(onlyWarning(image).includes(words), onlyWarning(image));
        assertBytes(await readAll(image.media), bytes);
      }
    }
  },
});

Deno.test({
  name: "what stands in a damaged section is taken from elsewhere, where it can be",
  ignore: isMissing,
  async fn(): Promise<void> {
    const bytes = content();
    const files = imageOf(await smallImage(bytes));
    const file = onlyFile(files);
    const beside = shownBeside(await openFiles(files));
    for (const [type, at] of [["volume", 80], ["data", 80], ["header2", 90]] as const) {
      const image = await openFiles(
        withDamage(files, "card.E01", sectionAt(file, type) + at),
      );
      assert(onlyWarning(image).includes(type), onlyWarning(image));
      assertEquals(shownBeside(image), beside);
      assertBytes(await readAll(image.media), bytes);
    }
    // Damaged descriptors, in their padding, lead on all the same.
    for (const type of ["header2", "volume", "sectors", "table", "table2", "data", "hash"]) {
      const image = await openFiles(
        withDamage(files, "card.E01", sectionAt(file, type) + 40),
      );
      assert(onlyWarning(image).includes("checksum of the section"), onlyWarning(image));
      assertEquals(shownBeside(image), beside);
      assertBytes(await readAll(image.media), bytes);
    }
    const image = await openFiles(withDamage(files, "card.E01", sectionAt(file, "hash") + 80));
    assert(onlyWarning(image).includes("hash section"), onlyWarning(image));
    // The digest section has both.
    assertEquals(image.digests?.map(({ algorithm }) => algorithm), ["md5", "sha1"]);
  },
});

Deno.test({
  name: "a damaged chunk is named, and all others can be read",
  ignore: isMissing,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = patternBytes(10 * CHUNK_BYTES + 512);
    for (const [format, compression] of [["encase6", "none"], ["smart", "fast"]] as const) {
      const options = { format, compression, args: ["-b", "16"] };
      const files = await acquire(folder, bytes.slice(), options);
      const [name = ""] = [...files.keys()];
      // Chunks lie one behind the other: this is in the fourth.
      const table = sectionAt(onlyFile(files), format === "smart" ? "table" : "sectors");
      const damaged = withDamage(files, name, table + 200 + 3 * CHUNK_BYTES + 1000);
      const { media, findings } = await openFiles(damaged);
      assertEquals(findings.filter(({ level }) => level === "warning"), []);
      const error = await assertRejects(() => readAll(media), DamageError);
      assertEquals(error.range, { offset: 3 * CHUNK_BYTES, length: CHUNK_BYTES });
      assert(error.message.startsWith(`${name} is damaged in sectors 48 to 63`), error.message);
      for (
        const [at, end] of [[0, 3 * CHUNK_BYTES], [4 * CHUNK_BYTES, bytes.length]] as const
      ) {
        const into = new Uint8Array(end - at);
        assertEquals(await media.readAt(at, into), into.length);
        assertBytes(into, bytes.subarray(at, end));
      }
      const one = new Uint8Array(1);
      await assertRejects(() => media.readAt(3 * CHUNK_BYTES, one), DamageError);
      await assertRejects(() => media.readAt(4 * CHUNK_BYTES - 1, one), DamageError);
      assertEquals(await media.readAt(4 * CHUNK_BYTES, one), 1);
      const tolerant = new DamageTolerantSource(media);
      const shown = await readAll(tolerant);
      assertEquals(tolerant.damaged, [error.range]);
      const zeroed = bytes.slice().fill(0, 3 * CHUNK_BYTES, 4 * CHUNK_BYTES);
      assertBytes(shown, zeroed);
    }
  },
});

Deno.test({
  name: "where both tables of a segment are lost, all others still hold what they held",
  ignore: isMissing,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = patternBytes(3.5 * 1024 * 1024);
    const args = ["-S", `${1024 * 1024}`];
    const files = await acquire(folder, bytes, { compression: "none", args });
    const second = files.get("card.E02") ?? new Uint8Array();
    const tables = ["table", "table2"].map((type) => sectionAt(second, type));
    const ranges: Range[] = [];
    for (
      const damaged of [
        // Entries: their number is still known; headers: it is not.
        withDamage(files, "card.E02", ...tables.map((at) => at + 76 + 24)),
        withDamage(files, "card.E02", ...tables.map((at) => at + 76)),
        // What the sections are is lost, and what they lead to.
        withDamage(files, "card.E02", ...tables),
        withDamage(files, "card.E02", ...tables, ...tables.map((at) => at + 23)),
      ]
    ) {
      const image = await openFiles(damaged);
      assert(image.findings.some(({ message }) => message.startsWith("card.E02: ")));
      assertEquals(image.media.size, bytes.length);
      const tolerant = new DamageTolerantSource(image.media);
      const shown = await readAll(tolerant);
      for (
        const { offset, length } of gapsBetween(
          { offset: 0, length: bytes.length },
          tolerant.damaged,
        )
      ) {
        assertBytes(
          shown.subarray(offset, offset + length),
          bytes.subarray(offset, offset + length),
        );
      }
      const [range] = tolerant.damaged;
      assertEquals(tolerant.damaged.length, 1);
      if (range !== undefined) ranges.push(range);
    }
    // The same place each time: about the second MiB.
    assertEquals(new Set(ranges.map((range) => JSON.stringify(range))).size, 1);
    assertEquals(Math.round((ranges[0]?.offset ?? 0) / 1024 / 1024), 1);
    // Without the third segment's tables nobody knows where the fourth belongs.
    const third = files.get("card.E03") ?? new Uint8Array();
    const twice = withDamage(
      withDamage(files, "card.E02", ...tables.map((at) => at + 76)),
      "card.E03",
      ...["table", "table2"].map((type) => sectionAt(third, type) + 76),
    );
    const { media } = await openFiles(twice);
    const error = await assertRejects(() => readAll(media), DamageError);
    assertEquals(error.range.offset, ranges[0]?.offset);
    assertEquals(endOf(error.range), bytes.length);
  },
});
