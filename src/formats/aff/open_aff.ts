import type { BlockSource } from "../../core/block.ts";
import { readBytes } from "../../core/bytes.ts";
import { type Finding, FormatError, ImagingError } from "../../core/errors.ts";
import { formatCount, plural } from "../../core/units.ts";
import type { OpenedImage, OpenOptions } from "../image_format.ts";
import { AffMedia } from "./aff_media.ts";
import { describeValues, digestsOf, evidenceOf, numberOf, textOf } from "./aff_metadata.ts";
import { PageReader } from "./page_reader.ts";
import { readSegmentIndex, type SegmentIndex } from "./segment_index.ts";
import { AFF_HEADER_BYTES, hasAffHeader, parseQuad, QUAD_BYTES } from "./segments.ts";

/** Three of them are in memory at once. AFFLIB itself unpacks none above 16 MiB. */
const MAX_PAGE_BYTES = 64 * 1024 * 1024;
const MIN_PAGE_BYTES = 512;
const MAX_SECTOR_BYTES = 64 * 1024;

/**
 * Shows the medium inside an AFF file, which it takes over; when it throws, the file is
 * still open.
 *
 * @throws {FormatError} when it is no AFF file, or does not tell the size of its pages.
 * @throws {ImagingError} `environment` when it is an AFF file of a kind that is not read.
 */
export async function openAff(file: BlockSource, options: OpenOptions): Promise<OpenedImage> {
  if (!hasAffHeader(await readBytes(file, 0, AFF_HEADER_BYTES))) {
    throw new FormatError("there is no AFF header", 0, "header");
  }
  const index = await readSegmentIndex(file);
  refuseOtherKinds(file.name, index);
  refusePacking(file.name, index, options);
  const { values } = index;
  const pageBytes = pageBytesOf(index);
  const reader = new PageReader({ file, index, pageBytes, zlib: options.zlib });
  const size = imageSizeOf(index) ?? await sizeByPages(index, reader, pageBytes);
  const { sectorSize, findings } = sectorSizeOf(index);
  const { digests, findings: digestFindings } = digestsOf(values);
  return {
    media: new AffMedia({ file, reader, size, sectorSize, pageBytes }),
    metadata: describeValues(values),
    findings: [
      ...index.findings,
      ...findings,
      ...pageFindings(index, size, pageBytes),
      ...digestFindings,
      ...valueFindings(index),
    ],
    evidence: evidenceOf(values),
    digests,
  };
}

/** @throws {ImagingError} for files that are encrypted, or hold a part of the image only. */
function refuseOtherKinds(name: string, { values, encryptedCount }: SegmentIndex): void {
  if (encryptedCount > 0) {
    throw new ImagingError("environment", `cannot read ${name}: it is encrypted`, {
      hint: "decrypt a copy of it: affcrypto -d -O PASSPHRASE COPY.aff",
    });
  }
  const type = textOf(values.get("aff_file_type"));
  if (type === "AFM" || values.has("raw_image_file_extension")) {
    throw new ImagingError(
      "environment",
      `cannot read ${name}: it is an AFM file, which only describes a raw image beside it`,
      { hint: "read the raw image, which has the same name but for its end (.000 or .001)" },
    );
  }
  if (type === "AFD") {
    throw new ImagingError(
      "environment",
      `cannot read ${name}: it is a part of an AFD folder, and holds a part of the image`,
      { hint: "make one file of the folder with affconvert" },
    );
  }
}

/** @throws {ImagingError} when pages are packed in a way that is not read here. */
function refusePacking(
  name: string,
  { algorithms }: SegmentIndex,
  { zlib }: OpenOptions,
): void {
  const reason = algorithms.has("LZMA")
    ? "its pages are packed with LZMA"
    : algorithms.has("unknown")
    ? "its pages are packed in an unknown way"
    : undefined;
  if (reason !== undefined) {
    throw new ImagingError("environment", `cannot read ${name}: ${reason}`, {
      hint: "pack it in another way: affconvert -o NEW.aff OLD.aff",
    });
  }
  if (algorithms.has("zlib") && zlib === undefined) {
    throw new ImagingError("environment", `cannot read ${name}: there is no zlib to unpack it`);
  }
}

