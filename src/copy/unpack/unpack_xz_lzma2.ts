/**
 * LZMA2 chunks, as the .xz file format 1.2.1, 5.3.1,
 * https://tukaani.org/xz/xz-file-format.txt, and the LZMA SDK describe them.
 *
 * ```
 * 00: the end     01, 02: length - 1 (2), that many bytes as they are
 * 80..ff: 5 bits of this and 16 more: length of the content - 1; length packed - 1 (2),
 *         from c0 on properties (1), LZMA
 * ```
 *
 * Where chunks end, and how much each must hold, is looked at here.
 */
import type { Bytes } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import type { Decoding, PackedInput, UnpackedOutput } from "./unpack_flow.ts";
import type { XzBlockHeader } from "./unpack_xz_block.ts";
import { XzEmbedded } from "./unpack_xz_embedded.ts";

/** The package has no memory for more. */
const MOST_DICTIONARY_BYTES = 64 * 1024 * 1024;

const FIELD = "LZMA2 chunk";

/** Unpacks the chunks of one block after the other. */
export class Lzma2 {
  readonly #engine: XzEmbedded;

  private constructor(engine: XzEmbedded) {
    this.#engine = engine;
  }

  static async create(): Promise<Lzma2> {
    return new Lzma2(await XzEmbedded.take());
  }

  /** It will not be used any more. */
  end(): void {
    this.#engine.giveBack();
  }

  /**
   * Unpacks chunks up to the one that says that it is the last. `seen` is given what came
   * out, in order. Answers how many bytes that were.
   *
   * @throws {FormatError} when a chunk is damaged, or the block needs too much memory.
   */
  *unpack(
    input: PackedInput,
    output: UnpackedOutput,
    { dictionaryBytes, dictionaryCode }: XzBlockHeader,
    seen: (bytes: Bytes) => void,
  ): Decoding<number> {
    if (dictionaryBytes > MOST_DICTIONARY_BYTES) {
      throw new FormatError(
        `the xz stream needs a dictionary of ${dictionaryBytes} bytes; ` +
          `no more than ${MOST_DICTIONARY_BYTES} are possible`,
        input.offset,
        "Dictionary Size",
        { hint: "unpack it with xz" },
      );
    }
    const chunks = new ChunkReader(input, output, this.#engine, seen);
    this.#engine.startBlock(dictionaryCode);
    while (!(yield* chunks.next()));
    this.#engine.endBlock();
    return chunks.contentBytes;
  }
}

/** Unpacks chunk by chunk. */
class ChunkReader {
  readonly #input: PackedInput;
  readonly #output: UnpackedOutput;
  readonly #engine: XzEmbedded;
  readonly #seen: (bytes: Bytes) => void;
  /** Bytes that came out. */
  contentBytes = 0;

  constructor(
    input: PackedInput,
    output: UnpackedOutput,
    engine: XzEmbedded,
    seen: (bytes: Bytes) => void,
  ) {
    this.#input = input;
    this.#output = output;
    this.#engine = engine;
    this.#seen = seen;
  }

  /** Was it the last one? */
  *next(): Decoding<boolean> {
    const input = this.#input;
    const start = input.offset;
    const control = yield* input.byte(FIELD);
    if (control > 2 && control < 0x80) throw damaged(start);
    const isPacked = control >= 0x80;
    const more = control === 0 ? 0 : !isPacked ? 2 : control < 0xc0 ? 4 : 5;
    const header = Uint8Array.of(control, ...(yield* input.bytes(more, FIELD)));
    const low = (header[1] ?? 0) * 256 + (header[2] ?? 0);
    const length = control === 0 ? 0 : isPacked ? (control & 0x1f) * 65536 + low + 1 : low + 1;
    const packed = isPacked ? (header[3] ?? 0) * 256 + (header[4] ?? 0) + 1 : length;
    const end = this.contentBytes + length;
    yield* this.#feed(header, start);
    // The first byte of LZMA is 0: the package does not look at it.
    if (isPacked && (yield* input.more()) && input.rest[0] !== 0) throw damaged(start);
    for (let left = packed; left > 0;) {
      if (!(yield* input.more())) throw input.truncated(FIELD);
      const part = input.rest.subarray(0, left);
      yield* this.#feed(part, start);
      input.use(part.length);
      left -= part.length;
    }
    if (this.contentBytes !== end) throw damaged(start);
    return control === 0;
  }

  /** `start` is where the chunk begins. */
  *#feed(bytes: Bytes, start: number): Decoding {
    for (const content of this.#engine.unpack(bytes)) {
      if (content === undefined) throw damaged(start);
      this.#seen(content);
      this.contentBytes += content.length;
      yield* this.#output.put(content);
    }
  }
}

function damaged(offset: number): FormatError {
  return new FormatError(
    `the xz stream is damaged at byte ${offset}: a chunk makes no sense`,
    offset,
    FIELD,
  );
}
