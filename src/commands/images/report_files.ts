/**
 * `--report`: what was done, written beside the image as IMAGE.json, IMAGE.txt and
 * IMAGE.html, all three from one manifest.
 */
import { hashConsumers } from "../../copy/hash_consumers.ts";
import { sequentialPolicy } from "../../copy/read_policy.ts";
import { DEFAULT_CHUNK_BYTES, runCopy } from "../../copy/run_copy.ts";
import type { BlockSource } from "../../core/block.ts";
import type { Finding } from "../../core/errors.ts";
import { gapsBetween, type Range } from "../../core/range.ts";
import type { FileAccess, Host } from "../../devices/device.ts";
import { findHash } from "../../hashes/registry.ts";
import {
  type AreaFacts,
  type ComputerFacts,
  type FileDigest,
  type FileFacts,
  type HashFacts,
  type ImageFacts,
  type Manifest,
  MANIFEST_SCHEMA,
  MANIFEST_VERSION,
  type PartitionTableFacts,
  type SelectionFacts,
  SOURCE_PROTECTION,
  type SourceFacts,
  unreadableFacts,
  zonedTime,
} from "../../report/manifest.ts";
import { manifestHtml } from "../../report/manifest_html.ts";
import { manifestJson } from "../../report/manifest_json.ts";
import type { RateCurve } from "../../report/manifest_rate_curve.ts";
import { manifestText } from "../../report/manifest_text.ts";
import { type CommandContext, type Invocation, valueOf } from "../command.ts";
import type { DiskContent } from "../media/disk_content.ts";
import { fileSystemText } from "../media/file_system_text.ts";
import type { OpenedMedium } from "../media/open_medium.ts";
import { REPORT_EXTENSIONS, type ReportExtension } from "./report_names.ts";

/** An image, as its part of a report. */
export interface ReportedImage extends Omit<ImageFacts, "files"> {
  /** Paths of its files. */
  readonly files: readonly string[];
  /** Digests of its only file where they are known, or not wanted; absent: it is hashed. */
  readonly fileDigests?: readonly FileDigest[] | undefined;
}

/** What a run was. */
export interface ReportInput {
  readonly context: CommandContext;
  readonly invocation: Invocation;
  readonly files: FileAccess;
  readonly medium: OpenedMedium;
  /** Begins with the name of the image. */
  readonly basePath: string;
  readonly started: Date;
  readonly ended: Date;
  /** From beginning to end, and of reading alone. */
  readonly seconds: { readonly all: number; readonly reading: number };
  /** What was to be read; its length is Infinity for a stream. */
  readonly part: Range;
  readonly readBytes: number;
  readonly readErrors: number;
  /** Of the source, whole. */
  readonly unreadable: readonly Range[];
  readonly areas?: readonly AreaFacts[] | undefined;
  readonly curve: RateCurve;
  readonly images: readonly ReportedImage[];
  readonly hashes: readonly HashFacts[];
  readonly hashWindowPath?: string | undefined;
  readonly mapPath?: string | undefined;
  readonly findings?: readonly Finding[] | undefined;
  /** What was left out on purpose. */
  readonly selection?: SelectionFacts | undefined;
  /** Endings of the files to write; all where it is absent. */
  readonly extensions?: readonly ReportExtension[] | undefined;
}

const RENDERINGS: Readonly<Record<ReportExtension, (manifest: Manifest) => string>> = {
  json: manifestJson,
  txt: manifestText,
  html: manifestHtml,
};

/** Writes the report; answers the paths of its files. */
export async function writeReport(input: ReportInput): Promise<readonly string[]> {
  const { files, basePath, context, extensions = REPORT_EXTENSIONS } = input;
  context.phase("writing the report");
  const manifest = await manifestOf(input);
  const paths: string[] = [];
  for (const extension of extensions) {
    const path = `${basePath}.${extension}`;
    const text = RENDERINGS[extension](manifest);
    await files.writeAtomically(path, new TextEncoder().encode(text));
    paths.push(path);
  }
  return paths;
}

