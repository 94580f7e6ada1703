/**
 * MD5 (RFC 1321), SHA-1, SHA-256 and SHA-512 (FIPS 180-4) from the runtime's own
 * node:crypto: native code, the fastest of those that were measured.
 */
import type { HashAlgorithm, Hasher } from "./hash_algorithm.ts";

function nodeAlgorithm(id: string, digestBytes: number): HashAlgorithm {
  return {
    id,
    digestBytes,
    extension: id,
    async create(): Promise<Hasher> {
      const { createHash } = await import("node:crypto");
      const hash = createHash(id);
      return {
        update(bytes: Uint8Array): void {
          hash.update(bytes);
        },
        digest(): Uint8Array {
          return new Uint8Array(hash.digest());
        },
      };
    },
  };
}

export const md5: HashAlgorithm = nodeAlgorithm("md5", 16);
export const sha1: HashAlgorithm = nodeAlgorithm("sha1", 20);
export const sha256: HashAlgorithm = nodeAlgorithm("sha256", 32);
export const sha512: HashAlgorithm = nodeAlgorithm("sha512", 64);
