/**
 * Reading a medium once, in order, into an image that can only be written so (E01, AFF,
 * split, packed), or into two images at once. What cannot be read is zeros in them, and
 * listed.
 */
import { WatchedSource } from "../../blocks/watched_source.ts";
import type { Digest } from "../../copy/hash_consumers.ts";
import { sequentialPolicy } from "../../copy/read_policy.ts";
import { DEFAULT_CHUNK_BYTES } from "../../copy/run_copy.ts";
import type { CopyProgress } from "../../core/block.ts";
import { folderPrefix } from "../../core/path.ts";
import { type Range, totalLength } from "../../core/range.ts";
import type { ImageFormat } from "../../formats/image_format.ts";
import { formatForOutput } from "../../formats/registry.ts";
import type { HashAlgorithm } from "../../hashes/hash_algorithm.ts";
import { findHash } from "../../hashes/registry.ts";
import type { HashFacts } from "../../report/manifest.ts";
import { RateCurve } from "../../report/manifest_rate_curve.ts";
import { rangeLines, rangesJson } from "../../report/ranges_text.ts";
import { rateText, sizeText } from "../../report/rate_text.ts";
import {
  blockSizeOption,
  type CommandContext,
  type CommandResult,
  hashOption,
  type Invocation,
  isSet,
  positional,
  valueOf,
} from "../command.ts";
import { BmapInTheMaking, bmapOption } from "../images/bmap_files.ts";
import {
  type ContentSelection,
  reportExtensions,
  selectContent,
  usedRanges,
} from "../images/selection_options.ts";
import { rescueFor, rescueNames, type RescueRemains } from "./container_rescue.ts";
import { rawPathOf, writeDigestFiles } from "../images/digest_files.ts";
import { evidenceOf, packingOptions } from "../images/evidence_options.ts";
import { againLines, hasChanged, hashFactsOf, sourceAgain } from "./read_extras.ts";
import { hashWindowOption, WindowList, windowListPath } from "../images/hash_windows.ts";
import { digestLines, digestsJson } from "../media/hash_medium.ts";
import { ImageFiles } from "../images/image_files.ts";
import {
  type ImageTarget,
  type MadeImage,
  type MadeImages,
  makeImages,
} from "../images/make_images.ts";
import { chosenPart, closedInTime, openMedium } from "../media/open_medium.ts";
import { checkDestination, checkNames, warnAboutSelf } from "./read_destination.ts";
import type { ReportedImage } from "../images/report_files.ts";
import { checkReportNames, mapAreas, onSource } from "../images/report_names.ts";
import { identityOf } from "../rescue/rescue_map.ts";
import {
  checkInOrder,
  checkStreamInOrder,
  mapIntervalOption,
  rescueOptions,
} from "../rescue/rescue_options.ts";

/** Formats that keep these digests get one of them, unless the user names others. */
const KEPT_HASHES: readonly string[] = ["md5", "sha256"];

/** What was made, for the result and the report. */
interface OnePass {
  readonly made: MadeImages;
  readonly source: WatchedSource;
  /** Where the part begins on the source. */
  readonly offset: number;
  /** The digest of the source, read a second time. */
  readonly again: Digest | undefined;
  readonly seconds: { readonly all: number; readonly reading: number };
  readonly windows: string | undefined;
  readonly selection: ContentSelection | undefined;
  readonly bmapPath: string | undefined;
  /** Bytes that an earlier run had rescued. */
  readonly savedBytes: number;
  /** Of the rescue; absent where there was none. */
  readonly remains: RescueRemains | undefined;
}

/** Is this the way to read into an image of that format? */
export function isOnePass(invocation: Invocation, format: ImageFormat): boolean {
  return format.inOrder === true || valueOf(invocation, "also") !== undefined;
}

/**
 * See the head of this file. `ownParts`: unfinished files that this process made, and may
 * begin anew.
 */
