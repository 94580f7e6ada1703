import { StreamConsumer } from "../blocks/stdio.ts";
import { WatchedSource } from "../blocks/watched_source.ts";
import { compareMedia, provesSame } from "../copy/compare_media.ts";
import { type Digest, hashConsumers } from "../copy/hash_consumers.ts";
import type { Area, RangeMap } from "../copy/range_map.ts";
import { orderedPolicy, sequentialPolicy } from "../copy/read_policy.ts";
import { DEFAULT_CHUNK_BYTES, runCopy } from "../copy/run_copy.ts";
import { TrackedConsumer } from "../copy/tracked_consumer.ts";
import type { BlockSource, CopyProgress } from "../core/block.ts";
import { ImagingError, VerifyError } from "../core/errors.ts";
import { mergeRanges, type Range, totalLength } from "../core/range.ts";
import { formatBytes } from "../core/units.ts";
import type { FileAccess } from "../devices/device.ts";
import type { ImageFormat, ImageSummary, ImageWriter } from "../formats/image_format.ts";
import { formatForOutput } from "../formats/registry.ts";
import type { HashAlgorithm } from "../hashes/hash_algorithm.ts";
import { HASH_ALGORITHMS } from "../hashes/registry.ts";
import { RateCurve } from "../report/manifest_rate_curve.ts";
import { rangeLines, rangesJson } from "../report/ranges_text.ts";
import { rateText, sizeText } from "../report/rate_text.ts";
import {
  blockSizeOption,
  type Command,
  type CommandContext,
  type CommandResult,
  firstSet,
  hashOption,
  type Invocation,
  isSet,
  positional,
  SHARED_OPTIONS,
  valueOf,
} from "./command.ts";
import { copyInOrder, unfinished } from "./copy_in_order.ts";
import { writeDigestFiles } from "./digest_files.ts";
import { checkSettings, IMAGE_OPTIONS } from "./evidence_options.ts";
import { bmapOption, mapImage } from "./bmap_files.ts";
import {
  type ContentSelection,
  reportExtensions,
  selectContent,
  SELECTION_OPTIONS,
  usedRanges,
} from "./content_selection.ts";
import { digestLines, digestsJson, hashMedium } from "./hash_medium.ts";
import { saveAfterFailure } from "./last_save.ts";
import { chosenPart, closedInTime, openMedium } from "./open_medium.ts";
import { isUnfinished, PartialImage } from "./partial_image.ts";
import {
  checkDestination,
  checkDigests,
  checkFileLimit,
  checkNames,
  warnAboutSelf,
} from "./read_destination.ts";
import {
  againLines,
  hasChanged,
  hashFactsOf,
  listWindows,
  sourceAgain,
} from "./read_extras.ts";
import { hashWindowOption, windowListPath } from "./hash_windows.ts";
import {
  checkReportNames,
  mapAreas,
  onSource,
  type ReportInput,
  writeReport,
} from "./report_files.ts";
import { isOnePass, readInOnePass } from "./read_in_one_pass.ts";
import { readInOrder } from "./read_in_order.ts";
import { identityOf, lockPathOf, type RescueStage } from "./rescue_map.ts";
import { needsRescue, rescueMedium } from "./rescue_medium.ts";
import {
  MAP_INTERVAL_OPTION,
  mapIntervalOption,
  OUT_OF_ORDER_OPTIONS,
  readDomain,
  RESCUE_OPTIONS,
  type RescueOptions,
  rescueOptions,
} from "./rescue_options.ts";
import { clearMarkers, writeMarkers } from "./unreadable_places.ts";
import { withPatience } from "./wait_for_device.ts";

