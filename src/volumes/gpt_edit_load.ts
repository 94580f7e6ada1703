/** UEFI 2.10, section 5.3, https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html */
import { Buffer } from "node:buffer";
import type { BlockSource, Bytes } from "../core/block.ts";
import { guidText, readBytes } from "../core/bytes.ts";
import { type Finding, FormatError } from "../core/errors.ts";
import type { Range } from "../core/range.ts";
import { findBackup, findPrimary, type GptCopy } from "./gpt.ts";
import { type GptEntry, type GptHeader, hasGptSignature } from "./gpt_header.ts";
import { hybridRanges, loadProtectiveMbr, type ProtectiveMbr } from "./mbr_edit_protective.ts";

/** The only revision there is. */
const REVISION = 0x00010000;
const PRIMARY_LBA = 1;

/** Bytes that must be reserved for the entries, however few they are (section 5.3.1). */
export const MIN_ARRAY_BYTES = 16384;

/** A GPT of which at least one copy is sound. Numbers count sectors. */
export interface EditableGpt {
  readonly sectorSize: number;
  /** The header that counts: the primary one where it is sound. */
  readonly header: GptHeader;
  /** Its HeaderSize bytes. */
  readonly headerBytes: Bytes;
  /** All entries, used or not. */
  readonly array: Bytes;
  /** The used ones. */
  readonly entries: readonly GptEntry[];
  readonly primaryIsSound: boolean;
  /** Where the primary entries lie, or belong. */
  readonly primaryEntryLba: number;
  /** Where backups may be left behind: header, and entries before it; bytes. */
  readonly oldBackups: readonly Range[];
  readonly mbr: ProtectiveMbr;
  readonly findings: readonly Finding[];
}

/** Sectors of the partition entry array. */
export function arraySectors({ array, sectorSize }: EditableGpt): number {
  return Math.ceil(array.length / sectorSize);
}

/** What partitions hold, those of a hybrid MBR included; bytes. */
export function gptContents({ entries, sectorSize, mbr }: EditableGpt): Range[] {
  const ranges = entries.map(({ StartingLBA, EndingLBA }) => ({
    offset: StartingLBA * sectorSize,
    length: (EndingLBA - StartingLBA + 1) * sectorSize,
  }));
  return [...ranges, ...hybridRanges(mbr, sectorSize)];
}

/** The sector behind the last one of a partition; 0 where there is none. */
export function endOfContents(gpt: EditableGpt): number {
  const ends = gptContents(gpt).map(({ offset, length }) => (offset + length) / gpt.sectorSize);
  return Math.max(0, ...ends);
}

/**
 * Reads a GPT to change it. Where `readPartitionTable` tells of an oddity and goes on, this
 * refuses. Of a medium that shows only its beginning, an intact primary GPT is enough.
 *
 * @throws {FormatError} when it cannot be told with certainty what the table says.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function loadGpt(media: BlockSource): Promise<EditableGpt> {
  const primary = await findPrimary(media);
  const backup = await findBackup(media, primary);
  const used = [primary, backup].find((copy) => copy?.problem === undefined && copy?.header);
  if (used?.header === undefined || used.entries === undefined) {
    throw new FormatError(
      `neither copy of the GPT is sound (primary: ${primary.problem}; ` +
        `backup: ${backup?.problem ?? "missing"})`,
      primary.sectorSize,
      "Signature",
    );
  }
  const { header, entries, sectorSize, lba } = used;
  checkHeader(used, header);
  checkEntries(entries, header, sectorSize);
  const findings = differenceFindings(primary, backup);
  const { HeaderSize, PartitionEntryLBA } = header;
  const array = await readBytes(media, PartitionEntryLBA * sectorSize, arrayBytes(header));
  const primaryIsSound = used === primary;
  const primaryEntryLba = primaryIsSound
    ? PartitionEntryLBA
    : await placeOfPrimaryEntries(media, primary, used, array);
  checkPrimaryEntries(primaryEntryLba, array, header, sectorSize);
  return {
    sectorSize,
    header,
    headerBytes: (await readBytes(media, lba * sectorSize, HeaderSize)).slice(),
    array: array.slice(),
    entries,
    primaryIsSound,
    primaryEntryLba,
    oldBackups: await oldBackups(media, used, backup, array),
    mbr: await loadProtectiveMbr(media),
    findings,
  };
}

function arrayBytes(header: GptHeader): number {
  return header.NumberOfPartitionEntries * header.SizeOfPartitionEntry;
}

function checkHeader({ lba, sectorSize }: GptCopy, header: GptHeader): void {
  const fail = (field: keyof GptHeader): FormatError =>
    new FormatError(
      `the GPT cannot be changed: its ${field} is ${header[field]}`,
      lba * sectorSize,
      field,
    );
  if (header.Revision !== REVISION) throw fail("Revision");
  if (header.NumberOfPartitionEntries === 0) throw fail("NumberOfPartitionEntries");
  if (lba !== PRIMARY_LBA && header.AlternateLBA !== PRIMARY_LBA) throw fail("AlternateLBA");
}

function checkEntries(
  entries: readonly GptEntry[],
  header: GptHeader,
  sectorSize: number,
): void {
  const wrong = entries.find((entry) =>
    entry.EndingLBA < entry.StartingLBA || entry.StartingLBA < header.FirstUsableLBA
  );
  if (wrong === undefined) return;
  throw new FormatError(
    `partition ${
      wrong.index + 1
    } ends before it begins, or begins before the first usable sector`,
    header.PartitionEntryLBA * sectorSize,
    "StartingLBA",
  );
}

/** Where partitions may lie there can be no entries. */
function checkPrimaryEntries(
  lba: number,
  array: Bytes,
  { FirstUsableLBA }: GptHeader,
  sectorSize: number,
): void {
  const end = lba + Math.ceil(array.length / sectorSize);
  if (lba > PRIMARY_LBA && end <= FirstUsableLBA) return;
  throw new FormatError(
    `the GPT cannot be changed: its primary entries lie in sectors ${lba} to ${end - 1}, but ` +
      `partitions may begin at sector ${FirstUsableLBA}`,
    PRIMARY_LBA * sectorSize,
    "PartitionEntryLBA",
  );
}

