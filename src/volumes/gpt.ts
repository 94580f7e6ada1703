/** UEFI 2.10, section 5.3, https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { readBytes } from "../core/bytes.ts";
import { type Finding, FormatError } from "../core/errors.ts";
import type { Range } from "../core/range.ts";
import { formatBytes, plural } from "../core/units.ts";
import {
  entryArrayChecksum,
  type GptEntry,
  type GptHeader,
  hasGptSignature,
  parseGptEntries,
  parseGptHeader,
} from "./gpt_header.ts";
import {
  GPT_PROTECTIVE,
  hasBootSignature,
  isProtective,
  isUsed,
  parseMbrSector,
} from "./mbr_sector.ts";
import { type Partition, type PartitionTable, placementFindings } from "./partition_table.ts";
import { gptAttributeNames, gptTypeName, isLegacyBootable } from "./partition_types.ts";
import type { VolumeScheme } from "./volume_scheme.ts";

const PRIMARY_LBA = 1;

/** The GUID partition table, with its backup at the end of the disk. */
export const gpt: VolumeScheme = {
  id: "gpt",
  title: "GPT",
  probe,
  probeElsewhere,
  read,
};

function probe(input: ProbeInput): ProbeScore {
  const { head } = input;
  const hasHeader = sectorSizes(input.sectorSize).some((size) => hasGptSignature(head, size));
  const sector = hasBootSignature(head) ? parseMbrSector(head) : undefined;
  if (sector !== undefined && isProtective(sector)) return hasHeader ? "exact" : "maybe";
  // Beside an MBR with partitions of its own, systems ignore a GPT.
  const isIgnored = sector?.PartitionRecord.some(isUsed) ?? false;
  return hasHeader && !isIgnored ? "maybe" : "no";
}

async function probeElsewhere(media: BlockSource): Promise<ProbeScore> {
  const backup = await findIntactBackup(media, sectorSizes(media.sectorSize));
  return backup === undefined ? "no" : "exact";
}

/** One of the two headers, with the entries to which it leads. */
export interface GptCopy {
  readonly lba: number;
  readonly sectorSize: number;
  /** Is there a signature at all? */
  readonly present: boolean;
  /** Set when the checksum of the header is right. */
  readonly header: GptHeader | undefined;
  /** Set when they could be read; their checksum may be wrong. */
  readonly entries: readonly GptEntry[] | undefined;
  /** What is wrong, in words; undefined when nothing is. */
  readonly problem: string | undefined;
}

async function read(media: BlockSource): Promise<PartitionTable> {
  const findings: Finding[] = [];
  const warn = (message: string): void => void findings.push({ level: "warning", message });

  const primary = await findPrimary(media);
  const backup = await findBackup(media, primary);
  const copies = [primary, backup].filter((copy) => copy !== undefined);
  const used = copies.find((copy) => copy.problem === undefined) ??
    copies.find((copy) => copy.entries !== undefined);
  if (used?.header === undefined || used.entries === undefined) {
    throw new FormatError(
      "neither the primary nor the backup GPT can be used " +
        `(primary: ${primary.problem}; backup: ${backup?.problem ?? "missing"})`,
      primary.sectorSize,
      "Signature",
    );
  }
  const { sectorSize, header } = used;

  if (sectorSize !== media.sectorSize) {
    warn(
      `the GPT was made for sectors of ${formatBytes(sectorSize)}, but this disk has ` +
        `sectors of ${formatBytes(media.sectorSize)}: systems will not find its partitions`,
    );
  }
  if (primary.problem !== undefined) {
    const instead = used === backup ? "; the backup is used" : "";
    warn(`the primary GPT cannot be trusted: ${primary.problem}${instead}`);
  }
  for (const message of backupFindings(media, primary, backup)) warn(message);
  findings.push(...await protectiveMbrFindings(media, sectorSize, used.entries));

  const { partitions, findings: entryFindings } = partitionsOf(
    used.entries,
    header,
    sectorSize,
  );
  const metadata = metadataOf(copies, media.size);
  findings.push(...entryFindings, ...placementFindings(partitions, metadata, media.size));
  return {
    scheme: "gpt",
    title: "GPT",
    sectorSize,
    diskGuid: header.DiskGUID,
    diskSignature: undefined,
    partitions,
    metadata,
    findings,
  };
}

/** The disk's own sector size first, then the two that are in use. */
function sectorSizes(own: number): number[] {
  return [...new Set([own, 512, 4096])];
}

/** The best copy in the second sector, for whatever sector size; it may be damaged. */
export async function findPrimary(media: BlockSource): Promise<GptCopy> {
  let best = await readCopy(media, media.sectorSize, PRIMARY_LBA);
  for (const sectorSize of sectorSizes(media.sectorSize).slice(1)) {
    const copy = await readCopy(media, sectorSize, PRIMARY_LBA);
    if (usability(copy) > usability(best)) best = copy;
  }
  return best;
}

