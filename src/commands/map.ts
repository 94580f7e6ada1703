import {
  combineMaps,
  compareMaps,
  invertMap,
  type MapDifferences,
  type MapOperation,
} from "../copy/map_algebra.ts";
import { type MapFile, mapFilePieces } from "../copy/map_file.ts";
import type { RangeMap } from "../copy/range_map.ts";
import { ImagingError } from "../core/errors.ts";
import { endOf } from "../core/range.ts";
import { printable } from "../core/text.ts";
import { formatCount, plural } from "../core/units.ts";
import type { FileAccess } from "../devices/device.ts";
import { rangeLines } from "../report/ranges_text.ts";
import {
  bytesOption,
  type Command,
  type CommandContext,
  type CommandResult,
  type Invocation,
  isSet,
  type Outcome,
  valueOf,
  worstOutcome,
} from "./command.ts";
import { IDENTITY_MARK, TARGET_MARK } from "./rescue/rescue_map.ts";
import { type LoadedMap, loadMap } from "./map/map_input.ts";
import {
  type BlockListing,
  firstRanges,
  isFinished,
  LIST_FORMATS,
  listingPieces,
  mapJson,
  MOST_RANGES,
  writePieces,
} from "./map/map_output.ts";
import {
  checkPictureNames,
  checkPicturePath,
  mapPicture,
  mapText,
  NO_PARTS,
  readParts,
} from "./map/map_picture.ts";
import { parseStates } from "./map/map_states.ts";

export const map: Command = {
  name: "map",
  aliases: [],
  usage: "MAPFILE...",
  summary: "show, test and combine rescue maps",
  details: [
    "Shows how far a rescue is, from its map in the form of GNU ddrescue: bytes in each " +
    "state, the longest bad areas, and the disk as a picture. MAPFILE can be - (stdin). " +
    "Map files are only read.",
    "--and, --or, --xor and --invert make a new map, which goes to stdout. Rescued areas are " +
    "what counts: what was rescued in MAPFILE and is not in the result becomes a bad sector, " +
    "and all else that is not rescued keeps its state. Only what both maps cover is changed; " +
    "position and phase stay.",
    "--list prints the numbers of the blocks that lie in areas of these states, wholly or in " +
    "part, for badblocks and e2fsck -L. STATES are signs (? * / - +) or names: rescued, " +
    "non-tried, non-trimmed, non-scraped, bad-sector. Write --list=-/ where they begin with " +
    "a dash. --convert makes a bitmap of the same blocks, from byte 0 of the disk to the " +
    "end of the map.",
    "Exit codes of --done: 0 when all is rescued, 4 when nothing is left but bad sectors, 1 " +
    "when there is more to try. Of --compare: 2 when the maps differ. Together with an " +
    "operation, these and --list and --svg take its result.",
  ],
  examples: [
    "sectorshot map card.img.map",
    "sectorshot map card.img.map --svg card.svg --image card.img",
    "sectorshot map card.img.map --list bad-sector --block-size 4096 > badblocks",
    "sectorshot map first.map --or second.map > both.map",
    "sectorshot map card.img.map --done && rm card.img.map",
  ],
  options: [
    { name: "and", value: "OTHER", help: "rescued in both" },
    { name: "or", value: "OTHER", help: "rescued in one of them" },
    { name: "xor", value: "OTHER", help: "rescued in just one of them" },
    { name: "invert", help: "rescued becomes bad, all else rescued" },
    { name: "compare", value: "OTHER", help: "do both hold the same states? (2: no)" },
    { name: "done", help: "is everything rescued? (4: but for bad sectors; 1: no)" },
    { name: "list", value: "STATES", help: "numbers of the blocks in these states" },
    { name: "block-size", value: "N", help: "bytes of a block, or of a sector (512)" },
    {
      name: "convert",
      value: "FORMAT",
      help: "list, bitmap (-le) or bitmap-be of --list (rescued)",
    },
    { name: "svg", value: "FILE", help: "draw the map (--svg=- draws to stdout)" },
    { name: "image", value: "FILE", help: "name the partitions of this image or disk" },
    { name: "force", help: "replace the picture if it exists" },
  ],
  positionals: { min: 1, max: Infinity },
  run,
};

