/**
 * EWF, sections "Table section" and "Table entries offset overflow",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import { FormatError } from "../../core/errors.ts";
import {
  type ChunkGroup,
  type LoadedTable,
  loadTable,
  type Place,
} from "./ewf_chunk_groups.ts";
import type { SegmentFiles } from "./ewf_segments.ts";
import { MAX_TABLE_ENTRIES, PACKED } from "./ewf_table.ts";

/** Where a chunk lies. */
export interface ChunkPlace {
  /** Of the medium, from 0. */
  readonly number: number;
  readonly segment: number;
  readonly offset: number;
  /** Bytes up to the next chunk, or to the end of the area: at least those of the chunk. */
  readonly length: number;
  readonly isPacked: boolean;
}

/** Chunks that cannot be had. */
export interface ChunkDamage {
  /** From 0; undefined where it is not in any. */
  readonly segment: number | undefined;
  readonly first: number;
  readonly count: number;
  /** In words. */
  readonly problem: string;
}

/** A group with its place among all chunks. */
interface NumberedGroup extends ChunkGroup {
  readonly first: number;
  readonly count: number;
}

/** A table whose entries are read as the program meant them. */
interface UsableTable extends LoadedTable {
  /** First entry that is a plain offset of 32 bits. */
  readonly overflow: number;
}

/** A table that is in memory, or on its way. */
interface KeptTable {
  readonly table: Promise<UsableTable>;
  readonly count: number;
}

/** Knows where each chunk is. Tables are read when they are needed. */
export class ChunkIndex {
  readonly chunkCount: number;
  readonly #files: SegmentFiles;
  readonly #hasFooter: boolean;
  readonly #groups: readonly NumberedGroup[];
  /** The one used least recently comes first. */
  readonly #tables = new Map<Place, KeptTable>();

  /** Of each group the count must be known. */
  constructor(
    files: SegmentFiles,
    groups: readonly (ChunkGroup & { readonly count: number })[],
    hasFooter: boolean,
  ) {
    this.#files = files;
    this.#hasFooter = hasFooter;
    let first = 0;
    this.#groups = groups.map((group) => {
      const numbered = { ...group, first };
      first += group.count;
      return numbered;
    });
    this.chunkCount = first;
  }

  /** Where `count` chunks are, from this one; they must exist. */
  async locate(first: number, count: number): Promise<(ChunkPlace | ChunkDamage)[]> {
    const places: (ChunkPlace | ChunkDamage)[] = [];
    let index = this.#groupIndex(first);
    for (let number = first; number < first + count; index++) {
      const group = this.#groups[index];
      if (group === undefined) throw new RangeError(`There is no chunk ${number}`);
      const end = Math.min(first + count, group.first + group.count);
      const table = await this.#tableOf(group);
      for (; number < end; number++) {
        places.push(
          typeof table === "string"
            ? { segment: group.segment, first: group.first, count: group.count, problem: table }
            : placeOf(number, group, table, this.#files),
        );
      }
    }
    return places;
  }

  /** Index of the group that holds this chunk. */
  #groupIndex(number: number): number {
    let low = 0;
    let high = this.#groups.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.#groups[middle]?.first ?? 0) <= number) low = middle;
      else high = middle;
    }
    return low;
  }

  /** The table of a group, or why there is none. */
  async #tableOf(group: NumberedGroup): Promise<UsableTable | string> {
    if (group.table === undefined) return group.problem;
    try {
      return await this.#load(group.table, group.count);
    } catch (error) {
      // It was sound when the image was opened.
      if (error instanceof FormatError) return error.message;
      throw error;
    }
  }

  #load(place: Place, count: number): Promise<UsableTable> {
    const known = this.#tables.get(place);
    this.#tables.delete(place);
    if (known !== undefined) {
      this.#tables.set(place, known);
      return known.table;
    }
    const table = loadTable(this.#files, place, this.#hasFooter).then(usable);
    this.#tables.set(place, { table, count });
    // A place that failed may be read better the next time; the caller learns of it.
    table.catch(() => this.#tables.delete(place));
    this.#forgetOldest();
    return table;
  }

  #forgetOldest(): void {
    let entries = 0;
    for (const { count } of this.#tables.values()) entries += count;
    for (const [place, { count }] of this.#tables) {
      if (entries <= MAX_TABLE_ENTRIES || this.#tables.size === 1) return;
      this.#tables.delete(place);
      entries -= count;
    }
  }
}

/**
 * EnCase 6.7 went on behind 2 GiB without a base: from there on offsets take all 32 bits,
 * and no chunk is packed. This begins where an offset would else lead back.
 */
function usable(table: LoadedTable): UsableTable {
  const { entries } = table;
  for (let i = 1; i < entries.length; i++) {
    const entry = entries[i] ?? 0;
    const before = (entries[i - 1] ?? 0) % PACKED;
    if (entry % PACKED < before && entry >= before) return { ...table, overflow: i };
  }
  return { ...table, overflow: entries.length };
}

function placeOf(
  number: number,
  group: NumberedGroup,
  table: UsableTable,
  files: SegmentFiles,
): ChunkPlace | ChunkDamage {
  const { area } = group;
  const segment = group.table?.segment ?? 0;
  const index = number - group.first;
  const offset = offsetOf(table, index);
  // The area is not bound to hold the chunks, but nearly always does.
  const isInside = area !== undefined && offset >= area.start && offset < area.end;
  const limit = isInside ? area.end : files.sizeOf(segment);
  if (offset >= limit || index >= table.entryCount) {
    const problem = "the table leads behind the end of the file";
    return { segment, first: number, count: 1, problem };
  }
  const next = index + 1 < table.entryCount ? offsetOf(table, index + 1) : limit;
  const end = next > offset && next <= limit ? next : limit;
  const isPacked = index < table.overflow && (table.entries[index] ?? 0) >= PACKED;
  return { number, segment, offset, length: end - offset, isPacked };
}

function offsetOf({ base, entries, overflow }: UsableTable, index: number): number {
  const entry = entries[index] ?? 0;
  return base + (index < overflow ? entry % PACKED : entry);
}
