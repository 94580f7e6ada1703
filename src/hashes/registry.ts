import * as all from "./all.ts";
import type { HashAlgorithm } from "./hash_algorithm.ts";

/** Every hash, in the order of the registry. */
export const HASH_ALGORITHMS: readonly HashAlgorithm[] = Object.values(all);

/** The hash of this name; undefined when there is none. */
export function findHash(id: string): HashAlgorithm | undefined {
  return HASH_ALGORITHMS.find((algorithm) => algorithm.id === id);
}