/** Two copies that are both sound should say the same. */
function differenceFindings(primary: GptCopy, backup: GptCopy | undefined): Finding[] {
  if (primary.problem !== undefined || backup?.problem !== undefined) return [];
  if (primary.header === undefined || backup?.header === undefined) return [];
  const isSame =
    primary.header.PartitionEntryArrayCRC32 === backup.header.PartitionEntryArrayCRC32 &&
    primary.header.FirstUsableLBA === backup.header.FirstUsableLBA;
  if (isSame) return [];
  if (primary.header.AlternateLBA === backup.lba) {
    throw new FormatError(
      "the primary and the backup GPT differ: it cannot be told which one is right",
      backup.lba * backup.sectorSize,
      "PartitionEntryArrayCRC32",
      { hint: "repair the partition table first, with gdisk for example" },
    );
  }
  return [{
    level: "note",
    message: `the GPT in sector ${backup.lba} is left from another time: it is given up`,
  }];
}

/** Where the primary entries belong when the primary GPT is lost. */
async function placeOfPrimaryEntries(
  media: BlockSource,
  primary: GptCopy,
  { header, sectorSize }: GptCopy,
  array: Bytes,
): Promise<number> {
  // Its header can be intact, and say so.
  if (
    primary.header !== undefined && primary.header.DiskGUID === header?.DiskGUID &&
    primary.sectorSize === sectorSize
  ) return primary.header.PartitionEntryLBA;
  const place = PRIMARY_LBA + 1;
  const first = header?.FirstUsableLBA ?? 0;
  const sectors = Math.ceil(array.length / sectorSize);
  const reserved = Math.max(sectors, Math.ceil(MIN_ARRAY_BYTES / sectorSize));
  if (first === place + sectors || first === place + reserved) return place;
  // On some boards a boot loader lies there, and the entries lie behind it.
  const present = await readBytes(media, place * sectorSize, array.length);
  const isBlank = present.every((byte) => byte === 0);
  const isTheirs = isBlank || Buffer.compare(present, array) === 0;
  if (isTheirs && place + sectors <= first) return place;
  throw new FormatError(
    "it cannot be told where the entries of the primary GPT belong: something else lies in " +
      `sector ${place}`,
    place * sectorSize,
    "PartitionEntryLBA",
  );
}

/** Where a backup of this GPT lies, with its entries if they are right before it. */
async function oldBackups(
  media: BlockSource,
  used: GptCopy,
  backup: GptCopy | undefined,
  array: Bytes,
): Promise<Range[]> {
  const { header, sectorSize } = used;
  const found = [unseenBackup(media, used, array)].filter((range) => range !== undefined);
  if (backup === undefined || backup.sectorSize !== sectorSize) return found;
  const offset = backup.lba * sectorSize;
  const bytes = await readBytes(media, offset, sectorSize);
  const isOurs = hasGptSignature(bytes) &&
    guidText(bytes.subarray(56, 72)) === header?.DiskGUID;
  if (!isOurs) return found;
  const first = (backup.lba - Math.ceil(array.length / sectorSize)) * sectorSize;
  const before = await readBytes(media, Math.max(0, first), array.length);
  const start = Buffer.compare(before, array) === 0 ? first : offset;
  return [...found, { offset: start, length: offset - start + sectorSize }];
}

/** The backup that there must be behind the end of `media`, if that is a beginning only. */
function unseenBackup(
  media: BlockSource,
  { header, lba, sectorSize }: GptCopy,
  array: Bytes,
): Range | undefined {
  if (header === undefined || lba !== PRIMARY_LBA) return undefined;
  const { AlternateLBA, LastUsableLBA } = header;
  const first = AlternateLBA - Math.ceil(array.length / sectorSize);
  if (AlternateLBA * sectorSize < media.size || first <= LastUsableLBA) return undefined;
  return { offset: first * sectorSize, length: (AlternateLBA - first + 1) * sectorSize };
}
