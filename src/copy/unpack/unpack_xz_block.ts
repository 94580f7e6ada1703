/**
 * The header of a block: .xz file format 1.2.1, 3.1,
 * https://tukaani.org/xz/xz-file-format.txt
 *
 * ```
 * size / 4 - 1 (1), flags (1), size of the chunks if flagged, size of the content if flagged,
 * filters (identifier, size of properties, properties), zeros, CRC-32 (4)
 * ```
 */
import { crc32 } from "node:zlib";
import type { Bytes } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { XzNumber } from "./unpack_xz_numbers.ts";

const HAS_PACKED_SIZE = 0x40;
const HAS_CONTENT_SIZE = 0x80;
const RESERVED_FLAGS = 0x3c;

const LZMA2 = 0x21;

/** Filters that are not unpacked here, by their identifiers: 5.3. */
const FILTER_NAMES: Readonly<Record<number, string>> = {
  0x03: "Delta",
  0x04: "x86 BCJ",
  0x05: "PowerPC BCJ",
  0x06: "IA-64 BCJ",
  0x07: "ARM BCJ",
  0x08: "ARM-Thumb BCJ",
  0x09: "SPARC BCJ",
  0x0a: "ARM64 BCJ",
  0x0b: "RISC-V BCJ",
};

/** What the header of a block tells. */
export interface XzBlockHeader {
  /** Bytes of the chunks, where it is told. */
  readonly packedBytes: number | undefined;
  readonly contentBytes: number | undefined;
  /** How far back the content is looked at. */
  readonly dictionaryBytes: number;
  /** The byte that stands for that size. */
  readonly dictionaryCode: number;
}

/**
 * Reads a header, which `header` holds whole; `offset` is its place in the file.
 *
 * @throws {FormatError} when it is damaged, or needs what is not there.
 */
export function parseBlockHeader(header: Bytes, offset: number): XzBlockHeader {
  const end = header.length - 4;
  if (viewOf(header).getUint32(end, true) !== crc32(header.subarray(0, end))) {
    throw damaged("the CRC of a block's header is wrong", offset, "CRC32");
  }
  const flags = header[1] ?? 0;
  if ((flags & RESERVED_FLAGS) !== 0) throw damaged("a flag is unknown", offset, "Block Flags");
  const fields = new HeaderFields(header.subarray(2, end), offset);
  const packedBytes = (flags & HAS_PACKED_SIZE) === 0
    ? undefined
    : fields.number("Compressed Size");
  const contentBytes = (flags & HAS_CONTENT_SIZE) === 0
    ? undefined
    : fields.number("Uncompressed Size");
  let dictionaryCode = 0;
  for (let left = (flags & 3) + 1; left > 0; left--) {
    const filter = fields.number("Filter ID");
    const properties = fields.bytes(fields.number("Size of Properties"));
    if (filter !== LZMA2) throw unknownFilter(filter, offset);
    if (left > 1) throw damaged("its filters make no sense", offset, "Filter Flags");
    dictionaryCode = properties[0] ?? 0;
    if (properties.length !== 1 || dictionaryCode > 40) {
      throw damaged("the size of its dictionary makes no sense", offset, "Dictionary Size");
    }
  }
  if (fields.rest.some((byte) => byte !== 0)) {
    throw damaged("there is something in what should be zeros", offset, "Header Padding");
  }
  const dictionaryBytes = dictionarySize(dictionaryCode);
  return { packedBytes, contentBytes, dictionaryBytes, dictionaryCode };
}

/** Reads one field after the other. */
class HeaderFields {
  readonly #offset: number;
  rest: Bytes;

  constructor(bytes: Bytes, offset: number) {
    this.rest = bytes;
    this.#offset = offset;
  }

  bytes(length: number): Bytes {
    if (length > this.rest.length) {
      throw damaged("a block's header is too short", this.#offset, "Block Header");
    }
    const bytes = this.rest.subarray(0, length);
    this.rest = this.rest.subarray(length);
    return bytes;
  }

  number(field: string): number {
    const number = new XzNumber(field, this.#offset);
    for (;;) {
      const value = number.take(this.bytes(1)[0] ?? 0);
      if (value !== undefined) return value;
    }
  }
}

/** 5.3.1: 2^n or 2^n + 2^(n-1) bytes. */
function dictionarySize(code: number): number {
  if (code === 40) return 2 ** 32 - 1;
  return (2 + code % 2) * 2 ** (Math.floor(code / 2) + 11);
}

function unknownFilter(filter: number, offset: number): FormatError {
  const name = FILTER_NAMES[filter] ?? `number ${filter}`;
  return new FormatError(
    `the xz stream uses the filter ${name}, which is not known here`,
    offset,
    "Filter ID",
    { hint: "unpack it with xz" },
  );
}

function damaged(why: string, offset: number, field: string): FormatError {
  return new FormatError(`the xz stream is damaged at byte ${offset}: ${why}`, offset, field);
}
