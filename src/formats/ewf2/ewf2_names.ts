/**
 * EWF version 2, section "Segment file extensions",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%202%20(EWF2).asciidoc
 */
import { lettersOf } from "../ewf/ewf_names.ts";

// card.Ex01 … card.Ex99, card.ExAA … card.ExZZ, card.EyAA … card.EzZZ; also in lower case.
const FIRST_NAME = /^(.*\.e)(x)01$/i;

const LETTERS = 26;
/** Segments whose names end in two digits. */
const NUMBERED = 99;
/** Behind these come the letters x, y and z with two more each. */
const LARGEST_NUMBER = NUMBERED + 3 * LETTERS ** 2;

/**
 * The name of the segment with this number, from 1, of the image whose first segment has
 * this name. Undefined where the scheme of names has none.
 */
export function segmentName(firstName: string, number: number): string | undefined {
  if (number === 1) return firstName;
  const match = FIRST_NAME.exec(firstName);
  if (match === null || number < 1 || number > LARGEST_NUMBER) return undefined;
  const [, stem = "", letter = ""] = match;
  if (number <= NUMBERED) return stem + letter + number.toString().padStart(2, "0");
  return stem + lettersOf(letter, number - NUMBERED - 1, stem.endsWith("e") ? "a" : "A");
}

/**
 * The name of the first segment, told by the name and number of another one; undefined
 * where that name does not fit the scheme.
 */
export function firstSegmentName(name: string, number: number): string | undefined {
  const stem = /^(.*\.)e[xyz][a-z0-9]{2}$/i.exec(name)?.[1];
  if (stem === undefined) return undefined;
  return ["Ex01", "ex01", "EX01"].map((extension) => stem + extension)
    .find((first) => segmentName(first, number) === name);
}
