/**
 * The .xz file format 1.2.1, https://tukaani.org/xz/xz-file-format.txt
 *
 * A file is streams, one behind the other, with zeros between them. The package that unpacks
 * LZMA2 sees the chunks only: all else is read, and every checksum compared, here.
 *
 * ```
 * stream: fd 37 7a 58 5a 00, flags (2), CRC-32 of the flags (4), blocks, index, footer
 * block:  header, LZMA2 chunks, zeros up to a multiple of 4, check of the content
 * index:  0, number of blocks, for each: bytes without padding, bytes of the content;
 *         zeros up to a multiple of 4, CRC-32 (4)
 * footer: CRC-32 of what follows (4), size of the index / 4 - 1 (4), flags (2), "YZ"
 * ```
 */
import { crc32 } from "node:zlib";
import type { Bytes } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import type { Decoder, Decoding, PackedInput, UnpackedOutput } from "./unpack_flow.ts";
import { parseBlockHeader, type XzBlockHeader } from "./unpack_xz_block.ts";
import { makeXzChecks, type XzCheck } from "./unpack_xz_checks.ts";
import { BlockRecords, readIndex } from "./unpack_xz_index.ts";
import { Lzma2 } from "./unpack_xz_lzma2.ts";

const MAGIC: Bytes = Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00);
const FOOTER_MAGIC: Bytes = Uint8Array.of(0x59, 0x5a);

/** Blocks, indexes and the padding between streams are whole words. */
const WORD_BYTES = 4;

/** A decoder of xz files. */
export async function xzDecoder(): Promise<Decoder> {
  const lzma2 = await Lzma2.create();
  const checks = await makeXzChecks();
  return function* (input: PackedInput, output: UnpackedOutput): Decoding {
    try {
      const streams = new StreamReader(input, output, lzma2, checks);
      let isFirst = true;
      do {
        yield* streams.next(isFirst);
        isFirst = false;
      } while (yield* skipPadding(input));
    } finally {
      lzma2.end();
    }
  };
}

/** Unpacks stream by stream. */
class StreamReader {
  readonly #input: PackedInput;
  readonly #output: UnpackedOutput;
  readonly #lzma2: Lzma2;
  readonly #checks: ReadonlyMap<number, XzCheck>;

  constructor(
    input: PackedInput,
    output: UnpackedOutput,
    lzma2: Lzma2,
    checks: ReadonlyMap<number, XzCheck>,
  ) {
    this.#input = input;
    this.#output = output;
    this.#lzma2 = lzma2;
    this.#checks = checks;
  }

