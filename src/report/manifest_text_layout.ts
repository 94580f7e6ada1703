/** Text in lines of limited width: https://www.unicode.org/reports/tr11/ (wide characters). */

/** What a terminal shows in two columns: East Asian scripts and emoji, roughly. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;

const ASCII = /^[\x20-\x7e]*$/;

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** What a reader takes for characters: letters with their marks. */
function charactersOf(text: string): string[] {
  if (ASCII.test(text)) return [...text];
  return Array.from(graphemes.segment(text), ({ segment }) => segment);
}

/** Columns that one of {@linkcode charactersOf} takes. */
function characterWidth(character: string): number {
  if (ASCII.test(character)) return character.length;
  if (/^[\p{Mn}\p{Me}\p{Cf}]+$/u.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** Columns that a text takes. */
export function textWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  return charactersOf(text).reduce((sum, each) => sum + characterWidth(each), 0);
}

/** With blanks up to a width, behind it or (numbers) before it. */
export function padded(text: string, width: number, toTheRight = false): string {
  const blanks = " ".repeat(Math.max(0, width - textWidth(text)));
  return toTheRight ? blanks + text : text + blanks;
}

/** A word that is too long for a line, in pieces; none of its characters is lost. */
function brokenWord(word: string, width: number): string[] {
  const pieces: string[] = [];
  let piece = "";
  let taken = 0;
  for (const character of charactersOf(word)) {
    const columns = characterWidth(character);
    if (piece !== "" && taken + columns > width) {
      pieces.push(piece);
      piece = "";
      taken = 0;
    }
    piece += character;
    taken += columns;
  }
  return [...pieces, piece];
}

/** A text without line ends in lines: broken at blanks, or where there are none anywhere. */
export function wrapped(text: string, width: number): string[] {
  if (textWidth(text) <= width) return [text];
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/(?<=\s)(?=\S)/)) {
    const joined = line + word;
    if (textWidth(joined.trimEnd()) <= width) {
      line = joined;
      continue;
    }
    if (line.trim() !== "") lines.push(line.trimEnd());
    const pieces = brokenWord(word.trimEnd(), width);
    lines.push(...pieces.slice(0, -1));
    line = (pieces.at(-1) ?? "") + word.slice(word.trimEnd().length);
  }
  if (line.trim() !== "") lines.push(line.trimEnd());
  return lines;
}
