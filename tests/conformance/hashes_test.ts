import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { toHex } from "../../src/core/bytes.ts";
import type { HashAlgorithm } from "../../src/hashes/hash_algorithm.ts";
import { HASH_ALGORITHMS } from "../../src/hashes/registry.ts";
import { patternBytes } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

async function digest(
  algorithm: HashAlgorithm,
  pieces: readonly Uint8Array[],
): Promise<string> {
  const hasher = await algorithm.create();
  for (const piece of pieces) hasher.update(piece);
  return toHex(hasher.digest());
}

/** The bytes in pieces of odd lengths, some of them empty. */
function cut(bytes: Uint8Array, seed: number): Uint8Array[] {
  const next = seededNumbers(seed);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = [0, 1, next(64), next(5000), next(100_000)][next(5)] ?? 0;
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

for (const algorithm of HASH_ALGORITHMS) {
  Deno.test(`${algorithm.id}: the digest does not depend on how the bytes come`, async () => {
    for (const size of [0, 1, 63, 64, 65, 1023, 1024, 1025, 300_000]) {
      const bytes = patternBytes(size);
      const expected = await digest(algorithm, [bytes]);
      assertEquals(expected.length, algorithm.digestBytes * 2);
      for (let seed = 1; seed <= 5; seed++) {
        assertEquals(await digest(algorithm, cut(bytes, seed)), expected, `${size} bytes`);
      }
      if (size === 0) continue;
      const changed = bytes.slice();
      changed[size - 1] = 1 ^ (changed[size - 1] ?? 0);
      assertNotEquals(await digest(algorithm, [changed]), expected);
      assertNotEquals(await digest(algorithm, [bytes, new Uint8Array(1)]), expected);
    }
  });

  Deno.test(`${algorithm.id}: the bytes are not kept, and hashers do not mix`, async () => {
    const first = await algorithm.create();
    const second = await algorithm.create();
    const buffer = patternBytes(10_000);
    first.update(buffer);
    buffer.fill(0xee);
    second.update(buffer);
    first.update(new Uint8Array(5));
    assertEquals(
      toHex(first.digest()),
      await digest(algorithm, [patternBytes(10_000), new Uint8Array(5)]),
    );
    assertEquals(toHex(second.digest()), await digest(algorithm, [buffer]));
  });

  Deno.test(`${algorithm.id}: its entry makes sense`, () => {
    assert(Number.isInteger(algorithm.digestBytes) && algorithm.digestBytes >= 16);
    assert(/^[a-z0-9]+$/.test(algorithm.id) && /^[a-z0-9]+$/.test(algorithm.extension));
  });
}
