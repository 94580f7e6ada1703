/**
 * How Windows lays out what is handed to it and what it answers, on 64 bits: the same on
 * x64 and arm64. Each structure is a table of byte offsets, by Microsoft's field names,
 * with its size as `bytes`; beside it is what builds or reads one.
 *
 * Sources: Microsoft's documentation of the structures, by their names; headers
 * winternl.h, ntifs.h, wdm.h, winioctl.h, minwinbase.h, shellapi.h and winnt.h.
 *
 * Every reader throws a RangeError when the buffer is too short for what is read, or
 * when a number is none that a disk or file can have.
 */

/** A structure: its size, and where its fields begin. */
export interface Layout {
  /** sizeof */
  readonly bytes: number;
  readonly [field: string]: number;
}

// --- Numbers and text ---

/**
 * A 64-bit number as a JavaScript number.
 *
 * @throws {RangeError} when it is negative or larger than 2^53-1.
 */
export function toNumber(value: bigint, what = "The number"): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new RangeError(`${what} is impossible: ${value}`);
  }
  return Number(value);
}

/**
 * A number as 64 bits.
 *
 * @throws {RangeError} when it is no whole number from 0 to 2^53-1.
 */
export function toU64(value: number, what = "The number"): bigint {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${what} is impossible: ${value}`);
  }
  return BigInt(value);
}

/** A view of exactly these bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * A view of a structure that the system has filled in.
 *
 * @throws {RangeError} when there are fewer than `needed` bytes.
 */
export function structure(bytes: Uint8Array, needed: number, name: string): DataView {
  if (bytes.length < needed) {
    throw new RangeError(`${name} takes ${needed} bytes, but there are ${bytes.length}`);
  }
  return viewOf(bytes);
}

/** A LARGE_INTEGER or u64 that is a size, an offset or a count. */
export function u64At(view: DataView, offset: number, what: string): number {
  return toNumber(view.getBigUint64(offset, true), what);
}

/** UTF-16 in little endian, without a closing NUL; half a surrogate pair is kept as it is. */
function utf16(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length * 2);
  const view = viewOf(bytes);
  for (let i = 0; i < text.length; i++) view.setUint16(i * 2, text.charCodeAt(i), true);
  return bytes;
}

/** @throws {TypeError} when it holds a NUL: Windows would cut it there. */
function refuseNul(text: string): void {
  if (text.includes("\0")) {
    throw new TypeError(
      `Cannot pass ${JSON.stringify(text)} to the system: it contains a NUL`,
    );
  }
}

/**
 * The text as UTF-16, little endian, with a closing NUL.
 *
 * @throws {TypeError} when the text itself holds a NUL: Windows would cut it there, and
 * another file would be opened than the one that was named.
 */
export function wideString(text: string): Uint8Array<ArrayBuffer> {
  refuseNul(text);
  return utf16(text + "\0");
}

/**
 * UTF-16, little endian, up to the first NUL, or all of it where there is none; an odd
 * last byte is left out. Half a surrogate pair, which names of files may hold, is kept,
 * so that the text names the same file when it is handed back.
 */
export function fromWide(bytes: Uint8Array): string {
  const view = viewOf(bytes);
  let text = "";
  for (let at = 0; at + 2 <= bytes.length; at += 2) {
    const unit = view.getUint16(at, true);
    if (unit === 0) break;
    text += String.fromCharCode(unit);
  }
  return text;
}

/**
 * The texts of a list as GetVolumePathNamesForVolumeNameW, QueryDosDeviceW and
 * CM_Get_Device_Interface_ListW give it, and as REG_MULTI_SZ is laid out: each closed by
 * a NUL, and an empty one closes the list. The end of the buffer closes it, too.
 */
export function splitMultiString(bytes: Uint8Array): string[] {
  const texts: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const text = fromWide(bytes.subarray(at));
    if (text === "") break;
    texts.push(text);
    at += (text.length + 1) * 2;
  }
  return texts;
}

/**
 * Sixteen bytes as a GUID in text, upper case, the first three fields little endian
 * (guiddef.h, GUID).
 */
export function guidAt(view: DataView, offset: number): string {
  const hex = (value: number, digits: number): string =>
    value.toString(16).toUpperCase().padStart(digits, "0");
  const last = [10, 11, 12, 13, 14, 15].map((at) => hex(view.getUint8(offset + at), 2));
  return [
    hex(view.getUint32(offset, true), 8),
    hex(view.getUint16(offset + 4, true), 4),
    hex(view.getUint16(offset + 6, true), 4),
    hex(view.getUint16(offset + 8, false), 4),
    last.join(""),
  ].join("-");
}

// --- Names and calls of ntdll: winternl.h ---

export const UNICODE_STRING = {
  bytes: 16,
  Length: 0, // u16, in bytes, without a closing NUL
  MaximumLength: 2, // u16
  Buffer: 8, // pointer
} as const;

/** The longest text of a UNICODE_STRING, in bytes, with room for a closing NUL. */
const UNICODE_STRING_MAX = 0xfffe - 2;

/**
 * @param buffer Address of what {@linkcode wideString} has made.
 * @param length Bytes of the text, with the closing NUL.
 * @throws {RangeError} when the text is too long for a name.
 */
export function unicodeString(buffer: bigint, length: number): Uint8Array<ArrayBuffer> {
  const text = length - 2;
  if (text < 0 || text % 2 !== 0 || text > UNICODE_STRING_MAX) {
    throw new RangeError(`A name of ${text} bytes is impossible`);
  }
  const bytes = new Uint8Array(UNICODE_STRING.bytes);
  const view = viewOf(bytes);
  view.setUint16(UNICODE_STRING.Length, text, true);
  view.setUint16(UNICODE_STRING.MaximumLength, length, true);
  view.setBigUint64(UNICODE_STRING.Buffer, buffer, true);
  return bytes;
}

export const OBJECT_ATTRIBUTES = {
  bytes: 48,
  Length: 0, // u32
  RootDirectory: 8, // handle
  ObjectName: 16, // pointer to a UNICODE_STRING
  Attributes: 24, // u32
  SecurityDescriptor: 32, // pointer
  SecurityQualityOfService: 40, // pointer
} as const;

/**
 * @param name Address of a {@linkcode UNICODE_STRING}.
 * @param attributes OBJ_*
 * @param root Handle of the folder that the name begins in; 0 for a full name.
 */
export function objectAttributes(
  name: bigint,
  attributes: number,
  root = 0n,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(OBJECT_ATTRIBUTES.bytes);
  const view = viewOf(bytes);
  view.setUint32(OBJECT_ATTRIBUTES.Length, OBJECT_ATTRIBUTES.bytes, true);
  view.setBigUint64(OBJECT_ATTRIBUTES.RootDirectory, root, true);
  view.setBigUint64(OBJECT_ATTRIBUTES.ObjectName, name, true);
  view.setUint32(OBJECT_ATTRIBUTES.Attributes, attributes, true);
  return bytes;
}

export const IO_STATUS_BLOCK = {
  bytes: 16,
  Status: 0, // u32, in a union with a pointer
  Information: 8, // u64
} as const;

/** How a call ended. */
export interface IoStatus {
  /** NTSTATUS, as an unsigned number. */
  readonly status: number;
  /** Bytes that were transferred, or what NtCreateFile did. */
  readonly information: number;
}

export function ioStatus(bytes: Uint8Array): IoStatus {
  const view = structure(bytes, IO_STATUS_BLOCK.bytes, "IO_STATUS_BLOCK");
  return {
    status: view.getUint32(IO_STATUS_BLOCK.Status, true),
    information: u64At(view, IO_STATUS_BLOCK.Information, "IO_STATUS_BLOCK.Information"),
  };
}

/** minwinbase.h */
export const OVERLAPPED = {
  bytes: 32,
  Internal: 0, // u64: NTSTATUS in its lower half
  InternalHigh: 8, // u64: bytes that were transferred
  Offset: 16, // u32
  OffsetHigh: 20, // u32
  hEvent: 24, // handle
} as const;

/** For a transfer at a byte of the file or disk. */
export function overlapped(offset: number, event = 0n): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(OVERLAPPED.bytes);
  setOverlappedOffset(bytes, offset);
  viewOf(bytes).setBigUint64(OVERLAPPED.hEvent, event, true);
  return bytes;
}

/** Makes an OVERLAPPED ready for the next transfer. */
export function setOverlappedOffset(bytes: Uint8Array, offset: number): void {
  const view = structure(bytes, OVERLAPPED.bytes, "OVERLAPPED");
  view.setBigUint64(OVERLAPPED.Internal, 0n, true);
  view.setBigUint64(OVERLAPPED.InternalHigh, 0n, true);
  // Offset and OffsetHigh are the two halves of one number.
  view.setBigUint64(OVERLAPPED.Offset, toU64(offset, "OVERLAPPED.Offset"), true);
}

/** What a transfer with an OVERLAPPED came to. */
export function overlappedStatus(bytes: Uint8Array): IoStatus {
  const view = structure(bytes, OVERLAPPED.bytes, "OVERLAPPED");
  return {
    status: view.getUint32(OVERLAPPED.Internal, true),
    information: u64At(view, OVERLAPPED.InternalHigh, "OVERLAPPED.InternalHigh"),
  };
}

// --- Disks: winioctl.h ---

export const DISK_GEOMETRY = {
  bytes: 24,
  Cylinders: 0, // i64
  MediaType: 8, // u32
  TracksPerCylinder: 12, // u32
  SectorsPerTrack: 16, // u32
  BytesPerSector: 20, // u32
} as const;

export interface DiskGeometry {
  /** MEDIA_TYPE: 11 removable, 12 fixed. */
  readonly mediaType: number;
  readonly bytesPerSector: number;
  /** Bytes in whole cylinders: a bit less than the disk has. */
  readonly cylinderBytes: number;
}

function geometry(view: DataView): DiskGeometry {
  const u32 = (field: number): number => view.getUint32(field, true);
  const bytesPerSector = u32(DISK_GEOMETRY.BytesPerSector);
  const perCylinder = BigInt(u32(DISK_GEOMETRY.TracksPerCylinder)) *
    BigInt(u32(DISK_GEOMETRY.SectorsPerTrack)) * BigInt(bytesPerSector);
  const cylinders = view.getBigUint64(DISK_GEOMETRY.Cylinders, true);
  return {
    mediaType: u32(DISK_GEOMETRY.MediaType),
    bytesPerSector,
    cylinderBytes: toNumber(cylinders * perCylinder, "DISK_GEOMETRY.Cylinders"),
  };
}

export function diskGeometry(bytes: Uint8Array): DiskGeometry {
  return geometry(structure(bytes, DISK_GEOMETRY.bytes, "DISK_GEOMETRY"));
}

export const DISK_GEOMETRY_EX = {
  bytes: 40,
  Geometry: 0, // DISK_GEOMETRY
  DiskSize: 24, // i64
  Data: 32, // partition and detection information, of varying length
} as const;

/** The length of a buffer for a DISK_GEOMETRY_EX with all that follows it. */
export const DISK_GEOMETRY_EX_ROOM = 256;

export function diskGeometryEx(bytes: Uint8Array): DiskGeometry & { readonly size: number } {
  const view = structure(bytes, DISK_GEOMETRY_EX.Data, "DISK_GEOMETRY_EX");
  return {
    ...geometry(view),
    size: u64At(view, DISK_GEOMETRY_EX.DiskSize, "DISK_GEOMETRY_EX.DiskSize"),
  };
}

export const GET_LENGTH_INFORMATION = {
  bytes: 8,
  Length: 0, // i64
} as const;

/** The size of a disk, partition or volume in bytes. */
export function lengthInformation(bytes: Uint8Array): number {
  const view = structure(bytes, GET_LENGTH_INFORMATION.bytes, "GET_LENGTH_INFORMATION");
  return u64At(view, GET_LENGTH_INFORMATION.Length, "GET_LENGTH_INFORMATION.Length");
}

export const DISK_EXTENT = {
  bytes: 24,
  DiskNumber: 0, // u32
  StartingOffset: 8, // i64
  ExtentLength: 16, // i64
} as const;

export const VOLUME_DISK_EXTENTS = {
  bytes: 32,
  NumberOfDiskExtents: 0, // u32
  Extents: 8, // DISK_EXTENT[]
} as const;

/** A part of a disk that a volume lies on. */
export interface DiskExtent {
  /** N of PhysicalDriveN. */
  readonly disk: number;
  /** Bytes from the start of the disk. */
  readonly start: number;
  /** Bytes. */
  readonly size: number;
}

/** The length of a buffer for that many extents. */
export function volumeDiskExtentsBytes(count: number): number {
  return VOLUME_DISK_EXTENTS.Extents + count * DISK_EXTENT.bytes;
}

/** How many extents a volume has, also where the buffer was too short for them. */
export function volumeDiskExtentCount(bytes: Uint8Array): number {
  return structure(bytes, 4, "VOLUME_DISK_EXTENTS")
    .getUint32(VOLUME_DISK_EXTENTS.NumberOfDiskExtents, true);
}

/** @throws {RangeError} when not all extents are there: one left out is a disk forgotten. */
export function volumeDiskExtents(bytes: Uint8Array): DiskExtent[] {
  const count = volumeDiskExtentCount(bytes);
  const view = structure(
    bytes,
    volumeDiskExtentsBytes(count),
    `VOLUME_DISK_EXTENTS with ${count} extents`,
  );
  return Array.from({ length: count }, (_, index) => {
    const at = volumeDiskExtentsBytes(index);
    return {
      disk: view.getUint32(at + DISK_EXTENT.DiskNumber, true),
      start: u64At(view, at + DISK_EXTENT.StartingOffset, "DISK_EXTENT.StartingOffset"),
      size: u64At(view, at + DISK_EXTENT.ExtentLength, "DISK_EXTENT.ExtentLength"),
    };
  });
}

export const STORAGE_DEVICE_NUMBER = {
  bytes: 12,
  DeviceType: 0, // u32, FILE_DEVICE_*
  DeviceNumber: 4, // u32
  PartitionNumber: 8, // u32
} as const;

export interface StorageDeviceNumber {
  /** FILE_DEVICE_*: numbers count within a type. */
  readonly type: number;
  /** N of PhysicalDriveN, for FILE_DEVICE_DISK. */
  readonly number: number;
  /** 0 is the whole disk; undefined where it cannot be partitioned. */
  readonly partition: number | undefined;
}

export function storageDeviceNumber(bytes: Uint8Array): StorageDeviceNumber {
  const view = structure(bytes, STORAGE_DEVICE_NUMBER.bytes, "STORAGE_DEVICE_NUMBER");
  const partition = view.getUint32(STORAGE_DEVICE_NUMBER.PartitionNumber, true);
  return {
    type: view.getUint32(STORAGE_DEVICE_NUMBER.DeviceType, true),
    number: view.getUint32(STORAGE_DEVICE_NUMBER.DeviceNumber, true),
    partition: partition === 0xffffffff ? undefined : partition,
  };
}

export const GET_DISK_ATTRIBUTES = {
  bytes: 16,
  Version: 0, // u32, the size
  Reserved1: 4, // u32
  Attributes: 8, // u64, DISK_ATTRIBUTE_*
} as const;

/** DISK_ATTRIBUTE_* of a disk. */
export function diskAttributes(bytes: Uint8Array): number {
  const view = structure(bytes, GET_DISK_ATTRIBUTES.bytes, "GET_DISK_ATTRIBUTES");
  return u64At(view, GET_DISK_ATTRIBUTES.Attributes, "GET_DISK_ATTRIBUTES.Attributes");
}

export const SET_DISK_ATTRIBUTES = {
  bytes: 40,
  Version: 0, // u32, the size
  Persist: 4, // u8: also after a restart
  Reserved1: 5, // u8[3]
  Attributes: 8, // u64
  AttributesMask: 16, // u64: which of them to change
  Reserved2: 24, // u32[4]
} as const;

/** Sets those DISK_ATTRIBUTE_* that are in `mask`, until the next restart. */
export function setDiskAttributes(attributes: number, mask: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SET_DISK_ATTRIBUTES.bytes);
  const view = viewOf(bytes);
  view.setUint32(SET_DISK_ATTRIBUTES.Version, SET_DISK_ATTRIBUTES.bytes, true);
  view.setBigUint64(SET_DISK_ATTRIBUTES.Attributes, toU64(attributes), true);
  view.setBigUint64(SET_DISK_ATTRIBUTES.AttributesMask, toU64(mask), true);
  return bytes;
}

// --- Partition tables: winioctl.h ---

export const PARTITION_INFORMATION_MBR = {
  bytes: 24,
  PartitionType: 0, // u8
  BootIndicator: 1, // u8
  RecognizedPartition: 2, // u8
  HiddenSectors: 4, // u32
  PartitionId: 8, // GUID, Windows 10
} as const;

export const PARTITION_INFORMATION_GPT = {
  bytes: 112,
  PartitionType: 0, // GUID
  PartitionId: 16, // GUID
  Attributes: 32, // u64
  Name: 40, // u16[36]
} as const;

export const PARTITION_INFORMATION_EX = {
  bytes: 144,
  PartitionStyle: 0, // u32
  StartingOffset: 8, // i64
  PartitionLength: 16, // i64
  PartitionNumber: 24, // u32
  RewritePartition: 28, // u8
  IsServicePartition: 29, // u8, Windows 10
  Mbr: 32, // PARTITION_INFORMATION_MBR
  Gpt: 32, // PARTITION_INFORMATION_GPT
} as const;

export const DRIVE_LAYOUT_INFORMATION_MBR = {
  bytes: 4, // or more: Windows 10 has put a checksum behind it
  Signature: 0, // u32
} as const;

export const DRIVE_LAYOUT_INFORMATION_GPT = {
  bytes: 40,
  DiskId: 0, // GUID
  StartingUsableOffset: 16, // i64
  UsableLength: 24, // i64
  MaxPartitionCount: 32, // u32
} as const;

export const DRIVE_LAYOUT_INFORMATION_EX = {
  bytes: 192,
  PartitionStyle: 0, // u32
  PartitionCount: 4, // u32
  Mbr: 8, // DRIVE_LAYOUT_INFORMATION_MBR
  Gpt: 8, // DRIVE_LAYOUT_INFORMATION_GPT
  PartitionEntry: 48, // PARTITION_INFORMATION_EX[]
} as const;

/** A partition as Windows sees it. */
export interface PartitionInformation {
  /** PARTITION_STYLE_*; "raw" has neither of the other two's fields. */
  readonly style: "mbr" | "gpt" | "raw";
  /** Bytes from the start of the disk. */
  readonly start: number;
  /** Bytes. */
  readonly size: number;
  /** As in "PartitionN" of its device name; 0 for a container of others. */
  readonly number: number;
  /** "0C", or a GUID in upper case; "" where the table is neither. */
  readonly type: string;
  /** The GUID of a GPT partition; otherwise "". */
  readonly id: string;
  /** The name of a GPT partition; otherwise "". */
  readonly name: string;
}

/** What a disk's partition table says. */
export interface DriveLayout {
  readonly style: "mbr" | "gpt" | "raw";
  /** The MBR's signature in eight hexadecimal digits, or the GPT's GUID; "" for raw. */
  readonly id: string;
  /** Those in use, in the order of the table. */
  readonly partitions: readonly PartitionInformation[];
}

const STYLES: Readonly<Record<number, DriveLayout["style"]>> = { 0: "mbr", 1: "gpt" };

function styleAt(view: DataView, offset: number): DriveLayout["style"] {
  return STYLES[view.getUint32(offset, true)] ?? "raw";
}

function hexadecimal(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, "0");
}

/** What differs between the two kinds of table. */
type StyleFields = Pick<PartitionInformation, "type" | "id" | "name">;

function mbrFields(view: DataView, at: number): StyleFields {
  const type = view.getUint8(at + PARTITION_INFORMATION_MBR.PartitionType);
  return { type: hexadecimal(type, 2), id: "", name: "" };
}

function gptFields(view: DataView, at: number): StyleFields {
  const name = new Uint8Array(
    view.buffer,
    view.byteOffset + at + PARTITION_INFORMATION_GPT.Name,
    PARTITION_INFORMATION_GPT.bytes - PARTITION_INFORMATION_GPT.Name,
  );
  return {
    type: guidAt(view, at + PARTITION_INFORMATION_GPT.PartitionType),
    id: guidAt(view, at + PARTITION_INFORMATION_GPT.PartitionId),
    name: fromWide(name),
  };
}

function styleFields(
  view: DataView,
  at: number,
  style: PartitionInformation["style"],
): StyleFields {
  if (style === "mbr") return mbrFields(view, at + PARTITION_INFORMATION_EX.Mbr);
  if (style === "gpt") return gptFields(view, at + PARTITION_INFORMATION_EX.Gpt);
  return { type: "", id: "", name: "" };
}

function partitionAt(view: DataView, at: number): PartitionInformation {
  const { StartingOffset, PartitionLength } = PARTITION_INFORMATION_EX;
  const style = styleAt(view, at + PARTITION_INFORMATION_EX.PartitionStyle);
  return {
    style,
    start: u64At(view, at + StartingOffset, "PARTITION_INFORMATION_EX.StartingOffset"),
    size: u64At(view, at + PartitionLength, "PARTITION_INFORMATION_EX.PartitionLength"),
    number: view.getUint32(at + PARTITION_INFORMATION_EX.PartitionNumber, true),
    ...styleFields(view, at, style),
  };
}

export function partitionInformation(bytes: Uint8Array): PartitionInformation {
  const { bytes: needed } = PARTITION_INFORMATION_EX;
  return partitionAt(structure(bytes, needed, "PARTITION_INFORMATION_EX"), 0);
}

/** The length of a buffer for a table of that many entries. */
export function driveLayoutBytes(entries: number): number {
  return DRIVE_LAYOUT_INFORMATION_EX.PartitionEntry + entries * PARTITION_INFORMATION_EX.bytes;
}

/** An empty entry: tables of the old kind are always reported in groups of four. */
function isUsed(partition: PartitionInformation): boolean {
  return partition.size > 0;
}

function layoutId(view: DataView, style: DriveLayout["style"]): string {
  const { Mbr, Gpt } = DRIVE_LAYOUT_INFORMATION_EX;
  if (style === "gpt") return guidAt(view, Gpt + DRIVE_LAYOUT_INFORMATION_GPT.DiskId);
  if (style === "raw") return "";
  return hexadecimal(view.getUint32(Mbr + DRIVE_LAYOUT_INFORMATION_MBR.Signature, true), 8);
}

/** @throws {RangeError} when not all entries that are announced are there. */
export function driveLayout(bytes: Uint8Array): DriveLayout {
  const head = structure(bytes, driveLayoutBytes(0), "DRIVE_LAYOUT_INFORMATION_EX");
  const count = head.getUint32(DRIVE_LAYOUT_INFORMATION_EX.PartitionCount, true);
  const view = structure(
    bytes,
    driveLayoutBytes(count),
    `DRIVE_LAYOUT_INFORMATION_EX with ${count} entries`,
  );
  const style = styleAt(view, DRIVE_LAYOUT_INFORMATION_EX.PartitionStyle);
  const partitions = Array.from(
    { length: count },
    (_, index) => partitionAt(view, driveLayoutBytes(index)),
  ).filter(isUsed);
  return { style, id: layoutId(view, style), partitions };
}

// --- Files: ntifs.h, wdm.h ---

export const FILE_RENAME_INFORMATION = {
  bytes: 24,
  ReplaceIfExists: 0, // u8
  RootDirectory: 8, // handle
  FileNameLength: 16, // u32, in bytes
  FileName: 20, // u16[], without a closing NUL
} as const;

/**
 * @param name A name without folders stays in the folder of the file; otherwise one as
 * NtCreateFile takes it.
 * @param root Handle of the folder that the name begins in.
 * @throws {TypeError} when the name holds a NUL.
 */
export function fileRenameInformation(
  name: string,
  replace: boolean,
  root = 0n,
): Uint8Array<ArrayBuffer> {
  refuseNul(name);
  const text = utf16(name);
  const { bytes: least, FileName } = FILE_RENAME_INFORMATION;
  const bytes = new Uint8Array(Math.max(least, FileName + text.length));
  const view = viewOf(bytes);
  view.setUint8(FILE_RENAME_INFORMATION.ReplaceIfExists, replace ? 1 : 0);
  view.setBigUint64(FILE_RENAME_INFORMATION.RootDirectory, root, true);
  view.setUint32(FILE_RENAME_INFORMATION.FileNameLength, text.length, true);
  bytes.set(text, FileName);
  return bytes;
}

export const FILE_DISPOSITION_INFORMATION = {
  bytes: 1,
  DeleteFile: 0, // u8
} as const;

/** Removes the file when its last handle is closed. */
export function fileDispositionInformation(remove: boolean): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(remove ? 1 : 0);
}

export const FILE_END_OF_FILE_INFORMATION = {
  bytes: 8,
  EndOfFile: 0, // i64
} as const;

/** Cuts or extends a file to that many bytes. */
export function fileEndOfFileInformation(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FILE_END_OF_FILE_INFORMATION.bytes);
  viewOf(bytes).setBigUint64(FILE_END_OF_FILE_INFORMATION.EndOfFile, toU64(size), true);
  return bytes;
}

export const FILE_STANDARD_INFORMATION = {
  bytes: 24,
  AllocationSize: 0, // i64
  EndOfFile: 8, // i64
  NumberOfLinks: 16, // u32
  DeletePending: 20, // u8
  Directory: 21, // u8
} as const;

export interface FileStandardInformation {
  /** Bytes. */
  readonly size: number;
  /** Bytes that it takes on its volume. */
  readonly allocated: number;
  readonly directory: boolean;
  /** It goes when its last handle is closed. */
  readonly deletePending: boolean;
}

export function fileStandardInformation(bytes: Uint8Array): FileStandardInformation {
  const { bytes: needed, ...at } = FILE_STANDARD_INFORMATION;
  const view = structure(bytes, needed, "FILE_STANDARD_INFORMATION");
  return {
    size: u64At(view, at.EndOfFile, "FILE_STANDARD_INFORMATION.EndOfFile"),
    allocated: u64At(view, at.AllocationSize, "FILE_STANDARD_INFORMATION.AllocationSize"),
    directory: view.getUint8(at.Directory) !== 0,
    deletePending: view.getUint8(at.DeletePending) !== 0,
  };
}

export const FILE_BASIC_INFORMATION = {
  bytes: 40,
  CreationTime: 0, // i64
  LastAccessTime: 8, // i64
  LastWriteTime: 16, // i64
  ChangeTime: 24, // i64
  FileAttributes: 32, // u32
} as const;

/** FILE_ATTRIBUTE_* of a file. */
export function fileAttributes(bytes: Uint8Array): number {
  return structure(bytes, FILE_BASIC_INFORMATION.bytes, "FILE_BASIC_INFORMATION")
    .getUint32(FILE_BASIC_INFORMATION.FileAttributes, true);
}

export const FILE_INTERNAL_INFORMATION = {
  bytes: 8,
  IndexNumber: 0, // i64
} as const;

/** A number that no other file of the volume has; FAT gives one that can change. */
export function fileIndexNumber(bytes: Uint8Array): bigint {
  return structure(bytes, FILE_INTERNAL_INFORMATION.bytes, "FILE_INTERNAL_INFORMATION")
    .getBigUint64(FILE_INTERNAL_INFORMATION.IndexNumber, true);
}

export const FILE_ID_INFORMATION = {
  bytes: 24,
  VolumeSerialNumber: 0, // u64
  FileId: 8, // u8[16]
} as const;

export interface FileIdInformation {
  readonly volume: bigint;
  /** 32 hexadecimal digits, in the order of the bytes. */
  readonly file: string;
}

export function fileIdInformation(bytes: Uint8Array): FileIdInformation {
  const view = structure(bytes, FILE_ID_INFORMATION.bytes, "FILE_ID_INFORMATION");
  const id = bytes.subarray(FILE_ID_INFORMATION.FileId, FILE_ID_INFORMATION.bytes);
  return {
    volume: view.getBigUint64(FILE_ID_INFORMATION.VolumeSerialNumber, true),
    file: Array.from(id, (byte) => byte.toString(16).padStart(2, "0")).join(""),
  };
}

/** Text of a length that the structure gives in bytes. */
function countedText(
  bytes: Uint8Array,
  lengthAt: number,
  textAt: number,
  name: string,
): string {
  const length = structure(bytes, textAt, name).getUint32(lengthAt, true);
  structure(bytes, textAt + length, `${name} with ${length} bytes of text`);
  return fromWide(bytes.subarray(textAt, textAt + length));
}

export const FILE_FS_ATTRIBUTE_INFORMATION = {
  bytes: 16,
  FileSystemAttributes: 0, // u32
  MaximumComponentNameLength: 4, // i32, in characters
  FileSystemNameLength: 8, // u32, in bytes
  FileSystemName: 12, // u16[], without a closing NUL
} as const;

export interface FileSystemAttributes {
  /** FILE_SUPPORTS_SPARSE_FILES and others. */
  readonly flags: number;
  /** "NTFS", "FAT32", "exFAT" */
  readonly name: string;
}

export function fileSystemAttributes(bytes: Uint8Array): FileSystemAttributes {
  const { FileSystemAttributes, FileSystemNameLength, FileSystemName } =
    FILE_FS_ATTRIBUTE_INFORMATION;
  const structureName = "FILE_FS_ATTRIBUTE_INFORMATION";
  return {
    flags: structure(bytes, FileSystemName, structureName)
      .getUint32(FileSystemAttributes, true),
    name: countedText(bytes, FileSystemNameLength, FileSystemName, structureName),
  };
}

export const FILE_FS_VOLUME_INFORMATION = {
  bytes: 24,
  VolumeCreationTime: 0, // i64
  VolumeSerialNumber: 8, // u32
  VolumeLabelLength: 12, // u32, in bytes
  SupportsObjects: 16, // u8
  VolumeLabel: 18, // u16[], without a closing NUL
} as const;

export interface FileSystemVolume {
  readonly serial: number;
  readonly label: string;
}

export function fileSystemVolume(bytes: Uint8Array): FileSystemVolume {
  const { VolumeSerialNumber, VolumeLabelLength, VolumeLabel } = FILE_FS_VOLUME_INFORMATION;
  const structureName = "FILE_FS_VOLUME_INFORMATION";
  return {
    serial: structure(bytes, VolumeLabel, structureName).getUint32(VolumeSerialNumber, true),
    label: countedText(bytes, VolumeLabelLength, VolumeLabel, structureName),
  };
}

export const FILE_FS_DEVICE_INFORMATION = {
  bytes: 8,
  DeviceType: 0, // u32, FILE_DEVICE_*
  Characteristics: 4, // u32
} as const;

export interface FileSystemDevice {
  /** FILE_DEVICE_* */
  readonly type: number;
  /** FILE_REMOVABLE_MEDIA, FILE_READ_ONLY_DEVICE, FILE_REMOTE_DEVICE and others. */
  readonly characteristics: number;
}

export function fileSystemDevice(bytes: Uint8Array): FileSystemDevice {
  const { bytes: needed, DeviceType, Characteristics } = FILE_FS_DEVICE_INFORMATION;
  const view = structure(bytes, needed, "FILE_FS_DEVICE_INFORMATION");
  return {
    type: view.getUint32(DeviceType, true),
    characteristics: view.getUint32(Characteristics, true),
  };
}

/** winioctl.h */
export const FILE_ZERO_DATA_INFORMATION = {
  bytes: 16,
  FileOffset: 0, // i64
  BeyondFinalZero: 8, // i64
} as const;

/** The bytes from `start` to `end`, which is left out, become zero. */
export function fileZeroDataInformation(start: number, end: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FILE_ZERO_DATA_INFORMATION.bytes);
  const view = viewOf(bytes);
  view.setBigUint64(FILE_ZERO_DATA_INFORMATION.FileOffset, toU64(start), true);
  view.setBigUint64(FILE_ZERO_DATA_INFORMATION.BeyondFinalZero, toU64(end), true);
  return bytes;
}

/** winioctl.h */
export const FILE_ALLOCATED_RANGE_BUFFER = {
  bytes: 16,
  FileOffset: 0, // i64
  Length: 8, // i64
} as const;

/** A piece of a file. */
export interface FileRange {
  readonly start: number;
  readonly size: number;
}

/** Asks which bytes of that piece of a file are no hole. */
export function allocatedRangeQuery({ start, size }: FileRange): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FILE_ALLOCATED_RANGE_BUFFER.bytes);
  const view = viewOf(bytes);
  view.setBigUint64(FILE_ALLOCATED_RANGE_BUFFER.FileOffset, toU64(start), true);
  view.setBigUint64(FILE_ALLOCATED_RANGE_BUFFER.Length, toU64(size), true);
  return bytes;
}

/** @param bytes As many as the system says that it has filled. */
export function allocatedRanges(bytes: Uint8Array): FileRange[] {
  const view = viewOf(bytes);
  const { bytes: each, FileOffset, Length } = FILE_ALLOCATED_RANGE_BUFFER;
  return Array.from({ length: Math.floor(bytes.length / each) }, (_, index) => ({
    start: u64At(view, index * each + FileOffset, "FILE_ALLOCATED_RANGE_BUFFER.FileOffset"),
    size: u64At(view, index * each + Length, "FILE_ALLOCATED_RANGE_BUFFER.Length"),
  }));
}

// --- Processes and rights: shellapi.h, winnt.h ---

export const SHELLEXECUTEINFOW = {
  bytes: 112,
  cbSize: 0, // u32
  fMask: 4, // u32
  hwnd: 8, // handle
  lpVerb: 16, // pointer
  lpFile: 24, // pointer
  lpParameters: 32, // pointer
  lpDirectory: 40, // pointer
  nShow: 48, // i32
  hInstApp: 56, // handle
  lpIDList: 64, // pointer
  lpClass: 72, // pointer
  hkeyClass: 80, // handle
  dwHotKey: 88, // u32
  hIcon: 96, // handle, in a union with hMonitor
  hProcess: 104, // handle
} as const;

/** A program to start. Texts are addresses of what {@linkcode wideString} has made; 0: none. */
export interface ShellExecution {
  /** SEE_MASK_* */
  readonly mask: number;
  /** "runas" asks the person for administrator rights. */
  readonly verb: bigint;
  readonly file: bigint;
  readonly parameters: bigint;
  readonly directory: bigint;
  /** SW_* */
  readonly show: number;
}

export function shellExecuteInfo(execution: ShellExecution): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SHELLEXECUTEINFOW.bytes);
  const view = viewOf(bytes);
  view.setUint32(SHELLEXECUTEINFOW.cbSize, SHELLEXECUTEINFOW.bytes, true);
  view.setUint32(SHELLEXECUTEINFOW.fMask, execution.mask, true);
  view.setBigUint64(SHELLEXECUTEINFOW.lpVerb, execution.verb, true);
  view.setBigUint64(SHELLEXECUTEINFOW.lpFile, execution.file, true);
  view.setBigUint64(SHELLEXECUTEINFOW.lpParameters, execution.parameters, true);
  view.setBigUint64(SHELLEXECUTEINFOW.lpDirectory, execution.directory, true);
  view.setInt32(SHELLEXECUTEINFOW.nShow, execution.show, true);
  return bytes;
}

/** The handle of the program that was started; 0 where the system gives none. */
export function shellExecuteProcess(bytes: Uint8Array): bigint {
  return structure(bytes, SHELLEXECUTEINFOW.bytes, "SHELLEXECUTEINFOW")
    .getBigUint64(SHELLEXECUTEINFOW.hProcess, true);
}

export const TOKEN_ELEVATION = {
  bytes: 4,
  TokenIsElevated: 0, // u32
} as const;

/** Does the program run with an administrator's full rights? */
export function isElevated(bytes: Uint8Array): boolean {
  return structure(bytes, TOKEN_ELEVATION.bytes, "TOKEN_ELEVATION")
    .getUint32(TOKEN_ELEVATION.TokenIsElevated, true) !== 0;
}

/** Of RtlGetVersion (ntdll.dll, wdm.h); OSVERSIONINFOW is the same. */
export const RTL_OSVERSIONINFOW = {
  bytes: 276,
  dwOSVersionInfoSize: 0, // u32
  dwMajorVersion: 4, // u32
  dwMinorVersion: 8, // u32
  dwBuildNumber: 12, // u32
  dwPlatformId: 16, // u32
  szCSDVersion: 20, // u16[128]
} as const;

/** An empty one, to be filled. */
export function osVersionInfo(): Uint8Array<ArrayBuffer> {
  const { bytes: size, dwOSVersionInfoSize } = RTL_OSVERSIONINFOW;
  const bytes = new Uint8Array(size);
  viewOf(bytes).setUint32(dwOSVersionInfoSize, size, true);
  return bytes;
}

/** "10.0.22631" */
export function osVersion(bytes: Uint8Array): string {
  const at = RTL_OSVERSIONINFOW;
  const view = structure(bytes, at.bytes, "RTL_OSVERSIONINFOW");
  return [at.dwMajorVersion, at.dwMinorVersion, at.dwBuildNumber]
    .map((field) => view.getUint32(field, true)).join(".");
}
