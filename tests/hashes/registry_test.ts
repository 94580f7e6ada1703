import { assertEquals } from "@std/assert";
import { findHash, HASH_ALGORITHMS, hashOfLine } from "../../src/hashes/registry.ts";

Deno.test("identifiers are unique, lower case, and found again", () => {
  const ids = HASH_ALGORITHMS.map(({ id }) => id);
  assertEquals(new Set(ids).size, ids.length);
  for (const algorithm of HASH_ALGORITHMS) {
    assertEquals(/^[a-z0-9]+$/.test(algorithm.id), true, algorithm.id);
    assertEquals(findHash(algorithm.id), algorithm);
  }
});

Deno.test("the command line's hashes exist, and others do not", () => {
  assertEquals(
    new Set(HASH_ALGORITHMS.map(({ id }) => id)),
    new Set([
      "md5",
      "sha1",
      "sha256",
      "sha512",
      "blake3",
    ]),
  );
  for (const name of ["", "none", "SHA256", "sha-256", "sha384", "toString", "__proto__"]) {
    assertEquals(findHash(name), undefined, name);
  }
});

Deno.test("digest files of different hashes have different names", () => {
  const extensions = HASH_ALGORITHMS.map(({ extension }) => extension);
  assertEquals(new Set(extensions).size, extensions.length);
});

Deno.test("a line's hash is the one it names, else that of its length", () => {
  const line = (digits: number, algorithm?: string): string | undefined =>
    hashOfLine({ hex: "0".repeat(digits), name: "x", algorithm })?.id;
  assertEquals(line(32), "md5");
  assertEquals(line(40), "sha1");
  assertEquals(line(64), "sha256");
  assertEquals(line(128), "sha512");
  assertEquals(line(64, "blake3"), "blake3");
  assertEquals(line(64, "sha256"), "sha256");
  for (const digits of [31, 33, 56, 63, 65, 96, 127]) assertEquals(line(digits), undefined);
  assertEquals(line(64, "sm3"), undefined);
});
