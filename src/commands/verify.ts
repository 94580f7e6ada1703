import { DamageTolerantSource } from "../blocks/damage_tolerant.ts";
import { compareMedia, type MediaComparison, provesSame } from "../copy/compare_media.ts";
import { type Digest, hashConsumers } from "../copy/hash_consumers.ts";
import { DEFAULT_CHUNK_BYTES } from "../copy/run_copy.ts";
import { type WindowCheck, WindowCheckConsumer } from "../copy/window_hash_consumer.ts";
import type { BlockSource } from "../core/block.ts";
import { ImagingError } from "../core/errors.ts";
import { folderPrefix, type PathStyle } from "../core/path.ts";
import { type Range, totalLength } from "../core/range.ts";
import { formatCount } from "../core/units.ts";
import type { FileAccess } from "../devices/device.ts";
import type { OpenedImage, StoredDigest } from "../formats/image_format.ts";
import { parseDigestList } from "../hashes/digest_file.ts";
import type { HashAlgorithm } from "../hashes/hash_algorithm.ts";
import { findHash, HASH_ALGORITHMS, hashOfLine } from "../hashes/registry.ts";
import { parseWindowFile, type WindowFile } from "../hashes/window_file.ts";
import { rangeLines, rangesJson } from "../report/ranges_text.ts";
import { rateText, sizeText } from "../report/rate_text.ts";
import {
  blockSizeOption,
  type Command,
  type CommandContext,
  type CommandResult,
  type Invocation,
  positional,
  SHARED_OPTIONS,
  valueOf,
} from "./command.ts";
import { unpackedPath } from "./images/digest_files.ts";
import { hashMedium } from "./media/hash_medium.ts";
import { windowListPath } from "./images/hash_windows.ts";
import { closedInTime, openMedium } from "./media/open_medium.ts";
import { readInOrder, readWhole } from "./media/read_in_order.ts";
import { IN_ORDER_OPTIONS, rescueOptions } from "./rescue/rescue_options.ts";

export const verify: Command = {
  name: "verify",
  aliases: [],
  usage: "IMAGE [TARGET]",
  summary: "compare an image with a device, an image, or its digests",
  details: [
    "With TARGET: compares byte by byte, reading a device past every cache. Where they " +
    "differ is listed in bytes and sectors, and the exit code is 2. An image that is " +
    "shorter than TARGET is compared over its own length.",
    "Without TARGET: reads the image and compares its digests with those that it keeps, that " +
    "lie beside it (IMAGE.sha256, .sha1, .md5, .sha512, .b3, or a list such as SHA256SUMS), " +
    "or with --expect, and its windows with IMAGE.windows. Of containers every part's own " +
    "checksum is checked, and of AFF4 the hashes that it keeps; damaged parts are listed. A " +
    "packed image (.gz .zst .xz ...) is unpacked on the way, not to the disk; digests beside " +
    "it may be those of the packed file (IMAGE.xz.sha256) or of the image in it " +
    "(IMAGE.sha256).",
    "A place that cannot be read, on either side, is rescued as `read` does it, before what " +
    "is behind it is read. What stays unreadable is listed, and the exit code is 4, or 2 " +
    "where something else differs.",
  ],
  examples: [
    "sectorshot verify card.img /dev/sdb",
    "sectorshot verify card.img",
    "sectorshot verify card.img --expect sha256:e3b0c442...",
  ],
  options: [
    { name: "expect", value: "HASH:HEX", help: "the digest that the image must have" },
    SHARED_OPTIONS.blockSize,
    ...IN_ORDER_OPTIONS,
  ],
  positionals: { min: 1, max: 2 },
  run,
};

