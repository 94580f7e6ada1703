/** NTFS documentation, file $MFT, https://flatcap.github.io/linux-ntfs/ntfs/files/mft.html */
import type { BlockSource } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import { readAll } from "../used_ranges.ts";
import {
  type Attribute,
  ATTRIBUTE_LIST,
  DATA,
  FILE_NAME,
  type NonResidentAttribute,
} from "./attribute.ts";
import { type ListedAttribute, MAX_LIST_BYTES, parseAttributeList } from "./attribute_list.ts";
import { AttributeStream } from "./attribute_stream.ts";
import { type FileRecord, isRecordInUse, namesIn, parseFileRecord } from "./file_record.ts";
import type { NtfsGeometry } from "./ntfs_boot.ts";

const PIECE_BYTES = 1024 * 1024;

/** Number of the record of the root folder. */
export const ROOT_FOLDER = 5;

/** The table of all files, which is a file itself. */
export class MasterFileTable {
  readonly volume: BlockSource;
  readonly geometry: NtfsGeometry;
  #data: AttributeStream | undefined;

  private constructor(volume: BlockSource, geometry: NtfsGeometry) {
    this.volume = volume;
    this.geometry = geometry;
  }

  /**
   * Finds all of the table by its own first record.
   *
   * @throws {FormatError} when that contradicts its format.
   * @throws {ReadError} when the medium does not deliver.
   */
  static async open(volume: BlockSource, geometry: NtfsGeometry): Promise<MasterFileTable> {
    const { mftCluster, clusterBytes, recordBytes } = geometry;
    const table = new MasterFileTable(volume, geometry);
    const stored = await readAll(volume, mftCluster * clusterBytes, recordBytes, "$MFT");
    const record = parseFileRecord(stored, 0, table.#offset);
    // Further records about the table are in the part of it that is known by then.
    await table.#assemble(record, DATA, (stream) => table.#data = stream);
    const own = await table.systemFile(0, "$MFT");
    if (own.firstCluster !== mftCluster) {
      throw new FormatError("$MFT is not where the boot sector says", 48, "$MFT");
    }
    return table;
  }

  /** Byte offset of the table. */
  get #offset(): number {
    return this.geometry.mftCluster * this.geometry.clusterBytes;
  }

