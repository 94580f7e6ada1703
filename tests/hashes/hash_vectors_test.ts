import { assertEquals } from "@std/assert";
import { openLibcrypto } from "../../ffi/libcrypto.ts";
import { toHex } from "../../src/core/bytes.ts";
import * as all from "../../src/hashes/all.ts";
import type { HashAlgorithm } from "../../src/hashes/hash_algorithm.ts";
import { nativeAlgorithm } from "../../src/hashes/md5_and_sha.ts";
import { opensslHashers } from "../../src/hashes/openssl_hasher.ts";
import { patternBytes } from "../support/pattern.ts";
import { digestOf } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const TWO_BLOCKS = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
const FOUR_BLOCKS = "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn" +
  "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
const MILLION = "a".repeat(1_000_000);

/** Texts and their digests. */
type Vectors = readonly (readonly [text: string, hex: string])[];

/** RFC 1321, appendix A.5 */
const MD5: Vectors = [
  ["", "d41d8cd98f00b204e9800998ecf8427e"],
  ["a", "0cc175b9c0f1b6a831c399e269772661"],
  ["abc", "900150983cd24fb0d6963f7d28e17f72"],
  ["message digest", "f96b697d7cb7938d525a2f31aaf161d0"],
  ["abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"],
  [
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
    "d174ab98d277d9f5a5611c2c9f419d9f",
  ],
  ["1234567890".repeat(8), "57edf4a22be3c955ac49da2e2107b67a"],
];

/** NIST, "Example Values", SHA1.pdf; the million is FIPS 180-2, appendix A.3. */
const SHA1: Vectors = [
  ["", "da39a3ee5e6b4b0d3255bfef95601890afd80709"],
  ["abc", "a9993e364706816aba3e25717850c26c9cd0d89d"],
  [TWO_BLOCKS, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"],
  [MILLION, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"],
];

/** FIPS 180-2, appendix B */
const SHA256: Vectors = [
  ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  [TWO_BLOCKS, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"],
  [MILLION, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"],
];

/** FIPS 180-2, appendix C */
const SHA512: Vectors = [
  [
    "",
    "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce" +
    "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
  ],
  [
    "abc",
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
  ],
  [
    FOUR_BLOCKS,
    "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018" +
    "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909",
  ],
  [
    MILLION,
    "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb" +
    "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b",
  ],
];

/**
 * github.com/BLAKE3-team/BLAKE3, test_vectors/test_vectors.json: input lengths and the
 * first 32 bytes of "hash"; the input is 0, 1 … 250, 0, 1 and so on.
 */
const BLAKE3: readonly (readonly [length: number, hex: string])[] = [
  [0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"],
  [1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"],
  [1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11"],
  [1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"],
  [1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"],
  [2048, "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a"],
  [2049, "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030"],
  [4096, "015094013f57a5277b59d8475c0501042c0b642e531b0a1c8f58d2163229e969"],
  [4097, "9b4052b38f1c5fc8b1f9ff7ac7b27cd242487b3d890d15c96a1c25b8aa0fb995"],
  [6145, "f1323a8631446cc50536a9f705ee5cb619424d46887f3c376c695b70e0f0507f"],
];

async function digest(algorithm: HashAlgorithm, bytes: Uint8Array): Promise<string> {
  const hasher = await algorithm.create();
  hasher.update(bytes);
  const result = hasher.digest();
  assertEquals(result.length, algorithm.digestBytes);
  return toHex(result);
}

const TEXT_VECTORS: readonly (readonly [HashAlgorithm, Vectors])[] = [
  [all.md5, MD5],
  [all.sha1, SHA1],
  [all.sha256, SHA256],
  [all.sha512, SHA512],
];

for (const [algorithm, vectors] of TEXT_VECTORS) {
  Deno.test(`${algorithm.id} gives the digests of its specification`, async () => {
    for (const [text, hex] of vectors) {
      assertEquals(await digest(algorithm, new TextEncoder().encode(text)), hex);
    }
  });
}

/** Two can compute these, whichever of them does on this machine. */
const TWICE_COMPUTED: readonly (readonly [string, number, Vectors])[] = [
  ["md5", 16, MD5],
  ["sha512", 64, SHA512],
];

for (const [id, digestBytes, vectors] of TWICE_COMPUTED) {
  Deno.test(`${id} of node:crypto gives the digests of its specification`, async () => {
    const algorithm = nativeAlgorithm(id, digestBytes, () => undefined);
    for (const [text, hex] of vectors) {
      assertEquals(await digest(algorithm, new TextEncoder().encode(text)), hex);
    }
  });

  Deno.test({
    name: `${id} of OpenSSL gives the digests of its specification`,
    ignore: needs("libcrypto.so.3"),
    fn(): void {
      const library = openLibcrypto();
      const begin = library && opensslHashers(library, id, digestBytes);
      for (const [text, hex] of vectors) {
        const hasher = begin?.();
        hasher?.update(new TextEncoder().encode(text));
        assertEquals(hasher && toHex(hasher.digest()), hex);
      }
    },
  });
}

Deno.test("blake3 gives the digests of its specification", async () => {
  for (const [length, hex] of BLAKE3) {
    const input = Uint8Array.from({ length }, (_, index) => index % 251);
    assertEquals(await digest(all.blake3, input), hex);
  }
});

Deno.test("every hash has vectors here", () => {
  const tested: HashAlgorithm[] = [...TEXT_VECTORS.map(([algorithm]) => algorithm), all.blake3];
  assertEquals(new Set(tested), new Set(Object.values(all)));
});

Deno.test("a hash that was never given a byte is that of nothing", async () => {
  const empty = await (await all.sha256.create()).digest();
  assertEquals(toHex(empty), SHA256[0]?.[1]);
});

Deno.test({
  name: "megabytes have the digests that other programs see",
  ignore: needs("md5sum", "sha1sum", "sha256sum", "sha512sum", "b3sum"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    for (const size of [3_000_001, 1024 * 1024]) {
      const content = patternBytes(size);
      const path = await folder.write("content", content);
      for (const algorithm of Object.values(all)) {
        const name = algorithm.id === "blake3" ? "b3" : algorithm.id;
        assertEquals(await digest(algorithm, content), await digestOf(path, name));
      }
    }
  },
});
