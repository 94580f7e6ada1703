/** Compressed images that are written and read in tests. */
import { assertEquals } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import { ZlibPool } from "../../src/copy/zlib_pool.ts";
import { makeChunk } from "../../src/copy/run_copy.ts";
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import { DamageError, ImagingError } from "../../src/core/errors.ts";
import type {
  ImageFormat,
  ImageOutput,
  ImagePlan,
  ImageWriter,
  OpenedImage,
} from "../../src/formats/image_format.ts";
import { MemoryOutput } from "../support/image_output.ts";
import { patternBytes } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";
import { digestsOf } from "./aff_tools.ts";

export const KIB = 1024;
export const MIB = 1024 * KIB;

/** Shared by all tests of a file; its threads end with the process. */
export const POOL = new ZlibPool({ threads: 2 });

/** As the formats begin their images. */
export type CreateImage = (
  output: ImageOutput,
  plan: ImagePlan,
  pieceBytes?: number,
) => ImageWriter | Promise<ImageWriter>;

/** How an image is written in a test. */
export interface WriteOptions extends Partial<ImagePlan> {
  readonly pieceBytes?: number | undefined;
  readonly chunkBytes?: number;
  readonly output?: MemoryOutput;
}

/** Writes an image of these bytes, chunks overlapping; answers the file. */
export async function writeImage(
  create: CreateImage,
  content: Bytes,
  options: WriteOptions = {},
): Promise<Bytes> {
  const { chunkBytes = 4 * MIB, output = new MemoryOutput(), pieceBytes, ...plan } = options;
  const writer = await create(output, {
    size: content.length,
    sparse: true,
    zlib: POOL,
    digests: () => digestsOf(content),
    ...plan,
  }, pieceBytes);
  const consumed: Promise<void>[] = [];
  for (let at = 0; at < content.length; at += chunkBytes) {
    const bytes = content.slice(at, at + chunkBytes);
    // What is given back to the flow is used for other things.
    consumed.push(writer.consume(makeChunk(at, bytes)).then(() => void bytes.fill(7)));
  }
  await Promise.all(consumed);
  const summary = await writer.finish();
  assertEquals(summary.size, content.length);
  return output.durable;
}

/** Opens an image in memory, without anybody who unpacks streams. */
export async function openBytes(format: ImageFormat, file: Bytes): Promise<OpenedImage> {
  return await format.open(new MemorySource("card.img", file), { zlib: POOL });
}

/** Text, noise and zeros in turn, in stretches of any length up to `longest`. */
export function mixedBytes(length: number, seed = 1, longest = 300_000): Bytes {
  const next = seededNumbers(seed);
  const bytes = new Uint8Array(length);
  const words = Array.from({ length: 64 }, () => `word${next(1000)} `).join("");
  const text = new TextEncoder().encode(words);
  for (let at = 0; at < length;) {
    const part = bytes.subarray(at, at + 1 + next(longest));
    const kind = next(3);
    if (kind === 0) part.set(patternBytes(part.length, { seed: next(1000) }));
    if (kind === 1) part.forEach((_, i) => part[i] = text[i % text.length] ?? 0);
    at += part.length;
  }
  return bytes;
}

/** All of a medium, read in pieces that fall on no border. */
export async function readAll(media: BlockSource, pieceBytes = 50_021): Promise<Bytes> {
  const bytes = new Uint8Array(media.size);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const into = bytes.subarray(at, at + pieceBytes);
    assertEquals(await media.readAt(at, into), into.length);
  }
  assertEquals(await media.readAt(media.size, new Uint8Array(10)), 0);
  return bytes;
}

/**
 * What an image shows, or the error of opening or reading it.
 *
 * @throws when it is an error that is none of ours.
 */
export async function contentOrError(
  format: ImageFormat,
  file: Bytes,
): Promise<Bytes | ImagingError> {
  try {
    const { media } = await openBytes(format, file);
    const content = await readAll(media);
    await media[Symbol.asyncDispose]();
    return content;
  } catch (error) {
    if (error instanceof ImagingError) return error;
    throw error;
  }
}

/** Is it damage of the content, and not of what surrounds it? */
export function isDamage(result: Bytes | ImagingError): boolean {
  return result instanceof DamageError;
}

/** Sizes around the borders of pieces. */
export function sizesAround(pieceBytes: number): number[] {
  const several = 3 * pieceBytes + 777;
  return [0, 1, pieceBytes - 1, pieceBytes, pieceBytes + 1, 2 * pieceBytes, several];
}

/** Kinds of content that are packed in other ways each. */
export function contents(length: number): Readonly<Record<string, Bytes>> {
  return {
    zeros: new Uint8Array(length),
    noise: patternBytes(length, { sectorSize: 1024 * 1024 }),
    mixed: mixedBytes(length, length + 1),
  };
}