async function run(invocation: Invocation, context: CommandContext): Promise<CommandResult> {
  const [imagePath = "", targetPath] = invocation.positionals;
  const expect = valueOf(invocation, "expect");
  if (targetPath === undefined) {
    return await verifyDigests(invocation, context, imagePath, expect);
  }
  if (expect !== undefined) {
    throw new ImagingError("usage", "cannot use --expect together with a TARGET", {
      hint: "verify once with each",
    });
  }
  if (targetPath === "-") {
    throw new ImagingError("usage", "cannot compare with stdin as TARGET", {
      hint: "name it as IMAGE: sectorshot verify - TARGET",
    });
  }
  const started = performance.now();
  const rescue = rescueOptions(invocation);
  const image = await openMedium(context, imagePath);
  await using _image = closedInTime(image);
  const target = await openMedium(context, targetPath);
  await using _target = closedInTime(target);
  const { source } = image;
  const chunkBytes = blockSizeOption(invocation, target.source.sectorSize);
  context.phase(`comparing ${imagePath} with ${targetPath}`);
  const comparison = await readInOrder(
    context,
    rescue,
    (reading) => compareMedia(source, target.source, { chunkBytes, ...reading }),
  );
  const seconds = (performance.now() - started) / 1000;
  return comparisonResult({ image: source, target: target.source, comparison, seconds });
}

/** What was compared, and what came of it. */
export interface ComparisonSummary {
  readonly image: BlockSource;
  readonly target: BlockSource;
  readonly comparison: MediaComparison;
  readonly seconds: number;
}

/** The result of a comparison, for people and for programs. */
export function comparisonResult(summary: ComparisonSummary): CommandResult {
  const { image, target, comparison, seconds } = summary;
  const { bytes, differing, differingCount, differingBytes, missingBytes } = comparison;
  const { sectorSize } = target;
  const restBytes = Math.max(0, target.size - bytes - missingBytes);
  const unreadable = [
    { name: image.name, ranges: comparison.unreadableHere },
    { name: target.name, ranges: comparison.unreadable },
  ].filter(({ ranges }) => ranges.length > 0);
  const isSame = differingCount === 0 && missingBytes === 0;
  const text: string[] = [];
  const compared = `${sizeText(bytes)} compared ${rateText(bytes, seconds)}`;
  if (!isSame) text.push(`${image.name} and ${target.name} differ: ${compared}`);
  else if (unreadable.length > 0) text.push(`what could be read is the same: ${compared}`);
  else text.push(`${image.name} and ${target.name} hold the same bytes: ${compared}`);
  if (comparison.firstDifference !== undefined) {
    text.push(`first difference at byte ${formatCount(comparison.firstDifference)}`);
  }
  if (differingCount > 0) {
    const list = { ranges: differing, count: differingCount, bytes: differingBytes };
    text.push(...rangeLines("differing", list, sectorSize));
  }
  if (missingBytes > 0) {
    text.push(`${target.name} ends ${sizeText(missingBytes)} before ${image.name} does`);
  }
  for (const { name, ranges } of unreadable) {
    const list = { ranges, bytes: totalLength(ranges) };
    text.push(...rangeLines(`unreadable on ${name}`, list, sectorSize));
  }
  if (restBytes > 0) {
    text.push(
      `not compared: the last ${sizeText(restBytes)} of ${target.name}, the image is shorter`,
    );
  }
  return {
    outcome: !isSame ? "mismatch" : unreadable.length > 0 ? "unreadable" : "done",
    text,
    json: {
      image: image.name,
      target: target.name,
      bytes,
      same: provesSame(comparison),
      firstDifference: comparison.firstDifference ?? null,
      differingBytes,
      differingCount,
      differing: rangesJson(differing),
      missingBytes,
      notComparedBytes: restBytes,
      unreadable: unreadable.map(({ name, ranges }) => ({ name, ranges: rangesJson(ranges) })),
      seconds,
    },
  };
}

/** A digest that the image should have, and who says so. */
interface Expectation {
  readonly algorithm: HashAlgorithm;
  readonly hex: string;
  readonly from: string;
}

