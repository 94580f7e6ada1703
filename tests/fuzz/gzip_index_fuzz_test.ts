import { crc32 } from "node:zlib";
import { assert } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import { ZlibPool } from "../../src/copy/zlib_pool.ts";
import type { Bytes } from "../../src/core/block.ts";
import { DamageError, ImagingError } from "../../src/core/errors.ts";
import { endOf } from "../../src/core/range.ts";
import type { ImageFormat } from "../../src/formats/image_format.ts";
import { createGzip } from "../../src/formats/gzip/gzip_writer.ts";
import { gzip } from "../../src/formats/gzip.ts";
import { createZstd } from "../../src/formats/zstd/zstd_writer.ts";
import { zstd } from "../../src/formats/zstd.ts";
import { type CreateImage, mixedBytes, writeImage } from "../formats/piece_images.ts";
import { assertBytes } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

/** A round takes a fraction of a millisecond. `SECTORSHOT_FUZZ=1000000` for a night. */
const ROUNDS = Number(Deno.env.get("SECTORSHOT_FUZZ") ?? 4000);

/** All of it on this thread. */
const ZLIB = new ZlibPool({ threads: 1 });

type Next = (limit: number) => number;

const NASTY = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 2000, 2001, 1999];

/** Bytes of a file that tell where things are: from `start` on. */
interface Sample {
  readonly content: Bytes;
  readonly file: Bytes;
  readonly start: number;
}

async function sampleOf(create: CreateImage, length: number): Promise<Sample> {
  const content = mixedBytes(length, length + 3, 3000);
  const file = await writeImage(create, content, { pieceBytes: 2000 });
  const empty = await writeImage(create, new Uint8Array(), { pieceBytes: 2000 });
  return { content, file, start: file.length - empty.length - 12 * (1 + length / 2000) };
}

/** Numbers of the index changed; of gzip its checksums made right again, mostly. */
function spoiled(next: Next, { file, start }: Sample, isGzip: boolean): Bytes {
  const copy = file.slice();
  const view = new DataView(copy.buffer);
  for (let changes = 1 + next(3); changes > 0; changes--) {
    const from = next(4) === 0 ? 0 : Math.max(0, Math.floor(start));
    const at = from + next(copy.length - from - 4);
    const kind = next(4);
    if (kind === 0) copy[at] = next(256);
    else if (kind === 1) view.setUint32(at, NASTY[next(NASTY.length)] ?? 0, true);
    else if (kind === 2) view.setUint32(at, view.getUint32(at, true) + next(5) - 2, true);
    else copy.copyWithin(at, from + next(copy.length - from - 12), copy.length - next(12));
  }
  if (isGzip && next(4) > 0) repairSums(copy);
  return copy;
}

/** Makes the checksums of the index right, so that what is behind them is looked at. */
function repairSums(file: Bytes): void {
  const view = new DataView(file.buffer);
  // The last member: 17 bytes of head, 33 of value, 2 of deflate, 8 of trailer.
  const value = file.length - 60 + 17;
  if (value < 17) return;
  const offset = Number(view.getBigUint64(value + 17, true));
  if (offset < file.length - 60) {
    view.setUint32(value + 25, crc32(file.subarray(offset, file.length - 60)), true);
  }
  view.setUint32(value + 29, crc32(file.subarray(value, value + 29)), true);
}

for (
  const [format, create] of [[gzip, createGzip], [zstd, createZstd]] as const
) {
  Deno.test(`${format.id}: whatever an index says, nothing wrong is shown`, async () => {
    const next = seededNumbers(98);
    const samples = await Promise.all(
      [0, 1500, 9000, 20_000].map((length) => sampleOf(create, length)),
    );
    const counts = { refused: 0, damaged: 0, same: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      const sample = samples[next(samples.length)] as Sample;
      const file = spoiled(next, sample, format === gzip);
      try {
        counts[await outcomeOf(next, format, file, sample.content)]++;
      } catch (error) {
        throw new Error(`round ${round}`, { cause: error });
      }
    }
    for (const [name, count] of Object.entries(counts)) {
      assert(
        ROUNDS < 1000 || count > ROUNDS / 200,
        `only ${count} ${name}: ${JSON.stringify(counts)}`,
      );
    }
  });
}

async function outcomeOf(
  next: Next,
  format: ImageFormat,
  file: Bytes,
  content: Bytes,
): Promise<"refused" | "damaged" | "same"> {
  let image;
  try {
    image = await format.open(new MemorySource("card", file), { zlib: ZLIB });
  } catch (error) {
    if (!(error instanceof ImagingError)) throw error;
    return "refused";
  }
  const { media } = image;
  await using _media = media;
  assert(Number.isSafeInteger(media.size) && media.size >= 0);
  let isDamaged = false;
  for (let reads = 0; reads < 4; reads++) {
    const offset = reads === 0 ? 0 : next(media.size + 10);
    const into = new Uint8Array(reads === 0 ? Math.min(media.size, 100_000) : next(5000));
    try {
      const count = await media.readAt(offset, into);
      assert(count === Math.min(into.length, Math.max(0, media.size - offset)));
      assertBytes(
        into.subarray(0, count),
        content.slice(offset, offset + count),
        "other bytes",
      );
    } catch (error) {
      if (!(error instanceof DamageError)) throw error;
      const { range } = error;
      assert(range.length > 0 && range.offset >= 0 && endOf(range) <= media.size);
      isDamaged = true;
    }
  }
  return isDamaged ? "damaged" : "same";
}
