/** zlib and Zstandard themselves, for whole streams, on the thread that calls. */
import * as zlib from "node:zlib";
import type { Bytes } from "../core/block.ts";
import { viewOf } from "../core/bytes.ts";
import type { PieceForm, PiecePacking } from "../core/zlib.ts";
import { packBest } from "./pack_best.ts";

/** What a stream is made of. */
export interface StreamForm extends Pick<PieceForm, "level" | "isOpen"> {
  readonly packing: "zlib" | PieceForm["packing"];
}

/** What a stream is unpacked as; see {@linkcode ZlibService}. */
export type StreamPacking = "zlib" | PiecePacking;

/** Packs and unpacks into memory that is given. Whoever made it disposes of it. */
export interface ZlibEngine extends Disposable {
  /** Answers how long the stream is. `into` has the room of {@linkcode packedBound}. */
  pack(piece: Bytes, form: StreamForm, into: Bytes): number;
  /**
   * Answers how many bytes the stream held; undefined when it is damaged, or leaves no
   * room in `into`, or (but for zlib) is followed by something.
   */
  unpack(stream: Bytes, packing: StreamPacking, into: Bytes): number | undefined;
  /** The Adler-32 of a piece (RFC 1950, 8.2). */
  adler32(piece: Bytes): number;
}

/** Bytes of the checksum at the end of a zlib stream (RFC 1950, 2.2). */
export const ADLER_BYTES = 4;

/** So long a stream can be at most: nine bits stand for a byte at worst. */
export function packedBound(length: number): number {
  return length + (length >>> 3) + 96;
}

/** The error of a stream that is longer than {@linkcode packedBound}, or than its memory. */
export function noRoom(piece: Bytes): RangeError {
  return new RangeError(`no room for ${piece.length} bytes`);
}

/** The best engine that this runtime has. */
export function makeRuntimeEngine(): ZlibEngine {
  return KeepingEngine.isPossible() ? new KeepingEngine() : new PlainEngine();
}

/** What is said of levels, and what follows from a zlib, whoever has it. */
abstract class RuntimeEngine implements ZlibEngine {
  #stored: Bytes = new Uint8Array();

  pack(piece: Bytes, form: StreamForm, into: Bytes): number {
    const { packing, level } = form;
    if (packing === "zlib" && level === 9) return packBest(piece, into);
    return this.packStream(piece, { ...form, level: runtimeLevel(form) }, into);
  }

  abstract packStream(piece: Bytes, form: StreamForm, into: Bytes): number;

  abstract unpack(stream: Bytes, packing: StreamPacking, into: Bytes): number | undefined;