  /** Byte offset on the volume of a record. */
  #placeOf(number: number): number {
    return this.#data?.placeOf(number * this.geometry.recordBytes) ?? this.#offset;
  }

  /** Records that were ever written. */
  get #recordCount(): number {
    return Math.floor((this.#data?.initializedBytes ?? 0) / this.geometry.recordBytes);
  }

  /**
   * Reads one record.
   *
   * @throws {FormatError} when there is none, or it contradicts its format.
   * @throws {ReadError} when the medium does not deliver.
   */
  async record(number: number): Promise<FileRecord> {
    const { recordBytes } = this.geometry;
    if (this.#data === undefined || number >= this.#recordCount) {
      throw new FormatError(`there is no file record ${number}`, this.#offset, "$MFT");
    }
    const stored = await this.#data.read(number * recordBytes, recordBytes);
    return parseFileRecord(stored, number, this.#placeOf(number));
  }

  /**
   * All records that are in use, in pieces of up to 1 MiB.
   *
   * @throws {FormatError} when one of them contradicts its format.
   * @throws {ReadError} when the medium does not deliver.
   */
  async *usedRecords(): AsyncGenerator<readonly FileRecord[]> {
    const { recordBytes } = this.geometry;
    const count = this.#recordCount;
    const step = PIECE_BYTES / recordBytes;
    for (let first = 0; first < count; first += step) {
      const length = Math.min(step, count - first) * recordBytes;
      const piece = await this.#data?.read(first * recordBytes, length) ?? new Uint8Array();
      const records: FileRecord[] = [];
      for (let at = 0; at < piece.length; at += recordBytes) {
        const stored = piece.subarray(at, at + recordBytes);
        const number = first + at / recordBytes;
        const offset = this.#placeOf(number);
        if (isRecordInUse(stored, number, offset)) {
          records.push(parseFileRecord(stored, number, offset));
        }
      }
      yield records;
    }
  }

  /**
   * The unnamed data of one of the file system's own files.
   *
   * @throws {FormatError} when the record is not that of the file with this name.
   * @throws {ReadError} when the medium does not deliver.
   */
  async systemFile(number: number, name: string): Promise<AttributeStream> {
    const stream = await this.data(await this.systemRecord(number, name));
    if (stream !== undefined) return stream;
    throw new FormatError(`${name} has no content`, this.#offset, name);
  }

  /**
   * The record of one of the file system's own files.
   *
   * @throws {FormatError} when it is not that of the file with this name.
   * @throws {ReadError} when the medium does not deliver.
   */
  async systemRecord(number: number, name: string): Promise<FileRecord> {
    const record = await this.record(number);
    if (record.isInUse && record.base === undefined) {
      const names = namesIn(await this.attributes(record, FILE_NAME));
      if (names.some((each) => each.folder === ROOT_FOLDER && each.name === name)) {
        return record;
      }
    }
    throw new FormatError(`file record ${number} is not that of ${name}`, this.#offset, name);
  }

  /**
   * The unnamed attributes of a type that a file has, wherever they are.
   *
   * @throws {FormatError} when the list of them is wrong.
   * @throws {ReadError} when the medium does not deliver.
   */
  async attributes(record: FileRecord, type: number): Promise<readonly Attribute[]> {
    return await Array.fromAsync(this.#extents(record, type));
  }

  /**
   * The unnamed data of a file; undefined when it has none.
   *
   * @throws {FormatError} when it is stored as no file of the system is.
   * @throws {ReadError} when the medium does not deliver.
   */
  async data(record: FileRecord): Promise<AttributeStream | undefined> {
    return await this.#assemble(record, DATA, () => {});
  }

  /** Puts the extents of an unnamed attribute together. */
  async #assemble(
    record: FileRecord,
    type: number,
    begun: (stream: AttributeStream) => void,
  ): Promise<AttributeStream | undefined> {
    let stream: AttributeStream | undefined;
    for await (const extent of this.#extents(record, type)) {
      if (stream === undefined) {
        stream = new AttributeStream(this.volume, this.geometry, extent);
        begun(stream);
      } else stream.append(this.#nonResident(extent));
    }
    stream?.checkComplete();
    return stream;
  }

  /** The unnamed attributes of a type, and the extents of one in order. */
  async *#extents(record: FileRecord, type: number): AsyncGenerator<Attribute> {
    const list = record.attributes.find((each) => each.type === ATTRIBUTE_LIST);
    if (list === undefined) {
      yield* record.attributes.filter((each) => each.type === type && each.name === "");
      return;
    }
    for (const entry of await this.#listed(record, list)) {
      if (entry.type === type && entry.name === "") yield await this.#find(record, entry);
    }
  }

  /** Reads an attribute list. */
  async #listed(record: FileRecord, list: Attribute): Promise<readonly ListedAttribute[]> {
    const stream = new AttributeStream(this.volume, this.geometry, list);
    stream.checkComplete();
    if (stream.size > MAX_LIST_BYTES) throw this.#wrongList(record);
    return parseAttributeList(await stream.read(0, stream.size), record.offset);
  }

  /** The attribute that an entry of the list of `record` leads to. */
  async #find(record: FileRecord, entry: ListedAttribute): Promise<Attribute> {
    const { type, name, holder, firstVcn, id } = entry;
    const isOwn = holder.number === record.number;
    const from = isOwn ? record : await this.record(holder.number);
    const attribute = from.attributes.find((each) =>
      each.type === type && each.name === name && each.id === id
    );
    const isRight = from.isInUse && from.sequence === holder.sequence &&
      (isOwn || from.base?.number === record.number) &&
      (attribute?.content !== undefined || attribute?.firstVcn === firstVcn);
    if (attribute === undefined || !isRight) throw this.#wrongList(record);
    return attribute;
  }

  #wrongList({ number, offset }: FileRecord): FormatError {
    const message = `the list of attributes of file record ${number} is wrong`;
    return new FormatError(message, offset, "$ATTRIBUTE_LIST");
  }

  #nonResident(extent: Attribute): NonResidentAttribute {
    if (extent.content === undefined) return extent;
    throw new FormatError("a resident attribute has extents", extent.offset, "attribute");
  }
}
