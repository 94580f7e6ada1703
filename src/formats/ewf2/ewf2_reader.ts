/**
 * EWF, version 2.1 (.Ex01), as EnCase 7 and later and libewf write it,
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%202%20(EWF2).asciidoc
 */
import type { BlockSource } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import { openSegments } from "../ewf/ewf_open_segments.ts";
import { EwfMedia } from "../ewf/ewf_media.ts";
import { unreadableRanges } from "../ewf/ewf_ranges.ts";
import { SegmentFiles } from "../ewf/ewf_segments.ts";
import type { OpenedImage, OpenOptions, StoredDigest } from "../image_format.ts";
import { readGroups } from "./ewf2_chunk_index.ts";
import { ContentsReader, type Ewf2Contents } from "./ewf2_contents.ts";
import {
  COMPRESSION_BZIP2,
  COMPRESSION_LZ,
  type Ewf2FileHeader,
  FILE_HEADER_BYTES,
  parseFileHeader,
} from "./ewf2_file_header.ts";
import { type Ewf2Case, type Ewf2Device, geometryOf } from "./ewf2_geometry.ts";
import { measureMedium } from "./ewf2_measure.ts";
import { evidenceOf, metadataRows } from "./ewf2_metadata.ts";
import { EWF2_SEGMENTS } from "./ewf2_scan.ts";

/**
 * Opens an .Ex01 by its first segment; the others are looked for in the folder. When it
 * throws, `file` is open.
 *
 * @throws {FormatError} when it contradicts the format, segments are missing, or it is
 * encrypted or packed in a way that nothing sure is known of.
 * @throws {ImagingError} `usage` when it is a later segment.
 */
export async function openEwf2(
  file: BlockSource,
  { folder, zlib }: OpenOptions = {},
): Promise<OpenedImage> {
  const files = new SegmentFiles(file, folder);
  try {
    const { setIdentifier } = await requireKnown(files);
    const { scans, missing } = await openSegments(files, EWF2_SEGMENTS);
    const sections = scans.flatMap((scan) => scan.sections);
    const contents = await new ContentsReader(files, zlib).read(sections);
    const found = requireDescribed(files, contents);
    const geometry = geometryOf(found.device, found.case);
    const tables = await readGroups(files, sections);
    const medium = await measureMedium(tables.groups, { files, geometry, missing, zlib });
    const { sectorBytes } = geometry;
    const unreadable = unreadableRanges(contents.errors, sectorBytes, medium.size);
    const segments = files.names.length;
    return {
      media: new EwfMedia({ ...medium, name: file.name, sectorBytes, files }),
      metadata: metadataRows({ ...found, geometry, contents, setIdentifier, segments }),
      findings: [
        ...scans.flatMap((scan) => scan.findings),
        ...contents.findings,
        ...tables.findings,
        ...medium.findings,
        ...unreadable.findings,
      ],
      evidence: evidenceOf(found.device, found.case),
      digests: storedDigests(contents),
      unreadable: unreadable.ranges,
      ...(segments > 1 ? { files: [...files.names] } : {}),
    };
  } catch (error) {
    await files.release();
    throw error;
  }
}

/** @throws {FormatError} when it is none, or packed as nothing sure is known of. */
async function requireKnown(files: SegmentFiles): Promise<Ewf2FileHeader> {
  const header = parseFileHeader(await files.read(0, 0, FILE_HEADER_BYTES));
  const { compression } = header;
  if (compression === COMPRESSION_LZ) return header;
  const what = compression === COMPRESSION_BZIP2
    ? "bzip2 in Ex01"
    : `the compression method ${compression} in Ex01`;
  throw new FormatError(
    `cannot open ${files.nameOf(0)}: ${what} is not known well enough`,
    10,
    "compression method",
    { hint: "only zlib can be read, as EnCase writes it: export it with another program" },
  );
}

/** @throws {FormatError} when the image does not tell what it holds. */
function requireDescribed(
  files: SegmentFiles,
  { device, case: data, findings }: Ewf2Contents,
): { readonly device: Ewf2Device; readonly case: Ewf2Case } {
  const name = files.nameOf(0);
  if (device === undefined || data === undefined) {
    const what = device === undefined ? "device information" : "case data";
    const [reason] = findings.map(({ message }) => `: ${message}`);
    throw new FormatError(
      `${name} has no sound ${what}: what the image holds is not known${reason ?? ""}`,
      0,
      what,
      { hint: "bring the true file back: this one is damaged or was never finished" },
    );
  }
  const { compression = COMPRESSION_LZ } = data;
  if (compression !== COMPRESSION_LZ && compression !== 0) {
    throw new FormatError(
      `cannot open ${name}: its case data and its file header tell of two compression methods`,
      0,
      "compression method",
      { hint: "bring the true file back, or export it with another program" },
    );
  }
  return { device, case: data };
}

function storedDigests({ digests }: Ewf2Contents): StoredDigest[] {
  return (["md5", "sha1"] as const).flatMap((algorithm) => {
    const hex = digests[algorithm];
    return hex === undefined ? [] : [{ algorithm, hex }];
  });
}