export const read: Command = {
  name: "read",
  aliases: ["image"],
  usage: "SOURCE IMAGE",
  summary: "copy a device (or file) into an image",
  details: [
    "Reads every byte of SOURCE in order, with its digests, into the image IMAGE (raw: .img " +
    ".dd .raw .bin .iso, or - for stdout). The digest is printed and kept beside a raw " +
    "image, as `sha256sum -c` reads it, or in the container.",
    "While it runs the image is IMAGE.part, with a map IMAGE.map in the form of GNU " +
    "ddrescue. After any interruption the same command goes on where the map says. One run " +
    "at a time can use a map: IMAGE.map.lock is locked by it.",
    "At the first place that cannot be read, or only slowly, the rest is rescued as GNU " +
    "ddrescue does it: what reads well comes first, trouble is skipped and returned to, then " +
    "its edges are trimmed, then sector by sector. Its maps are taken over, and it takes " +
    "over ours. Unreadable sectors are zeros in the image and - in the map; they are listed, " +
    "the map stays, and the exit code is 4. --retries tries them again, also later. To stdout " +
    "each place is rescued before what is behind it is read, and there is no map.",
    "Zeros become holes in the image file where the file system has holes. --allocated ends " +
    "the image behind the last partition; --used leaves out what file systems do not use, and " +
    "with it what was deleted: for a small backup, not for evidence. Whatever is not " +
    "understood with certainty is copied whole, and named; IMAGE.json says what was left out.",
    "Evidence containers (.E01, .S01, .aff), split and packed images, and two images at once " +
    "(--also) are written in order, in one go. At the first trouble the rest is rescued into " +
    "a file beside them, IMAGE.rescue.part, which takes up to the room of that rest until all " +
    "is done; then the image goes on from there. After an interruption the same command " +
    "begins the image anew, and goes on with the rescue: nothing that was rescued is read " +
    "from the disk again. Unreadable sectors cannot be tried again in a finished container.",
  ],
  examples: [
    "sectorshot read /dev/sdb card.img",
    "sectorshot read /dev/sdb card.img --hash md5,sha256 --verify",
    "sectorshot read /dev/sdb - --hash none | ssh host 'cat > card.img'",
    "sectorshot read /dev/sdb card.img.zst --used",
    "sectorshot read /dev/sdb card.E01 --case 2026-17 --verify --report",
  ],
  options: [
    SHARED_OPTIONS.hash,
    { name: "verify", help: "read the image again, past the cache, and compare" },
    SHARED_OPTIONS.offset,
    SHARED_OPTIONS.length,
    SHARED_OPTIONS.blockSize,
    { name: "map", value: "FILE", help: "the map (IMAGE.map)" },
    MAP_INTERVAL_OPTION,
    { name: "no-sparse", help: "write zeros too, leave no holes" },
    SHARED_OPTIONS.format,
    { name: "force", help: "replace IMAGE if it exists" },
    ...SELECTION_OPTIONS,
    { name: "wait", help: "wait for a device that went away, and go on with it" },
    ...RESCUE_OPTIONS,
    { name: "also", value: "FILE", help: "a second image, written at the same time" },
    { name: "verify-source", help: "read SOURCE again at the end, and compare" },
    { name: "hash-window", value: "N", help: "digests of every N bytes, in IMAGE.windows" },
    { name: "bmap", help: "a block map, IMAGE.bmap, for `write` and bmaptool" },
    { name: "report", help: "write IMAGE.json, IMAGE.txt and IMAGE.html about it all" },
    ...IMAGE_OPTIONS,
  ],
  positionals: { min: 2, max: 2 },
  run,
};

async function run(invocation: Invocation, context: CommandContext): Promise<CommandResult> {
  const ownParts = new Set<string>();
  const attempt = (): Promise<CommandResult> => readOnce(invocation, context, ownParts);
  if (!isSet(invocation, "wait")) return await attempt();
  return await withPatience(context, positional(invocation, 0), attempt);
}

