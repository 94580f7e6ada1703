/** What became of the targets, in words and for programs. */
import type { Digest } from "../../copy/hash_consumers.ts";
import type { BlockSource } from "../../core/block.ts";
import { type Range, totalLength } from "../../core/range.ts";
import { rangeLines, rangesJson } from "../../report/ranges_text.ts";
import { rateText, sizeText } from "../../report/rate_text.ts";
import { type CommandResult, type Outcome, worstOutcome } from "../command.ts";
import { digestLines, digestsJson } from "../media/hash_medium.ts";
import { targetJson } from "./targets.ts";
import type { Fill } from "../rescue/rescue_options.ts";
import type { TargetResult, WriteJob } from "./write_job.ts";

/** What became of all of them. */
export interface WriteResult {
  readonly targets: readonly TargetResult[];
  readonly digests: readonly Digest[];
  /** Unreadable places of the source. */
  readonly bad: readonly Range[];
  /** What stands there (zeros). */
  readonly fill?: Fill | undefined;
  /** Bytes that earlier runs wrote. */
  readonly resumedBytes?: number | undefined;
}

export function writeResult(
  job: Pick<WriteJob, "source" | "verify">,
  result: WriteResult,
  seconds: number,
): CommandResult {
  const { source, verify } = job;
  const badBytes = totalLength(result.bad);
  let outcome: Outcome = badBytes > 0 ? "unreadable" : "done";
  const text: string[] = [];
  for (const each of result.targets) {
    outcome = worstOutcome(outcome, each.outcome);
    text.push(...targetLines(each, source, verify, result.resumedBytes ?? 0));
  }
  text.push(...digestLines(result.digests));
  if (badBytes > 0) {
    const list = { ranges: result.bad, bytes: badBytes };
    text.push(...rangeLines(`unreadable on ${source.name}`, list, source.sectorSize));
    text.push(`They are ${result.fill === "marker" ? "markers" : "zeros"} on the target.`);
  }
  return {
    outcome,
    text,
    json: {
      source: source.name,
      targets: result.targets.map(targetResultJson),
      hashes: digestsJson(result.digests),
      badBytes,
      bad: rangesJson(result.bad),
      seconds,
    },
  };
}

function targetLines(
  result: TargetResult,
  source: BlockSource,
  verify: boolean,
  resumedBytes: number,
): string[] {
  const { target: { target }, bytes, seconds, differing, error } = result;
  if (error !== undefined) {
    const hint = error.hint === undefined ? [] : [`  ${error.hint}`];
    return [
      `${target.path}: FAILED: ${error.message}`,
      ...hint,
      ...(result.begun
        ? [`  It is incomplete and has no first block: ${result.goOn ?? "write it again"}.`]
        : []),
    ];
  }
  const size = `${sizeText(bytes)} of ${source.name} ${
    rateText(bytes - resumedBytes, seconds)
  }`;
  if (differing !== undefined) {
    return [
      `${target.path}: VERIFICATION FAILED: it does not hold what was written to it`,
      ...rangeLines("  differing", differing, target.disk.sectorSize),
      "  Its first block was left empty, so that it does not look whole. The medium is",
      "  failing, or smaller than it claims to be: do not rely on it.",
    ];
  }
  const { notCompared } = result;
  const proof = !verify
    ? ", not verified"
    : notCompared === undefined
    ? " and verified"
    : `, and verified but for ${sizeText(notCompared.bytes)}`;
  const lines = [`${target.path}: written${proof}: ${size}`];
  if (notCompared !== undefined) {
    const heading =
      `  written by an earlier run, and ${source.name} does not read there any more`;
    lines.push(...rangeLines(heading, notCompared, source.sectorSize));
  }
  if (result.fitted !== undefined) lines.push(`  ${result.fitted}`);
  return lines;
}

function targetResultJson(result: TargetResult): Record<string, unknown> {
  const { target, outcome, bytes, seconds, verified, differing, error } = result;
  return {
    ...targetJson(target.target.disk),
    path: target.target.path,
    outcome,
    bytes,
    verified: verified && outcome === "done",
    differingBytes: differing?.bytes ?? 0,
    differing: rangesJson(differing?.ranges ?? []),
    fitted: result.fitted ?? null,
    error: error === undefined ? null : { message: error.message, hint: error.hint ?? null },
    seconds,
  };
}
