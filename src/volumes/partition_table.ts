/** Partitions as all schemes describe them, and what can be wrong with any. */
import type { Finding } from "../core/errors.ts";
import { endOf, gapsBetween, type Range } from "../core/range.ts";
import { formatBytes } from "../core/units.ts";

/** One entry of a partition table. */
export interface Partition {
  /** As Linux counts: 5 for /dev/sda5. */
  readonly number: number;
  /** `extended` is a container of `logical` ones; GPT has only `primary`. */
  readonly kind: "primary" | "extended" | "logical";
  /** Bytes from the start of the disk. */
  readonly start: number;
  /** Bytes. */
  readonly length: number;
  /** "0x83" (MBR) or a GUID in upper case (GPT). */
  readonly typeId: string;
  /** "Linux root (x86-64)"; "unknown" where no name is known. */
  readonly typeName: string;
  /** The label in the table itself; GPT only. Undefined when empty. */
  readonly name: string | undefined;
  /** GUID of this very partition in upper case; GPT only. */
  readonly guid: string | undefined;
  /** The 64 attribute bits as 16 hexadecimal digits; GPT only. */
  readonly attributes: string | undefined;
  /** The bits that are set, in words. */
  readonly attributeNames: readonly string[];
  /** MBR: the active flag. GPT: the legacy BIOS bootable attribute. */
  readonly bootable: boolean;
}

/** How a disk is divided. */
export interface PartitionTable {
  /** Identifier of the scheme ("mbr", "gpt"), or "none" for an undivided disk. */
  readonly scheme: string;
  /** For people: "GPT". */
  readonly title: string;
  /** Bytes of the sectors in which the table counts; may differ from the disk's. */
  readonly sectorSize: number;
  /** GPT: the GUID of the disk, upper case. */
  readonly diskGuid: string | undefined;
  /** MBR: the disk signature, "0x1234abcd". */
  readonly diskSignature: string | undefined;
  /** In the order of their numbers. */
  readonly partitions: readonly Partition[];
  /** Where the table itself lies, with all its parts and copies that were found. */
  readonly metadata: readonly Range[];
  readonly findings: readonly Finding[];
}

/**
 * The parts of the disk that belong to no partition and hold no part of the
 * table, in bytes and ascending. Free room in an extended partition counts.
 */
export function gaps(table: PartitionTable, diskSize: number): Range[] {
  return gapsBetween({ offset: 0, length: diskSize }, [
    ...table.metadata,
    ...table.partitions.filter((partition) => partition.kind !== "extended").map(rangeOf),
  ]);
}

/** Where a partition lies on its disk. */
export function rangeOf(partition: Partition): Range {
  return { offset: partition.start, length: partition.length };
}

/**
 * What is wrong with the places of partitions, whatever the scheme: past the end
 * of the disk, or overlapping each other or the table.
 */
export function placementFindings(
  partitions: readonly Partition[],
  metadata: readonly Range[],
  diskSize: number,
): Finding[] {
  const findings: Finding[] = [];
  for (const { number, kind, start, length } of partitions) {
    const end = start + length;
    const subject = `partition ${number}`;
    if (start >= diskSize) {
      findings.push({
        level: "warning",
        message: `${subject} starts ${distance(start - diskSize)}past the end of the disk`,
      });
    } else if (end > diskSize) {
      findings.push({
        level: "warning",
        message: `${subject} ends ${distance(end - diskSize)}past the end of the disk`,
      });
    }
    const covered = kind === "extended"
      ? undefined
      : metadata.find((range) => range.offset < end && endOf(range) > start);
    if (covered !== undefined) {
      findings.push({
        level: "warning",
        message: `${subject} covers a part of the partition table at byte ${covered.offset}`,
      });
    }
  }
  findings.push(...overlapFindings(partitions.filter(({ kind }) => kind !== "logical")));
  findings.push(...overlapFindings(partitions.filter(({ kind }) => kind !== "extended")));
  // Pairs of primary partitions are in both lists.
  return [...new Map(findings.map((finding) => [finding.message, finding])).values()];
}

function distance(bytes: number): string {
  return bytes === 0 ? "" : `${formatBytes(bytes)} `;
}

/** One finding for each partition that begins inside one that begins earlier. */
function overlapFindings(partitions: readonly Partition[]): Finding[] {
  const findings: Finding[] = [];
  let widest: Partition | undefined;
  for (const partition of partitions.toSorted((a, b) => a.start - b.start)) {
    if (widest !== undefined && partition.start < endOf(rangeOf(widest))) {
      const [low, high] = [widest, partition].toSorted((a, b) => a.number - b.number);
      findings.push({
        level: "warning",
        message: `partitions ${low?.number} and ${high?.number} overlap`,
      });
    }
    if (widest === undefined || endOf(rangeOf(partition)) > endOf(rangeOf(widest))) {
      widest = partition;
    }
  }
  return findings;
}
