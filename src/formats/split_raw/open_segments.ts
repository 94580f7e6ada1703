import { closeAll } from "../../blocks/concat.ts";
import type { BlockSource } from "../../core/block.ts";
import { type Finding, FormatError, ImagingError } from "../../core/errors.ts";
import { formatCount, plural } from "../../core/units.ts";
import type { ImageFolder } from "../image_format.ts";
import { type SegmentName, segmentName } from "./segment_name.ts";

/** So many numbers behind a missing one are looked at: is it the end, or a gap? */
const GAP_SEGMENTS = 100;

/** More segments of an odd size are counted, not named. */
const NAMED_SEGMENTS = 10;

/** A file of the image. */
export interface Segment {
  readonly name: string;
  readonly source: BlockSource;
}

/**
 * The first segment, which is open already, and those behind it in their order. They are
 * the caller's to close.
 *
 * @throws {FormatError} when one is missing or empty; `source` stays open then.
 */
export async function openSegments(
  folder: ImageFolder,
  { stem, number }: SegmentName,
  source: BlockSource,
): Promise<Segment[]> {
  const segments: Segment[] = [{ name: folder.name, source }];
  try {
    for (;;) {
      const name = segmentName(stem, number + segments.length);
      const next = await folder.open(name);
      if (next === undefined) break;
      segments.push({ name, source: next });
    }
    checkEmpty(segments);
    await checkGap(folder, { stem, number: number + segments.length });
  } catch (error) {
    await closeAll(segments.slice(1).map((segment) => segment.source));
    throw error;
  }
  return segments;
}

function checkEmpty(segments: readonly Segment[]): void {
  // A file that stands alone is as long as it is.
  if (segments.length === 1) return;
  let offset = 0;
  for (const { name, source } of segments) {
    if (source.size === 0) {
      throw new FormatError(
        `the split image ${segments[0]?.name} is damaged: ${name} is empty`,
        offset,
        "segment",
        { hint: `bring the true ${name} back: the copy of it may have failed` },
      );
    }
    offset += source.size;
  }
}

/** Is the missing segment really behind the last one? */
async function checkGap(folder: ImageFolder, missing: SegmentName): Promise<void> {
  const { stem, number } = missing;
  for (let later = number + 1; later <= number + GAP_SEGMENTS; later++) {
    if (!await isThere(folder, segmentName(stem, later))) continue;
    const name = segmentName(stem, number);
    const other = segmentName(stem, later);
    throw new FormatError(
      `the split image ${folder.name} is not whole: ${name} is missing, ${other} is there`,
      0,
      "segment",
      { hint: `bring ${name} back, or move ${other} away if it belongs to something else` },
    );
  }
}

/** Is there such a file? */
async function isThere(folder: ImageFolder, name: string): Promise<boolean> {
  const found = await folder.open(name);
  await found?.[Symbol.asyncDispose]();
  return found !== undefined;
}

/**
 * Makes sure that no segment lies before this one. What has the name of a later one, and
 * stands alone, is only odd.
 *
 * @throws {ImagingError} that names the first segment.
 */
export async function checkFirst(
  folder: ImageFolder,
  { stem, number }: SegmentName,
): Promise<readonly Finding[]> {
  for (const first of [0, 1].filter((each) => each < number)) {
    const name = segmentName(stem, first);
    if (!await isThere(folder, name)) continue;
    throw new ImagingError(
      "usage",
      `cannot open ${folder.name}: it is a later part of the split image ${name}`,
      { hint: `name ${name}: the parts behind it are found` },
    );
  }
  // "card.2024" is called so for another reason.
  if (number <= 1 || number > 999) return [];
  return [{
    level: "warning",
    message: `${folder.name} is called like a part of a split image, and ` +
      `${segmentName(stem, 1)} is not there: it is read as if it were all`,
  }];
}

/** Segments that have another size than the first one; the last one may be shorter. */
export function sizeFindings(segments: readonly Segment[]): Finding[] {
  const size = segments[0]?.source.size ?? 0;
  const odd = segments.filter(({ source }, index) =>
    index < segments.length - 1 ? source.size !== size : source.size > size
  );
  const findings = odd.slice(0, NAMED_SEGMENTS).map(({ name, source }): Finding => ({
    level: "warning",
    message: `${name} has ${formatCount(source.size)} bytes, ${segments[0]?.name} has ` +
      `${formatCount(size)}: one of them may have been cut or belong to another image`,
  }));
  const rest = odd.length - findings.length;
  if (rest > 0) {
    const message = `${plural(rest, "further part")} of the split image have another size`;
    findings.push({ level: "warning", message });
  }
  return findings;
}
