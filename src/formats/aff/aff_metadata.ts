/**
 * Segments that are no pages: AFFLIBv3,
 * https://github.com/sshock/AFFLIBv3/blob/master/include/afflib/afflib.h ("segment names"),
 * those of AFF 1.0,
 * https://github.com/sshock/AFFLIBv3/blob/master/doc/announce_1.0.txt, and those of Guymager
 * (its own words for case and examiner), https://guymager.sourceforge.io
 */
import { toHex, viewOf } from "../../core/bytes.ts";
import type { Finding } from "../../core/errors.ts";
import { formatCount, formatDuration, plural } from "../../core/units.ts";
import type { HashAlgorithm } from "../../hashes/hash_algorithm.ts";
import { md5, sha1, sha256 } from "../../hashes/md5_and_sha.ts";
import type { Evidence, StoredDigest } from "../image_format.ts";
import type { SegmentValue } from "./segment_index.ts";
import { parseQuad, QUAD_BYTES } from "./segments.ts";

/** The segments of an image by their names. */
export type SegmentValues = ReadonlyMap<string, SegmentValue>;

/**
 * What a value is: text; a number (8 bytes, 4 bytes, or the flag where there are no data);
 * the flag alone; bytes for hexadecimal; text that is too much to show.
 */
type ValueKind = "text" | "number" | "bytes" | "seconds" | "hex" | "long";

interface KnownSegment {
  readonly title: string;
  readonly kind: ValueKind;
}

const KNOWN: Readonly<Record<string, KnownSegment>> = {
  case_num: { title: "case number", kind: "text" },
  CaseNumber: { title: "case number", kind: "text" },
  EvidenceNumber: { title: "evidence number", kind: "text" },
  Description: { title: "description", kind: "text" },
  acquisition_technician: { title: "examiner", kind: "text" },
  // So it is spelt in afflib.h.
  acquisition_tecnician: { title: "examiner", kind: "text" },
  Examiner: { title: "examiner", kind: "text" },
  acquisition_notes: { title: "notes", kind: "text" },
  Notes: { title: "notes", kind: "text" },
  acquisition_date: { title: "acquired", kind: "text" },
  acquisition_seconds: { title: "duration", kind: "seconds" },
  acquisition_device: { title: "acquired with", kind: "text" },
  acquisition_system: { title: "system", kind: "text" },
  acquisition_commandline: { title: "command line", kind: "text" },
  acquisition_iso_country: { title: "country", kind: "text" },
  acquisition_macaddr: { title: "MAC addresses", kind: "text" },
  acquisition_dmesg: { title: "system messages", kind: "long" },
  creator: { title: "program", kind: "text" },
  afflib_version: { title: "AFFLIB version", kind: "text" },
  image_gid: { title: "image identifier", kind: "hex" },
  batch_name: { title: "batch", kind: "text" },
  batch_item_name: { title: "batch item", kind: "text" },
  device_manufacturer: { title: "manufacturer", kind: "text" },
  device_model: { title: "model", kind: "text" },
  device_sn: { title: "serial", kind: "text" },
  device_firmware: { title: "firmware", kind: "text" },
  device_source: { title: "source of the device", kind: "text" },
  device_capabilities: { title: "capabilities", kind: "text" },
  location_in_computer: { title: "place in the computer", kind: "text" },
  devicesectors: { title: "sectors of the device", kind: "number" },
  cylinders: { title: "cylinders", kind: "number" },
  heads: { title: "heads", kind: "number" },
  sectors_per_track: { title: "sectors a track", kind: "number" },
  lbasize: { title: "LBA size", kind: "number" },
  hpa_present: { title: "host protected area", kind: "number" },
  dco_present: { title: "device configuration overlay", kind: "number" },
  pagesize: { title: "page size", kind: "bytes" },
  segsize: { title: "page size", kind: "bytes" },
  badsectors: { title: "unreadable sectors", kind: "number" },
  blanksectors: { title: "blank sectors", kind: "number" },
};

/** Shown elsewhere, or of no use to a person. */
const HIDDEN = new Set([
  "aff_file_type",
  "badflag",
  "imagesize",
  "md5",
  "sectorsize",
  "sha1",
  "sha256",
]);

/** Space, and in front of it the control characters. */
const SPACE = 0x20;

