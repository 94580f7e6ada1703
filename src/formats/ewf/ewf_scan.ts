/**
 * EWF, section "The sections",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import { type Finding, FormatError } from "../../core/errors.ts";
import { formatCount, plural } from "../../core/units.ts";
import { firstSegmentName, segmentName } from "./ewf_names.ts";
import type { SegmentScheme } from "./ewf_open_segments.ts";
import {
  DESCRIPTOR_BYTES,
  FILE_HEADER_BYTES,
  FILE_NUMBER_AT,
  isSoundDescriptor,
  parseDamagedDescriptor,
  parseDescriptor,
  parseFileHeader,
  type SectionDescriptor,
} from "./ewf_sections.ts";
import type { SegmentFiles } from "./ewf_segments.ts";

/** Sections of a whole image: enough for 47 TiB in the smallest tables. */
const MAX_SECTIONS = 256 * 1024;

/** A section of a segment file. */
export interface Section {
  readonly type: string;
  /** From 0. */
  readonly segment: number;
  /** Byte of the file where its content begins, behind the descriptor. */
  readonly start: number;
  /** Byte behind its end. */
  readonly end: number;
  /** Is the checksum of its descriptor right? Else the type may be another one. */
  readonly isSound: boolean;
}

/** The sections of a segment file, in their order. */
export interface SegmentScan {
  readonly sections: readonly Section[];
  /** What the last section says; "broken" where the chain of sections does not reach it. */
  readonly ending: "next" | "done" | "broken";
  readonly findings: readonly Finding[];
}

/** Segments of version 1: card.E01, card.E02 … */
export const EWF_SEGMENTS: SegmentScheme<SegmentScan> = {
  headerBytes: FILE_HEADER_BYTES,
  numberAt: FILE_NUMBER_AT,
  firstExtension: ".E01",
  numberOf: parseFileHeader,
  nameOf: segmentName,
  firstNameOf: firstSegmentName,
  scan: scanSegment,
};

/**
 * Walks from section to section through a segment. `taken` sections were found in those
 * before.
 *
 * @throws {FormatError} when there are too many of them.
 */
export async function scanSegment(
  files: SegmentFiles,
  segment: number,
  taken: number,
): Promise<SegmentScan> {
  const sections: Section[] = [];
  const findings: Finding[] = [];
  const warn = (message: string): void =>
    void findings.push({ level: "warning", message: `${files.nameOf(segment)}: ${message}` });
  const size = files.sizeOf(segment);
  for (let at = FILE_HEADER_BYTES;;) {
    const step = await readSection(files, segment, at);
    if (typeof step === "string") {
      warn(step);
      return { sections, ending: "broken", findings };
    }
    const { descriptor, isSound } = step;
    const { type, next } = descriptor;
    if (!isSound) {
      warn(`the checksum of the section at byte ${formatCount(at)} is wrong`);
    }
    const start = at + DESCRIPTOR_BYTES;
    if (type === "next" || type === "done") return { sections, ending: type, findings };
    if (isSound && descriptor.size !== 0 && at + descriptor.size !== next) {
      warn(`the section at byte ${formatCount(at)} gives two places where it ends`);
    }
    sections.push({ type, segment, start, end: Math.min(next, size), isSound });
    if (next > size) {
      warn(`the file is cut: ${plural(next - size, "byte")} of its last section are missing`);
      return { sections, ending: "broken", findings };
    }
    if (taken + sections.length > MAX_SECTIONS) {
      throw new FormatError("the image has too many sections", at, "section");
    }
    at = next;
  }
}

/** A descriptor, and whether its checksum is right. */
interface Step {
  readonly descriptor: SectionDescriptor;
  readonly isSound: boolean;
}

/**
 * The descriptor at this byte, which may be damaged as long as it leads to a sound one;
 * else in words why the chain of sections ends there.
 */
async function readSection(
  files: SegmentFiles,
  segment: number,
  at: number,
): Promise<Step | string> {
  const bytes = await files.read(segment, at, DESCRIPTOR_BYTES);
  const place = `at byte ${formatCount(at)}`;
  if (bytes.length < DESCRIPTOR_BYTES) return `the file is cut: a section is missing ${place}`;
  if (!isSoundDescriptor(bytes)) {
    const descriptor = await followDamaged(files, segment, at, bytes);
    return descriptor === undefined
      ? `the section ${place} is damaged: what follows it cannot be found`
      : { descriptor, isSound: false };
  }
  try {
    const descriptor = parseDescriptor(bytes, at);
    const isLast = descriptor.type === "next" || descriptor.type === "done";
    if (isLast || descriptor.next >= at + DESCRIPTOR_BYTES) {
      return { descriptor, isSound: true };
    }
    return `the section ${place} leads back to byte ${formatCount(descriptor.next)}`;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return `the section ${place} is impossible: ${error.message}`;
  }
}

/**
 * What a damaged descriptor says, if both of its ends are the same place, or one of them
 * is a sound descriptor.
 */
async function followDamaged(
  files: SegmentFiles,
  segment: number,
  at: number,
  bytes: Uint8Array,
): Promise<SectionDescriptor | undefined> {
  const descriptor = parseDamagedDescriptor(bytes);
  if (descriptor.type === "next" || descriptor.type === "done") return descriptor;
  const last = files.sizeOf(segment) - DESCRIPTOR_BYTES;
  for (const next of [descriptor.next, at + descriptor.size]) {
    if (next < at + DESCRIPTOR_BYTES || next > last) continue;
    const isLikely = descriptor.next === at + descriptor.size;
    if (isLikely || isSoundDescriptor(await files.read(segment, next, DESCRIPTOR_BYTES))) {
      return { ...descriptor, next };
    }
  }
  return undefined;
}
