/**
 * Statements in the Turtle language: RDF 1.1 Turtle, https://www.w3.org/TR/turtle/
 *
 * As much of it as descriptions of AFF4 containers use. Blank nodes, collections, `@base` and
 * relative addresses are refused.
 */
import { printable } from "../../core/text.ts";
import { type TurtleToken, TurtleTokens } from "./turtle_tokens.ts";

/** What a statement says of its subject: the address of a thing, or a text. */
export interface Term {
  readonly kind: "iri" | "literal";
  readonly value: string;
  /** Address of the datatype of a literal; undefined for plain text. */
  readonly datatype: string | undefined;
}

/** What is said of a subject: its terms by their predicate. */
export type Properties = ReadonlyMap<string, readonly Term[]>;

/** All statements, by the address of their subject. */
export type Graph = ReadonlyMap<string, Properties>;

export const RDF_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type";

const XSD = "http://www.w3.org/2001/XMLSchema#";

/** More would not be about a disk. */
const MAX_STATEMENTS = 200_000;

/**
 * Reads statements.
 *
 * @throws {FormatError} when the text is no Turtle, or has what is not read here; `offset` is
 * the line.
 */
export function parseTurtle(text: string): Graph {
  return new TurtleParser(text).graph();
}

class TurtleParser {
  readonly #tokens: TurtleTokens;
  readonly #prefixes = new Map<string, string>();
  readonly #graph = new Map<string, Map<string, Term[]>>();
  #token: TurtleToken;
  #statements = 0;

  constructor(text: string) {
    this.#tokens = new TurtleTokens(text);
    this.#token = this.#tokens.next();
  }

  graph(): Graph {
    while (this.#token.kind !== "end") {
      if (this.#isPrefix()) this.#prefix();
      else this.#subject();
    }
    return this.#graph;
  }

  #isPrefix(): boolean {
    const { kind, value } = this.#token;
    return (kind === "directive" && value === "prefix") ||
      (kind === "word" && value.toLowerCase() === "prefix");
  }

  #prefix(): void {
    const isDirective = this.#take().kind === "directive";
    const name = this.#take();
    if (name.kind !== "name" || !name.value.endsWith(":")) throw this.#unexpected(name);
    const address = this.#take();
    if (address.kind !== "iri") throw this.#unexpected(address);
    this.#prefixes.set(name.value, this.#absolute(address.value));
    if (isDirective) this.#sign(".");
  }

  #subject(): void {
    const subject = this.#address(this.#take());
    let properties = this.#graph.get(subject);
    if (properties === undefined) this.#graph.set(subject, properties = new Map());
    for (;;) {
      const token = this.#take();
      const isType = token.kind === "word" && token.value === "a";
      const predicate = isType ? RDF_TYPE : this.#address(token);
      let terms = properties.get(predicate);
      if (terms === undefined) properties.set(predicate, terms = []);
      do {
        if (++this.#statements > MAX_STATEMENTS) {
          throw this.#tokens.error("there are too many statements for an image of a disk");
        }
        terms.push(this.#object());
      } while (this.#skips(","));
      if (!this.#skips(";")) break;
      while (this.#skips(";"));
      if (this.#isSign(".")) break;
    }
    this.#sign(".");
  }

  #object(): Term {
    const token = this.#take();
    if (token.kind === "text") return this.#literal(token.value);
    if (token.kind !== "word") {
      return { kind: "iri", value: this.#address(token), datatype: undefined };
    }
    const { value } = token;
    const isBoolean = value === "true" || value === "false";
    if (!isBoolean && !/\d/.test(value)) throw this.#unexpected(token);
    const type = isBoolean ? "boolean" : /^[+-]?\d+$/.test(value) ? "integer" : "decimal";
    return { kind: "literal", value, datatype: XSD + type };
  }

  #literal(value: string): Term {
    let datatype: string | undefined;
    if (this.#skips("^^")) datatype = this.#address(this.#take());
    else if (this.#token.kind === "directive" && !this.#isPrefix()) this.#take();
    return { kind: "literal", value, datatype };
  }

  #address(token: TurtleToken): string {
    if (token.kind === "iri") return this.#absolute(token.value);
    if (token.kind !== "name") throw this.#unexpected(token);
    const end = token.value.indexOf(":") + 1;
    const start = this.#prefixes.get(token.value.slice(0, end));
    if (start === undefined) throw this.#unexpected(token);
    return start + token.value.slice(end);
  }

  #absolute(address: string): string {
    if (/^[A-Za-z][A-Za-z0-9+.-]*:/.test(address)) return address;
    throw this.#tokens.error(`the address <${address}> is not a whole one`);
  }

  #take(): TurtleToken {
    const token = this.#token;
    this.#token = this.#tokens.next();
    return token;
  }

  #isSign(sign: string): boolean {
    return this.#token.kind === "sign" && this.#token.value === sign;
  }

  #skips(sign: string): boolean {
    if (!this.#isSign(sign)) return false;
    this.#take();
    return true;
  }

  #sign(sign: string): void {
    if (!this.#skips(sign)) throw this.#unexpected(this.#token);
  }

  #unexpected({ kind, value }: TurtleToken): Error {
    const what = kind === "end" ? "its end" : `"${printable(value.slice(0, 60))}"`;
    return this.#tokens.error(`${what} is not expected`);
  }
}
