/** ECMA-167, section 2/8.3 (volume recognition sequence), https://ecma-international.org/publications-and-standards/standards/ecma-167/ */
import { asciiText } from "../core/bytes.ts";

// Descriptors of 2048 bytes from 32 KiB on, spaced by a sector where sectors are
// larger. ISO 9660 and UDF share the sequence, so that a disc can be both:
// 0 1 type
// 1 5 identifier: "CD001" ISO 9660; "BEA01", "NSR02" or "NSR03", "TEA01" UDF
const START = 32 * 1024;
const DESCRIPTOR_BYTES = 2048;
const MAX_DESCRIPTORS = 64;
const IDENTIFIERS: ReadonlySet<string> = new Set([
  "CD001",
  "CDW02",
  "BEA01",
  "BOOT2",
  "NSR02",
  "NSR03",
  "TEA01",
]);

/** One descriptor of the sequence. */
export interface RecognitionDescriptor {
  readonly type: number;
  readonly identifier: string;
  /** All 2048 bytes. */
  readonly bytes: Uint8Array;
}

/** The descriptors until one is unknown; none when the volume is no such disc. */
export function recognitionSequence(
  head: Uint8Array,
  sectorSize: number,
): RecognitionDescriptor[] {
  for (const spacing of new Set([DESCRIPTOR_BYTES, Math.max(DESCRIPTOR_BYTES, sectorSize)])) {
    const descriptors: RecognitionDescriptor[] = [];
    for (let index = 0; index < MAX_DESCRIPTORS; index++) {
      const at = START + index * spacing;
      const bytes = head.subarray(at, at + DESCRIPTOR_BYTES);
      const identifier = asciiText(bytes.subarray(1, 6));
      if (bytes.length < DESCRIPTOR_BYTES || !IDENTIFIERS.has(identifier)) break;
      descriptors.push({ type: bytes[0] ?? 0, identifier, bytes });
    }
    if (descriptors.length > 1) return descriptors;
  }
  return [];
}

/** Does the sequence announce UDF? */
export function announcesUdf(sequence: readonly RecognitionDescriptor[]): boolean {
  return sequence.some(({ identifier }) => identifier === "NSR02" || identifier === "NSR03");
}
