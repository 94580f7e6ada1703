/**
 * What OpenSSL computes is what node:crypto computes; where it cannot, node:crypto does; and
 * where it fails midway there is no digest.
 */
import { createHash } from "node:crypto";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { allocateAligned } from "../../ffi/memory.ts";
import { type Libcrypto, openLibcrypto } from "../../ffi/libcrypto.ts";
import { toHex } from "../../src/core/bytes.ts";
import type { Hasher } from "../../src/hashes/hash_algorithm.ts";
import { nativeAlgorithm } from "../../src/hashes/md5_and_sha.ts";
import { type BeginHasher, opensslHashers } from "../../src/hashes/openssl_hasher.ts";
import { linuxTest } from "../support/linux_test.ts";
import { patternBytes } from "../support/pattern.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

const ignore = needs("libcrypto.so.3");

const ALGORITHMS = [["md5", 16], ["sha512", 64]] as const;

/** Around the blocks of 64 and 128 bytes and their padding, and what a copy hands over. */
const LENGTHS = [
  ...[0, 1, 55, 56, 63, 64, 65, 111, 112, 119, 120, 127, 128, 129, 4095],
  4 * 1024 * 1024 + 1,
];

/** libcrypto itself. */
function libcrypto(): Libcrypto {
  const library = openLibcrypto();
  if (library === undefined) throw new Error("libcrypto is there, but cannot be used");
  return library;
}

/** Begins digests that are computed by OpenSSL and by nothing else. */
function hashers(name: string, digestBytes: number, library = libcrypto()): () => Hasher {
  const begin: BeginHasher | undefined = opensslHashers(library, name, digestBytes);
  return () => {
    const hasher = begin?.();
    if (hasher === undefined) throw new Error(`OpenSSL has no ${name}`);
    return hasher;
  };
}

/** libcrypto with some of its functions replaced, and how often each was called. */
class Recorder {
  readonly library: Libcrypto;
  readonly #counts = new Map<string, number>();

  constructor(replaced: Partial<Libcrypto> = {}) {
    const all = Object.entries({ ...libcrypto(), ...replaced });
    const counted = all.map(([name, call]) => [name, (...args: unknown[]): unknown => {
      this.#counts.set(name, this.count(name) + 1);
      return (call as (...args: unknown[]) => unknown)(...args);
    }]);
    this.library = Object.fromEntries(counted);
  }