export async function readInOnePass(
  invocation: Invocation,
  context: CommandContext,
  format: ImageFormat,
  ownParts: Set<string>,
): Promise<CommandResult> {
  checkInOrder(invocation);
  const started = new Date();
  const startedAt = performance.now();
  const imagePath = positional(invocation, 1);
  const replace = isSet(invocation, "force");
  const options = rescueOptions(invocation);
  const intervalMilliseconds = mapIntervalOption(invocation);
  const mapPath = valueOf(invocation, "map") ?? `${imagePath}.map`;
  const algorithms = hashesFor(invocation, format);
  const window = hashWindowOption(invocation, algorithms);
  const formats = [{ path: imagePath, format }, ...alsoOption(invocation)];
  const packing = packingOptions(invocation, formats.map((each) => each.format));
  for (const { path } of formats) {
    await checkDestination(context, path, replace, options.retries > 0 ? NO_RETRY : undefined);
  }
  const bmapPath = await bmapOption(invocation, context, rawPathOf(imagePath, format));
  await using files = context.backend.openFiles();
  const medium = await openMedium(context, positional(invocation, 0));
  await using _medium = closedInTime(medium);
  const { source: part, offset } = chosenPart(invocation, medium);
  const selection = await selectContent(invocation, context, part, medium.location);
  const source = new WatchedSource(selection?.source ?? part);
  if (source.sequential) checkStreamInOrder(invocation);
  await checkNames(context, [
    ...namesOf(formats),
    ...source.sequential ? [] : rescueNames(imagePath, mapPath),
    ...window === undefined
      ? []
      : [{ path: windowListPath(imagePath), role: "the hashes of windows" }],
  ], medium.location);
  if (window !== undefined) await checkDestination(context, windowListPath(imagePath), replace);
  const reportFiles = reportExtensions(invocation, selection);
  await checkReportNames(context, imagePath, replace, reportFiles);
  for (const { path } of formats) await warnAboutSelf(context, path, medium.location);
  const chunkBytes = blockSizeOption(invocation, source.sectorSize) ?? DEFAULT_CHUNK_BYTES;
  await using outputs = new AsyncDisposableStack();
  const sparse = !isSet(invocation, "no-sparse");
  const curve = new RateCurve();
  const parts = formats.map(({ path }) => `${path}.part`).join(" and ");
  context.whenCancelled(`what came is in ${parts}; it cannot be gone on with`);
  let readSeconds = 0;
  const onRead = (progress: CopyProgress, readBytes = progress.doneBytes): void => {
    readSeconds = (performance.now() - startedAt) / 1000;
    curve.add(readSeconds, readBytes);
    context.progress(progress);
  };
  const rescue = await rescueFor({
    context,
    files,
    imagePath,
    imagePaths: formats.map(({ path }) => path),
    mapPath,
    source,
    begin: offset,
    identity: identityOf(source, offset, medium.location, selection?.key),
    options,
    chunkBytes,
    sparse,
    intervalMilliseconds,
    onProgress: onRead,
  });
  if (rescue !== undefined) outputs.use(rescue);
  const targets: ImageTarget[] = [];
  for (const each of formats) {
    const settings = {
      replace,
      sparse,
      replaceParts: replace || rescue?.provesPart(each.path),
      ownParts,
    };
    const imageFiles = outputs.use(new ImageFiles(context, files, each.path, settings));
    targets.push({ ...each, files: imageFiles });
  }
  context.phase(`reading ${source.name}`);
  const windows = window === undefined ? undefined : outputs.use(
    await WindowList.begin(
      files,
      windowListPath(imagePath),
      {
        program: context.program.text,
        source: source.name,
        size: source.size,
        windowBytes: window,
      },
      algorithms,
    ),
  );
  const bmap = bmapPath === undefined
    ? undefined
    : new BmapInTheMaking(source.size, await usedRanges(context, source, medium.location));
  const made = await makeImages({
    context,
    policy: rescue?.policy ?? sequentialPolicy(source, {
      chunkBytes,
      onBad: options.onError === "abort" ? "fail" : "zero",
      readTimeoutMilliseconds: options.readTimeoutMilliseconds,
    }),
    signal: rescue?.signal,
    chunkBytes,
    algorithms,
    targets,
    image: {
      size: source.size,
      sectorSize: source.sectorSize,
      sparse,
      evidence: evidenceOf(invocation, context, medium),
      ...packing,
    },
    verify: isSet(invocation, "verify"),
    witnesses: [windows?.consumer, bmap?.consumer].filter((each) => each !== undefined),
    onProgress: (progress) => {
      // While a rescue lasts only what was read before it is written.
      if (rescue === undefined || rescue.stage === "in order") onRead(progress);
      else if (rescue.stage === "rescued") context.progress(rescue.written(progress));
    },
  }).catch((error: unknown) => {
    throw rescue?.reasonFor(error) ?? error;
  });
  const remains = await rescue?.finish();
  for (const { error, target } of made.images) {
    if (error === undefined) continue;
    context.note({ level: "warning", message: `${target.path} failed: ${error.message}` });
  }
  await windows?.complete(replace);
  if (bmapPath !== undefined) await bmap?.complete(files, bmapPath);
  for (const { target: { path, format }, error } of made.images) {
    const rawPath = rawPathOf(path, format);
    if (rawPath === undefined || error !== undefined) continue;
    await writeDigestFiles(context, files, rawPath, made.digests);
  }
  const again = isSet(invocation, "verify-source")
    ? await sourceAgain(context, source, made.digests, chunkBytes, options)
    : undefined;
  const pass: OnePass = {
    made,
    source,
    offset,
    again,
    seconds: { all: (performance.now() - startedAt) / 1000, reading: readSeconds },
    windows: windows === undefined ? undefined : windowListPath(imagePath),
    selection,
    bmapPath,
    savedBytes: rescue?.savedBytes ?? 0,
    remains,
  };
  const reports = reportFiles.length > 0
    ? await (await import("../images/report_files.ts")).writeReport({
      extensions: reportFiles,
      selection: selection?.facts,
      context,
      invocation,
      files,
      medium,
      basePath: imagePath,
      started,
      ended: new Date(),
      seconds: pass.seconds,
      part: { offset, length: source.size },
      readBytes: made.bytes,
      readErrors: source.errors,
      unreadable: onSource(made.bad, offset),
      areas: remains?.areas === undefined ? undefined : mapAreas(remains.areas, offset),
      mapPath: remains?.mapPath,
      curve,
      images: made.images.map((image) => reportedImage(context, image)),
      hashes: hashFacts(pass),
      hashWindowPath: pass.windows,
    })
    : [];
  return resultOf(pass, reports);
}