  *next(isFirst: boolean): Decoding {
    const flags = yield* readStreamHeader(this.#input, isFirst);
    const check = this.#checks.get(flags[1] ?? 0);
    if (check === undefined || flags[0] !== 0) {
      const at = this.#input.offset - 6;
      throw new FormatError("the xz stream has a check that is unknown", at, "Stream Flags");
    }
    const blocks = new BlockRecords();
    for (;;) {
      const start = this.#input.offset;
      const sizeByte = yield* this.#input.byte("xz block header");
      if (sizeByte === 0) {
        const indexBytes = yield* readIndex(this.#input, blocks);
        return yield* readFooter(this.#input, flags, indexBytes);
      }
      const header = yield* readBlockHeader(this.#input, sizeByte);
      yield* this.#block(header, check, start, blocks);
    }
  }

  *#block(
    header: XzBlockHeader,
    check: XzCheck,
    start: number,
    blocks: BlockRecords,
  ): Decoding {
    const input = this.#input;
    const dataStart = input.offset;
    check.start();
    const contentBytes = yield* this.#lzma2.unpack(
      input,
      this.#output,
      header,
      (bytes: Bytes) => check.update(bytes),
    );
    const dataBytes = input.offset - dataStart;
    if ((header.packedBytes ?? dataBytes) !== dataBytes) {
      throw damaged("a block is not as long as it says", start, "Compressed Size");
    }
    if ((header.contentBytes ?? contentBytes) !== contentBytes) {
      throw damaged("a block does not hold as much as it says", start, "Uncompressed Size");
    }
    yield* readZeros(input, padding(dataBytes), "Block Padding");
    const at = input.offset;
    const expected = check.digest();
    if (!isSame(yield* input.bytes(expected.length, "check of an xz block"), expected)) {
      throw damaged(`the ${check.name} of a block is wrong`, at, "Check");
    }
    blocks.add(dataStart - start + dataBytes + expected.length, contentBytes);
  }
}

/** Passes over zeros between streams. Is there another stream? */
function* skipPadding(input: PackedInput): Decoding<boolean> {
  const start = input.offset;
  while (yield* input.more()) {
    const other = input.rest.findIndex((byte) => byte !== 0);
    input.use(other < 0 ? input.rest.length : other);
    if (other < 0) continue;
    if ((input.offset - start) % WORD_BYTES !== 0) throw noStream(input.offset, false);
    return true;
  }
  if ((input.offset - start) % WORD_BYTES === 0) return false;
  throw damaged("the zeros at its end are no whole words", input.offset, "Stream Padding");
}

/** Answers the flags: 0, and which check. */
function* readStreamHeader(input: PackedInput, isFirst: boolean): Decoding<Bytes> {
  const start = input.offset;
  for (const byte of MAGIC) {
    if (!isFirst && !(yield* input.more())) throw noStream(start, isFirst);
    if ((yield* input.byte("xz stream header")) !== byte) throw noStream(start, isFirst);
  }
  const flags = (yield* input.bytes(2, "xz stream header")).slice();
  const at = input.offset;
  const crc = viewOf(yield* input.bytes(4, "xz stream header")).getUint32(0, true);
  if (crc !== crc32(flags)) throw damaged("the CRC of its header is wrong", at, "CRC32");
  return flags;
}

function* readBlockHeader(input: PackedInput, sizeByte: number): Decoding<XzBlockHeader> {
  const start = input.offset - 1;
  const header = new Uint8Array((sizeByte + 1) * WORD_BYTES);
  header[0] = sizeByte;
  header.set(yield* input.bytes(header.length - 1, "xz block header"), 1);
  return parseBlockHeader(header, start);
}

function* readFooter(input: PackedInput, flags: Bytes, indexBytes: number): Decoding {
  const start = input.offset;
  const footer = yield* input.bytes(12, "xz stream footer");
  const view = viewOf(footer);
  if (view.getUint32(0, true) !== crc32(footer.subarray(4, 10))) {
    throw damaged("the CRC of its footer is wrong", start, "CRC32");
  }
  if ((view.getUint32(4, true) + 1) * WORD_BYTES !== indexBytes) {
    throw damaged("the size of its index is wrong", start + 4, "Backward Size");
  }
  if (!isSame(footer.subarray(8, 10), flags) || !isSame(footer.subarray(10), FOOTER_MAGIC)) {
    throw damaged("its footer does not fit its header", start + 8, "Stream Footer");
  }
}

function* readZeros(input: PackedInput, count: number, field: string): Decoding {
  const at = input.offset;
  if ((yield* input.bytes(count, field)).every((byte) => byte === 0)) return;
  throw damaged("there is something in what should be zeros", at, field);
}

/** Bytes that are missing for a whole word. */
function padding(length: number): number {
  return (WORD_BYTES - length % WORD_BYTES) % WORD_BYTES;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function noStream(offset: number, isFirst: boolean): FormatError {
  return isFirst
    ? new FormatError("this is no xz stream", offset, "Header Magic Bytes")
    : new FormatError(
      `something else follows the xz stream, at byte ${offset}`,
      offset,
      "trailing data",
    );
}

function damaged(why: string, offset: number, field: string): FormatError {
  return new FormatError(`the xz stream is damaged at byte ${offset}: ${why}`, offset, field);
}
