/**
 * The gzip file format, RFC 1952, https://www.rfc-editor.org/rfc/rfc1952
 *
 * A file is one member or more, each with its own checksum. As gzip does, zeros behind the
 * last member are taken for padding.
 *
 * ```
 * 0  1f 8b     8  extra flags          XLEN (2), that many bytes   if FEXTRA
 * 2  method    9  operating system     name, ends with 0           if FNAME
 * 3  flags    10  what flags announce: comment, ends with 0        if FCOMMENT
 * 4  time (4)                          CRC-16 of the header        if FHCRC
 * then the deflate stream, CRC-32 (4) and length modulo 2^32 (4) of the content
 * ```
 */
import { crc32 } from "node:zlib";
import { viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import type { Decoder, Decoding, PackedInput, UnpackedOutput } from "./unpack_flow.ts";
import { Inflater } from "./unpack_inflate.ts";

const FHCRC = 0x02;
const FEXTRA = 0x04;
const FNAME = 0x08;
const FCOMMENT = 0x10;
const RESERVED_FLAGS = 0xe0;

const DEFLATE = 8;

/** A decoder of gzip files. */
export function gzipDecoder(): Decoder {
  const inflater = new Inflater();
  return function* (input: PackedInput, output: UnpackedOutput): Decoding {
    let members = 0;
    do {
      yield* readHeader(input, members === 0);
      yield* readContent(input, output, inflater);
      members++;
    } while (!(yield* hasEnded(input)));
  };
}

/** Is there no further member? Padding may be. */
function* hasEnded(input: PackedInput): Decoding<boolean> {
  if (!(yield* input.more())) return true;
  if (input.rest[0] !== 0) return false;
  while (yield* input.more()) {
    const other = input.rest.findIndex((byte) => byte !== 0);
    input.use(other < 0 ? input.rest.length : other);
    if (other >= 0) throw noMember(input.offset);
  }
  return true;
}

function noMember(offset: number): FormatError {
  return new FormatError(
    `something else follows the gzip stream, at byte ${offset}`,
    offset,
    "trailing data",
  );
}

function* readHeader(input: PackedInput, isFirst: boolean): Decoding {
  const start = input.offset;
  const header = new HeaderReader(input);
  // One by one: what follows may be too short to be a member.
  for (const byte of [0x1f, 0x8b]) {
    if (!isFirst && !(yield* input.more())) throw noMember(start);
    if ((yield* header.bytes(1))[0] === byte) continue;
    if (!isFirst) throw noMember(start);
    throw new FormatError("this is no gzip stream", start, "ID1");
  }
  const [method = 0, flags = 0] = (yield* header.bytes(8)).slice(0, 2);
  if (method !== DEFLATE) {
    throw new FormatError(`gzip method ${method} is unknown`, start + 2, "CM");
  }
  if ((flags & RESERVED_FLAGS) !== 0) {
    throw new FormatError(`gzip flags ${flags} are unknown`, start + 3, "FLG");
  }
  if ((flags & FEXTRA) !== 0) {
    const length = viewOf((yield* header.bytes(2)).slice()).getUint16(0, true);
    yield* header.bytes(length);
  }
  if ((flags & FNAME) !== 0) yield* header.text();
  if ((flags & FCOMMENT) !== 0) yield* header.text();
  if ((flags & FHCRC) !== 0) {
    const expected = header.crc & 0xffff;
    const at = input.offset;
    if (viewOf(yield* header.bytes(2)).getUint16(0, true) !== expected) {
      throw new FormatError("the gzip header is damaged: its CRC is wrong", at, "CRC16");
    }
  }
}

/** Reads a header and forms its CRC-32. */
class HeaderReader {
  readonly #input: PackedInput;
  crc = 0;

  constructor(input: PackedInput) {
    this.#input = input;
  }

  *bytes(length: number): Decoding<Uint8Array<ArrayBuffer>> {
    const bytes = yield* this.#input.bytes(length, "gzip header");
    this.crc = crc32(bytes, this.crc);
    return bytes;
  }

  /** Passes over a text and the zero at its end. */
  *text(): Decoding {
    for (let end = -1; end < 0;) {
      if (!(yield* this.#input.more())) throw this.#input.truncated("gzip header");
      const { rest } = this.#input;
      end = rest.indexOf(0);
      const part = end < 0 ? rest : rest.subarray(0, end + 1);
      this.crc = crc32(part, this.crc);
      this.#input.use(part.length);
    }
  }
}

function* readContent(
  input: PackedInput,
  output: UnpackedOutput,
  inflater: Inflater,
): Decoding {
  let crc = 0;
  let length = 0;
  yield* inflater.inflate(input, output, "gzip stream", (bytes) => {
    crc = crc32(bytes, crc);
    length += bytes.length;
  });
  const at = input.offset;
  const trailer = viewOf(yield* input.bytes(8, "end of the gzip stream"));
  if (trailer.getUint32(0, true) !== crc) {
    throw new FormatError("the gzip stream is damaged: its CRC-32 is wrong", at, "CRC32");
  }
  if (trailer.getUint32(4, true) !== length % 2 ** 32) {
    throw new FormatError("the gzip stream is damaged: its length is wrong", at + 4, "ISIZE");
  }
}
