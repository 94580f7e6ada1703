/** UEFI 2.10, section 5.3, https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html */
import type { Patch } from "../blocks/patched.ts";
import type { BlockSource, Bytes } from "../core/block.ts";
import { viewOf } from "../core/bytes.ts";
import { type Finding, FormatError, ImagingError } from "../core/errors.ts";
import { gapsBetween, intersection, mergeRanges, type Range } from "../core/range.ts";
import { formatBytes } from "../core/units.ts";
import {
  arraySectors,
  type EditableGpt,
  endOfContents,
  gptContents,
  loadGpt,
  MIN_ARRAY_BYTES,
} from "./gpt_edit_load.ts";
import { entryArrayChecksum, type GptEntry, headerChecksum } from "./gpt_header.ts";
import { protectivePatches } from "./mbr_edit_protective.ts";
import { finishedPatches, growthText, partitionText, type TableEdit } from "./table_edit.ts";

// The fields of a header that change; see gpt_header.ts for all of it.
const HEADER_CRC32 = 16;
const MY_LBA = 24;
const ALTERNATE_LBA = 32;
const LAST_USABLE_LBA = 48;
const PARTITION_ENTRY_LBA = 72;
const PARTITION_ENTRY_ARRAY_CRC32 = 88;

/** Within an entry. */
const ENDING_LBA = 40;

const PRIMARY_LBA = 1;

/** Partitions that grow end on multiples of this. */
const ALIGNMENT_BYTES = 1024 * 1024;

/** Where everything is on a disk of a certain size. Numbers count sectors. */
interface Layout {
  /** The header of the backup, in the last sector. */
  readonly backupLba: number;
  /** Its entries, right before it. */
  readonly backupEntryLba: number;
  readonly lastUsableLba: number;
}

/**
 * The byte behind the last partition, also of those that only a hybrid MBR names, and
 * behind the primary entries.
 *
 * @throws {FormatError} when it cannot be told with certainty what the table says.
 */
export async function endOfGptPartitions(media: BlockSource): Promise<number> {
  return endOfUse(await loadGpt(media));
}

function endOfUse(gpt: EditableGpt): number {
  const behindEntries = gpt.primaryEntryLba + arraySectors(gpt);
  return Math.max(endOfContents(gpt), behindEntries) * gpt.sectorSize;
}

/**
 * Cuts a disk behind its last partition, with room for the backup.
 *
 * @throws {FormatError} when the table is not sound.
 */
export async function cutGpt(media: BlockSource): Promise<TableEdit> {
  const gpt = await loadGpt(media);
  const { sectorSize, entries } = gpt;
  const unit = Math.max(sectorSize, media.sectorSize);
  const wanted = endOfUse(gpt) + (reservedSectors(gpt) + 1) * sectorSize;
  const whole = Math.floor(media.size / sectorSize) * sectorSize;
  const size = Math.min(Math.ceil(wanted / unit) * unit, whole);
  const last = lastOf(entries);
  return {
    size,
    patches: await relocated(media, gpt, size),
    findings: [...gpt.findings, ...hybridFindings(gpt)],
    partition: last && { ...described(last, sectorSize), newBytes: bytesOf(last, sectorSize) },
    summary: last === undefined
      ? `the image has ${formatBytes(size)} of ${formatBytes(media.size)}`
      : `the image ends behind ${partitionText(described(last, sectorSize))}, with the ` +
        `backup GPT: ${formatBytes(size)} of ${formatBytes(media.size)}`,
  };
}

/**
 * Makes the GPT fit a disk of `diskBytes`: the backup at its end, all up to there usable.
 *
 * @throws {FormatError} when the table is not sound.
 * @throws {ImagingError} when its partitions do not fit the disk.
 */
export async function relocatedGpt(media: BlockSource, diskBytes: number): Promise<TableEdit> {
  const gpt = await loadGpt(media);
  const patches = await relocated(media, gpt, diskBytes);
  return {
    size: diskBytes,
    patches,
    findings: [...gpt.findings, ...hybridFindings(gpt)],
    partition: undefined,
    summary: patches.length === 0
      ? "the GPT fits the disk already"
      : `the GPT is made to fit a disk of ${
        formatBytes(diskBytes)
      }, with its backup at the end`,
  };
}

/**
 * Grows the partition that ends last, and makes the GPT fit the disk.
 *
 * @throws {FormatError} when the table is not sound.
 * @throws {ImagingError} when there is nothing to grow, or no room.
 */
