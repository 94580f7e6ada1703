/** UEFI 2.10, section 5.2, https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html */
import type { BlockSource } from "../core/block.ts";
import { readBytes } from "../core/bytes.ts";
import { FormatError } from "../core/errors.ts";
import {
  endOfRecord,
  type PlacedRecord,
  placedRecords,
  startOfRecord,
} from "./mbr_edit_record.ts";
import { isExtended, isUsed, parseMbrSector } from "./mbr_sector.ts";

// How logical partitions are chained is told in mbr.ts.
const MAX_BOOT_RECORDS = 256;
const FIRST_LOGICAL_NUMBER = 5;
const BOOT_RECORD_BYTES = 512;

/** A partition that holds data, and what says so. */
export interface EditablePartition {
  /** As Linux counts. */
  readonly number: number;
  readonly record: PlacedRecord;
  /** Only logical ones have it. */
  readonly chain: {
    /** Sector of its own extended boot record. */
    readonly bootRecordLba: number;
    /** The record of the boot record before it that leads there; the first has none. */
    readonly link: PlacedRecord | undefined;
  } | undefined;
}

/** All that an MBR says, without a doubt. Numbers count sectors. */
export interface EditableMbr {
  readonly sectorSize: number;
  /** Sectors that the medium has. */
  readonly sectors: number;
  /** Primary and logical partitions, no extended ones. */
  readonly partitions: readonly EditablePartition[];
  /** The extended partitions, and where their boot records lie. */
  readonly extended: readonly {
    readonly number: number;
    readonly record: PlacedRecord;
    readonly bootRecordLbas: readonly number[];
  }[];
}

/** First sector of a partition. */
export function startOfPartition({ record }: EditablePartition): number {
  return startOfRecord(record);
}

/** The sector behind the last one. */
export function endOfPartition({ record }: EditablePartition): number {
  return endOfRecord(record);
}

/**
 * Reads an MBR and its chains of logical partitions. Where `readPartitionTable` tells of
 * an oddity and goes on, this refuses.
 *
 * @throws {FormatError} when the chain is broken, or could be read in different ways.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function loadMbr(media: BlockSource): Promise<EditableMbr> {
  const { sectorSize } = media;
  const bytes = await readBytes(media, 0, BOOT_RECORD_BYTES);
  const records = placedRecords(bytes, parseMbrSector(bytes).PartitionRecord, 0, 0);
  const partitions: EditablePartition[] = [];
  const extended: { number: number; record: PlacedRecord; bootRecordLbas: number[] }[] = [];
  for (const [index, record] of records.entries()) {
    if (!isUsed(record.record)) continue;
    const number = index + 1;
    if (isExtended(record.record)) extended.push({ number, record, bootRecordLbas: [] });
    else partitions.push({ number, record, chain: undefined });
  }
  let number = FIRST_LOGICAL_NUMBER;
  for (const container of extended) {
    for await (const logical of chainOf(media, container.record, container.bootRecordLbas)) {
      partitions.push({ number: number++, ...logical });
    }
  }
  return { sectorSize, sectors: Math.floor(media.size / sectorSize), partitions, extended };
}

/** The logical partitions of one extended partition; adds the boot records to `visited`. */
async function* chainOf(
  media: BlockSource,
  container: PlacedRecord,
  visited: number[],
): AsyncGenerator<Omit<EditablePartition, "number">> {
  const base = startOfRecord(container);
  let lba = base;
  let link: PlacedRecord | undefined;
  while (true) {
    const offset = lba * media.sectorSize;
    const isInside = lba >= base && lba < endOfRecord(container);
    if (!isInside || visited.includes(lba) || visited.length === MAX_BOOT_RECORDS) {
      throw brokenChain(offset, "it leads somewhere else, or in a circle");
    }
    visited.push(lba);
    const bytes = await readBytes(media, offset, BOOT_RECORD_BYTES);
    const isBlank = bytes.length > 0 && bytes.every((byte) => byte === 0);
    // In an extended partition that was never used there may be nothing at all.
    if (isBlank && link === undefined) return;
    const records = placedRecords(
      bytes,
      parseMbrSector(bytes, offset).PartitionRecord,
      offset,
      lba,
    ).filter(({ record }) => isUsed(record));
    const data = records.filter(({ record }) => !isExtended(record));
    const links = records.filter(({ record }) => isExtended(record))
      // Links count from the beginning of the extended partition.
      .map((record) => ({ ...record, base }));
    if (data.length > 1 || links.length > 1) {
      throw brokenChain(offset, "it has more than one record of a kind");
    }
    const chain = { bootRecordLba: lba, link };
    for (const record of data) yield { record, chain };
    link = links[0];
    if (link === undefined) return;
    lba = startOfRecord(link);
  }
}

function brokenChain(offset: number, why: string): FormatError {
  return new FormatError(
    `the chain of logical partitions is damaged at byte ${offset}: ${why}`,
    offset,
    "StartingLBA",
  );
}
