/**
 * `read --allocated` and `--used`: an image that does not hold all of the source. Whatever
 * is not understood with certainty is copied whole, and said so.
 */
import { createHash } from "node:crypto";
import { PatchedSource } from "../../blocks/patched.ts";
import { SelectedSource } from "../../blocks/selected.ts";
import { SliceSource } from "../../blocks/slice.ts";
import { GONE } from "../../copy/read_policy.ts";
import type { BlockSource } from "../../core/block.ts";
import { FormatError, ImagingError, ReadError } from "../../core/errors.ts";
import {
  gapsBetween,
  intersection,
  mergeRanges,
  type Range,
  totalLength,
} from "../../core/range.ts";
import { printable } from "../../core/text.ts";
import { formatBytes } from "../../core/units.ts";
import type { Location } from "../../devices/device.ts";
import type { FileSystemIdentity } from "../../filesystems/file_system.ts";
import { type VolumeUse, volumeUse } from "../../filesystems/identify_file_system.ts";
import type { SelectionFacts, VolumeFacts } from "../../report/manifest.ts";
import { sizeText } from "../../report/rate_text.ts";
import { allocatedEnd, shortenedGpt } from "../../volumes/table_edits.ts";
import { type CommandContext, firstSet, type Invocation, isSet } from "../command.ts";
import { type DiskContent, readDiskContent } from "../media/disk_content.ts";
import { fileSystemText } from "../media/file_system_text.ts";
import type { ContentSelection } from "./selection_options.ts";

/**
 * What `--allocated` and `--used` say of a source; `name` is the one that was given.
 *
 * @throws {ImagingError} `usage` where the source does not allow it.
 */
export async function contentSelection(
  name: string,
  invocation: Invocation,
  context: CommandContext,
  source: BlockSource,
  location: Location | undefined,
): Promise<ContentSelection> {
  checkSource(invocation, source, name);
  context.phase(`looking at what is on ${source.name}`);
  const content = await readDiskContent(source);
  const used = isSet(invocation, "used")
    ? await usedOf({ context, source, location }, content)
    : undefined;
  const selected = used === undefined ? source : new SelectedSource(source, used.ranges);
  const cut = isSet(invocation, "allocated")
    ? await cutBehindPartitions(selected, content)
    : { source: selected, dataBytes: source.size, gptBackup: null };
  const skipped = gapsBetween(
    { offset: 0, length: cut.dataBytes },
    used?.ranges ?? [{ offset: 0, length: source.size }],
  );
  const facts: SelectionFacts = {
    allocatedOnly: isSet(invocation, "allocated"),
    usedOnly: used !== undefined,
    sourceBytes: source.size,
    contentBytes: cut.source.size,
    skippedBytes: totalLength(skipped),
    gptBackupOffsetBytes: cut.gptBackup,
    volumes: used?.volumes ?? [],
  };
  return {
    source: cut.source,
    facts,
    key: keyOf([facts, used?.ranges]),
    lines: selectionLines(facts),
  };
}

/** As `usedRanges` of selection_options.ts. */
export async function rangesInUse(
  context: CommandContext,
  source: BlockSource,
  location: Location | undefined,
): Promise<readonly Range[]> {
  if (source.sequential) return [{ offset: 0, length: Infinity }];
  context.phase(`looking at what is on ${source.name}`);
  const content = await readDiskContent(source);
  return (await usedOf({ context, source, location }, content)).ranges;
}

/** The same for the same selection. */
function keyOf(selection: unknown): string {
  return createHash("sha256").update(JSON.stringify(selection)).digest("hex").slice(0, 16);
}

function checkSource(invocation: Invocation, source: BlockSource, name: string): void {
  const other = firstSet(invocation, ["offset", "length", "domain"]);
  if (other !== undefined) {
    throw new ImagingError("usage", `cannot use --${name} together with --${other}`, {
      hint: "leave out one of them",
    });
  }
  if (!source.sequential && Number.isFinite(source.size)) return;
  throw new ImagingError("usage", `cannot use --${name}: ${source.name} is a stream`, {
    hint: "what is used can only be told of a disk, or of an image that is read in any order",
  });
}

/** What is left of a source that is cut behind its last partition. */
interface CutSource {
  readonly source: BlockSource;
  /** Bytes up to the end of the last partition. */
  readonly dataBytes: number;
  /** Where the backup of the GPT was, if it is elsewhere now. */
  readonly gptBackup: number | null;
}

async function cutBehindPartitions(
  source: BlockSource,
  { table, isDamaged, isUnreadable }: DiskContent,
): Promise<CutSource> {
  const dataBytes = isDamaged || isUnreadable ? undefined : await allocatedEnd(source, table);
  if (dataBytes === undefined) {
    throw new ImagingError(
      "usage",
      `cannot use --allocated: ${source.name} has no partition table that can be read`,
      { hint: "leave it out: then all of it is copied" },
    );
  }
  const { size, patches } = await shortenedGpt(source, table);
  const [backup] = table.scheme === "gpt"
    ? mergeRanges(table.metadata.filter(({ offset }) => offset >= dataBytes))
    : [];
  return {
    source: new PatchedSource(source, patches, size),
    dataBytes,
    gptBackup: backup?.offset ?? null,
  };
}

/** What is used of a source. */
interface UsedContent {
  /** Bytes of the source: ascending, joined. */
  readonly ranges: readonly Range[];
  readonly volumes: readonly VolumeFacts[];
}

