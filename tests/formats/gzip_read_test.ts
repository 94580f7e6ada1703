/** Which gzip is read in any order, and that no byte of it is ever shown wrong. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import { MemorySource } from "../../src/blocks/memory.ts";
import { makeUnpackService } from "../../src/copy/unpack/unpack_service.ts";
import type { Bytes } from "../../src/core/block.ts";
import { DamageError, ImagingError } from "../../src/core/errors.ts";
import { createGzip } from "../../src/formats/gzip/gzip_writer.ts";
import { gzip } from "../../src/formats/gzip.ts";
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

/** What is inside, read as a stream where it has to be. */
async function streamed(file: Bytes): Promise<Bytes> {
  const source = new MemorySource("card.img.gz", file);
  const { media } = await gzip.open(source, { zlib: POOL, unpack });
  await using _media = media;
  assert(media.sequential === true, "it can be read in any order");
  const parts: Bytes[] = [];
  for (let at = 0;;) {
    const into = new Uint8Array(100_000);
    const count = await media.readAt(at, into);
    parts.push(into.subarray(0, count));
    at += count;
    if (count < into.length) return new Uint8Array(Buffer.concat(parts));
  }
}

Deno.test("what is written here is read in any order, and its digests are shown", async () => {
  const content = mixedBytes(40 * MIB + 5, 6, 3 * MIB);
  const file = await writeImage(gzip.create, content);
  const { media, digests, isPacking, metadata } = await openBytes(gzip, file);
  assertEquals([media.size, media.sequential, isPacking], [content.length, undefined, true]);
  assertEquals(digests, await digestsOf(content));
  assertEquals(metadata, [["packed as", "gzip, 41 members of up to 1 MiB"]]);
  const next = seededNumbers(6);
  await Promise.all(Array.from({ length: 60 }, async () => {
    const offset = next(content.length);
    const into = new Uint8Array(next(3) === 0 ? next(20 * MIB) : next(3000));
    const count = await media.readAt(offset, into);
    assertBytes(into.subarray(0, count), content.subarray(offset, offset + into.length));
  }));
  await media[Symbol.asyncDispose]();
});

Deno.test({
  name: "bgzip's files are read in any order",
  ignore: needs("bgzip"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    for (const size of [0, 1, 65_280, 3 * MIB + 7]) {
      const content = mixedBytes(size, size + 1);
      const path = await folder.write("content", content);
      await shell('bgzip -c "$1" > "$1.gz"', path);
      const file = await Deno.readFile(`${path}.gz`);
      const { media, digests } = await openBytes(gzip, file);
      assertEquals([media.size, media.sequential, digests], [size, undefined, undefined]);
      assertBytes(await readAll(media), content);
      // Without the empty block at the end the file may have been cut.
      if (size > 0) assertBytes(await streamed(file.slice(0, -28)), content);
    }
  },
});

Deno.test({
  name: "what others wrote, and what was put behind ours, is read as a stream",
  ignore: needs("gzip", "pigz"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const content = mixedBytes(3 * MIB, 9);
    const path = await folder.write("content", content);
    for (const tool of ["gzip -9", "pigz", "pigz --independent"]) {
      await shell(`${tool} -c "$1" > "$1.gz"`, path);
      assertBytes(await streamed(await Deno.readFile(`${path}.gz`)), content, tool);
    }
    const ours = await writeImage(createGzip, content, { pieceBytes: 64 * KIB });
    const theirs = gzipSync(content.subarray(0, 1000));
    const more = Buffer.concat([content, content.subarray(0, 1000)]);
    assertBytes(await streamed(new Uint8Array(Buffer.concat([ours, theirs]))), more);
    const before = Buffer.concat([content.subarray(0, 1000), content]);
    assertBytes(await streamed(new Uint8Array(Buffer.concat([theirs, ours]))), before);
    const twice = Buffer.concat([content, content]);
    assertBytes(await streamed(new Uint8Array(Buffer.concat([ours, ours]))), twice);
  },
});

Deno.test("a damaged member is damage of its bytes, and the others are read", async () => {
  const pieceBytes = 64 * KIB;
  const content = patternBytes(8 * pieceBytes + 100);
  const file = await writeImage(createGzip, content, { pieceBytes });
  const { media } = await openBytes(gzip, file);
  const member = (file.length - 1000) / 8.1;
  const place = Math.floor(member * 3.5);
  file[place] = ~(file[place] ?? 0);
  const error = await assertRejects(() => readAll(media), DamageError);
  assertEquals(error.range, { offset: 3 * pieceBytes, length: pieceBytes });
  const { bytes, damaged } = await readTolerant(media);
  assertEquals(damaged, [error.range]);
  const expected = content.slice().fill(0, 3 * pieceBytes, 4 * pieceBytes);
  assertBytes(bytes, expected);
});

Deno.test("any byte changed: an error, or the same content", async () => {
  const content = mixedBytes(9000, 11, 3000);
  const file = await writeImage(createGzip, content, { pieceBytes: 2000 });
  const counts = { damage: 0, other: 0, same: 0 };
  for (let at = 0; at < file.length; at++) {
    for (const change of [0xff, 1 << at % 8]) {
      const changed = file.slice();
      changed[at] = (changed[at] ?? 0) ^ change;
      const result = await contentOrError(gzip, changed);
      if (result instanceof ImagingError) counts[isDamage(result) ? "damage" : "other"]++;
      else {
        assertBytes(result, content, `byte ${at} changed by ${change}`);
        counts.same++;
      }
      // As a stream: the same, or an error.
      const whole = await streamOrError(changed);
      if (whole !== undefined) assertBytes(whole, content, `stream, byte ${at} by ${change}`);
    }
  }
  // What no checksum covers: time, flags of speed and system in the heads of members.
  assert(counts.damage > file.length && counts.other > 500 && counts.same > 0);
  assert(counts.same < 200, `${counts.same}`);
});

/** What the file holds, read as a stream; undefined where that is an error. */
async function streamOrError(file: Bytes): Promise<Bytes | undefined> {
  const stream = unpack.unpack("gzip", new MemorySource("card.img.gz", file));
  await using _stream = stream;
  const into = new Uint8Array(20_000);
  try {
    let length = 0;
    for (let count = -1; count !== 0; length += count) {
      count = await stream.read(into.subarray(length));
    }
    return into.subarray(0, length);
  } catch (error) {
    if (error instanceof ImagingError) return undefined;
    throw error;
  }
}

Deno.test("cut anywhere, it is no image that can be read in any order, and an error at its end", async () => {
  const content = mixedBytes(9000, 12, 3000);
  const file = await writeImage(createGzip, content, { pieceBytes: 2000 });
  let streams = 0;
  for (let length = 0; length < file.length; length++) {
    const cut = file.slice(0, length);
    const error = await contentOrError(gzip, cut);
    assert(error instanceof ImagingError && !isDamage(error), `cut to ${length}`);
    const whole = await streamOrError(cut);
    if (whole === undefined) continue;
    // Where a member ends, nothing tells gzip that more should follow.
    assertBytes(whole, content.subarray(0, whole.length), `cut to ${length}`);
    if (length === 0) continue;
    streams++;
    const source = new MemorySource("card.img.gz", cut);
    const { media, findings } = await gzip.open(source, { zlib: POOL, unpack });
    await media[Symbol.asyncDispose]();
    assertEquals(findings.map(({ level }) => level), ["warning"], `cut to ${length}`);
  }
  assert(streams > 5 && streams < 10, `${streams}`);
});