/** @throws {FormatError} when the size of pages is missing or impossible. */
function pageBytesOf({ values }: SegmentIndex): number {
  const value = values.get("pagesize") ?? values.get("segsize");
  if (value === undefined) {
    throw new FormatError("the AFF file does not tell the size of its pages", 0, "pagesize");
  }
  const { flag, offset } = value;
  if (flag < MIN_PAGE_BYTES || flag > MAX_PAGE_BYTES) {
    throw new FormatError(`the size of pages is impossible: ${flag}`, offset, "pagesize");
  }
  return flag;
}

/** @throws {FormatError} when the size of the image is there but cannot be read. */
function imageSizeOf({ values }: SegmentIndex): number | undefined {
  const value = values.get("imagesize");
  if (value === undefined) return undefined;
  if (value.data?.length !== QUAD_BYTES) {
    throw new FormatError("the size of the image is no number", value.offset, "imagesize");
  }
  return parseQuad(value.data, "imagesize", value.offset);
}

/** Where no size is stored, as AFFLIB does it: the image ends where its last page does. */
async function sizeByPages(
  { pages }: SegmentIndex,
  reader: PageReader,
  pageBytes: number,
): Promise<number> {
  let last = -1;
  for (const page of pages.keys()) last = Math.max(last, page);
  if (last < 0) return 0;
  // A page that is damaged counts as a whole one: reading it will say so.
  const { bytes } = await reader.stored(last);
  return last * pageBytes + (bytes?.length ?? pageBytes);
}

function sectorSizeOf(
  { values }: SegmentIndex,
): { readonly sectorSize: number; readonly findings: readonly Finding[] } {
  const flag = values.get("sectorsize")?.flag ?? 512;
  const isUsable = flag >= 512 && flag <= MAX_SECTOR_BYTES && Number.isInteger(Math.log2(flag));
  if (isUsable) return { sectorSize: flag, findings: [] };
  const message = `the sectors have ${formatCount(flag)} bytes, as the AFF file tells: ` +
    "512 is used instead";
  return { sectorSize: 512, findings: [{ level: "warning", message }] };
}

/** Pages that are missing, there more than once, or outside of the image. */
function pageFindings(
  { pages, repeatedPages }: SegmentIndex,
  size: number,
  pageBytes: number,
): Finding[] {
  const wanted = Math.ceil(size / pageBytes);
  let present = 0;
  for (const page of pages.keys()) if (page < wanted) present++;
  const problems: string[] = [];
  if (present < wanted) {
    let first = 0;
    while (pages.has(first)) first++;
    problems.push(
      `${formatCount(wanted - present)} of ${plural(wanted, "page")} of the image are not in ` +
        `the file, the first of them at byte ${first * pageBytes}`,
    );
  }
  const outside = pages.size - present;
  if (outside > 0) {
    problems.push(
      `${plural(outside, "page")} in the file lie behind the end of the image: the size that ` +
        "it tells may be wrong",
    );
  }
  if (repeatedPages.size > 0) {
    const pageText = plural(repeatedPages.size, "page");
    problems.push(`${pageText} of the image are in the file more than once: which is right?`);
  }
  return problems.map((message) => ({ level: "warning", message }));
}

function valueFindings({ values, signatureCount }: SegmentIndex): Finding[] {
  const findings: Finding[] = [];
  if (!values.has("imagesize")) {
    findings.push({
      level: "warning",
      message: "the AFF file does not tell the size of the image: pages that are missing at " +
        "its end would not be noticed",
    });
  }
  const badSectors = numberOf(values.get("badsectors")) ?? 0;
  if (badSectors > 0) {
    findings.push({
      level: "warning",
      // AFFLIB puts the pattern into pages and digests alike: it is a part of the content.
      message: `${plural(badSectors, "sector")} could not be read when the image was made: ` +
        'zeros, or a pattern that begins with "BAD SECTOR", are in their place',
    });
  }
  if (signatureCount > 0) {
    findings.push({
      level: "note",
      message: "the AFF file is signed; signatures are not checked here, affverify does that",
    });
  }
  return findings;
}
