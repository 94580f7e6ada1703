/** Digests that OpenSSL computes; see EVP_DigestInit(3). */
import type { Libcrypto } from "../../ffi/libcrypto.ts";
import { cString } from "../../ffi/strings.ts";
import type { Hasher } from "./hash_algorithm.ts";

/** Begins a digest; answers undefined where that cannot be done. */
export type BeginHasher = () => Hasher | undefined;

/** Frees what belongs to hashers that nobody has any more. */
type DroppedHashers = FinalizationRegistry<Deno.PointerObject>;

/**
 * What begins digests of this algorithm, by OpenSSL's name, whose digests must have so many
 * bytes; undefined where OpenSSL has no such algorithm, or does not give it out.
 */
export function opensslHashers(
  library: Libcrypto,
  name: string,
  digestBytes: number,
): BeginHasher | undefined {
  // Stays as long as the process: fetching it takes longer than a small digest.
  const algorithm = library.EVP_MD_fetch(null, cString(name), null);
  if (algorithm === null || library.EVP_MD_get_size(algorithm) !== digestBytes) {
    return undefined;
  }
  const dropped: DroppedHashers = new FinalizationRegistry((context) =>
    library.EVP_MD_CTX_free(context)
  );
  return () => {
    const context = library.EVP_MD_CTX_new();
    if (context === null) return undefined;
    if (library.EVP_DigestInit_ex(context, algorithm, null) !== 1) {
      library.EVP_MD_CTX_free(context);
      return undefined;
    }
    return new OpensslHasher(library, context, name, digestBytes, dropped);
  };
}

class OpensslHasher implements Hasher {
  readonly #library: Libcrypto;
  readonly #name: string;
  readonly #digestBytes: number;
  readonly #dropped: DroppedHashers;
  /** An EVP_MD_CTX; undefined when the digest was made. */
  #context: Deno.PointerObject | undefined;

  constructor(
    library: Libcrypto,
    context: Deno.PointerObject,
    name: string,
    digestBytes: number,
    dropped: DroppedHashers,
  ) {
    this.#library = library;
    this.#context = context;
    this.#name = name;
    this.#digestBytes = digestBytes;
    this.#dropped = dropped;
    dropped.register(this, context, this);
  }

  update(bytes: Uint8Array): void {
    const context = this.#running();
    if (bytes.length === 0) return;
    // Shared memory is taken as any other, though the type of "buffer" leaves it out.
    const data = bytes as Uint8Array<ArrayBuffer>;
    const result = this.#library.EVP_DigestUpdate(context, data, BigInt(data.length));
    if (result !== 1) throw this.#failure("EVP_DigestUpdate");
  }

  digest(): Uint8Array {
    const context = this.#running();
    const digest = new Uint8Array(this.#digestBytes);
    const result = this.#library.EVP_DigestFinal_ex(context, digest, null);
    this.#context = undefined;
    this.#dropped.unregister(this);
    this.#library.EVP_MD_CTX_free(context);
    if (result !== 1) throw this.#failure("EVP_DigestFinal_ex");
    return digest;
  }

  #running(): Deno.PointerObject {
    if (this.#context !== undefined) return this.#context;
    throw new TypeError(`Cannot go on with a digest: this ${this.#name} was made`);
  }

  #failure(call: string): Error {
    return new Error(`Cannot compute the ${this.#name} digest: ${call} of OpenSSL failed`);
  }
}
