/**
 * A bare deflate stream, RFC 1951, https://www.rfc-editor.org/rfc/rfc1951, as it lies in zip
 * files. It has no checksum: whoever knows one has to compare it.
 */
import { FormatError } from "../../core/errors.ts";
import type { Decoder, Decoding, PackedInput, UnpackedOutput } from "./unpack_flow.ts";
import { Inflater } from "./unpack_inflate.ts";

/** A decoder of files that are one deflate stream. */
export function deflateDecoder(): Decoder {
  const inflater = new Inflater();
  return function* (input: PackedInput, output: UnpackedOutput): Decoding {
    yield* inflater.inflate(input, output, "deflate stream");
    if (!(yield* input.more())) return;
    const { offset } = input;
    throw new FormatError(
      `something else follows the deflate stream, at byte ${offset}`,
      offset,
      "trailing data",
    );
  };
}
