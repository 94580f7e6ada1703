/**
 * Zstandard, RFC 8878, https://www.rfc-editor.org/rfc/rfc8878
 *
 * A file is frames, one behind the other; some may be skipped. What a frame holds is
 * unpacked by the runtime's zstd, which compares checksums; where frames and blocks begin
 * and end is looked at here, so that nothing that is missing is overlooked.
 *
 * ```
 * frame: 28 b5 2f fd, descriptor (1), window (0 or 1), dictionary (0-4), content size (0-8),
 *        blocks, checksum (4) if the descriptor says so
 * block: last (1 bit), type (2 bits), size (21 bits), content
 * skippable frame: 50..5f 2a 4d 18, size (4), anything
 * ```
 */
import { constants, createZstdDecompress } from "node:zlib";
import type { Bytes } from "../../core/block.ts";
import { safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import type { Decoder, Decoding, PackedInput, UnpackedOutput } from "./unpack_flow.ts";
import { isSkippable, skipFrame } from "./unpack_frames.ts";
import { ZlibHandle } from "./unpack_zlib_handle.ts";

const MAGIC = 0xfd2fb528;

/** The largest window that `zstd --long=31` asks for, and its logarithm. */
const MOST_WINDOW_BYTES = 2 ** 31;
const MOST_WINDOW_LOG = 31;

/** A compressed block may be so long: 3.1.1.2.4. */
const MOST_BLOCK_BYTES = 128 * 1024;

const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;

const NO_BYTES: Bytes = new Uint8Array();

/** A decoder of zstd files. */
export function zstdDecoder(): Decoder {
  const handle = new ZlibHandle(
    createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: MOST_WINDOW_LOG } }),
    constants.ZSTD_e_continue,
  );
  return function* (input: PackedInput, output: UnpackedOutput): Decoding {
    const frames = new FrameReader(input, output, handle);
    let isFirst = true;
    do {
      yield* frames.next(isFirst);
      isFirst = false;
    } while (yield* input.more());
  };
}

/** What the head of a frame tells. */
interface FrameHeader {
  /** Undefined where it is not told. */
  readonly contentBytes: number | undefined;
  readonly windowBytes: number;
  readonly hasChecksum: boolean;
}

/** Unpacks frame by frame. */
class FrameReader {
  readonly #input: PackedInput;
  readonly #output: UnpackedOutput;
  readonly #handle: ZlibHandle;
  /** Bytes that came out of the frame. */
  #made = 0;

  constructor(input: PackedInput, output: UnpackedOutput, handle: ZlibHandle) {
    this.#input = input;
    this.#output = output;
    this.#handle = handle;
  }