/** How a map is changed before anything else is done with it. */
interface Transformation {
  readonly operation: MapOperation | "invert";
  /** Name of the second map; undefined to invert. */
  readonly otherPath: string | undefined;
}

/** What is asked for. */
type Output =
  | { readonly kind: "show" | "done" | "map" }
  | { readonly kind: "compare"; readonly otherPath: string }
  | { readonly kind: "list"; readonly listing: BlockListing };

/** The command line, understood. */
interface Plan {
  readonly transformation: Transformation | undefined;
  readonly output: Output;
  readonly blockBytes: number;
  readonly svgPath: string | undefined;
  readonly imagePath: string | undefined;
}

function usageError(message: string, hint: string): ImagingError {
  return new ImagingError("usage", message, { hint });
}

/** The one of these options that was given. */
function onlyOne(invocation: Invocation, names: readonly string[]): string | undefined {
  const given = names.filter((name) => invocation.options[name] !== undefined);
  const [first, second] = given;
  if (second === undefined) return first;
  throw usageError(`cannot use --${first} together with --${second}`, "use one at a time");
}

/** ddrescuelog has the same limits. */
const BLOCK_LIMITS = { min: 1, max: 2 ** 31 - 1 };

function planOf(invocation: Invocation, context: CommandContext): Plan {
  const { min, max } = BLOCK_LIMITS;
  const blockBytes = bytesOption(invocation, "block-size", 512) ?? 512;
  if (blockBytes < min || blockBytes > max) {
    throw usageError(`cannot use --block-size ${blockBytes}`, `choose ${min} to ${max} bytes`);
  }
  const operation = onlyOne(invocation, ["and", "or", "xor", "invert"]) as
    | Transformation["operation"]
    | undefined;
  const plan: Plan = {
    transformation: operation === undefined
      ? undefined
      : { operation, otherPath: valueOf(invocation, operation) },
    output: outputOf(invocation, blockBytes, operation !== undefined),
    blockBytes,
    svgPath: valueOf(invocation, "svg"),
    imagePath: valueOf(invocation, "image"),
  };
  checkPlan(invocation, context, plan);
  return plan;
}

function outputOf(invocation: Invocation, blockBytes: number, isChanged: boolean): Output {
  const lists = invocation.options["list"] === undefined ? "convert" : "list";
  const wanted = onlyOne(invocation, ["compare", "done", lists]);
  const otherPath = valueOf(invocation, "compare");
  if (otherPath !== undefined) return { kind: "compare", otherPath };
  if (wanted === "done") return { kind: "done" };
  if (wanted === undefined) return { kind: isChanged ? "map" : "show" };
  const name = valueOf(invocation, "convert") ?? "list";
  const format = LIST_FORMATS.find((each) => each === name);
  if (format === undefined) {
    throw usageError(
      `cannot use --convert ${printable(name)}`,
      `there are ${LIST_FORMATS.join(", ")}`,
    );
  }
  const statuses = parseStates(valueOf(invocation, "list") ?? "+");
  return { kind: "list", listing: { statuses, blockBytes, format } };
}

