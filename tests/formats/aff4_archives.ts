/** ZIP archives by APPNOTE 6.3.10 and not by the code that is tested: for AFF4 containers. */
import { Buffer } from "node:buffer";
import { crc32, deflateRawSync } from "node:zlib";
import type { Bytes } from "../../src/core/block.ts";
import { joined } from "./aff_tools.ts";

/** A segment of a container. */
export interface Segment {
  readonly name: string;
  readonly content: Uint8Array;
  /** Packed by the archive? */
  readonly isDeflated?: boolean;
}

/** How an archive is laid out. */
export interface ArchiveStyle {
  /**
   * Sizes behind the content, and Zip64 in each local header, as Evimetry writes it; or else
   * all in front of it.
   */
  readonly isStreamed?: boolean;
  /** Zip64 in the directory and at the end. */
  readonly isZip64?: boolean;
  readonly comment?: string;
}

/** An archive, and where in it the content of each segment is. */
export interface Archive {
  readonly file: Bytes;
  /** By name: the first byte as it lies there, and how many they are. */
  readonly places: ReadonlyMap<string, { readonly offset: number; readonly length: number }>;
}

const ONES = 0xffff_ffff;

/** Little-endian numbers of so many bytes each. */
export function numbers(
  ...fields: readonly (readonly [bytes: number, value: number | bigint])[]
): Uint8Array<ArrayBuffer> {
  return Buffer.concat(fields.map(([bytes, value]) => {
    const field = Buffer.alloc(bytes);
    if (bytes === 8) field.writeBigUInt64LE(BigInt(value));
    else field.writeUIntLE(Number(value), 0, bytes);
    return field;
  }));
}

/** A segment, and what its headers tell. */
interface Entry {
  readonly name: Uint8Array;
  readonly packed: Uint8Array;
  readonly contentBytes: number;
  readonly crc: number;
  readonly method: number;
  /** Where its local header begins. */
  readonly offset: number;
}

/** A local header, the content, and what stands behind it. */
function localParts({ name, packed, contentBytes, crc, method }: Entry, isStreamed: boolean): {
  readonly head: Uint8Array;
  readonly tail: Uint8Array;
} {
  const extra = isStreamed
    ? numbers([2, 1], [2, 16], [8, 2n ** 64n - 1n], [8, 2n ** 64n - 1n])
    : new Uint8Array();
  const head = numbers(
    ...[[4, 0x04034b50], [2, 45], [2, isStreamed ? 8 : 0], [2, method], [4, 0]] as const,
    ...(isStreamed
      ? [[4, 0], [4, ONES], [4, ONES]] as const
      : [[4, crc], [4, packed.length], [4, contentBytes]] as const),
    ...[[2, name.length], [2, extra.length]] as const,
  );
  const tail = numbers([4, 0x08074b50], [4, crc], [8, packed.length], [8, contentBytes]);
  return { head: joined(head, name, extra), tail: isStreamed ? tail : new Uint8Array() };
}

function directoryEntry(
  { name, packed, contentBytes, crc, method, offset }: Entry,
  { isStreamed = false, isZip64 = false }: ArchiveStyle,
): Uint8Array {
  const extra = isZip64
    ? numbers([2, 1], [2, 24], [8, contentBytes], [8, packed.length], [8, offset])
    : new Uint8Array();
  const [first, second, third] = isZip64
    ? [ONES, ONES, ONES] as const
    : [packed.length, contentBytes, offset] as const;
  const head = numbers(
    ...[[4, 0x02014b50], [2, 45], [2, 45], [2, isStreamed ? 8 : 0], [2, method]] as const,
    ...[[4, 0], [4, crc], [4, first], [4, second], [2, name.length]] as const,
    ...[[2, extra.length], [2, 0], [2, 0], [2, 0], [4, 0], [4, third]] as const,
  );
  return joined(head, name, extra);
}

/** The records behind the directory, which has `count` entries from `start` to `end`. */
function endRecords(
  start: number,
  end: number,
  count: number,
  style: ArchiveStyle,
): Uint8Array {
  const { isZip64 = false, comment = "" } = style;
  const length = end - start;
  const zip64 = joined(
    numbers(
      ...[[4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0]] as const,
      ...[[8, count], [8, count], [8, length], [8, start]] as const,
    ),
    numbers([4, 0x07064b50], [4, 0], [8, end], [4, 1]),
  );
  const last = numbers(
    ...[[4, 0x06054b50], [2, 0], [2, 0]] as const,
    ...(isZip64
      ? [[2, 0xffff], [2, 0xffff], [4, ONES], [4, ONES]] as const
      : [[2, count], [2, count], [4, length], [4, start]] as const),
    [2, comment.length],
  );
  return joined(...isZip64 ? [zip64] : [], last, Buffer.from(comment, "latin1"));
}

/** An archive of these segments, in this order. */
export function archiveOf(segments: readonly Segment[], style: ArchiveStyle = {}): Archive {
  const parts: Uint8Array[] = [];
  const places = new Map<string, { offset: number; length: number }>();
  let at = 0;
  const add = (part: Uint8Array): void => {
    parts.push(part);
    at += part.length;
  };
  const entries = segments.map(({ name, content, isDeflated = false }): Entry => {
    const packed = isDeflated ? deflateRawSync(content) : content;
    const entry = {
      ...{ name: Buffer.from(name), packed, contentBytes: content.length },
      ...{ crc: crc32(content), method: isDeflated ? 8 : 0, offset: at },
    };
    const { head, tail } = localParts(entry, style.isStreamed ?? false);
    add(head);
    places.set(name, { offset: at, length: packed.length });
    add(packed);
    add(tail);
    return entry;
  });
  const start = at;
  for (const entry of entries) add(directoryEntry(entry, style));
  add(endRecords(start, at, entries.length, style));
  return { file: joined(...parts), places };
}
