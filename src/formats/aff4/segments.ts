/**
 * Segments of a container in a ZIP archive: AFF4 Standard v1.0, section 5,
 * https://github.com/aff4/Standard
 */
import { crc32, inflateRawSync } from "node:zlib";
import type { BlockSource, Bytes } from "../../core/block.ts";
import { readBytes } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import type { Range } from "../../core/range.ts";
import { printable } from "../../core/text.ts";
import { inflateOne } from "../pieces/inflate_one.ts";
import { locateEntry, type ZipArchive, type ZipEntry } from "../zip/directory.ts";
import { METHOD_DEFLATE, METHOD_STORED } from "../zip/records.ts";
import { canonicalName } from "./names.ts";

/** What packing makes longer, of what is hardly any. */
const MAX_EXCESS_BYTES = 1024;

/** Where a segment stands as it is. */
export interface StoredSegment extends Range {
  readonly crc32: number;
}

/** The segments of a container by their canonical names. */
export class VolumeSegments {
  readonly #file: BlockSource;
  readonly #entries: ReadonlyMap<string, ZipEntry | undefined>;
  readonly #directoryOffset: number;

  constructor(file: BlockSource, archive: ZipArchive) {
    this.#file = file;
    this.#entries = entriesByName(archive.entries);
    this.#directoryOffset = archive.end.offset;
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /**
   * Where a segment stands that is not packed.
   *
   * @throws {FormatError} when it is missing, packed, or its header is damaged.
   * @throws {ReadError} when the file does not deliver.
   */
  async locate(name: string): Promise<StoredSegment> {
    const entry = this.#entry(name);
    if (entry.method !== METHOD_STORED || entry.packedBytes !== entry.contentBytes) {
      throw this.#error(name, "is packed by the archive, and cannot be read here and there");
    }
    const place = await locateEntry(this.#file, entry, this.#directoryOffset);
    return { ...place, crc32: entry.crc32 };
  }

  /**
   * The content of a segment of at most `maxBytes`, checked against its checksum.
   *
   * @throws {FormatError} when it is missing, damaged or longer.
   * @throws {ReadError} when the file does not deliver.
   */
  async read(name: string, maxBytes: number): Promise<Bytes> {
    const entry = this.#entry(name);
    const { contentBytes, packedBytes, method } = entry;
    if (contentBytes > maxBytes || packedBytes > maxBytes + MAX_EXCESS_BYTES) {
      throw this.#error(name, `is larger than ${maxBytes} bytes`);
    }
    const place = await locateEntry(this.#file, entry, this.#directoryOffset);
    const packed = await readBytes(this.#file, place.offset, place.length);
    const content = method === METHOD_STORED
      ? packed
      : method === METHOD_DEFLATE
      ? inflateOne(inflateRawSync, packed, contentBytes + 1)
      : undefined;
    if (content === undefined) throw this.#error(name, "cannot be unpacked");
    const isWhole = content.length === contentBytes && crc32(content) === entry.crc32;
    if (!isWhole) throw this.#error(name, "does not fit its checksum");
    return content;
  }

  /** The same as text; undefined where there is no such segment. */
  async text(name: string, maxBytes: number): Promise<string | undefined> {
    if (!this.has(name)) return undefined;
    const bytes = await this.read(name, maxBytes);
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      throw this.#error(name, "is no UTF-8 text");
    }
  }

  #entry(name: string): ZipEntry {
    const entry = this.#entries.get(name);
    if (entry !== undefined) return entry;
    throw this.#error(name, this.has(name) ? "is there more than once" : "is missing");
  }

  #error(name: string, what: string): FormatError {
    return volumeError(this.#file, name, `the segment ${printable(name)} ${what}`);
  }
}

/** By canonical name; undefined for names that are there more than once. */
function entriesByName(entries: readonly ZipEntry[]): Map<string, ZipEntry | undefined> {
  const byName = new Map<string, ZipEntry | undefined>();
  for (const entry of entries) {
    const name = canonicalName(entry.name);
    byName.set(name, byName.has(name) ? undefined : entry);
  }
  return byName;
}

/** An error of a container as a whole. */
export function volumeError(file: BlockSource, field: string, what: string): FormatError {
  return new FormatError(`cannot read the AFF4 container ${file.name}: ${what}`, 0, field);
}
