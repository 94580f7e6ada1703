/** Which Zstandard is read in any order, and that no byte of it is ever shown wrong. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { MemorySource } from "../../src/blocks/memory.ts";
import { makeUnpackService } from "../../src/copy/unpack/unpack_service.ts";
import type { Bytes } from "../../src/core/block.ts";
import { DamageError, ImagingError } from "../../src/core/errors.ts";
import type { OpenedImage } from "../../src/formats/image_format.ts";
import { formatSkippable } from "../../src/formats/zstd/frames.ts";
import { formatSeekTable } from "../../src/formats/zstd/seek_table.ts";
import { createZstd } from "../../src/formats/zstd/zstd_writer.ts";
import { zstd } from "../../src/formats/zstd.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { shell } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";
import { digestsOf, readTolerant } from "./aff_tools.ts";
import {
  contentOrError,
  isDamage,
  KIB,
  MIB,
  mixedBytes,
  openBytes,
  POOL,
  readAll,
  writeImage,
} from "./piece_images.ts";

const unpack = makeUnpackService();

async function openAny(file: Bytes): Promise<OpenedImage> {
  return await zstd.open(new MemorySource("card.img.zst", file), { zlib: POOL, unpack });
}

Deno.test("what is written here is read in any order, and its digests are shown", async () => {
  const content = mixedBytes(40 * MIB + 5, 6, 3 * MIB);
  const file = await writeImage(zstd.create, content);
  const { media, digests, isPacking, metadata } = await openBytes(zstd, file);
  assertEquals([media.size, media.sequential, isPacking], [content.length, undefined, true]);
  assertEquals(digests, await digestsOf(content));
  assertEquals(metadata, [["packed as", "Zstandard, 21 frames"]]);
  const next = seededNumbers(6);
  await Promise.all(Array.from({ length: 60 }, async () => {
    const offset = next(content.length);
    const into = new Uint8Array(next(3) === 0 ? next(20 * MIB) : next(3000));
    const count = await media.readAt(offset, into);
    assertBytes(into.subarray(0, count), content.subarray(offset, offset + into.length));
  }));
  await media[Symbol.asyncDispose]();
});

/** Frames that zstd made of the pieces, and what a seek table says of them. */
async function theirFrames(
  pieces: readonly Bytes[],
  options: string,
): Promise<{ frames: Bytes[]; checksums: Uint32Array }> {
  await using folder = await TemporaryFolder.create();
  const frames: Bytes[] = [];
  for (const piece of pieces) {
    const path = await folder.write("piece", piece);
    await shell(`zstd -q -c ${options} "$1" > "$1.zst"`, path);
    frames.push(await Deno.readFile(`${path}.zst`));
  }
  const checksums = Uint32Array.from(
    frames,
    (frame) => new DataView(frame.buffer).getUint32(frame.length - 4, true),
  );
  return { frames, checksums };
}

/** A file of these frames with a seek table, which can be wrong. */
function seekable(
  frames: readonly Bytes[],
  contents: readonly number[],
  checksums: Uint32Array,
): Bytes {
  const stored = Uint32Array.from(frames, ({ length }) => length);
  const table = formatSeekTable({ stored, contents: Uint32Array.from(contents), checksums });
  return new Uint8Array(Buffer.concat([...frames, table]));
}

Deno.test({
  name: "zstd's frames with a seek table are read in any order, if they check themselves",
  ignore: needs("zstd"),
  async fn(): Promise<void> {
    const pieces = [100_000, 1, 300_000, 70_000].map((length) => mixedBytes(length, length));
    const lengths = pieces.map(({ length }) => length);
    const content = new Uint8Array(Buffer.concat(pieces));
    const { frames, checksums } = await theirFrames(pieces, "--check -9");
    const file = seekable(frames, lengths, checksums);
    const { media } = await openBytes(zstd, file);
    assertBytes(await readAll(media), content);
    // With something to skip in between.
    const skipped = formatSkippable(3, patternBytes(1000));
    const between = seekable(
      [skipped, ...frames.slice(0, 2), skipped, ...frames.slice(2)],
      [0, ...lengths.slice(0, 2), 0, ...lengths.slice(2)],
      Uint32Array.of(0, ...checksums.slice(0, 2), 0, ...checksums.slice(2)),
    );
    assertBytes(await readAll((await openBytes(zstd, between)).media), content);
    const other = await theirFrames(pieces, "--no-check");
    const unchecked = await openAny(seekable(other.frames, lengths, checksums));
    assertEquals(unchecked.media.sequential, true);
    await unchecked.media[Symbol.asyncDispose]();
  },
});

