import type { Bytes } from "../../core/block.ts";

/** A function of node:zlib that unpacks a stream in one go. */
type Inflate = (packed: Bytes, options: { maxOutputLength: number }) => Uint8Array;

/** Unpacks a stream of at most `maxBytes`; undefined where it is damaged, or longer. */
export function inflateOne(
  inflate: Inflate,
  packed: Bytes,
  maxBytes: number,
): Bytes | undefined {
  try {
    return new Uint8Array(inflate(packed, { maxOutputLength: maxBytes }));
  } catch {
    return undefined;
  }
}