  *next(isFirst: boolean): Decoding {
    const input = this.#input;
    const start = input.offset;
    const magicBytes = (yield* input.bytes(4, "zstd frame header")).slice();
    const magic = viewOf(magicBytes).getUint32(0, true);
    if (isSkippable(magic)) return yield* skipFrame(input);
    if (magic !== MAGIC) throw noFrame(start, isFirst);
    const { header, bytes } = yield* readHeader(input, start);
    this.#handle.reset();
    this.#made = 0;
    yield* this.#feed(magicBytes);
    yield* this.#feed(bytes);
    while (!(yield* this.#block(header)));
    if (header.hasChecksum) yield* this.#feed(yield* input.bytes(4, "zstd checksum"));
    yield* this.#drain();
    const { contentBytes = this.#made } = header;
    if (contentBytes !== this.#made) {
      throw damaged("it does not hold as much as it says", start, "Frame_Content_Size");
    }
  }

  /** Was it the last one? */
  *#block({ windowBytes }: FrameHeader): Decoding<boolean> {
    const start = this.#input.offset;
    const bytes = (yield* this.#input.bytes(3, "zstd block header")).slice();
    const word = (bytes[0] ?? 0) | (bytes[1] ?? 0) << 8 | (bytes[2] ?? 0) << 16;
    const type = (word >>> 1) & 3;
    const size = word >>> 3;
    if (type === RESERVED_BLOCK) {
      throw damaged("a block's type is unknown", start, "Block_Type");
    }
    if (size > Math.min(MOST_BLOCK_BYTES, Math.max(windowBytes, 1))) {
      throw damaged("a block is too large", start, "Block_Size");
    }
    yield* this.#feed(bytes);
    for (let left = type === RLE_BLOCK ? 1 : size; left > 0;) {
      if (!(yield* this.#input.more())) throw this.#input.truncated("zstd block");
      const part = this.#input.rest.subarray(0, left);
      yield* this.#feed(part);
      this.#input.use(part.length);
      left -= part.length;
    }
    return (word & 1) !== 0;
  }

  /** Gives zstd all of these bytes. */
  *#feed(bytes: Bytes): Decoding {
    for (let at = 0; at < bytes.length;) at += yield* this.#step(bytes.subarray(at));
  }

  /** Takes what zstd still holds back because there was no room. */
  *#drain(): Decoding {
    for (let made = -1; made !== this.#made;) {
      made = this.#made;
      yield* this.#step(NO_BYTES);
    }
  }

  *#step(bytes: Bytes): Decoding<number> {
    yield* this.#output.some();
    const { used, made, error } = this.#handle.step(bytes, this.#output.room);
    if (error !== undefined) throw damaged(error.message, this.#input.offset, "zstd frame");
    if (used === 0 && made === 0 && bytes.length > 0) {
      throw damaged("it ends before its last block does", this.#input.offset, "zstd frame");
    }
    this.#output.made(made);
    this.#made += made;
    return used;
  }
}

/** Reads what follows the magic number, at `start`, up to the first block. */
function* readHeader(
  input: PackedInput,
  start: number,
): Decoding<{ readonly header: FrameHeader; readonly bytes: Bytes }> {
  const field = "zstd frame header";
  const descriptor = yield* input.byte(field);
  if ((descriptor & 8) !== 0) throw damaged("a reserved bit is set", start + 4, field);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const windowLength = isSingleSegment ? 0 : 1;
  const dictionaryLength = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const sizeLength = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6] ?? 0;
  const length = windowLength + dictionaryLength + sizeLength;
  const rest = (yield* input.bytes(length, field)).slice();
  const dictionary = rest.subarray(windowLength, windowLength + dictionaryLength);
  if (dictionary.some((byte) => byte !== 0)) {
    throw new FormatError("the zstd frame needs a dictionary", start, "Dictionary_ID", {
      hint: "unpack it with zstd and that dictionary",
    });
  }
  const contentBytes = contentSize(rest.subarray(length - sizeLength), start);
  const windowBytes = isSingleSegment ? contentBytes ?? 0 : windowSize(rest[0] ?? 0);
  if (windowBytes > MOST_WINDOW_BYTES) {
    throw new FormatError(
      `the zstd frame needs a window of ${windowBytes} bytes; no more than 2 GiB are possible`,
      start,
      "Window_Size",
    );
  }
  const header = { contentBytes, windowBytes, hasChecksum: (descriptor & 4) !== 0 };
  return { header, bytes: Uint8Array.of(descriptor, ...rest) };
}

/** 3.1.1.1.2: up to 3.75 TiB. */
function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3));
  return base + (base / 8) * (descriptor & 7);
}

/** 3.1.1.1.4. */
function contentSize(bytes: Bytes, offset: number): number | undefined {
  const view = viewOf(bytes);
  switch (bytes.length) {
    case 0:
      return undefined;
    case 1:
      return view.getUint8(0);
    case 2:
      return view.getUint16(0, true) + 256;
    case 4:
      return view.getUint32(0, true);
    default:
      return safeNumber(view.getBigUint64(0, true), "Frame_Content_Size", offset);
  }
}

function noFrame(offset: number, isFirst: boolean): FormatError {
  return isFirst
    ? new FormatError("this is no zstd stream", offset, "Magic_Number")
    : new FormatError(
      `something else follows the zstd stream, at byte ${offset}`,
      offset,
      "trailing data",
    );
}

function damaged(why: string, offset: number, field: string): FormatError {
  return new FormatError(`the zstd stream is damaged at byte ${offset}: ${why}`, offset, field);
}
