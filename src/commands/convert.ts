import { DamageTolerantSource } from "../blocks/damage_tolerant.ts";
import { parseMapFile } from "../copy/map_file.ts";
import { sequentialPolicy } from "../copy/read_policy.ts";
import { DEFAULT_CHUNK_BYTES } from "../copy/run_copy.ts";
import { ImagingError, VerifyError } from "../core/errors.ts";
import { mergeRanges, type Range, totalLength } from "../core/range.ts";
import type { FileAccess } from "../devices/device.ts";
import { formatForOutput } from "../formats/registry.ts";
import { findHash } from "../hashes/registry.ts";
import { rangeLines, rangesJson } from "../report/ranges_text.ts";
import { rateText, sizeText } from "../report/rate_text.ts";
import {
  blockSizeOption,
  type Command,
  type CommandContext,
  type CommandResult,
  hashOption,
  type Invocation,
  isSet,
  positional,
  SHARED_OPTIONS,
  valueOf,
} from "./command.ts";
import { evidenceOf, IMAGE_OPTIONS, packingOptions } from "./images/evidence_options.ts";
import { digestLines, digestsJson } from "./media/hash_medium.ts";
import { rawPathOf, writeDigestFiles } from "./images/digest_files.ts";
import { ImageFiles } from "./images/image_files.ts";
import { type MadeImages, makeImages, markingPolicy } from "./images/make_images.ts";
import { type OpenedMedium, openMedium } from "./media/open_medium.ts";
import { checkDestination, checkNames } from "./read/read_destination.ts";

export const convert: Command = {
  name: "convert",
  aliases: [],
  usage: "IMAGE IMAGE",
  summary: "between image formats, content hash kept",
  details: [
    "Writes the content of the first image into the second, in the format that its " +
    "extension or --format names. Digests that the first keeps are checked on the way, and " +
    "what is known of the medium (case, examiner, serial number, unreadable sectors) goes along.",
    "Of a raw image, the map beside it (IMAGE.map) tells which sectors could not be read.",
  ],
  examples: [
    "sectorshot convert card.E01 card.img",
    "sectorshot convert card.aff4 card.E01",
    "sectorshot convert card.img card.E01 --case 2026-17 --examiner 'A. Author'",
  ],
  options: [
    SHARED_OPTIONS.hash,
    { name: "verify", help: "read the new image again, past the cache, and compare" },
    SHARED_OPTIONS.blockSize,
    SHARED_OPTIONS.format,
    { name: "no-sparse", help: "write zeros too, leave no holes (raw images)" },
    { name: "force", help: "replace the second image if it exists" },
    {
      name: "on-error",
      value: "HOW",
      help: "damaged parts of the first: abort, or zero: fill them (abort)",
    },
    ...IMAGE_OPTIONS,
  ],
  positionals: { min: 2, max: 2 },
  run,
};

async function run(invocation: Invocation, context: CommandContext): Promise<CommandResult> {
  const started = performance.now();
  const [fromPath, toPath] = [positional(invocation, 0), positional(invocation, 1)];
  const replace = isSet(invocation, "force");
  const format = formatForOutput(toPath, valueOf(invocation, "format"));
  const packing = packingOptions(invocation, [format]);
  const onError = onErrorOption(invocation);
  await checkDestination(context, toPath, replace);
  await using medium = await openMedium(context, fromPath);
  if (medium.location?.kind === "device") {
    throw new ImagingError("usage", `cannot convert ${fromPath}: it is a disk`, {
      hint: "to make an image of a disk use `sectorshot read`",
    });
  }
  await using files = context.backend.openFiles();
  await checkNames(context, [
    { path: toPath, role: "the new image" },
    { path: `${toPath}.part`, role: "the new image in the making" },
  ], medium.location);
  const unreadable = medium.image?.unreadable ??
    await unreadableByMap(context, files, fromPath);
  const requested = hashOption(invocation);
  const stored = requested.length === 0 ? [] : medium.image?.digests ?? [];
  const known = stored.flatMap(({ algorithm }) => findHash(algorithm) ?? []);
  const algorithms = [...new Set([...known, ...requested])];
  const source = new DamageTolerantSource(medium.source);
  const chunkBytes = blockSizeOption(invocation, source.sectorSize) ?? DEFAULT_CHUNK_BYTES;
  const content = onError === "zero" ? source : medium.source;
  const policy = markingPolicy(
    sequentialPolicy(content, { chunkBytes, onBad: "fail" }),
    () => [...unreadable, ...source.damaged],
  );
  const sparse = !isSet(invocation, "no-sparse");
  await using output = new ImageFiles(context, files, toPath, { replace, sparse });
  context.phase(`converting ${fromPath}`);
  context.whenCancelled(`what was written is in ${output.partPath()}, and can be removed`);
  const made = await makeImages({
    context,
    policy,
    chunkBytes,
    algorithms,
    targets: [{ path: toPath, format, files: output }],
    image: {
      size: medium.source.size,
      sectorSize: medium.source.sectorSize,
      sparse,
      evidence: evidenceOf(invocation, context, medium),
      ...packing,
    },
    verify: isSet(invocation, "verify"),
    check: (digests) => checkStored(medium, digests, source.damaged),
  });
  const rawPath = rawPathOf(toPath, format);
  if (rawPath !== undefined) {
    await writeDigestFiles(context, files, rawPath, made.digests);
  }
  return resultOf(
    { fromPath, toPath, medium, source, unreadable, seconds: secondsSince(started) },
    made,
  );
}

