import { assert } from "@std/assert";
import { deflateSync } from "node:zlib";
import type { Bytes } from "../../src/core/block.ts";
import { DamageError, ImagingError } from "../../src/core/errors.ts";
import { endOf } from "../../src/core/range.ts";
import { formatDigest, formatHash } from "../../src/formats/ewf/ewf_digest.ts";
import { formatHeaders } from "../../src/formats/ewf/ewf_header.ts";
import { formatError2, formatSession } from "../../src/formats/ewf/ewf_ranges.ts";
import {
  DESCRIPTOR_BYTES,
  FILE_HEADER_BYTES,
  formatDescriptor,
  formatFileHeader,
  putChecksum,
} from "../../src/formats/ewf/ewf_sections.ts";
import { formatTable, PACKED } from "../../src/formats/ewf/ewf_table.ts";
import { formatSmartVolume, formatVolume } from "../../src/formats/ewf/ewf_volume.ts";
import { MemoryFolder, openFolder } from "../formats/ewf_images.ts";
import { patternBytes } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";
import { breathe } from "./breathe.ts";

/** A round takes about a millisecond. `SECTORSHOT_FUZZ=1000000` for a night. */
const ROUNDS = Number(Deno.env.get("SECTORSHOT_FUZZ") ?? 2500);

/** Numbers that break counting. */
const NASTY = [
  0,
  1,
  2,
  75,
  76,
  77,
  0x7fff_ffff,
  0x8000_0000,
  0xffff_ffff,
  2 ** 52,
  2 ** 53 - 1,
];

type Next = (limit: number) => number;

/** Mostly the number itself, sometimes one that breaks counting. */
function maybeNasty(next: Next, value: number, most = 2 ** 53 - 1): number {
  if (next(40) > 0) return value;
  return Math.min(NASTY[next(NASTY.length)] ?? 0, most);
}

/** A u32 that is what it should be, mostly. */
function maybeNasty32(next: Next, value: number): number {
  return maybeNasty(next, value, 0xffff_ffff);
}

/** What a segment is put together from. */
interface Piece {
  readonly type: string;
  readonly content: Uint8Array;
}

const CHUNK_BYTES = 1024;

/** Chunks as they are stored, with the entries of their table. */
function storedChunks(next: Next, start: number, count: number, isSmart: boolean): {
  readonly bytes: Bytes;
  readonly entries: readonly number[];
} {
  const parts: number[] = [];
  const entries: number[] = [];
  for (let chunk = 0; chunk < count; chunk++) {
    const content = patternBytes(next(20) === 0 ? next(CHUNK_BYTES) : CHUNK_BYTES);
    const isPacked = isSmart || next(2) === 0;
    entries.push(maybeNasty32(next, start + parts.length + (isPacked ? PACKED : 0)));
    if (isPacked) parts.push(...deflateSync(content, { level: 1 }));
    else {
      const plain = new Uint8Array(content.length + 4);
      plain.set(content);
      putChecksum(plain, content.length);
      parts.push(...plain);
    }
  }
  return { bytes: Uint8Array.from(parts), entries };
}

/** What the segments of an image agree on. */
interface ImageShape {
  readonly isSmart: boolean;
  /** Chunks in each group of each segment. */
  readonly segments: readonly (readonly number[])[];
}

