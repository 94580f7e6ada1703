/** zlib itself, for whole streams (RFC 1950), on the thread that calls. */
import { constants, createDeflate, createInflate, deflateSync, inflateSync } from "node:zlib";
import type { Bytes } from "../core/block.ts";
import type { ZlibLevel } from "../core/zlib.ts";

/** Packs and unpacks into memory that is given. */
export interface ZlibEngine {
  /**
   * Answers how long the stream is. `into` has the room that {@linkcode packedBound} says;
   * `level` is that of node:zlib.
   */
  deflate(piece: Bytes, level: ZlibLevel, into: Bytes): number;
  /**
   * Answers how many bytes the stream held; undefined when it is damaged, or leaves no
   * room in `into`.
   */
  inflate(stream: Bytes, into: Bytes): number | undefined;
}

/** So long a stream can be at most: nine bits stand for a byte at worst. */
export function packedBound(length: number): number {
  return length + (length >>> 3) + 64;
}

/** The best engine that this runtime has. */
export function makeEngine(): ZlibEngine {
  return KeepingEngine.isPossible() ? new KeepingEngine() : new PlainEngine();
}

/** With the documented functions of node:zlib, which make a new zlib for each stream. */
export class PlainEngine implements ZlibEngine {
  deflate(piece: Bytes, level: ZlibLevel, into: Bytes): number {
    const stream = deflateSync(piece, { level });
    into.set(stream);
    return stream.length;
  }

  inflate(stream: Bytes, into: Bytes): number | undefined {
    return unlessDamaged(() => {
      const bytes = inflateSync(stream, { maxOutputLength: into.length - 1 });
      into.set(bytes);
      return bytes.length;
    });
  }
}

/**
 * With what lies below the streams of node:zlib: a zlib that is emptied and used again.
 * That is felt where it has little to do: storing takes a quarter of the time.
 */
export class KeepingEngine implements ZlibEngine {
  readonly #deflaters = new Map<ZlibLevel, KeptStream>();
  readonly #inflater = new KeptStream(createInflate());

  /** Is everything where it is looked for? */
  static isPossible(): boolean {
    return hasParts(createInflate());
  }

  deflate(piece: Bytes, level: ZlibLevel, into: Bytes): number {
    let deflater = this.#deflaters.get(level);
    if (deflater === undefined) {
      deflater = new KeptStream(createDeflate({ level }));
      this.#deflaters.set(level, deflater);
    }
    const length = deflater.run(piece, into);
    if (length === into.length) throw new RangeError(`no room for ${piece.length} bytes`);
    return length;
  }

  inflate(stream: Bytes, into: Bytes): number | undefined {
    const length = unlessDamaged(() => this.#inflater.run(stream, into));
    return length === into.length ? undefined : length;
  }
}

/** The parts of a stream of node:zlib. Not documented, but relied on by packages for years. */
interface StreamParts {
  readonly _handle: {
    onerror: (message: string, errno: number) => void;
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
    stream._handle.onerror = (message, errno) => {
      this.#error = Object.assign(new Error(message), { errno });
    };
  }

  /** Answers how many bytes of `into` were written; all of them where it is too short. */
  run(input: Bytes, into: Bytes): number {
    const { _handle: handle, _writeState: state } = this.#parts;
    this.#error = undefined;
    handle.reset();
    handle.writeSync(constants.Z_FINISH, input, 0, input.length, into, 0, into.length);
    if (this.#error !== undefined) throw this.#error;
    return into.length - (state[0] ?? 0);
  }
}

/** What zlib says of a stream that is damaged, is cut, or needs what nobody has. */
const DAMAGE: readonly unknown[] = [
  constants.Z_DATA_ERROR,
  constants.Z_BUF_ERROR,
  constants.Z_NEED_DICT,
];

function unlessDamaged(inflate: () => number): number | undefined {
  try {
    return inflate();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if ("errno" in error && DAMAGE.includes(error.errno)) return undefined;
    if ("code" in error && error.code === "ERR_BUFFER_TOO_LARGE") return undefined;
    throw error;
  }
}
