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
 *
 * ddrescue reads a line with scanf(3): `%lli %c %d` and `%lli %lli %c`. So here, too, blanks
 * between fields may be missing, numbers may be hexadecimal, octal or decimal, and what
 * follows the last field of a line counts for nothing.
 */
import { FormatError } from "../core/errors.ts";
import { printable } from "../core/text.ts";
import { MapBuilder } from "./map_algebra.ts";
import { type Area, AREA_STATUSES, type RangeMap } from "./range_map.ts";

/** What the rescue was doing: copying, trimming, scraping, retrying, filling, generating, done. */
export type RescuePhase = "?" | "*" | "/" | "-" | "F" | "G" | "+";

const PHASES: readonly RescuePhase[] = ["?", "*", "/", "-", "F", "G", "+"];

/** Passes are counted in 32 bits. */
const MOST_PASSES = 2 ** 31 - 1;

/** How much of the comments at the top is kept; nothing but them can be so long. */
const KEPT_COMMENTS = 1000;
const KEPT_COMMENT_BYTES = 16 * 1024;

/** How much of a damaged line is shown. */
const SHOWN_BYTES = 60;

/** A map file in memory. */
export interface MapFile {
  /** Comment lines at the top, without "# ": the first thousand. */
  readonly comments: readonly string[];
  readonly currentPosition: number;
  readonly currentPhase: RescuePhase;
  readonly currentPass: number;
  readonly map: RangeMap;
}

/** What the status line says. */
type Head = Pick<MapFile, "currentPosition" | "currentPhase" | "currentPass">;

const LINE_FEED = 0x0a;
const ZERO = 0x30;
const HASH = 0x23;