  /** As zlib computes it on the way: a stream ends with it, most significant byte first. */
  adler32(piece: Bytes): number {
    const bound = packedBound(piece.length);
    if (this.#stored.length < bound) this.#stored = new Uint8Array(bound);
    const length = this.packStream(piece, { packing: "zlib", level: 0 }, this.#stored);
    return viewOf(this.#stored).getUint32(length - ADLER_BYTES);
  }

  [Symbol.dispose](): void {}
}

/**
 * Level 1 of the runtime's zlib is another than zlib's: its streams are a sixth longer. At
 * level 2 they are as short as zlib's at level 1, and still made sooner.
 */
function runtimeLevel({ packing, level }: StreamForm): number {
  return packing !== "zstd" && level === 1 ? 2 : level;
}

/** With the documented functions of node:zlib, which make a new zlib for each stream. */
export class PlainEngine extends RuntimeEngine {
  packStream(piece: Bytes, form: StreamForm, into: Bytes): number {
    const stream = packSync(piece, form);
    into.set(stream);
    return stream.length;
  }

  unpack(stream: Bytes, packing: StreamPacking, into: Bytes): number | undefined {
    return unlessDamaged(() => {
      const { buffer, engine } = unpackSync(stream, packing, into.length - 1);
      if (packing !== "zlib" && engine.bytesWritten !== stream.length) return undefined;
      into.set(buffer);
      return buffer.length;
    });
  }
}

function packSync(piece: Bytes, { packing, level, isOpen }: StreamForm): Uint8Array {
  switch (packing) {
    case "zlib":
      return zlib.deflateSync(piece, { level });
    case "deflate":
      return zlib.deflateRawSync(piece, { level, finishFlush: deflateEnd(isOpen) });
    case "zstd":
      return packZstd(piece, level);
  }
}

/** What node:zlib answers with the option `info`. */
interface SyncAnswer {
  readonly buffer: Uint8Array;
  /** Bytes of the input that were used. */
  readonly engine: { readonly bytesWritten: number };
}

function unpackSync(
  stream: Bytes,
  packing: StreamPacking,
  maxOutputLength: number,
): SyncAnswer {
  const options = { info: true, maxOutputLength };
  // The types of node:zlib do not know the option.
  const unpack = {
    zlib: zlib.inflateSync,
    gzip: zlib.gunzipSync,
    zstd: zlib.zstdDecompressSync,
  }[packing] as unknown as (stream: Bytes, options: object) => SyncAnswer;
  return unpack(stream, options);
}

function deflateEnd(isOpen: boolean | undefined): number {
  return isOpen === true ? zlib.constants.Z_SYNC_FLUSH : zlib.constants.Z_FINISH;
}

/** A frame with size and checksum of its content. */
function packZstd(piece: Bytes, level: number): Uint8Array {
  const options = {
    chunkSize: Math.max(1024, packedBound(piece.length)),
    pledgedSrcSize: piece.length,
    params: zstdParams(level),
  };
  return zlib.zstdCompressSync(piece, options);
}

function zstdParams(level: number): Record<number, number> {
  const { constants } = zlib;
  return { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 };
}

/**
 * Heads of frames (RFC 8878, 3.1.1.1): magic number and descriptor, then the window (1 byte)
 * of a frame that does not tell the size of its content, and that size (u32) of one whose
 * window it is. Both descriptors have the bit of the checksum.
 */
const ZSTD_MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
const UNSIZED_HEAD = [...ZSTD_MAGIC, 0x04];
const SIZED_HEAD = [...ZSTD_MAGIC, 0xa4];
const UNSIZED_HEAD_BYTES = 6;
const SIZED_HEAD_BYTES = 9;

/** For smaller pieces Zstandard chooses other ways, if it knows their size beforehand. */
const LARGE_PIECE_BYTES = 256 * 1024;

/**
 * With what lies below the streams of node:zlib: a zlib that is emptied and used again.
 * That is felt where it has little to do: storing takes a quarter of the time.
 */
export class KeepingEngine extends RuntimeEngine {
  /** By packing and level. */
  readonly #packers = new Map<string, KeptStream>();
  readonly #unpackers = new Map<StreamPacking, KeptStream>();

  /** Is everything where it is looked for? */
  static isPossible(): boolean {
    return [zlib.createInflate(), zlib.createZstdDecompress()].every(hasParts);
  }

  packStream(piece: Bytes, form: StreamForm, into: Bytes): number {
    const { packing, level, isOpen } = form;
    if (packing === "zstd") return this.#packZstd(piece, level, into);
    const { written } = this.#packer(packing, level).run(piece, into, deflateEnd(isOpen));
    if (written === into.length) throw noRoom(piece);
    return written;
  }

  unpack(stream: Bytes, packing: StreamPacking, into: Bytes): number | undefined {
    const { constants } = zlib;
    const end = packing === "zstd" ? constants.ZSTD_e_end : constants.Z_FINISH;
    const done = unlessDamaged(() => this.#unpacker(packing).run(stream, into, end));
    if (done === undefined || done.written === into.length) return undefined;
    return packing === "zlib" || done.unread === 0 ? done.written : undefined;
  }

  /** A Zstandard that is used again leaves the size of the content out: it is put in. */
  #packZstd(piece: Bytes, level: number, into: Bytes): number {
    const added = SIZED_HEAD_BYTES - UNSIZED_HEAD_BYTES;
    const room = into.subarray(added);
    if (piece.length >= LARGE_PIECE_BYTES) {
      const { written } = this.#packer("zstd", level)
        .run(piece, room, zlib.constants.ZSTD_e_end);
      if (written < room.length && UNSIZED_HEAD.every((byte, at) => room[at] === byte)) {
        into.set(SIZED_HEAD);
        viewOf(into).setUint32(SIZED_HEAD.length, piece.length, true);
        return written + added;
      }
    }
    const frame = packZstd(piece, level);
    into.set(frame);
    return frame.length;
  }

  #packer(packing: StreamForm["packing"], level: number): KeptStream {
    const key = `${packing} ${level}`;
    let packer = this.#packers.get(key);
    if (packer === undefined) {
      packer = new KeptStream(packStream(packing, level));
      this.#packers.set(key, packer);
    }
    return packer;
  }

  #unpacker(packing: StreamPacking): KeptStream {
    let unpacker = this.#unpackers.get(packing);
    if (unpacker === undefined) {
      unpacker = new KeptStream(unpackStream(packing));
      this.#unpackers.set(packing, unpacker);
    }
    return unpacker;
  }
}

function packStream(packing: StreamForm["packing"], level: number): object {
  switch (packing) {
    case "zlib":
      return zlib.createDeflate({ level });
    case "deflate":
      return zlib.createDeflateRaw({ level });
    case "zstd":
      return zlib.createZstdCompress({ params: zstdParams(level) });
  }
}

function unpackStream(packing: StreamPacking): object {
  switch (packing) {
    case "zlib":
      return zlib.createInflate();
    case "gzip":
      return zlib.createGunzip();
    case "zstd":
      return zlib.createZstdDecompress();
  }
}

/** The parts of a stream of node:zlib. Not documented, but relied on by packages for years. */
interface StreamParts {
  readonly _handle: {
    onerror: (message: string, errno: number, code?: string) => void;
    reset(): void;
    writeSync(
      flush: number,
      input: Uint8Array,
      inputOffset: number,
      inputLength: number,
      output: Uint8Array,
      outputOffset: number,
      outputLength: number,
    ): void;
  };
  /** Bytes of the output and of the input that were not used. */
  readonly _writeState: Uint32Array;
}

function hasParts(stream: object): stream is StreamParts {
  const { _handle: handle, _writeState: state } = stream as Partial<StreamParts>;
  return typeof handle?.writeSync === "function" && typeof handle.reset === "function" &&
    state instanceof Uint32Array;
}

/** One zlib. */
class KeptStream {
  readonly #parts: StreamParts;
  #error: Error | undefined;

