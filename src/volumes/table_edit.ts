/** What all changes to partition tables have in common. */
import { Buffer } from "node:buffer";
import { type Patch, PatchedSource } from "../blocks/patched.ts";
import type { BlockSource } from "../core/block.ts";
import { readBytes } from "../core/bytes.ts";
import { type Finding, FormatError } from "../core/errors.ts";
import { endOf, intersection, mergeRanges, type Range } from "../core/range.ts";
import { formatBytes } from "../core/units.ts";

/** Code that the firmware runs lies before this byte of the first sector. */
const BOOT_CODE: Range = { offset: 0, length: 440 };

/** The partition that a change is about. */
export interface ResizedPartition {
  /** As Linux counts. */
  readonly number: number;
  /** The label in the table itself. */
  readonly name: string | undefined;
  readonly oldBytes: number;
  readonly newBytes: number;
}

/** What must be written to a medium so that its partition table fits another size. */
export interface TableEdit {
  /** Bytes of the medium for which the table is right then. */
  readonly size: number;
  /**
   * Ascending, apart from each other and within `size`. Only what is not there already:
   * none when nothing needs to change.
   */
  readonly patches: readonly Patch[];
  readonly findings: readonly Finding[];
  /** The one that grows, or the last one of a shortened disk; there may be none. */
  readonly partition: ResizedPartition | undefined;
  /** What happens, in plain words, without a full stop. */
  readonly summary: string;
}

/** "partition 2", "partition 2 (root)" */
export function partitionText(
  { number, name }: { number: number; name?: string | undefined },
): string {
  return name === undefined ? `partition ${number}` : `partition ${number} (${name})`;
}

/** "partition 2 (root) grows from 2 GiB to 29.7 GiB" */
export function growthText(partition: ResizedPartition): string {
  const { oldBytes, newBytes } = partition;
  return `${partitionText(partition)} grows from ${formatBytes(oldBytes)} ` +
    `to ${formatBytes(newBytes)}`;
}

/**
 * Puts the patches in order and leaves out those that change nothing.
 *
 * @throws {FormatError} when one of them would reach into boot code or what is kept, into
 * another one, or past the end: the table contradicts itself.
 */
export async function finishedPatches(
  media: BlockSource,
  patches: readonly Patch[],
  size: number,
  kept: readonly Range[],
): Promise<Patch[]> {
  const sorted = patches.toSorted((a, b) => a.offset - b.offset);
  let end = 0;
  for (const { offset, bytes } of sorted) {
    const range = { offset, length: bytes.length };
    const isKept = [BOOT_CODE, ...kept].some((each) => intersection(each, range) !== undefined);
    if (isKept || offset < end || endOf(range) > size) {
      throw new FormatError(
        `the partition table cannot be changed: its part at byte ${offset} would overwrite ` +
          "something else, or lie past the end of the disk",
        offset,
        "StartingLBA",
      );
    }
    end = endOf(range);
  }
  const changing: Patch[] = [];
  for (const patch of sorted) if (!await isThere(media, patch)) changing.push(patch);
  return changing;
}

/**
 * The same change in whole sectors, as disks take it: around the patches is what `media`
 * holds, which must show all of the medium; zeros behind its end.
 *
 * @throws {ReadError} when the medium does not deliver.
 */
export async function sectorPatches(
  media: BlockSource,
  patches: readonly Patch[],
  sectorBytes: number,
): Promise<Patch[]> {
  const ranges = mergeRanges(patches.map(({ offset, bytes }) => {
    const first = Math.floor(offset / sectorBytes) * sectorBytes;
    const end = Math.ceil((offset + bytes.length) / sectorBytes) * sectorBytes;
    return { offset: first, length: end - first };
  }));
  const end = Math.max(media.size, ...ranges.map(endOf));
  const shown = new PatchedSource(media, patches, end);
  return await Promise.all(ranges.map(async ({ offset, length }) => ({
    offset,
    bytes: await readBytes(shown, offset, length),
  })));
}

async function isThere(media: BlockSource, { offset, bytes }: Patch): Promise<boolean> {
  if (offset + bytes.length > media.size) return false;
  const present = await readBytes(media, offset, bytes.length);
  return Buffer.compare(present, bytes) === 0;
}
