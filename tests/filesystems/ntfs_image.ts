/** NTFS volumes in memory that a test changes as no program would. */
import type { Bytes } from "../../src/core/block.ts";
import { ImageFile, run } from "../volumes/image_tools.ts";

/** Types of attributes, as the NTFS documentation has them. */
export const ATTRIBUTE_LIST = 0x20;
export const FILE_NAME = 0x30;
export const VOLUME_INFORMATION = 0x70;
export const DATA = 0x80;

const STRIDE = 512;

/** A small volume that mkntfs made, with its file records in one piece. */
export class NtfsImage {
  readonly bytes: Bytes;
  readonly view: DataView;

  constructor(bytes: Bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }

  /** `files` are copied into the root folder by ntfscp. */
  static async made(
    size: number,
    clusterBytes = 4096,
    files: Readonly<Record<string, Uint8Array>> = {},
  ): Promise<NtfsImage> {
    await using image = new ImageFile(size);
    const geometry = ["-s", "512", "-c", String(clusterBytes)];
    await run("mkntfs", ["-F", "-Q", "-q", ...geometry, image.path]);
    for (const [name, content] of Object.entries(files)) {
      await using source = new ImageFile(0);
      await Deno.writeFile(source.path, content);
      await run("ntfscp", ["-q", image.path, source.path, name]);
    }
    return new NtfsImage(await image.bytes());
  }

  clone(): NtfsImage {
    return new NtfsImage(this.bytes.slice());
  }

  get clusterBytes(): number {
    return this.view.getUint16(11, true) * this.view.getUint8(13);
  }

  get recordBytes(): number {
    const clusters = this.view.getInt8(64);
    return clusters < 0 ? 2 ** -clusters : clusters * this.clusterBytes;
  }

  get clusterCount(): number {
    return Math.floor(Number(this.view.getBigUint64(40, true)) * 512 / this.clusterBytes);
  }

  /** Byte offset of a file record. */
  recordOffset(number: number): number {
    return Number(this.view.getBigUint64(48, true)) * this.clusterBytes +
      number * this.recordBytes;
  }

  /** Byte offset of the copy of one of the first four file records. */
  mirrorOffset(number: number): number {
    return Number(this.view.getBigUint64(56, true)) * this.clusterBytes +
      number * this.recordBytes;
  }

  /** A file record as it is without its protection. */
  record(number: number): Bytes {
    const at = this.recordOffset(number);
    const record = this.bytes.slice(at, at + this.recordBytes);
    unprotect(record);
    return record;
  }

  /** Puts a record, and its copy where there is one. */
  setRecord(number: number, record: Bytes): void {
    const stored = record.slice();
    protect(stored);
    this.bytes.set(stored, this.recordOffset(number));
    if (number < 4) this.bytes.set(stored, this.mirrorOffset(number));
  }

  /** Changes a record, and its copy where there is one. */
  edit(number: number, change: (view: DataView, record: Bytes) => void): this {
    const record = this.record(number);
    change(new DataView(record.buffer), record);
    this.setRecord(number, record);
    return this;
  }

  /** The first cluster of the unnamed data of a file. */
  firstCluster(number: number): number {
    const record = this.record(number);
    const view = new DataView(record.buffer);
    const attribute = attributeAt(record, DATA);
    const pairs = attribute + view.getUint16(attribute + 32, true);
    const header = view.getUint8(pairs);
    let cluster = 0;
    for (let index = (header >>> 4) - 1; index >= 0; index--) {
      cluster = cluster * 256 + view.getUint8(pairs + 1 + (header & 15) + index);
    }
    return cluster;
  }

  /** Writes at the beginning of the unnamed data of a file. */
  setContent(number: number, bytes: Uint8Array): void {
    this.bytes.set(bytes, this.firstCluster(number) * this.clusterBytes);
  }

  /** Says in $Bitmap that a cluster is free. */
  free(cluster: number): this {
    const at = this.firstCluster(6) * this.clusterBytes + (cluster >>> 3);
    this.bytes[at] = (this.bytes[at] ?? 0) & ~(1 << (cluster & 7));
    return this;
  }
}

/** Offset of the first attribute of this type in a record. */
export function attributeAt(record: Bytes, type: number): number {
  const view = new DataView(record.buffer, record.byteOffset);
  let at = view.getUint16(20, true);
  while (view.getUint32(at, true) !== type) {
    if (view.getUint32(at, true) === 0xffff_ffff) throw new Error(`no attribute ${type}`);
    at += view.getUint32(at + 4, true);
  }
  return at;
}

