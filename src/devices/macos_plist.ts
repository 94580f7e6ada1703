/**
 * Property lists as XML, https://www.apple.com/DTDs/PropertyList-1.0.dtd: what diskutil(8)
 * answers with `-plist`.
 *
 * A parser of its own, since the well-kept package for it (plist) brings a whole XML DOM
 * and a writer along. This one knows the elements of the DTD and no more of XML than
 * Apple's programs write: no entities beside the five of XML and numeric ones, no CDATA, no
 * declarations inside of the document type. What it does not know is an error.
 */
import { FormatError } from "../core/errors.ts";

/** A date or binary data: nothing here reads them. */
export interface PlistOther {
  readonly type: "date" | "data";
  readonly text: string;
}

/** A value; an integer beyond 2^53-1 is a bigint. */
export type PlistValue =
  | string
  | number
  | bigint
  | boolean
  | PlistOther
  | readonly PlistValue[]
  | PlistDictionary;

/** A `<dict>`. */
export type PlistDictionary = ReadonlyMap<string, PlistValue>;

/** Deeper nesting than any property list has. */
const MOST_LEVELS = 64;

/** More characters than any machine has disks for. */
const MOST_CHARACTERS = 64 * 1024 * 1024;

const ENTITIES: Readonly<Record<string, string | undefined>> = {
  lt: "<",
  gt: ">",
  amp: "&",
  quot: '"',
  apos: "'",
};

/**
 * The value in a property list.
 *
 * @throws {FormatError} whose offset counts characters.
 */
export function parsePlist(text: string): PlistValue {
  return new PlistParser(text).document();
}

/** An opening tag. */
interface Tag {
  readonly name: string;
  /** `<true/>`: there is no content and no closing tag. */
  readonly isEmpty: boolean;
}

class PlistParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    if (text.length > MOST_CHARACTERS) this.#fail("it is too long", "plist");
  }

  document(): PlistValue {
    this.#skipProlog();
    const tag = this.#open();
    if (tag?.name !== "plist" || tag.isEmpty) this.#fail("there is no <plist>", "plist");
    const value = this.#value(this.#required(this.#open(), "plist"), 0);
    this.#close("plist");
    this.#skipSpace();
    if (this.#at < this.#text.length) this.#fail("something follows </plist>", "plist");
    return value;
  }

  #fail(reason: string, field: string): never {
    throw new FormatError(
      `the property list is damaged at character ${this.#at}: ${reason}`,
      this.#at,
      field,
    );
  }

  #required<T>(value: T | undefined, field: string): T {
    return value ?? this.#fail(`<${field}> holds no value`, field);
  }

  /** Takes what the sticky pattern matches here. */
  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at = pattern.lastIndex;
    return match;
  }

  /** Passes everything up to the end of `mark`. */
  #skipPast(mark: string, field: string): void {
    const end = this.#text.indexOf(mark, this.#at);
    if (end < 0) this.#fail(`${field} does not end`, field);
    this.#at = end + mark.length;
  }

  #skipSpace(): void {
    for (;;) {
      this.#take(/[ \t\r\n]*/y);
      if (!this.#text.startsWith("<!--", this.#at)) return;
      this.#skipPast("-->", "the comment");
    }
  }

  #skipProlog(): void {
    this.#take(/\ufeff/y);
    if (this.#text.startsWith("<?xml", this.#at)) this.#skipPast("?>", "the XML declaration");
    this.#skipSpace();
    if (this.#text.startsWith("<!DOCTYPE", this.#at)) {
      if (this.#take(/<!DOCTYPE[^[>]*>/y) === undefined) {
        this.#fail("the document type declares something", "DOCTYPE");
      }
    }
  }

  /** The next opening tag; undefined before a closing one. */
  #open(): Tag | undefined {
    this.#skipSpace();
    if (this.#text.startsWith("</", this.#at)) return undefined;
    const match = this.#take(/<([a-z]+)(?: +version="[^"<]*")?\s*(\/?)>/y);
    if (match === undefined) this.#fail("this is no tag of a property list", "tag");
    return { name: match[1] ?? "", isEmpty: match[2] === "/" };
  }

  #close(name: string): void {
    this.#skipSpace();
    const tag = `</${name}>`;
    if (!this.#text.startsWith(tag, this.#at)) this.#fail(`${tag} is missing`, name);
    this.#at += tag.length;
  }

  #value({ name, isEmpty }: Tag, level: number): PlistValue {
    if (level > MOST_LEVELS) this.#fail("it is nested too deeply", name);
    switch (name) {
      case "true":
      case "false":
        if (!isEmpty) this.#close(name);
        return name === "true";
      case "dict":
        return isEmpty ? new Map() : this.#dictionary(level);
      case "array":
        return isEmpty ? [] : this.#array(level);
      case "string":
        return isEmpty ? "" : this.#content(name);
      case "date":
      case "data":
        return { type: name, text: isEmpty ? "" : this.#content(name) };
      case "integer":
        return this.#integer(isEmpty ? "" : this.#content(name));
      case "real":
        return this.#real(isEmpty ? "" : this.#content(name));
      default:
        return this.#fail(`<${name}> is no value`, name);
    }
  }

  #dictionary(level: number): PlistDictionary {
    const entries = new Map<string, PlistValue>();
    for (let tag = this.#open(); tag !== undefined; tag = this.#open()) {
      if (tag.name !== "key") this.#fail(`<${tag.name}> stands where a key should`, "dict");
      const key = tag.isEmpty ? "" : this.#content("key");
      // Which of two values another reader would take is anyone's guess.
      if (entries.has(key)) this.#fail(`the key ${key} comes twice`, key);
      entries.set(key, this.#value(this.#required(this.#open(), key), level + 1));
    }
    this.#close("dict");
    return entries;
  }

  #array(level: number): readonly PlistValue[] {
    const values: PlistValue[] = [];
    for (let tag = this.#open(); tag !== undefined; tag = this.#open()) {
      values.push(this.#value(tag, level + 1));
    }
    this.#close("array");
    return values;
  }

  /** The text of an element, and its closing tag. */
  #content(name: string): string {
    const raw = this.#take(/[^<]*/y)?.[0] ?? "";
    const tag = `</${name}>`;
    // No comments and elements inside of a text; spaces belong to it.
    if (!this.#text.startsWith(tag, this.#at)) this.#fail(`${tag} is missing`, name);
    this.#at += tag.length;
    return raw.replace(
      /&([^;&]{0,10});?/g,
      (whole, entity: string) =>
        (whole.endsWith(";") ? entityText(entity) : undefined) ??
          this.#fail(`${whole} is no entity`, name),
    );
  }

  #integer(text: string): number | bigint {
    const match = /^\s*([+-]?)(0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20})\s*$/.exec(text);
    if (match === null) this.#fail(`"${text.slice(0, 40)}" is no integer`, "integer");
    const size = BigInt(match[2] ?? "");
    const value = match[1] === "-" ? -size : size;
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  #real(text: string): number {
    const digits = text.trim();
    if (
      /^[+-]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?$/.test(digits)
    ) {
      return Number(digits);
    }
    const match = /^([+-]?)(?:inf|infinity)$/i.exec(digits);
    if (match !== null) return match[1] === "-" ? -Infinity : Infinity;
    if (/^nan$/i.test(digits)) return NaN;
    return this.#fail(`"${text.slice(0, 40)}" is no real number`, "real");
  }
}

/** What stands for an entity; undefined for one that XML does not have. */
function entityText(entity: string): string | undefined {
  const match = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(entity);
  if (match === null) return Object.hasOwn(ENTITIES, entity) ? ENTITIES[entity] : undefined;
  const code = match[1] === undefined ? Number(match[2]) : parseInt(match[1], 16);
  // XML 1.0, 2.2: the characters that a document may hold.
  const isCharacter = code === 0x9 || code === 0xa || code === 0xd ||
    (code >= 0x20 && code <= 0xd7ff) || (code >= 0xe000 && code <= 0xfffd) ||
    (code >= 0x10000 && code <= 0x10ffff);
  return isCharacter ? String.fromCodePoint(code) : undefined;
}
