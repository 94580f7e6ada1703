/** Each byte of an .Ex01 changed in turn, and files that are cut. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { DamageTolerantSource } from "../../src/blocks/damage_tolerant.ts";
import type { Bytes } from "../../src/core/block.ts";
import { viewOf } from "../../src/core/bytes.ts";
import { DamageError } from "../../src/core/errors.ts";
import { endOf, gapsBetween, type Range } from "../../src/core/range.ts";
import type { OpenedImage } from "../../src/formats/image_format.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";
import { type Expected, type Outcome, outcomeOf, shownBeside } from "./damage_outcomes.ts";
import {
  DESCRIPTOR_BYTES,
  descriptorOf,
  group,
  openFiles2,
  openFolder2,
  plainChunk,
  section,
  segmentOf,
  serialized,
} from "./ewf2_images.ts";
import { CONTENTS, sampleFiles, type SampleName } from "./ewf2_samples.ts";
import { imageOf, MemoryFolder, onlyFile, readAll } from "./ewf_images.ts";

const NAMES = ["every", "plain", "sectors4096", "oneSector", "emptyBlock", "odd"] as const;
const MORE_NAMES = [...NAMES, "optical", "errors"] as const;

/** All but the identifier of the set, which nothing covers: see below. */
function shown(image: OpenedImage): string {
  const metadata = image.metadata.filter(([name]) => name !== "set identifier");
  return shownBeside({ ...image, metadata });
}

async function expectedOf(name: SampleName): Promise<Expected> {
  const beside = shown(await openFiles2(sampleFiles(name)));
  return { bytes: CONTENTS[name](), beside, open: openFiles2, show: shown };
}

/**
 * Changes each byte of the file in turn. Answers those whose change nobody can see: all
 * that is shown stays the same.
 *
 * What no rule covers, by reason:
 *
 * 1. The identifier of the set in the file header. In an image of several segments it must
 *    be the same in all of them.
 * 2. How a zlib stream says what it holds: the Adler-32 in it is that of the content.
 * 3. Padding behind the data of a section, and behind header and footer of a table. The
 *    integrity hash covers it where it is set; libewf does not set it.
 * 4. Padding behind a chunk.
 * 5. What no table leads to: of a chunk that a pattern fills libewf writes the pattern to
 *    the sector data, too.
 */
async function unseenChanges(file: Bytes, expected: Expected): Promise<number[]> {
  const next = seededNumbers(402);
  const unseen: number[] = [];
  const outcomes: Record<Outcome, number> = { error: 0, finding: 0, damage: 0, same: 0 };
  for (let at = 0; at < file.length; at++) {
    const copy = file.slice();
    // One bit, or all of them.
    copy[at] = (copy[at] ?? 0) ^ (next(3) === 0 ? 0xff : 1 << next(8));
    const outcome = await outcomeOf(imageOf(copy, "card.Ex01"), expected, `byte ${at}`);
    outcomes[outcome]++;
    if (outcome === "same") unseen.push(at);
  }
  assert(outcomes.error > 0 && outcomes.finding > 0 && outcomes.damage > 0);
  return unseen;
}

/** What the rules above name; the specification's own reading of the file. */
function uncoveredRanges(file: Bytes): Range[] {
  const ranges: Range[] = [{ offset: 16, length: 16 }];
  const view = viewOf(file);
  let chunks: readonly Range[] = [];
  for (let at = file.length - DESCRIPTOR_BYTES; at > 0;) {
    const type = view.getUint32(at, true);
    const length = Number(view.getBigUint64(at + 16, true));
    const start = at - length;
    const padding = view.getUint32(at + 28, true);
    if (type === 1 || type === 2) ranges.push({ offset: start, length });
    else if (type === 3) ranges.push(...gapsBetween({ offset: start, length }, chunks));
    else if (type === 4 || type === 5 || type === 6) {
      ranges.push({ offset: start + 20, length: 12 }, { offset: at - 12, length: 12 });
      if (type === 4) chunks = plainChunks(view, start);
    } else if (type === 8 || type === 9) ranges.push({ offset: at - padding, length: padding });
    at = Number(view.getBigUint64(at + 8, true));
  }
  return ranges;
}

/** Chunks that are kept as they are, with their checksums: all else is rule 2, 4 or 5. */
function plainChunks(view: DataView, table: number): Range[] {
  return Array.from({ length: view.getUint32(table + 8, true) }, (_, index): Range[] => {
    const entry = table + 32 + index * 16;
    if (view.getUint32(entry + 12, true) !== 2) return [];
    const offset = Number(view.getBigUint64(entry, true));
    return [{ offset, length: view.getUint32(entry + 8, true) }];
  }).flat();
}

