/** UEFI 2.10, section 5.2, https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html */
import type { Patch } from "../blocks/patched.ts";
import type { Bytes } from "../core/block.ts";
import { viewOf } from "../core/bytes.ts";
import {
  PARTITION_RECORD_BYTES,
  PARTITION_RECORDS,
  type PartitionRecord,
} from "./mbr_sector.ts";

// A partition record; see mbr_sector.ts for all of it:
//   5  3  EndingCHS: head; sector (6 bits) with the two highest bits of the cylinder; its
//         eight lowest bits
//   8  4  StartingLBA
//  12  4  SizeInLBA
const ENDING_CHS = 5;
const SIZE_IN_LBA = 12;

/** The geometry that everybody assumes where nobody can know it. */
const HEADS = 255;
const SECTORS_PER_TRACK = 63;
const MAX_CYLINDER = 1023;

/** Where it cannot be said: as partitioning programs write it, and BIOSes expect it. */
export const BEYOND_CHS: readonly number[] = [0xfe, 0xff, 0xff];

/** A record and where it lies. */
export interface PlacedRecord {
  /** Byte on the disk. */
  readonly offset: number;
  /** Its 16 bytes. */
  readonly bytes: Bytes;
  readonly record: PartitionRecord;
  /** Sector from which its StartingLBA counts. */
  readonly base: number;
}

/** The four records of a boot record that lies at byte `offset`. */
export function placedRecords(
  sector: Uint8Array,
  records: readonly PartitionRecord[],
  offset: number,
  base: number,
): PlacedRecord[] {
  return records.map((record, index) => {
    const at = PARTITION_RECORDS + index * PARTITION_RECORD_BYTES;
    return {
      offset: offset + at,
      bytes: sector.slice(at, at + PARTITION_RECORD_BYTES),
      record,
      base,
    };
  });
}

/** First sector of the disk that belongs to what the record describes. */
export function startOfRecord({ base, record }: PlacedRecord): number {
  return base + record.StartingLBA;
}

/** The sector behind the last one. */
export function endOfRecord(placed: PlacedRecord): number {
  return startOfRecord(placed) + placed.record.SizeInLBA;
}

/** The record with another size; all but SizeInLBA and EndingCHS stays. */
export function resizedRecord(placed: PlacedRecord, sizeInLba: number): Patch {
  const end = startOfRecord(placed) + sizeInLba - 1;
  return {
    offset: placed.offset,
    bytes: changedRecord(placed, sizeInLba, chsOf(end, BEYOND_CHS)),
  };
}

/** The bytes of the record with another size and end; three bytes say that. */
export function changedRecord(
  { bytes }: PlacedRecord,
  sizeInLba: number,
  endingChs: readonly number[],
): Bytes {
  const changed = bytes.slice();
  viewOf(changed).setUint32(SIZE_IN_LBA, sizeInLba, true);
  changed.set(endingChs, ENDING_CHS);
  return changed;
}

/** The three bytes of EndingCHS. */
export function endingChsOf({ bytes }: PlacedRecord): number[] {
  return [...bytes.subarray(ENDING_CHS, ENDING_CHS + 3)];
}

/** A sector number as cylinder, head and sector; `beyond` where it is too large for that. */
export function chsOf(lba: number, beyond: readonly number[]): readonly number[] {
  const cylinder = Math.floor(lba / (HEADS * SECTORS_PER_TRACK));
  if (cylinder > MAX_CYLINDER) return beyond;
  const head = Math.floor(lba / SECTORS_PER_TRACK) % HEADS;
  const sector = lba % SECTORS_PER_TRACK + 1;
  return [head, sector | (cylinder >> 8) << 6, cylinder & 0xff];
}
