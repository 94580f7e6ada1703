/** Deflate streams (RFC 1951) by the runtime's zlib. */
import { constants, createInflateRaw } from "node:zlib";
import type { Bytes } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import type { Decoding, PackedInput, UnpackedOutput } from "./unpack_flow.ts";
import { ZlibHandle } from "./unpack_zlib_handle.ts";

/** What stands in for a byte behind the end of a file. */
const ONE_BYTE: Bytes = new Uint8Array(1);

/** A zlib that unpacks one stream after the other. */
export class Inflater {
  readonly #handle = new ZlibHandle(createInflateRaw(), constants.Z_NO_FLUSH);

  /**
   * Unpacks a stream; `input` then stands at the byte behind it. `seen` is given what came
   * out, in order.
   *
   * @throws {FormatError} when the stream is damaged or cut.
   */
  *inflate(
    input: PackedInput,
    output: UnpackedOutput,
    what: string,
    seen: (bytes: Bytes) => void = () => {},
  ): Decoding {
    this.#handle.reset();
    for (;;) {
      yield* output.some();
      const isThere = yield* input.more();
      const packed = isThere ? input.rest : ONE_BYTE;
      const { room } = output;
      const { used, made, error } = this.#handle.step(packed, room);
      if (!isThere && (used > 0 || error !== undefined)) throw input.truncated(what);
      if (error !== undefined) throw damaged(what, input.offset + used, error);
      if (isThere) input.use(used);
      seen(room.subarray(0, made));
      output.made(made);
      // zlib takes nothing more only where the stream ended or the room did.
      if (used < packed.length && made < room.length) return;
    }
  }
}

function damaged(what: string, offset: number, cause: Error): FormatError {
  const message = `the ${what} is damaged at byte ${offset}: ${cause.message}`;
  return new FormatError(message, offset, what, { cause });
}
