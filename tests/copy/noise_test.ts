import { assertEquals } from "@std/assert";
import { deflateSync } from "node:zlib";
import { isNoise } from "../../src/copy/noise.ts";
import type { Bytes } from "../../src/core/block.ts";
import { run } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

const PIECE_BYTES = 32 * 1024;

/** Bytes that a cipher could have left. */
function randomBytes(length: number, seed: number): Bytes {
  const next = seededNumbers(seed);
  return Uint8Array.from({ length }, () => next(0x1_0000_0000) >>> 13);
}

Deno.test("random bytes are noise, whatever their length and place", () => {
  const bytes = randomBytes(1024 * 1024 + 3, 1);
  for (const length of [24 * 1024, PIECE_BYTES, PIECE_BYTES + 1, 65_536, 1024 * 1024]) {
    for (const start of [0, 1, 2, 3]) {
      assertEquals(isNoise(bytes.subarray(start, start + length)), true, `${length}, ${start}`);
    }
  }
});

Deno.test("of many random pieces, hardly any is taken for something else", () => {
  let others = 0;
  for (let seed = 1; seed <= 300; seed++) {
    if (!isNoise(randomBytes(PIECE_BYTES, seed * 7919))) others++;
  }
  assertEquals(others <= 1, true, `${others} of 300`);
});

Deno.test("whatever shrinks by more than a percent is no noise", () => {
  const noise = randomBytes(PIECE_BYTES, 2);
  const kinds: Record<string, Bytes> = {
    "zeros": new Uint8Array(PIECE_BYTES),
    "one value": new Uint8Array(PIECE_BYTES).fill(0xe5),
    "counting": Uint8Array.from({ length: PIECE_BYTES }, (_, index) => index),
    "numbers": new Uint8Array(Uint32Array.from({ length: 8192 }, (_, index) => index).buffer),
    "seven bits": noise.map((byte) => byte & 0x7f),
    "one bit that is rarer": noise.map((byte, index) => index % 3 ? byte & 0xbf : byte),
    "base64": new TextEncoder().encode(btoa(String.fromCharCode(...noise))).slice(
      0,
      PIECE_BYTES,
    ),
    "twice the same": withCopy(noise, 0, PIECE_BYTES / 2, PIECE_BYTES / 2),
    "a cluster that is there twice": withCopy(noise, 4096, 20_480, 4096),
    "a sector that is there twice": withCopy(noise, 512, 31_744, 512),
    "zeros behind": withZeros(noise, PIECE_BYTES - 1024, PIECE_BYTES),
    "a sector of zeros": withZeros(noise, 5120, 5632),
    "heads of sectors that are noise": noise.map((byte, index) => index % 512 < 64 ? byte : 7),
    "pictures of four bits": noise.map((byte) => byte & 0xf0),
  };
  for (const [name, bytes] of Object.entries(kinds)) {
    const packed = deflateSync(bytes, { level: 9 }).length;
    assertEquals(packed < 0.99 * bytes.length, true, `${name} should shrink: ${packed}`);
    assertEquals(isNoise(bytes), false, name);
  }
});

/** A copy in which a part comes again at another place. */
function withCopy(bytes: Bytes, from: number, to: number, length: number): Bytes {
  return bytes.slice().copyWithin(to, from, from + length);
}

function withZeros(bytes: Bytes, from: number, to: number): Bytes {
  return bytes.slice().fill(0, from, to);
}

Deno.test("of small pieces nothing is claimed", () => {
  for (const length of [0, 1, 64, 512, 4096, 16_384]) {
    assertEquals(isNoise(randomBytes(length, 3)), false, `${length}`);
  }
});

Deno.test({
  name: "what gzip has packed is noise for the most part, and costs next to nothing",
  ignore: needs("gzip"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const text = Array.from({ length: 400_000 }, (_, index) => `${index * index} `).join("");
    const path = await folder.write("text", text);
    await run("gzip", ["-9", path]);
    const packed: Bytes = await Deno.readFile(`${path}.gz`);
    let stored = 0;
    let best = 0;
    for (let at = 0; at + PIECE_BYTES <= packed.length; at += PIECE_BYTES) {
      const piece = packed.subarray(at, at + PIECE_BYTES);
      const length = deflateSync(piece, { level: 9 }).length;
      best += Math.min(length, PIECE_BYTES);
      stored += isNoise(piece) ? PIECE_BYTES : Math.min(length, PIECE_BYTES);
    }
    assertEquals(best > 10 * PIECE_BYTES, true, "there should be some pieces");
    assertEquals(stored <= best * 1.005, true, `${stored} in place of ${best}`);
  },
});
