import { viewOf } from "../../core/bytes.ts";

/** Where a frame begins, and with which magic number. */
export interface FramePlace {
  readonly offset: number;
  readonly magic: number;
}

/**
 * The first frame that holds something: what zstd and lz4 files begin with, behind frames to
 * be skipped that look the same in both (RFC 8878, 3.1.2). Undefined where it does not begin
 * in the head.
 */
export function firstFrame(head: Uint8Array): FramePlace | undefined {
  const view = viewOf(head);
  for (let offset = 0; offset + 4 <= head.length;) {
    const magic = view.getUint32(offset, true);
    if (magic < 0x184d2a50 || magic > 0x184d2a5f) return { offset, magic };
    if (offset + 8 > head.length) return undefined;
    offset += 8 + view.getUint32(offset + 4, true);
  }
  return undefined;
}

/** The magic number of {@linkcode firstFrame}. */
export function firstFrameMagic(head: Uint8Array): number | undefined {
  return firstFrame(head)?.magic;
}