function usability(copy: GptCopy): number {
  if (copy.problem === undefined) return 3;
  if (copy.entries !== undefined) return 2;
  return copy.present ? 1 : 0;
}

/**
 * The backup: where an intact primary header says, else in the last sector, else
 * undefined.
 */
export async function findBackup(
  media: BlockSource,
  primary: GptCopy,
): Promise<GptCopy | undefined> {
  const last = lastLba(media, primary.sectorSize);
  const stated = primary.header?.AlternateLBA;
  for (const lba of new Set([stated ?? last, last])) {
    if (lba <= PRIMARY_LBA || lba > last) continue;
    const copy = await readCopy(media, primary.sectorSize, lba);
    if (!copy.present) continue;
    const isForeign = primary.header !== undefined && copy.header !== undefined &&
      copy.header.DiskGUID !== primary.header.DiskGUID;
    if (!isForeign) return copy;
    const problem = "it is the backup of another GPT";
    return { ...copy, header: undefined, entries: undefined, problem };
  }
  if (primary.header !== undefined) return undefined;
  return await findIntactBackup(media, sectorSizes(media.sectorSize));
}

async function findIntactBackup(
  media: BlockSource,
  sizes: readonly number[],
): Promise<GptCopy | undefined> {
  for (const sectorSize of sizes) {
    const lba = lastLba(media, sectorSize);
    if (lba <= PRIMARY_LBA) continue;
    const copy = await readCopy(media, sectorSize, lba);
    if (copy.problem === undefined) return copy;
  }
  return undefined;
}

/** -1 for a stream, whose end is not known. */
function lastLba(media: BlockSource, sectorSize: number): number {
  return Number.isFinite(media.size) ? Math.floor(media.size / sectorSize) - 1 : -1;
}

async function readCopy(media: BlockSource, sectorSize: number, lba: number): Promise<GptCopy> {
  const place = { lba, sectorSize };
  const nothing = { header: undefined, entries: undefined };
  const sector = await readBytes(media, lba * sectorSize, sectorSize);
  if (!hasGptSignature(sector)) {
    return { ...place, ...nothing, present: false, problem: "its header is missing" };
  }
  let header: GptHeader | undefined;
  try {
    header = parseGptHeader(sector, lba * sectorSize);
    if (header.MyLBA !== lba) {
      const problem = `its header says that it belongs in sector ${header.MyLBA}`;
      return { ...place, ...nothing, present: true, problem };
    }
    const { NumberOfPartitionEntries, SizeOfPartitionEntry } = header;
    const length = NumberOfPartitionEntries * SizeOfPartitionEntry;
    const offset = header.PartitionEntryLBA * sectorSize;
    const bytes = await readBytes(media, offset, length);
    const entries = parseGptEntries(bytes, header, offset);
    const sound = entryArrayChecksum(bytes, header) === header.PartitionEntryArrayCRC32;
    const problem = sound ? undefined : "the checksum of its partition entries is wrong";
    return { ...place, present: true, header, entries, problem };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { ...place, present: true, header, entries: undefined, problem: error.message };
  }
}

/** What is odd about the backup, each as a message. */
function backupFindings(
  media: BlockSource,
  primary: GptCopy,
  backup: GptCopy | undefined,
): string[] {
  const messages: string[] = [];
  const last = lastLba(media, primary.sectorSize);
  if (backup === undefined) {
    messages.push("the backup GPT is missing at the end of the disk");
    const missing = ((primary.header?.AlternateLBA ?? last) - last) * primary.sectorSize;
    if (missing > 0) {
      messages.push(
        `the disk is ${formatBytes(missing)} smaller than the one that the GPT was made for`,
      );
    }
    return messages;
  }
  const gap = (lastLba(media, backup.sectorSize) - backup.lba) * backup.sectorSize;
  if (gap > 0) {
    messages.push(
      `the backup GPT is not at the end of the disk, but ${formatBytes(gap)} before it`,
    );
  }
  if (backup.problem !== undefined) {
    messages.push(`the backup GPT cannot be trusted: ${backup.problem}`);
  } else if (primary.problem === undefined && !isSameTable(primary, backup)) {
    messages.push("the primary and the backup GPT differ; the primary is used");
  }
  if (
    primary.header !== undefined && primary.sectorSize === backup.sectorSize &&
    primary.header.AlternateLBA !== backup.lba
  ) {
    messages.push(
      "the primary GPT expects its backup in sector " +
        `${primary.header.AlternateLBA}, but it is in sector ${backup.lba}`,
    );
  }
  return messages;
}

function isSameTable(a: GptCopy, b: GptCopy): boolean {
  return a.header?.PartitionEntryArrayCRC32 === b.header?.PartitionEntryArrayCRC32 &&
    a.header?.FirstUsableLBA === b.header?.FirstUsableLBA &&
    a.header?.LastUsableLBA === b.header?.LastUsableLBA;
}

