/**
 * The LZ4 frame format 1.6.4,
 * https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
 *
 * ```
 * frame: 04 22 4d 18, FLG (1), BD (1), content size (0 or 8), dictionary (0 or 4),
 *        header checksum (1), blocks, 0 (4), checksum of the content (0 or 4)
 * block: size (4, the highest bit: stored as it is), content, its checksum (0 or 4)
 * skippable frame: 50..5f 2a 4d 18, size (4), anything
 * ```
 *
 * Checksums are xxHash-32. Written here, because none of the packages that were looked at
 * takes a stream piece by piece and compares all of its checksums.
 */
import { createXXHash32 } from "hash-wasm";
import type { Bytes } from "../../core/block.ts";
import { safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { LZ4_WINDOW_BYTES, unpackLz4Block } from "../../core/lz4_block.ts";
import type { Decoder, Decoding, PackedInput, UnpackedOutput } from "./unpack_flow.ts";
import { isSkippable, skipFrame } from "./unpack_frames.ts";

const MAGIC = 0x184d2204;
const LEGACY_MAGIC = 0x184c2102;

const VERSION = 1;
const STORED = 0x8000_0000;

/** Block sizes by their number, 4 to 7. */
const BLOCK_BYTES: readonly (number | undefined)[] = [
  undefined,
  undefined,
  undefined,
  undefined,
  64 * 1024,
  256 * 1024,
  1024 * 1024,
  4 * 1024 * 1024,
];

type XxHash32 = Awaited<ReturnType<typeof createXXHash32>>;

/** A decoder of lz4 files. */
export async function lz4Decoder(): Promise<Decoder> {
  const frameHash = await createXXHash32(0);
  const blockHash = await createXXHash32(0);
  return function* (input: PackedInput, output: UnpackedOutput): Decoding {
    const frames = new FrameReader(input, output, frameHash, blockHash);
    let isFirst = true;
    do {
      yield* frames.next(isFirst);
      isFirst = false;
    } while (yield* input.more());
  };
}

/** What the head of a frame tells. */
interface FrameHeader {
  readonly blocksAreLinked: boolean;
  readonly hasBlockChecksums: boolean;
  readonly hasChecksum: boolean;
  readonly blockBytes: number;
  readonly contentBytes: number | undefined;
}

/** Unpacks frame by frame. */
class FrameReader {
  readonly #input: PackedInput;
  readonly #output: UnpackedOutput;
  readonly #frameHash: XxHash32;
  readonly #blockHash: XxHash32;
  /** What came before, up to 64 KiB, and a block behind it. */
  #window: Bytes = new Uint8Array();
  /** Bytes of what came before. */
  #history = 0;
  /** Bytes that came out of the frame. */
  #made = 0;

  constructor(
    input: PackedInput,
    output: UnpackedOutput,
    frameHash: XxHash32,
    blockHash: XxHash32,
  ) {
    this.#input = input;
    this.#output = output;
    this.#frameHash = frameHash;
    this.#blockHash = blockHash;
  }

  *next(isFirst: boolean): Decoding {
    const input = this.#input;
    const start = input.offset;
    const magic = viewOf(yield* input.bytes(4, "lz4 frame header")).getUint32(0, true);
    if (isSkippable(magic)) return yield* skipFrame(input);
    if (magic !== MAGIC) throw noFrame(magic, start, isFirst);
    const header = yield* this.#header();
    const windowBytes = LZ4_WINDOW_BYTES + header.blockBytes;
    if (this.#window.length < windowBytes) this.#window = new Uint8Array(windowBytes);
    this.#history = 0;
    this.#made = 0;
    this.#frameHash.init();
    while (!(yield* this.#block(header)));
    if (header.hasChecksum) yield* this.#checksum(this.#frameHash, "content");
    const { contentBytes = this.#made } = header;
    if (contentBytes !== this.#made) {
      throw damaged("it does not hold as much as it says", start, "Content Size");
    }
  }

  *#header(): Decoding<FrameHeader> {
    const field = "lz4 frame header";
    const start = this.#input.offset;
    const fixed = (yield* this.#input.bytes(2, field)).slice();
    const [flags = 0, sizes = 0] = fixed;
    if (flags >>> 6 !== VERSION) throw damaged("its version is unknown", start, "Version");
    if ((flags & 2) !== 0 || (sizes & 0x8f) !== 0) {
      throw damaged("a reserved bit is set", start, "Reserved");
    }
    const blockBytes = BLOCK_BYTES[sizes >>> 4];
    if (blockBytes === undefined) {
      throw damaged("its block size is unknown", start + 1, "Block Maximum Size");
    }
    const hasSize = (flags & 8) !== 0;
    const hasDictionary = (flags & 1) !== 0;
    const more = (hasSize ? 8 : 0) + (hasDictionary ? 4 : 0);
    const rest = (yield* this.#input.bytes(more, field)).slice();
    this.#blockHash.init().update(fixed).update(rest);
    const checksum = yield* this.#input.byte(field);
    if (checksum !== (hashOf(this.#blockHash) >>> 8 & 0xff)) {
      throw damaged("the checksum of its header is wrong", start, "Header Checksum");
    }
    if (hasDictionary) {
      throw new FormatError("the lz4 frame needs a dictionary", start, "Dictionary ID", {
        hint: "unpack it with lz4 and that dictionary",
      });
    }
    return {
      blocksAreLinked: (flags & 0x20) === 0,
      hasBlockChecksums: (flags & 0x10) !== 0,
      hasChecksum: (flags & 4) !== 0,
      blockBytes,
      contentBytes: hasSize
        ? safeNumber(viewOf(rest).getBigUint64(0, true), "Content Size", start)
        : undefined,
    };
  }

  /** Was it the mark at the end of the frame? */
  *#block(header: FrameHeader): Decoding<boolean> {
    const start = this.#input.offset;
    const word = viewOf(yield* this.#input.bytes(4, "lz4 block size")).getUint32(0, true);
    if (word === 0) return true;
    const isStored = word >= STORED;
    const size = word % STORED;
    if (size > header.blockBytes) throw damaged("a block is too large", start, "Block Size");
    const packed = (yield* this.#input.bytes(size, "lz4 block")).slice();
    if (header.hasBlockChecksums) {
      this.#blockHash.init().update(packed);
      yield* this.#checksum(this.#blockHash, "block");
    }
    const from = this.#history;
    const room = this.#window.subarray(0, from + header.blockBytes);
    const end = isStored
      ? from + copyInto(room, from, packed)
      : unpackLz4Block(packed, room, from);
    if (end === undefined) throw damaged("a block makes no sense", start + 4, "block");
    const content = this.#window.subarray(from, end);
    this.#made += content.length;
    if (header.hasChecksum) this.#frameHash.update(content);
    yield* this.#output.put(content);
    this.#keepHistory(end, header);
    return false;
  }

  /** The end of what came out moves to the beginning of the window. */
  #keepHistory(end: number, { blocksAreLinked }: FrameHeader): void {
    this.#history = blocksAreLinked ? Math.min(end, LZ4_WINDOW_BYTES) : 0;
    this.#window.copyWithin(0, end - this.#history, end);
  }

  *#checksum(hash: XxHash32, what: string): Decoding {
    const at = this.#input.offset;
    const bytes = yield* this.#input.bytes(4, `checksum of the lz4 ${what}`);
    if (viewOf(bytes).getUint32(0, true) === hashOf(hash)) return;
    throw damaged(`the checksum of its ${what} is wrong`, at, `${what} checksum`);
  }
}

function copyInto(room: Bytes, at: number, bytes: Bytes): number {
  room.set(bytes, at);
  return bytes.length;
}

function hashOf(hash: XxHash32): number {
  return viewOf(hash.digest("binary")).getUint32(0);
}

function noFrame(magic: number, offset: number, isFirst: boolean): FormatError {
  if (magic === LEGACY_MAGIC) {
    return new FormatError(
      "this is a legacy lz4 stream, as lz4 -l writes it",
      offset,
      "Magic",
      {
        hint: "unpack it with lz4",
      },
    );
  }
  return isFirst
    ? new FormatError("this is no lz4 stream", offset, "Magic Number")
    : new FormatError(
      `something else follows the lz4 stream, at byte ${offset}`,
      offset,
      "trailing data",
    );
}

function damaged(why: string, offset: number, field: string): FormatError {
  return new FormatError(`the lz4 stream is damaged at byte ${offset}: ${why}`, offset, field);
}
