import type { Finding } from "../../core/errors.ts";
import { formatBytes, formatCount, plural } from "../../core/units.ts";
import type { ZlibService } from "../../core/zlib.ts";
import { ChunkReader } from "../ewf/ewf_chunk_reader.ts";
import {
  type MeasuredMedium,
  mediumSize,
  missingFindings,
  type MissingSegment,
} from "../ewf/ewf_medium_size.ts";
import type { EwfGeometry } from "../ewf/ewf_volume.ts";
import { type ChunkGroup, Ewf2ChunkIndex } from "./ewf2_chunk_index.ts";

/** What measuring needs. */
export interface MeasureOptions extends MissingSegment {
  readonly zlib: ZlibService | undefined;
}

/**
 * Compares what device information and case data say of the medium with the chunks that
 * the tables lead to, which are in the order of these.
 *
 * @throws {FormatError} when a segment with chunks is missing.
 */
export async function measureMedium(
  groups: readonly ChunkGroup[],
  options: MeasureOptions,
): Promise<MeasuredMedium> {
  const { files, geometry, zlib } = options;
  const chunkBytes = geometry.chunkSectors * geometry.sectorBytes;
  const last = groups.at(-1);
  const tableEnd = last === undefined ? 0 : last.first + last.count;
  const index = new Ewf2ChunkIndex(files, groups);
  const reader = new ChunkReader({ files, index, chunkBytes, zlib });
  const expected = expectedChunks(geometry);
  const absent = expected - Math.max(tableEnd, chunksBelow(groups, expected));
  const findings = missingFindings(absent, options);
  const size = await mediumSize(reader, tableEnd, geometry, findings);
  findings.push(...countFindings(groups, size, options));
  return { size, chunkBytes, reader, findings };
}

/** Chunks below this one that a table leads to. */
function chunksBelow(groups: readonly ChunkGroup[], end: number): number {
  return groups.reduce(
    (sum, { first, count }) => sum + Math.max(0, Math.min(first + count, end) - first),
    0,
  );
}

/** Chunks that the image tells of. */
function expectedChunks({ sectorCount, chunkSectors, chunkCount }: EwfGeometry): number {
  return sectorCount > 0 ? Math.ceil(sectorCount / chunkSectors) : chunkCount;
}

/** Where the image and its tables do not agree. */
function countFindings(
  groups: readonly ChunkGroup[],
  size: number,
  { files, geometry }: MeasureOptions,
): Finding[] {
  const findings: Finding[] = [];
  const warn = (message: string): void =>
    void findings.push({ level: "warning", message: `${files.nameOf(0)}: ${message}` });
  const chunkBytes = geometry.chunkSectors * geometry.sectorBytes;
  const needed = Math.ceil(size / chunkBytes);
  const readable = chunksBelow(groups, needed);
  if (readable < needed) {
    const bytes = Math.min(size, (needed - readable) * chunkBytes);
    warn(`${formatBytes(bytes)} of ${formatBytes(size)} cannot be read from the image`);
  }
  const count = chunksBelow(groups, Infinity);
  const { chunkCount } = geometry;
  if (count > needed || (chunkCount > 0 && chunkCount !== needed)) {
    warn(
      `the image tells of ${plural(chunkCount, "chunk")}, its tables of ` +
        `${formatCount(count)}, and the medium has ${formatCount(needed)}`,
    );
  }
  return findings;
}
