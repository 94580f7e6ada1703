/** UEFI 2.10, section 5.3, https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html */
import { crc32 } from "node:zlib";
import { guidText, hasAscii, safeNumber, utf16Text, viewOf } from "../core/bytes.ts";
import { FormatError } from "../core/errors.ts";

// GPT header (section 5.3.2), little endian, in the second sector of the disk and
// once more in the last one:
//  0  8  Signature, "EFI PART"
//  8  4  Revision
// 12  4  HeaderSize, at least 92 and at most a sector
// 16  4  HeaderCRC32, over HeaderSize bytes, counting this field as zero
// 20  4  reserved
// 24  8  MyLBA
// 32  8  AlternateLBA
// 40  8  FirstUsableLBA
// 48  8  LastUsableLBA
// 56 16  DiskGUID
// 72  8  PartitionEntryLBA
// 80  4  NumberOfPartitionEntries
// 84  4  SizeOfPartitionEntry, 128 times a power of two
// 88  4  PartitionEntryArrayCRC32
const SIGNATURE = "EFI PART";
const MIN_HEADER_BYTES = 92;
const HEADER_CRC32 = 16;

// GPT partition entry (section 5.3.3):
//  0 16  PartitionTypeGUID, zero when the entry is unused
// 16 16  UniquePartitionGUID
// 32  8  StartingLBA
// 40  8  EndingLBA, inclusive
// 48  8  Attributes
// 56 72  PartitionName, UTF-16, NUL at the end unless full
const MIN_ENTRY_BYTES = 128;
const MAX_ENTRY_BYTES = 4096;

/** 128 entries take 16 KiB; this bounds what a damaged header can make us read. */
const MAX_ENTRY_ARRAY_BYTES = 4 * 1024 * 1024;

/** Bytes of larger sector numbers are past 2^53-1 with sectors of 4096 bytes. */
const MAX_LBA = Math.floor(Number.MAX_SAFE_INTEGER / 4096);

/** The header of a GPT whose own checksum is right. */
export interface GptHeader {
  readonly Revision: number;
  readonly HeaderSize: number;
  readonly MyLBA: number;
  readonly AlternateLBA: number;
  readonly FirstUsableLBA: number;
  readonly LastUsableLBA: number;
  /** Upper case. */
  readonly DiskGUID: string;
  readonly PartitionEntryLBA: number;
  /** Bounded: the whole array is at most 4 MiB. */
  readonly NumberOfPartitionEntries: number;
  readonly SizeOfPartitionEntry: number;
  readonly PartitionEntryArrayCRC32: number;
}

/** A used entry of a GPT. */
export interface GptEntry {
  /** From 0, counting unused entries too. */
  readonly index: number;
  readonly PartitionTypeGUID: string;
  readonly UniquePartitionGUID: string;
  readonly StartingLBA: number;
  /** Inclusive. */
  readonly EndingLBA: number;
  readonly Attributes: bigint;
  readonly PartitionName: string;
}

/** Does a GPT header begin at `offset`? False beyond the end of the bytes. */
export function hasGptSignature(bytes: Uint8Array, offset = 0): boolean {
  return hasAscii(bytes, offset, SIGNATURE);
}

/**
 * Reads a GPT header from the sector that holds it, and checks it as far as it can
 * be checked alone. `offset` is its place on the disk, for the errors.
 *
 * @throws {FormatError} naming the field that is wrong.
 */