for (const name of NAMES) {
  Deno.test(`${name}: each changed byte is seen, and no wrong byte is shown as right`, async () => {
    const file = onlyFile(sampleFiles(name));
    const unseen = await unseenChanges(file, await expectedOf(name));
    const uncovered = uncoveredRanges(file);
    const unexpected = unseen.filter((at) =>
      uncovered.every((range) => at < range.offset || at >= endOf(range))
    );
    assertEquals(unexpected, [], `of ${file.length} bytes`);
    // The rules are no wider than they must be: their padding and identifiers are unseen.
    assert(unseen.length > 16 && unseen.length < file.length / 8, `${unseen.length} unseen`);
  });
}

for (const name of MORE_NAMES) {
  Deno.test(`${name}: wherever the file is cut, that is seen`, async () => {
    const file = onlyFile(sampleFiles(name));
    const expected = { bytes: CONTENTS[name](), beside: "", open: openFiles2 };
    const outcomes = new Set<Outcome>();
    for (let cut = 0; cut < file.length; cut++) {
      const files = imageOf(file.slice(0, cut), "card.Ex01");
      const outcome = await outcomeOf(files, expected, `cut to ${cut}`);
      assert(outcome === "error" || outcome === "finding", `cut to ${cut}: ${outcome}`);
      outcomes.add(outcome);
    }
    assertEquals(outcomes.size, 2);
  });
}

Deno.test("each changed byte of error and session tables is seen", async () => {
  for (const [name, type] of [["errors", 0x05], ["optical", 0x06]] as const) {
    const file = onlyFile(sampleFiles(name));
    const expected = await expectedOf(name);
    const end = descriptorAt(file, type);
    const start = end - Number(viewOf(file).getBigUint64(end + 16, true));
    for (let at = start; at < end + DESCRIPTOR_BYTES; at++) {
      const copy = file.slice();
      copy[at] = (copy[at] ?? 0) ^ 0x21;
      const outcome = await outcomeOf(imageOf(copy, "card.Ex01"), expected, `byte ${at}`);
      const isPadding = (at >= start + 20 && at < start + 32) || (at >= end - 12 && at < end);
      assertEquals(outcome === "same", isPadding, `${name}, byte ${at}: ${outcome}`);
    }
  }
});

/** Where the descriptor of the last section of this type begins. */
function descriptorAt(file: Bytes, type: number): number {
  const view = viewOf(file);
  let at = file.length - DESCRIPTOR_BYTES;
  while (at > 0 && view.getUint32(at, true) !== type) {
    at = Number(view.getBigUint64(at + 8, true));
  }
  assert(at > 0, `there is no section ${type}`);
  return at;
}

/** All that can be read of a damaged image. */
async function tolerantly(file: Bytes): Promise<{
  readonly shown: Bytes;
  readonly damaged: readonly Range[];
  readonly warnings: readonly string[];
}> {
  const image = await openFiles2(imageOf(file, "card.Ex01"));
  const tolerant = new DamageTolerantSource(image.media);
  const bytes = await readAll(tolerant);
  const warnings = image.findings.filter(({ level }) => level === "warning")
    .map(({ message }) => message);
  return { shown: bytes, damaged: tolerant.damaged, warnings };
}

Deno.test("an image without its end shows all that its tables lead to", async () => {
  const file = onlyFile(sampleFiles("every"));
  const bytes = CONTENTS.every();
  for (const [type, words] of [[0x08, ""], [0x0f, ""], [0x04, "cannot be read"]] as const) {
    const at = descriptorAt(file, type);
    // Within the descriptor, and behind it.
    for (const cut of [at + 30, at]) {
      const { shown, damaged, warnings } = await tolerantly(file.slice(0, cut));
      // The section "done" holds nothing: without it the file ends with another descriptor.
      const isBetween = type === 0x0f && cut === at;
      const told = isBetween ? "does not end with a section" : "its end is lost";
      assert(warnings[0]?.includes(told), warnings.join());
      if (words === "") assertBytes(shown, bytes);
      else {
        assertEquals(damaged, [{ offset: 0, length: bytes.length }]);
        assert(warnings.some((each) => each.includes(words)), warnings.join());
      }
    }
  }
  const longer = new Uint8Array(file.length + 1000).fill(0x55);
  longer.set(file);
  const { shown, damaged, warnings } = await tolerantly(longer);
  assertBytes(shown, bytes);
  assertEquals(damaged, []);
  assertEquals(warnings.length, 1);
});

