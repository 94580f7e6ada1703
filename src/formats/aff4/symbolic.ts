/**
 * Streams that no container holds: AFF4 Standard v1.0, section 4.4,
 * https://github.com/aff4/Standard
 */
import type { Bytes } from "../../core/block.ts";
import { schemaName } from "./names.ts";

/** A stream that is the same text, or byte, over and over. */
export interface SymbolicStream {
  /** Its name in the standard: "UnreadableData". */
  readonly name: string;
  readonly pattern: Uint8Array;
}

/** Texts begin anew with each of these. */
const PATTERN_BYTES = 1024 * 1024;

export const UNKNOWN_DATA = "UnknownData";
export const UNREADABLE_DATA = "UnreadableData";

const TEXTS: ReadonlyMap<string, string> = new Map([
  [UNKNOWN_DATA, "UNKNOWN"],
  [UNREADABLE_DATA, "UNREADABLEDATA"],
]);

/** The stream of this address; undefined where it is no symbolic one. */
export function symbolicStream(address: string): SymbolicStream | undefined {
  const name = schemaName(address);
  if (name === undefined) return undefined;
  if (name === "Zero") return { name, pattern: new Uint8Array(1) };
  const [, hex] = /^SymbolicStream([0-9A-Fa-f]{2})$/.exec(name) ?? [];
  if (hex !== undefined) {
    return { name, pattern: Uint8Array.of(Number.parseInt(hex, 16)) };
  }
  const text = TEXTS.get(name);
  return text === undefined ? undefined : { name, pattern: new TextEncoder().encode(text) };
}

/** Puts what the stream has from `offset` on. */
export function fillSymbolic({ pattern }: SymbolicStream, offset: number, into: Bytes): void {
  if (pattern.length === 1) {
    into.fill(pattern[0] ?? 0);
    return;
  }
  for (let at = 0; at < into.length;) {
    const place = (offset + at) % PATTERN_BYTES;
    const end = Math.min(into.length, at + PATTERN_BYTES - place);
    // Up to a whole text, then texts.
    for (let phase = place % pattern.length; at < end; at++, phase++) {
      into[at] = pattern[phase % pattern.length] ?? 0;
    }
  }
}
