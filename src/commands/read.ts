import { StreamConsumer } from "../blocks/stdio.ts";
import { WatchedSource } from "../blocks/watched_source.ts";
import { type Digest, hashConsumers } from "../copy/hash_consumers.ts";
import { DEFAULT_CHUNK_BYTES } from "../copy/run_copy.ts";
import { ImagingError } from "../core/errors.ts";
import { formatForOutput } from "../formats/registry.ts";
import { RateCurve } from "../report/manifest_rate_curve.ts";
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
import { checkSettings, IMAGE_OPTIONS } from "./images/evidence_options.ts";
import { bmapOption } from "./images/bmap_files.ts";
import {
  reportExtensions,
  selectContent,
  SELECTION_OPTIONS,
  usedRanges,
} from "./images/selection_options.ts";
import { chosenPart, closedInTime, openMedium } from "./media/open_medium.ts";
import { isUnfinished, PartialImage } from "./read/partial_image.ts";
import {
  checkDestination,
  checkDigests,
  checkFileLimit,
  checkNames,
  warnAboutSelf,
} from "./read/read_destination.ts";
import { hashWindowOption, windowListPath } from "./images/hash_windows.ts";
import { checkReportNames, mapAreas, onSource } from "./images/report_names.ts";
import { isOnePass, readInOnePass } from "./read/read_in_one_pass.ts";
import { readWhole } from "./media/read_in_order.ts";
import { identityOf, lockPathOf } from "./rescue/rescue_map.ts";
import {
  MAP_INTERVAL_OPTION,
  mapIntervalOption,
  OUT_OF_ORDER_OPTIONS,
  readDomain,
  RESCUE_OPTIONS,
  type RescueOptions,
  rescueOptions,
} from "./rescue/rescue_options.ts";
import { withPatience } from "./rescue/wait_for_device.ts";
import { type ReadJob, resultOf } from "./read/read_result.ts";
import { readToImage } from "./read/read_to_image.ts";

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
    report: reports.length === 0
      ? undefined
      : async (written) =>
        await (await import("./images/report_files.ts")).writeReport({
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
  const { bytes, bad, results } = await readWhole(context, {
    source,
    options: rescue,
    consumers: [
      ...hashConsumers(algorithms, source.size),
      new StreamConsumer("stdout", (piece) => context.writeStdout(piece)),
    ],
    chunkBytes,
  });
  const digests = results.filter((result): result is Digest => result !== undefined);
  return { ...resultOf(job, "-", { bytes, bad, digests }), stdoutIsData: true };
}
