/**
 * What IOCTL_STORAGE_QUERY_PROPERTY is asked and answers, and serial numbers as drivers
 * garble them.
 *
 * Sources: Microsoft's documentation of STORAGE_PROPERTY_QUERY and of the descriptors, by
 * their names; header winioctl.h. For the serial numbers: ATA8-ACS, "ATA string
 * convention" and IDENTIFY DEVICE, words 10 to 19; SCSI / ATA Translation (SAT), Unit
 * Serial Number VPD page.
 */
import { fromWide, structure, viewOf } from "./layouts.ts";
import type { BusWord } from "./windows_numbers.ts";

export const STORAGE_PROPERTY_QUERY = {
  bytes: 12,
  PropertyId: 0, // u32, STORAGE_PROPERTY_ID
  QueryType: 4, // u32, 0: the descriptor itself
  AdditionalParameters: 8, // u8[]
} as const;

/** Asks for the descriptor of a property. */
export function storagePropertyQuery(property: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(STORAGE_PROPERTY_QUERY.bytes);
  viewOf(bytes).setUint32(STORAGE_PROPERTY_QUERY.PropertyId, property, true);
  return bytes;
}

/** What every descriptor begins with. */
export const STORAGE_DESCRIPTOR_HEADER = {
  bytes: 8,
  Version: 0, // u32
  Size: 4, // u32, of the whole descriptor with what follows it
} as const;

/** The length of a buffer for the whole descriptor, from as much as has been answered. */
export function storageDescriptorSize(bytes: Uint8Array): number {
  const { bytes: needed, Size } = STORAGE_DESCRIPTOR_HEADER;
  return structure(bytes, needed, "STORAGE_DESCRIPTOR_HEADER").getUint32(Size, true);
}

export const STORAGE_DEVICE_DESCRIPTOR = {
  bytes: 40,
  Version: 0, // u32
  Size: 4, // u32
  DeviceType: 8, // u8, as SCSI numbers them
  DeviceTypeModifier: 9, // u8
  RemovableMedia: 10, // u8
  CommandQueueing: 11, // u8
  VendorIdOffset: 12, // u32
  ProductIdOffset: 16, // u32
  ProductRevisionOffset: 20, // u32
  SerialNumberOffset: 24, // u32
  BusType: 28, // u32, STORAGE_BUS_TYPE
  RawPropertiesLength: 32, // u32
  RawDeviceProperties: 36, // u8[]; the texts are somewhere in or behind it
} as const;

/** What a disk says of itself. */
export interface StorageDeviceDescriptor {
  /** 0 is a disk, 5 an optical drive: SCSI's peripheral device types. */
  readonly deviceType: number;
  /** The medium, not the device, can be taken out: card readers, and most USB sticks. */
  readonly removableMedia: boolean;
  /** STORAGE_BUS_TYPE */
  readonly busType: number;
  readonly vendor: string | undefined;
  readonly product: string | undefined;
  readonly revision: string | undefined;
  /** As the driver gives it, with its spaces: for {@linkcode fixSerial}. */
  readonly rawSerial: string | undefined;
}

/**
 * The text that an offset field points to, one character a byte, up to a NUL or the end.
 * Undefined where there is none: the offset is then 0, with some drivers -1, or points
 * into the fields or outside of what was answered.
 */
function textAt(bytes: Uint8Array, view: DataView, field: number): string | undefined {
  const start = view.getUint32(field, true);
  if (start < STORAGE_DEVICE_DESCRIPTOR.RawDeviceProperties) return undefined;
  if (start >= bytes.length) return undefined;
  const end = bytes.indexOf(0, start);
  const text = bytes.subarray(start, end < 0 ? bytes.length : end);
  return String.fromCharCode(...text);
}

/** Fit to be shown: without control characters, others than ASCII as U+FFFD, trimmed. */
function cleanText(text: string | undefined): string | undefined {
  const clean = text
    ?.replaceAll(/[\x80-\xff]/g, "\ufffd")
    .replaceAll(/[^ -~\ufffd]/g, "")
    .trim();
  return clean === "" ? undefined : clean;
}

/** @param bytes As many as the system says that it has filled. */
export function storageDeviceDescriptor(bytes: Uint8Array): StorageDeviceDescriptor {
  const at = STORAGE_DEVICE_DESCRIPTOR;
  const view = structure(bytes, at.RawDeviceProperties, "STORAGE_DEVICE_DESCRIPTOR");
  return {
    deviceType: view.getUint8(at.DeviceType),
    removableMedia: view.getUint8(at.RemovableMedia) !== 0,
    busType: view.getUint32(at.BusType, true),
    vendor: cleanText(textAt(bytes, view, at.VendorIdOffset)),
    product: cleanText(textAt(bytes, view, at.ProductIdOffset)),
    revision: cleanText(textAt(bytes, view, at.ProductRevisionOffset)),
    rawSerial: textAt(bytes, view, at.SerialNumberOffset),
  };
}

export const STORAGE_ACCESS_ALIGNMENT_DESCRIPTOR = {
  bytes: 28,
  Version: 0, // u32
  Size: 4, // u32
  BytesPerCacheLine: 8, // u32
  BytesOffsetForCacheAlignment: 12, // u32
  BytesPerLogicalSector: 16, // u32
  BytesPerPhysicalSector: 20, // u32
  BytesOffsetForSectorAlignment: 24, // u32
} as const;