/** Longer text of segments that nobody knows is not shown. */
const MAX_UNKNOWN_BYTES = 1024;

/** Digests of the whole image. */
const IMAGE_DIGESTS: readonly HashAlgorithm[] = [md5, sha1, sha256];

/** Name and value of all that a person may want to know. */
export function describeValues(values: SegmentValues): (readonly [string, string])[] {
  return [...values].filter(([name]) => !HIDDEN.has(name)).map(([name, value]) => {
    const { title, kind } = KNOWN[name] ?? { title: name, kind: unknownKind(value) };
    return [title, valueText(value, kind)];
  });
}

/** What examiner and program wrote. */
export function evidenceOf(values: SegmentValues): Evidence {
  const text = (...names: string[]): string | undefined =>
    names.map((name) => textOf(values.get(name))).find((each) => each !== "");
  return {
    caseNumber: text("case_num", "CaseNumber"),
    evidenceNumber: text("EvidenceNumber"),
    description: text("Description"),
    examiner: text("acquisition_technician", "acquisition_tecnician", "Examiner"),
    notes: text("acquisition_notes", "Notes"),
    acquired: parseDate(text("acquisition_date") ?? ""),
    system: text("acquisition_system"),
    program: text("creator"),
    model: text("device_model"),
    serial: text("device_sn"),
  };
}

/** Digests of the whole image, and what is called so but is none. */
export function digestsOf(
  values: SegmentValues,
): { readonly digests: readonly StoredDigest[]; readonly findings: readonly Finding[] } {
  const digests: StoredDigest[] = [];
  const findings: Finding[] = [];
  for (const { id, digestBytes } of IMAGE_DIGESTS) {
    const value = values.get(id);
    if (value?.data?.length === digestBytes) {
      digests.push({ algorithm: id, hex: toHex(value.data) });
    } else if (value !== undefined) {
      const message = `the segment ${id} is no digest: it has ${
        plural(value.dataBytes, "byte")
      }`;
      findings.push({ level: "warning", message });
    }
  }
  return { digests, findings };
}

/** A number that a segment holds; undefined where that is none, or larger than 2^53-1. */
export function numberOf(value: SegmentValue | undefined): number | undefined {
  if (value?.data === undefined) return undefined;
  const { data, flag } = value;
  if (data.length === 0) return flag;
  if (data.length === 4) return viewOf(data).getUint32(0);
  if (data.length !== QUAD_BYTES) return undefined;
  try {
    return parseQuad(data, "number");
  } catch {
    return undefined;
  }
}

/** The text that a segment holds, without what surrounds it; empty where there is none. */
export function textOf(value: SegmentValue | undefined): string {
  const data = value?.data ?? new Uint8Array();
  // AFFLIB ends dates with a new line, and puts its version into quotes.
  let end = data.length;
  while (end > 0 && (data[end - 1] ?? 0) <= SPACE) end--;
  const text = new TextDecoder().decode(data.subarray(0, end));
  return text.length > 1 && text.startsWith('"') && text.endsWith('"')
    ? text.slice(1, -1)
    : text;
}

function unknownKind({ data, dataBytes }: SegmentValue): ValueKind {
  if (dataBytes === 0) return "number";
  if (data === undefined || dataBytes > MAX_UNKNOWN_BYTES) return "long";
  // Bytes below 9 are in no text but may be in anything else.
  return data.every((byte) => byte >= 9) ? "text" : "long";
}

function valueText(value: SegmentValue, kind: ValueKind): string {
  const length = plural(value.dataBytes, "byte");
  switch (kind) {
    case "text":
      return value.data === undefined ? length : textOf(value);
    case "number": {
      const number = numberOf(value);
      return number === undefined ? length : formatCount(number);
    }
    case "bytes":
      return plural(value.flag, "byte");
    case "seconds":
      return formatDuration(value.flag);
    case "hex":
      return value.data === undefined ? length : toHex(value.data);
    case "long":
      return length;
  }
}

/** A date that says that it is in UTC; that of others lies some hours beside. */
function parseDate(text: string): Date | undefined {
  const match = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) ?(?:UTC|GMT|Z)$/.exec(text);
  if (match === null) return undefined;
  const date = new Date(`${match[1]}T${match[2]}Z`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** As afflib.h has it: "YYYY-MM-DD HH:MM:SS TZT", in UTC. */
export function formatDate(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
