/**
 * EWF version 2, section "The sections": they are read from the last one back,
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%202%20(EWF2).asciidoc
 */
import { guidText, toHex } from "../../core/bytes.ts";
import { type Finding, FormatError } from "../../core/errors.ts";
import { formatCount } from "../../core/units.ts";
import type { SegmentScheme } from "../ewf/ewf_open_segments.ts";
import type { SegmentFiles } from "../ewf/ewf_segments.ts";
import { FILE_HEADER_BYTES, FILE_NUMBER_AT, parseFileHeader } from "./ewf2_file_header.ts";
import { firstSegmentName, segmentName } from "./ewf2_names.ts";
import { searchSections } from "./ewf2_search.ts";
import {
  DESCRIPTOR_BYTES,
  FLAG_ENCRYPTED,
  FLAG_HASHED,
  isKnownType,
  isLogicalType,
  isSoundDescriptor,
  parseDescriptor,
  SECTION,
  type SectionDescriptor,
  sectionTitle,
} from "./ewf2_sections.ts";

/** Sections of a whole image: libewf makes two for each 65534 chunks. */
const MAX_SECTIONS = 256 * 1024;

/** A section of a segment file. */
export interface Section {
  readonly type: number;
  /** From 0. */
  readonly segment: number;
  /** Byte of the file where its data begins. */
  readonly start: number;
  /** Byte behind its data, where its descriptor begins. */
  readonly end: number;
  /** MD5 of the data; undefined where it was not set. */
  readonly md5: Uint8Array | undefined;
}

/** The sections of a segment file, in their order. */
export interface SegmentScan {
  readonly sections: readonly Section[];
  /** What the last section says; "broken" where sections are lost, or the end is. */
  readonly ending: "next" | "done" | "broken";
  readonly findings: readonly Finding[];
}

/** Segments of version 2: card.Ex01, card.Ex02 … */
export const EWF2_SEGMENTS: SegmentScheme<SegmentScan> = {
  headerBytes: FILE_HEADER_BYTES,
  numberAt: FILE_NUMBER_AT,
  firstExtension: ".Ex01",
  numberOf: (header) => parseFileHeader(header).number,
  nameOf: segmentName,
  firstNameOf: firstSegmentName,
  scan: scanSegment,
};

/**
 * Walks from the last section of a segment back to its first. Where that ends in damage,
 * those before are searched from the beginning on. `taken` sections were found in the
 * segments before.
 *
 * @throws {FormatError} when the segment is of another image, is encrypted, holds what
 * only logical evidence has, or has too many sections.
 */
export async function scanSegment(
  files: SegmentFiles,
  segment: number,
  taken: number,
): Promise<SegmentScan> {
  await requireSameSet(files, segment);
  const findings: Finding[] = [];
  const warn = (message: string): void =>
    void findings.push({ level: "warning", message: `${files.nameOf(segment)}: ${message}` });
  const limit = MAX_SECTIONS - taken;
  const walk = await walkBack(files, segment, limit);
  const { sections } = walk;
  walk.warnings.forEach(warn);
  if (walk.problem !== undefined) {
    warn(walk.problem);
    const range = { segment, end: walk.brokenAt, limit: limit - sections.length };
    const found = await searchSections(
      files,
      range,
      (place, descriptor) => sectionOf(files, place, descriptor),
    );
    sections.unshift(...found);
  }
  const last = sections.at(-1)?.type;
  const ending = last === SECTION.done ? "done" : last === SECTION.next ? "next" : "broken";
  if (ending === "broken" && walk.problem === undefined) {
    warn("it does not end with a section that says so: it was never finished, or is cut");
  }
  return { sections, ending, findings };
}

/** @throws {FormatError} when the segment does not belong to the first. */
async function requireSameSet(files: SegmentFiles, segment: number): Promise<void> {
  if (segment === 0) return;
  const [first, own] = await Promise.all(
    [0, segment].map(async (each) =>
      parseFileHeader(await files.read(each, 0, FILE_HEADER_BYTES))
    ),
  );
  const name = files.nameOf(segment);
  if (first === undefined || own === undefined) throw new Error(`${name} was not read`);
  if (toHex(own.setIdentifier) !== toHex(first.setIdentifier)) {
    throw new FormatError(
      `${name} belongs to another image than ${files.nameOf(0)} (set ` +
        `${guidText(own.setIdentifier)} instead of ${guidText(first.setIdentifier)})`,
      16,
      "set identifier",
      { hint: `bring the ${name} of this image back` },
    );
  }
  if (own.compression !== first.compression) {
    const message = `${name} is compressed in another way than ${files.nameOf(0)}`;
    throw new FormatError(message, 10, "compression method");
  }
}

