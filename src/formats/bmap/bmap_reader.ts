/**
 * Extensible Markup Language (XML) 1.0, https://www.w3.org/TR/xml/ - the small part of it that
 * block maps are made of:
 *
 * ```
 * <?xml version="1.0" ?>          may be absent
 * <!-- comments -->               between elements only
 * <name key="value"> ... </name>  holds elements, or text without markup
 * ```
 *
 * Everything else is refused: document types, entities, CDATA, processing instructions, empty
 * tags. So nothing can grow, be fetched, or be understood in two ways.
 */
import { FormatError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";

/** What is refused, and where. */
export interface BmapProblem {
  /** Place in the text. */
  readonly at: number;
  /** As the format calls it: "BlocksCount"; "" is all of it. */
  readonly field: string;
  /** A clause in lower case without a full stop. */
  readonly reason: string;
  readonly hint?: string | undefined;
}

/** The beginning of an element. */
export interface BmapTag {
  /** Place in the text. */
  readonly at: number;
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
}

/** Text that an element holds. */
export interface BmapText {
  /** Place of its first character that is no blank. */
  readonly at: number;
  /** Without blanks at its ends. */
  readonly text: string;
}

/** Longest tag; a range with its checksum has about 150 characters. */
const LONGEST_TAG = 1000;

/** Longest text of an element. */
const LONGEST_TEXT = 1000;

/** How much of what is wrong is shown. */
const SHOWN_CHARACTERS = 40;

const DECLARATION =
  /^\ufeff?<\?xml\s+version="1\.[01]"(?:\s+encoding="(?:utf-8|us-ascii)")?\s*\?>/i;
const BLANKS = /[ \t\r\n]*/y;
const OPENING = /^<([A-Za-z]\w{0,60})((?:[ \t\r\n]+\w{1,60}="[^"<>&]*")*)[ \t\r\n]*>$/;
const CLOSING = /^<\/([A-Za-z]\w{0,60})[ \t\r\n]*>$/;
const ATTRIBUTE = /(\w+)="([^"]*)"/g;

/** Goes through the text of a block map, from its beginning to its end. */
export class BmapReader {
  readonly #text: string;
  readonly #name: string;
  #at: number;

  /** `name` is that of the file, for messages. */
  constructor(text: string, name: string) {
    this.#text = text;
    this.#name = name;
    this.#at = DECLARATION.exec(text.slice(0, LONGEST_TAG))?.[0].length ?? 0;
  }

  /**
   * The element that begins here; undefined where the element `parent` ends instead, or
   * ("") the text does.
   *
   * @throws {FormatError} when there is neither.
   */
  next(parent: string): BmapTag | undefined {
    this.#skipComments(parent);
    const at = this.#at;
    if (parent === "" && at === this.#text.length) return undefined;
    const tag = this.#tag(parent);
    const closed = CLOSING.exec(tag)?.[1];
    if (closed !== undefined && closed === parent) return undefined;
    const [, name, attributes] = OPENING.exec(tag) ?? [];
    if (name === undefined) return this.#unexpected(at, parent);
    return { at, name, attributes: this.#attributes(at, name, attributes ?? "") };
  }

  /**
   * The text of the element `name`, up to its end.
   *
   * @throws {FormatError} when there is anything but text in it.
   */
  text(name: string): BmapText {
    const start = this.#at;
    const piece = this.#text.slice(start, start + LONGEST_TEXT);
    const raw = piece.split("<", 1)[0] ?? "";
    const text = raw.replace(/^[ \t\r\n]+/, "");
    const at = start + raw.length - text.length;
    const end = start + raw.length;
    if (raw.length === LONGEST_TEXT) this.fail({ at, field: name, reason: "too long a text" });
    this.#at = end;
    if (CLOSING.exec(this.#tag(name))?.[1] !== name) return this.#unexpected(end, name);
    return { at, text: text.replace(/[ \t\r\n]+$/, "") };
  }

  /** @throws {FormatError} always. */
  fail({ at, field, reason, hint }: BmapProblem): never {
    const line = this.#text.slice(0, at).split("\n").length;
    throw new FormatError(
      `cannot use the block map ${this.#name}: line ${line}: ${reason}`,
      line,
      field === "" ? "bmap" : field,
      { hint: hint ?? "it is damaged or was changed; get it again, or do without it" },
    );
  }

  /** The tag that begins here; goes behind it. "" where there is none. */
  #tag(field: string): string {
    if (this.#text[this.#at] !== "<") return "";
    const end = this.#text.slice(this.#at, this.#at + LONGEST_TAG).indexOf(">");
    if (end < 0) {
      const isCut = this.#text.length - this.#at < LONGEST_TAG;
      return this.fail({
        at: this.#at,
        field,
        reason: isCut ? "the file ends in the middle of a tag" : "a tag that is too long",
      });
    }
    const tag = this.#text.slice(this.#at, this.#at + end + 1);
    this.#at += tag.length;
    return tag;
  }

  #attributes(at: number, field: string, text: string): Map<string, string> {
    const attributes = new Map<string, string>();
    for (const [, key = "", value = ""] of text.matchAll(ATTRIBUTE)) {
      if (attributes.has(key)) {
        return this.fail({ at, field, reason: `${field} has ${key} twice` });
      }
      attributes.set(key, value);
    }
    return attributes;
  }

  #skipComments(field: string): void {
    for (;;) {
      BLANKS.lastIndex = this.#at;
      this.#at += BLANKS.exec(this.#text)?.[0].length ?? 0;
      if (!this.#text.startsWith("<!--", this.#at)) return;
      const end = this.#text.indexOf("-->", this.#at + 4);
      if (end < 0) this.fail({ at: this.#at, field, reason: "a comment has no end" });
      this.#at = end + 3;
    }
  }

  #unexpected(at: number, field: string): never {
    if (at >= this.#text.length) {
      const reason = field === "" ? "it is empty" : `the file ends inside of ${field}`;
      return this.fail({ at, field, reason });
    }
    const shown = this.#text.slice(at, at + SHOWN_CHARACTERS).split("\n", 1)[0] ?? "";
    const where = field === "" ? "in a block map" : `inside of ${field}`;
    const reason = `"${printable(shown.trim())}" has no place ${where}`;
    return this.fail({ at, field, reason });
  }
}