export async function grownGpt(media: BlockSource, diskBytes: number): Promise<TableEdit> {
  const gpt = await loadGpt(media);
  const { sectorSize, entries, array, header } = gpt;
  const last = lastOf(entries);
  if (last === undefined) {
    throw new ImagingError("usage", "there is no partition in the table that could grow");
  }
  refuseNeighbours(gpt, last);
  const { lastUsableLba } = layoutOn(gpt, diskBytes);
  const unit = Math.max(1, ALIGNMENT_BYTES / sectorSize);
  const EndingLBA = Math.floor((lastUsableLba + 1) / unit) * unit - 1;
  const grown = { ...last, EndingLBA };
  const before = described(last, sectorSize);
  if (EndingLBA <= last.EndingLBA) {
    throw new ImagingError(
      "usage",
      `${partitionText(before)} cannot grow: there is no room behind it`,
    );
  }
  const changed = array.slice();
  const place = last.index * header.SizeOfPartitionEntry + ENDING_LBA;
  viewOf(changed).setBigUint64(place, BigInt(EndingLBA), true);
  const partition = { ...before, newBytes: bytesOf(grown, sectorSize) };
  return {
    size: diskBytes,
    patches: await relocated(media, gpt, diskBytes, changed),
    findings: gpt.findings,
    partition,
    summary: growthText(partition),
  };
}

function lastOf(entries: readonly GptEntry[]): GptEntry | undefined {
  return entries.toSorted((a, b) => b.EndingLBA - a.EndingLBA)[0];
}

function bytesOf({ StartingLBA, EndingLBA }: GptEntry, sectorSize: number): number {
  return (EndingLBA - StartingLBA + 1) * sectorSize;
}

function described(
  entry: GptEntry,
  sectorSize: number,
): { number: number; name: string | undefined; oldBytes: number } {
  const name = entry.PartitionName === "" ? undefined : entry.PartitionName;
  return { number: entry.index + 1, name, oldBytes: bytesOf(entry, sectorSize) };
}

function refuseNeighbours(
  { mbr, entries, header, sectorSize }: EditableGpt,
  last: GptEntry,
): void {
  if (mbr.others.length > 0) {
    throw new ImagingError(
      "usage",
      "the MBR is a hybrid: a partition that grows would differ from what it says",
    );
  }
  if (entries.some((other) => other !== last && other.EndingLBA >= last.StartingLBA)) {
    throw new FormatError(
      `partition ${last.index + 1} ends last, but another one overlaps it`,
      header.PartitionEntryLBA * sectorSize,
      "EndingLBA",
    );
  }
}

function hybridFindings({ mbr }: EditableGpt): Finding[] {
  if (mbr.others.length === 0) return [];
  return [{
    level: "note",
    message: "the MBR is a hybrid: the partitions that it names stay as they are",
  }];
}

/**
 * Sectors that are kept free for the entries of the backup: as many as the specification
 * wants, but no more than there were where somebody was content with less.
 */
function reservedSectors(gpt: EditableGpt): number {
  const { header: { MyLBA, AlternateLBA, LastUsableLBA }, sectorSize } = gpt;
  const before = Math.max(MyLBA, AlternateLBA) - 1 - LastUsableLBA;
  const wanted = Math.min(before, Math.ceil(MIN_ARRAY_BYTES / sectorSize));
  return Math.max(arraySectors(gpt), wanted);
}

function layoutOn(gpt: EditableGpt, diskBytes: number): Layout {
  const { sectorSize, header } = gpt;
  const backupLba = Math.floor(diskBytes / sectorSize) - 1;
  const backupEntryLba = backupLba - arraySectors(gpt);
  const end = endOfContents(gpt);
  // A partition that lies where few entries left room has the older right.
  const reserved = backupLba - reservedSectors(gpt) >= end
    ? reservedSectors(gpt)
    : arraySectors(gpt);
  const lastUsableLba = backupLba - reserved - 1;
  if (lastUsableLba + 1 < end || lastUsableLba < header.FirstUsableLBA) {
    const needed = (Math.max(end, header.FirstUsableLBA + 1) + arraySectors(gpt) + 1) *
      sectorSize;
    throw new ImagingError(
      "environment",
      `the partitions and the GPT need ${formatBytes(needed)}, but the disk has ` +
        formatBytes(diskBytes),
    );
  }
  return { backupLba, backupEntryLba, lastUsableLba };
}

