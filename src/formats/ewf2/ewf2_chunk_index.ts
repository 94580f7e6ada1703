/**
 * EWF version 2, sections "Sector table" and "Chunk data flags",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%202%20(EWF2).asciidoc
 */
import type { Bytes } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";
import { type Finding, FormatError } from "../../core/errors.ts";
import { formatCount } from "../../core/units.ts";
import type { ChunkDamage, ChunkPlace } from "../ewf/ewf_chunk_index.ts";
import type { ChunkFill, ChunkLocator } from "../ewf/ewf_chunk_reader.ts";
import type { SegmentFiles } from "../ewf/ewf_segments.ts";
import { readSection } from "./ewf2_contents.ts";
import { FILE_HEADER_BYTES } from "./ewf2_file_header.ts";
import type { Section } from "./ewf2_scan.ts";
import { SECTION } from "./ewf2_sections.ts";
import {
  CHUNK_CHECKSUMMED,
  CHUNK_FILLED,
  CHUNK_PACKED,
  MAX_TABLE_ENTRIES,
  parseSectorTable,
  SECTOR_ENTRY_BYTES,
  type SectorTable,
  TABLE_HEADER_BYTES,
} from "./ewf2_tables.ts";

/** What a chunk is filled with. */
const PATTERN_BYTES = 8;

/** Bytes of a table section: the footer and its padding, too. */
const MAX_TABLE_BYTES = TABLE_HEADER_BYTES + MAX_TABLE_ENTRIES * SECTOR_ENTRY_BYTES +
  TABLE_HEADER_BYTES;

/** Chunks that follow each other, and the table that leads to them. */
export interface ChunkGroup {
  readonly section: Section;
  readonly first: number;
  readonly count: number;
}

/**
 * Reads and checks all sector tables. Answers them in the order of their chunks; of those
 * that are damaged there is only a finding.
 *
 * @throws {FormatError} when two tables lead to the same chunk.
 */
export async function readGroups(
  files: SegmentFiles,
  sections: readonly Section[],
): Promise<{ readonly groups: readonly ChunkGroup[]; readonly findings: readonly Finding[] }> {
  const groups: ChunkGroup[] = [];
  const findings: Finding[] = [];
  for (const section of sections) {
    if (section.type !== SECTION.table) continue;
    try {
      const { first, count } = await loadTable(files, section);
      if (count > 0) groups.push({ section, first, count });
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      const message = `${files.nameOf(section.segment)}: the sector table at byte ` +
        `${formatCount(section.start)} is damaged: ${error.message}`;
      findings.push({ level: "warning", message });
    }
  }
  groups.sort((a, b) => a.first - b.first);
  for (const [index, group] of groups.entries()) {
    const before = groups[index - 1];
    if (before === undefined || before.first + before.count <= group.first) continue;
    throw new FormatError(
      `two sector tables lead to chunk ${formatCount(group.first)}: which of them is right ` +
        "is not known",
      group.section.start,
      "first chunk number",
      { hint: "bring the true files of the image back, or export it with another program" },
    );
  }
  return { groups, findings };
}

async function loadTable(files: SegmentFiles, section: Section): Promise<SectorTable> {
  const bytes = await readSection(files, section, MAX_TABLE_BYTES);
  return parseSectorTable(bytes, section.start);
}

/** A table that is in memory, or on its way. */
interface KeptTable {
  readonly table: Promise<SectorTable>;
  readonly count: number;
}

/** Knows where each chunk is. Tables are read when they are needed. */
export class Ewf2ChunkIndex implements ChunkLocator {
  readonly #files: SegmentFiles;
  readonly #groups: readonly ChunkGroup[];
  /** The one used least recently comes first. */
  readonly #tables = new Map<ChunkGroup, KeptTable>();

  /** Groups in the order of their chunks. */
  constructor(files: SegmentFiles, groups: readonly ChunkGroup[]) {
    this.#files = files;
    this.#groups = groups;
  }

