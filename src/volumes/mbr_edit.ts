/** UEFI 2.10, section 5.2, https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html */
import type { Patch } from "../blocks/patched.ts";
import type { BlockSource } from "../core/block.ts";
import { type Finding, FormatError, ImagingError } from "../core/errors.ts";
import type { Range } from "../core/range.ts";
import { formatBytes } from "../core/units.ts";
import {
  type EditableMbr,
  type EditablePartition,
  endOfPartition,
  loadMbr,
  startOfPartition,
} from "./mbr_edit_load.ts";
import { endOfRecord, resizedRecord, startOfRecord } from "./mbr_edit_record.ts";
import { finishedPatches, growthText, type TableEdit } from "./table_edit.ts";

/** Sectors that an MBR can count: systems and programs agree on no more. */
const MAX_SECTORS = 0xffffffff;

/**
 * The byte behind all that an MBR speaks of, extended partitions and boot records included.
 *
 * @throws {FormatError} when the chain of logical partitions is broken: some may be unknown.
 */
export async function endOfMbrPartitions(media: BlockSource): Promise<number> {
  const { sectorSize, partitions, extended } = await loadMbr(media);
  const ends = [
    ...partitions.map(endOfPartition),
    ...extended.map(({ record }) => endOfRecord(record)),
  ];
  return Math.max(1, ...ends) * sectorSize;
}

/**
 * Grows the partition that ends last up to the end of a disk of `diskBytes`, with the
 * extended partition that it lies in. Its file system is left as it is.
 *
 * @throws {FormatError} when the table is not sound.
 * @throws {ImagingError} when there is nothing to grow, or no room.
 */
export async function grownMbr(media: BlockSource, diskBytes: number): Promise<TableEdit> {
  const mbr = await loadMbr(media);
  const { sectorSize } = mbr;
  const sectors = Math.floor(diskBytes / sectorSize);
  const last = lastPartition(mbr, sectors);
  const end = Math.min(sectors, MAX_SECTORS);
  const oldEnd = endOfPartition(last);
  if (end <= oldEnd) throw noRoom(last, sectors, sectorSize);
  const patches = last.chain === undefined
    ? [resizedRecord(last.record, end - startOfPartition(last))]
    : logicalPatches(mbr, last, end);
  const partition = {
    number: last.number,
    name: undefined,
    oldBytes: last.record.record.SizeInLBA * sectorSize,
    newBytes: (end - startOfPartition(last)) * sectorSize,
  };
  return {
    size: diskBytes,
    patches: await finishedPatches(media, patches, diskBytes, contents(mbr)),
    findings: limitFindings(sectors, sectorSize),
    partition,
    summary: growthText(partition),
  };
}

/** The partition that ends last, when nothing else can be in its way. */
function lastPartition(mbr: EditableMbr, sectors: number): EditablePartition {
  const { partitions, extended } = mbr;
  const last = partitions.toSorted((a, b) => endOfPartition(b) - endOfPartition(a))[0];
  if (last === undefined) {
    throw new ImagingError("usage", "there is no partition in the table that could grow");
  }
  const start = startOfPartition(last);
  const offset = last.record.offset;
  if (partitions.some((other) => other !== last && endOfPartition(other) > start)) {
    throw new FormatError(
      `partition ${last.number} ends last, but another one overlaps it`,
      offset,
      "SizeInLBA",
    );
  }
  const ends = [last.record, ...extended.map(({ record }) => record)].map(endOfRecord);
  if (Math.max(...ends) > sectors) {
    throw new ImagingError("environment", "the partitions end past the end of the disk");
  }
  for (const container of extended) {
    const isOwn = last.chain !== undefined &&
      container.bootRecordLbas.includes(last.chain.bootRecordLba);
    const isInside = isOwn && endOfPartition(last) <= endOfRecord(container.record) &&
      startOfPartition(last) >= startOfRecord(container.record);
    const isBehind = container.bootRecordLbas.some((lba) => lba >= start);
    if (isOwn ? !isInside || isBehind : endOfRecord(container.record) > start) {
      throw new FormatError(
        `partition ${last.number} ends last, but the extended partition ${container.number} ` +
          "is in its way",
        offset,
        "SizeInLBA",
      );
    }
  }
  return last;
}

/** The boot record of a logical partition, what leads to it, and the extended partition. */
function logicalPatches(
  { extended }: EditableMbr,
  { record, chain }: EditablePartition,
  end: number,
): Patch[] {
  const patches = [resizedRecord(record, end - startOfRecord(record))];
  if (chain?.link !== undefined) {
    patches.push(resizedRecord(chain.link, end - startOfRecord(chain.link)));
  }
  for (const container of extended) {
    if (chain === undefined || !container.bootRecordLbas.includes(chain.bootRecordLba)) {
      continue;
    }
    // An extended partition that reaches further than the limit stays as it is.
    const size = Math.max(
      end - startOfRecord(container.record),
      container.record.record.SizeInLBA,
    );
    patches.push(resizedRecord(container.record, size));
  }
  return patches;
}

function noRoom(
  { number }: EditablePartition,
  sectors: number,
  sectorSize: number,
): ImagingError {
  const why = sectors > MAX_SECTORS
    ? `an MBR can address ${formatBytes(MAX_SECTORS * sectorSize)}, and no more`
    : "there is no room behind it";
  return new ImagingError("usage", `partition ${number} cannot grow: ${why}`);
}

function limitFindings(sectors: number, sectorSize: number): Finding[] {
  if (sectors <= MAX_SECTORS) return [];
  const rest = formatBytes((sectors - MAX_SECTORS) * sectorSize);
  return [{
    level: "warning",
    message: `an MBR can address ${formatBytes(MAX_SECTORS * sectorSize)} only: the last ` +
      `${rest} of the disk stay unused`,
  }];
}

/** What partitions hold, in bytes. */
function contents({ sectorSize, partitions }: EditableMbr): Range[] {
  return partitions.map((partition) => ({
    offset: startOfPartition(partition) * sectorSize,
    length: partition.record.record.SizeInLBA * sectorSize,
  }));
}
