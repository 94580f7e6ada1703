/** What a read is given and what it came to, in words and for JSON. */
import type { Digest } from "../../copy/hash_consumers.ts";
import type { RangeMap } from "../../copy/range_map.ts";
import type { BlockSource, CopyProgress } from "../../core/block.ts";
import { type Range, totalLength } from "../../core/range.ts";
import type { HashAlgorithm } from "../../hashes/hash_algorithm.ts";
import { rangeLines, rangesJson } from "../../report/ranges_text.ts";
import { rateText, sizeText } from "../../report/rate_text.ts";
import type { CommandContext, CommandResult } from "../command.ts";
import type { ContentSelection } from "../images/selection_options.ts";
import { digestLines, digestsJson } from "../media/hash_medium.ts";
import { againLines, hasChanged } from "./read_extras.ts";

/** What is read, and how. */
export interface ReadJob {
  readonly context: CommandContext;
  readonly source: BlockSource;
  readonly algorithms: readonly HashAlgorithm[];
  readonly chunkBytes: number;
  /** Milliseconds. */
  readonly started: number;
  onProgress(progress: CopyProgress): void;
}

/** Not all of the medium was to be read: the image is not complete. */
export function unfinishedResult(job: ReadJob, partPath: string, map: RangeMap): CommandResult {
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

/** What a read came to. */
export interface ReadSummary {
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

export function resultOf(job: ReadJob, image: string, summary: ReadSummary): CommandResult {
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
