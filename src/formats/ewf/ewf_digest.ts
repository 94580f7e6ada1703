/**
 * EWF, sections "Digest section" and "Hash section",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import type { Bytes } from "../../core/block.ts";
import { toHex } from "../../core/bytes.ts";
import { putChecksum, requireSound } from "./ewf_sections.ts";

// Digest section, since EnCase 6.12:
//  0 16  MD5 of the medium
// 16 20  SHA-1 of the medium
// 36 40  padding, 0
// 76  4  Adler-32 of the bytes before
export const DIGEST_BYTES = 80;

// Hash section:
//  0 16  MD5 of the medium
// 16 16  not known
// 32  4  Adler-32 of the bytes before
export const HASH_BYTES = 36;

/** Digests of the medium in lower-case hexadecimal; undefined where one was not set. */
export interface EwfDigests {
  readonly md5?: string | undefined;
  readonly sha1?: string | undefined;
}

/**
 * Reads a digest section behind its descriptor. `offset` is its place in the file, for
 * the errors.
 *
 * @throws {FormatError} when it is too short, or its checksum is wrong.
 */
export function parseDigest(bytes: Uint8Array, offset = 0): EwfDigests {
  requireSound(bytes, DIGEST_BYTES, "digest section", offset);
  return { md5: digestAt(bytes, 0, 16), sha1: digestAt(bytes, 16, 20) };
}

/** The bytes of a digest section behind its descriptor. */
export function formatDigest(digests: EwfDigests): Bytes {
  const bytes = new Uint8Array(DIGEST_BYTES);
  putHex(bytes, 0, digests.md5);
  putHex(bytes, 16, digests.sha1);
  putChecksum(bytes, DIGEST_BYTES - 4);
  return bytes;
}

/**
 * Reads a hash section behind its descriptor; its MD5 is undefined where it was not set.
 * `offset` is its place in the file, for the errors.
 *
 * @throws {FormatError} when it is too short, or its checksum is wrong.
 */
export function parseHash(bytes: Uint8Array, offset = 0): Pick<EwfDigests, "md5"> {
  requireSound(bytes, HASH_BYTES, "hash section", offset);
  return { md5: digestAt(bytes, 0, 16) };
}

/** The bytes of a hash section behind its descriptor. */
export function formatHash(digests: Pick<EwfDigests, "md5">): Bytes {
  const bytes = new Uint8Array(HASH_BYTES);
  putHex(bytes, 0, digests.md5);
  putChecksum(bytes, HASH_BYTES - 4);
  return bytes;
}

/** Programs that were not asked for a digest leave zeros in its place. */
function digestAt(bytes: Uint8Array, offset: number, length: number): string | undefined {
  const digest = bytes.subarray(offset, offset + length);
  return digest.every((byte) => byte === 0) ? undefined : toHex(digest);
}

function putHex(bytes: Uint8Array, offset: number, hex: string | undefined): void {
  for (let i = 0; i * 2 < (hex?.length ?? 0); i++) {
    bytes[offset + i] = Number.parseInt(hex?.slice(i * 2, i * 2 + 2) ?? "", 16);
  }
}