Deno.test({
  name: "a seek table that hides content, or lies in other ways, shows nothing wrong",
  ignore: needs("zstd"),
  async fn(): Promise<void> {
    const pieces = [100_000, 50_000, 70_000].map((length) => mixedBytes(length, length));
    const { frames, checksums } = await theirFrames(pieces, "--check");
    const lies: Readonly<Record<string, readonly number[]>> = {
      "a frame without content": [100_000, 0, 70_000],
      "a frame with too much": [100_000, 50_001, 70_000],
      "a frame with too little": [100_000, 49_999, 70_000],
      "the first frame": [99_999, 50_000, 70_000],
      "frames in another order": [50_000, 100_000, 70_000],
    };
    for (const [what, lengths] of Object.entries(lies)) {
      const file = seekable(frames, lengths, checksums);
      assert(await contentOrError(zstd, file) instanceof ImagingError, what);
      // The size of one frame moves those behind it, which have none that is wrong.
      await assertRejects(() => openBytes(zstd, file), ImagingError, "packed with zstd");
    }
    const swapped = seekable(frames, [100_000, 50_000, 70_000], checksums.toReversed());
    const result = await contentOrError(zstd, swapped);
    assert(!(result instanceof Uint8Array), "checksums in another order");
    // Two frames where one is said to be.
    const [first = new Uint8Array(), second = new Uint8Array(), third = new Uint8Array()] =
      frames;
    const joined = new Uint8Array(Buffer.concat([first, second]));
    const two = seekable([joined, third], [100_000, 70_000], checksums.slice(1));
    assert(await contentOrError(zstd, two) instanceof ImagingError, "two frames in one");
  },
});

Deno.test({
  name: "what others wrote, and what was put behind ours, is read as a stream",
  ignore: needs("zstd"),
  async fn(): Promise<void> {
    const content = mixedBytes(300_000, 9);
    const { frames } = await theirFrames([content], "");
    const [theirs = new Uint8Array()] = frames;
    const ours = await writeImage(createZstd, content, { pieceBytes: 64 * KIB });
    for (const file of [theirs, new Uint8Array(Buffer.concat([ours, theirs]))]) {
      const { media } = await openAny(file);
      assertEquals(media.sequential, true);
      const into = new Uint8Array(content.length);
      assertEquals(await media.readAt(0, into), content.length);
      assertBytes(into, content);
      await media[Symbol.asyncDispose]();
    }
  },
});

Deno.test("a damaged frame is damage of its bytes, and the others are read", async () => {
  const pieceBytes = 64 * KIB;
  const content = patternBytes(8 * pieceBytes + 100);
  const file = await writeImage(createZstd, content, { pieceBytes });
  const { media } = await openBytes(zstd, file);
  const place = Math.floor(file.length / 8.1 * 3.5);
  file[place] = ~(file[place] ?? 0);
  const error = await assertRejects(() => readAll(media), DamageError);
  assertEquals(error.range, { offset: 3 * pieceBytes, length: pieceBytes });
  const { bytes, damaged } = await readTolerant(media);
  assertEquals(damaged, [error.range]);
  assertBytes(bytes, content.slice().fill(0, 3 * pieceBytes, 4 * pieceBytes));
});

Deno.test("any byte changed: an error, or the same content", async () => {
  const content = mixedBytes(9000, 11, 3000);
  const file = await writeImage(createZstd, content, { pieceBytes: 2000 });
  const counts = { damage: 0, other: 0, same: 0 };
  for (let at = 0; at < file.length; at++) {
    for (const change of [0xff, 1 << at % 8]) {
      const changed = file.slice();
      changed[at] = (changed[at] ?? 0) ^ change;
      const result = await contentOrError(zstd, changed);
      if (result instanceof ImagingError) counts[isDamage(result) ? "damage" : "other"]++;
      else {
        assertBytes(result, content, `byte ${at} changed by ${change}`);
        counts.same++;
      }
      const whole = await streamOrError(changed);
      if (whole !== undefined) {
        assertBytes(whole.content, content, `stream, ${at} by ${change}`);
      }
    }
  }
  // What no checksum covers: the notes, and bits that nobody uses.
  assert(counts.damage > file.length && counts.other > 100, JSON.stringify(counts));
  assert(counts.same < 700, JSON.stringify(counts));
});

Deno.test("cut anywhere: an error, or a warning and the beginning of the content", async () => {
  const content = mixedBytes(9000, 12, 3000);
  const file = await writeImage(createZstd, content, { pieceBytes: 2000 });
  let [streams, unnoticed] = [0, 0];
  for (let length = 1; length < file.length; length++) {
    const cut = file.slice(0, length);
    const error = await contentOrError(zstd, cut);
    assert(error instanceof ImagingError && !isDamage(error), `cut to ${length}`);
    const whole = await streamOrError(cut);
    if (whole === undefined) continue;
    assertBytes(whole.content, content.subarray(0, whole.content.length), `cut to ${length}`);
    if (whole.warnings > 0) streams++;
    else unnoticed++;
  }
  // Only where the first frame ends, nothing tells that more should follow.
  assert(streams > 5 && unnoticed === 1, `${streams}, ${unnoticed}`);
});

/** What is read as a stream; undefined where that is an error. */
async function streamOrError(
  file: Bytes,
): Promise<{ readonly content: Bytes; readonly warnings: number } | undefined> {
  try {
    const { media, findings } = await openAny(file);
    await using _media = media;
    const into = new Uint8Array(20_000);
    const length = await media.readAt(0, into);
    return { content: into.subarray(0, length), warnings: findings.length };
  } catch (error) {
    if (error instanceof ImagingError) return undefined;
    throw error;
  }
}
