/** What a report is made of, before it is text or a page: both show the same. */
import type { Range } from "../core/range.ts";
import type { MapRow } from "./map_text.ts";
import type { AreaFacts, PartitionFacts, RateSample } from "./manifest.ts";

/**
 * How a value is to be shown:
 *
 * - `plain`: words and numbers of this program
 * - `given`: what a person wrote, or what a disk holds: any characters, several lines
 * - `code`: to be read letter by letter: digests, the command line
 * - `absent`: says that there is no value
 */
export type Look = "plain" | "given" | "code" | "absent";

/**
 * Is it as it should be? `warning`: somebody should look at it; `open`: that is not known,
 * or was not asked for.
 */
export type Tone = "good" | "bad" | "warning" | "open";

/** A value. */
export interface Span {
  readonly text: string;
  readonly look: Look;
  /** Set where the value is a verdict. */
  readonly tone?: Tone;
}

/** A value and what it is. */
export interface Fact {
  readonly label: string;
  readonly value: Span;
}

/** A sentence about what the run came to. */
export interface Statement {
  readonly tone: Tone;
  /** The verdict itself, for those who read no further: "OK". */
  readonly word: string;
  readonly text: string;
}

/** A column of a table; numbers are set to the right. */
export interface Column {
  readonly title: string;
  readonly isNumber?: boolean;
}

/** A line of a table, and what there is no column for. */
export interface Row {
  readonly cells: readonly Span[];
  readonly details?: readonly Fact[];
}

/** A table. */
export interface Table {
  readonly kind: "table";
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
}

/** The source as a picture: the state of every part of it, and the partitions. */
export interface DiskPicture {
  readonly kind: "disk";
  readonly range: Range;
  /** All states, read first. */
  readonly states: readonly MapRow[];
  readonly areas: readonly AreaFacts[];
  /** In the order of their places; without those that hold others. */
  readonly partitions: readonly PartitionFacts[];
}

/** A piece of a section. */
export type Block =
  | { readonly kind: "facts"; readonly facts: readonly Fact[] }
  | { readonly kind: "paragraph"; readonly text: string }
  | { readonly kind: "heading"; readonly value: Span }
  | { readonly kind: "statements"; readonly statements: readonly Statement[] }
  | { readonly kind: "curve"; readonly samples: readonly RateSample[] }
  | DiskPicture
  | Table;

/** A part of the report with a heading. */
export interface Section {
  readonly title: string;
  readonly blocks: readonly Block[];
}

/** A report as it is read from the top to the bottom. */
export interface ReportDocument {
  readonly title: string;
  /** Program, version and commit. */
  readonly program: string;
  /** Stands before the sections, which are counted. */
  readonly summary: readonly Block[];
  readonly sections: readonly Section[];
  /** The last line. */
  readonly ending: string;
}

/** Words and numbers of this program. */
export function plain(text: string, tone?: Tone): Span {
  return tone === undefined ? { text, look: "plain" } : { text, look: "plain", tone };
}

/** A text of unknown origin; the words of `absence` where there is none. */
export function given(text: string | null, absence = "not known"): Span {
  return text === null || text === ""
    ? { text: absence, look: "absent" }
    : { text, look: "given" };
}

/** What is read letter by letter. */
export function code(text: string): Span {
  return { text, look: "code" };
}

/** The lines of a text of unknown origin. */
export function linesOf(text: string): string[] {
  return text.split(/\r\n|\r|\n/);
}
