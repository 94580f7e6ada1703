/**
 * XZ Embedded (https://tukaani.org/xz/embedded.html) as WebAssembly, from the package
 * xz-decompress: of the packages that run on every system without native code, with a
 * licence like ours, this one measured fastest.
 *
 * It takes nothing but whole streams, and knows neither SHA-256 nor where it is. So it is
 * shown one endless stream without checks: the blocks of the real ones, with headers of our
 * own (.xz file format 1.2.1, 2.1.1 and 3.1).
 */
import { crc32 } from "node:zlib";
import * as xzDecompress from "xz-decompress";
import type { Bytes } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";

/** What the package's functions answer when all is well: XZ_OK. */
const OK = 0;

/** Where the context has its numbers: sizes and addresses of 32 bits each. */
const BUFFER_BYTES = 0;
const INPUT = 1;
const INPUT_USED = 2;
const INPUT_LENGTH = 3;
const OUTPUT = 4;
const OUTPUT_LENGTH = 5;
const CONTEXT_WORDS = 6;

/** The parts of the package that are used here. They are not documented. */
interface XzExports {
  readonly memory: WebAssembly.Memory;
  create_context(): number;
  destroy_context(context: number): void;
  supply_input(context: number, length: number): void;
  get_next_output(context: number): number;
}

/** A decoder of the blocks of one endless stream. */
export class XzEmbedded {
  /** One that is not in use: making an instance takes a while. */
  static #idle: XzEmbedded | undefined;

  readonly #exports: XzExports;
  #context: number;
  #blockBytes = 0;

  private constructor(exports: XzExports) {
    this.#exports = exports;
    this.#context = exports.create_context();
  }

  /**
   * One for a new stream.
   *
   * @throws {TypeError} when the package is not what it was.
   */
  static async take(): Promise<XzEmbedded> {
    const engine = this.#idle ?? new XzEmbedded(await newInstance());
    if (engine === this.#idle) this.#idle = undefined;
    engine.#startStream();
    return engine;
  }

  /** It is not used any more, and can be taken for another stream. */
  giveBack(): void {
    this.#exports.destroy_context(this.#context);
    this.#context = this.#exports.create_context();
    XzEmbedded.#idle = this;
  }

  #startStream(): void {
    const header = Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0, 0, 0, 0, 0);
    viewOf(header).setUint32(8, crc32(header.subarray(6, 8)), true);
    this.#expectNothing(header);
  }

  /** Begins a block; `dictionaryCode` stands for the size of its dictionary. */
  startBlock(dictionaryCode: number): void {
    // One filter, LZMA2, with one byte of properties.
    const header = Uint8Array.of(2, 0, 0x21, 1, dictionaryCode, 0, 0, 0, 0, 0, 0, 0);
    viewOf(header).setUint32(8, crc32(header.subarray(0, 8)), true);
    this.#expectNothing(header);
    this.#blockBytes = 0;
  }

  /** Ends a block, whose last chunk was unpacked. */
  endBlock(): void {
    this.#expectNothing(new Uint8Array((4 - this.#blockBytes % 4) % 4));
  }

  /**
   * Unpacks these bytes of chunks. Yields what came out, in memory that is used again for
   * the next; undefined when the chunks are damaged.
   */
  *unpack(bytes: Bytes): Generator<Bytes | undefined, void, void> {
    this.#blockBytes += bytes.length;
    const pieceBytes = this.#numbers()[BUFFER_BYTES] ?? 0;
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      this.#supply(bytes.subarray(at, at + pieceBytes));
      for (let isFull = true; isFull;) {
        if (this.#exports.get_next_output(this.#context) !== OK) return yield undefined;
        const content = this.#output();
        isFull = content.length === pieceBytes;
        if (content.length > 0) yield content;
      }
      const numbers = this.#numbers();
      if (numbers[INPUT_USED] !== numbers[INPUT_LENGTH]) return yield undefined;
    }
  }

  /** The memory can grow and is then another buffer. */
  #numbers(): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.#memory(), this.#context, CONTEXT_WORDS);
  }

  #memory(): ArrayBuffer {
    return this.#exports.memory.buffer as ArrayBuffer;
  }

  #supply(bytes: Bytes): void {
    new Uint8Array(this.#memory()).set(bytes, this.#numbers()[INPUT]);
    this.#exports.supply_input(this.#context, bytes.length);
  }

  /** What came out; its buffer counts as empty then. */
  #output(): Bytes {
    const numbers = this.#numbers();
    const content = new Uint8Array(this.#memory(), numbers[OUTPUT], numbers[OUTPUT_LENGTH]);
    numbers[OUTPUT_LENGTH] = 0;
    return content;
  }

  /** Shows bytes that hold no content and are right. */
  #expectNothing(bytes: Bytes): void {
    for (const content of this.unpack(bytes)) {
      throw new Error(`xz-decompress answered ${content?.length ?? "an error"} to a header`);
    }
  }
}

/** A new instance of the package's WebAssembly, with its own memory. */
async function newInstance(): Promise<XzExports> {
  const { XzReadableStream: stream } = "default" in xzDecompress
    ? xzDecompress.default as typeof xzDecompress
    : xzDecompress;
  const parts = stream as unknown as {
    _getModuleInstance?: () => Promise<void>;
    _moduleInstance?: { readonly exports: XzExports };
  };
  await parts._getModuleInstance?.();
  const exports = parts._moduleInstance?.exports;
  if (typeof exports?.create_context !== "function") {
    throw new TypeError("xz-decompress is not what it was");
  }
  return exports;
}
