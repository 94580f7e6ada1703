import * as all from "./all.ts";
import type { DigestLine } from "./digest_file.ts";
import type { HashAlgorithm } from "./hash_algorithm.ts";

/** Every hash, in the order of the registry. */
export const HASH_ALGORITHMS: readonly HashAlgorithm[] = Object.values(all);

/** The hash of this name; undefined when there is none. */
export function findHash(id: string): HashAlgorithm | undefined {
  return HASH_ALGORITHMS.find((algorithm) => algorithm.id === id);
}

/** The hash of a line of a digest list: the one it names, or the one of that length. */
export function hashOfLine(line: DigestLine): HashAlgorithm | undefined {
  if (line.algorithm !== undefined) return findHash(line.algorithm);
  // 64 digits are SHA-256 unless something says BLAKE3.
  return FIRST_BY_LENGTH.find((each) => each.digestBytes * 2 === line.hex.length);
}

const FIRST_BY_LENGTH = HASH_ALGORITHMS.toSorted((a, b) =>
  Number(a.id === "blake3") - Number(b.id === "blake3")
);
