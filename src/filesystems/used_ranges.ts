/** How file systems tell what they use. */
import type { BlockSource, Bytes } from "../core/block.ts";
import { readBytes } from "../core/bytes.ts";
import { FormatError } from "../core/errors.ts";
import { endOf, mergeRanges, type Range } from "../core/range.ts";

/** Collects used places in any order; memory grows with their number, not with their size. */
export class UsedRanges {
  readonly #volumeBytes: number;
  #ranges: { offset: number; length: number }[] = [];
  #mergeAt = 65536;

  /** Bytes of the volume: places outside of it are an error. */
  constructor(volumeBytes: number) {
    this.#volumeBytes = volumeBytes;
  }

  /** @throws {FormatError} when it lies outside of the volume. */
  add(offset: number, length: number): void {
    if (length <= 0) return;
    if (!(offset >= 0) || offset + length > this.#volumeBytes) {
      throw new FormatError(
        `it uses bytes ${offset} to ${offset + length - 1}, outside of the volume`,
        offset,
        "used",
      );
    }
    appendRange(this.#ranges, offset, length);
    if (this.#ranges.length < this.#mergeAt) return;
    this.#ranges = mergeRanges(this.#ranges);
    this.#mergeAt = Math.max(65536, 2 * this.#ranges.length);
  }

  /** All of them: ascending, joined. */
  ranges(): readonly Range[] {
    return mergeRanges(this.#ranges);
  }
}

/** Puts bytes behind ranges; where the last one ends there, they become a part of it. */
export function appendRange(
  ranges: { offset: number; length: number }[],
  offset: number,
  length: number,
): void {
  const last = ranges.at(-1);
  if (last !== undefined && endOf(last) === offset) last.length += length;
  else ranges.push({ offset, length });
}

/** The runs of set bits: bit 0 is the lowest of the first byte. Units of one bit each. */
export function* runsOfSetBits(bitmap: Uint8Array, bits: number): Generator<Range> {
  let start = -1;
  let at = 0;
  while (at < bits) {
    const byte = bitmap[at >>> 3] ?? 0;
    // Whole bytes of the same bits, which most of them are.
    if ((at & 7) === 0 && at + 8 <= bits && byte === (start < 0 ? 0 : 0xff)) {
      at += 8;
      continue;
    }
    const isSet = (byte >>> (at & 7) & 1) !== 0;
    if (isSet && start < 0) start = at;
    if (!isSet && start >= 0) {
      yield { offset: start, length: at - start };
      start = -1;
    }
    at++;
  }
  if (start >= 0) yield { offset: start, length: bits - start };
}

/**
 * Reads all of these bytes.
 *
 * @throws {FormatError} when the volume ends before.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function readAll(
  volume: BlockSource,
  offset: number,
  length: number,
  what: string,
): Promise<Bytes> {
  const bytes = await readBytes(volume, offset, length);
  if (bytes.length === length) return bytes;
  throw new FormatError(`its ${what} reaches past the end of the volume`, offset, what);
}
