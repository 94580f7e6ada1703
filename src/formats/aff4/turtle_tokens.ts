/**
 * Words of the Turtle language: RDF 1.1 Turtle, section 6.5,
 * https://www.w3.org/TR/turtle/#sec-grammar-grammar
 *
 * What descriptions of images have no need for (other than ASCII in prefixed names) is refused.
 */
import { FormatError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";

/** A word: an address in <>, a prefixed name, a text, a sign, or anything bare. */
export interface TurtleToken {
  readonly kind: "iri" | "name" | "text" | "sign" | "word" | "directive" | "end";
  /** Without what surrounds it, escapes resolved. */
  readonly value: string;
  /** Counted from 1. */
  readonly line: number;
}

/** Alternatives of a token, at one place of the text; the first group that matches counts. */
const TOKEN = new RegExp(
  [
    String.raw`<(?<iri>[^\x00-\x20<>"{}|^${"`"}]*)>`,
    String.raw`@(?<directive>[A-Za-z]+(?:-[A-Za-z0-9]+)*)`,
    String.raw`(?<name>(?:[A-Za-z][\w-]*)?:(?:[\w:%](?:[\w:%.-]*[\w:%-])?)?)`,
    String.raw`(?<word>[+-]?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+)|[A-Za-z]+)`,
    String.raw`(?<sign>\^\^|[.;,[\]()])`,
  ].join("|"),
  "y",
);

const SPACE = /(?:[ \t\r\n]+|#[^\r\n]*)/y;

/** What stands behind a backslash for one character. */
const ESCAPES: Readonly<Record<string, string>> = {
  t: "\t",
  b: "\b",
  n: "\n",
  r: "\r",
  f: "\f",
  '"': '"',
  "'": "'",
  "\\": "\\",
};

/** Cuts a text into tokens, one after the other. */
export class TurtleTokens {
  readonly #text: string;
  #at = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  /**
   * The next token; of kind `end` at the end.
   *
   * @throws {FormatError} when there is none; `offset` is the line.
   */
  next(): TurtleToken {
    this.#skipSpace();
    const line = this.#line;
    if (this.#at >= this.#text.length) return { kind: "end", value: "", line };
    const quote = this.#text[this.#at];
    if (quote === '"' || quote === "'") {
      return { kind: "text", value: this.#quoted(quote), line };
    }
    TOKEN.lastIndex = this.#at;
    const match = TOKEN.exec(this.#text);
    const found = Object.entries(match?.groups ?? {}).find(([, value]) => value !== undefined);
    if (match === null || found === undefined) {
      throw this.error(`"${this.#text[this.#at]}" is not expected`);
    }
    this.#at += match[0].length;
    const kind = found[0] as TurtleToken["kind"];
    const value = kind === "iri" ? this.#unescaped(found[1]) : found[1];
    return { kind, value, line };
  }

  /** An error in the line that was read last. */
  error(what: string): FormatError {
    return new FormatError(
      `information.turtle cannot be read, line ${this.#line}: ${printable(what)}`,
      this.#line,
      "information.turtle",
    );
  }

  #skipSpace(): void {
    for (;;) {
      SPACE.lastIndex = this.#at;
      const match = SPACE.exec(this.#text);
      if (match === null) return;
      this.#pass(match[0].length);
    }
  }

  /** Goes on, and counts lines. */
  #pass(length: number): void {
    const passed = this.#text.slice(this.#at, this.#at + length);
    for (let at = passed.indexOf("\n"); at >= 0; at = passed.indexOf("\n", at + 1)) {
      this.#line++;
    }
    this.#at += length;
  }

  /** A text in one or three quotation marks. */
  #quoted(quote: string): string {
    const isLong = this.#text.startsWith(quote.repeat(3), this.#at);
    const mark = isLong ? quote.repeat(3) : quote;
    const start = this.#at + mark.length;
    let end = start;
    while (!this.#text.startsWith(mark, end)) {
      const character = this.#text[end];
      if (character === undefined || (!isLong && /[\r\n]/.test(character))) {
        throw this.error("a text does not end");
      }
      end += character === "\\" ? 2 : 1;
    }
    // Of more marks than three the last ones end the text.
    while (isLong && this.#text[end + mark.length] === quote) end++;
    const value = this.#unescaped(this.#text.slice(start, end));
    this.#pass(end + mark.length - this.#at);
    return value;
  }

  #unescaped(text: string): string {
    if (!text.includes("\\")) return text;
    return text.replace(
      /\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([\s\S])?)/g,
      (_, short?: string, long?: string, one?: string) => {
        const code = Number.parseInt(short ?? long ?? "", 16);
        if (code <= 0x10ffff) return String.fromCodePoint(code);
        const character = ESCAPES[one ?? ""];
        if (character === undefined) throw this.error("an escape has no meaning");
        return character;
      },
    ).toWellFormed();
  }
}
