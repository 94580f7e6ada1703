/**
 * Changes to partition tables, for disks that are copied in part or onto others. Nothing is
 * written here: each function reads, and answers what would have to be written.
 */
import type { BlockSource } from "../core/block.ts";
import { ImagingError } from "../core/errors.ts";
import { formatBytes } from "../core/units.ts";
import { cutGpt, endOfGptPartitions, grownGpt, relocatedGpt } from "./gpt_edit.ts";
import { endOfMbrPartitions, grownMbr } from "./mbr_edit.ts";
import type { Partition, PartitionTable } from "./partition_table.ts";
import { readPartitionTable } from "./read_partition_table.ts";
import { partitionText, type TableEdit } from "./table_edit.ts";

export { type ResizedPartition, sectorPatches, type TableEdit } from "./table_edit.ts";

/**
 * The byte behind the last partition (an extended one counts with all its room) and the
 * table before it, at most the size of `media`. Undefined where there are no partitions,
 * or the scheme is not known well enough.
 *
 * @throws {FormatError} when the table is damaged: there may be more than it says.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function allocatedEnd(
  media: BlockSource,
  table: PartitionTable,
): Promise<number | undefined> {
  if (table.partitions.length === 0) return undefined;
  if (table.scheme === "gpt") return Math.min(await endOfGptPartitions(media), media.size);
  if (table.scheme === "mbr") return Math.min(await endOfMbrPartitions(media), media.size);
  return undefined;
}

/**
 * Cuts a disk behind its last partition. A GPT gets its backup at the new end; an MBR needs
 * no change.
 *
 * @throws {FormatError} when the table is damaged.
 * @throws {ImagingError} when there are no partitions.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function shortenedGpt(
  media: BlockSource,
  table: PartitionTable,
): Promise<TableEdit> {
  const end = await allocatedEnd(media, table);
  if (end === undefined) throw noPartitions(media);
  if (table.scheme === "gpt") return await cutGpt(media);
  const size = Math.min(Math.ceil(end / media.sectorSize) * media.sectorSize, media.size);
  const last = table.partitions.reduce((a, b) => endOfPartition(b) > endOfPartition(a) ? b : a);
  const { number, name, length } = last;
  return {
    size,
    patches: [],
    findings: [],
    partition: { number, name, oldBytes: length, newBytes: length },
    summary: `the image ends behind ${partitionText(last)}: ${formatBytes(size)} of ` +
      formatBytes(media.size),
  };
}

/**
 * Makes the GPT of an image fit the disk of `diskBytes` that it is written to, or that of a
 * disk fit itself. One sound copy of the GPT is enough; the other one is made anew. A
 * hybrid MBR keeps its partitions.
 *
 * Of a packed image its beginning is enough: a medium that shows the first MiB.
 *
 * @throws {FormatError} when the table is damaged, or it is not certain what it says.
 * @throws {ImagingError} when there is no GPT, or its partitions do not fit the disk.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function movedGpt(media: BlockSource, diskBytes: number): Promise<TableEdit> {
  const { scheme } = await readPartitionTable(media);
  if (scheme !== "gpt") throw new ImagingError("usage", `there is no GPT on ${media.name}`);
  return await relocatedGpt(media, diskBytes);
}

/**
 * Grows the partition that ends last up to the end of a disk of `diskBytes`. A GPT is made
 * to fit the disk, too, as by {@linkcode movedGpt}. The file system in the partition stays
 * as it is.
 *
 * @throws {FormatError} when the table is damaged, or partitions overlap.
 * @throws {ImagingError} when there is nothing to grow, or no room.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function grownLastPartition(
  media: BlockSource,
  diskBytes: number,
): Promise<TableEdit> {
  const { scheme } = await readPartitionTable(media);
  if (scheme === "gpt") return await grownGpt(media, diskBytes);
  if (scheme === "mbr") return await grownMbr(media, diskBytes);
  throw noPartitions(media);
}

function noPartitions({ name }: BlockSource): ImagingError {
  return new ImagingError("usage", `there are no partitions on ${name}`);
}

function endOfPartition({ start, length }: Partition): number {
  return start + length;
}
