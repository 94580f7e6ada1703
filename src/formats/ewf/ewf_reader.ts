/**
 * EWF, version 1, as EnCase 1 to 7, FTK Imager, SMART, linen and libewf write it,
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import type { BlockSource } from "../../core/block.ts";
import { readBytes } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import type { OpenedImage, OpenOptions, StoredDigest } from "../image_format.ts";
import { readGroups } from "./ewf_chunk_groups.ts";
import { ContentsReader, type EwfContents } from "./ewf_contents.ts";
import { findVolume } from "./ewf_find_volume.ts";
import { EwfMedia } from "./ewf_media.ts";
import { measureMedium } from "./ewf_measure.ts";
import { evidenceOf, mergedHeaders, metadataRows } from "./ewf_metadata.ts";
import { openSegments } from "./ewf_open_segments.ts";
import { relativeOf } from "./ewf_probe.ts";
import { unreadableRanges } from "./ewf_ranges.ts";
import { EWF_SEGMENTS } from "./ewf_scan.ts";
import { SegmentFiles } from "./ewf_segments.ts";

/**
 * Opens an EWF image by its first segment; the others are looked for in the folder. When
 * it throws, `file` is open.
 *
 * @throws {FormatError} when it contradicts the format, or segments are missing.
 * @throws {ImagingError} `usage` when it is a later segment.
 */
export async function openEwf(
  file: BlockSource,
  { folder, zlib }: OpenOptions = {},
): Promise<OpenedImage> {
  const files = new SegmentFiles(file, folder);
  try {
    await requireKnown(file, files.nameOf(0));
    const { scans, missing } = await openSegments(files, EWF_SEGMENTS);
    const sections = scans.flatMap((scan) => scan.sections);
    const volume = await findVolume(files, sections);
    const contents = await new ContentsReader(files, zlib).read(sections);
    const hasFooter = volume.details !== undefined;
    const { geometry } = volume;
    const tables = await readGroups(files, scans, hasFooter);
    const medium = await measureMedium(tables.groups, {
      files,
      geometry,
      hasFooter,
      missing,
      zlib,
    });
    const { sectorBytes } = geometry;
    const unreadable = unreadableRanges(contents.errors, sectorBytes, medium.size);
    const findings = [
      ...scans.flatMap((scan) => scan.findings),
      ...volume.findings,
      ...contents.findings,
      ...tables.findings,
      ...medium.findings,
      ...unreadable.findings,
    ];
    return {
      media: new EwfMedia({ ...medium, name: file.name, sectorBytes, files }),
      metadata: metadataRows(contents, volume, files.names.length),
      findings,
      evidence: evidenceOf(mergedHeaders(contents), volume.details),
      digests: storedDigests(contents),
      unreadable: unreadable.ranges,
      ...(files.names.length > 1 ? { files: [...files.names] } : {}),
    };
  } catch (error) {
    await files.release();
    throw error;
  }
}

/** @throws {FormatError} that names what it is, where it is no EWF of version 1. */
async function requireKnown(file: BlockSource, name: string): Promise<void> {
  const title = relativeOf(await readBytes(file, 0, 16));
  if (title === undefined) return;
  throw new FormatError(`cannot open ${name}: it is ${title}`, 0, "signature", {
    hint: "of EWF only disk images (.E01, .S01, .Ex01) that are not encrypted can be read: " +
      "export it with the program that made it",
  });
}

function storedDigests({ digests }: EwfContents): StoredDigest[] {
  return (["md5", "sha1"] as const).flatMap((algorithm) => {
    const hex = digests[algorithm];
    return hex === undefined ? [] : [{ algorithm, hex }];
  });
}