/** As isspace(3) in the C locale. */
function isBlank(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

/** The value of a digit, in bases up to 16; 16 for what is none. */
function digitValue(byte: number): number {
  if (byte >= ZERO && byte <= 0x39) return byte - ZERO;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : 16;
}

/** The fields of a line, one after the other. */
class FieldReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #end = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Goes to the line from `start` to `end`, which is not part of it. */
  begin(start: number, end: number): void {
    this.#at = start;
    this.#end = end;
  }

  /** The next byte that is no blank, which stays; NaN at the end. */
  peek(): number {
    while (this.#at < this.#end && isBlank(this.#bytes[this.#at] ?? 0)) this.#at++;
    return this.#here();
  }

  /** The next character that is no blank; "" at the end. */
  character(): string {
    const byte = this.peek();
    this.#at++;
    return Number.isNaN(byte) ? "" : String.fromCharCode(byte);
  }

  /** "0x1F0", "0770" (octal) or "123", as `%lli` reads it; undefined when there is none. */
  integer(): number | undefined {
    const sign = this.#sign();
    if (this.#here() !== ZERO) return this.#digits(10, sign);
    this.#at++;
    if ((this.#here() | 0x20) !== 0x78) return this.#digits(8, sign) ?? 0;
    this.#at++;
    return this.#digits(16, sign) ?? 0;
  }

  /** As `%d` reads it. */
  decimal(): number | undefined {
    return this.#digits(10, this.#sign());
  }

  #here(): number {
    return this.#at < this.#end ? this.#bytes[this.#at] ?? NaN : NaN;
  }

  #sign(): number {
    const byte = this.peek();
    if (byte !== 0x2b && byte !== 0x2d) return 1;
    this.#at++;
    return byte === 0x2d ? -1 : 1;
  }

  #digits(base: number, sign: number): number | undefined {
    const start = this.#at;
    let value = 0;
    for (;;) {
      const digit = digitValue(this.#here());
      if (digit >= base) break;
      value = value * base + digit;
      this.#at++;
    }
    return this.#at === start ? undefined : value * sign;
  }
}

/** What a line is refused for. */
interface Refusal {
  /** "status line", "block", "position", "size" or "status" */
  readonly field: string;
  readonly reason: string;
  /** Does the line itself explain it? */
  readonly showLine?: boolean;
}

const NO_BYTES: Refusal = { field: "size", reason: "an area of no bytes" };

/** Whole numbers of bytes that we can count with. */
function isPlace(value: number): boolean {
  return value >= 0 && Number.isSafeInteger(value);
}

function readHead(fields: FieldReader): Head | Refusal {
  const field = "status line";
  const currentPosition = fields.integer();
  const phase = fields.character();
  const currentPhase = PHASES.find((each) => each === phase);
  const currentPass = fields.decimal() ?? 1;
  if (currentPosition === undefined || currentPhase === undefined || currentPosition < 0) {
    return { field, reason: "not a status line", showLine: true };
  }
  if (!isPlace(currentPosition)) return { field, reason: "the position is too large" };
  if (currentPass < 1 || currentPass > MOST_PASSES) {
    return { field, reason: "there is no such pass", showLine: true };
  }
  return { currentPosition, currentPhase, currentPass };
}

/** The area that a line describes; `at` is where the one before it ends. */
function readArea(fields: FieldReader, at: number | undefined): Area | Refusal {
  const offset = fields.integer();
  const length = fields.integer();
  const mark = fields.character();
  if (offset === undefined || length === undefined || mark === "") {
    return { field: "block", reason: 'not "position size status"', showLine: true };
  }
  const status = AREA_STATUSES.find((each) => each === mark);
  if (status === undefined) {
    return { field: "status", reason: `unknown status "${printable(mark)}"` };
  }
  if (offset < 0 || length < 0) return { field: "block", reason: "a negative number" };
  // ddrescue writes one for an empty disk.
  if (length === 0 && offset !== 0) return NO_BYTES;
  if (!isPlace(offset + length)) return { field: "size", reason: "too large" };
  if (at !== undefined && offset !== at) {
    const reason = offset < at ? "areas overlap" : "a gap before this area";
    return { field: "position", reason };
  }
  return { offset, length, status };
}

/** Why a text that begins so cannot be a map; undefined when it can. */
function foreignText(bytes: Uint8Array): string | undefined {
  const [first, second, third] = bytes;
  if (first === 0xef && second === 0xbb && third === 0xbf) {
    return "it begins with a byte order mark, which ddrescue does not know";
  }
  const isWide = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  return isWide ? "it is UTF-16, and maps are ASCII" : undefined;
}

/**
 * Reads a map file. Accepts what ddrescue 1.27 accepts, but for a text without any status
 * line, an area of no bytes before others, numbers beyond 2^53-1 and passes beyond 2^31-1.
 *
 * @throws {FormatError} naming the line (1-based) that breaks the rules.
 */
export function parseMapFile(content: string | Uint8Array, name: string): MapFile {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const textOf = (start: number, end: number): string =>
    decoder.decode(bytes.subarray(start, end));
  const fail = (line: number, { field, reason }: Refusal): never => {
    throw new FormatError(`cannot use the map ${name}: line ${line}: ${reason}`, line, field, {
      hint: "it is damaged or no rescue map; look at it, or move it away to start anew",
    });
  };
  const foreign = foreignText(bytes);
  if (foreign !== undefined) return fail(1, { field: "status line", reason: foreign });
  const comments: string[] = [];
  const builder = new MapBuilder();
  const fields = new FieldReader(bytes);
  let head: Head | undefined;
  /** Line of an area of no bytes. */
  let emptyLine = 0;
  let line = 0;
  for (let start = 0; start <= bytes.length;) {
    line++;
    const feed = bytes.indexOf(LINE_FEED, start);
    const end = feed < 0 ? bytes.length : feed;
    const refuse = ({ field, reason, showLine }: Refusal): never => {
      const shown = printable(textOf(start, Math.min(end, start + SHOWN_BYTES)).trim());
      return fail(line, { field, reason: showLine ? `${reason}: "${shown}"` : reason });
    };
    fields.begin(start, end);
    const first = fields.peek();
    if (first === HASH && head === undefined && bytes[start] === HASH) {
      if (comments.length < KEPT_COMMENTS) {
        const kept = textOf(start, Math.min(end, start + KEPT_COMMENT_BYTES));
        comments.push(kept.replace(/^# ?/, "").replace(/\r$/, ""));
      }
    } else if (!Number.isNaN(first) && first !== HASH) {
      if (head === undefined) {
        const read = readHead(fields);
        if ("reason" in read) return refuse(read);
        head = read;
      } else {
        const read = readArea(fields, builder.end);
        if ("reason" in read) return refuse(read);
        if (emptyLine > 0) return fail(emptyLine, NO_BYTES);
        if (read.length === 0) emptyLine = line;
        builder.add(read);
      }
    }
    start = end + 1;
  }
  if (head === undefined) {
    return fail(line, { field: "status line", reason: "there is no status line" });
  }
  return { comments, ...head, map: builder.build() };
}

function hex(value: number): string {
  return `0x${value.toString(16).toUpperCase().padStart(8, "0")}`;
}

/** Characters of a piece of text, about. */
const PIECE_CHARACTERS = 64 * 1024;

/** The text of a map file, as ddrescue lays it out, in pieces of whole lines. */
export function* mapFilePieces(file: MapFile): Generator<string> {
  let piece = file.comments.map((comment) => `${`# ${comment}`.trimEnd()}\n`).join("");
  piece += "# current_pos  current_status  current_pass\n";
  piece += `${hex(file.currentPosition)}     ${file.currentPhase}               ` +
    `${file.currentPass}\n`;
  piece += "#      pos        size  status\n";
  for (const { offset, length, status } of file.map.areas()) {
    piece += `${hex(offset)}  ${hex(length)}  ${status}\n`;
    if (piece.length < PIECE_CHARACTERS) continue;
    yield piece;
    piece = "";
  }
  if (piece !== "") yield piece;
}

/** The text of a map file, as ddrescue lays it out. */
export function formatMapFile(file: MapFile): string {
  return [...mapFilePieces(file)].join("");
}
