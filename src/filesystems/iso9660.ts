/** ECMA-119, sections 8.4 and 8.5, https://ecma-international.org/publications-and-standards/standards/ecma-119/ */
import type { ProbeInput, ProbeScore } from "../core/block.ts";
import { asciiText, utf16Text } from "../core/bytes.ts";
import {
  type FileSystem,
  type FileSystemIdentity,
  nonEmpty,
  notRecognised,
} from "./file_system.ts";
import {
  announcesUdf,
  type RecognitionDescriptor,
  recognitionSequence,
} from "./volume_recognition.ts";

// Primary (type 1) or supplementary (type 2) volume descriptor:
//  40 32 Volume Identifier
//  88 32 Escape Sequences (type 2), "%/@", "%/C" or "%/E": Joliet, text in UCS-2
// 813 17 Volume Creation Date and Time, sixteen digits and a time zone
// 830 17 Volume Modification Date and Time
const PRIMARY = 1;
const SUPPLEMENTARY = 2;
/** A Joliet identifier is cut at this length. */
const JOLIET_CHARACTERS = 16;

/** The file system of CDs, of most DVDs and of bootable images. */
export const iso9660: FileSystem = { id: "iso9660", title: "ISO 9660", probe, identify };

function descriptor(
  sequence: readonly RecognitionDescriptor[],
  wanted: number,
): Uint8Array | undefined {
  return sequence.find(({ type, identifier }) => identifier === "CD001" && type === wanted)
    ?.bytes;
}

function probe(input: ProbeInput): ProbeScore {
  const sequence = recognitionSequence(input.head, input.sectorSize);
  if (descriptor(sequence, PRIMARY) === undefined) return "no";
  // On a disc that is both, UDF is what systems mount.
  return announcesUdf(sequence) ? "maybe" : "exact";
}

function identify(input: ProbeInput): FileSystemIdentity {
  const sequence = recognitionSequence(input.head, input.sectorSize);
  const primary = descriptor(sequence, PRIMARY);
  if (primary === undefined) throw notRecognised(iso9660.title);
  return {
    id: iso9660.id,
    family: iso9660.id,
    title: iso9660.title,
    label: labelOf(primary, descriptor(sequence, SUPPLEMENTARY)),
    uuid: dateText(primary.subarray(830, 846)) ?? dateText(primary.subarray(813, 829)),
  };
}

/** The Joliet name keeps lower case; the primary one can be longer. */
function labelOf(primary: Uint8Array, other: Uint8Array | undefined): string | undefined {
  const name = asciiText(primary.subarray(40, 72)).replace(/[\0 ]+$/, "");
  const escape = other === undefined ? "" : asciiText(other.subarray(88, 91));
  if (other === undefined || !["%/@", "%/C", "%/E"].includes(escape)) return nonEmpty(name);
  const joliet = utf16Text(other.subarray(40, 72), false).trimEnd();
  const isCut = name.length > JOLIET_CHARACTERS &&
    name.toUpperCase().startsWith(joliet.toUpperCase());
  return nonEmpty(isCut || joliet === "" ? name : joliet);
}

/** "2026-01-31-23-59-59-00": what Linux uses as the UUID; undefined when not set. */
function dateText(bytes: Uint8Array): string | undefined {
  const digits = asciiText(bytes);
  if (!/^\d{16}$/.test(digits) || /^0+$/.test(digits)) return undefined;
  return digits.replace(/^(....)(..)(..)(..)(..)(..)(..)$/, "$1-$2-$3-$4-$5-$6-$7");
}