/** Checks the MBR as section 5.2.3 wants it: one record, from sector 1 to the end. */
async function protectiveMbrFindings(
  media: BlockSource,
  sectorSize: number,
  entries: readonly GptEntry[],
): Promise<Finding[]> {
  const bytes = await readBytes(media, 0, media.sectorSize);
  const sector = hasBootSignature(bytes) ? parseMbrSector(bytes) : undefined;
  if (sector === undefined || !isProtective(sector)) {
    const message = "the protective MBR is missing: many systems will not see this GPT";
    return [{ level: "warning", message }];
  }
  const findings: Finding[] = [];
  const others = sector.PartitionRecord.filter((record) =>
    isUsed(record) && record.OSType !== GPT_PROTECTIVE
  );
  if (others.length > 0) {
    const message = `the MBR is a hybrid: it names ${plural(others.length, "partition")} ` +
      "for systems that do not know GPT";
    findings.push({ level: "note", message });
    const strays = others.filter((record) =>
      !entries.some((entry) =>
        entry.StartingLBA === record.StartingLBA &&
        entry.EndingLBA - entry.StartingLBA + 1 === record.SizeInLBA
      )
    );
    if (strays.length > 0) {
      const message = `${plural(strays.length, "partition")} of the hybrid MBR ` +
        `${strays.length === 1 ? "is" : "are"} not in the GPT`;
      findings.push({ level: "warning", message });
    }
    return findings;
  }
  const record = sector.PartitionRecord.find(({ OSType }) => OSType === GPT_PROTECTIVE);
  if (record !== undefined && record.StartingLBA !== PRIMARY_LBA) {
    const message = `the protective MBR begins at sector ${record.StartingLBA} instead of 1`;
    findings.push({ level: "warning", message });
  }
  const covered = lastLba(media, sectorSize);
  // Some tools always write the largest number; the specification asks for it on
  // disks where the true one does not fit.
  const whole = record?.SizeInLBA === 0xffffffff || record?.SizeInLBA === covered;
  if (record !== undefined && !whole && covered > 0) {
    const message = "the protective MBR does not end with the disk: it covers " +
      `${plural(record.SizeInLBA, "sector")} instead of ${plural(covered, "sector")}`;
    findings.push({ level: "note", message });
  }
  return findings;
}

function partitionsOf(
  entries: readonly GptEntry[],
  header: GptHeader,
  sectorSize: number,
): Pick<PartitionTable, "partitions" | "findings"> {
  const partitions: Partition[] = [];
  const findings: Finding[] = [];
  const owners = new Map<string, number>();
  for (const entry of entries) {
    const number = entry.index + 1;
    const warn = (message: string): void =>
      void findings.push({ level: "warning", message: `partition ${number} ${message}` });
    if (entry.EndingLBA < entry.StartingLBA) {
      warn("ends before it begins, and is left out");
      continue;
    }
    if (
      entry.StartingLBA < header.FirstUsableLBA || entry.EndingLBA > header.LastUsableLBA
    ) {
      warn("does not lie within the sectors that the GPT declares usable");
    }
    const twin = owners.get(entry.UniquePartitionGUID);
    if (twin !== undefined) warn(`has the same GUID as partition ${twin}`);
    else owners.set(entry.UniquePartitionGUID, number);
    partitions.push({
      number,
      kind: "primary",
      start: entry.StartingLBA * sectorSize,
      length: (entry.EndingLBA - entry.StartingLBA + 1) * sectorSize,
      typeId: entry.PartitionTypeGUID,
      typeName: gptTypeName(entry.PartitionTypeGUID),
      name: entry.PartitionName === "" ? undefined : entry.PartitionName,
      guid: entry.UniquePartitionGUID,
      attributes: entry.Attributes.toString(16).padStart(16, "0"),
      attributeNames: gptAttributeNames(entry.Attributes, entry.PartitionTypeGUID),
      bootable: isLegacyBootable(entry.Attributes),
    });
  }
  return { partitions, findings };
}

/** The MBR, and both headers with their entries, as far as they are on the disk. */
function metadataOf(copies: readonly GptCopy[], diskSize: number): Range[] {
  const ranges: Range[] = [];
  for (const { lba, sectorSize, header } of copies) {
    if (ranges.length === 0) ranges.push({ offset: 0, length: sectorSize });
    if (header === undefined) continue;
    const entryBytes = header.NumberOfPartitionEntries * header.SizeOfPartitionEntry;
    ranges.push({ offset: lba * sectorSize, length: sectorSize });
    ranges.push({
      offset: header.PartitionEntryLBA * sectorSize,
      length: Math.ceil(entryBytes / sectorSize) * sectorSize,
    });
  }
  return ranges.filter(({ offset, length }) => length > 0 && offset + length <= diskSize);
}
