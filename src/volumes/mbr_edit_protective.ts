/** UEFI 2.10, section 5.2.3, https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html */
import type { Patch } from "../blocks/patched.ts";
import type { BlockSource, Bytes } from "../core/block.ts";
import { readBytes, viewOf } from "../core/bytes.ts";
import { FormatError } from "../core/errors.ts";
import type { Range } from "../core/range.ts";
import {
  BEYOND_CHS,
  changedRecord,
  chsOf,
  endingChsOf,
  endOfRecord,
  type PlacedRecord,
  placedRecords,
  startOfRecord,
} from "./mbr_edit_record.ts";
import {
  GPT_PROTECTIVE,
  hasBootSignature,
  isUsed,
  parseMbrSector,
  PARTITION_RECORD_BYTES,
  PARTITION_RECORDS,
} from "./mbr_sector.ts";

const MBR_BYTES = 512;
const MAX_SIZE_IN_LBA = 0xffffffff;
const FIRST_LBA = 1;
const FIRST_CHS: readonly number[] = [0x00, 0x02, 0x00];

/** What the specification wants in a protective record where the end cannot be said. */
const PROTECTIVE_BEYOND_CHS: readonly number[] = [0xff, 0xff, 0xff];

/** The MBR that keeps programs which know no GPT away from one. */
export interface ProtectiveMbr {
  /** The records that protect; none where the MBR is blank. */
  readonly protecting: readonly PlacedRecord[];
  /** Those of a hybrid MBR, which name partitions for systems that know no GPT. */
  readonly others: readonly PlacedRecord[];
}

/**
 * Reads the protective MBR of a disk with a GPT.
 *
 * @throws {FormatError} when there is another one.
 */
export async function loadProtectiveMbr(media: BlockSource): Promise<ProtectiveMbr> {
  const bytes = await readBytes(media, 0, MBR_BYTES);
  const isBlank = bytes.length === MBR_BYTES &&
    bytes.subarray(PARTITION_RECORDS, MBR_BYTES - 2).every((byte) => byte === 0);
  if (isBlank) return { protecting: [], others: [] };
  const records = hasBootSignature(bytes)
    ? placedRecords(bytes, parseMbrSector(bytes).PartitionRecord, 0, 0)
      .filter(({ record }) => isUsed(record))
    : [];
  const isProtecting = ({ record }: PlacedRecord): boolean => record.OSType === GPT_PROTECTIVE;
  const protecting = records.filter(isProtecting);
  if (protecting.length === 0) {
    throw new FormatError("the MBR does not belong to the GPT, or is damaged", 0, "OSType");
  }
  return { protecting, others: records.filter((record) => !isProtecting(record)) };
}

/** The places that the other records name. */
export function hybridRanges(mbr: ProtectiveMbr, sectorSize: number): Range[] {
  return mbr.others.map((record) => ({
    offset: startOfRecord(record) * sectorSize,
    length: record.record.SizeInLBA * sectorSize,
  }));
}

/**
 * What makes the MBR protect a disk of `sectors`: all behind the first one. In a hybrid one
 * only those protecting records change that reached the end of the disk before, which is one
 * of `oldSectors`.
 */
export function protectivePatches(
  { protecting, others }: ProtectiveMbr,
  sectors: number,
  oldSectors: readonly number[],
): Patch[] {
  const [only] = protecting;
  if (only === undefined) return [blankProtection(sectors)];
  if (protecting.length === 1 && others.length === 0) {
    const isOdd = startOfRecord(only) !== FIRST_LBA;
    return [isOdd ? newRecord(sectors) : upToEnd(only, sectors)].map((bytes) => ({
      offset: only.offset,
      bytes,
    }));
  }
  const reachedEnd = (record: PlacedRecord): boolean =>
    record.record.SizeInLBA === MAX_SIZE_IN_LBA || oldSectors.includes(endOfRecord(record));
  return protecting
    .filter((record) => startOfRecord(record) < sectors && reachedEnd(record))
    .map((record) => ({ offset: record.offset, bytes: upToEnd(record, sectors) }));
}

/** The record, reaching to the end of the disk. */
function upToEnd(record: PlacedRecord, sectors: number): Bytes {
  const size = Math.min(sectors - startOfRecord(record), MAX_SIZE_IN_LBA);
  const old = endingChsOf(record);
  // Some programs never say where the disk ends: that is as good.
  const saysNothing = [BEYOND_CHS, PROTECTIVE_BEYOND_CHS].some((beyond) =>
    beyond.every((byte, index) => byte === old[index])
  );
  const end = startOfRecord(record) + size - 1;
  return changedRecord(record, size, saysNothing ? old : chsOf(end, PROTECTIVE_BEYOND_CHS));
}

function newRecord(sectors: number): Bytes {
  const bytes = new Uint8Array(PARTITION_RECORD_BYTES);
  const size = Math.min(sectors - FIRST_LBA, MAX_SIZE_IN_LBA);
  bytes.set([0x00, ...FIRST_CHS, GPT_PROTECTIVE, ...chsOf(size, PROTECTIVE_BEYOND_CHS)]);
  viewOf(bytes).setUint32(8, FIRST_LBA, true);
  viewOf(bytes).setUint32(12, size, true);
  return bytes;
}

/** Record and signature for an MBR that is blank but, maybe, for its boot code. */
function blankProtection(sectors: number): Patch {
  const bytes = new Uint8Array(MBR_BYTES - PARTITION_RECORDS);
  bytes.set(newRecord(sectors));
  bytes.set([0x55, 0xaa], bytes.length - 2);
  return { offset: PARTITION_RECORDS, bytes };
}
