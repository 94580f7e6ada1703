/**
 * EWF, sections "Sectors section", "Table section" and "Table2 section",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import { type Finding, FormatError } from "../../core/errors.ts";
import { formatCount } from "../../core/units.ts";
import type { SegmentScan } from "./ewf_scan.ts";
import type { SegmentFiles } from "./ewf_segments.ts";
import {
  parseTableEntries,
  parseTableHeader,
  TABLE_HEADER_BYTES,
  tableBytes,
  type TableHeader,
} from "./ewf_table.ts";

/** Bytes of a segment file. */
export interface Place {
  /** From 0. */
  readonly segment: number;
  readonly start: number;
  /** Byte behind the last one. */
  readonly end: number;
}

/** A table in memory. */
export interface LoadedTable extends TableHeader {
  readonly entries: Uint32Array<ArrayBuffer>;
}

/** Chunks of the medium that one table leads to, or that no table leads to any more. */
export interface ChunkGroup {
  /** Segment that it is in, from 0; undefined where it is in none. */
  readonly segment: number | undefined;
  /** Chunks; undefined where that is lost, too. */
  readonly count: number | undefined;
  /** The table, or its copy, that is sound; undefined where none is. */
  readonly table: Place | undefined;
  /** Where its chunks lie. */
  readonly area: Place | undefined;
  /** Why there is no table, in words. */
  readonly problem: string;
}

/** Sections that hold no chunks, and lead to none. */
const OTHER_SECTIONS: ReadonlySet<string> = new Set([
  "header",
  "header2",
  "xheader",
  "volume",
  "disk",
  "data",
  "digest",
  "hash",
  "xhash",
  "error2",
  "session",
]);

/** A group as the sections show it. */
interface GroupSections {
  readonly segment: number;
  /** A table and its copy; none where it is lost. */
  readonly tables: Place[];
  readonly area: Place | undefined;
}

/**
 * Reads a table. Its place may go on behind it.
 *
 * @throws {FormatError} when it is damaged.
 */
export async function loadTable(
  files: SegmentFiles,
  place: Place,
  hasFooter: boolean,
): Promise<LoadedTable> {
  const header = await loadHeader(files, place);
  const start = place.start + TABLE_HEADER_BYTES;
  const length = tableBytes(header.entryCount, hasFooter) - TABLE_HEADER_BYTES;
  const room = Math.max(0, place.end - start);
  const bytes = await files.read(place.segment, start, Math.min(length, room));
  return {
    ...header,
    entries: parseTableEntries(bytes, header.entryCount, hasFooter, start),
  };
}

async function loadHeader(files: SegmentFiles, place: Place): Promise<TableHeader> {
  const length = Math.min(TABLE_HEADER_BYTES, place.end - place.start);
  return parseTableHeader(await files.read(place.segment, place.start, length), place.start);
}

/** All groups of an image in their order, each table checked. */
export async function readGroups(
  files: SegmentFiles,
  scans: readonly SegmentScan[],
  hasFooter: boolean,
): Promise<{ readonly groups: readonly ChunkGroup[]; readonly findings: readonly Finding[] }> {
  const groups: ChunkGroup[] = [];
  const findings: Finding[] = [];
  for (const [segment, scan] of scans.entries()) {
    for (const sections of groupSections(segment, scan)) {
      const { group, warnings } = await checkTables(files, sections, hasFooter);
      groups.push(group);
      for (const warning of warnings) {
        findings.push({ level: "warning", message: `${files.nameOf(segment)}: ${warning}` });
      }
    }
  }
  return { groups, findings };
}

/** The groups of a segment; where a table is lost, one without any. */
function groupSections(segment: number, scan: SegmentScan): GroupSections[] {
  const groups: GroupSections[] = [];
  const lose = (area: Place | undefined): void =>
    void groups.push({ segment, tables: [], area });
  let area: Place | undefined;
  /** The table that a copy can follow. */
  let last: GroupSections | undefined;
  for (const { type, start, end, isSound } of scan.sections) {
    const place = { segment, start, end };
    if (type === "sectors") {
      if (area !== undefined) lose(area);
      area = place;
      last = undefined;
    } else if (type === "table2" && last !== undefined) {
      last.tables.push(place);
      last = undefined;
    } else if (type === "table" || type === "table2") {
      // Without a section for the chunks they lie behind the table, in its own.
      last = { segment, tables: [place], area: area ?? place };
      groups.push(last);
      area = undefined;
    } else if (!isSound && area === undefined && !OTHER_SECTIONS.has(type)) {
      // It may have been a table with its chunks.
      lose(undefined);
    }
  }
  if (area !== undefined || scan.ending === "broken") lose(area);
  return groups;
}

async function checkTables(
  files: SegmentFiles,
  { segment, tables, area }: GroupSections,
  hasFooter: boolean,
): Promise<{ readonly group: ChunkGroup; readonly warnings: readonly string[] }> {
  const [first, copy] = await Promise.all(
    tables.map((place) => checkTable(files, place, hasFooter)),
  );
  if (first === undefined) {
    const problem = "the table that leads to them is lost";
    const group = { segment, count: undefined, table: undefined, area, problem };
    return { group, warnings: [] };
  }
  const used = first.table === undefined && copy?.table !== undefined ? copy : first;
  const warnings = tableWarnings(first, copy);
  const group = {
    segment,
    count: used.table?.entryCount ?? first.header?.entryCount ?? copy?.header?.entryCount,
    table: used.table === undefined ? undefined : used.place,
    area,
    problem: used.problem,
  };
  return { group, warnings };
}

/** A table and what is wrong with it. */
interface CheckedTable {
  readonly place: Place;
  readonly header: TableHeader | undefined;
  readonly table: LoadedTable | undefined;
  /** In words; empty when nothing is. */
  readonly problem: string;
}

async function checkTable(
  files: SegmentFiles,
  place: Place,
  hasFooter: boolean,
): Promise<CheckedTable> {
  let header: TableHeader | undefined;
  try {
    header = await loadHeader(files, place);
    const table = await loadTable(files, place, hasFooter);
    return { place, header, table, problem: "" };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { place, header, table: undefined, problem: error.message };
  }
}

function tableWarnings(first: CheckedTable, copy: CheckedTable | undefined): string[] {
  const at = (table: CheckedTable): string => `at byte ${formatCount(table.place.start)}`;
  if (copy === undefined) {
    if (first.table !== undefined) return [];
    return [`the table ${at(first)} is damaged, and there is no copy of it: ${first.problem}`];
  }
  if (first.table === undefined && copy.table === undefined) {
    return [`the table ${at(first)} and its copy are damaged: ${first.problem}`];
  }
  if (first.table === undefined) {
    return [`the table ${at(first)} is damaged, its copy is used: ${first.problem}`];
  }
  if (copy.table === undefined) {
    return [`the copy of a table ${at(copy)} is damaged: ${copy.problem}`];
  }
  return isSameTable(first.table, copy.table)
    ? []
    : [`the table ${at(first)} and its copy differ; the first is used`];
}

function isSameTable(a: LoadedTable, b: LoadedTable): boolean {
  return a.entryCount === b.entryCount && a.base === b.base &&
    a.entries.every((entry, index) => entry === b.entries[index]);
}
