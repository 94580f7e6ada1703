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
  /** One byte, or the 1 MiB that come over and over. */
  readonly pattern: Uint8Array;
}

/** Texts begin anew with each of these; the last one in it is cut. */
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
  return text === undefined ? undefined : { name, pattern: repeated(text) };
}

function repeated(text: string): Uint8Array {
  const whole = text.repeat(Math.ceil(PATTERN_BYTES / text.length));
  return new TextEncoder().encode(whole).subarray(0, PATTERN_BYTES);
}

/** Puts what the stream has from `offset` on. */
export function fillSymbolic({ pattern }: SymbolicStream, offset: number, into: Bytes): void {
  if (pattern.length === 1) {
    into.fill(pattern[0] ?? 0);
    return;
  }
  for (let at = 0; at < into.length;) {
    const start = (offset + at) % pattern.length;
    const part = pattern.subarray(start, start + into.length - at);
    into.set(part, at);
    at += part.length;
  }
}