function checkPlan(invocation: Invocation, { json }: CommandContext, plan: Plan): void {
  const { positionals } = invocation;
  const { output, transformation, svgPath, imagePath } = plan;
  const isOne = transformation !== undefined || svgPath !== undefined ||
    imagePath !== undefined || !["show", "done"].includes(output.kind);
  if (isOne && positionals.length > 1) {
    throw usageError(
      "cannot do that with several maps at once",
      "name one MAPFILE; several can only be shown, or tested with --done",
    );
  }
  const otherPath = output.kind === "compare" ? output.otherPath : undefined;
  const inputs = [...positionals, transformation?.otherPath, otherPath];
  if (inputs.filter((path) => path === "-").length > 1) {
    throw usageError("cannot read two maps from stdin", "name a file for one of them");
  }
  if (imagePath === "-") {
    throw usageError("cannot use --image -: it is read here and there", "name a file or disk");
  }
  if (imagePath !== undefined && output.kind !== "show" && svgPath === undefined) {
    throw usageError("--image says nothing here", "use it with --svg, or to show a map");
  }
  if (isSet(invocation, "force") && svgPath === undefined) {
    throw usageError("--force says nothing here", "it replaces the picture of --svg");
  }
  if (svgPath === "-" && (json || output.kind !== "show")) {
    throw usageError("cannot use --svg - here: stdout is taken", "give the picture a name");
  }
  if (json && output.kind === "list" && output.listing.format !== "list") {
    throw usageError("cannot use --json with a bitmap: both want stdout", "leave out --json");
  }
}

async function run(invocation: Invocation, context: CommandContext): Promise<CommandResult> {
  const plan = planOf(invocation, context);
  if (plan.svgPath !== undefined && plan.svgPath !== "-") {
    await checkPicturePath(context, plan.svgPath, isSet(invocation, "force"));
  }
  await using files = context.backend.openFiles();
  const [path = "", ...others] = invocation.positionals;
  const results = [];
  if (others.length === 0) results.push(await runOne(context, files, plan, path));
  else {
    for (const each of invocation.positionals) {
      results.push(await runOneOf(context, files, plan, each));
    }
  }
  return {
    outcome: results.map(({ outcome }) => outcome).reduce(worstOutcome),
    text: results.flatMap(({ text }, index) =>
      index > 0 && plan.output.kind === "show" && text.length > 0 ? ["", ...text] : text
    ),
    json: { maps: results.map(({ json }) => json) },
    stdoutIsData: results.some(({ stdoutIsData }) => stdoutIsData === true),
  };
}

/** One of several maps: an error concerns it alone. */
async function runOneOf(
  context: CommandContext,
  files: FileAccess,
  plan: Plan,
  path: string,
): Promise<CommandResult> {
  try {
    return await runOne(context, files, plan, path);
  } catch (error) {
    if (!(error instanceof ImagingError) || error.kind === "cancelled") throw error;
    context.note({ level: "warning", message: error.message });
    const outcome = error.kind === "corrupt" ? "mismatch" : "failed";
    return { outcome, text: [], json: { name: path, error: error.message } };
  }
}

async function runOne(
  context: CommandContext,
  files: FileAccess,
  plan: Plan,
  path: string,
): Promise<CommandResult> {
  const first = await loadMap(context, files, path);
  const { transformation, output, imagePath, svgPath } = plan;
  const second = transformation?.otherPath === undefined
    ? undefined
    : await loadMap(context, files, transformation.otherPath);
  const loaded = transformation === undefined
    ? first
    : transformed(context, first, second, transformation);
  const third = output.kind === "compare"
    ? await loadMap(context, files, output.otherPath)
    : undefined;
  const parts = imagePath === undefined
    ? NO_PARTS
    : await readParts(context, imagePath, loaded.file.map);
  if (svgPath !== undefined) {
    const svg = mapPicture(loaded, parts);
    if (svgPath === "-") {
      await writePieces(context, [svg]);
      return { outcome: "done", text: [], json: {}, stdoutIsData: true };
    }
    const sources = [first, second, third, parts].map((each) => each?.location);
    await checkPictureNames(context, svgPath, sources);
    await files.writeAtomically(svgPath, new TextEncoder().encode(svg));
  }
  const picture = svgPath === undefined ? {} : { svg: svgPath };
  switch (output.kind) {
    case "show":
      return {
        outcome: "done",
        text: mapText(loaded, parts, plan.blockBytes),
        json: { ...mapJson(loaded), ...picture },
      };
    case "done":
      return { ...doneResult(loaded), json: { ...mapJson(loaded), ...picture } };
    case "map":
      if (!context.json) await writePieces(context, mapFilePieces(loaded.file));
      return dataResult(context, { ...mapJson(loaded), ...picture });
    case "list": {
      const { listing } = output;
      if (!context.json) await writePieces(context, listingPieces(loaded.file.map, listing));
      const listed = firstRanges(loaded.file.map, listing.statuses);
      return dataResult(context, { ...mapJson(loaded), ...picture, listed });
    }
    case "compare": {
      if (third === undefined) throw new RangeError("There is no map to compare with");
      const compared = comparisonResult(loaded, third, plan.blockBytes);
      return { ...compared, json: { ...compared.json, ...picture } };
    }
  }
}

