import { inflateSync } from "node:zlib";
import type { Bytes } from "../../core/block.ts";
import type { ZlibService } from "../../core/zlib.ts";
import { inflateOne } from "../pieces/inflate_one.ts";

/**
 * Unpacks zlib streams (RFC 1950) of at most `maxBytes` each: in the threads of `zlib`, or
 * one by one where there is none. Answers for each what it held, undefined where it is
 * damaged or longer; it may be in its place of `places`.
 */
export async function inflateAll(
  streams: readonly Bytes[],
  maxBytes: number,
  zlib: ZlibService | undefined,
  places: readonly (Bytes | undefined)[] = [],
): Promise<readonly (Bytes | undefined)[]> {
  if (streams.length === 0) return [];
  if (zlib !== undefined) return await zlib.inflate(streams, maxBytes, places);
  return streams.map((stream) => inflateOne(inflateSync, stream, maxBytes));
}
