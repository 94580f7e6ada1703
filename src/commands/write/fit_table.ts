/**
 * `write --fix-gpt` and `--expand`: the partition table is fitted to the disk after the image
 * was written and proved, and before the first block is there, so before any system sees it.
 */
import type { FirstBlockLastSink } from "../../blocks/first_block_last.ts";
import { type Patch, PatchedSource } from "../../blocks/patched.ts";
import type { BlockSource } from "../../core/block.ts";
import { readBytes } from "../../core/bytes.ts";
import type { Finding } from "../../core/errors.ts";
import { type Range, totalLength } from "../../core/range.ts";
import type { DeviceSink } from "../../devices/device.ts";
import type { RangeList } from "../../report/ranges_text.ts";
import { grownLastPartition, movedGpt, sectorPatches } from "../../volumes/table_edits.ts";
import { readPartitionTable } from "../../volumes/read_partition_table.ts";
import { type Invocation, isSet, type OptionSpec } from "../command.ts";

/** What to do with the table. */
export type TableFit = "fix-gpt" | "expand";

/** For verbs that write disks. */
export const FIT_OPTIONS: readonly OptionSpec[] = [
  { name: "fix-gpt", help: "move the backup of the GPT to the end of TARGET" },
  { name: "expand", help: "let the last partition grow to the end of TARGET (table only)" },
];

/** The option that was given; growing moves the backup, too. */
export function fitOption(invocation: Invocation): TableFit | undefined {
  if (isSet(invocation, "expand")) return "expand";
  return isSet(invocation, "fix-gpt") ? "fix-gpt" : undefined;
}

/** What was done. */
export interface FittedTable {
  /** In words. */
  readonly summary: string;
  readonly findings: readonly Finding[];
  /** Where the target does not hold what was to change. */
  readonly differing: RangeList;
}

/**
 * Fits the table that was written, of which the beginning is still held back.
 *
 * @param before told which places will be changed
 * @throws {ImagingError} when there is nothing that could be done; the disk has no first
 * block then.
 */
export async function fitTable(
  fit: TableFit,
  { held, sink }: { readonly held: FirstBlockLastSink; readonly sink: DeviceSink },
  verify: boolean,
  before?: (ranges: readonly Range[]) => Promise<void>,
): Promise<FittedTable> {
  await held.flush();
  await using device = await sink.reread();
  const media = new PatchedSource(device, [{ offset: 0, bytes: held.heldBack }]);
  const edit = fit === "expand"
    ? await grownLastPartition(media, sink.size)
    : await movedGpt(media, sink.size);
  const patches = await sectorPatches(media, edit.patches, sink.sectorSize);
  await before?.(patches.map(({ offset, bytes }) => ({ offset, length: bytes.length })));
  for (const { offset, bytes } of patches) await held.patch(offset, bytes);
  await held.flush();
  const { summary, findings } = edit;
  const differing = verify ? await missing(media.size, device, held, patches) : [];
  return { summary, findings, differing: { ranges: differing, bytes: totalLength(differing) } };
}

/** The patches that the device does not show, but for what is held back. */
async function missing(
  size: number,
  device: BlockSource,
  held: FirstBlockLastSink,
  patches: readonly Patch[],
): Promise<Range[]> {
  const differing: Range[] = [];
  const shown = new PatchedSource(device, [{ offset: 0, bytes: held.heldBack }], size);
  for (const { offset, bytes } of patches) {
    const found = await readBytes(shown, offset, bytes.length);
    const isThere = found.length === bytes.length &&
      found.every((byte, index) => byte === bytes[index]);
    if (!isThere) differing.push({ offset, length: bytes.length });
  }
  return differing;
}

/** A note for an image whose GPT does not reach to the end of the disk that it went to. */
export async function gptNote(
  image: BlockSource,
  targetBytes: number,
): Promise<Finding | undefined> {
  if (image.sequential || targetBytes <= image.size) return undefined;
  const { scheme } = await readPartitionTable(image);
  if (scheme !== "gpt") return undefined;
  return {
    level: "note",
    message: "the disk is larger than the image, so the backup of its GPT is not at the end: " +
      "--fix-gpt moves it there, --expand also grows the last partition",
  };
}
