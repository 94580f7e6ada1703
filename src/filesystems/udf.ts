/** ECMA-167, sections 3/7.2, 3/10.2 and 3/10.6, https://ecma-international.org/publications-and-standards/standards/ecma-167/ */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { readBytes, utf16Text, viewOf } from "../core/bytes.ts";
import {
  type FileSystem,
  type FileSystemIdentity,
  nonEmpty,
  notRecognised,
} from "./file_system.ts";
import { announcesUdf, recognitionSequence } from "./volume_recognition.ts";

// Every descriptor begins with a tag, little endian:
//   0   2 TagIdentifier
//   4   1 TagChecksum, the sum of the other fifteen bytes of the tag
//  12   4 TagLocation, the sector of the descriptor
// Anchor volume descriptor pointer (identifier 2) in sector 256:
//  16   4 length in bytes of the main volume descriptor sequence
//  20   4 first sector of it
// Logical volume descriptor (identifier 6) in that sequence:
//  84 128 LogicalVolumeIdentifier, a dstring: 8 or 16 bits a character, the
//         characters, and in the last byte how many bytes were used
const TAG_BYTES = 16;
const ANCHOR_SECTOR = 256;
const ANCHOR = 2;
const LOGICAL_VOLUME = 6;
const TERMINATING = 8;
const SECTOR_SIZES = [2048, 512, 4096, 1024];
const MAX_DESCRIPTORS = 64;

/** The file system of DVDs, Blu-ray discs and some cameras. */
export const udf: FileSystem = { id: "udf", title: "UDF", probe, identify, readLabel };

function probe(input: ProbeInput): ProbeScore {
  return announcesUdf(recognitionSequence(input.head, input.sectorSize)) ? "exact" : "no";
}

function identify(input: ProbeInput): FileSystemIdentity {
  if (probe(input) === "no") throw notRecognised(udf.title);
  return { id: udf.id, family: udf.id, title: udf.title, label: undefined, uuid: undefined };
}

async function readLabel(source: BlockSource): Promise<string | undefined> {
  for (const sectorSize of SECTOR_SIZES) {
    const anchor = await readDescriptor(source, ANCHOR_SECTOR, sectorSize);
    if (anchor === undefined || tagIdentifier(anchor) !== ANCHOR) continue;
    const view = viewOf(anchor);
    const first = view.getUint32(20, true);
    const count = Math.min(Math.floor(view.getUint32(16, true) / sectorSize), MAX_DESCRIPTORS);
    for (let index = 0; index < count; index++) {
      const descriptor = await readDescriptor(source, first + index, sectorSize);
      if (descriptor === undefined || tagIdentifier(descriptor) === TERMINATING) break;
      if (tagIdentifier(descriptor) !== LOGICAL_VOLUME) continue;
      return dstringText(descriptor.subarray(84, 212));
    }
    return undefined;
  }
  return undefined;
}

/** The descriptor in this sector; undefined when its tag does not belong there. */
async function readDescriptor(
  source: BlockSource,
  sector: number,
  sectorSize: number,
): Promise<Uint8Array | undefined> {
  const bytes = await readBytes(source, sector * sectorSize, sectorSize);
  if (bytes.length < sectorSize) return undefined;
  let sum = 0;
  for (let at = 0; at < TAG_BYTES; at++) sum += at === 4 ? 0 : bytes[at] ?? 0;
  const isRight = (sum & 0xff) === bytes[4] && viewOf(bytes).getUint32(12, true) === sector;
  return isRight ? bytes : undefined;
}

function tagIdentifier(descriptor: Uint8Array): number {
  return viewOf(descriptor).getUint16(0, true);
}

function dstringText(field: Uint8Array): string | undefined {
  const used = field.at(-1) ?? 0;
  const text = field.subarray(1, Math.max(1, Math.min(used, field.length - 1)));
  if (field[0] === 16) return nonEmpty(utf16Text(text, false));
  return field[0] === 8 ? nonEmpty(String.fromCharCode(...text)) : undefined;
}