  constructor(stream: object) {
    if (!hasParts(stream)) throw new TypeError("node:zlib is not what it was");
    this.#parts = stream;
    stream._handle.onerror = (message, errno, code) => {
      this.#error = Object.assign(new Error(message), { errno, code });
    };
  }

  /** Answers how many bytes of `into` were written, and how many of `input` were left. */
  run(input: Bytes, into: Bytes, end: number): { written: number; unread: number } {
    const { _handle: handle, _writeState: state } = this.#parts;
    this.#error = undefined;
    handle.reset();
    handle.writeSync(end, input, 0, input.length, into, 0, into.length);
    if (this.#error !== undefined) throw this.#error;
    return { written: into.length - (state[0] ?? 0), unread: state[1] ?? 0 };
  }
}

/** What zlib says of a stream that is damaged, is cut, or needs what nobody has. */
const DAMAGE: readonly unknown[] = [
  zlib.constants.Z_DATA_ERROR,
  zlib.constants.Z_BUF_ERROR,
  zlib.constants.Z_NEED_DICT,
];

/** Zstandard's complaints have no number. */
const ZSTD_DAMAGE = "Zstd decompress error";

function unlessDamaged<Result>(unpack: () => Result): Result | undefined {
  try {
    return unpack();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const { errno, code, message } = error as Error & { errno?: unknown; code?: unknown };
    const isDamage = DAMAGE.includes(errno) || code === "ERR_BUFFER_TOO_LARGE" ||
      message.startsWith(ZSTD_DAMAGE);
    if (isDamage) return undefined;
    throw error;
  }
}