async function verifyDigests(
  invocation: Invocation,
  context: CommandContext,
  imagePath: string,
  expect: string | undefined,
): Promise<CommandResult> {
  const started = performance.now();
  const rescue = rescueOptions(invocation);
  const medium = await openMedium(context, positional(invocation, 0));
  await using _medium = closedInTime(medium);
  const source = new DamageTolerantSource(medium.source);
  await using files = context.backend.openFiles();
  const { paths } = context.backend.host;
  const isPacked = medium.image?.isPacking === true;
  const besideFile = expect !== undefined
    ? []
    : await findExpectations(files, imagePath, paths);
  const expectations = expect !== undefined ? [parseExpectation(expect)] : [
    ...keptExpectations(medium.image?.digests ?? []),
    // Beside a packed file are digests of that file, and of what it would be unpacked.
    ...isPacked ? await findExpectations(files, unpackedPath(imagePath), paths) : besideFile,
  ];
  const list = await readWindowList(files, windowListPath(imagePath));
  // Parts of containers have checksums of their own, which reading checks.
  const isContainer = medium.image?.digests !== undefined || isPacked;
  if (expectations.length === 0 && list === undefined && !isContainer) {
    throw new ImagingError(
      "usage",
      `cannot verify ${imagePath}: there is no digest beside it`,
      {
        hint: "name a device to compare with, or say --expect sha256:HEX",
      },
    );
  }
  context.phase(`verifying ${imagePath}`);
  const algorithms = [...new Set(expectations.map((each) => each.algorithm))];
  const chunkBytes = blockSizeOption(invocation, source.sectorSize) ?? DEFAULT_CHUNK_BYTES;
  const windows = list === undefined ? undefined : new WindowCheckConsumer(list);
  const { bytes, bad, results } = await readWhole(context, {
    source,
    options: rescue,
    consumers: [
      ...hashConsumers(algorithms, source.size),
      ...windows === undefined ? [] : [windows],
    ],
    chunkBytes,
  });
  const digests = results.slice(0, algorithms.length) as Digest[];
  const checks = checkAll(expectations, digests);
  if (isPacked) {
    const ofFile = expect === undefined ? besideFile : expectations;
    const isNeeded = expect === undefined || checks.some(({ same }) => !same);
    const found = isNeeded ? await checkFile(context, imagePath, ofFile) : [];
    // A digest that was given may be that of the content, or of the file as it lies there.
    if (expect === undefined) checks.push(...found);
    else if (found.length > 0 && found.every(({ same }) => same)) checks.splice(0, 1, ...found);
  }
  checks.push(...await checkKept(context, imagePath, medium.image));
  return verifiedResult({
    imagePath,
    source,
    bytes,
    bad,
    checks,
    windows: windows === undefined ? undefined : results.at(-1) as WindowCheck,
    seconds: (performance.now() - started) / 1000,
  });
}

/** A digest that an image or a file should have, and the one that it has. */
interface DigestCheck {
  readonly algorithm: string;
  readonly expected: string;
  readonly actual: string;
  readonly from: string;
  readonly same: boolean;
}

function checkAll(
  expectations: readonly Expectation[],
  digests: readonly Digest[],
): DigestCheck[] {
  return expectations.map(({ algorithm, hex, from }) => {
    const actual = digests.find((each) => each.algorithm === algorithm)?.hex ?? "";
    return { algorithm: algorithm.id, expected: hex, actual, from, same: actual === hex };
  });
}

/** Compares the digests of a file as it lies there. */
async function checkFile(
  context: CommandContext,
  path: string,
  expectations: readonly Expectation[],
): Promise<DigestCheck[]> {
  if (expectations.length === 0) return [];
  context.phase(`hashing ${path}`);
  await using file = await context.backend.openSource(path, { direct: false });
  const algorithms = [...new Set(expectations.map(({ algorithm }) => algorithm))];
  const { digests } = await hashMedium(context, file, algorithms, DEFAULT_CHUNK_BYTES, "fail");
  return checkAll(expectations, digests)
    .map((check) => ({ ...check, from: `${check.from}, for the file itself` }));
}

