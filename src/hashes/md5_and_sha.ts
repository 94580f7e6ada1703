/**
 * MD5 (RFC 1321), SHA-1, SHA-256 and SHA-512 (FIPS 180-4): native code of the runtime's own
 * node:crypto or, for those that it measured faster at, of OpenSSL where the system has it.
 */
import { type Libcrypto, openLibcrypto } from "../../ffi/libcrypto.ts";
import type { HashAlgorithm, Hasher } from "./hash_algorithm.ts";
import { type BeginHasher, opensslHashers } from "./openssl_hasher.ts";

/**
 * The algorithm that OpenSSL and node:crypto call so. OpenSSL is looked for with `open` when
 * the first digest begins; where there is none, or it refuses, node:crypto computes.
 */
export function nativeAlgorithm(
  id: string,
  digestBytes: number,
  open: () => Libcrypto | undefined,
): HashAlgorithm {
  let begin: BeginHasher | undefined;
  return {
    id,
    digestBytes,
    extension: id,
    async create(): Promise<Hasher> {
      begin ??= hashersOf(open(), id, digestBytes);
      return begin() ?? await nodeHasher(id);
    },
  };
}

function hashersOf(
  library: Libcrypto | undefined,
  id: string,
  digestBytes: number,
): BeginHasher {
  const none = (): undefined => undefined;
  return (library && opensslHashers(library, id, digestBytes)) ?? none;
}

async function nodeHasher(id: string): Promise<Hasher> {
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
}

/** For algorithms that node:crypto computes no slower. */
function withoutLibrary(): undefined {
  return undefined;
}

export const md5: HashAlgorithm = nativeAlgorithm("md5", 16, openLibcrypto);
export const sha1: HashAlgorithm = nativeAlgorithm("sha1", 20, withoutLibrary);
export const sha256: HashAlgorithm = nativeAlgorithm("sha256", 32, withoutLibrary);
export const sha512: HashAlgorithm = nativeAlgorithm("sha512", 64, openLibcrypto);
