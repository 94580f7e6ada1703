/** The sections of a report about the source: its partitions, and how it could be read. */
import { formatBytes, formatCount, plural } from "../core/units.ts";
import type { Manifest, PartitionFacts, UnreadableFacts } from "./manifest.ts";
import {
  type Block,
  type Fact,
  given,
  plain,
  type Row,
  type Section,
  type Table,
} from "./manifest_blocks.ts";
import { findingBlocks } from "./manifest_sections.ts";
import { drawnPartitions, rangeOfAreas, stateName, stateRows } from "./manifest_states.ts";
import { durationText, speedText } from "./manifest_words.ts";
import { percentText } from "./map_text.ts";
import { sizeText } from "./rate_text.ts";

export function partitionSection({ partitionTable }: Manifest): Section {
  const title = "Partition table";
  if (partitionTable === null) {
    const text = "Nobody looked for one: the source could not be read in places.";
    return { title, blocks: [{ kind: "paragraph", text }] };
  }
  const { scheme, sectorBytes, diskId, fileSystem, partitions, findings } = partitionTable;
  const facts: Fact[] = [
    { label: "Scheme", value: given(scheme) },
    { label: "Counts in sectors of", value: plain(plural(sectorBytes, "byte")) },
    { label: "Disk identifier", value: given(diskId, "none") },
  ];
  if (fileSystem !== null) {
    facts.push({ label: "On the whole source", value: given(fileSystem, "nothing known") });
  }
  const blocks: Block[] = [{ kind: "facts", facts }];
  if (partitions.length === 0) {
    blocks.push({ kind: "paragraph", text: "There are no partitions." });
  } else blocks.push(partitionTableBlock(partitions, sectorBytes));
  return { title, blocks: [...blocks, ...findingBlocks(findings)] };
}

function partitionTableBlock(
  partitions: readonly PartitionFacts[],
  sectorBytes: number,
): Table {
  return {
    kind: "table",
    columns: [
      { title: "No." },
      { title: "First sector", isNumber: true },
      { title: "Last sector", isNumber: true },
      { title: "Sectors", isNumber: true },
      { title: "Size", isNumber: true },
    ],
    rows: partitions.map((partition) => partitionRow(partition, sectorBytes)),
  };
}

function partitionRow(partition: PartitionFacts, sectorBytes: number): Row {
  const { number, startBytes, sizeBytes, typeId, typeName, name, guid } = partition;
  const first = Math.floor(startBytes / sectorBytes);
  const end = Math.ceil((startBytes + sizeBytes) / sectorBytes);
  const details: Fact[] = [
    { label: "Type", value: given(typeName) },
    { label: "Type code", value: given(typeId) },
    { label: "File system", value: given(partition.fileSystem, "not recognized") },
  ];
  if (name !== null) details.push({ label: "Name", value: given(name, "empty") });
  if (guid !== null) details.push({ label: "GUID", value: given(guid) });
  const place = `${formatCount(sizeBytes)} from byte ${formatCount(startBytes)} on`;
  details.push({ label: "Bytes", value: plain(place) });
  return {
    cells: [
      plain(formatCount(number)),
      plain(formatCount(first)),
      plain(sizeBytes === 0 ? "-" : formatCount(end - 1)),
      plain(formatCount(end - first)),
      plain(formatBytes(sizeBytes)),
    ],
    details,
  };
}

export function readingSection({ reading }: Manifest): Section {
  const { offsetBytes, lengthBytes, rateCurve } = reading;
  const facts: Fact[] = [
    { label: "From byte", value: plain(formatCount(offsetBytes)) },
    {
      label: "To be read",
      value: plain(lengthBytes === null ? "to the end of the stream" : sizeText(lengthBytes)),
    },
    { label: "Read", value: plain(sizeText(reading.readBytes)) },
    { label: "Reading took", value: plain(durationText(reading.seconds)) },
    { label: "Average rate", value: plain(speedText(reading.averageBytesPerSecond)) },
    { label: "Best rate", value: plain(speedText(reading.bestBytesPerSecond)) },
    { label: "Worst rate", value: plain(speedText(reading.worstBytesPerSecond)) },
    { label: "Read errors", value: plain(formatCount(reading.readErrors)) },
    { label: "Retries allowed", value: plain(formatCount(reading.retries)) },
  ];
  const blocks: Block[] = [{ kind: "facts", facts }];
  if (rateCurve.length > 0) blocks.push({ kind: "curve", samples: rateCurve });
  return { title: "Reading", blocks };
}

export function statesSection(manifest: Manifest): Section {
  const { areas, partitionTable } = manifest;
  const blocks: Block[] = [];
  const range = rangeOfAreas(areas);
  if (range !== undefined) {
    const states = stateRows(areas);
    blocks.push({
      kind: "table",
      columns: [
        { title: "" },
        { title: "State" },
        { title: "Bytes", isNumber: true },
        { title: "Share", isNumber: true },
        { title: "Areas", isNumber: true },
      ],
      rows: states.map(({ mark, name, bytes, areas }) => ({
        cells: [
          plain(mark),
          plain(name),
          plain(formatCount(bytes)),
          plain(percentText(bytes, range.length)),
          plain(formatCount(areas)),
        ],
      })),
    }, {
      kind: "disk",
      range,
      states,
      areas,
      partitions: drawnPartitions(partitionTable?.partitions ?? []),
    });
  }
  blocks.push(...unreadableBlocks(manifest), ...otherAreaBlocks(manifest));
  return { title: "State of the source", blocks };
}

function unreadableBlocks({ reading, source }: Manifest): Block[] {
  const { unreadable, unreadableSectors, unreadableBytes } = reading;
  if (unreadable.length === 0) {
    return [{ kind: "paragraph", text: "No sector was unreadable." }];
  }
  const total = `Unreadable: ${plural(unreadableSectors, "sector")} ` +
    `(${plural(unreadableBytes, "byte")}) in ${plural(unreadable.length, "area")}. Sectors ` +
    `have ${plural(source.logicalSectorBytes, "byte")} and are counted from 0. In the image ` +
    "their content is replaced.";
  return [{ kind: "heading", value: plain("Unreadable sectors") }, {
    kind: "paragraph",
    text: total,
  }, {
    kind: "table",
    columns: [
      { title: "First sector", isNumber: true },
      { title: "Last sector", isNumber: true },
      { title: "Sectors", isNumber: true },
      { title: "First byte", isNumber: true },
      { title: "Bytes", isNumber: true },
    ],
    rows: unreadable.map(unreadableRow),
  }];
}

function unreadableRow(area: UnreadableFacts): Row {
  const { firstSector, sectors, offsetBytes, lengthBytes } = area;
  const numbers = [firstSector, firstSector + sectors - 1, sectors, offsetBytes, lengthBytes];
  return { cells: numbers.map((number) => plain(formatCount(number))) };
}

/** Areas in states that one more run could better, or that nobody tried. */
function otherAreaBlocks({ areas }: Manifest): Block[] {
  const others = areas.filter(({ state }) => state !== "+" && state !== "-");
  if (others.length === 0) return [];
  return [{ kind: "heading", value: plain("Areas where reading is not finished") }, {
    kind: "table",
    columns: [
      { title: "" },
      { title: "State" },
      { title: "First byte", isNumber: true },
      { title: "Bytes", isNumber: true },
    ],
    rows: others.map(({ state, offsetBytes, lengthBytes }) => ({
      cells: [
        plain(state),
        plain(stateName(state)),
        plain(formatCount(offsetBytes)),
        plain(formatCount(lengthBytes)),
      ],
    })),
  }];
}
