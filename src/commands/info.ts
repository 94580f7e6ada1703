import { MemorySource } from "../blocks/memory.ts";
import { PatchedSource } from "../blocks/patched.ts";
import type { BlockSource } from "../core/block.ts";
import { type Range, totalLength } from "../core/range.ts";
import { formatBytes, formatCount } from "../core/units.ts";
import { printable } from "../core/text.ts";
import type { DeviceInfo } from "../devices/device.ts";
import type { FileSystemIdentity } from "../filesystems/file_system.ts";
import { rangeLines, rangesJson } from "../report/ranges_text.ts";
import { sizeText } from "../report/rate_text.ts";
import { tableLines } from "../report/table_text.ts";
import {
  type Command,
  type CommandContext,
  type CommandResult,
  type Invocation,
  positional,
} from "./command.ts";
import type { DiskContent, PartitionContent } from "./media/disk_content.ts";
import { fileSystemText } from "./media/file_system_text.ts";
import { type OpenedMedium, openMedium } from "./media/open_medium.ts";

export const info: Command = {
  name: "info",
  aliases: [],
  usage: "SOURCE",
  summary: "geometry, partitions and file systems of a device or image",
  details: [
    "Shows size and sectors, the partition table (MBR with logical partitions, GPT with " +
    "both copies checked), what each partition holds, the gaps between them, and what is " +
    "odd about all that. Of a container also what it says of itself: case, examiner, " +
    "digests, unreadable sectors.",
  ],
  examples: ["sectorshot info /dev/sdb", "sectorshot info card.img --json"],
  options: [],
  positionals: { min: 1, max: 1 },
  run,
};

async function run(invocation: Invocation, context: CommandContext): Promise<CommandResult> {
  const path = positional(invocation, 0);
  await using medium = await openMedium(context, path);
  // Loaded when it is needed: most verbs never look into a disk.
  const { readDiskContent } = await import("./media/disk_content.ts");
  const shown = await shownSource(medium);
  const content = await readDiskContent(shown);
  if (shown === medium.source) {
    for (const finding of content.findings) {
      context.note(finding);
    }
  } else {context.note({
      level: "note",
      message: `${path} is packed: only its beginning is shown`,
    });}
  return {
    outcome: shown !== medium.source
      ? "done"
      : content.isUnreadable
      ? "unreadable"
      : content.isDamaged
      ? "mismatch"
      : "done",
    text: contentLines(path, medium, content),
    json: contentJson(path, medium, content),
  };
}

/** Larger than any disk: where the end of a stream is not known. */
const ENDLESS_BYTES = 2 ** 50;

/**
 * What is looked at. A packed stream is shown by its first MiB, which has the partition
 * table; the rest reads as zeros.
 */
async function shownSource({ source, image }: OpenedMedium): Promise<BlockSource> {
  if (source.sequential !== true || image?.head === undefined) return source;
  const head = new MemorySource(source.name, image.head);
  if (Number.isFinite(source.size)) return new PatchedSource(head, [], source.size);
  const { readPartitionTable } = await import("../volumes/read_partition_table.ts");
  const { partitions } = await readPartitionTable(new PatchedSource(head, [], ENDLESS_BYTES));
  const end = partitions.reduce((last, { start, length }) => Math.max(last, start + length), 0);
  return new PatchedSource(head, [], Math.max(end, image.head.length));
}

function physicalSectorSize({ source, location }: OpenedMedium): number {
  return location?.kind === "device" ? location.disk.physicalSectorSize : source.sectorSize;
}

/** What a disk says of itself. */
export function diskLine({ model, serial, firmware, bus }: DeviceInfo): string {
  const words = [
    printable(model ?? "unknown model"),
    `serial ${printable(serial ?? "unknown")}`,
    ...(firmware === undefined ? [] : [`firmware ${printable(firmware)}`]),
    bus,
  ];
  return `disk: ${words.join(", ")}`;
}

