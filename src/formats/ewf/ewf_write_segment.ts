/**
 * One file of an EWF image as it is written: sections one behind the other,
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import type { Bytes } from "../../core/block.ts";
import type { ImageOutput } from "../image_format.ts";
import { DESCRIPTOR_BYTES, formatDescriptor } from "./ewf_sections.ts";
import { formatTable, PACKED, TABLE_ENTRY_BYTES, tableBytes } from "./ewf_table.ts";
import { joined, type PackedChunk } from "./ewf_write_chunks.ts";
import type { EwfSettings, WriteLayout } from "./ewf_write_plan.ts";

/** Largest offset in a table: the top bit says that a chunk is packed. */
const MAX_TABLE_OFFSET = 0x7fffffff;

/** A section that has nothing to do with chunks. */
export interface EwfSection {
  readonly type: string;
  /** What stands behind the descriptor. */
  readonly data: Bytes;
}

/** Bytes of a section in the file. */
export function sectionBytes(dataBytes: number): number {
  return DESCRIPTOR_BYTES + dataBytes;
}

/** What is to come behind a chunk. */
export interface Outlook {
  /** Bytes to keep free for the sections that may stand at the end of this file. */
  readonly tailBytes: number;
  /** This chunk and those behind it, also in other files; Infinity where it is not known. */
  readonly chunksLeft: number;
}

/**
 * Chunks and their table. EnCase has them in a section "sectors", with "table" and
 * "table2" behind it; SMART has them in the section "table", behind the entries.
 */
interface OpenTable {
  /** Byte of the file where the section with the chunks begins. */
  readonly start: number;
  /** Byte that the entries count from. */
  readonly base: number;
  readonly maxEntries: number;
  readonly entries: number[];
}

/** See the head of this file. Calls of `write` and `end` must not overlap. */
export class SegmentWriter {
  readonly output: ImageOutput;
  readonly #settings: EwfSettings;
  readonly #layout: WriteLayout;
  /** Where the next byte will stand. */
  #position = 0;
  /** What is not yet written, up to `#position`. */
  #pending: Bytes[] = [];
  /** Beginnings of sections whose size was not known when they were written. */
  #patches: { readonly offset: number; readonly bytes: Bytes }[] = [];
  #table: OpenTable | undefined;
  #chunkCount = 0;
  #isEnded = false;
  /** What is written in one go is put together here: new memory each time costs more. */
  #kept: Bytes = new Uint8Array();

  constructor(output: ImageOutput, settings: EwfSettings) {
    this.output = output;
    this.#settings = settings;
    this.#layout = settings.layout;
  }

  /** Bytes so far, pending ones among them. */
  get position(): number {
    return this.#position;
  }

  /** Is all of it written? */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Puts bytes behind what is there. */
  append(bytes: Bytes): void {
    this.#pending.push(bytes);
    this.#position += bytes.length;
  }