/** Why `--retries` does not go on with an image that exists. */
const NO_RETRY =
  "unreadable sectors cannot be tried again in a complete image of this format: " +
  "choose another name, or add --force to make it anew";

function hashesFor(invocation: Invocation, format: ImageFormat): readonly HashAlgorithm[] {
  const isRaw = rawPathOf("", format) !== undefined || format.id === "split";
  if (valueOf(invocation, "hash") !== undefined || isRaw) return hashOption(invocation);
  return KEPT_HASHES.flatMap((name) => findHash(name) ?? []);
}

function alsoOption(invocation: Invocation): { path: string; format: ImageFormat }[] {
  const path = valueOf(invocation, "also");
  return path === undefined ? [] : [{ path, format: formatForOutput(path) }];
}

function namesOf(
  formats: readonly { readonly path: string }[],
): { path: string; role: string }[] {
  return formats.flatMap(({ path }, index) => {
    const role = index === 0 ? "the image" : "the second image";
    return [{ path, role }, { path: `${path}.part`, role: `${role} in the making` }];
  });
}

/** Every digest there is, and what it is of. */
function hashFacts({ made, again }: OnePass): HashFacts[] {
  const images = made.images.map(({ target, verified }) => ({
    path: target.path,
    verified,
  }));
  return hashFactsOf(made.digests, images, again);
}

function reportedImage(
  context: CommandContext,
  { target, summary, error }: MadeImage,
): ReportedImage {
  const { path, format, files } = target;
  const folder = folderPrefix(context.backend.host.paths, path);
  return {
    path,
    format: format.title,
    layout: summary?.layout ?? null,
    compression: summary?.compression ?? null,
    files: error === undefined ? files.names.map((name) => `${folder}${name}`) : [],
    result: summary === undefined ? "failed" : "complete",
    message: error?.message ?? null,
  };
}

function resultOf(pass: OnePass, reports: readonly string[]): CommandResult {
  const { made, source, offset, again, seconds, windows, selection, bmapPath, remains } = pass;
  const { bytes, bad, digests, images } = made;
  const badBytes = totalLength(bad);
  const text: string[] = [];
  for (const { target, summary, verified } of images) {
    if (summary === undefined) continue;
    const { names } = target.files;
    const files = names.length > 1 ? ` in ${names.length} files, to ${names.at(-1)}` : "";
    text.push(
      `${target.path}: ${sizeText(bytes)} read from ${source.name}${files} ${
        rateText(bytes - pass.savedBytes, seconds.reading)
      }`,
    );
    if (verified !== undefined) {
      text.push(`verified: ${target.path} was read again and is the same`);
    }
  }
  text.push(...digestLines(digests), ...selection?.lines ?? []);
  const isChanged = again !== undefined && hasChanged(digests, again);
  text.push(...againLines(digests, again));
  if (windows !== undefined) text.push(`hashes of its windows: ${windows}`);
  if (bmapPath !== undefined) text.push(`block map: ${bmapPath}`);
  if (reports.length > 0) text.push(`report: ${reports.join(", ")}`);
  const unreadable: readonly Range[] = onSource(bad, offset);
  if (badBytes > 0) {
    text.push(
      ...rangeLines("unreadable", { ranges: unreadable, bytes: badBytes }, source.sectorSize),
      "They are zeros in the image.",
    );
  }
  if (remains?.mapPath !== undefined) text.push(`map: ${remains.mapPath}`);
  const isFailed = images.some(({ error }) => error !== undefined);
  return {
    outcome: isChanged
      ? "mismatch"
      : isFailed
      ? "failed"
      : badBytes > 0
      ? "unreadable"
      : "done",
    text,
    json: {
      source: source.name,
      image: images[0]?.target.path ?? "",
      images: images.map(({ target, summary, error, verified }) => ({
        path: target.path,
        format: target.format.id,
        files: target.files.names,
        result: summary === undefined ? "failed" : "complete",
        message: error?.message ?? null,
        verified: verified !== undefined,
      })),
      bytes,
      hashes: digestsJson(digests),
      sourceAgain: again === undefined ? null : digestsJson([again]),
      badBytes,
      bad: rangesJson(unreadable),
      readErrors: source.errors,
      resumedBytes: pass.savedBytes,
      map: remains?.mapPath ?? null,
      hashWindows: windows ?? null,
      selection: selection?.facts ?? null,
      bmap: bmapPath ?? null,
      report: reports,
      seconds: seconds.all,
    },
  };
}
