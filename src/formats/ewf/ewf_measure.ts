import type { Finding } from "../../core/errors.ts";
import { formatBytes, formatCount, plural } from "../../core/units.ts";
import type { ZlibService } from "../../core/zlib.ts";
import type { ChunkGroup } from "./ewf_chunk_groups.ts";
import { ChunkIndex } from "./ewf_chunk_index.ts";
import { ChunkReader } from "./ewf_chunk_reader.ts";
import {
  type MeasuredMedium,
  mediumSize,
  missingFindings,
  type MissingSegment,
} from "./ewf_medium_size.ts";

/** What measuring needs. */
export interface MeasureOptions extends MissingSegment {
  /** Do tables end with a checksum? */
  readonly hasFooter: boolean;
  readonly zlib: ZlibService | undefined;
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
  const findings = missingFindings(expected - chunksIn(groups), options);
  const counted = countGroups(groups, expected);
  const count = chunksIn(counted);
  const size = await mediumSize(readerOf(counted, options), count, geometry, findings);
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
