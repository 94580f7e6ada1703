/**
 * EWF, sections "Segment file" and "Segment file extensions",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import { FormatError, ImagingError } from "../../core/errors.ts";
import type { SegmentFiles } from "./ewf_segments.ts";

/** So many numbers behind a missing segment are looked at: is it the end, or a gap? */
const GAP_SEGMENTS = 100;

/** What was found in a segment. */
export interface ScannedSegment {
  readonly sections: readonly unknown[];
  /** What the last section says; "broken" where the chain of sections does not reach it. */
  readonly ending: "next" | "done" | "broken";
}

/** How the segments of a version of EWF are named, numbered and read. */
export interface SegmentScheme<Scan extends ScannedSegment> {
  readonly headerBytes: number;
  /** Byte of the file header where the number of the segment stands. */
  readonly numberAt: number;
  /** What the first segment is mostly called: ".E01". */
  readonly firstExtension: string;
  /**
   * The number of a segment, from 1, by the header of its file.
   *
   * @throws {FormatError} when it is no such header.
   */
  numberOf(header: Uint8Array): number;
  /** Name of the segment with this number; undefined where the scheme of names has none. */
  nameOf(firstName: string, number: number): string | undefined;
  /** Name of the first segment; undefined where that of the other one does not fit. */
  firstNameOf(name: string, number: number): string | undefined;
  /** Finds the sections of a segment; `taken` were found in those before. */
  scan(files: SegmentFiles, segment: number, taken: number): Promise<Scan>;
}

/** All segments of an image, in their order. */
export interface OpenedSegments<Scan extends ScannedSegment> {
  readonly scans: readonly Scan[];
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
export async function openSegments<Scan extends ScannedSegment>(
  files: SegmentFiles,
  scheme: SegmentScheme<Scan>,
): Promise<OpenedSegments<Scan>> {
  await checkFirst(files, scheme);
  const scans: Scan[] = [];
  let taken = 0;
  for (;;) {
    const scan = await scheme.scan(files, scans.length, taken);
    scans.push(scan);
    taken += scan.sections.length;
    if (scan.ending === "done") return { scans, missing: undefined };
    const name = scheme.nameOf(files.nameOf(0), scans.length + 1);
    if (name === undefined || !await files.add(name)) {
      await checkGap(files, scheme, scans.length + 1);
      const missing = name ?? "its next segment";
      return { scans, missing: scan.ending === "next" ? missing : undefined };
    }
    await checkNumber(files, scheme, scans.length);
  }
}

/** Is it the beginning of the image? */
async function checkFirst(
  files: SegmentFiles,
  scheme: SegmentScheme<ScannedSegment>,
): Promise<void> {
  const { headerBytes, numberAt, firstExtension } = scheme;
  const number = scheme.numberOf(await files.read(0, 0, headerBytes));
  if (number === 1) return;
  const name = files.nameOf(0);
  const first = scheme.firstNameOf(name, number);
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
    numberAt,
    "segment number",
    {
      hint: `it may have been renamed: name segment 1, which mostly ends in ${firstExtension}`,
    },
  );
}

/** Is this file the segment that its name says? */
async function checkNumber(
  files: SegmentFiles,
  scheme: SegmentScheme<ScannedSegment>,
  segment: number,
): Promise<void> {
  const name = files.nameOf(segment);
  let number;
  try {
    number = scheme.numberOf(await files.read(segment, 0, scheme.headerBytes));
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
    scheme.numberAt,
    "segment number",
    { hint: "files may have been renamed: each one must have the name it was made with" },
  );
}

/** Is the missing segment really behind the last one? */
async function checkGap(
  files: SegmentFiles,
  scheme: SegmentScheme<ScannedSegment>,
  number: number,
): Promise<void> {
  const missing = scheme.nameOf(files.nameOf(0), number);
  for (let later = number + 1; later <= number + GAP_SEGMENTS; later++) {
    const other = scheme.nameOf(files.nameOf(0), later);
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
