/** What lies below the streams of node:zlib: one call is one step, on the same thread. */
import type { Bytes } from "../../core/block.ts";

/** The parts of a stream of node:zlib. Not documented, but relied on by packages for years. */
interface StreamParts {
  readonly _handle: {
    onerror: (message: string, errno: number, code: string) => void;
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

/** How far a step came. */
export interface ZlibStep {
  /** Bytes of the packed ones. */
  readonly used: number;
  /** Bytes of the room. */
  readonly made: number;
  /** Set when the stream is damaged. */
  readonly error: Error | undefined;
}

/** A stream that goes on where it was. */
export class ZlibHandle {
  readonly #parts: StreamParts;
  readonly #flush: number;
  #error: Error | undefined;

  /** `flush` is what node:zlib calls it. */
  constructor(stream: object, flush: number) {
    if (!hasParts(stream)) throw new TypeError("node:zlib is not what it was");
    this.#parts = stream;
    this.#flush = flush;
    stream._handle.onerror = (message, errno, code) => {
      this.#error = Object.assign(new Error(message), { errno, code });
    };
  }

  /** Forgets the stream, for a new one. */
  reset(): void {
    this.#parts._handle.reset();
  }

  /** Unpacks as much as there is, and as there is room for. */
  step(packed: Bytes, room: Bytes): ZlibStep {
    const { _handle: handle, _writeState: state } = this.#parts;
    this.#error = undefined;
    try {
      handle.writeSync(this.#flush, packed, 0, packed.length, room, 0, room.length);
    } catch (error) {
      // zlib tells what is damaged by `onerror`, zstd in this way.
      if (!(error instanceof Error) || error instanceof TypeError) throw error;
      return { used: 0, made: 0, error };
    }
    return {
      used: packed.length - (state[1] ?? 0),
      made: room.length - (state[0] ?? 0),
      error: this.#error,
    };
  }
}

function hasParts(stream: object): stream is StreamParts {
  const { _handle: handle, _writeState: state } = stream as Partial<StreamParts>;
  return typeof handle?.writeSync === "function" && typeof handle.reset === "function" &&
    state instanceof Uint32Array;
}