/** `ownParts`: unfinished files that this process made, and may begin anew. */
async function readOnce(
  invocation: Invocation,
  context: CommandContext,
  ownParts: Set<string>,
): Promise<CommandResult> {
  const imagePath = positional(invocation, 1);
  const algorithms = hashOption(invocation);
  const intervalMilliseconds = mapIntervalOption(invocation);
  const replace = isSet(invocation, "force");
  const rescue = rescueOptions(invocation);
  const format = imagePath === "-"
    ? undefined
    : formatForOutput(imagePath, valueOf(invocation, "format"));
  if (format === undefined && context.json) {
    throw new ImagingError("usage", "cannot use --json with -: both want stdout", {
      hint: "name an image file, or leave out --json",
    });
  }
  if (format === undefined) checkForStream(invocation);
  else if (isOnePass(invocation, format)) {
    return await readInOnePass(invocation, context, format, ownParts);
  }
  if (format !== undefined) checkSettings(invocation, [format]);
  await using files = context.backend.openFiles();
  const mapPath = valueOf(invocation, "map") ?? `${imagePath}.map`;
  const adopt = format !== undefined && !replace &&
    await isUnfinished(context.backend, files, imagePath, mapPath, rescue.retries);
  if (format !== undefined) await checkDestination(context, imagePath, replace || adopt);
  const windowBytes = hashWindowOption(invocation, algorithms);
  const bmapPath = await bmapOption(invocation, context, imagePath);
  const begun = new Date();
  const medium = await openMedium(context, positional(invocation, 0));
  await using _medium = closedInTime(medium);
  const { source: part, offset } = chosenPart(invocation, medium);
  const selection = await selectContent(invocation, context, part, medium.location);
  const source = new WatchedSource(selection?.source ?? part);
  const used = bmapPath === undefined ? [] : await usedRanges(context, source, medium.location);
  const chunkBytes = blockSizeOption(invocation, source.sectorSize) ?? DEFAULT_CHUNK_BYTES;
  const curve = new RateCurve();
  const started = performance.now();
  let isFirst = true;
  const job: ReadJob = {
    context,
    source,
    algorithms,
    chunkBytes,
    started,
    onProgress(progress): void {
      // What an earlier run had read does not count for the rate.
      curve.add(isFirst ? 0 : (performance.now() - started) / 1000, progress.doneBytes);
      isFirst = false;
      context.progress(progress);
    },
  };
  context.phase(`reading ${source.name}`);
  if (format === undefined) return await readToStdout(job, rescue);
  await checkNames(context, [
    { path: imagePath, role: "the image" },
    { path: `${imagePath}.part`, role: "the image in the making" },
    { path: mapPath, role: "the map" },
    { path: `${mapPath}.tmp`, role: "the map being saved" },
    { path: lockPathOf(mapPath), role: "the lock of the map" },
    ...windowBytes === undefined
      ? []
      : [{ path: windowListPath(imagePath), role: "the hashes of windows" }],
    ...bmapPath === undefined ? [] : [{ path: bmapPath, role: "the block map" }],
    ...algorithms.flatMap(({ id, extension }) => [
      { path: `${imagePath}.${extension}`, role: `the ${id} digest` },
      { path: `${imagePath}.${extension}.tmp`, role: `the ${id} digest being saved` },
    ]),
  ], medium.location);
  await checkDigests(context, imagePath, mapPath, algorithms, replace);
  const reports = reportExtensions(invocation, selection);
  await checkReportNames(context, imagePath, replace, reports);
  const sparse = !isSet(invocation, "no-sparse");
  await checkFileLimit(context, imagePath, source.size, sparse);
  await warnAboutSelf(context, imagePath, medium.location);
  const domain = rescue.domainPath === undefined
    ? undefined
    : await readDomain(files, rescue.domainPath);
  await using partial = await PartialImage.open({
    backend: context.backend,
    files,
    path: imagePath,
    mapPath,
    source,
    identity: identityOf(source, offset, medium.location, selection?.key),
    sparse,
    adopt,
  });
  return await readToImage(job, {
    files,
    partial,
    imagePath,
    mapPath,
    format,
    intervalMilliseconds,
    sparse,
    verify: isSet(invocation, "verify"),
    verifySource: isSet(invocation, "verify-source"),
    windowBytes,
    bmapPath,
    used,
    replace,
    rescue,
    domain,
    selection,
    report: reports.length === 0 ? undefined : (written) =>
      writeReport({
        extensions: reports,
        selection: selection?.facts,
        context,
        invocation,
        files,
        medium,
        basePath: imagePath,
        started: begun,
        ended: new Date(),
        part: { offset, length: source.size },
        readErrors: source.errors,
        curve,
        ...written,
        unreadable: onSource(written.unreadable, offset),
        areas: written.areas === undefined ? undefined : mapAreas(written.areas, offset),
      }),
  });
}