/** Puts a number at the end of each 512 bytes, and what was there in the header. */
export function protect(record: Bytes): void {
  const view = new DataView(record.buffer, record.byteOffset);
  const sequence = view.getUint16(4, true);
  for (let word = 1; word <= record.length / STRIDE; word++) {
    const end = word * STRIDE - 2;
    view.setUint16(sequence + 2 * word, view.getUint16(end, true), true);
    view.setUint16(end, view.getUint16(sequence, true), true);
  }
}

/** Takes the protection off. */
export function unprotect(record: Bytes): void {
  const view = new DataView(record.buffer, record.byteOffset);
  const sequence = view.getUint16(4, true);
  for (let word = 1; word <= record.length / STRIDE; word++) {
    view.setUint16(word * STRIDE - 2, view.getUint16(sequence + 2 * word, true), true);
  }
}

/** What a restart page of $LogFile says. */
export interface RestartPage {
  readonly sequence?: bigint;
  readonly major?: number;
  readonly minor?: number;
  /** FFFFh: none. */
  readonly clientInUse?: number;
  readonly flags?: number;
}

/** A restart page as Windows writes it, 4096 bytes, with one client, "NTFS". */
export function restartPage(page: RestartPage = {}): Bytes {
  const { sequence = 0x700000n, major = 1, minor = 1, clientInUse = 0, flags = 2 } = page;
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("RSTR"));
  view.setUint16(4, 30, true);
  view.setUint16(6, 9, true);
  view.setUint32(16, 4096, true);
  view.setUint32(20, 4096, true);
  view.setUint16(24, 0x30, true);
  view.setInt16(26, minor, true);
  view.setInt16(28, major, true);
  view.setUint16(30, 7, true);
  const area = 0x30;
  view.setBigUint64(area, sequence, true);
  view.setUint16(area + 8, 1, true);
  view.setUint16(area + 10, clientInUse === 0xffff ? 0 : 0xffff, true);
  view.setUint16(area + 12, clientInUse, true);
  view.setUint16(area + 14, flags, true);
  view.setUint16(area + 20, 0x30 + 0xa0, true);
  view.setUint16(area + 22, 0x30, true);
  view.setUint16(area + 36, 0x30, true);
  view.setUint16(area + 38, 0x40, true);
  const client = area + 0x30;
  view.setUint16(client + 16, 0xffff, true);
  view.setUint16(client + 18, 0xffff, true);
  view.setUint32(client + 28, 8, true);
  for (const [index, letter] of [..."NTFS"].entries()) {
    view.setUint16(client + 32 + 2 * index, letter.charCodeAt(0), true);
  }
  return bytes;
}

/** Fills in what depends on the size of the log file, and protects the page. */
export function finishRestartPage(page: Bytes, logBytes: number): Bytes {
  const view = new DataView(page.buffer);
  view.setBigUint64(0x30 + 24, BigInt(logBytes), true);
  const sizeBits = Math.floor(Math.log2(logBytes)) + 1;
  view.setUint32(0x30 + 16, 67 - sizeBits, true);
  protect(page);
  return page;
}

/** Bytes of the unnamed data of a file, which is not in its record. */
export function dataBytes(image: NtfsImage, number: number): number {
  const record = image.record(number);
  const view = new DataView(record.buffer);
  return Number(view.getBigUint64(attributeAt(record, DATA) + 48, true));
}

/** Marks what belongs to shadow copies. */
export const VSS_GUID = [
  ...[0x6b, 0x87, 0x08, 0x38, 0x76, 0xc1, 0x48, 0x4e],
  ...[0xb7, 0xae, 0x04, 0x04, 0x6e, 0x6c, 0xc7, 0x52],
];

/** A block of the catalog of shadow copies, with entries of these types. */
export function catalogBlock(
  offset: number,
  next: number,
  entries: readonly number[],
): Uint8Array {
  const bytes = new Uint8Array(16384);
  const view = new DataView(bytes.buffer);
  bytes.set(VSS_GUID);
  view.setUint32(16, 1, true);
  view.setUint32(20, 2, true);
  view.setBigUint64(32, BigInt(offset), true);
  view.setBigUint64(40, BigInt(next), true);
  for (const [index, type] of entries.entries()) {
    view.setBigUint64(128 * (index + 1), BigInt(type), true);
  }
  return bytes;
}

