import { createHash, type Hash } from "node:crypto";
import { isZero } from "../../../ffi/memory.ts";
import type { Bytes } from "../../core/block.ts";
import { intersection, type Range } from "../../core/range.ts";

/** Bytes of a block of the maps that are made here, as on most file systems. */
export const BMAP_BLOCK_BYTES = 4096;

/** So many bytes are tried at once: most zeros come in large runs. */
const STRETCH_BYTES = 16 * BMAP_BLOCK_BYTES;

/** The kind of checksum, as node:crypto calls it. */
const ALGORITHM = "sha256";

/** After so many ranges holes have to be four times as large to be left out. */
const RANGES_A_STEP = 32 * 1024;

/** A run of blocks that hold data. */
export interface FoundRange extends Range {
  /** Lower-case hexadecimal. */
  readonly checksum: string;
}

/** What `formatBmap` takes. */
export interface FoundMap {
  /** Bytes. */
  readonly imageSize: number;
  readonly blockSize: number;
  readonly algorithm: string;
  readonly ranges: readonly FoundRange[];
}

/**
 * Finds the blocks of a medium that hold data, and the checksum of each run of them. A block
 * is left out when all of it is zero and was read. One that could not be read is data: its
 * zeros stand for something, and the target shall have them, too.
 *
 * Memory is bounded: after {@linkcode RANGES_A_STEP} ranges holes of less than four blocks
 * count as data, after twice as many those of less than sixteen, and so on. That is still a
 * true map: mapped zeros are written, that is all. 16 TiB have at most some 330,000 ranges.
 */
export class BmapBuild {
  readonly #rangesAStep: number;
  readonly #ranges: FoundRange[] = [];
  readonly #zeros = new Uint8Array(STRETCH_BYTES);
  /** The beginning of a block of which the rest comes with the next bytes. */
  readonly #block = new Uint8Array(BMAP_BLOCK_BYTES);
  #blockBytes = 0;
  #blockIsBad = false;
  /** End of the blocks that were looked at. */
  #at = 0;
  /** First byte of the range that is open. */
  #start = 0;
  #hash: Hash | undefined;
  /** Zeros behind the last data of the open range. */
  #hole = 0;

  constructor(rangesAStep = RANGES_A_STEP) {
    this.#rangesAStep = rangesAStep;
  }

  /** @throws {RangeError} when these are not the next bytes of the medium. */
  add(offset: number, bytes: Bytes, bad: readonly Range[]): undefined {
    const end = this.#at + this.#blockBytes;
    if (offset !== end) throw new RangeError(`Cannot map byte ${offset}: it is at ${end}`);
    let at = this.#complete(offset, bytes, bad);
    const wholeEnd = bytes.length - (bytes.length - at) % BMAP_BLOCK_BYTES;
    while (at < wholeEnd) {
      const stretch = bytes.subarray(at, Math.min(at + STRETCH_BYTES, wholeEnd));
      this.#takeStretch(stretch, touching(bad, offset + at, stretch.length));
      at += stretch.length;
    }
    if (at < bytes.length) this.#complete(offset + at, bytes.subarray(at), bad);
  }

  finish(): FoundMap {
    if (this.#blockBytes > 0) this.#takeBlock();
    this.#close();
    return {
      imageSize: this.#at,
      blockSize: BMAP_BLOCK_BYTES,
      algorithm: ALGORITHM,
      ranges: this.#ranges,
    };
  }

  /** Puts bytes to a block that is not whole; answers how many. None where all are. */
  #complete(offset: number, bytes: Bytes, bad: readonly Range[]): number {
    if (this.#blockBytes === 0 && bytes.length >= BMAP_BLOCK_BYTES) return 0;
    const part = bytes.subarray(0, BMAP_BLOCK_BYTES - this.#blockBytes);
    this.#block.set(part, this.#blockBytes);
    this.#blockBytes += part.length;
    this.#blockIsBad ||= touching(bad, offset, part.length).length > 0;
    if (this.#blockBytes === BMAP_BLOCK_BYTES) this.#takeBlock();
    return part.length;
  }

  #takeBlock(): void {
    const block = this.#block.subarray(0, this.#blockBytes);
    if (this.#blockIsBad || !isZero(block)) this.#takeData(block);
    else this.#takeZeros(block.length);
    this.#blockBytes = 0;
    this.#blockIsBad = false;
  }

  /** Whole blocks. */
  #takeStretch(bytes: Bytes, bad: readonly Range[]): void {
    if (bad.length === 0 && isZero(bytes)) return this.#takeZeros(bytes.length);
    const first = this.#at;
    /** Data that was found and not taken yet. */
    let dataStart = 0;
    for (let at = 0; at < bytes.length; at += BMAP_BLOCK_BYTES) {
      // Looking at one byte takes less time than asking for a comparison.
      const isData = bytes[at] !== 0 ||
        !isZero(bytes.subarray(at, at + BMAP_BLOCK_BYTES)) ||
        touching(bad, first + at, BMAP_BLOCK_BYTES).length > 0;
      if (isData) continue;
      this.#takeData(bytes.subarray(dataStart, at));
      this.#takeZeros(BMAP_BLOCK_BYTES);
      dataStart = at + BMAP_BLOCK_BYTES;
    }
    this.#takeData(bytes.subarray(dataStart));
  }

  #takeZeros(length: number): void {
    this.#hole += length;
    this.#at += length;
  }

  #takeData(bytes: Bytes): void {
    if (bytes.length === 0) return;
    if (this.#hole >= this.#smallestHole()) this.#close();
    if (this.#hash === undefined) {
      this.#hash = createHash(ALGORITHM);
      this.#start = this.#at;
      this.#hole = 0;
    }
    for (; this.#hole > 0; this.#hole -= Math.min(this.#hole, this.#zeros.length)) {
      this.#hash.update(this.#zeros.subarray(0, this.#hole));
    }
    this.#hash.update(bytes);
    this.#at += bytes.length;
  }

  /** Bytes of zeros that end a range. */
  #smallestHole(): number {
    return BMAP_BLOCK_BYTES * 4 ** Math.floor(this.#ranges.length / this.#rangesAStep);
  }

  /** Ends the open range, where there is one, before the zeros behind it. */
  #close(): void {
    if (this.#hash === undefined) return;
    const length = this.#at - this.#hole - this.#start;
    this.#ranges.push({ offset: this.#start, length, checksum: this.#hash.digest("hex") });
    this.#hash = undefined;
  }
}

/** The ranges that have something in common with these bytes. */
function touching(ranges: readonly Range[], offset: number, length: number): readonly Range[] {
  return ranges.length === 0
    ? ranges
    : ranges.filter((range) => intersection(range, { offset, length }) !== undefined);
}