async function manifestOf(input: ReportInput): Promise<Manifest> {
  const { context, invocation, medium, part, readBytes, seconds, unreadable, curve } = input;
  const { program } = context;
  const samples = curve.samples();
  const rates = samples.map(({ bytesPerSecond }) => bytesPerSecond);
  const fileFacts = (path: string): Promise<FileFacts> => factsOf(context, path);
  const images: ImageFacts[] = [];
  for (const { fileDigests, ...image } of input.images) {
    const files: FileFacts[] = [];
    for (const path of image.files) files.push(await factsOf(context, path, fileDigests));
    images.push({ ...image, files });
  }
  const { hashWindowPath, mapPath } = input;
  return {
    schema: MANIFEST_SCHEMA,
    version: MANIFEST_VERSION,
    program: { name: "sectorshot", version: program.version, commit: program.commit ?? null },
    commandLine: ["sectorshot", ...program.arguments],
    operator: {
      case: valueOf(invocation, "case") ?? null,
      evidence: valueOf(invocation, "evidence") ?? null,
      description: valueOf(invocation, "description") ?? null,
      examiner: valueOf(invocation, "examiner") ?? null,
      notes: valueOf(invocation, "notes") ?? null,
    },
    computer: computerFacts(context.backend.host),
    started: zonedTime(input.started),
    ended: zonedTime(input.ended),
    seconds: seconds.all,
    source: sourceFacts(medium),
    partitionTable: await tableFacts(medium),
    reading: {
      offsetBytes: part.offset,
      lengthBytes: Number.isFinite(part.length) ? part.length : null,
      readBytes,
      seconds: seconds.reading,
      averageBytesPerSecond: seconds.reading > 0 ? readBytes / seconds.reading : 0,
      bestBytesPerSecond: rates.length > 0 ? Math.max(...rates) : null,
      worstBytesPerSecond: rates.length > 0 ? Math.min(...rates) : null,
      readErrors: input.readErrors,
      retries: Number(valueOf(invocation, "retries") ?? 0),
      ...unreadableFacts(unreadable, medium.source.sectorSize),
      rateCurve: samples,
    },
    selection: input.selection ?? null,
    images,
    hashes: input.hashes,
    hashWindowFile: hashWindowPath === undefined ? null : await fileFacts(hashWindowPath),
    mapFile: mapPath === undefined ? null : await fileFacts(mapPath),
    areas: input.areas ?? areasOf(part, unreadable),
    findings: input.findings ?? [],
  };
}

function computerFacts(host: Host): ComputerFacts {
  const { name = null, release } = host.computer();
  const system = release === undefined ? host.title : `${host.title} ${release}`;
  return { name, system, architecture: Deno.build.arch };
}

/** What was read, and what could not be. */
function areasOf(part: Range, unreadable: readonly Range[]): AreaFacts[] {
  if (!Number.isFinite(part.length)) return [];
  const good = gapsBetween(part, unreadable);
  return [
    ...good.map((range) => ({ ...range, state: "+" as const })),
    ...unreadable.map((range) => ({ ...range, state: "-" as const })),
  ].toSorted((a, b) => a.offset - b.offset).map(({ offset, length, state }) => ({
    offsetBytes: offset,
    lengthBytes: length,
    state,
  }));
}

function sourceFacts({ source, location }: OpenedMedium): SourceFacts {
  const disk = location?.kind === "device" ? location.disk : undefined;
  const isPartition = location?.kind === "device" && location.partition !== undefined;
  const kind = location === undefined
    ? "stream"
    : location.kind === "file"
    ? "file"
    : isPartition
    ? "partition"
    : "disk";
  return {
    name: source.name,
    kind,
    model: disk?.model ?? null,
    serial: disk?.serial ?? null,
    firmware: disk?.firmware ?? null,
    bus: disk?.bus ?? null,
    sizeBytes: Number.isFinite(source.size) ? source.size : null,
    logicalSectorBytes: source.sectorSize,
    physicalSectorBytes: disk?.physicalSectorSize ?? null,
    openedReadOnly: true,
    protection: SOURCE_PROTECTION,
  };
}

async function tableFacts(medium: OpenedMedium): Promise<PartitionTableFacts | null> {
  if (!medium.seekable) return null;
  const { readDiskContent } = await import("../media/disk_content.ts");
  const content: DiskContent = await readDiskContent(medium.source);
  const { table, partitions, fileSystem, findings } = content;
  return {
    scheme: table.title,
    sectorBytes: table.sectorSize,
    diskId: table.diskGuid ?? table.diskSignature ?? null,
    fileSystem: fileSystem === undefined ? null : fileSystemText(fileSystem),
    partitions: partitions.map((each) => ({
      number: each.partition.number,
      startBytes: each.partition.start,
      sizeBytes: each.partition.length,
      typeId: each.partition.typeId,
      typeName: each.partition.typeName,
      name: each.partition.name ?? null,
      guid: each.partition.guid ?? null,
      fileSystem: each.fileSystem === undefined ? null : fileSystemText(each.fileSystem),
    })),
    findings,
  };
}

/** A file as it lies there, with these digests of it, or with its SHA-256. */
async function factsOf(
  context: CommandContext,
  path: string,
  known?: readonly FileDigest[],
): Promise<FileFacts> {
  const name = context.backend.host.paths.nameOf(path);
  await using file = await context.backend.openSource(path, { direct: false });
  const digests = known ?? [await fileDigest(context, file)];
  return { name, sizeBytes: file.size, digests };
}

async function fileDigest(context: CommandContext, file: BlockSource): Promise<FileDigest> {
  const sha256 = findHash("sha256");
  if (sha256 === undefined) throw new Error("There is no SHA-256");
  context.phase(`hashing ${file.name}`);
  const { results: [digest] } = await runCopy({
    policy: sequentialPolicy(file, { chunkBytes: DEFAULT_CHUNK_BYTES, onBad: "fail" }),
    consumers: hashConsumers([sha256], file.size),
    signal: context.signal,
  });
  if (digest === undefined) throw new Error(`No digest was made of ${file.name}`);
  return { algorithm: "sha256", hex: digest.hex };
}
