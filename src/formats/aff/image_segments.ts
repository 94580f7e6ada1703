import type { Bytes } from "../../core/block.ts";
import type { Evidence, StoredDigest } from "../image_format.ts";
import { formatDate } from "./aff_metadata.ts";
import {
  AFF_HEADER,
  concatBytes,
  FLAG_QUADWORD,
  formatQuad,
  formatSegment,
  QUAD_BYTES,
} from "./segments.ts";

/** Digests that AFF has a segment for. */
const DIGESTS: readonly string[] = ["md5", "sha1", "sha256"];

const SIZE_NAME = "imagesize";

/** What stands in front of the pages. */
export interface ImageHead {
  /** Bytes of the medium; undefined where it is not known yet. */
  readonly size: number | undefined;
  readonly sectorSize: number;
  readonly pageBytes: number;
  /** The pattern for unreadable sectors, one sector. */
  readonly badFlag: Uint8Array;
  readonly badSectors: number;
  readonly evidence: Evidence;
}

/**
 * The header of the file and the segments in front of the pages. Their length does not
 * depend on `size` and `badSectors`: so they can be written over.
 */
export function formatHead(head: ImageHead): Bytes {
  return concatBytes([
    new TextEncoder().encode(AFF_HEADER),
    formatSegment("badflag", 0, head.badFlag),
    formatSegment("badsectors", FLAG_QUADWORD, formatQuad(head.badSectors)),
    formatSegment("aff_file_type", 0, new TextEncoder().encode("AFF")),
    formatSegment("pagesize", head.pageBytes),
    formatSegment("sectorsize", head.sectorSize),
    // Until the size is known its room is a segment without a name, which is ignored.
    head.size === undefined
      ? formatSegment("", 0, new Uint8Array(SIZE_NAME.length + QUAD_BYTES))
      : formatSegment(SIZE_NAME, FLAG_QUADWORD, formatQuad(head.size)),
    ...evidenceSegments(head.evidence),
  ]);
}

/** The segments behind the pages. */
export function formatTrailer(digests: readonly StoredDigest[]): Bytes {
  const identifier = crypto.getRandomValues(new Uint8Array(16));
  return concatBytes([
    ...digests.filter(({ algorithm }) => DIGESTS.includes(algorithm))
      .map(({ algorithm, hex }) => formatSegment(algorithm, 0, fromHex(hex))),
    formatSegment("image_gid", 0, identifier),
  ]);
}

/**
 * Names of afflib.h, and where that has none those of Guymager. There is none for a system:
 * AFF allows any name.
 */
function evidenceSegments(evidence: Evidence): Bytes[] {
  const { acquired } = evidence;
  const texts: readonly (readonly [string, string | undefined])[] = [
    ["case_num", evidence.caseNumber],
    ["EvidenceNumber", evidence.evidenceNumber],
    ["Description", evidence.description],
    ["acquisition_technician", evidence.examiner],
    ["acquisition_notes", evidence.notes],
    ["acquisition_date", acquired === undefined ? undefined : formatDate(acquired)],
    ["acquisition_system", evidence.system],
    ["creator", evidence.program],
    ["device_model", evidence.model],
    ["device_sn", evidence.serial],
  ];
  return texts.filter(([, text]) => text !== undefined && text !== "")
    .map(([name, text]) => formatSegment(name, 0, new TextEncoder().encode(text)));
}

function fromHex(hex: string): Bytes {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