/** What an image keeps of itself, and reading its content has not checked. */
async function checkKept(
  context: CommandContext,
  path: string,
  image: OpenedImage | undefined,
): Promise<DigestCheck[]> {
  if (image?.checkItself === undefined) return [];
  context.phase(`checking what ${path} keeps of itself`);
  const checks = await image.checkItself(context.signal);
  return checks.map(({ name, algorithm, expected, actual }) => ({
    algorithm,
    expected,
    actual,
    from: `the image itself: ${name}`,
    same: actual === expected,
  }));
}

/** What an image was compared with, and what came of it. */
interface Verified {
  readonly imagePath: string;
  readonly source: DamageTolerantSource;
  readonly bytes: number;
  readonly bad: readonly Range[];
  readonly checks: readonly DigestCheck[];
  /** Undefined where there is no list of windows. */
  readonly windows: WindowCheck | undefined;
  readonly seconds: number;
}

function verifiedResult(verified: Verified): CommandResult {
  const { imagePath, source, bytes, bad, checks, windows, seconds } = verified;
  const { damaged } = source;
  const areWindowsSame = windows === undefined ||
    (windows.differingWindows === 0 && windows.missingBytes === 0);
  const isSame = checks.every((check) => check.same) && damaged.length === 0 && areWindowsSame;
  const text = [
    `${imagePath}: ${sizeText(bytes)} verified ${rateText(bytes, seconds)}`,
    ...checks.flatMap(({ algorithm, expected, actual, from, same }) =>
      same ? [`${algorithm}: OK, as in ${from}`] : [
        `${algorithm}: DIFFERS from ${from}`,
        `  expected ${expected}`,
        `  found    ${actual}`,
      ]
    ),
    ...windowLines(imagePath, source.sectorSize, windows),
  ];
  for (const [heading, ranges] of [["damaged", damaged], ["unreadable", bad]] as const) {
    if (ranges.length === 0) continue;
    text.push(
      ...rangeLines(heading, { ranges, bytes: totalLength(ranges) }, source.sectorSize),
    );
  }
  if (checks.length === 0 && damaged.length === 0 && windows === undefined) {
    text.push("no digest is kept in it; the checksums of its parts are right");
  }
  return {
    outcome: !isSame ? "mismatch" : bad.length > 0 ? "unreadable" : "done",
    text,
    json: {
      image: imagePath,
      bytes,
      same: isSame,
      checks,
      damaged: rangesJson(damaged),
      windows: windows === undefined ? null : {
        differing: rangesJson(windows.differing),
        differingWindows: windows.differingWindows,
        missingBytes: windows.missingBytes,
      },
      bad: rangesJson(bad),
      seconds,
    },
  };
}

function windowLines(
  imagePath: string,
  sectorSize: number,
  windows: WindowCheck | undefined,
): string[] {
  if (windows === undefined) return [];
  const { differing, differingWindows, differingBytes, missingBytes, furtherBytes } = windows;
  const lines: string[] = [];
  if (differingWindows === 0 && missingBytes === 0) {
    lines.push(`windows: OK, as in ${windowListPath(imagePath)}`);
  }
  if (differingWindows > 0) {
    const list = { ranges: differing, bytes: differingBytes };
    lines.push(
      `windows: ${differingWindows} DIFFER from ${windowListPath(imagePath)}`,
      ...rangeLines("in differing windows", list, sectorSize),
    );
  }
  if (!windows.isComplete) {
    lines.push(`windows: ${windowListPath(imagePath)} has no end: its run was interrupted`);
  }
  if (missingBytes > 0) lines.push(`windows: the last ${sizeText(missingBytes)} are missing`);
  if (furtherBytes > 0) lines.push(`windows: ${sizeText(furtherBytes)} more than they cover`);
  return lines;
}

