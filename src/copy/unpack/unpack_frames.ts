/**
 * Frames that hold nothing of the content: the same in zstd (RFC 8878, 3.1.2,
 * https://www.rfc-editor.org/rfc/rfc8878) and in the lz4 frame format.
 */
import { viewOf } from "../../core/bytes.ts";
import type { Decoding, PackedInput } from "./unpack_flow.ts";

/** Does such a frame begin with this number? */
export function isSkippable(magic: number): boolean {
  return magic >= 0x184d2a50 && magic <= 0x184d2a5f;
}

/** Passes over a frame, whose magic number was read. */
export function* skipFrame(input: PackedInput): Decoding {
  const field = "skippable frame";
  yield* input.skip(viewOf(yield* input.bytes(4, field)).getUint32(0, true), field);
}
