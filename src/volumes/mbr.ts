/** UEFI 2.10, section 5.2.1, https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { hasAscii, readBytes } from "../core/bytes.ts";
import type { Finding } from "../core/errors.ts";
import { endOf, type Range } from "../core/range.ts";
import {
  hasBootSignature,
  isExtended,
  isProtective,
  isUsed,
  isVolumeBootSector,
  parseMbrSector,
  type PartitionRecord,
} from "./mbr_sector.ts";
import { type Partition, type PartitionTable, placementFindings } from "./partition_table.ts";
import { mbrTypeName } from "./partition_types.ts";
import type { VolumeScheme } from "./volume_scheme.ts";

// Logical partitions are not in the UEFI specification. Systems agree on this
// (https://en.wikipedia.org/wiki/Extended_boot_record): an extended partition
// begins with an extended boot record, which has the layout of the MBR. One of its
// records is the logical partition, with StartingLBA counted from this boot
// record; another, of an extended type, leads to the next boot record and counts
// from the start of the whole extended partition.

/** More than any system shows; a longer chain is damage or malice. */
const MAX_LOGICAL_PARTITIONS = 256;
const FIRST_LOGICAL_NUMBER = 5;
const GPT_SIGNATURE = "EFI PART";

/** The partition table of the IBM PC, with extended and logical partitions. */
export const mbr: VolumeScheme = {
  id: "mbr",
  title: "MBR",
  probe,
  read,
};

function probe(input: ProbeInput): ProbeScore {
  if (input.head.length < 512 || !hasBootSignature(input.head)) return "no";
  const sector = parseMbrSector(input.head);
  const records = sector.PartitionRecord;
  if (records.some((record) => (record.BootIndicator & 0x7f) !== 0)) return "no";
  if (isProtective(sector)) return "no";
  const used = records.filter(isUsed);
  if (isVolumeBootSector(input.head)) {
    // Both can be true: a stick that was one FAT volume and got a table later may
    // keep the old parameter block. Only a table without any flaw is believed.
    return used.length > 0 && isFlawless(records, input) ? "maybe" : "no";
  }
  if (used.length === 0) return gptOffset(input) === undefined ? "maybe" : "no";
  return used.some((record) => record.StartingLBA * input.sectorSize < input.size)
    ? "exact"
    : "maybe";
}

/** Do all records lie on the disk, apart from each other and from the table? */
function isFlawless(records: readonly PartitionRecord[], input: ProbeInput): boolean {
  let end = 1;
  for (const record of records.toSorted((a, b) => a.StartingLBA - b.StartingLBA)) {
    if (!isUsed(record)) {
      if (record.OSType !== 0 || record.StartingLBA !== 0) return false;
      continue;
    }
    if (record.OSType === 0 || record.StartingLBA < end) return false;
    end = record.StartingLBA + record.SizeInLBA;
  }
  return end * input.sectorSize <= input.size;
}

/** Where a primary GPT header seems to be. */
function gptOffset(input: Pick<ProbeInput, "sectorSize" | "head">): number | undefined {
  return [input.sectorSize, 512, 4096].find((at) => hasAscii(input.head, at, GPT_SIGNATURE));
}

async function read(media: BlockSource): Promise<PartitionTable> {
  const { sectorSize } = media;
  const head = await readBytes(media, 0, 2 * Math.max(4096, sectorSize));
  const sector = parseMbrSector(head);
  const metadata: Range[] = [{ offset: 0, length: sectorSize }];
  const partitions: Partition[] = [];
  const findings: Finding[] = [];
  if (gptOffset({ head, sectorSize }) !== undefined && !isProtective(sector)) {
    findings.push({
      level: "warning",
      message: "the disk also holds a GPT, which systems ignore because the MBR names " +
        "partitions of its own",
    });
  }
  const containers: Range[] = [];
  for (const [index, record] of sector.PartitionRecord.entries()) {
    if (!isUsed(record)) continue;
    const extended = isExtended(record);
    const partition = partitionOf(
      record,
      index + 1,
      extended ? "extended" : "primary",
      0,
      sectorSize,
    );
    partitions.push(partition);
    if (extended) containers.push({ offset: partition.start, length: partition.length });
  }
  for (const container of containers) {
    const number = FIRST_LOGICAL_NUMBER +
      partitions.filter(({ kind }) => kind === "logical").length;
    const chain = await readChain(media, container, number);
    partitions.push(...chain.partitions);
    metadata.push(...chain.metadata);
    findings.push(...chain.findings);
  }
  const actives = sector.PartitionRecord.filter((record) => record.BootIndicator === 0x80);
  if (actives.length > 1) {
    findings.push({
      level: "note",
      message: `${actives.length} partitions are marked as active; a PC boots from one`,
    });
  }
  findings.push(...placementFindings(partitions, metadata, media.size));
  return {
    scheme: "mbr",
    title: "MBR",
    sectorSize,
    diskGuid: undefined,
    diskSignature: `0x${sector.UniqueMbrSignature.toString(16).padStart(8, "0")}`,
    partitions,
    metadata,
    findings,
  };
}

/** Follows the boot records of one extended partition. Never reads outside the disk. */
async function readChain(
  media: BlockSource,
  container: Range,
  firstNumber: number,
): Promise<Pick<PartitionTable, "partitions" | "metadata" | "findings">> {
  const { sectorSize } = media;
  const partitions: Partition[] = [];
  const metadata: Range[] = [];
  const findings: Finding[] = [];
  const broken = (why: string): void => {
    findings.push({
      level: "warning",
      message: `the chain of logical partitions ${why}; some may be missing`,
    });
  };
  const visited = new Set<number>();
  let at: number | undefined = container.offset;
  while (at !== undefined) {
    if (visited.has(at)) {
      broken(`returns to byte ${at}`);
      break;
    }
    if (visited.size === MAX_LOGICAL_PARTITIONS) {
      broken(`has more than ${MAX_LOGICAL_PARTITIONS} links`);
      break;
    }
    visited.add(at);
    if (at + sectorSize > media.size) {
      broken("leads past the end of the disk");
      break;
    }
    const bytes = await readBytes(media, at, sectorSize);
    if (!hasBootSignature(bytes)) {
      broken(`has no boot record at byte ${at}`);
      break;
    }
    metadata.push({ offset: at, length: sectorSize });
    const records: readonly PartitionRecord[] = parseMbrSector(bytes, at).PartitionRecord
      .filter(isUsed);
    const data = records.find((record) => !isExtended(record));
    if (data !== undefined) {
      const number = firstNumber + partitions.length;
      const partition = partitionOf(data, number, "logical", at, sectorSize);
      if (
        partition.start < container.offset ||
        partition.start + partition.length > endOf(container)
      ) {
        findings.push({
          level: "warning",
          message: `partition ${number} does not lie within its extended partition`,
        });
      }
      partitions.push(partition);
    }
    const next = records.find(isExtended);
    at = next === undefined ? undefined : container.offset + next.StartingLBA * sectorSize;
  }
  return { partitions, metadata, findings };
}

function partitionOf(
  record: PartitionRecord,
  number: number,
  kind: Partition["kind"],
  base: number,
  sectorSize: number,
): Partition {
  return {
    number,
    kind,
    start: base + record.StartingLBA * sectorSize,
    length: record.SizeInLBA * sectorSize,
    typeId: `0x${record.OSType.toString(16).padStart(2, "0")}`,
    typeName: mbrTypeName(record.OSType),
    name: undefined,
    guid: undefined,
    attributes: undefined,
    attributeNames: [],
    bootable: record.BootIndicator === 0x80,
  };
}