/** What was printed already, unless stdout belongs to events. */
function dataResult(
  { json }: CommandContext,
  fields: Readonly<Record<string, unknown>>,
): CommandResult {
  return { outcome: "done", text: [], json: fields, stdoutIsData: !json };
}

function transformed(
  context: CommandContext,
  first: LoadedMap,
  second: LoadedMap | undefined,
  { operation }: Transformation,
): LoadedMap {
  const { file } = first;
  const name = second === undefined
    ? `${first.name} inverted`
    : `${first.name} ${operation} ${second.name}`;
  if (second !== undefined && !overlap(file.map, second.file.map)) {
    context.note({
      level: "warning",
      message: `${first.name} and ${second.name} have no part of the disk in common: ` +
        "nothing is changed",
    });
  }
  const changed = operation === "invert" || second === undefined
    ? invertMap(file.map)
    : combineMaps(file.map, second.file.map, operation);
  const made: MapFile = {
    ...file,
    comments: [
      `Mapfile. Created by sectorshot: ${name}`,
      ...file.comments.filter((line) =>
        [IDENTITY_MARK, TARGET_MARK].some((mark) => line.startsWith(mark))
      ),
    ],
    map: changed,
  };
  return { ...first, name, file: made };
}

function overlap({ range: a }: RangeMap, { range: b }: RangeMap): boolean {
  return Math.max(a.offset, b.offset) < Math.min(endOf(a), endOf(b));
}

function doneResult({ name, file }: LoadedMap): Pick<CommandResult, "outcome" | "text"> {
  const { map } = file;
  if (isFinished(map)) return { outcome: "done", text: [`${name}: everything is rescued`] };
  const left = map.total("?", "*", "/");
  const bad = map.total("-");
  const badText = bad === 0 ? "" : `${plural(bad, "byte")} in bad sectors`;
  if (left === 0 && bad > 0) {
    return { outcome: "unreadable", text: [`${name}: rescued, but for ${badText}`] };
  }
  if (map.range.length === 0) return { outcome: "failed", text: [`${name}: it is empty`] };
  const rest = `${name}: not finished: ${plural(left, "byte")} to be tried`;
  return { outcome: "failed", text: [bad === 0 ? rest : `${rest}, ${badText}`] };
}

function comparisonResult(a: LoadedMap, b: LoadedMap, sectorSize: number): CommandResult {
  const differences = compareMaps(a.file.map, b.file.map, MOST_RANGES);
  const isSame = differences.count === 0;
  const outcome: Outcome = isSame ? "done" : "mismatch";
  const json = {
    name: a.name,
    other: b.name,
    same: isSame,
    differingBytes: differences.bytes,
    differingCount: differences.count,
    differing: differences.ranges,
  };
  const text = isSame
    ? [`${a.name} and ${b.name} hold the same states`]
    : differenceLines(a, b, differences, sectorSize);
  return { outcome, text, json };
}

function differenceLines(
  a: LoadedMap,
  b: LoadedMap,
  differences: MapDifferences,
  sectorSize: number,
): string[] {
  const heading = `${a.name} and ${b.name} differ`;
  const lines = rangeLines(heading, differences, sectorSize);
  const [first, second] = [a.file.map.range, b.file.map.range];
  if (first.offset === second.offset && first.length === second.length) return lines;
  const reach = ({ name, file: { map: { range } } }: LoadedMap): string =>
    `${name} covers bytes ${formatCount(range.offset)} to ${formatCount(endOf(range))}`;
  return [...lines, reach(a), reach(b)];
}
