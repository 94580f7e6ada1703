/**
 * EWF, sections "Header section" and "Header2 section",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import type { Bytes } from "../../core/block.ts";
import { utf16Text, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import type { Compression } from "../image_format.ts";
import { type EwfLayout, type HeaderForm, LAYOUT_HEADERS } from "./ewf_layouts.ts";

// Unpacked (a zlib stream in the file), a text in lines:
//  1  number of categories, "1" or "3"
//  2  "main"
//  3  identifiers, with tabs in between
//  4  their values, with tabs in between
//  5  empty
// Since EnCase 5 and in linen the categories "srce" and "sub" follow. A header is ASCII
// or of the code page of the system, a header2 is UTF-16 with a byte order mark.

/** What a header tells of the image and of who made it. */
export interface HeaderContent {
  readonly caseNumber?: string | undefined;
  readonly evidenceNumber?: string | undefined;
  readonly description?: string | undefined;
  readonly examiner?: string | undefined;
  readonly notes?: string | undefined;
  readonly model?: string | undefined;
  readonly serial?: string | undefined;
  readonly label?: string | undefined;
  /** Version of the program. */
  readonly program?: string | undefined;
  /** Operating system. */
  readonly system?: string | undefined;
  readonly acquired?: Date | undefined;
  /** The clock of the system, as it was when the image was made. */
  readonly systemTime?: Date | undefined;
  readonly passwordHash?: string | undefined;
  readonly compression?: Compression | undefined;
  readonly processId?: string | undefined;
  readonly extents?: string | undefined;
}

/** The text of a header, taken apart. */
export interface HeaderText {
  readonly newline: "\n" | "\r\n";
  readonly categoryCount: number;
  /** In their order; what they mean is in {@linkcode contentOf}. */
  readonly identifiers: readonly string[];
  /** By identifier; those that are empty are left out. */
  readonly values: ReadonlyMap<string, string>;
}

/** A header section, still to be packed by zlib. */
export interface HeaderSection {
  readonly type: "header" | "header2";
  readonly text: Bytes;
}

const COMPRESSION_LETTERS = { none: "n", fast: "f", best: "b" } as const;

/**
 * The header sections of a layout in the order in which they stand in the first segment.
 * What a layout has no place for is left out.
 */
export function formatHeaders(layout: EwfLayout, content: HeaderContent): HeaderSection[] {
  const { header, header2 } = LAYOUT_HEADERS[layout];
  const sections: HeaderSection[] = [];
  if (header2 !== undefined) {
    const text = utf16Bytes(formatText(header2, content));
    for (let i = 0; i < header2.copies; i++) sections.push({ type: "header2", text });
  }
  const text = asciiBytes(formatText(header, content));
  for (let i = 0; i < header.copies; i++) sections.push({ type: "header", text });
  return sections;
}

/** The text of a header: see the beginning of this file. */
function formatText(form: HeaderForm, content: HeaderContent): string {
  const values = valuesOf(content, form.dates);
  const lines = [
    form.extra.length === 0 ? "1" : "3",
    "main",
    form.identifiers.join("\t"),
    form.identifiers.map((identifier) => values[identifier] ?? "").join("\t"),
    "",
    ...form.extra,
  ];
  return lines.map((line) => line + form.newline).join("");
}

function valuesOf(
  content: HeaderContent,
  dates: HeaderForm["dates"],
): Readonly<Record<string, string | undefined>> {
  const date = (time: Date | undefined): string | undefined =>
    time === undefined
      ? undefined
      : dates === "text"
      ? dateText(time)
      : `${Math.floor(time.getTime() / 1000)}`;
  const { compression } = content;
  return {
    c: oneLine(content.caseNumber),
    n: oneLine(content.evidenceNumber),
    a: oneLine(content.description),
    e: oneLine(content.examiner),
    t: oneLine(content.notes),
    md: oneLine(content.model),
    sn: oneLine(content.serial),
    l: oneLine(content.label),
    av: oneLine(content.program),
    ov: oneLine(content.system),
    m: date(content.acquired),
    u: date(content.systemTime),
    p: content.passwordHash ?? "0",
    r: compression === undefined ? undefined : COMPRESSION_LETTERS[compression],
    pid: oneLine(content.processId),
    ext: oneLine(content.extents),
  };
}