export interface StorageAccessAlignment {
  readonly logicalSector: number;
  readonly physicalSector: number;
}

export function storageAccessAlignment(bytes: Uint8Array): StorageAccessAlignment {
  const at = STORAGE_ACCESS_ALIGNMENT_DESCRIPTOR;
  const view = structure(bytes, at.bytes, "STORAGE_ACCESS_ALIGNMENT_DESCRIPTOR");
  return {
    logicalSector: view.getUint32(at.BytesPerLogicalSector, true),
    physicalSector: view.getUint32(at.BytesPerPhysicalSector, true),
  };
}

export const STORAGE_ADAPTER_SERIAL_NUMBER = {
  bytes: 264,
  Version: 0, // u32
  Size: 4, // u32
  SerialNumber: 8, // u16[128], with a closing NUL
} as const;

/**
 * The serial number of an NVMe disk as it is printed on it, as the driver gives it: for
 * {@linkcode fixSerial}. Such a disk is an adapter of its own; its STORAGE_DEVICE_DESCRIPTOR
 * gives an EUI-64 instead.
 */
export function storageAdapterSerial(bytes: Uint8Array): string {
  const { SerialNumber } = STORAGE_ADAPTER_SERIAL_NUMBER;
  structure(bytes, SerialNumber, "STORAGE_ADAPTER_SERIAL_NUMBER");
  return fromWide(bytes.subarray(SerialNumber, STORAGE_ADAPTER_SERIAL_NUMBER.bytes));
}

// --- Serial numbers ---

/** Characters of an ATA serial number: ten words, filled up with spaces. */
const ATA_SERIAL_LENGTH = 20;

/** Is it what manufacturers print on disks: capital letters and digits, with a digit? */
function isPlainSerial(text: string): boolean {
  return /^[A-Z0-9._-]*[0-9][A-Z0-9._-]*$/.test(text);
}

/** Each two characters exchanged. */
function swapPairs(text: string): string {
  return text.replaceAll(/(.)(.)/g, "$2$1");
}

/**
 * ATA keeps text in words with the first character in the upper byte; a driver that
 * hands on the words of a little-endian machine exchanges each two characters. That is
 * certain
 *
 * - where a space stands within the serial number and only exchanging removes it: one
 *   side was filled up with an odd number of spaces, as in "    W -DXW08AA097721";
 * - where it begins so that exchanging gives "WD-W", with which Western Digital's begin.
 *
 * Otherwise it cannot be told, and the text is left as it is.
 */
function unswap(text: string): string {
  const swapped = swapPairs(text).trim();
  const isOdd = text.length === ATA_SERIAL_LENGTH && text.trim().includes(" ");
  const isCertain = isOdd || swapped.startsWith("WD-W");
  return isCertain && isPlainSerial(swapped) ? swapped : text;
}

/**
 * Some drivers give each byte of an ATA serial number as two hexadecimal digits, so 40 of
 * them, and some USB bridges do so with the serial number without its spaces. Are these
 * so many digits that they can only spell a serial number by intention?
 */
function mayBeHex(text: string, bus: BusWord): boolean {
  if (text.length % 2 !== 0 || !/^[0-9A-F]+$/i.test(text)) return false;
  if (text.length === ATA_SERIAL_LENGTH * 2) return true;
  // Decimal digits alone: of numbers with 16 digits, one in 20 000 seems to spell a
  // serial number; of those with 24 digits, one in three million.
  const least = /^[0-9]+$/.test(text) ? 24 : 16;
  return bus === "usb" && text.length >= least;
}

/** What the hexadecimal digits spell, one character for two of them. */
function fromHex(digits: string): string {
  const pairs = digits.match(/../g) ?? [];
  return String.fromCharCode(...pairs.map((pair) => Number.parseInt(pair, 16)));
}

/** The serial number that the hexadecimal digits spell; undefined where they spell none. */
function decodeHex(text: string, bus: BusWord): string | undefined {
  if (!mayBeHex(text, bus)) return undefined;
  const serial = unswap(fromHex(text).replace(/\0+$/, "")).trim();
  return isPlainSerial(serial) ? serial : undefined;
}

/** Buses behind which an ATA disk can be. */
const ATA_BUSES: readonly BusWord[] = ["sata", "usb", "scsi", "unknown"];

/** NVMe disks are named by an EUI-64 or NGUID in groups of four, closed by a full stop. */
function withoutFullStop(text: string, bus: BusWord): string {
  const isEui = /^[0-9A-F]{4}(_[0-9A-F]{4})+\.$/i.test(text);
  return isEui || bus === "nvme" ? text.replace(/\.$/, "") : text;
}

/**
 * A serial number as a person can compare it with the label: put right where it is
 * certain what a driver did to it, otherwise left alone. Undefined where it says nothing:
 * empty, nothing but zeros, or with characters that no serial number has. Windows gives
 * such with some USB sticks, where it takes a part of another answer for it.
 *
 * @param raw With its spaces, as in {@linkcode StorageDeviceDescriptor.rawSerial}.
 */
export function fixSerial(raw: string, bus: BusWord): string | undefined {
  if (!/^[ -~]*$/.test(raw)) return undefined;
  const plain = ATA_BUSES.includes(bus) ? decodeHex(raw.trim(), bus) ?? unswap(raw) : raw;
  const serial = withoutFullStop(plain.trim(), bus);
  return /^[0._-]*$/.test(serial) ? undefined : serial;
}