/** What is looked at. */
interface LookedAt {
  readonly context: CommandContext;
  readonly source: BlockSource;
  /** Where the source is; undefined where nobody knows. */
  readonly location: Location | undefined;
}

/** Everything but what file systems call unused, up to the end of the last partition. */
async function usedOf(disk: LookedAt, content: DiskContent): Promise<UsedContent> {
  const { source } = disk;
  const { table, partitions, fileSystem } = content;
  const whole = { offset: 0, length: source.size };
  const { end, reason } = await partitionedPart(source, content);
  if (reason !== undefined) {
    return { ranges: [whole], volumes: [volumeFacts(null, fileSystem, whole, { reason })] };
  }
  if (end === undefined) {
    const use = await useOf(disk, whole);
    return {
      ranges: use.used ?? [whole],
      volumes: [volumeFacts(null, fileSystem, whole, use)],
    };
  }
  const volumes: VolumeFacts[] = [];
  const ranges: Range[] = [...table.metadata];
  const places: Range[] = [];
  for (const { partition, fileSystem } of partitions) {
    // What an extended partition holds are the logical ones, and gaps.
    if (partition.kind === "extended") continue;
    const place = intersection({ offset: partition.start, length: partition.length }, whole);
    if (place === undefined) continue;
    const use = await useOf(disk, place);
    places.push(place);
    ranges.push(...(use.used ?? [{ offset: 0, length: place.length }]).map((range) => ({
      offset: place.offset + range.offset,
      length: range.length,
    })));
    volumes.push(volumeFacts(partition.number, fileSystem, place, use));
  }
  ranges.push(...gapsBetween({ offset: 0, length: end }, places));
  return { ranges: mergeRanges(ranges), volumes };
}

/**
 * Where the last partition ends, undefined where there are none; or why nothing on the disk
 * can be told for certain.
 */
async function partitionedPart(
  source: BlockSource,
  { table, fileSystem, isDamaged, isUnreadable }: DiskContent,
): Promise<{ readonly end?: number | undefined; readonly reason?: string }> {
  if (isDamaged) return { reason: "the partition table cannot be understood" };
  if (isUnreadable) return { reason: "places that tell what is on it cannot be read" };
  if (table.scheme === "none") return {};
  if (fileSystem !== undefined) {
    return { reason: `it has partitions, and is ${fileSystem.title} as a whole, too` };
  }
  try {
    const end = await allocatedEnd(source, table);
    return end === undefined ? { reason: "its partition table is empty" } : { end };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { reason: error.message };
  }
}

async function useOf(
  { context, source, location }: LookedAt,
  place: Range,
): Promise<VolumeUse> {
  if (context.signal.aborted) throw new ImagingError("cancelled", "cancelled");
  const where = mountPoint(location, place);
  if (where !== undefined) return { reason: `it is mounted at ${where}: unmount it first` };
  try {
    return await volumeUse(new SliceSource(source, place));
  } catch (error) {
    if (!(error instanceof ReadError) || GONE.includes(error.osCode)) throw error;
    return { reason: `its structures cannot be read: ${error.message}` };
  }
}

/** Where something that touches this part of a device is mounted: it may change any time. */
function mountPoint(location: Location | undefined, place: Range): string | undefined {
  if (location?.kind !== "device") return undefined;
  const { disk, partition } = location;
  const offset = (partition?.start ?? 0) + place.offset;
  const touching = disk.partitions
    .filter(({ start, size }) =>
      intersection({ offset: start, length: size }, { offset, length: place.length }) !==
        undefined
    ).map(({ path }) => path);
  return disk.claims.find(({ kind, device }) =>
    kind === "mounted" && [disk.path, ...touching].includes(device)
  )?.where;
}

function volumeFacts(
  partition: number | null,
  fileSystem: FileSystemIdentity | undefined,
  place: Range,
  { used, reason }: VolumeUse,
): VolumeFacts {
  return {
    partition,
    fileSystem: fileSystem === undefined ? null : fileSystemText(fileSystem),
    sizeBytes: place.length,
    usedBytes: used === undefined ? place.length : totalLength(used),
    wholeBecause: reason ?? null,
  };
}

/** What was left out, in words. */
function selectionLines(facts: SelectionFacts): string[] {
  const { sourceBytes, contentBytes, skippedBytes, volumes } = facts;
  const lines: string[] = [];
  if (facts.usedOnly) {
    lines.push(
      `${
        sizeText(skippedBytes)
      } that no file system uses were left out: they are zeros in the ` +
        "image, and with them what was deleted",
      ...volumes.map(volumeLine),
    );
  }
  if (facts.allocatedOnly) {
    lines.push(
      contentBytes < sourceBytes
        ? `the image ends behind the last partition: ${formatBytes(contentBytes)} of ` +
          formatBytes(sourceBytes)
        : "the last partition reaches to the end: nothing was cut off",
    );
  }
  return lines;
}

function volumeLine({
  partition,
  fileSystem,
  sizeBytes,
  usedBytes,
  wholeBecause,
}: VolumeFacts): string {
  const name = partition === null ? "the disk" : `partition ${partition}`;
  const title = fileSystem === null ? name : `${name} (${printable(fileSystem)})`;
  return wholeBecause === null
    ? `  ${title}: ${formatBytes(usedBytes)} of ${formatBytes(sizeBytes)}`
    : `  ${title}: copied whole: ${wholeBecause}`;
}
