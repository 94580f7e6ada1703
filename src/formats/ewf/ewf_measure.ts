import { type Finding, FormatError } from "../../core/errors.ts";
import { formatBytes, formatCount, plural } from "../../core/units.ts";
import type { ZlibService } from "../../core/zlib.ts";
import type { ChunkGroup } from "./ewf_chunk_groups.ts";
import { ChunkIndex } from "./ewf_chunk_index.ts";
import { ChunkReader } from "./ewf_chunk_reader.ts";
import type { SegmentFiles } from "./ewf_segments.ts";
import type { EwfGeometry } from "./ewf_volume.ts";

/** What measuring needs. */
export interface MeasureOptions {
  readonly files: SegmentFiles;
  readonly geometry: EwfGeometry;
  /** Do tables end with a checksum? */
  readonly hasFooter: boolean;
  /** The segment that should follow the last one. */
  readonly missing: string | undefined;
  readonly zlib: ZlibService | undefined;
}

/** How large the medium is, and where to read it. */
export interface MeasuredMedium {
  /** Bytes. */
  readonly size: number;
  readonly chunkBytes: number;
  readonly reader: ChunkReader;
  readonly findings: readonly Finding[];
}

type CountedGroup = ChunkGroup & { readonly count: number };

/**
 * Compares what the volume says of the medium with the chunks that there are.
 *
 * @throws {FormatError} when a segment with chunks is missing.
 */
export async function measureMedium(
  groups: readonly ChunkGroup[],
  options: MeasureOptions,
): Promise<MeasuredMedium> {
  const { geometry } = options;
  const chunkBytes = geometry.chunkSectors * geometry.sectorBytes;
  const expected = geometry.chunkCount > 0
    ? geometry.chunkCount
    : Math.ceil(geometry.sectorCount / geometry.chunkSectors);
  const findings = missingFindings(groups, expected, options);
  const counted = countGroups(groups, expected);
  const count = chunksIn(counted);
  const size = await measure(counted, options, findings);
  const missing = Math.ceil(size / chunkBytes) - count;
  if (missing > 0) {
    const segment = undefined;
    const problem = "the image does not hold them";
    counted.push({ segment, count: missing, table: undefined, area: undefined, problem });
  }
  findings.push(...countFindings(groups, counted, size, options));
  return { size, chunkBytes, reader: readerOf(counted, options), findings };
}

function chunksIn(groups: readonly ChunkGroup[]): number {
  return groups.reduce((sum, { count }) => sum + (count ?? 0), 0);
}

function readerOf(groups: readonly CountedGroup[], options: MeasureOptions): ChunkReader {
  const { files, hasFooter, zlib, geometry } = options;
  return new ChunkReader({
    files,
    index: new ChunkIndex(files, groups, hasFooter),
    chunkBytes: geometry.chunkSectors * geometry.sectorBytes,
    zlib,
  });
}

/**
 * Gives each group a count. One that is lost is what all others leave over; behind two of
 * them nobody knows where the next chunk belongs.
 */
function countGroups(groups: readonly ChunkGroup[], expected: number): CountedGroup[] {
  const lost = groups.findIndex(({ count }) => count === undefined);
  const rest = expected - chunksIn(groups);
  const others = groups.slice(lost + 1);
  const isSure = others.length === 0 ||
    (others.every(({ count }) => count !== undefined) && expected > 0 && rest >= 0);
  const used = lost < 0 || isSure ? groups : groups.slice(0, lost + 1);
  const left = Math.max(0, expected - chunksIn(used));
  return used.map((group) => ({ ...group, count: group.count ?? left }))
    .filter(({ count }) => count > 0);
}

/**
 * Bytes of the medium. The last chunk shows where it ends when that is in the middle of
 * a sector: of such media libewf counts the whole sectors only.
 */
async function measure(
  groups: readonly CountedGroup[],
  options: MeasureOptions,
  findings: Finding[],
): Promise<number> {
  const { sectorBytes, sectorCount, chunkSectors } = options.geometry;
  const chunkBytes = chunkSectors * sectorBytes;
  const told = sectorCount * sectorBytes;
  const count = chunksIn(groups);
  if (count === 0) return told;
  const before = (count - 1) * chunkBytes;
  const wanted = told > before ? Math.min(chunkBytes, told - before) : chunkBytes;
  const [last] = await readerOf(groups, options).read(count - 1, 1, wanted);
  const isThere = last !== undefined && !("problem" in last);
  const covered = before + (isThere ? last.length : chunkBytes);
  if (!Number.isSafeInteger(covered)) {
    throw new FormatError(`the number of chunks is impossible: ${count}`, 0, "chunk count");
  }
  if (told === 0 && (!isThere || covered >= sectorBytes)) {
    const message = "the image does not tell how large the medium is: it was never finished, " +
      `or is damaged; it holds ${formatBytes(covered)}`;
    findings.push({ level: "warning", message });
    return covered;
  }
  const extra = covered - told;
  if (!isThere || extra === 0 || Math.abs(extra) >= sectorBytes) return told;
  const message = `the medium ends in the middle of a sector: it has ${formatCount(covered)} ` +
    `bytes, the image counts ${plural(sectorCount, "sector")}`;
  findings.push({ level: "note", message });
  return covered;
}

/**
 * What a segment that is not there means.
 *
 * @throws {FormatError} when chunks are missing.
 */
function missingFindings(
  groups: readonly ChunkGroup[],
  expected: number,
  { files, missing, geometry }: MeasureOptions,
): Finding[] {
  if (missing === undefined) return [];
  const known = chunksIn(groups);
  if (known < expected) {
    const bytes = (expected - known) * geometry.chunkSectors * geometry.sectorBytes;
    throw new FormatError(
      `the image ${files.nameOf(0)} is not whole: ${missing} is missing, and with it ` +
        `${formatBytes(bytes)} of the medium`,
      0,
      "segment",
      { hint: `put ${missing} and all that follow it beside ${files.nameOf(0)}` },
    );
  }
  const message = `${missing} is missing: the image was never finished, or lost its end`;
  return [{ level: "warning", message }];
}

/** Where volume and chunks do not agree. */
function countFindings(
  found: readonly ChunkGroup[],
  used: readonly CountedGroup[],
  size: number,
  { files, geometry }: MeasureOptions,
): Finding[] {
  const findings: Finding[] = [];
  const warn = (message: string): void =>
    void findings.push({ level: "warning", message: `${files.nameOf(0)}: ${message}` });
  const chunkBytes = geometry.chunkSectors * geometry.sectorBytes;
  const readable = chunksIn(used.filter(({ table }) => table !== undefined));
  const needed = Math.ceil(size / chunkBytes);
  if (readable < needed) {
    const bytes = Math.min(size, (needed - readable) * chunkBytes);
    warn(`${formatBytes(bytes)} of ${formatBytes(size)} cannot be read from the image`);
  }
  const count = chunksIn(found);
  const { chunkCount } = geometry;
  if (count > needed || (chunkCount > 0 && chunkCount !== Math.max(count, needed))) {
    warn(
      `the image tells of ${plural(chunkCount, "chunk")}, its tables of ` +
        `${formatCount(count)}, and the medium has ${formatCount(needed)}`,
    );
  }
  return findings;
}