/** What a walk from the end found. */
interface Walk {
  readonly sections: Section[];
  readonly warnings: readonly string[];
  /** In words why it ended before the first section; undefined where it did not. */
  readonly problem: string | undefined;
  /** Byte behind the last descriptor that was not found. */
  readonly brokenAt: number;
}

async function walkBack(files: SegmentFiles, segment: number, limit: number): Promise<Walk> {
  const sections: Section[] = [];
  const warnings: string[] = [];
  const size = files.sizeOf(segment);
  const end = (problem: string | undefined, brokenAt: number): Walk => {
    sections.reverse();
    return { sections, warnings, problem, brokenAt };
  };
  for (let at = size - DESCRIPTOR_BYTES;;) {
    const step = await readStep(files, segment, at);
    if (typeof step === "string") return end(step, sections.length === 0 ? size : at);
    const { descriptor, isSound } = step;
    if (!isSound) {
      warnings.push(`the checksum of the section at byte ${formatCount(at)} is wrong`);
    }
    if (sections.length >= limit) {
      throw new FormatError("the image has too many sections", at, "section");
    }
    const place = { segment, start: at - descriptor.dataBytes, end: at };
    sections.push(
      isSound
        ? sectionOf(files, place, descriptor)
        : { ...place, type: descriptor.type, md5: undefined },
    );
    if (descriptor.previous === 0) return end(undefined, at);
    at = descriptor.previous;
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
async function readStep(
  files: SegmentFiles,
  segment: number,
  at: number,
): Promise<Step | string> {
  const searched = "are searched from the beginning on";
  if (at < FILE_HEADER_BYTES) return "the file is cut: there is no section in it";
  const bytes = await files.read(segment, at, DESCRIPTOR_BYTES);
  const place = `at byte ${formatCount(at)}`;
  try {
    const descriptor = parseDescriptor(bytes, at);
    const { previous, dataBytes } = descriptor;
    const behind = previous === 0 ? FILE_HEADER_BYTES : previous + DESCRIPTOR_BYTES;
    const isSound = isSoundDescriptor(bytes);
    if (isSound && behind + dataBytes <= at) return { descriptor, isSound };
    if (isSound) {
      return `the section ${place} reaches into what lies before it: those before ${searched}`;
    }
    if (isKnownType(descriptor.type) && behind + dataBytes === at) {
      const isSure = previous === 0 ||
        isSoundDescriptor(await files.read(segment, previous, DESCRIPTOR_BYTES));
      if (isSure) return { descriptor, isSound };
    }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    if (isSoundDescriptor(bytes)) {
      return `the section ${place} is impossible, those before it ${searched}: ${error.message}`;
    }
  }
  return at === files.sizeOf(segment) - DESCRIPTOR_BYTES
    ? `its end is lost or damaged: its sections ${searched}`
    : `the section ${place} is damaged: those before it ${searched}`;
}

/**
 * The section of a sound descriptor.
 *
 * @throws {FormatError} when it is encrypted, or of logical evidence.
 */
function sectionOf(
  files: SegmentFiles,
  place: Pick<Section, "segment" | "start" | "end">,
  { type, flags, md5 }: SectionDescriptor,
): Section {
  const name = files.nameOf(place.segment);
  const refuse = (what: string, field: string, hint: string): FormatError =>
    new FormatError(`cannot open ${name}: ${what}`, place.end, field, { hint });
  if ((flags & FLAG_ENCRYPTED) !== 0 || type === SECTION.keys) {
    const hint = "decrypt it with EnCase: how it is encrypted is not published";
    throw refuse("it is encrypted", "data flags", hint);
  }
  if (isLogicalType(type)) {
    const hint = "export it with the program that made it";
    throw refuse("it holds single files (logical evidence)", "section type", hint);
  }
  const isUnknown = flags > (FLAG_HASHED | FLAG_ENCRYPTED);
  if (isUnknown && isKnownType(type)) {
    const what = `its ${sectionTitle(type)} has the data flags 0x${flags.toString(16)}, ` +
      "which the specification does not know";
    throw refuse(what, "data flags", "export it with the program that made it");
  }
  return { type, ...place, md5: (flags & FLAG_HASHED) !== 0 ? md5 : undefined };
}
