/** How large the medium of an image is, of either version of EWF, and what a lost end means. */
import { type Finding, FormatError } from "../../core/errors.ts";
import { formatBytes, formatCount, plural } from "../../core/units.ts";
import type { ChunkReader } from "./ewf_chunk_reader.ts";
import type { SegmentFiles } from "./ewf_segments.ts";
import type { EwfGeometry } from "./ewf_volume.ts";

/** How large the medium is, and where to read it. */
export interface MeasuredMedium {
  /** Bytes. */
  readonly size: number;
  readonly chunkBytes: number;
  readonly reader: ChunkReader;
  readonly findings: readonly Finding[];
}

/**
 * Bytes of a medium whose tables lead to `count` chunks. The last one shows where it ends
 * when that is in the middle of a sector: of such media libewf counts the whole sectors only.
 *
 * @throws {FormatError} when so many chunks are impossible.
 */
export async function mediumSize(
  reader: ChunkReader,
  count: number,
  { sectorBytes, sectorCount, chunkSectors }: EwfGeometry,
  findings: Finding[],
): Promise<number> {
  const chunkBytes = chunkSectors * sectorBytes;
  const told = sectorCount * sectorBytes;
  if (count === 0) return told;
  if (!Number.isSafeInteger(count * chunkBytes)) {
    throw new FormatError(`the number of chunks is impossible: ${count}`, 0, "chunk count");
  }
  const before = (count - 1) * chunkBytes;
  const wanted = told > before ? Math.min(chunkBytes, told - before) : chunkBytes;
  const [last] = await reader.read(count - 1, 1, wanted);
  const isThere = last !== undefined && !("problem" in last);
  const covered = before + (isThere ? last.length : chunkBytes);
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

/** Where the chunks of a segment that is not there would be. */
export interface MissingSegment {
  readonly files: SegmentFiles;
  readonly geometry: EwfGeometry;
  /** The segment that should follow the last one; undefined where none is missing. */
  readonly missing: string | undefined;
}

/**
 * What a segment that is not there means, where `absent` chunks have no table.
 *
 * @throws {FormatError} when there are such chunks.
 */
export function missingFindings(
  absent: number,
  { files, geometry, missing }: MissingSegment,
): Finding[] {
  if (missing === undefined) return [];
  if (absent > 0) {
    const bytes = absent * geometry.chunkSectors * geometry.sectorBytes;
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
