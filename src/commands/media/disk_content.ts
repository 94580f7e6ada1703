/** What is on a disk: its partition table, and what fills each partition. */
import { REFUSED } from "../../copy/read_policy.ts";
import { SalvagingSource } from "../../copy/salvaging_source.ts";
import { SliceSource } from "../../blocks/slice.ts";
import type { BlockSource } from "../../core/block.ts";
import { type Finding, FormatError, ImagingError, ReadError } from "../../core/errors.ts";
import { intersection, type Range, totalLength } from "../../core/range.ts";
import { formatBytes } from "../../core/units.ts";
import { printable } from "../../core/text.ts";
import type { FileSystemIdentity } from "../../filesystems/file_system.ts";
import { identifyFileSystem } from "../../filesystems/identify_file_system.ts";
import { gaps, type Partition, type PartitionTable } from "../../volumes/partition_table.ts";
import { readPartitionTable } from "../../volumes/read_partition_table.ts";
import { rangeLines } from "../../report/ranges_text.ts";
import type { CommandContext } from "../command.ts";
import { fileSystemText } from "./file_system_text.ts";

/** A partition and what fills it. */
export interface PartitionContent {
  readonly partition: Partition;
  /** Undefined when nothing was recognized. */
  readonly fileSystem: FileSystemIdentity | undefined;
}

/** What is on a disk. */
export interface DiskContent {
  readonly table: PartitionTable;
  readonly partitions: readonly PartitionContent[];
  /** What fills the whole disk, beside or instead of a partition table. */
  readonly fileSystem: FileSystemIdentity | undefined;
  /** Is the partition table beyond use? A finding says why. */
  readonly isDamaged: boolean;
  /** Could a place not be read that had to be looked at? A finding says which. */
  readonly isUnreadable: boolean;
  /** What no partition covers. */
  readonly gaps: readonly Range[];
  readonly findings: readonly Finding[];
}

/**
 * Looks at tables and signatures; some MiB are read, whatever the size of the disk. A
 * place that cannot be read is a finding.
 */
export async function readDiskContent(source: BlockSource): Promise<DiskContent> {
  const media = new SalvagingSource(source);
  const findings: Finding[] = [];
  let table: PartitionTable;
  let isDamaged = false;
  try {
    table = await readPartitionTable(media);
  } catch (error) {
    if (error instanceof ReadError && REFUSED.includes(error.osCode)) {
      return unknownContent(media, error);
    }
    if (!(error instanceof FormatError)) throw error;
    isDamaged = true;
    table = { ...NO_TABLE, sectorSize: media.sectorSize, findings: [finding(error)] };
  }
  findings.push(...table.findings);
  const identify = async (
    range: Range,
    what: string,
  ): Promise<FileSystemIdentity | undefined> => {
    const inside = intersection(range, { offset: 0, length: media.size });
    if (inside === undefined) return undefined;
    try {
      return await identifyFileSystem(new SliceSource(media, inside));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      findings.push(finding(error, `${what}: `));
      return undefined;
    }
  };
  const partitions: PartitionContent[] = [];
  for (const partition of table.partitions) {
    const range = { offset: partition.start, length: partition.length };
    const fileSystem = partition.kind === "extended"
      ? undefined
      : await identify(range, `partition ${partition.number}`);
    partitions.push({ partition, fileSystem });
  }
  const fileSystem = await identify({ offset: 0, length: media.size }, "the disk");
  const { bad } = media;
  for (const message of bad.length === 0 ? [] : unreadableLines(bad, media.sectorSize)) {
    findings.push({ level: "warning", message });
  }
  return {
    table,
    partitions,
    fileSystem,
    isDamaged,
    isUnreadable: bad.length > 0,
    gaps: isDamaged ? [] : gaps(table, media.size),
    findings,
  };
}

/** Of a device that lets nothing be read, its size and name are still worth showing. */
function unknownContent({ sectorSize }: BlockSource, { message }: ReadError): DiskContent {
  return {
    table: { ...NO_TABLE, scheme: "unknown", title: "unknown", sectorSize, findings: [] },
    partitions: [],
    fileSystem: undefined,
    isDamaged: false,
    isUnreadable: true,
    gaps: [],
    findings: [{ level: "warning", message }],
  };
}

function finding(error: FormatError, prefix = ""): Finding {
  return { level: "warning", message: prefix + error.message };
}

function unreadableLines(bad: readonly Range[], sectorSize: number): string[] {
  const list = { ranges: bad, bytes: totalLength(bad) };
  return rangeLines("unreadable, taken for zeros", list, sectorSize);
}

/** What stands for a table that cannot be read. */
const NO_TABLE: Omit<PartitionTable, "sectorSize" | "findings"> = {
  scheme: "damaged",
  title: "damaged",
  diskGuid: undefined,
  diskSignature: undefined,
  partitions: [],
  metadata: [],
};

/** What a person must recognize before a disk is overwritten, in some lines. */
export async function describeContent(
  context: CommandContext,
  path: string,
): Promise<string[]> {
  try {
    await using media = await context.backend.openSource(path);
    const { table, partitions, fileSystem } = await readDiskContent(media);
    if (table.scheme === "none") {
      return [fileSystem === undefined ? "no partition table" : fileSystemText(fileSystem)];
    }
    return [
      `${table.title} partition table`,
      ...partitions.map(({ partition, fileSystem }) => {
        const { number, length, name, typeName } = partition;
        const content = fileSystem === undefined ? typeName : fileSystemText(fileSystem);
        const label = name === undefined ? "" : `, named "${printable(name)}"`;
        return `${number}: ${formatBytes(length)}, ${content}${label}`;
      }),
    ];
  } catch (error) {
    if (!(error instanceof ImagingError)) throw error;
    return [`what is on it cannot be told: ${error.message}`];
  }
}