/** The sections of a segment, most of which make sense. */
function piecesOf(next: Next, { isSmart, segments }: ImageShape, segment: number): Piece[] {
  const pieces: Piece[] = [];
  const chunkCount = segments.flat().reduce((sum, count) => sum + count, 0);
  const sectorCount = chunkCount * CHUNK_BYTES / 512;
  const geometry = {
    chunkCount: maybeNasty32(next, chunkCount),
    chunkSectors: maybeNasty32(next, CHUNK_BYTES / 512),
    sectorBytes: maybeNasty32(next, 512),
    sectorCount: maybeNasty(next, sectorCount, isSmart ? 0xffff_ffff : undefined),
  };
  const volume = isSmart ? formatSmartVolume(geometry) : formatVolume({
    ...geometry,
    mediaType: next(17),
    mediaFlags: next(16),
    compressionLevel: next(4),
    errorGranularity: next(65),
    setIdentifier: new Uint8Array(16).fill(next(40) === 0 ? 9 : 0),
  });
  if (segment === 0) {
    const layout = (["encase6", "smart", "linen6", "encase1"] as const)[next(4)] ?? "ftk";
    for (const { type, text } of formatHeaders(layout, { notes: "x".repeat(next(50)) })) {
      pieces.push({ type, content: deflateSync(text) });
    }
    pieces.push({ type: next(9) === 0 ? "disk" : "volume", content: volume });
  } else if (!isSmart) pieces.push({ type: "data", content: volume });
  for (const count of segments[segment] ?? []) {
    const at = FILE_HEADER_BYTES + DESCRIPTOR_BYTES +
      pieces.reduce((sum, { content }) => sum + DESCRIPTOR_BYTES + content.length, 0);
    const { bytes, entries } = storedChunks(next, at, count, isSmart);
    const base = maybeNasty(next, 0);
    const table = formatTable(base, entries, !isSmart);
    pieces.push({ type: "sectors", content: bytes });
    if (next(20) > 0) pieces.push({ type: "table", content: table });
    if (next(3) > 0) pieces.push({ type: "table2", content: table });
  }
  const runs = Array.from({ length: next(3) }, () => ({
    first: maybeNasty32(next, next(20)),
    count: maybeNasty32(next, next(5)),
  }));
  const more: Piece[] = [
    { type: "data", content: volume },
    { type: "digest", content: formatDigest({ md5: "a1".repeat(next(17)) }) },
    { type: "hash", content: formatHash({ md5: "b2".repeat(16) }) },
    { type: "error2", content: formatError2(runs) },
    { type: "session", content: formatSession([{ first: next(9), isAudio: next(2) > 0 }]) },
    { type: "incomplete", content: new Uint8Array(next(30)) },
    { type: "xheader", content: new Uint8Array(next(30)) },
    { type: "unheard of, and long", content: new Uint8Array(next(30)) },
  ];
  for (const piece of more) if (next(5) === 0) pieces.push(piece);
  const isLast = segment === segments.length - 1;
  pieces.push({
    type: isLast !== (next(20) === 0) ? "done" : "next",
    content: new Uint8Array(),
  });
  return pieces;
}

/** A segment file, of which the checksums are right however wrong it is. */
function segmentFile(next: Next, pieces: readonly Piece[], number: number): Bytes {
  const parts: number[] = [...formatFileHeader(maybeNasty32(next, number) & 0xffff)];
  for (const { type, content } of pieces) {
    const at = parts.length;
    const end = at + DESCRIPTOR_BYTES + content.length;
    const isEnd = type === "done" || type === "next";
    const descriptor = {
      type,
      next: maybeNasty(next, isEnd ? at : end),
      size: maybeNasty(next, isEnd || next(30) === 0 ? 0 : end - at),
    };
    parts.push(...formatDescriptor(descriptor), ...content);
  }
  return Uint8Array.from(parts);
}

/** Changes some bytes, or cuts. */
function spoiled(next: Next, bytes: Bytes): Bytes {
  const copy = bytes.slice(0, next(12) === 0 ? next(bytes.length + 1) : bytes.length);
  for (let changes = next(3) === 0 ? next(5) : 0; changes > 0 && copy.length > 0; changes--) {
    copy[next(copy.length)] = next(256);
  }
  return copy;
}

Deno.test("whatever an EWF image holds, it is read, damaged, or an ImagingError", async () => {
  const next = seededNumbers(96);
  const counts = { refused: 0, damaged: 0, read: 0, whole: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    await breathe(round);
    const shape = {
      isSmart: next(4) === 0,
      segments: Array.from(
        { length: next(4) === 0 ? 1 + next(4) : 1 },
        () => Array.from({ length: next(3) }, () => 1 + next(5)),
      ),
    };
    const files = new Map<string, Bytes>();
    for (const segment of shape.segments.keys()) {
      const pieces = piecesOf(next, shape, segment);
      const file = spoiled(next, segmentFile(next, pieces, segment + 1));
      if (next(40) > 0) files.set(`card.E0${segment + 1}`, file);
    }
    if (!files.has("card.E01")) continue;
    const folder = new MemoryFolder(files);
    try {
      await readSome(next, folder, counts);
    } catch (error) {
      throw new Error(`round ${round}`, { cause: error });
    }
  }
  // The sections are well chosen when all of it happens often.
  for (const [name, count] of Object.entries(counts)) {
    assert(ROUNDS < 1000 || count > ROUNDS / 50, `only ${count} ${name} of ${ROUNDS}`);
  }
});

/** Opens the image and reads here and there: the medium may be said to be very large. */
async function readSome(
  next: Next,
  folder: MemoryFolder,
  counts: { refused: number; damaged: number; read: number; whole: number },
): Promise<void> {
  let image;
  try {
    image = await openFolder(folder);
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