  /** Where `count` chunks are, from this one; those that no table leads to are damage. */
  async locate(
    first: number,
    count: number,
  ): Promise<(ChunkPlace | ChunkFill | ChunkDamage)[]> {
    const places: (ChunkPlace | ChunkFill | ChunkDamage)[] = [];
    const end = first + count;
    let index = this.#groupIndex(first);
    for (let number = first; number < end;) {
      const group = this.#groups[index];
      const next = group === undefined ? end : Math.min(end, group.first);
      for (; number < next; number++) {
        places.push(lost(number, 1, "no sector table leads to it"));
      }
      if (group === undefined) break;
      const stop = Math.min(end, group.first + group.count);
      const table = number < stop ? await this.#tableOf(group) : "";
      for (; number < stop; number++) {
        places.push(
          typeof table === "string"
            ? { ...lost(group.first, group.count, table), segment: group.section.segment }
            : placeOf(number, group, table, this.#files),
        );
      }
      index++;
    }
    return places;
  }

  /** Index of the first group that ends behind this chunk. */
  #groupIndex(number: number): number {
    let low = 0;
    let high = this.#groups.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { first = 0, count = 0 } = this.#groups[middle] ?? {};
      if (first + count <= number) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The table of a group, or why there is none. */
  async #tableOf(group: ChunkGroup): Promise<SectorTable | string> {
    try {
      return await this.#load(group);
    } catch (error) {
      // It was sound when the image was opened.
      if (error instanceof FormatError) return error.message;
      throw error;
    }
  }

  #load(group: ChunkGroup): Promise<SectorTable> {
    const known = this.#tables.get(group);
    this.#tables.delete(group);
    if (known !== undefined) {
      this.#tables.set(group, known);
      return known.table;
    }
    const table = loadTable(this.#files, group.section);
    this.#tables.set(group, { table, count: group.count });
    // A place that failed may be read better the next time; the caller learns of it.
    table.catch(() => this.#tables.delete(group));
    this.#forgetOldest();
    return table;
  }

  #forgetOldest(): void {
    let entries = 0;
    for (const { count } of this.#tables.values()) entries += count;
    for (const [group, { count }] of this.#tables) {
      if (entries <= MAX_TABLE_ENTRIES || this.#tables.size === 1) return;
      this.#tables.delete(group);
      entries -= count;
    }
  }
}

function lost(first: number, count: number, problem: string): ChunkDamage {
  return { segment: undefined, first, count, problem };
}

/** What the entry of a chunk says; its flags must be such as the specification knows. */
function placeOf(
  number: number,
  { first, count, section: { segment } }: ChunkGroup,
  table: SectorTable,
  files: SegmentFiles,
): ChunkPlace | ChunkFill | ChunkDamage {
  const damage = (problem: string): ChunkDamage => ({
    ...lost(number, 1, `the entry of a chunk ${problem}`),
    segment,
  });
  if (table.first !== first || table.count !== count) return damage("was changed meanwhile");
  const at = (number - first) * SECTOR_ENTRY_BYTES;
  const entry: Bytes = table.entries.subarray(at, at + SECTOR_ENTRY_BYTES);
  const view = viewOf(entry);
  const length = view.getUint32(8, true);
  const flags = view.getUint32(12, true);
  if (flags === (CHUNK_PACKED | CHUNK_FILLED)) {
    // The size should be 0; libewf counts the pattern.
    if (length !== 0 && length !== PATTERN_BYTES) return damage("has a pattern and a size");
    return { number, pattern: entry.slice(0, PATTERN_BYTES) };
  }
  const isPacked = flags === CHUNK_PACKED;
  // A pattern means nothing where the chunk is not packed.
  if (!isPacked && (flags & ~CHUNK_FILLED) !== CHUNK_CHECKSUMMED) {
    return damage(`has flags that mean nothing: 0x${flags.toString(16)}`);
  }
  const offset = view.getBigUint64(0, true);
  const isInside = offset >= BigInt(FILE_HEADER_BYTES) &&
    offset + BigInt(length) <= BigInt(files.sizeOf(segment));
  if (!isInside) return damage("leads to where the file has no chunks");
  return { number, segment, offset: Number(offset), length, isPacked };
}
