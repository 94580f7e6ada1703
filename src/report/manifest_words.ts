/** Values of a manifest in words. */
import { formatBytes, formatCount, formatDuration } from "../core/units.ts";
import type { ProgramFacts } from "./manifest.ts";

/** Longest text of others in a summary; the report has it whole in another place. */
const SHORT_CHARACTERS = 100;

/** The beginning of a text of any length and origin, in one line. */
export function shortText(text: string): string {
  const [first = "", ...rest] = text.split(/\r\n|\r|\n/);
  const characters = [...first];
  if (rest.length === 0 && characters.length <= SHORT_CHARACTERS) return first;
  return `${characters.slice(0, SHORT_CHARACTERS).join("").trimEnd()} ...`;
}

/** "sectorshot 0.1.0 (commit 1234567)" */
export function programText({ name, version, commit }: ProgramFacts): string {
  return `${name} ${version}${commit === null ? "" : ` (commit ${commit})`}`;
}

/** "2026-03-01 09:30:00 +01:00" of "2026-03-01T09:30:00+01:00"; other texts as they are. */
export function timeText(iso: string): string {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d(?:\.\d+)?)(Z|[+-]\d\d:\d\d)$/.exec(iso);
  if (match === null) return iso;
  const [, date, time, zone] = match;
  return `${date} ${time} ${zone === "Z" ? "+00:00" : zone}`;
}

/** "12.5 s"; "3:12 (192.46 s)" from a minute on. */
export function durationText(seconds: number): string {
  const exact = `${Math.round(seconds * 1000) / 1000} s`;
  return seconds < 60 ? exact : `${formatDuration(seconds)} (${exact})`;
}

/** "170 MiB/s (178,257,920 bytes/s)" */
export function speedText(bytesPerSecond: number | null): string {
  if (bytesPerSecond === null) return "not known";
  const whole = Math.round(bytesPerSecond);
  const exact = `${formatCount(whole)} bytes/s`;
  return whole < 1024 ? exact : `${formatBytes(whole)}/s (${exact})`;
}

/** Arguments as a POSIX shell would take them: with quotes where they need such. */
export function commandLineText(args: readonly string[]): string {
  return args.map((arg) =>
    /^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`
  ).join(" ");
}
