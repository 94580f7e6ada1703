/** What a report needs to know before and while the image is made; see `report_files.ts`. */
import { ImagingError } from "../../core/errors.ts";
import type { Range } from "../../core/range.ts";
import type { AreaFacts } from "../../report/manifest.ts";
import type { CommandContext } from "../command.ts";

/** Endings of the files of a report. */
export const REPORT_EXTENSIONS = ["json", "txt", "html"] as const;

/** One of them. */
export type ReportExtension = typeof REPORT_EXTENSIONS[number];

/**
 * Refuses to replace what is there, before anything is read.
 *
 * @throws {ImagingError} `usage`
 */
export async function checkReportNames(
  context: CommandContext,
  basePath: string,
  replace: boolean,
  extensions: readonly ReportExtension[] = REPORT_EXTENSIONS,
): Promise<void> {
  for (const extension of extensions) {
    const path = `${basePath}.${extension}`;
    const { kind } = await context.backend.locate(path);
    if (kind === "missing" || (kind === "file" && replace)) continue;
    throw new ImagingError("usage", `cannot write the report ${path}: it exists`, {
      hint: "move it away, choose another name, or add --force to replace it",
    });
  }
}

/** The areas of a map of a part that begins at this byte of the source. */
export function mapAreas(
  areas: Iterable<Range & { readonly status: AreaFacts["state"] }>,
  begin: number,
): AreaFacts[] {
  return [...areas].map(({ offset, length, status }) => ({
    offsetBytes: begin + offset,
    lengthBytes: length,
    state: status,
  }));
}

/** Where a place of a part lies on the whole. */
export function onSource(ranges: readonly Range[], begin: number): Range[] {
  return ranges.map((range) => ({ offset: begin + range.offset, length: range.length }));
}
