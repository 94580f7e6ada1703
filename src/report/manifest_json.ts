import type { Finding } from "../core/errors.ts";
import type {
  AreaFacts,
  FileFacts,
  HashFacts,
  ImageFacts,
  Manifest,
  OperatorFields,
  PartitionFacts,
  PartitionTableFacts,
  ReadingFacts,
  SelectionFacts,
  SourceFacts,
} from "./manifest.ts";

/**
 * Characters that JSON allows and a terminal or an editor does not show as they are: DEL
 * and C1, marks and overrides of direction, line separators, the byte order mark.
 */
const ESCAPED = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/**
 * A report as JSON, as MANIFEST.md describes it: keys in the order of that file, whatever
 * their order in `manifest`, two blanks a level, a line end behind it.
 */
export function manifestJson(manifest: Manifest): string {
  const text = JSON.stringify(ordered(manifest), null, 2);
  const escape = (character: string): string =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return `${text.replace(ESCAPED, escape)}\n`;
}

/** The same with its keys in order; the compiler misses none. */
function ordered(manifest: Manifest): Manifest {
  const { program, computer } = manifest;
  return {
    schema: manifest.schema,
    version: manifest.version,
    program: { name: program.name, version: program.version, commit: program.commit },
    commandLine: [...manifest.commandLine],
    operator: orderedOperator(manifest.operator),
    computer: {
      name: computer.name,
      system: computer.system,
      architecture: computer.architecture,
    },
    started: manifest.started,
    ended: manifest.ended,
    seconds: manifest.seconds,
    source: orderedSource(manifest.source),
    partitionTable: manifest.partitionTable === null
      ? null
      : orderedTable(manifest.partitionTable),
    reading: orderedReading(manifest.reading),
    selection: manifest.selection === null ? null : orderedSelection(manifest.selection),
    images: manifest.images.map(orderedImage),
    hashes: manifest.hashes.map(orderedHash),
    hashWindowFile: manifest.hashWindowFile === null
      ? null
      : orderedFile(manifest.hashWindowFile),
    mapFile: manifest.mapFile === null ? null : orderedFile(manifest.mapFile),
    areas: manifest.areas.map(orderedArea),
    findings: manifest.findings.map(orderedFinding),
  };
}

function orderedSelection(selection: SelectionFacts): SelectionFacts {
  return {
    allocatedOnly: selection.allocatedOnly,
    usedOnly: selection.usedOnly,
    sourceBytes: selection.sourceBytes,
    contentBytes: selection.contentBytes,
    skippedBytes: selection.skippedBytes,
    gptBackupOffsetBytes: selection.gptBackupOffsetBytes,
    volumes: selection.volumes.map((volume) => ({
      partition: volume.partition,
      fileSystem: volume.fileSystem,
      sizeBytes: volume.sizeBytes,
      usedBytes: volume.usedBytes,
      wholeBecause: volume.wholeBecause,
    })),
  };
}

function orderedOperator(operator: OperatorFields): OperatorFields {
  return {
    case: operator.case,
    evidence: operator.evidence,
    description: operator.description,
    examiner: operator.examiner,
    notes: operator.notes,
  };
}

function orderedSource(source: SourceFacts): SourceFacts {
  return {
    name: source.name,
    kind: source.kind,
    model: source.model,
    serial: source.serial,
    firmware: source.firmware,
    bus: source.bus,
    sizeBytes: source.sizeBytes,
    logicalSectorBytes: source.logicalSectorBytes,
    physicalSectorBytes: source.physicalSectorBytes,
    openedReadOnly: source.openedReadOnly,
    protection: source.protection,
  };
}

function orderedTable(table: PartitionTableFacts): PartitionTableFacts {
  return {
    scheme: table.scheme,
    sectorBytes: table.sectorBytes,
    diskId: table.diskId,
    fileSystem: table.fileSystem,
    partitions: table.partitions.map(orderedPartition),
    findings: table.findings.map(orderedFinding),
  };
}

function orderedPartition(partition: PartitionFacts): PartitionFacts {
  return {
    number: partition.number,
    startBytes: partition.startBytes,
    sizeBytes: partition.sizeBytes,
    typeId: partition.typeId,
    typeName: partition.typeName,
    name: partition.name,
    guid: partition.guid,
    fileSystem: partition.fileSystem,
  };
}

function orderedReading(reading: ReadingFacts): ReadingFacts {
  return {
    offsetBytes: reading.offsetBytes,
    lengthBytes: reading.lengthBytes,
    readBytes: reading.readBytes,
    seconds: reading.seconds,
    averageBytesPerSecond: reading.averageBytesPerSecond,
    bestBytesPerSecond: reading.bestBytesPerSecond,
    worstBytesPerSecond: reading.worstBytesPerSecond,
    readErrors: reading.readErrors,
    retries: reading.retries,
    unreadable: reading.unreadable.map((area) => ({
      firstSector: area.firstSector,
      sectors: area.sectors,
      offsetBytes: area.offsetBytes,
      lengthBytes: area.lengthBytes,
    })),
    unreadableSectors: reading.unreadableSectors,
    unreadableBytes: reading.unreadableBytes,
    rateCurve: reading.rateCurve.map((sample) => ({
      seconds: sample.seconds,
      bytesPerSecond: sample.bytesPerSecond,
    })),
  };
}

function orderedImage(image: ImageFacts): ImageFacts {
  return {
    path: image.path,
    format: image.format,
    layout: image.layout,
    compression: image.compression,
    files: image.files.map(orderedFile),
    result: image.result,
    message: image.message,
  };
}

function orderedFile(file: FileFacts): FileFacts {
  return {
    name: file.name,
    sizeBytes: file.sizeBytes,
    digests: file.digests.map(({ algorithm, hex }) => ({ algorithm, hex })),
  };
}

function orderedHash(hash: HashFacts): HashFacts {
  return {
    subject: hash.subject,
    image: hash.image,
    algorithm: hash.algorithm,
    hex: hash.hex,
    verdict: hash.verdict,
  };
}

function orderedArea({ offsetBytes, lengthBytes, state }: AreaFacts): AreaFacts {
  return { offsetBytes, lengthBytes, state };
}

function orderedFinding({ level, message }: Finding): Finding {
  return { level, message };
}