/** What an image itself says of its content. */
function keptExpectations(digests: readonly StoredDigest[]): Expectation[] {
  return digests.flatMap(({ algorithm: id, hex }) => {
    const algorithm = findHash(id);
    return algorithm === undefined ? [] : [{ algorithm, hex, from: "the image itself" }];
  });
}

/** The largest list of windows that is read. */
const MAX_LIST_BYTES = 1024 ** 3;

async function readWindowList(
  files: FileAccess,
  path: string,
): Promise<WindowFile | undefined> {
  const content = await files.read(path, MAX_LIST_BYTES);
  return content === undefined ? undefined : parseWindowFile(content, path);
}

function parseExpectation(text: string): Expectation {
  const [, name = "", hex = ""] = /^([a-z0-9]+):([0-9a-fA-F]+)$/.exec(text) ?? [];
  const algorithm = findHash(name);
  if (algorithm !== undefined && hex.length === algorithm.digestBytes * 2) {
    return { algorithm, hex: hex.toLowerCase(), from: "--expect" };
  }
  const reason = algorithm === undefined
    ? "it does not begin with the name of a hash"
    : `${name} has ${algorithm.digestBytes * 2} digits, not ${hex.length}`;
  throw new ImagingError("usage", `cannot use --expect ${text}: ${reason}`, {
    hint: "write it as sha256:HEX",
  });
}

/** Lists that distributions put beside their images; the hash is told by the name. */
const DIGEST_LISTS: readonly (readonly [name: string, hash: string | undefined])[] = [
  ["SHA256SUMS", "sha256"],
  ["SHA256SUMS.txt", "sha256"],
  ["sha256sum.txt", "sha256"],
  ["SHA512SUMS", "sha512"],
  ["SHA1SUMS", "sha1"],
  ["MD5SUMS", "md5"],
  ["B3SUMS", "blake3"],
  ["CHECKSUM", undefined],
];

/** Every digest that lies beside the image. */
async function findExpectations(
  files: FileAccess,
  imagePath: string,
  paths: PathStyle,
): Promise<Expectation[]> {
  const name = paths.nameOf(imagePath);
  const folder = folderPrefix(paths, imagePath);
  const beside = HASH_ALGORITHMS.flatMap((algorithm) =>
    [...new Set([algorithm.extension, algorithm.id])].map((extension) =>
      [`${imagePath}.${extension}`, algorithm, true] as const
    )
  );
  const lists = DIGEST_LISTS.map(([list, hash]) =>
    [
      `${folder}${list}`,
      hash === undefined ? undefined : findHash(hash),
      false,
    ] as const
  );
  const found: Expectation[] = [];
  for (const [path, algorithm, isOwn] of [...beside, ...lists]) {
    const content = await files.read(path);
    if (content === undefined) continue;
    const { lines: entries } = parseDigestList(new TextDecoder().decode(content));
    // A file that belongs to the image alone may hold another name: it was renamed.
    const ours = entries.filter((entry) => entry.name.replace(/^\.\//, "") === name);
    const chosen = ours.length > 0 ? ours : isOwn && entries.length === 1 ? entries : [];
    if (chosen.length === 0 && isOwn) {
      throw new ImagingError("corrupt", `cannot use ${path}: it holds no digest of ${name}`, {
        hint: "a line looks like: HEX  NAME",
      });
    }
    for (const entry of chosen) {
      const of = algorithm ?? hashOfLine(entry);
      if (of === undefined || entry.hex.length !== of.digestBytes * 2) {
        throw new ImagingError("corrupt", `cannot use ${path}: a digest of the wrong length`, {
          hint: "a line looks like: HEX  NAME",
        });
      }
      found.push({ algorithm: of, hex: entry.hex, from: path });
    }
  }
  return found;
}
