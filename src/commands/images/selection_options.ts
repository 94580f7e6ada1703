/**
 * `read --allocated` and `--used`, and what else needs to know what a disk holds. All that
 * reads file systems is loaded only where one of them was given.
 */
import type { BlockSource } from "../../core/block.ts";
import type { Range } from "../../core/range.ts";
import type { Location } from "../../devices/device.ts";
import type { SelectionFacts } from "../../report/manifest.ts";
import {
  type CommandContext,
  firstSet,
  type Invocation,
  isSet,
  type OptionSpec,
} from "../command.ts";
import { REPORT_EXTENSIONS, type ReportExtension } from "./report_names.ts";

/** For `read`. */
export const SELECTION_OPTIONS: readonly OptionSpec[] = [
  { name: "allocated", help: "only up to the end of the last partition" },
  { name: "used", help: "only what file systems use: no deleted files" },
];

/** Of an image that does not hold everything something has to tell what it lacks. */
export function reportExtensions(
  invocation: Invocation,
  selection: ContentSelection | undefined,
): readonly ReportExtension[] {
  if (isSet(invocation, "report")) return REPORT_EXTENSIONS;
  return selection === undefined ? [] : ["json"];
}

/** What an image is to hold. */
export interface ContentSelection {
  /** Closing it closes nothing. */
  readonly source: BlockSource;
  readonly facts: SelectionFacts;
  /** Tells this selection from another of the same source. */
  readonly key: string;
  /** What was left out, for the result. */
  readonly lines: readonly string[];
}

/**
 * What `--allocated` and `--used` say of a source; undefined where neither was given.
 *
 * @throws {ImagingError} `usage` where the source does not allow it.
 */
export async function selectContent(
  invocation: Invocation,
  context: CommandContext,
  source: BlockSource,
  location: Location | undefined,
): Promise<ContentSelection | undefined> {
  const name = firstSet(invocation, ["allocated", "used"]);
  if (name === undefined) return undefined;
  const { contentSelection } = await import("./content_selection.ts");
  return await contentSelection(name, invocation, context, source, location);
}

/**
 * What of a source is in use, as far as that is certain: ascending, joined. What is left out
 * nobody needs, also if it should not be zero.
 */
export async function usedRanges(
  context: CommandContext,
  source: BlockSource,
  location: Location | undefined,
): Promise<readonly Range[]> {
  const { rangesInUse } = await import("./content_selection.ts");
  return await rangesInUse(context, source, location);
}