  count(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** Contexts that were made and not freed. */
  get contexts(): number {
    return this.count("EVP_MD_CTX_new") - this.count("EVP_MD_CTX_free");
  }
}

function digest(hasher: Hasher, ...pieces: readonly Uint8Array[]): string {
  for (const piece of pieces) hasher.update(piece);
  return toHex(hasher.digest());
}

function expected(name: string, bytes: Uint8Array): string {
  return createHash(name).update(bytes).digest("hex");
}

/** The bytes in pieces of odd lengths, some of them empty. */
function cut(bytes: Uint8Array, seed: number): Uint8Array[] {
  const next = seededNumbers(seed);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = [0, 1, next(64), next(5000), next(1_000_000)][next(5)] ?? 0;
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return [...pieces, new Uint8Array()];
}

for (const [name, digestBytes] of ALGORITHMS) {
  linuxTest({
    name: `${name} of OpenSSL is that of node:crypto, however the bytes come`,
    ignore,
    fn(): void {
      const begin = hashers(name, digestBytes);
      for (const length of LENGTHS) {
        const bytes = patternBytes(length);
        const hex = expected(name, bytes);
        assertEquals(digest(begin(), bytes), hex, `${length} bytes`);
        for (let seed = 1; seed <= 3; seed++) {
          assertEquals(digest(begin(), ...cut(bytes, seed)), hex, `pieces of ${length} bytes`);
        }
      }
    },
  });

  linuxTest({
    name: `${name} of OpenSSL: any memory, from any byte on`,
    ignore,
    fn(): void {
      const begin = hashers(name, digestBytes);
      using native = allocateAligned(4 * 1024 * 1024 + 64);
      const memories = [
        native.bytes,
        new Uint8Array(native.bytes.length),
        new Uint8Array(new SharedArrayBuffer(native.bytes.length)),
      ];
      for (const length of LENGTHS) {
        const bytes = patternBytes(length);
        const hex = expected(name, bytes);
        for (const memory of memories) {
          for (const offset of [0, 1, 13, 63]) {
            const part = memory.fill(0xee).subarray(offset, offset + length);
            part.set(bytes);
            assertEquals(digest(begin(), part), hex, `${length} bytes at ${offset}`);
          }
        }
      }
    },
  });

  linuxTest({
    name: `${name} of OpenSSL: hashers do not mix`,
    ignore,
    fn(): void {
      const begin = hashers(name, digestBytes);
      const media = [1, 2, 3, 4].map((seed) => patternBytes(50_000 + seed, { seed }));
      const running = media.map((bytes, index) => ({
        pieces: cut(bytes, index + 1),
        hasher: begin(),
      }));
      const rounds = Math.max(...running.map(({ pieces }) => pieces.length));
      for (let round = 0; round < rounds; round++) {
        for (const { pieces, hasher } of running) {
          hasher.update(pieces[round] ?? new Uint8Array());
        }
      }
      const digests = running.map(({ hasher }) => toHex(hasher.digest()));
      assertEquals(digests, media.map((bytes) => expected(name, bytes)));
    },
  });

  linuxTest({
    name: `${name} of OpenSSL: thousands of small ones, also when the code is compiled`,
    ignore,
    fn(): void {
      const begin = hashers(name, digestBytes);
      const bytes = patternBytes(4096);
      for (let index = 0; index < 20_000; index++) {
        const part = bytes.subarray(index % 131, index % 131 + index % 257);
        const hex = digest(begin(), part);
        if (hex !== expected(name, part)) assertEquals(hex, expected(name, part), `${index}`);
      }
    },
  });

  linuxTest({
    name: `${name}: OpenSSL is opened at the first digest, once, and computes all of them`,
    ignore,
    async fn(): Promise<void> {
      const recorder = new Recorder();
      let opened = 0;
      const algorithm = nativeAlgorithm(name, digestBytes, () => {
        opened++;
        return recorder.library;
      });
      assertEquals(opened, 0);
      const bytes = patternBytes(1000);
      for (let round = 1; round <= 3; round++) {
        assertEquals(digest(await algorithm.create(), bytes), expected(name, bytes));
        assertEquals(recorder.count("EVP_DigestFinal_ex"), round);
      }
      assertEquals([opened, recorder.count("EVP_MD_fetch"), recorder.contexts], [1, 1, 0]);
    },
  });
}

/** Ways in which OpenSSL can refuse. */
const REFUSALS: readonly (readonly [what: string, replaced: Partial<Libcrypto>])[] = [
  ["has no such algorithm", { EVP_MD_fetch: () => null }],
  ["has another algorithm of that name", { EVP_MD_get_size: () => 20 }],
  ["has no memory left", { EVP_MD_CTX_new: () => null }],
  ["begins no digest", { EVP_DigestInit_ex: () => 0 }],
];

for (const [name, digestBytes] of ALGORITHMS) {
  const bytes = patternBytes(100_000);

  linuxTest(`${name}: without OpenSSL node:crypto computes`, async () => {
    const missing = (): undefined => undefined;
    for (const open of [missing, () => openLibcrypto("libno-such-thing.so.3")]) {
      const algorithm = nativeAlgorithm(name, digestBytes, open);
      assertEquals(digest(await algorithm.create(), bytes), expected(name, bytes));
    }
  });

  for (const [what, replaced] of REFUSALS) {
    linuxTest({
      name: `${name}: where OpenSSL ${what}, node:crypto computes`,
      ignore,
      async fn(): Promise<void> {
        const recorder = new Recorder(replaced);
        const algorithm = nativeAlgorithm(name, digestBytes, () => recorder.library);
        for (let round = 0; round < 2; round++) {
          assertEquals(digest(await algorithm.create(), bytes), expected(name, bytes));
        }
        assertEquals(recorder.count("EVP_DigestUpdate"), 0);
        if (replaced.EVP_MD_CTX_new === undefined) assertEquals(recorder.contexts, 0);
      },
    });
  }

  linuxTest({
    name: `${name}: where OpenSSL fails midway there is an error and no digest`,
    ignore,
    fn(): void {
      for (const call of ["EVP_DigestUpdate", "EVP_DigestFinal_ex"] as const) {
        for (const answer of [0, -1]) {
          const { library } = new Recorder({ [call]: () => answer });
          const error = assertThrows(
            () => digest(hashers(name, digestBytes, library)(), bytes),
            Error,
          );
          assertEquals(
            error.message,
            `Cannot compute the ${name} digest: ${call} of OpenSSL failed`,
          );
        }
      }
    },
  });
}

linuxTest({
  name: "a digest that was made, or failed, is over, and its context is freed",
  ignore,
  fn(): void {
    for (const replaced of [{}, { EVP_DigestFinal_ex: (): number => 0 }]) {
      const recorder = new Recorder(replaced);
      const hasher = hashers("md5", 16, recorder.library)();
      hasher.update(patternBytes(1000));
      assertEquals(recorder.contexts, 1);
      try {
        hasher.digest();
      } catch (error) {
        assert(error instanceof Error && "EVP_DigestFinal_ex" in replaced, String(error));
      }
      assertEquals(recorder.contexts, 0);
      assertThrows(() => hasher.update(patternBytes(1)), TypeError, "go on");
      assertThrows(() => hasher.digest(), TypeError, "go on");
      assertEquals([recorder.count("EVP_DigestUpdate"), recorder.contexts], [1, 0]);
    }
  },
});

linuxTest({
  name: "hashers that are dropped in the middle are freed, sooner or later",
  ignore,
  async fn(): Promise<void> {
    const recorder = new Recorder();
    const begin = hashers("md5", 16, recorder.library);
    while (recorder.count("EVP_MD_CTX_free") === 0) {
      assert(recorder.contexts < 1_000_000, "none of a million was freed");
      for (let index = 0; index < 1000; index++) begin().update(patternBytes(1));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  },
});

linuxTest({
  name: "a hasher whose digest was made is not freed a second time",
  ignore,
  async fn(): Promise<void> {
    // A second time would end the process: nothing is freed here, only counted.
    const recorder = new Recorder({ EVP_MD_CTX_free: () => {} });
    const begin = hashers("md5", 16, recorder.library);
    let collected = 0;
    const dropped = new FinalizationRegistry(() => collected++);
    while (collected === 0) {
      assert(recorder.count("EVP_MD_CTX_new") < 1_000_000, "none of a million was dropped");
      for (let index = 0; index < 1000; index++) {
        const hasher = begin();
        hasher.digest();
        dropped.register(hasher, undefined);
      }
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
    assertEquals(recorder.contexts, 0);
  },
});