export function parseGptHeader(sector: Uint8Array, offset = 0): GptHeader {
  const fail = (field: string, message: string): FormatError =>
    new FormatError(message, offset, field);
  if (sector.length < MIN_HEADER_BYTES || !hasGptSignature(sector)) {
    throw fail("Signature", `there is no GPT header at byte ${offset}`);
  }
  const view = viewOf(sector);
  const HeaderSize = view.getUint32(12, true);
  if (HeaderSize < MIN_HEADER_BYTES || HeaderSize > sector.length) {
    throw fail("HeaderSize", `the header claims to be ${HeaderSize} bytes long`);
  }
  if (headerChecksum(sector, HeaderSize) !== view.getUint32(HEADER_CRC32, true)) {
    throw fail("HeaderCRC32", "the checksum of the header is wrong");
  }
  const NumberOfPartitionEntries = view.getUint32(80, true);
  const SizeOfPartitionEntry = view.getUint32(84, true);
  if (
    SizeOfPartitionEntry < MIN_ENTRY_BYTES || SizeOfPartitionEntry > MAX_ENTRY_BYTES ||
    (SizeOfPartitionEntry & (SizeOfPartitionEntry - 1)) !== 0
  ) {
    throw fail(
      "SizeOfPartitionEntry",
      `the size of an entry is impossible: ${SizeOfPartitionEntry}`,
    );
  }
  if (NumberOfPartitionEntries * SizeOfPartitionEntry > MAX_ENTRY_ARRAY_BYTES) {
    throw fail(
      "NumberOfPartitionEntries",
      `the number of entries is impossible: ${NumberOfPartitionEntries}`,
    );
  }
  return {
    Revision: view.getUint32(8, true),
    HeaderSize,
    MyLBA: readLba(view, 24, "MyLBA", offset),
    AlternateLBA: readLba(view, 32, "AlternateLBA", offset),
    FirstUsableLBA: readLba(view, 40, "FirstUsableLBA", offset),
    LastUsableLBA: readLba(view, 48, "LastUsableLBA", offset),
    DiskGUID: guidText(sector.subarray(56, 72)),
    PartitionEntryLBA: readLba(view, 72, "PartitionEntryLBA", offset),
    NumberOfPartitionEntries,
    SizeOfPartitionEntry,
    PartitionEntryArrayCRC32: view.getUint32(88, true),
  };
}

/**
 * Reads the used entries of a partition entry array that `header` describes. Its
 * checksum is a matter of {@linkcode entryArrayChecksum}. `offset` is the place of
 * the array on the disk.
 *
 * @throws {FormatError} when the bytes are too few, or a sector number is impossible.
 */
export function parseGptEntries(
  bytes: Uint8Array,
  header: Pick<GptHeader, "NumberOfPartitionEntries" | "SizeOfPartitionEntry">,
  offset = 0,
): GptEntry[] {
  const { NumberOfPartitionEntries, SizeOfPartitionEntry } = header;
  if (bytes.length < NumberOfPartitionEntries * SizeOfPartitionEntry) {
    throw new FormatError(
      "the partition entries are not all on the disk",
      offset,
      "NumberOfPartitionEntries",
    );
  }
  const entries: GptEntry[] = [];
  for (let index = 0; index < NumberOfPartitionEntries; index++) {
    const at = index * SizeOfPartitionEntry;
    const entry = bytes.subarray(at, at + SizeOfPartitionEntry);
    if (entry.subarray(0, 16).every((byte) => byte === 0)) continue;
    const view = viewOf(entry);
    entries.push({
      index,
      PartitionTypeGUID: guidText(entry.subarray(0, 16)),
      UniquePartitionGUID: guidText(entry.subarray(16, 32)),
      StartingLBA: readLba(view, 32, "StartingLBA", offset + at),
      EndingLBA: readLba(view, 40, "EndingLBA", offset + at),
      Attributes: view.getBigUint64(48, true),
      PartitionName: utf16Text(entry.subarray(56, 128)),
    });
  }
  return entries;
}

/** The value that PartitionEntryArrayCRC32 must have for these bytes. */
export function entryArrayChecksum(
  bytes: Uint8Array,
  header: Pick<GptHeader, "NumberOfPartitionEntries" | "SizeOfPartitionEntry">,
): number {
  return crc32(
    bytes.subarray(0, header.NumberOfPartitionEntries * header.SizeOfPartitionEntry),
  );
}

/** The value that HeaderCRC32 must have for these bytes, whatever it is now. */
export function headerChecksum(sector: Uint8Array, headerSize: number): number {
  const header = sector.slice(0, headerSize);
  header.fill(0, HEADER_CRC32, HEADER_CRC32 + 4);
  return crc32(header);
}

function readLba(view: DataView, at: number, field: string, offset: number): number {
  const lba = safeNumber(view.getBigUint64(at, true), field, offset + at);
  if (lba > MAX_LBA) {
    throw new FormatError(`${field} is impossible: ${lba}`, offset + at, field);
  }
  return lba;
}
