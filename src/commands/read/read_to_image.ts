/**
 * Reading into an image that can be written at any place: in order until there is trouble,
 * rescued from then on, with a map, so that any interruption can be gone on from.
 */
import { compareMedia, provesSame } from "../../copy/compare_media.ts";
import { type Digest, hashConsumers } from "../../copy/hash_consumers.ts";
import type { Area, RangeMap } from "../../copy/range_map.ts";
import { sequentialPolicy } from "../../copy/read_policy.ts";
import { runCopy } from "../../copy/run_copy.ts";
import { TrackedConsumer } from "../../copy/tracked_consumer.ts";
import { ImagingError, VerifyError } from "../../core/errors.ts";
import { mergeRanges, type Range } from "../../core/range.ts";
import { formatBytes } from "../../core/units.ts";
import type { FileAccess } from "../../devices/device.ts";
import type { ImageFormat, ImageSummary, ImageWriter } from "../../formats/image_format.ts";
import type { HashAlgorithm } from "../../hashes/hash_algorithm.ts";
import { HASH_ALGORITHMS } from "../../hashes/registry.ts";
import type { CommandResult } from "../command.ts";
import { copyInOrder, unfinished } from "../rescue/copy_in_order.ts";
import { writeDigestFiles } from "../images/digest_files.ts";
import { mapImage } from "../images/bmap_files.ts";
import type { ContentSelection } from "../images/selection_options.ts";
import { hashMedium } from "../media/hash_medium.ts";
import { saveAfterFailure } from "../rescue/last_save.ts";
import type { PartialImage } from "./partial_image.ts";
import { hashFactsOf, listWindows, sourceAgain } from "./read_extras.ts";
import type { ReportInput } from "../images/report_files.ts";
import { readInOrder } from "../media/read_in_order.ts";
import type { RescueStage } from "../rescue/rescue_map.ts";
import { needsRescue, rescueMedium } from "../rescue/rescue_medium.ts";
import type { RescueOptions } from "../rescue/rescue_options.ts";
import { clearMarkers, writeMarkers } from "../rescue/unreadable_places.ts";
import { type ReadJob, resultOf, unfinishedResult } from "./read_result.ts";

/** Where it goes. */
export interface ReadTarget {
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

export async function readToImage(job: ReadJob, target: ReadTarget): Promise<CommandResult> {
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
  const writer = await format.create?.(partial.file, {
    size: source.size,
    sparse: target.sparse,
  });
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