Deno.test("a damaged descriptor is followed, or what lies before it is searched", async () => {
  const file = onlyFile(sampleFiles("every"));
  const bytes = CONTENTS.every();
  for (const type of [0x01, 0x02, 0x03, 0x04, 0x08, 0x09, 0x0f]) {
    const at = descriptorAt(file, type);
    for (const [field, words] of [[48, "checksum of the section"], [8, "searched"]] as const) {
      const damaged = file.slice();
      damaged[at + field] = (damaged[at + field] ?? 0) ^ 0x40;
      if (field === 8 && type <= 0x02) continue;
      const result = await tolerantly(damaged);
      assert(result.warnings[0]?.includes(words), result.warnings.join());
      // Only what stood in the section is lost, and that is named.
      if (type === 0x04 && field === 8) assertEquals(result.damaged.length, 1);
      else assertBytes(result.shown, bytes);
    }
  }
});

Deno.test("a damaged chunk is named, and all others can be read", async () => {
  const file = onlyFile(sampleFiles("every"));
  const bytes = CONTENTS.every();
  const table = descriptorAt(file, 4) - Number(
    viewOf(file).getBigUint64(
      descriptorAt(file, 4) + 16,
      true,
    ),
  );
  for (const [chunk, skip] of [[0, 40], [4, 100], [5, 1000]] as const) {
    const damaged = file.slice();
    const at = Number(viewOf(file).getBigUint64(table + 32 + chunk * 16, true)) + skip;
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    const { media, findings } = await openFiles2(imageOf(damaged, "card.Ex01"));
    assertEquals(findings, []);
    const offset = chunk * 8192;
    const length = Math.min(8192, bytes.length - offset);
    const error = await assertRejects(() => readAll(media), DamageError);
    assertEquals(error.range, { offset, length });
    const sectors = `sectors ${offset / 512} to ${(offset + length) / 512 - 1}`;
    assert(error.message.startsWith(`card.Ex01 is damaged in ${sectors}`), error.message);
    const tolerant = new DamageTolerantSource(media);
    assertBytes(await readAll(tolerant), bytes.slice().fill(0, offset, offset + length));
  }
});

Deno.test("the search is not led astray by an image within the image", async () => {
  // A medium on which an .Ex01 lies as a file, in chunks that are not packed.
  const inner = onlyFile(sampleFiles("plain"));
  const content = patternBytes(4 * 8192);
  for (const at of [0, 512, 4096]) content.set(inner.subarray(0, 10_240), at);
  const made = (): Bytes => {
    const chunks = [0, 1, 2, 3].map((index) =>
      plainChunk(content.subarray(index * 8192, (index + 1) * 8192))
    );
    return segmentOf([
      section(0x01, serialized({ ts: 64, bp: 512, ph: 1 })),
      section(0x02, serialized({ tb: 4, sb: 16 })),
      ...group(0, chunks),
      section(0x0f),
    ]);
  };
  // And one descriptor that even names the right one before it, but not how much lies between.
  const table = section(0x04, new Uint8Array(64));
  content.set(descriptorOf(table, table.data(0), descriptorAt(made(), 0x02)), 20_000);
  const file = made();
  assertEquals((await tolerantly(file)).warnings, []);
  const { shown, damaged, warnings } = await tolerantly(file.slice(0, -10));
  assertEquals(warnings.length, 1, warnings.join());
  assertEquals(damaged, []);
  assertBytes(shown, content);
});

Deno.test("a search through many sections reads each place a few times only", async () => {
  const chunks = Array.from(
    { length: 200 },
    (_, index) => group(index, [plainChunk(patternBytes(8192, { offset: index * 8192 }))]),
  ).flat();
  const file = segmentOf([
    section(0x01, serialized({ ts: 3200, bp: 512, ph: 1 })),
    section(0x02, serialized({ tb: 200, sb: 16 })),
    ...chunks,
    section(0x0f),
  ]);
  const folder = new MemoryFolder(imageOf(file.slice(0, -1), "card.Ex01"));
  const { media } = await openFolder2(folder);
  assert(folder.readBytes < 8 * file.length, `${folder.readBytes} of ${file.length}`);
  assertBytes(await readAll(media), patternBytes(200 * 8192));
});
