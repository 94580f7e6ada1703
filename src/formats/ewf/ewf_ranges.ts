/**
 * EWF, sections "Error2 section" and "Session section",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import type { Bytes } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";
import { type Finding, FormatError } from "../../core/errors.ts";
import { intersection, mergeRanges, type Range } from "../../core/range.ts";
import { plural } from "../../core/units.ts";
import { putChecksum, requireSound } from "./ewf_sections.ts";

// Error2 section, little endian: sectors that could not be read.
//   0   4  number of entries
//   4 512  not known, 0
// 516   4  Adler-32 of the bytes before
// 520   8  for each entry: first sector (4), number of sectors (4)
//       4  Adler-32 of the entries
export const ERROR2_HEADER_BYTES = 520;
const ERROR2_ENTRY_BYTES = 8;

// Session section, little endian: the tracks of an optical disc.
//   0   4  number of entries
//   4  28  not known, 0
//  32   4  Adler-32 of the bytes before
//  36  32  for each entry: flags (4; 1 is audio), first sector (4), not known (24)
//       4  Adler-32 of the entries
export const SESSION_HEADER_BYTES = 36;
const SESSION_ENTRY_BYTES = 32;
const SESSION_AUDIO = 1;

/** Sectors of the medium that follow each other. */
export interface SectorRun {
  readonly first: number;
  readonly count: number;
}

/** A track of an optical disc. */
export interface EwfSession {
  readonly first: number;
  readonly isAudio: boolean;
}

/**
 * Reads an error2 section behind its descriptor, as many bytes as the section has.
 * `offset` is its place in the file, for the errors.
 *
 * @throws {FormatError} when it is too short, or a checksum is wrong.
 */
export function parseError2(bytes: Uint8Array, offset = 0): SectorRun[] {
  const { count, view } = entriesOf(bytes, ERROR2_HEADER_BYTES, {
    entryBytes: ERROR2_ENTRY_BYTES,
    structure: "error2 section",
    offset,
  });
  return Array.from({ length: count }, (_, index) => ({
    first: view.getUint32(index * ERROR2_ENTRY_BYTES, true),
    count: view.getUint32(index * ERROR2_ENTRY_BYTES + 4, true),
  }));
}

/** The bytes of an error2 section behind its descriptor; sectors below 2^32 only. */
export function formatError2(runs: readonly SectorRun[]): Bytes {
  const end = ERROR2_HEADER_BYTES + runs.length * ERROR2_ENTRY_BYTES;
  const bytes = new Uint8Array(end + 4);
  const view = viewOf(bytes);
  view.setUint32(0, runs.length, true);
  putChecksum(bytes, ERROR2_HEADER_BYTES - 4);
  for (const [index, { first, count }] of runs.entries()) {
    const at = ERROR2_HEADER_BYTES + index * ERROR2_ENTRY_BYTES;
    view.setUint32(at, first, true);
    view.setUint32(at + 4, count, true);
  }
  putChecksum(bytes, end, ERROR2_HEADER_BYTES);
  return bytes;
}

/**
 * Reads a session section behind its descriptor, as many bytes as the section has.
 * `offset` is its place in the file, for the errors.
 *
 * @throws {FormatError} when it is too short, or a checksum is wrong.
 */
export function parseSession(bytes: Uint8Array, offset = 0): EwfSession[] {
  const { count, view } = entriesOf(bytes, SESSION_HEADER_BYTES, {
    entryBytes: SESSION_ENTRY_BYTES,
    structure: "session section",
    offset,
  });
  return Array.from({ length: count }, (_, index) => ({
    isAudio: (view.getUint32(index * SESSION_ENTRY_BYTES, true) & SESSION_AUDIO) !== 0,
    first: view.getUint32(index * SESSION_ENTRY_BYTES + 4, true),
  }));
}

/** The bytes of a session section behind its descriptor. */
export function formatSession(sessions: readonly EwfSession[]): Bytes {
  const end = SESSION_HEADER_BYTES + sessions.length * SESSION_ENTRY_BYTES;
  const bytes = new Uint8Array(end + 4);
  const view = viewOf(bytes);
  view.setUint32(0, sessions.length, true);
  putChecksum(bytes, SESSION_HEADER_BYTES - 4);
  for (const [index, { first, isAudio }] of sessions.entries()) {
    const at = SESSION_HEADER_BYTES + index * SESSION_ENTRY_BYTES;
    view.setUint32(at, isAudio ? SESSION_AUDIO : 0, true);
    view.setUint32(at + 4, first, true);
  }
  putChecksum(bytes, end, SESSION_HEADER_BYTES);
  return bytes;
}

/**
 * Places that could not be read when the image was made, in bytes of a medium of `size` bytes.
 */
export function unreadableRanges(
  errors: readonly SectorRun[],
  sectorBytes: number,
  size: number,
): { readonly ranges: readonly Range[]; readonly findings: readonly Finding[] } {
  const whole = { offset: 0, length: size };
  const ranges: Range[] = [];
  let outside = 0;
  for (const { first, count } of errors) {
    const range = { offset: first * sectorBytes, length: count * sectorBytes };
    const inside = intersection(range, whole);
    if (inside === undefined) outside++;
    else ranges.push(inside);
  }
  const findings: Finding[] = [];
  if (outside > 0) {
    const message = `${plural(outside, "unreadable place")} in the list of the image ` +
      "lie outside of the medium";
    findings.push({ level: "warning", message });
  }
  return { ranges: mergeRanges(ranges), findings };
}

/** The entries behind a header of `headerBytes` that begins with their number. */
function entriesOf(
  bytes: Uint8Array,
  headerBytes: number,
  { entryBytes, structure, offset }: {
    readonly entryBytes: number;
    readonly structure: string;
    readonly offset: number;
  },
): { readonly count: number; readonly view: DataView } {
  requireSound(bytes, headerBytes, structure, offset);
  const count = viewOf(bytes).getUint32(0, true);
  const entries = bytes.subarray(headerBytes);
  // Bounded by the bytes that there are.
  if (count * entryBytes + 4 > entries.length) {
    throw new FormatError(
      `the ${structure} has no room for ${count} entries`,
      offset,
      "number of entries",
    );
  }
  const length = count * entryBytes + 4;
  requireSound(entries, length, `list in the ${structure}`, offset + headerBytes);
  return { count, view: viewOf(entries) };
}
