/**
 * Frames of Zstandard, as far as images in frames need them: RFC 8878, section 3.1,
 * https://www.rfc-editor.org/rfc/rfc8878#section-3.1
 *
 * ```
 * frame       0  28 b5 2f fd
 *             4  u8  frame header descriptor: bits 7-6 size of the content size, 5 single
 *                    segment, 3 reserved, 2 content checksum, 1-0 size of the dictionary id
 *             5  u8  window descriptor, absent where bit 5 is set
 *             …  dictionary id, 0 1 2 4 bytes
 *             …  content size: 0 bytes (1 where bit 5 is set), 2 (minus 256), 4 or 8 bytes
 *             …  blocks: u24 bit 0 last one, bits 2-1 type (0 plain, 1 one byte repeated, 2
 *                    packed), the rest bytes; then as many bytes, or just one of type 1
 *             …  u32 low bits of XXH64 of the content, where bit 2 is set
 *
 * skippable   0  5? 2a 4d 18
 *             4  u32 bytes that follow
 * ```
 */
import type { Bytes } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";

export const FRAME_MAGIC = 0xfd2fb528;

/** The lowest of 16 magic numbers. */
const SKIPPABLE_MAGIC = 0x184d2a50;
export const SKIPPABLE_HEAD_BYTES = 8;

/** Head and checksum. */
export const MAX_FRAME_HEAD_BYTES = 18;
const CHECKSUM_BYTES = 4;

const DESCRIPTOR_SINGLE_SEGMENT = 0x20;
const DESCRIPTOR_RESERVED = 0x08;
const DESCRIPTOR_CHECKSUM = 0x04;

const BLOCK_HEAD_BYTES = 3;
const BLOCK_REPEATED = 1;

/** What the head of a frame says. */
export interface FrameHead {
  /** Undefined where it is not told. */
  readonly contentBytes: number | undefined;
  readonly hasChecksum: boolean;
  readonly hasDictionary: boolean;
  /** Where the first block begins. */
  readonly headBytes: number;
}

/** Bytes of a frame that is skipped; undefined when none begins here. */
export function skippableBytes(head: Uint8Array): number | undefined {
  if (head.length < SKIPPABLE_HEAD_BYTES) return undefined;
  const view = viewOf(head);
  const isSkippable = (view.getUint32(0, true) & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC;
  return isSkippable ? SKIPPABLE_HEAD_BYTES + view.getUint32(4, true) : undefined;
}

/** Undefined when it is no frame with content, or not all of its head is there. */
export function parseFrameHead(bytes: Uint8Array): FrameHead | undefined {
  if (bytes.length < 6 || viewOf(bytes).getUint32(0, true) !== FRAME_MAGIC) return undefined;
  const descriptor = bytes[4] ?? 0;
  if ((descriptor & DESCRIPTOR_RESERVED) !== 0) return undefined;
  const isSingle = (descriptor & DESCRIPTOR_SINGLE_SEGMENT) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const at = (isSingle ? 5 : 6) + dictionaryBytes;
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >>> 6] ?? 0;
  if (bytes.length < at + sizeBytes) return undefined;
  return {
    contentBytes: contentSize(bytes.subarray(at, at + sizeBytes)),
    hasChecksum: (descriptor & DESCRIPTOR_CHECKSUM) !== 0,
    hasDictionary: dictionaryBytes > 0,
    headBytes: at + sizeBytes,
  };
}

/**
 * Byte behind the frame at the beginning of `bytes`; undefined when that is not among them.
 * Only the heads of its blocks are looked at: Zstandard itself does not say when the end of
 * a frame is missing.
 */
export function frameEnd(bytes: Uint8Array, head: FrameHead): number | undefined {
  for (let at = head.headBytes; at + BLOCK_HEAD_BYTES <= bytes.length;) {
    const block = (bytes[at] ?? 0) | (bytes[at + 1] ?? 0) << 8 | (bytes[at + 2] ?? 0) << 16;
    const isRepeated = (block >>> 1 & 3) === BLOCK_REPEATED;
    at += BLOCK_HEAD_BYTES + (isRepeated ? 1 : block >>> 3);
    if ((block & 1) === 0) continue;
    const end = at + (head.hasChecksum ? CHECKSUM_BYTES : 0);
    return end <= bytes.length ? end : undefined;
  }
  return undefined;
}

function contentSize(field: Uint8Array): number | undefined {
  const view = viewOf(field);
  switch (field.length) {
    case 1:
      return view.getUint8(0);
    case 2:
      return view.getUint16(0, true) + 256;
    case 4:
      return view.getUint32(0, true);
    case 8:
      return Number(view.getBigUint64(0, true));
    default:
      return undefined;
  }
}

/** What a frame ends with; only of frames that have a checksum. */
export function checksumOf(frame: Uint8Array): number {
  return viewOf(frame).getUint32(frame.length - CHECKSUM_BYTES, true);
}

/** A frame that unpackers skip; `kind` is 0 to 15. */
export function formatSkippable(kind: number, value: Uint8Array): Bytes {
  const frame = new Uint8Array(SKIPPABLE_HEAD_BYTES + value.length);
  const view = viewOf(frame);
  view.setUint32(0, SKIPPABLE_MAGIC + kind, true);
  view.setUint32(4, value.length, true);
  frame.set(value, SKIPPABLE_HEAD_BYTES);
  return frame;
}

/**
 * What a frame that is skipped holds. Undefined when it is none of this kind, or does not
 * end where the bytes do.
 */
export function skippableValue(frame: Uint8Array, kind: number): Uint8Array | undefined {
  if (frame.length < SKIPPABLE_HEAD_BYTES) return undefined;
  const view = viewOf(frame);
  const isKind = view.getUint32(0, true) === SKIPPABLE_MAGIC + kind;
  const value = frame.subarray(SKIPPABLE_HEAD_BYTES);
  return isKind && view.getUint32(4, true) === value.length ? value : undefined;
}