/** What is read, and how. */
interface ReadJob {
  readonly context: CommandContext;
  readonly source: BlockSource;
  readonly algorithms: readonly HashAlgorithm[];
  readonly chunkBytes: number;
  /** Milliseconds. */
  readonly started: number;
  onProgress(progress: CopyProgress): void;
}

/** Where it goes. */
interface ReadTarget {
  readonly files: FileAccess;
  readonly partial: PartialImage;
  readonly imagePath: string;
  readonly mapPath: string;
  readonly format: ImageFormat;
  readonly intervalMilliseconds: number;
  readonly sparse: boolean;
  readonly verify: boolean;
  readonly verifySource: boolean;
  /** Set when the digests of windows are to be kept. */
  readonly windowBytes: number | undefined;
  /** Set when a block map is to be made. */
  readonly bmapPath: string | undefined;
  /** What is in use, for the block map. */
  readonly used: readonly Range[];
  readonly replace: boolean;
  readonly rescue: RescueOptions;
  /** Only these places are read; all where it is absent. */
  readonly domain: readonly Range[] | undefined;
  /** Set where not all of the source is copied. */
  readonly selection: ContentSelection | undefined;
  /** Writes a report, and answers its files; absent where none is wanted. */
  readonly report: ((written: WrittenFacts) => Promise<readonly string[]>) | undefined;
}

/** What a report is told at the end; places as the part of the source counts them. */
interface WrittenFacts extends
  Pick<
    ReportInput,
    "seconds" | "readBytes" | "unreadable" | "images" | "hashes" | "hashWindowPath" | "mapPath"
  > {
  /** Of the map; absent where there is none. */
  readonly areas: readonly Area[] | undefined;
}

/** Options that speak of an image file, or of what lies beside it. */
const FILE_OPTIONS = [
  "map",
  "map-interval",
  "also",
  "verify",
  "verify-source",
  "hash-window",
  "bmap",
  "report",
  ...IMAGE_OPTIONS.map(({ name }) => name),
];

/** What goes to stdout is read once, in order, and cannot be taken back. */
function checkForStream(invocation: Invocation): void {
  const name = firstSet(invocation, [...OUT_OF_ORDER_OPTIONS, ...FILE_OPTIONS]);
  if (name === undefined) return;
  throw new ImagingError("usage", `cannot use --${name} with -: stdout is written in order`, {
    hint: `name an image file, or leave out --${name}`,
  });
}

async function readToStdout(job: ReadJob, rescue: RescueOptions): Promise<CommandResult> {
  const { context, source, algorithms, chunkBytes } = job;
  const { bytes, bad, results } = await readInOrder(
    context,
    rescue,
    ({ readerOf, signal, onProgress }) =>
      runCopy({
        policy: orderedPolicy(source, readerOf(source), chunkBytes),
        consumers: [
          ...hashConsumers(algorithms, source.size),
          new StreamConsumer("stdout", (piece) => context.writeStdout(piece)),
        ],
        chunkBytes,
        onProgress,
        signal,
      }),
  );
  const digests = results.filter((result): result is Digest => result !== undefined);
  return { ...resultOf(job, "-", { bytes, bad, digests }), stdoutIsData: true };
}