  /** Puts a section behind what is there; no chunks may come before it is complete. */
  appendSection({ type, data }: EwfSection): void {
    const size = sectionBytes(data.length);
    this.append(formatDescriptor({ type, next: this.#position + size, size }));
    this.append(data);
  }

  /**
   * Puts a chunk behind the others; false when it does not fit into this file any more.
   * A file without any takes one of whatever size. Its bytes are used until `write` is done.
   */
  add(chunk: PackedChunk, outlook: Outlook): boolean {
    if (this.#table !== undefined && !this.#hasRoom(this.#table, chunk, outlook)) {
      this.#endTable(this.#table);
    }
    this.#table ??= this.#beginTable(chunk, outlook);
    const table = this.#table;
    if (table === undefined) return false;
    table.entries.push(this.#position - table.base + (chunk.isPacked ? PACKED : 0));
    for (const part of chunk.parts) this.append(part);
    this.#chunkCount++;
    return true;
  }

  /** Writes what is pending. */
  async write(): Promise<void> {
    const bytes = this.#joined();
    const patches = this.#patches;
    this.#pending = [];
    this.#patches = [];
    if (bytes.length > 0) await this.output.writeAt(this.#position - bytes.length, bytes);
    for (const patch of patches) await this.output.writeAt(patch.offset, patch.bytes);
  }

  /** What is pending, in memory that is used again for what comes next. */
  #joined(): Bytes {
    const length = this.#pending.reduce((sum, part) => sum + part.length, 0);
    if (this.#kept.length < length) this.#kept = new Uint8Array(Math.ceil(length * 1.125));
    return joined(this.#pending, this.#kept);
  }

  /** Puts these sections and the last one at the end, and writes all of it. */
  async end(sections: readonly EwfSection[], type: "next" | "done"): Promise<void> {
    if (this.#table !== undefined) this.#endTable(this.#table);
    for (const section of sections) this.appendSection(section);
    // It points to itself; EnCase leaves its size out.
    const size = this.#layout.isSmart ? DESCRIPTOR_BYTES : 0;
    this.append(formatDescriptor({ type, next: this.#position, size }));
    await this.write();
    await this.output.setSize(this.#position);
    this.#isEnded = true;
    this.#kept = new Uint8Array();
  }

  #hasRoom(table: OpenTable, chunk: PackedChunk, { tailBytes }: Outlook): boolean {
    const count = table.entries.length + 1;
    const end = this.#position + chunk.length;
    return count <= table.maxEntries && end - table.base <= MAX_TABLE_OFFSET &&
      end + this.#tablesBytes(count) + tailBytes <= this.#settings.segmentBytes;
  }

  /** Bytes of the sections that follow the chunks with so many entries. */
  #tablesBytes(count: number): number {
    return this.#layout.isSmart ? 0 : 2 * sectionBytes(tableBytes(count, true));
  }

  /** Begins a section for a chunk; undefined when there is no room for that. */
  #beginTable(chunk: PackedChunk, outlook: Outlook): OpenTable | undefined {
    const start = this.#position;
    const maxEntries = this.#layout.isSmart
      ? this.#smartEntries(outlook)
      : this.#layout.maxTableEntries;
    const headBytes = this.#layout.isSmart
      ? sectionBytes(tableBytes(maxEntries, false))
      : sectionBytes(0);
    const end = start + headBytes + chunk.length;
    const base = this.#layout.hasTableBase ? start : 0;
    const isRoom = maxEntries > 0 && end - base <= MAX_TABLE_OFFSET &&
      end + this.#tablesBytes(1) + outlook.tailBytes <= this.#settings.segmentBytes;
    if (!isRoom && this.#chunkCount > 0) return undefined;
    // Its place; it is written when it is known what there is in it.
    this.append(new Uint8Array(headBytes));
    return { start, base, maxEntries, entries: [] };
  }

  /**
   * SMART has the entries in front of the chunks: how many there will be has to be known.
   * As many as fit here for sure, so that none is left over but at the end of a stream.
   */
  #smartEntries({ tailBytes, chunksLeft }: Outlook): number {
    const { chunkBytes, segmentBytes } = this.#settings;
    const largest = largestStream(chunkBytes) + TABLE_ENTRY_BYTES;
    const room = segmentBytes - this.#position - sectionBytes(tableBytes(0, false)) -
      tailBytes;
    const count = Math.min(
      this.#layout.maxTableEntries,
      chunksLeft,
      Math.floor(room / largest),
    );
    return Math.max(count, this.#chunkCount === 0 ? 1 : 0);
  }

  #endTable({ start, base, entries }: OpenTable): void {
    const next = this.#position;
    const size = next - start;
    this.#table = undefined;
    if (this.#layout.isSmart) {
      const descriptor = formatDescriptor({ type: "table", next, size });
      const bytes = joined([descriptor, formatTable(base, entries, false)]);
      this.#patches.push({ offset: start, bytes });
      return;
    }
    const bytes = formatDescriptor({ type: "sectors", next, size });
    this.#patches.push({ offset: start, bytes });
    const data = formatTable(base, entries);
    this.appendSection({ type: "table", data });
    this.appendSection({ type: "table2", data });
  }
}

/** Bytes of the largest stream that zlib makes of so many bytes: stored blocks, and more. */
function largestStream(bytes: number): number {
  return bytes + Math.ceil(bytes / 1024) + 64;
}
