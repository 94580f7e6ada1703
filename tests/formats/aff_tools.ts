/** AFF files made by hand, and what reads and writes images in the tests of AFF. */
import { Buffer } from "node:buffer";
import { deflateSync, inflateSync } from "node:zlib";
import { assertEquals } from "@std/assert";
import { DamageTolerantSource } from "../../src/blocks/damage_tolerant.ts";
import { MemorySource } from "../../src/blocks/memory.ts";
import { makeChunk } from "../../src/copy/run_copy.ts";
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import type { Range } from "../../src/core/range.ts";
import type { ZlibService } from "../../src/core/zlib.ts";
import { createAff } from "../../src/formats/aff/aff_writer.ts";
import { aff } from "../../src/formats/aff.ts";
import type { ImagePlan, OpenedImage, StoredDigest } from "../../src/formats/image_format.ts";
import { HASH_ALGORITHMS } from "../../src/hashes/registry.ts";
import { toHex } from "../../src/core/bytes.ts";
import { MemoryOutput } from "../support/image_output.ts";
import { patternBytes } from "../support/pattern.ts";
import { refusingZlib } from "../support/refusing_zlib.ts";

/** zlib on the thread of the test. */
export const nodeZlib: ZlibService = {
  ...refusingZlib,
  deflate(bytes, pieceBytes, level): Promise<readonly Bytes[]> {
    const pieces: Bytes[] = [];
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      pieces.push(Uint8Array.from(deflateSync(bytes.subarray(at, at + pieceBytes), { level })));
    }
    return Promise.resolve(pieces);
  },
  inflate(streams, maxBytes): Promise<(Bytes | undefined)[]> {
    return Promise.resolve(streams.map((stream) => {
      try {
        return new Uint8Array(inflateSync(stream, { maxOutputLength: maxBytes }));
      } catch {
        return undefined;
      }
    }));
  },
};

/** A segment of an AFF file, by the specification and not by the code that is tested. */
export function segment(name: string, flag = 0, data: Uint8Array = new Uint8Array()): Bytes {
  const bytes = Buffer.alloc(24 + name.length + data.length);
  bytes.write("AFF\0", 0, "latin1");
  bytes.writeUInt32BE(name.length, 4);
  bytes.writeUInt32BE(data.length, 8);
  bytes.writeUInt32BE(flag >>> 0, 12);
  bytes.write(name, 16, "latin1");
  bytes.set(data, 16 + name.length);
  bytes.write("ATT\0", bytes.length - 8, "latin1");
  bytes.writeUInt32BE(bytes.length, bytes.length - 4);
  return new Uint8Array(bytes);
}

/** A 64-bit number as AFF has it: the lower half first, both big endian. */
export function quad(value: number): Bytes {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(value % 2 ** 32, 0);
  bytes.writeUInt32BE(Math.floor(value / 2 ** 32), 4);
  return new Uint8Array(bytes);
}

/** A page of zeros: only their number is stored. */
export function zeroPage(name: string, length: number): Bytes {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  return segment(name, 0x33, bytes);
}

/** A page that zlib packed. */
export function packedPage(name: string, content: Uint8Array): Bytes {
  return segment(name, 0x01, deflateSync(content));
}

/** Segments that tell the size of a small image with pages of `pageBytes`. */
export function sizes(size: number, pageBytes: number): Bytes {
  return joined(
    segment("sectorsize", 512),
    segment("pagesize", pageBytes),
    segment("imagesize", 2, quad(size)),
  );
}

/** An AFF file of these segments. */
export function affFile(...segments: readonly Uint8Array[]): Bytes {
  return joined(Buffer.from("AFF10\r\n\0", "latin1"), ...segments);
}

export function joined(...parts: readonly Uint8Array[]): Bytes {
  return new Uint8Array(Buffer.concat(parts));
}

/** Text as the value of a segment. */
export function text(value: string): Bytes {
  return new TextEncoder().encode(value);
}

/** Opens an AFF file that is in memory, or is read from elsewhere. */
export function openAff(file: Uint8Array | BlockSource): Promise<OpenedImage> {
  const source = file instanceof Uint8Array ? new MemorySource("card.aff", file) : file;
  return aff.open(source, { zlib: nodeZlib });
}

/** All of a medium, read in pieces. */
export async function readAll(media: BlockSource, pieceBytes = 50_021): Promise<Bytes> {
  const bytes = new Uint8Array(media.size);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const into = bytes.subarray(at, at + pieceBytes);
    assertEquals(await media.readAt(at, into), into.length);
  }
  return bytes;
}

/** All of a medium but for what is damaged, which is zero; and where that is. */
export async function readTolerant(
  media: BlockSource,
  size = media.size,
): Promise<{ readonly bytes: Bytes; readonly damaged: readonly Range[] }> {
  const tolerant = new DamageTolerantSource(media);
  const bytes = new Uint8Array(size);
  await tolerant.readAt(0, bytes);
  return { bytes, damaged: tolerant.damaged };
}

/** How an image is written in a test. */
export interface WriteOptions extends Partial<ImagePlan> {
  readonly pageBytes?: number;
  readonly chunkBytes?: number;
  readonly bad?: readonly Range[];
  readonly output?: MemoryOutput;
}

/** Writes an AFF image of these bytes, chunks overlapping; answers the file. */
export async function writeAff(content: Bytes, options: WriteOptions = {}): Promise<Bytes> {
  const { chunkBytes = 100_000, bad = [], output = new MemoryOutput() } = options;
  const plan: ImagePlan = {
    size: content.length,
    sparse: true,
    zlib: nodeZlib,
    digests: () => digestsOf(content),
    ...options,
  };
  const writer = createAff(output, plan, options.pageBytes);
  const consumed: Promise<void>[] = [];
  for (let at = 0; at < content.length; at += chunkBytes) {
    const bytes = content.slice(at, at + chunkBytes);
    const end = at + bytes.length;
    const inside = bad.filter(({ offset }) => offset >= at && offset < end);
    // What is given back to the flow is used for other things.
    consumed.push(writer.consume(makeChunk(at, bytes, inside)).then(() => void bytes.fill(7)));
  }
  await Promise.all(consumed);
  const summary = await writer.finish();
  assertEquals(summary.size, content.length);
  return output.durable;
}

/** MD5, SHA-1 and SHA-256. */
export async function digestsOf(content: Uint8Array): Promise<StoredDigest[]> {
  const digests: StoredDigest[] = [];
  for (const id of ["md5", "sha1", "sha256"]) {
    const hasher = await HASH_ALGORITHMS.find((each) => each.id === id)?.create();
    if (hasher === undefined) throw new Error(`There is no ${id}`);
    hasher.update(content);
    digests.push({ algorithm: id, hex: toHex(hasher.digest()) });
  }
  return digests;
}

/** Noise, text that can be packed, and zeros, in pages of `pageBytes`. */
export function mixedPages(size: number, pageBytes: number, seed = 1): Bytes {
  const bytes = patternBytes(size, { seed });
  for (let page = 0; page * pageBytes < size; page++) {
    const content = bytes.subarray(page * pageBytes, (page + 1) * pageBytes);
    if (page % 3 === 1) content.forEach((_, at) => content[at] = 65 + page % 7 + at % 5);
    if (page % 3 === 2) content.fill(0);
  }
  return bytes;
}
