/**
 * Checksums of block maps. bmap-tools names them as Python's hashlib does
 * (https://docs.python.org/3/library/hashlib.html), node:crypto as OpenSSL does.
 */
import { createHash } from "node:crypto";

/** A way to compute checksums. */
export interface BmapChecksum {
  /** The text of ChecksumType. */
  readonly type: string;
  /** For `createHash` of node:crypto. */
  readonly algorithm: string;
  readonly hexDigits: number;
}

const CHECKSUMS: readonly BmapChecksum[] = [
  { type: "sha256", algorithm: "sha256", hexDigits: 64 },
  { type: "sha1", algorithm: "sha1", hexDigits: 40 },
  { type: "md5", algorithm: "md5", hexDigits: 32 },
  { type: "sha224", algorithm: "sha224", hexDigits: 56 },
  { type: "sha384", algorithm: "sha384", hexDigits: 96 },
  { type: "sha512", algorithm: "sha512", hexDigits: 128 },
  { type: "sha3_224", algorithm: "sha3-224", hexDigits: 56 },
  { type: "sha3_256", algorithm: "sha3-256", hexDigits: 64 },
  { type: "sha3_384", algorithm: "sha3-384", hexDigits: 96 },
  { type: "sha3_512", algorithm: "sha3-512", hexDigits: 128 },
  { type: "blake2s", algorithm: "blake2s256", hexDigits: 64 },
  { type: "blake2b", algorithm: "blake2b512", hexDigits: 128 },
];

/** The names that a block map may say. */
export const BMAP_CHECKSUM_TYPES: readonly string[] = CHECKSUMS.map(({ type }) => type);

/** The checksum that a block map calls so; undefined when it is none that we know. */
export function checksumOfType(type: string): BmapChecksum | undefined {
  return CHECKSUMS.find((each) => each.type === type.toLowerCase());
}

/** The checksum that node:crypto calls so. */
export function checksumOfAlgorithm(algorithm: string): BmapChecksum | undefined {
  return CHECKSUMS.find((each) => each.algorithm === algorithm);
}

/** Is this text a checksum, as bmap-tools writes it: lower-case hexadecimal? */
export function isChecksum(text: string, { hexDigits }: BmapChecksum): boolean {
  return text.length === hexDigits && /^[0-9a-f]+$/.test(text);
}

/**
 * The checksum of a block map's own text, in UTF-8, with zeros for the digits that stand at
 * `at`.
 */
export function checksumOfText(text: string, at: number, checksum: BmapChecksum): string {
  return createHash(checksum.algorithm)
    .update(text.slice(0, at))
    .update("0".repeat(checksum.hexDigits))
    .update(text.slice(at + checksum.hexDigits))
    .digest("hex");
}
