/**
 * EWF version 2, section "Section descriptor": finding sections of a segment whose end, by
 * which they are found, is lost,
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%202%20(EWF2).asciidoc
 */
import { viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import type { SegmentFiles } from "../ewf/ewf_segments.ts";
import { FILE_HEADER_BYTES } from "./ewf2_file_header.ts";
import type { Section } from "./ewf2_scan.ts";
import {
  DESCRIPTOR_BYTES,
  isSoundDescriptor,
  parseDescriptor,
  SECTION,
  type SectionDescriptor,
} from "./ewf2_sections.ts";

/** Descriptors should lie at multiples of 16; those of libewf lie at multiples of 8, too. */
const STEP_BYTES = 4;

/** So much is read in one go: little at first, since many sections are short. */
const FIRST_WINDOW_BYTES = 4096;
const WINDOW_BYTES = 1024 * 1024;

/** A section that is longer is not found: 65534 chunks of 128 KiB, twice. */
const MAX_SECTION_BYTES = 16 * 1024 ** 3;

/** The part of a segment that is searched. */
export interface SearchRange {
  readonly segment: number;
  /** Byte behind the last descriptor that there can be. */
  readonly end: number;
  /** Sections to find at most. */
  readonly limit: number;
}

/** Makes a section of what was found. */
type SectionMaker = (
  place: Pick<Section, "segment" | "start" | "end">,
  descriptor: SectionDescriptor,
) => Section;

/**
 * Finds sections from the first one on. Each must be sound, name the one before as its
 * previous one, and hold all bytes in between: a descriptor of another image within a chunk
 * does not.
 */
export async function searchSections(
  files: SegmentFiles,
  { segment, end, limit }: SearchRange,
  make: SectionMaker,
): Promise<Section[]> {
  const sections: Section[] = [];
  let previous = 0;
  let start = FILE_HEADER_BYTES;
  for (;;) {
    const found = await nextDescriptor(files, segment, { previous, start, end });
    if (found === undefined) return sections;
    const { at, descriptor } = found;
    if (sections.length >= limit) {
      throw new FormatError("the image has too many sections", at, "section");
    }
    sections.push(make({ segment, start, end: at }, descriptor));
    if (descriptor.type === SECTION.next || descriptor.type === SECTION.done) return sections;
    previous = at;
    start = at + DESCRIPTOR_BYTES;
  }
}

/** Where to look, and what the descriptor must say. */
interface Expected {
  readonly previous: number;
  /** Byte where its data begins. */
  readonly start: number;
  readonly end: number;
}

async function nextDescriptor(
  files: SegmentFiles,
  segment: number,
  expected: Expected,
): Promise<{ readonly at: number; readonly descriptor: SectionDescriptor } | undefined> {
  const { start, end } = expected;
  const last = Math.min(end, start + MAX_SECTION_BYTES) - DESCRIPTOR_BYTES;
  let window = FIRST_WINDOW_BYTES;
  for (let at = start; at <= last; at += window, window = Math.min(window * 2, WINDOW_BYTES)) {
    const bytes = await files.read(segment, at, window + DESCRIPTOR_BYTES - STEP_BYTES);
    const view = viewOf(bytes);
    const stop = Math.min(window - STEP_BYTES, bytes.length - DESCRIPTOR_BYTES, last - at);
    for (let i = 0; i <= stop; i += STEP_BYTES) {
      if (view.getUint32(i + 24, true) !== DESCRIPTOR_BYTES) continue;
      const descriptor = fitting(bytes.subarray(i, i + DESCRIPTOR_BYTES), at + i, expected);
      if (descriptor !== undefined) return { at: at + i, descriptor };
    }
  }
  return undefined;
}

/** The descriptor in these bytes, if it is sound and fits what lies before. */
function fitting(
  bytes: Uint8Array,
  at: number,
  { previous, start }: Expected,
): SectionDescriptor | undefined {
  if (!isSoundDescriptor(bytes)) return undefined;
  try {
    const descriptor = parseDescriptor(bytes, at);
    const fits = descriptor.previous === previous && descriptor.dataBytes === at - start;
    return fits ? descriptor : undefined;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return undefined;
  }
}