/** Tabs and ends of lines would be taken for the next value. */
function oneLine(text: string | undefined): string | undefined {
  return text?.replace(/[\t\r\n\0]+/g, " ");
}

/** "2002 3 4 10 19 59", by the clock on the wall. */
function dateText(time: Date): string {
  return [
    time.getFullYear(),
    time.getMonth() + 1,
    time.getDate(),
    time.getHours(),
    time.getMinutes(),
    time.getSeconds(),
  ].join(" ");
}

function asciiBytes(text: string): Bytes {
  return Uint8Array.from(text, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code < 0x80 ? code : "?".charCodeAt(0);
  });
}

/** With a byte order mark, little endian. */
function utf16Bytes(text: string): Bytes {
  const bytes = new Uint8Array(2 + text.length * 2);
  const view = viewOf(bytes);
  view.setUint16(0, 0xfeff, true);
  for (let i = 0; i < text.length; i++) view.setUint16(2 + i * 2, text.charCodeAt(i), true);
  return bytes;
}

/**
 * Reads an unpacked header or header2. `offset` is the place of its section in the file,
 * for the errors.
 *
 * @throws {FormatError} when it is no such text.
 */
export function parseHeader(bytes: Uint8Array, offset = 0): HeaderText {
  const text = decodedText(bytes);
  const newline = text.includes("\r\n") ? "\r\n" : "\n";
  const [count = "", main, identifierLine = "", valueLine = ""] = text.split(newline);
  if (!/^\d{1,3}$/.test(count) || main !== "main") {
    throw new FormatError("the header has no category main", offset, "main");
  }
  const identifiers = identifierLine.split("\t").map((identifier) => identifier.trim());
  const values = new Map<string, string>();
  for (const [index, value] of valueLine.split("\t").entries()) {
    const identifier = identifiers[index] ?? "";
    if (identifier !== "" && value !== "") values.set(identifier, value);
  }
  return { newline, categoryCount: Number(count), identifiers, values };
}

/**
 * UTF-16 where there is a byte order mark; else UTF-8, of which ASCII is a part, or the
 * code page of Windows in the west: nothing says which.
 */
function decodedText(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return utf16Text(bytes.subarray(2));
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return utf16Text(bytes.subarray(2), false);
  const end = bytes.indexOf(0);
  const content = end < 0 ? bytes : bytes.subarray(0, end);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(content);
  } catch {
    return new TextDecoder("windows-1252").decode(content);
  }
}

/** What the values of a header mean. */
export function contentOf({ values }: HeaderText): HeaderContent {
  const hash = values.get("p");
  const letter = values.get("r");
  return {
    caseNumber: values.get("c"),
    evidenceNumber: values.get("n"),
    description: values.get("a"),
    examiner: values.get("e"),
    notes: values.get("t"),
    model: values.get("md"),
    serial: values.get("sn"),
    label: values.get("l"),
    program: values.get("av"),
    system: values.get("ov"),
    acquired: parseDate(values.get("m")),
    systemTime: parseDate(values.get("u")),
    passwordHash: hash === "0" ? undefined : hash,
    compression: (["none", "fast", "best"] as const)
      .find((compression) => COMPRESSION_LETTERS[compression] === letter),
    processId: values.get("pid"),
    extents: values.get("ext"),
  };
}

/** Seconds since 1970, or "2002 3 4 10 19 59", which is taken for our own time zone. */
function parseDate(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,12}$/.test(text)) {
    return text === "0" ? undefined : new Date(Number(text) * 1000);
  }
  const parts = /^(\d{4}) (\d{1,2}) (\d{1,2}) (\d{1,2}) (\d{1,2}) (\d{1,2})$/.exec(text.trim());
  if (parts === null) return undefined;
  const [, year, month, day, hours, minutes, seconds] = parts.map(Number);
  return new Date(year ?? 0, (month ?? 1) - 1, day, hours, minutes, seconds);
}
