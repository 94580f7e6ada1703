/**
 * How chunks are packed: AFF4 Standard v1.0, section 3.3; an address names the method.
 * https://github.com/aff4/Standard
 */
import { inflateRawSync, inflateSync } from "node:zlib";
import type { Bytes } from "../../core/block.ts";
import { unpackLz4 } from "../../core/lz4_block.ts";
import type { ZlibService } from "../../core/zlib.ts";
import { inflateOne } from "../pieces/inflate_one.ts";
import { unpackSnappy } from "./snappy.ts";

/** Unpacks chunks of at most `maxBytes` each; undefined for each that is damaged, or longer. */
export type UnpackChunks = (
  packed: readonly Bytes[],
  maxBytes: number,
) => Promise<readonly (Bytes | undefined)[]> | readonly (Bytes | undefined)[];

/** A method to pack chunks. */
export interface ChunkCodec {
  readonly title: string;
  /** Undefined where all chunks are stored as they are. */
  readonly unpack: ((zlib: ZlibService | undefined) => UnpackChunks) | undefined;
}

export const STORED: ChunkCodec = { title: "stored", unpack: undefined };

const DEFLATE: ChunkCodec = {
  title: "deflate",
  unpack: () => eachOf((packed, maxBytes) => inflateOne(inflateRawSync, packed, maxBytes)),
};

const SNAPPY: ChunkCodec = { title: "snappy", unpack: () => eachOf(unpackSnappy) };

const LZ4: ChunkCodec = { title: "lz4", unpack: () => eachOf(unpackLz4) };

/** Not in the list of the standard, as some addresses below: what they name is beyond doubt. */
const ZLIB: ChunkCodec = {
  title: "zlib",
  unpack: (zlib) =>
    zlib === undefined
      ? eachOf((packed, maxBytes) => inflateOne(inflateSync, packed, maxBytes))
      : (packed, maxBytes) => zlib.inflate(packed, maxBytes),
};

/** By address without its scheme: the standard has the one of deflate with both. */
const CODECS: ReadonlyMap<string, ChunkCodec> = new Map([
  ["//code.google.com/p/lz4/", LZ4],
  ["//tools.ietf.org/html/rfc1951", DEFLATE],
  ["//code.google.com/p/snappy/", SNAPPY],
  ["//github.com/google/snappy", SNAPPY],
  ["//www.ietf.org/rfc/rfc1950.txt", ZLIB],
  ["//aff4.org/Schema#NullCompressor", STORED],
  ["//aff4.org/Schema#compression/stored", STORED],
]);

/** The method that an address names; undefined where it is not known. */
export function codecOf(address: string): ChunkCodec | undefined {
  return CODECS.get(address.replace(/^https?:/, ""));
}

function eachOf(
  unpack: (packed: Bytes, maxBytes: number) => Bytes | undefined,
): UnpackChunks {
  return (packed, maxBytes) => packed.map((each) => unpack(each, maxBytes));
}
