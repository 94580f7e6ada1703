/**
 * What a container says of the things in it: AFF4 Standard v1.0, section 2,
 * https://github.com/aff4/Standard
 */
import { FormatError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import { INFORMATION_NAME, SCHEMA } from "./names.ts";
import { type Graph, type Properties, RDF_TYPE, type Term } from "./turtle.ts";

const NOTHING: Properties = new Map();

/** A thing of a container: an image, a map, a stream, a note. */
export class Aff4Thing {
  readonly urn: string;
  readonly properties: Properties;

  constructor(graph: Graph, urn: string) {
    this.urn = urn;
    this.properties = graph.get(urn) ?? NOTHING;
  }

  /** Is it of the class of this name in the standard? */
  is(name: string): boolean {
    return this.terms(RDF_TYPE).some(({ value }) => value === SCHEMA + name);
  }

  /** All that is said with a property, by its whole address. */
  terms(address: string): readonly Term[] {
    return this.properties.get(address) ?? [];
  }

  /** All that is said with the property of this name in the standard. */
  all(name: string): readonly Term[] {
    return this.terms(SCHEMA + name);
  }

  /**
   * What is said with a property; undefined where nothing is.
   *
   * @throws {FormatError} when it is said differently.
   */
  one(name: string): Term | undefined {
    const [first, ...others] = this.all(name);
    if (others.some(({ value }) => value !== first?.value)) {
      throw descriptionError(name, `${this.urn} has several values of aff4:${name}`);
    }
    return first;
  }

  /** The address that a property names. @throws {FormatError} when it is a text. */
  address(name: string): string | undefined {
    const term = this.one(name);
    if (term === undefined || term.kind === "iri") return term?.value;
    throw descriptionError(name, `aff4:${name} of ${this.urn} is no address`);
  }

  /**
   * A count or size.
   *
   * @throws {FormatError} when it is none, or lies outside of `least` to `most`.
   */
  number(name: string, least: number, most: number): number | undefined {
    const term = this.one(name);
    if (term === undefined) return undefined;
    const value = /^\d{1,16}$/.test(term.value) ? Number(term.value) : NaN;
    if (value >= least && value <= most) return value;
    throw descriptionError(
      name,
      `aff4:${name} of ${this.urn} is impossible: ${term.value.slice(0, 40)}`,
    );
  }
}

/** An error in information.turtle, where no place of it can be told. */
export function descriptionError(field: string, what: string): FormatError {
  return new FormatError(`${INFORMATION_NAME}: ${printable(what)}`, 0, field);
}
