/**
 * GNU ddrescue manual, chapter "Mapfile structure":
 * https://www.gnu.org/software/ddrescue/manual/ddrescue_manual.html#Mapfile-structure
 *
 * ```
 * # comments
 * # current_pos  current_status  current_pass
 * 0x00000000     ?               1
 * #      pos        size  status
 * 0x00000000  0x00100000  +
 * ```
 */
import { FormatError } from "../core/errors.ts";
import { type Area, AREA_STATUSES, type AreaStatus, RangeMap } from "./range_map.ts";

/** What the rescue was doing: copying, trimming, scraping, retrying, filling, generating, done. */
export type RescuePhase = "?" | "*" | "/" | "-" | "F" | "G" | "+";

const PHASES: readonly string[] = ["?", "*", "/", "-", "F", "G", "+"];

/** A map file in memory. */
export interface MapFile {
  /** Comment lines at the top, without "# ". */
  readonly comments: readonly string[];
  readonly currentPosition: number;
  readonly currentPhase: RescuePhase;
  readonly currentPass: number;
  readonly map: RangeMap;
}

/** "0x1F0", "0770" (octal) or "123"; undefined for anything else. */
function parseNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = /^0x[0-9a-f]+$/i.test(text)
    ? parseInt(text, 16)
    : /^0[0-7]+$/.test(text)
    ? parseInt(text, 8)
    : /^(0|[1-9][0-9]*)$/.test(text)
    ? parseInt(text, 10)
    : NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

/**
 * Reads a map file.
 *
 * @throws {FormatError} naming the line (1-based) that breaks the rules.
 */
export function parseMapFile(text: string, name: string): MapFile {
  const comments: string[] = [];
  const areas: Area[] = [];
  let head: Pick<MapFile, "currentPosition" | "currentPhase" | "currentPass"> | undefined;
  let at: number | undefined;
  const fail = (line: number, field: string, reason: string): never => {
    throw new FormatError(`cannot use the map ${name}: line ${line}: ${reason}`, line, field, {
      hint: "it is damaged or no rescue map; look at it, or move it away to start anew",
    });
  };
  const lines = text.split("\n");
  for (const [index, line] of lines.entries()) {
    const number = index + 1;
    if (head === undefined && line.startsWith("#")) {
      comments.push(line.replace(/^# ?/, "").replace(/\r$/, ""));
    }
    const words = line.replace(/#.*$/s, "").trim().split(/\s+/);
    if (words[0] === "") continue;
    const first = parseNumber(words[0]);
    if (head === undefined) {
      const phase = words[1] ?? "";
      const pass = words.length === 2 ? 1 : parseNumber(words[2]);
      if (first === undefined || !PHASES.includes(phase) || pass === undefined || pass < 1) {
        return fail(number, "status line", `not a status line: "${line.trim()}"`);
      }
      if (words.length > 3) return fail(number, "status line", "too many fields");
      head = {
        currentPosition: first,
        currentPhase: phase as RescuePhase,
        currentPass: pass,
      };
      continue;
    }
    const size = parseNumber(words[1]);
    const status = words[2] ?? "";
    if (first === undefined || size === undefined || words.length !== 3) {
      return fail(number, "block", `not "position size status": "${line.trim()}"`);
    }
    if (!(AREA_STATUSES as readonly string[]).includes(status)) {
      return fail(number, "status", `unknown status "${status}"`);
    }
    if (size < 1) return fail(number, "size", "an area of no bytes");
    if (!Number.isSafeInteger(first + size)) return fail(number, "size", "too large");
    if (at !== undefined && first !== at) {
      return fail(number, "position", first < at ? "areas overlap" : "a gap before this area");
    }
    at = first + size;
    areas.push({ offset: first, length: size, status: status as AreaStatus });
  }
  if (head === undefined) return fail(lines.length, "status line", "there is no status line");
  return { comments, ...head, map: RangeMap.fromAreas(areas) };
}

function hex(value: number): string {
  return `0x${value.toString(16).toUpperCase().padStart(8, "0")}`;
}

/** The text of a map file, as ddrescue lays it out. */
export function formatMapFile(file: MapFile): string {
  const lines = file.comments.map((comment) => `# ${comment}`.trimEnd());
  lines.push("# current_pos  current_status  current_pass");
  lines.push(
    `${hex(file.currentPosition)}     ${file.currentPhase}               ${file.currentPass}`,
  );
  lines.push("#      pos        size  status");
  for (const { offset, length, status } of file.map.areas()) {
    lines.push(`${hex(offset)}  ${hex(length)}  ${status}`);
  }
  return lines.join("\n") + "\n";
}
