/**
 * BLAKE3 (https://github.com/BLAKE3-team/BLAKE3-specs), 256 bits, from the package
 * hash-wasm: the runtime has none of its own, and of the packages that run on every
 * system without native code this one measured fastest.
 */
import type { HashAlgorithm, Hasher } from "./hash_algorithm.ts";

export const blake3: HashAlgorithm = {
  id: "blake3",
  digestBytes: 32,
  extension: "b3",
  async create(): Promise<Hasher> {
    const { createBLAKE3 } = await import("hash-wasm");
    const hash = await createBLAKE3();
    hash.init();
    return {
      update(bytes: Uint8Array): void {
        hash.update(bytes);
      },
      digest(): Uint8Array {
        return hash.digest("binary");
      },
    };
  },
};