function contentLines(path: string, medium: OpenedMedium, content: DiskContent): string[] {
  const { source } = medium;
  const { table, partitions, fileSystem } = content;
  const sectors = Math.floor(source.size / source.sectorSize);
  const rest = source.size % source.sectorSize;
  const size = Number.isFinite(source.size)
    ? `${sizeText(source.size)}, ${formatCount(sectors)} sectors` +
      (rest === 0 ? "" : ` and ${rest} bytes`)
    : "its size is known only when it is unpacked";
  const lines = [
    `${path}: ${size}`,
    `sector size: ${source.sectorSize} logical, ${physicalSectorSize(medium)} physical`,
  ];
  if (medium.location?.kind === "device") {
    lines.push(diskLine(medium.location.disk));
  }
  lines.push(...imageLines(medium));
  if (fileSystem !== undefined) lines.push(`content: ${fileSystemText(fileSystem)}`);
  lines.push(`partition table: ${table.title}`);
  if (table.diskGuid !== undefined) lines.push(`disk GUID: ${table.diskGuid}`);
  if (table.diskSignature !== undefined) lines.push(`disk signature: ${table.diskSignature}`);
  if (table.sectorSize !== source.sectorSize) {
    lines.push(`the table counts in sectors of ${table.sectorSize} bytes`);
  }
  if (partitions.length > 0) lines.push("", ...partitionTable(content));
  return lines;
}

/** What an image tells beside its content. */
function imageLines({ source, image }: OpenedMedium): string[] {
  if (image === undefined) return [];
  const { metadata, digests = [], unreadable = [] } = image;
  const lines = metadata.map(([name, value]) => `${printable(name)}: ${printable(value)}`);
  for (const { algorithm, hex } of digests) lines.push(`kept ${algorithm}: ${hex}`);
  if (unreadable.length > 0) {
    const list = { ranges: unreadable, bytes: totalLength(unreadable) };
    lines.push(...rangeLines("unreadable when it was made", list, source.sectorSize));
  }
  return lines;
}

function imageJson({ image }: OpenedMedium): unknown {
  if (image === undefined || image.metadata.length === 0) return null;
  const { metadata, digests = [], unreadable = [], files = [], findings } = image;
  return {
    metadata: metadata.map(([name, value]) => ({ name, value })),
    hashes: Object.fromEntries(digests.map(({ algorithm, hex }) => [algorithm, hex])),
    unreadable: rangesJson(unreadable),
    files,
    findings,
  };
}

function partitionTable({ table, partitions, gaps }: DiskContent): string[] {
  const sectors = (bytes: number): string => formatCount(bytes / table.sectorSize);
  const rows = [
    ...partitions.map((each) => ({ start: each.partition.start, cells: partitionCells(each) })),
    ...gaps.map((gap) => ({ start: gap.offset, cells: gapCells(gap) })),
  ].toSorted((a, b) => a.start - b.start);
  function partitionCells({ partition, fileSystem }: PartitionContent): string[] {
    const { number, start, length, typeName, typeId, name, kind, bootable } = partition;
    const remarks = [
      ...(kind === "primary" ? [] : [kind]),
      ...(bootable ? ["bootable"] : []),
      ...partition.attributeNames,
      ...(name === undefined ? [] : [`"${printable(name)}"`]),
    ];
    return [
      String(number),
      sectors(start),
      sectors(length),
      formatBytes(length),
      typeName === "unknown" ? typeId : typeName,
      fileSystem === undefined ? "-" : fileSystemText(fileSystem),
      [...new Set(remarks)].join(", "),
    ];
  }
  function gapCells({ offset, length }: Range): string[] {
    return ["-", sectors(offset), sectors(length), formatBytes(length), "(gap)", "", ""];
  }
  return tableLines(
    ["#", ">START", ">SECTORS", ">SIZE", "TYPE", "CONTENT", "REMARKS"],
    rows.map(({ cells }) => cells),
  );
}

function fileSystemJson(identity: FileSystemIdentity | undefined): unknown {
  if (identity === undefined) return null;
  const { id, title, label = null, uuid = null } = identity;
  return { id, title, label, uuid };
}

function contentJson(
  path: string,
  medium: OpenedMedium,
  content: DiskContent,
): Record<string, unknown> {
  const { source } = medium;
  const { table, partitions, gaps, findings, fileSystem } = content;
  return {
    source: path,
    size: Number.isFinite(source.size) ? source.size : null,
    sectorSize: source.sectorSize,
    physicalSectorSize: physicalSectorSize(medium),
    image: imageJson(medium),
    fileSystem: fileSystemJson(fileSystem),
    table: {
      scheme: table.scheme,
      title: table.title,
      sectorSize: table.sectorSize,
      diskGuid: table.diskGuid ?? null,
      diskSignature: table.diskSignature ?? null,
    },
    partitions: partitions.map(({ partition, fileSystem }) => ({
      ...partition,
      name: partition.name ?? null,
      guid: partition.guid ?? null,
      attributes: partition.attributes ?? null,
      fileSystem: fileSystemJson(fileSystem),
    })),
    gaps,
    findings,
  };
}
