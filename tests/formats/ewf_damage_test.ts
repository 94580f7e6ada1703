import { assert, assertEquals, assertRejects } from "@std/assert";
import { DamageTolerantSource } from "../../src/blocks/damage_tolerant.ts";
import type { Bytes } from "../../src/core/block.ts";
import { DamageError, ImagingError } from "../../src/core/errors.ts";
import { endOf, gapsBetween, type Range, totalLength } from "../../src/core/range.ts";
import type { OpenedImage } from "../../src/formats/image_format.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers, withFlippedByte } from "../volumes/image_tools.ts";
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

/** Four chunks and a bit: three can be packed well, one cannot. */
function content(): Bytes {
  const bytes = new Uint8Array(4 * CHUNK_BYTES + 1024);
  for (let at = 0; at < bytes.length; at += 512) bytes[at + at % 200] = at / 512;
  bytes.set(patternBytes(CHUNK_BYTES), CHUNK_BYTES);
  return bytes;
}

/** A small image in one file; "-b 16" is the smallest chunk there is. */
async function smallImage(bytes: Bytes, format = "encase6"): Promise<Bytes> {
  await using folder = await TemporaryFolder.create();
  const args = ["-b", "16", "-d", "sha1", "-C", "7"];
  return onlyFile(await acquire(folder, bytes, { format, args }));
}

/** What a person learns of an image beside its bytes. */
function shownBeside({ metadata, evidence, digests, unreadable }: OpenedImage): string {
  return JSON.stringify({ metadata, evidence, digests, unreadable });
}

/** How damage showed itself; "same" where nothing that is shown has changed. */
type Outcome = "error" | "finding" | "damage" | "same";

/**
 * Opens a damaged image and reads all of it. Never may a byte be shown that is wrong, but
 * where a complaint names it.
 */
async function outcomeOf(
  files: ImageFiles,
  bytes: Bytes,
  beside: string,
  what: string,
): Promise<Outcome> {
  let image;
  try {
    image = await openFiles(files);
  } catch (error) {
    if (!(error instanceof ImagingError)) throw new Error(what, { cause: error });
    assert(error.kind === "corrupt", what);
    return "error";
  }
  const tolerant = new DamageTolerantSource(image.media);
  const shown = new Uint8Array(Math.min(tolerant.size, bytes.length));
  await tolerant.readAt(0, shown);
  const right = gapsBetween({ offset: 0, length: shown.length }, tolerant.damaged);
  for (const { offset, length } of right) {
    const expected = bytes.subarray(offset, offset + length);
    assertBytes(shown.subarray(offset, offset + length), expected, what);
  }
  if (image.findings.some(({ level }) => level === "warning")) return "finding";
  if (tolerant.damaged.length > 0) return "damage";
  assertEquals(image.media.size, bytes.length, what);
  assertEquals(shownBeside(image), beside, what);
  return "same";
}

/**
 * Changes each byte of the file in turn. Answers those whose change nobody can see.
 *
 * What no checksum covers, by reason:
 *
 * 1. Bits of a zlib stream that mean nothing: what is left of the last byte of its deflate
 *    stream (RFC 1951, 3.2.3), which stands before the Adler-32. What it holds is the same.
 * 2. Table entries of SMART and of ASR's format have no checksum, but what they lead to
 *    has: a changed one is seen when its chunk is read, and so is the one before it.
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
    const outcome = await outcomeOf(imageOf(copy, name), bytes, beside, `byte ${at}`);
    outcomes[outcome]++;
    if (outcome === "same") unseen.push(at);
  }
  assert(outcomes.error > 0 && outcomes.finding > 0 && outcomes.damage > 0);
  return unseen;
}

/** Bytes of which bits mean nothing: rule 1 above. */
function lastDeflateBytes(file: Bytes): Set<number> {
  const places = new Set<number>();
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const text = new TextDecoder("latin1").decode(file);
  for (const { index } of text.matchAll(/header2?\0{9,10}/g)) {
    places.add(Number(view.getBigUint64(index + 16, true)) - 5);
  }
  for (const { index } of text.matchAll(/table2?\0{10,11}/g)) {
    const count = view.getUint32(index + 76, true);
    const base = Number(view.getBigUint64(index + 84, true));
    // Each chunk ends where the next one begins; the last one before the table, or in
    // SMART at the end of its section.
    const starts = Array.from(
      { length: count },
      (_, entry) => base + view.getUint32(index + 100 + entry * 4, true) % 2 ** 31,
    );
    const isInside = (starts[0] ?? 0) > index;
    const end = isInside ? Number(view.getBigUint64(index + 16, true)) : index;
    for (const start of [...starts.slice(1), end]) places.add(start - 5);
  }
  return places;
}

for (const format of ["encase6", "encase1", "smart"]) {
  Deno.test({
    name: `${format}: each changed byte is seen, and no wrong byte is shown as right`,
    ignore: isMissing,
    async fn(): Promise<void> {
      const bytes = content();
      const file = await smallImage(bytes, format);
      const name = format === "smart" ? "card.s01" : "card.E01";
      const places = lastDeflateBytes(file);
      const unseen = await unseenChanges(file, bytes, name);
      assertEquals(unseen.filter((at) => !places.has(at)), [], `of ${file.length} bytes`);
    },
  });

  Deno.test({
    name: `${format}: wherever a file is cut, that is seen`,
    ignore: isMissing,
    async fn(): Promise<void> {
      const bytes = content();
      const file = await smallImage(bytes, format);
      const beside = "";
      for (let cut = 0; cut < file.length; cut++) {
        const files = imageOf(file.slice(0, cut), "card.E01");
        const outcome = await outcomeOf(files, bytes, beside, `cut to ${cut}`);
        assert(outcome === "error" || outcome === "finding", `cut to ${cut}: ${outcome}`);
      }
    },
  });
}