function secondsSince(started: number): number {
  return (performance.now() - started) / 1000;
}

function onErrorOption(invocation: Invocation): "abort" | "zero" {
  const text = valueOf(invocation, "on-error") ?? "abort";
  if (text === "abort" || text === "zero") return text;
  throw new ImagingError("usage", `cannot use --on-error ${text}`, {
    hint: "there are abort and zero",
  });
}

/** What a rescue into a raw image could not read, as the map beside it says. */
async function unreadableByMap(
  context: CommandContext,
  files: FileAccess,
  path: string,
): Promise<readonly Range[]> {
  if (path === "-" || (await context.backend.locate(`${path}.map`)).kind !== "file") return [];
  const content = await files.read(`${path}.map`);
  if (content === undefined) return [];
  const { map } = parseMapFile(new TextDecoder().decode(content), `${path}.map`);
  return mergeRanges(map.ranges("-", "*", "/", "?"));
}

/** Digests that an image keeps must be those of what came out of it. */
function checkStored(
  { source, image }: OpenedMedium,
  digests: readonly { readonly algorithm: { readonly id: string }; readonly hex: string }[],
  damaged: readonly Range[],
): void {
  // With zeros for what is damaged it cannot be the same, and that was asked for.
  if (damaged.length > 0) return;
  for (const { algorithm, hex } of image?.digests ?? []) {
    const found = digests.find((each) => each.algorithm.id === algorithm);
    if (found === undefined || found.hex === hex) continue;
    throw new VerifyError(
      `${source.name} does not hold what it was made of: its ${algorithm} is ${found.hex}, ` +
        `and should be ${hex}`,
      [],
      { hint: "it was changed or damaged: `sectorshot verify` tells more" },
    );
  }
}

/** What was converted. */
interface Conversion {
  readonly fromPath: string;
  readonly toPath: string;
  readonly medium: OpenedMedium;
  readonly source: DamageTolerantSource;
  readonly unreadable: readonly Range[];
  readonly seconds: number;
}

function resultOf(conversion: Conversion, made: MadeImages): CommandResult {
  const { fromPath, toPath, medium, source, unreadable, seconds } = conversion;
  const { bytes, digests, images: [image] } = made;
  const { damaged } = source;
  const kept =
    medium.image?.digests?.filter(({ algorithm }) =>
      digests.some((digest) => digest.algorithm.id === algorithm)
    ) ?? [];
  const text = [
    `${toPath}: ${sizeText(bytes)} converted from ${fromPath} ${rateText(bytes, seconds)}`,
    ...digestLines(digests),
  ];
  if (kept.length > 0 && damaged.length === 0) {
    const names = kept.map(({ algorithm }) => algorithm).join(", ");
    text.push(`the same as kept in ${fromPath}: ${names}`);
  }
  if (image?.verified !== undefined) text.push("verified: the new image was read again");
  const list = (heading: string, ranges: readonly Range[]): void => {
    if (ranges.length === 0) return;
    const bytes = totalLength(ranges);
    text.push(...rangeLines(heading, { ranges, bytes }, source.sectorSize));
  };
  list("unreadable when the first was made", unreadable);
  list(`damaged in ${fromPath}, now zeros`, damaged);
  return {
    outcome: damaged.length > 0 ? "unreadable" : "done",
    text,
    json: {
      from: fromPath,
      image: toPath,
      files: image?.summary?.files ?? [toPath],
      bytes,
      hashes: digestsJson(digests),
      checked: kept,
      unreadable: rangesJson(unreadable),
      damaged: rangesJson(damaged),
      verified: image?.verified !== undefined,
      seconds,
    },
  };
}