/** Everything that differs on a disk of that size, with other entries if there are any. */
async function relocated(
  media: BlockSource,
  gpt: EditableGpt,
  diskBytes: number,
  array: Bytes = gpt.array,
): Promise<Patch[]> {
  const { sectorSize, primaryEntryLba } = gpt;
  const layout = layoutOn(gpt, diskBytes);
  const patches = [
    ...protectivePatches(gpt.mbr, layout.backupLba + 1, oldSectorCounts(media, gpt)),
    primaryHeader(gpt, layout, array),
    { offset: primaryEntryLba * sectorSize, bytes: array },
    backupCopy(gpt, layout, array),
  ];
  patches.push(...wipedBackups(gpt, diskBytes, patches));
  return await finishedPatches(media, patches, diskBytes, gptContents(gpt));
}

/** How many sectors the disk may have had when its MBR was made. */
function oldSectorCounts(media: BlockSource, { header, sectorSize }: EditableGpt): number[] {
  const shown = Math.floor(media.size / sectorSize);
  const stated = Math.max(header.MyLBA, header.AlternateLBA) + 1;
  // Of a packed image there may be no more to see than its beginning.
  return shown > header.LastUsableLBA ? [stated, shown] : [stated];
}

function primaryHeader(gpt: EditableGpt, layout: Layout, array: Bytes): Patch {
  const header = headerFor(gpt, layout, array, {
    MyLBA: PRIMARY_LBA,
    AlternateLBA: layout.backupLba,
    PartitionEntryLBA: gpt.primaryEntryLba,
  });
  // Of a lost one nothing in its sector means anything.
  const bytes = gpt.primaryIsSound ? header : inSectors(header, gpt.sectorSize);
  return { offset: PRIMARY_LBA * gpt.sectorSize, bytes };
}

/** Entries and header, up to the end of the disk. */
function backupCopy(gpt: EditableGpt, layout: Layout, array: Bytes): Patch {
  const { sectorSize } = gpt;
  const header = headerFor(gpt, layout, array, {
    MyLBA: layout.backupLba,
    AlternateLBA: PRIMARY_LBA,
    PartitionEntryLBA: layout.backupEntryLba,
  });
  const bytes = new Uint8Array((arraySectors(gpt) + 1) * sectorSize);
  bytes.set(array);
  bytes.set(header, arraySectors(gpt) * sectorSize);
  return { offset: layout.backupEntryLba * sectorSize, bytes };
}

function headerFor(
  { headerBytes, header }: EditableGpt,
  layout: Layout,
  array: Bytes,
  place: { MyLBA: number; AlternateLBA: number; PartitionEntryLBA: number },
): Bytes {
  const bytes = headerBytes.slice();
  const view = viewOf(bytes);
  view.setBigUint64(MY_LBA, BigInt(place.MyLBA), true);
  view.setBigUint64(ALTERNATE_LBA, BigInt(place.AlternateLBA), true);
  view.setBigUint64(LAST_USABLE_LBA, BigInt(layout.lastUsableLba), true);
  view.setBigUint64(PARTITION_ENTRY_LBA, BigInt(place.PartitionEntryLBA), true);
  view.setUint32(PARTITION_ENTRY_ARRAY_CRC32, entryArrayChecksum(array, header), true);
  view.setUint32(HEADER_CRC32, headerChecksum(bytes, bytes.length), true);
  return bytes;
}

function inSectors(bytes: Bytes, sectorSize: number): Bytes {
  const sectors = new Uint8Array(Math.ceil(bytes.length / sectorSize) * sectorSize);
  sectors.set(bytes);
  return sectors;
}

/** Zeros over a backup that would be left beside the new one. */
function wipedBackups(gpt: EditableGpt, diskBytes: number, patches: readonly Patch[]): Patch[] {
  const { sectorSize, oldBackups } = gpt;
  const taken: Range[] = [
    { offset: 0, length: (PRIMARY_LBA + 1) * sectorSize },
    ...gptContents(gpt),
    ...patches.map(({ offset, bytes }) => ({ offset, length: bytes.length })),
  ];
  const disk = { offset: 0, length: Math.floor(diskBytes / sectorSize) * sectorSize };
  return mergeRanges(oldBackups)
    .map((range) => intersection(range, disk))
    .filter((range) => range !== undefined)
    .flatMap((range) => gapsBetween(range, taken))
    .map(({ offset, length }) => ({ offset, bytes: new Uint8Array(length) }));
}