async function readToImage(job: ReadJob, target: ReadTarget): Promise<CommandResult> {
  const { context, source, algorithms } = job;
  const { files, partial, format, imagePath } = target;
  const { map, saved, savedBytes, partPath } = partial;
  if (savedBytes > 0) {
    context.note({
      level: "note",
      message: `going on with ${partPath}: ${formatBytes(savedBytes)} of ` +
        `${formatBytes(source.size)} are done` +
        (algorithms.length > 0 && saved !== undefined ? " and only hashed again" : ""),
    });
  }
  context.whenCancelled(
    map === undefined ? `what came is in ${partPath}` : goOnHint(partial),
  );
  const writer = format.create?.(partial.file, { size: source.size, sparse: target.sparse });
  if (writer === undefined) throw new Error(`The format ${format.id} cannot be written`);
  const { summary, digests, bad } = map === undefined
    ? await copyStream(job, writer)
    : await copyMedium(job, target, writer, map);
  if (map !== undefined && map.total("?") > 0) {
    await partial.saveMap(map);
    return unfinishedResult(job, partPath, map);
  }
  const readSeconds = (performance.now() - job.started) / 1000;
  if (target.verify) await verifyImage(job, target, digests, bad);
  const again = target.verifySource
    ? await sourceAgain(context, source, digests, job.chunkBytes, target.rescue)
    : undefined;
  const windows = target.windowBytes === undefined
    ? undefined
    : await listWindows({ ...target, ...job, partPath, windowBytes: target.windowBytes });
  if (target.bmapPath !== undefined) {
    await mapImage(context, files, partPath, {
      path: target.bmapPath,
      used: target.used,
      unreadable: bad,
    });
  }
  // Before the image gets its name: then all that belongs to it is there.
  await writeDigestFiles(context, files, imagePath, digests);
  if (target.replace) {
    // Digests of the image that is replaced would call the new one wrong.
    const made = digests.map(({ algorithm }) => algorithm);
    for (const algorithm of HASH_ALGORITHMS.filter((each) => !made.includes(each))) {
      await files.remove(`${imagePath}.${algorithm.extension}`);
    }
  }
  await partial.complete(target.replace);
  const isKept = map !== undefined && bad.length > 0;
  const reports = await target.report?.({
    seconds: { all: (performance.now() - job.started) / 1000, reading: readSeconds },
    readBytes: summary.size,
    unreadable: bad,
    areas: map === undefined ? undefined : [...map.areas()],
    images: [{
      path: imagePath,
      format: format.title,
      layout: null,
      compression: null,
      files: [imagePath],
      // A raw image is its content.
      fileDigests: digests.map(({ algorithm: { id }, hex }) => ({ algorithm: id, hex })),
      result: "complete",
      message: null,
    }],
    hashes: hashFactsOf(
      digests,
      [{ path: imagePath, verified: target.verify ? digests[0] : undefined }],
      again,
    ),
    hashWindowPath: windows,
    mapPath: isKept ? target.mapPath : undefined,
  });
  return resultOf(job, imagePath, {
    bytes: summary.size,
    bad,
    digests,
    savedBytes,
    holeBytes: summary.holeBytes,
    verified: target.verify,
    again,
    windows,
    reports,
    selection: target.selection,
    bmap: target.bmapPath,
  });
}

/** What came of the copying. */
interface Copied {
  readonly summary: ImageSummary;
  readonly digests: readonly Digest[];
  readonly bad: readonly Range[];
}

/** A stream comes once, in order. */
async function copyStream(job: ReadJob, writer: ImageWriter): Promise<Copied> {
  const { context, source, algorithms, chunkBytes } = job;
  const { bad, results } = await runCopy({
    policy: sequentialPolicy(source, { chunkBytes, onBad: "fail" }),
    consumers: [writer, ...hashConsumers(algorithms, source.size)],
    chunkBytes,
    onProgress: (progress) => job.onProgress(progress),
    signal: context.signal,
  });
  const [summary, ...digests] = results as [ImageSummary, ...Digest[]];
  return { summary, digests, bad };
}

