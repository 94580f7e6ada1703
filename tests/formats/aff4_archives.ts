/** ZIP archives by APPNOTE 6.3.10 and not by the code that is tested: for AFF4 containers. */
import { Buffer } from "node:buffer";
import { crc32, deflateRawSync } from "node:zlib";
import type { Bytes } from "../../src/core/block.ts";

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

/** An archive of these segments, in this order. */
export function archiveOf(segments: readonly Segment[], style: ArchiveStyle = {}): Archive {
  const { isStreamed = false, isZip64 = false, comment = "" } = style;
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  const places = new Map<string, { offset: number; length: number }>();
  let at = 0;
  const add = (part: Uint8Array): void => {
    parts.push(part);
    at += part.length;
  };
  for (const { name, content, isDeflated = false } of segments) {
    const nameBytes = Buffer.from(name);
    const packed = isDeflated ? deflateRawSync(content) : content;
    const [crc, flags, method] = [crc32(content), isStreamed ? 8 : 0, isDeflated ? 8 : 0];
    const offset = at;
    const localExtra = isStreamed
      ? numbers([2, 1], [2, 16], [8, 2n ** 64n - 1n], [8, 2n ** 64n - 1n])
      : Buffer.alloc(0);
    add(numbers(
      ...[[4, 0x04034b50], [2, 45], [2, flags], [2, method], [4, 0]] as const,
      ...(isStreamed
        ? [[4, 0], [4, ONES], [4, ONES]] as const
        : [[4, crc], [4, packed.length], [4, content.length]] as const),
      ...[[2, nameBytes.length], [2, localExtra.length]] as const,
    ));
    add(nameBytes);
    add(localExtra);
    places.set(name, { offset: at, length: packed.length });
    add(packed);
    if (isStreamed) {
      add(numbers([4, 0x08074b50], [4, crc], [8, packed.length], [8, content.length]));
    }
    const extra = isZip64
      ? numbers([2, 1], [2, 24], [8, content.length], [8, packed.length], [8, offset])
      : Buffer.alloc(0);
    const sizes = isZip64 ? [ONES, ONES, ONES] : [packed.length, content.length, offset];
    directory.push(Buffer.concat([
      numbers(
        ...[[4, 0x02014b50], [2, 45], [2, 45], [2, flags], [2, method], [4, 0], [
          4,
          crc,
        ]] as const,
        ...[[4, sizes[0] ?? 0], [4, sizes[1] ?? 0]] as const,
        ...[[2, nameBytes.length], [2, extra.length], [2, 0], [2, 0], [2, 0], [4, 0]] as const,
        [4, sizes[2] ?? 0],
      ),
      nameBytes,
      extra,
    ]));
  }
  const start = at;
  for (const entry of directory) add(entry);
  const [length, count] = [at - start, segments.length];
  if (isZip64) {
    const end = at;
    add(numbers(
      ...[[4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0]] as const,
      ...[[8, count], [8, count], [8, length], [8, start]] as const,
    ));
    add(numbers([4, 0x07064b50], [4, 0], [8, end], [4, 1]));
  }
  add(numbers(
    ...[[4, 0x06054b50], [2, 0], [2, 0]] as const,
    ...(isZip64
      ? [[2, 0xffff], [2, 0xffff], [4, ONES], [4, ONES]] as const
      : [[2, count], [2, count], [4, length], [4, start]] as const),
    [2, comment.length],
  ));
  add(Buffer.from(comment, "latin1"));
  return { file: new Uint8Array(Buffer.concat(parts)), places };
}
