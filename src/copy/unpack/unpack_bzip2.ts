/**
 * bzip2, as described in "BZIP2 Format Specification" by Joe Tsai,
 * https://github.com/dsnet/compress/blob/master/doc/bzip2-format.pdf
 *
 * A file is streams, one behind the other:
 *
 * ```
 * "BZh", "1" to "9": blocks of up to 100,000 to 900,000 bytes
 * blocks: 31 41 59 26 53 59, CRC-32 of the content (4), see unpack_bzip2_block.ts
 * end: 17 72 45 38 50 90, CRC of the blocks' CRCs (4), bits that fill the byte
 * ```
 *
 * Nothing but stream headers begins at a byte. The CRC-32 goes from the highest bit down.
 */
import type { Bytes } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import { BitWindow } from "./unpack_bzip2_bits.ts";
import { type BlockBytes, MOST_BLOCK_BYTES, SortedBlock } from "./unpack_bzip2_block.ts";
import type { Decoder, Decoding, PackedInput, UnpackedOutput } from "./unpack_flow.ts";

const BLOCK_UNIT_BYTES = 100_000;

const BLOCK_MAGIC = 0x314159265359;
const END_MAGIC = 0x177245385090;

const CRC_POLYNOMIAL = 0x04c11db7;

/** A decoder of bzip2 files. */
export function bzip2Decoder(): Decoder {
  return function* (input: PackedInput, output: UnpackedOutput): Decoding {
    const bits = new BitWindow(input, MOST_BLOCK_BYTES);
    yield* bits.fill();
    const block = new SortedBlock();
    let isFirst = true;
    do {
      const blockBytes = readStreamHeader(bits, isFirst) * BLOCK_UNIT_BYTES;
      yield* readStream(bits, () => putBlock(block.read(bits, blockBytes), output));
      yield* bits.fill();
      isFirst = false;
    } while (!bits.hasEnded);
  };
}

/** Answers the digit of the block size. */
function readStreamHeader(bits: BitWindow, isFirst: boolean): number {
  const { offset } = bits;
  for (const character of "BZh") {
    if (!isFirst && bits.hasEnded) throw noStream(offset, isFirst);
    if (bits.bits(8) !== character.charCodeAt(0)) throw noStream(offset, isFirst);
  }
  if (!isFirst && bits.hasEnded) throw noStream(offset, isFirst);
  const digit = bits.bits(8) - 0x30;
  if (digit < 1 || digit > 9) throw noStream(offset, isFirst);
  return digit;
}

/** Reads the blocks of a stream; `unpack` does what follows the head of one. */
function* readStream(bits: BitWindow, unpack: () => Decoding<number>): Decoding {
  for (let crcs = 0;;) {
    yield* bits.fill();
    const { offset } = bits;
    const magic = bits.bits(24) * 2 ** 24 + bits.bits(24);
    const expected = bits.bits32();
    if (magic === END_MAGIC) {
      if (crcs !== expected) throw damaged("the CRC of all its blocks is wrong", offset, "CRC");
      bits.alignToByte();
      return;
    }
    if (magic !== BLOCK_MAGIC) throw damaged("there is no block", offset, "block magic");
    const crc = yield* unpack();
    if (crc !== expected) throw damaged("the CRC of a block is wrong", offset, "block CRC");
    crcs = (((crcs << 1) | (crcs >>> 31)) ^ crc) >>> 0;
  }
}

/** Puts out the content of a block; answers its CRC. */
function* putBlock(content: BlockBytes, output: UnpackedOutput): Decoding<number> {
  let crc = -1;
  for (;;) {
    yield* output.some();
    const { room } = output;
    const count = content.take(room);
    if (count === 0) return ~crc >>> 0;
    crc = addToCrc(crc, room, count);
    output.made(count);
  }
}

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? crc << 1 ^ CRC_POLYNOMIAL : crc << 1;
  return crc;
});

function addToCrc(crc: number, bytes: Bytes, count: number): number {
  for (let at = 0; at < count; at++) {
    crc = crc << 8 ^ (CRC_TABLE[crc >>> 24 ^ (bytes[at] ?? 0)] ?? 0);
  }
  return crc;
}

function noStream(offset: number, isFirst: boolean): FormatError {
  return isFirst
    ? new FormatError("this is no bzip2 stream", offset, "signature")
    : new FormatError(
      `something else follows the bzip2 stream, at byte ${offset}`,
      offset,
      "trailing data",
    );
}

function damaged(why: string, offset: number, field: string): FormatError {
  return new FormatError(
    `the bzip2 stream is damaged at byte ${offset}: ${why}`,
    offset,
    field,
  );
}
