import type { BlockSource, Bytes } from "../../core/block.ts";
import type { Packing, UnpackedStream, UnpackService } from "../../core/unpack.ts";
import { makeDecoder } from "./unpack_decoders.ts";
import { Unpacking } from "./unpack_flow.ts";
import { UnpackThreadStream } from "./unpack_thread.ts";

/** Packed files below this are unpacked where they are asked for: a thread starts slower. */
const SMALL_BYTES = 256 * 1024;

/** Bytes that are read at once of a small file. */
const PIECE_BYTES = 64 * 1024;

/** Settings of {@linkcode makeUnpackService}. */
export interface UnpackServiceOptions {
  /** Packed files below that many bytes are unpacked on the thread that asks. */
  readonly smallBytes?: number | undefined;
}

/** Unpacks each stream on a thread of its own, but for small ones. */
export function makeUnpackService(
  { smallBytes = SMALL_BYTES }: UnpackServiceOptions = {},
): UnpackService {
  return {
    unpack(packing: Packing, packed: BlockSource): UnpackedStream {
      return packed.size < smallBytes
        ? new SpotStream(packing, packed)
        : new UnpackThreadStream(packing, packed);
    },
  };
}

/** Unpacks on the thread that asks, as far as is asked. */
class SpotStream implements UnpackedStream {
  readonly #packing: Packing;
  readonly #packed: BlockSource;
  #unpacking: Unpacking | undefined;
  /** Bytes of the packed file that were read. */
  #readBytes = 0;
  #hasEnded = false;
  #failure: { readonly error: unknown } | undefined;
  #reading: Promise<unknown> = Promise.resolve();

  constructor(packing: Packing, packed: BlockSource) {
    this.#packing = packing;
    this.#packed = packed;
  }

  get packedBytes(): number {
    return this.#unpacking?.input.offset ?? 0;
  }

  async read(into: Bytes): Promise<number> {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#hasEnded) return 0;
    try {
      const reading = this.#unpack(into);
      this.#reading = reading;
      return await reading;
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    }
  }

  async #unpack(into: Bytes): Promise<number> {
    const unpacking = this.#unpacking ??= new Unpacking(await makeDecoder(this.#packing));
    const { input, output } = unpacking;
    output.supply(into);
    for (;;) {
      const need = unpacking.run();
      if (need === "end") this.#hasEnded = true;
      if (need !== "packed") return output.length;
      const piece = new Uint8Array(PIECE_BYTES);
      const length = await this.#packed.readAt(this.#readBytes, piece);
      if (this.#failure !== undefined) throw this.#failure.error;
      this.#readBytes += length;
      if (length === 0) input.end();
      else input.supply(piece.subarray(0, length));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#failure ??= { error: new Error("The packed stream was closed") };
    // The file is in use until then.
    await this.#reading.catch(() => {});
  }
}
