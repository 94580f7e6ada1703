/** Content of which every place can be told: for media of any size, in memory or not. */
import { Buffer } from "node:buffer";
import { AssertionError } from "@std/assert";
import type { BlockSource, Bytes } from "../../src/core/block.ts";

/** What the pattern looks like. */
export interface PatternOptions {
  /** Where on the medium the bytes lie. */
  readonly offset?: number;
  /** Another medium, another seed. */
  readonly seed?: number;
  readonly sectorSize?: number;
}

/** Mixes the bits of a 32-bit number (the finalizer of MurmurHash3); never gives 0. */
function mixed(value: number): number {
  let bits = value ^ (value >>> 16);
  bits = Math.imul(bits, 0x85ebca6b);
  bits ^= bits >>> 13;
  bits = Math.imul(bits, 0xc2b2ae35);
  bits ^= bits >>> 16;
  return bits || 1;
}

/**
 * Fills `into` with the pattern: a sector begins with its number (u64, little endian)
 * and goes on with noise that depends on that number and the seed. No sector is zero.
 */
export function fillPattern(into: Uint8Array, options: PatternOptions = {}): void {
  const { offset = 0, seed = 1, sectorSize = 512 } = options;
  const words = new Uint32Array(sectorSize / 4);
  const sector = new Uint8Array(words.buffer);
  for (let at = 0; at < into.length;) {
    const number = Math.floor((offset + at) / sectorSize);
    const skip = (offset + at) % sectorSize;
    const high = Math.floor(number / 2 ** 32);
    let state = mixed((number >>> 0) ^ mixed(high + seed));
    for (let index = 2; index < words.length; index++) {
      // A 32-bit xorshift, which never becomes 0.
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[index] = state;
    }
    words[0] = number >>> 0;
    words[1] = high;
    const piece = sector.subarray(skip, skip + into.length - at);
    into.set(piece, at);
    at += piece.length;
  }
}

/** The pattern as bytes; see {@linkcode fillPattern}. */
export function patternBytes(length: number, options: PatternOptions = {}): Bytes {
  const bytes = new Uint8Array(length);
  fillPattern(bytes, options);
  return bytes;
}

/** A medium full of the pattern, of any size: it costs no memory. */
export class PatternSource implements BlockSource {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly #seed: number;
  /** Was it closed? */
  closed = false;

  constructor(
    size: number,
    options: Omit<PatternOptions, "offset"> & { readonly name?: string } = {},
  ) {
    this.size = size;
    this.name = options.name ?? "pattern";
    this.sectorSize = options.sectorSize ?? 512;
    this.#seed = options.seed ?? 1;
  }

  readAt(offset: number, into: Bytes): Promise<number> {
    const length = Math.max(0, Math.min(into.length, this.size - offset));
    const { sectorSize } = this;
    fillPattern(into.subarray(0, length), { offset, sectorSize, seed: this.#seed });
    return Promise.resolve(length);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

/**
 * Are both byte for byte the same? For more bytes than assertEquals can show or compare
 * in a reasonable time.
 *
 * @throws {AssertionError} naming the first byte that differs.
 */
export function assertBytes(
  actual: Uint8Array,
  expected: Uint8Array,
  message = "the bytes differ",
): void {
  const same = actual.length === expected.length &&
    Buffer.compare(actual, expected) === 0;
  if (same) return;
  const at = expected.findIndex((byte, index) => byte !== actual[index]);
  throw new AssertionError(
    `${message}: ${actual.length} bytes instead of ${expected.length}, ` +
      (at < 0 ? "the same as far as they go" : `the first difference at ${at}: `) +
      (at < 0 ? "" : `${actual[at]} instead of ${expected[at]}`),
  );
}
