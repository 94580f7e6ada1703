/**
 * EWF version 2, section "Serialized (file) object data",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%202%20(EWF2).asciidoc
 */
import { safeNumber, utf16Text } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";

// Unpacked, UTF-16 with a byte order mark, in lines that end with 0a:
//  1  number of objects, "1"
//  2  "main"
//  3  tags, with tabs in between
//  4  their values, with tabs in between
//  5  empty
// In values 0001 stands for 000a, 0002 for 000d, and 0003 for a tab.
/** Values by tag; those that are empty are left out. */
export type Attributes = ReadonlyMap<string, string>;

/**
 * Reads an unpacked serialized object, `structure` in words. `offset` is the place of its
 * section in the file, for the errors.
 *
 * @throws {FormatError} when it is no such text.
 */
export function parseAttributes(
  bytes: Uint8Array,
  structure: string,
  offset: number,
): Attributes {
  const fail = (what: string): FormatError =>
    new FormatError(`the ${structure} ${what}`, offset, structure);
  const mark = (bytes[0] ?? 0) << 8 | (bytes[1] ?? 0);
  if (mark !== 0xfffe && mark !== 0xfeff) throw fail("has no byte order mark");
  const lines = utf16Text(bytes.subarray(2), mark === 0xfffe).split("\n");
  const [count, main, tagLine = "", valueLine = ""] = lines;
  if (count !== "1" || main !== "main") throw fail("does not begin with one object, main");
  const tags = tagLine.split("\t");
  const values = valueLine.split("\t");
  // A tab within a text would put all behind it in the wrong place.
  if (values.length > tags.length) {
    throw fail(`has ${values.length} values for ${tags.length} tags`);
  }
  const attributes = new Map<string, string>();
  for (const [index, tag] of tags.entries()) {
    const value = (values[index] ?? "").replaceAll("\u0001", "\n").replaceAll("\u0002", "\r")
      .replaceAll("\u0003", "\t");
    if (attributes.has(tag)) throw fail(`has the tag ${tag} twice`);
    if (value !== "") attributes.set(tag, value);
  }
  return attributes;
}

/**
 * The number that a tag has; undefined where it is empty. Errors name the field.
 *
 * @throws {FormatError} when it is no number, or larger than 2^53-1.
 */
export function numberOf(
  attributes: Attributes,
  tag: string,
  field: string,
  offset: number,
): number | undefined {
  const text = attributes.get(tag);
  if (text === undefined) return undefined;
  if (!/^\d{1,20}$/.test(text)) {
    throw new FormatError(`the ${field} is no number: "${text.slice(0, 40)}"`, offset, field);
  }
  return safeNumber(BigInt(text), field, offset);
}
