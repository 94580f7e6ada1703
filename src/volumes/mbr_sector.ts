/** UEFI 2.10, section 5.2, https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html */
import { FormatError } from "../core/errors.ts";
import { hasAscii, viewOf } from "../core/bytes.ts";

// Master boot record, and each extended boot record: 512 bytes, little endian.
//   0  440  boot code
// 440    4  UniqueMbrSignature
// 446 4*16  PartitionRecord
// 510    2  Signature, 55 AA
// PartitionRecord:
//   0    1  BootIndicator, 80h active, 00h not
//   1    3  StartingCHS (ignored: the LBA fields say it)
//   4    1  OSType
//   5    3  EndingCHS (ignored)
//   8    4  StartingLBA
//  12    4  SizeInLBA
const SECTOR_BYTES = 512;
const UNIQUE_MBR_SIGNATURE = 440;
export const PARTITION_RECORDS = 446;
export const PARTITION_RECORD_BYTES = 16;
const SIGNATURE = 510;

/** OSType of the record that protects a GPT. */
export const GPT_PROTECTIVE = 0xee;

const EXTENDED_TYPES: ReadonlySet<number> = new Set([0x05, 0x0f, 0x85]);

/** One of the four entries of a boot record; numbers count sectors. */
export interface PartitionRecord {
  readonly BootIndicator: number;
  readonly OSType: number;
  readonly StartingLBA: number;
  readonly SizeInLBA: number;
}

/** A master or extended boot record. */
export interface MbrSector {
  readonly UniqueMbrSignature: number;
  /** Always four. */
  readonly PartitionRecord: readonly PartitionRecord[];
}

/** Does a boot record end here? False for short input. */
export function hasBootSignature(bytes: Uint8Array): boolean {
  return bytes[SIGNATURE] === 0x55 && bytes[SIGNATURE + 1] === 0xaa;
}

/**
 * Reads a boot record from the first 512 of these bytes. `offset` is its place on
 * the disk, for the error.
 *
 * @throws {FormatError} when the bytes are too few or have no 55 AA at the end.
 */
export function parseMbrSector(bytes: Uint8Array, offset = 0): MbrSector {
  if (bytes.length < SECTOR_BYTES || !hasBootSignature(bytes)) {
    throw new FormatError(`there is no boot record at byte ${offset}`, offset, "Signature");
  }
  const view = viewOf(bytes);
  return {
    UniqueMbrSignature: view.getUint32(UNIQUE_MBR_SIGNATURE, true),
    PartitionRecord: [0, 1, 2, 3].map((index) => {
      const at = PARTITION_RECORDS + index * PARTITION_RECORD_BYTES;
      return {
        BootIndicator: view.getUint8(at),
        OSType: view.getUint8(at + 4),
        StartingLBA: view.getUint32(at + 8, true),
        SizeInLBA: view.getUint32(at + 12, true),
      };
    }),
  };
}

/**
 * Does the record describe a place? The type does not count: bootable ISO images
 * use type 0 for partitions that systems do show.
 */
export function isUsed(record: PartitionRecord): boolean {
  return record.SizeInLBA > 0;
}

/** Is the record a container of logical partitions? */
export function isExtended(record: PartitionRecord): boolean {
  return EXTENDED_TYPES.has(record.OSType);
}

/** Does this boot record say that the disk has a GPT? */
export function isProtective(sector: MbrSector): boolean {
  return sector.PartitionRecord.some((record) => record.OSType === GPT_PROTECTIVE);
}

/**
 * Is the sector the beginning of a FAT, exFAT, NTFS or BitLocker volume? Such a
 * boot sector ends in 55 AA too, with code or text where the records would be.
 */
export function isVolumeBootSector(bytes: Uint8Array): boolean {
  if (bytes.length < SECTOR_BYTES) return false;
  if (["NTFS    ", "EXFAT   ", "-FVE-FS-"].some((name) => hasAscii(bytes, 3, name))) {
    return true;
  }
  const view = viewOf(bytes);
  // The BIOS parameter block of FAT; a boot loader that keeps its room free leaves zeros.
  const jump = view.getUint8(0) === 0xe9 ||
    (view.getUint8(0) === 0xeb && view.getUint8(2) === 0x90);
  const bytesPerSector = view.getUint16(11, true);
  const sectorsPerCluster = view.getUint8(13);
  const reservedSectors = view.getUint16(14, true);
  const numberOfFats = view.getUint8(16);
  const media = view.getUint8(21);
  return jump && [512, 1024, 2048, 4096].includes(bytesPerSector) &&
    sectorsPerCluster > 0 && (sectorsPerCluster & (sectorsPerCluster - 1)) === 0 &&
    reservedSectors > 0 && numberOfFats > 0 && numberOfFats <= 4 &&
    (media === 0xf0 || media >= 0xf8);
}