/** A medium is copied in order until there is trouble, and rescued from then on. */
async function copyMedium(
  job: ReadJob,
  target: ReadTarget,
  writer: ImageWriter,
  map: RangeMap,
): Promise<Copied> {
  const { context, source, algorithms } = job;
  const { partial, rescue, domain, intervalMilliseconds } = target;
  let stage: RescueStage = { phase: "?", pass: 1 };
  const tracked = new TrackedConsumer(writer, {
    map,
    save: (durable) => partial.saveMap(durable, stage),
    intervalMilliseconds,
  });
  try {
    const isTrouble = domain !== undefined || needsRescue(map, rescue);
    const inOrder = isTrouble ? undefined : await copyToTracked(job, target, tracked, map);
    if (inOrder === undefined) {
      await rescueMedium({
        context,
        source,
        map,
        tracked,
        options: rescue,
        domain,
        stage: partial.savedStage,
        goOn: goOnHint(partial),
        onProgress: (progress) => job.onProgress(progress),
        onStage: (now) => {
          stage = now;
        },
      });
    }
    const bad = mergeRanges(map.ranges("-", "*", "/"));
    let isFilled = false;
    if (rescue.fill === "marker") {
      await writeMarkers(writer, source, bad, rescue.sectorSize ?? source.sectorSize);
      isFilled = bad.length > 0;
    } else if (partial.saved !== undefined) {
      isFilled = await clearMarkers(writer, partial.saved, bad);
    }
    const summary = await tracked.finish();
    const digests = inOrder !== undefined && !isFilled
      ? inOrder
      : await hashPart(job, partial.partPath, algorithms);
    return { summary, digests, bad };
  } catch (error) {
    await tracked.abort(error);
    await saveAfterFailure(context, tracked);
    throw error;
  }
}

/** The digests; undefined when a place could not be read, or only slowly. */
async function copyToTracked(
  job: ReadJob,
  { partial, rescue }: ReadTarget,
  tracked: TrackedConsumer<ImageSummary>,
  map: RangeMap,
): Promise<readonly Digest[] | undefined> {
  const { context, source, algorithms, chunkBytes } = job;
  const results = await copyInOrder({
    context,
    source,
    // A digest needs every byte.
    saved: algorithms.length > 0 ? partial.saved : undefined,
    map,
    consumers: [unfinished(tracked), ...hashConsumers(algorithms, source.size)],
    chunkBytes,
    rescue,
    goOn: goOnHint(partial),
    onProgress: (progress) => job.onProgress(progress),
  });
  return results?.slice(1) as Digest[] | undefined;
}

/** What to do after a run that ended early. */
function goOnHint({ partPath }: PartialImage): string {
  return `what was read is in ${partPath}: run the same command again to go on`;
}

/** What was saved out of order is hashed from the image. */
async function hashPart(
  job: ReadJob,
  partPath: string,
  algorithms: readonly HashAlgorithm[],
): Promise<readonly Digest[]> {
  if (algorithms.length === 0) return [];
  const { context, chunkBytes } = job;
  context.phase(`hashing ${partPath}`);
  await using image = await context.backend.openSource(partPath, { direct: false });
  return (await hashMedium(context, image, algorithms, chunkBytes, "fail")).digests;
}

/** Not all of the medium was to be read: the image is not complete. */
function unfinishedResult(job: ReadJob, partPath: string, map: RangeMap): CommandResult {
  const { source, started } = job;
  const bytes = map.total("+");
  const left = map.total("?", "*", "/");
  const seconds = (performance.now() - started) / 1000;
  return {
    outcome: "unreadable",
    text: [
      `${partPath}: ${sizeText(bytes)} read from ${source.name} ${rateText(bytes, seconds)}`,
      `not complete: ${
        sizeText(left)
      } were not read; the same command without --domain goes on`,
    ],
    json: {
      source: source.name,
      image: partPath,
      bytes,
      hashes: {},
      badBytes: map.total("-"),
      bad: rangesJson(map.ranges("-")),
      pendingBytes: left,
      verified: false,
      seconds,
    },
  };
}