/** The attribute of a type as it stands in a record. */
export function attributeBytes(record: Uint8Array<ArrayBuffer>, type: number): Uint8Array {
  const at = attributeAt(record, type);
  return record.slice(at, at + new DataView(record.buffer).getUint32(at + 4, true));
}

/** Puts other attributes into a record. */
export function setAttributes(record: Uint8Array, attributes: readonly Uint8Array[]): void {
  const view = new DataView(record.buffer);
  let at = view.getUint16(20, true);
  for (const attribute of attributes) {
    record.set(attribute, at);
    at += attribute.length;
  }
  view.setUint32(at, 0xffff_ffff, true);
  record.fill(0, at + 4);
  view.setUint32(24, at + 8, true);
}

/** An entry of an attribute list, without a name. */
export function listEntry(
  type: number,
  firstVcn: number,
  holder: number,
  sequence: number,
): Uint8Array {
  const entry = new Uint8Array(32);
  const view = new DataView(entry.buffer);
  view.setUint32(0, type, true);
  view.setUint16(4, 32, true);
  view.setUint8(7, 26);
  view.setBigUint64(8, BigInt(firstVcn), true);
  view.setUint32(16, holder, true);
  view.setUint16(22, sequence, true);
  return entry;
}

/** A resident attribute. */
export function residentAttribute(type: number, content: Uint8Array): Uint8Array {
  const attribute = new Uint8Array(24 + Math.ceil(content.length / 8) * 8);
  const view = new DataView(attribute.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, attribute.length, true);
  view.setUint32(16, content.length, true);
  view.setUint16(20, 24, true);
  attribute.set(content, 24);
  return attribute;
}

/** One extent of the data of $Bitmap: a cluster. */
export function extent(
  vcn: number,
  lcn: number,
  totalClusters: number,
  bytes: number,
): Uint8Array {
  const attribute = new Uint8Array(72);
  const view = new DataView(attribute.buffer);
  view.setUint32(0, DATA, true);
  view.setUint32(4, attribute.length, true);
  view.setUint8(8, 1);
  view.setBigUint64(16, BigInt(vcn), true);
  view.setBigUint64(24, BigInt(vcn), true);
  view.setUint16(32, 64, true);
  if (vcn === 0) {
    view.setBigUint64(40, BigInt(totalClusters * 512), true);
    view.setBigUint64(48, BigInt(bytes), true);
    view.setBigUint64(56, BigInt(bytes), true);
  }
  view.setUint8(64, 0x31);
  view.setUint8(65, 1);
  view.setUint16(66, lcn & 0xffff, true);
  view.setUint8(68, lcn >>> 16);
  return attribute;
}

/** A volume whose $Bitmap is described in two further records. */
export function withSplitBitmap(image: NtfsImage, sequences = [1, 1]): NtfsImage {
  const copy = image.clone();
  const lcn = image.firstCluster(6);
  const bytes = dataBytes(image, 6);
  const base = copy.record(6);
  const baseSequence = new DataView(base.buffer).getUint16(16, true);
  const extensions = [24, 25];
  for (const [vcn, number] of extensions.entries()) {
    const record = copy.record(64);
    const view = new DataView(record.buffer);
    view.setUint16(16, 1, true);
    view.setUint16(18, 0, true);
    view.setUint16(22, 1, true);
    view.setUint32(32, 6, true);
    view.setUint16(38, baseSequence, true);
    view.setUint32(44, number, true);
    setAttributes(record, [extent(vcn, lcn + vcn, 2, bytes)]);
    copy.setRecord(number, record);
  }
  copy.edit(6, (_, record) => {
    const info = attributeBytes(record, 0x10);
    const name = attributeBytes(record, FILE_NAME);
    const id = (attribute: Uint8Array): number =>
      (attribute[14] ?? 0) + (attribute[15] ?? 0) * 256;
    const entries = [
      listEntry(0x10, 0, 6, baseSequence),
      listEntry(FILE_NAME, 0, 6, baseSequence),
      listEntry(DATA, 0, 24, sequences[0] ?? 0),
      listEntry(DATA, 1, 25, sequences[1] ?? 0),
    ];
    entries[0]?.set([id(info)], 24);
    entries[1]?.set([id(name)], 24);
    const list = residentAttribute(
      ATTRIBUTE_LIST,
      Uint8Array.from(entries.flatMap((entry) => [...entry])),
    );
    setAttributes(record, [info, list, name]);
  });
  return copy;
}
