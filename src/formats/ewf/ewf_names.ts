/**
 * EWF, section "Segment file extensions",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */

// card.E01 … card.E99, card.EAA … card.EZZ, card.FAA … card.ZZZ; the same from card.S01,
// and both in lower case.
const FIRST_NAME = /^(.*\.)([es])01$/i;

const LETTERS = 26;
/** Segments whose names end in two digits. */
const NUMBERED = 99;

/** Is it the name that the first of several segments has to have? */
export function isFirstSegmentName(name: string): boolean {
  return FIRST_NAME.test(name);
}

/** How many segments there can be behind one of this name; 1 where it is no first name. */
export function largestSegmentNumber(firstName: string): number {
  const letter = FIRST_NAME.exec(firstName)?.[2]?.toUpperCase();
  if (letter === undefined) return 1;
  const firstLetters = "Z".charCodeAt(0) - letter.charCodeAt(0) + 1;
  return NUMBERED + firstLetters * LETTERS ** 2;
}

/**
 * The name of the segment with this number, from 1, of the image whose first segment has
 * this name. Undefined where the scheme of names has none.
 */
export function segmentName(firstName: string, number: number): string | undefined {
  if (number === 1) return firstName;
  const match = FIRST_NAME.exec(firstName);
  if (match === null || number < 1 || number > largestSegmentNumber(firstName)) {
    return undefined;
  }
  const [, stem = "", letter = ""] = match;
  if (number <= NUMBERED) return stem + letter + number.toString().padStart(2, "0");
  const isLower = letter === letter.toLowerCase();
  return stem + lettersOf(letter, number - NUMBERED - 1, isLower ? "a" : "A");
}

/**
 * The last three letters of a name: `first` and twice `zero` is the number 0, then come AB,
 * AC and so on; behind ZZ the letter that follows `first`.
 */
export function lettersOf(first: string, number: number, zero: "a" | "A"): string {
  return String.fromCharCode(
    first.charCodeAt(0) + Math.floor(number / LETTERS ** 2),
    zero.charCodeAt(0) + Math.floor(number / LETTERS) % LETTERS,
    zero.charCodeAt(0) + number % LETTERS,
  );
}

/**
 * The name of the first segment, told by the name and number of another one; undefined
 * where that name does not fit the scheme.
 */
export function firstSegmentName(name: string, number: number): string | undefined {
  const stem = /^(.*\.)[a-z][a-z0-9]{2}$/i.exec(name)?.[1];
  if (stem === undefined) return undefined;
  return ["E01", "e01", "S01", "s01"].map((extension) => stem + extension)
    .find((first) => segmentName(first, number) === name);
}