/** Reads the image again, from the medium where the system lets us, and compares. */
async function verifyImage(
  job: ReadJob,
  { partial: { partPath }, rescue }: ReadTarget,
  digests: readonly Digest[],
  bad: readonly Range[],
): Promise<void> {
  const { context, source, chunkBytes } = job;
  context.phase(`verifying ${partPath}`);
  await using image = await context.backend.openSource(partPath, { direct: true });
  const [expected] = digests;
  if (expected !== undefined) {
    const again = await hashMedium(context, image, [expected.algorithm], chunkBytes, "fail");
    if (again.digests[0]?.hex === expected.hex) return;
  } else if (source.sequential) {
    throw new ImagingError(
      "usage",
      "cannot verify: a stream can be compared by its hash only",
      {
        hint: "leave out --hash none",
      },
    );
  }
  const comparison = !source.sequential
    ? await readInOrder(
      context,
      rescue,
      (reading) => compareMedia(source, image, { chunkBytes, ...reading }),
    )
    : undefined;
  if (expected === undefined && comparison !== undefined && provesSame(comparison, bad)) return;
  throw new VerifyError(
    `verification failed: ${partPath} does not hold what was read from ${source.name}`,
    comparison?.differing ?? [],
    { hint: "the destination or the memory of this machine may be failing: do not rely on it" },
  );
}

/** What a read came to. */
interface ReadSummary {
  readonly bytes: number;
  readonly bad: readonly Range[];
  readonly digests: readonly Digest[];
  readonly savedBytes?: number;
  readonly holeBytes?: number;
  readonly verified?: boolean;
  /** The source, read a second time. */
  readonly again?: Digest | undefined;
  /** Path of the list of windows. */
  readonly windows?: string | undefined;
  /** Paths of the report. */
  readonly reports?: readonly string[] | undefined;
  readonly selection?: ContentSelection | undefined;
  /** Path of the block map. */
  readonly bmap?: string | undefined;
}

function resultOf(job: ReadJob, image: string, summary: ReadSummary): CommandResult {
  const { source, started } = job;
  const { bytes, bad, digests, savedBytes = 0, again, windows, reports = [], selection } =
    summary;
  const seconds = (performance.now() - started) / 1000;
  const badBytes = totalLength(bad);
  const target = image === "-" ? "stdout" : image;
  const text = [
    `${target}: ${sizeText(bytes)} read from ${source.name} ${
      rateText(bytes - savedBytes, seconds)
    }`,
    ...digestLines(digests),
    ...selection?.lines ?? [],
  ];
  if (summary.verified) text.push("verified: the image was read again and is the same");
  text.push(...againLines(digests, again));
  if (windows !== undefined) text.push(`hashes of its windows: ${windows}`);
  if (summary.bmap !== undefined) text.push(`block map: ${summary.bmap}`);
  if (reports.length > 0) text.push(`report: ${reports.join(", ")}`);
  const isChanged = again !== undefined && hasChanged(digests, again);
  if (badBytes > 0) {
    text.push(...rangeLines("unreadable", { ranges: bad, bytes: badBytes }, source.sectorSize));
    text.push("They are zeros in the image.");
  }
  return {
    outcome: isChanged ? "mismatch" : badBytes > 0 ? "unreadable" : "done",
    text,
    json: {
      source: source.name,
      image,
      bytes,
      hashes: digestsJson(digests),
      sourceAgain: again === undefined ? null : digestsJson([again]),
      hashWindows: windows ?? null,
      report: reports,
      badBytes,
      bad: rangesJson(bad),
      resumedBytes: savedBytes,
      holeBytes: summary.holeBytes ?? 0,
      verified: summary.verified ?? false,
      selection: selection?.facts ?? null,
      bmap: summary.bmap ?? null,
      seconds,
    },
  };
}
