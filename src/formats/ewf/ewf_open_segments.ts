/**
 * EWF, sections "Segment file" and "Segment file extensions",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import { FormatError, ImagingError } from "../../core/errors.ts";
import { firstSegmentName, segmentName } from "./ewf_names.ts";
import { scanSegment, type SegmentScan } from "./ewf_scan.ts";
import { FILE_HEADER_BYTES, parseFileHeader } from "./ewf_sections.ts";
import type { SegmentFiles } from "./ewf_segments.ts";

/** So many numbers behind a missing segment are looked at: is it the end, or a gap? */
const GAP_SEGMENTS = 100;

/** All segments of an image, in their order. */
export interface OpenedSegments {
  readonly scans: readonly SegmentScan[];
  /**
   * The segment that should follow the last one, and why it does not; undefined where
   * the last one is the end, or breaks off.
   */
  readonly missing: string | undefined;
}

/**
 * Finds the segments of an image behind the first, which `files` holds already.
 *
 * @throws {ImagingError} when the first is none.
 * @throws {FormatError} when one is missing between others, or has another number.
 */
export async function openSegments(files: SegmentFiles): Promise<OpenedSegments> {
  await checkFirst(files);
  const scans: SegmentScan[] = [];
  let taken = 0;
  for (;;) {
    const scan = await scanSegment(files, scans.length, taken);
    scans.push(scan);
    taken += scan.sections.length;
    if (scan.ending === "done") return { scans, missing: undefined };
    const name = segmentName(files.nameOf(0), scans.length + 1);
    if (name === undefined || !await files.add(name)) {
      await checkGap(files, scans.length + 1);
      const missing = name ?? "its next segment";
      return { scans, missing: scan.ending === "next" ? missing : undefined };
    }
    await checkNumber(files, scans.length);
  }
}

/** Is it the beginning of the image? */
async function checkFirst(files: SegmentFiles): Promise<void> {
  const number = parseFileHeader(await files.read(0, 0, FILE_HEADER_BYTES));
  if (number === 1) return;
  const name = files.nameOf(0);
  const first = firstSegmentName(name, number);
  if (first !== undefined && first !== name) {
    throw new ImagingError(
      "usage",
      `cannot open ${name}: it is segment ${number} of ${first}`,
      {
        hint: `name ${first}: the segments behind it are found`,
      },
    );
  }
  throw new FormatError(
    `${name} is segment ${number} of an image, not its beginning`,
    9,
    "segment number",
    { hint: "it may have been renamed: name segment 1, which mostly ends in .E01" },
  );
}

/** Is this file the segment that its name says? */
async function checkNumber(files: SegmentFiles, segment: number): Promise<void> {
  const name = files.nameOf(segment);
  let number;
  try {
    number = parseFileHeader(await files.read(segment, 0, FILE_HEADER_BYTES));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new FormatError(
      `${name} should be segment ${segment + 1} of ${files.nameOf(0)}: ${error.message}`,
      error.offset,
      error.field,
      { hint: `bring the true ${name} back` },
    );
  }
  if (number === segment + 1) return;
  throw new FormatError(
    `${name} should be segment ${segment + 1} of ${files.nameOf(0)}, but is segment ${number}`,
    9,
    "segment number",
    { hint: "files may have been renamed: each one must have the name it was made with" },
  );
}

/** Is the missing segment really behind the last one? */
async function checkGap(files: SegmentFiles, number: number): Promise<void> {
  const missing = segmentName(files.nameOf(0), number);
  for (let later = number + 1; later <= number + GAP_SEGMENTS; later++) {
    const other = segmentName(files.nameOf(0), later);
    if (other === undefined) return;
    if (!await files.has(other)) continue;
    throw new FormatError(
      `the image ${files.nameOf(0)} is not whole: ${missing} is missing, ${other} is there`,
      0,
      "segment",
      { hint: `bring ${missing} back` },
    );
  }
}
