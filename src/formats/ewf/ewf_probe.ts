/** Recognising EWF and its relatives by their first bytes; the specification is in `../ewf.ts`. */
import type { ProbeInput, ProbeScore } from "../../core/block.ts";
import { hasAscii } from "../../core/bytes.ts";
import { hasEwfSignature } from "./ewf_sections.ts";

/**
 * What else EnCase and FTK Imager write under like names, by its first bytes. Version 2 of
 * EWF (.Ex01) is a format of its own, in `../ewf2.ts`.
 */
const RELATIVES: ReadonlyMap<string, string> = new Map([
  ["LVF\x09\x0d\x0a", "logical evidence (.L01)"],
  ["LEF2\x0d\x0a", "logical evidence, version 2 (.Lx01)"],
  ["ADCRYPT\0", "encrypted by FTK Imager"],
]);

/** Is it a segment of EWF? Also sure of relatives of it, which cannot be opened. */
export function probeEwf({ head }: ProbeInput): ProbeScore {
  return hasEwfSignature(head) || relativeOf(head) !== undefined ? "exact" : "no";
}

/** What it is instead, for people; undefined where it is none of those that are known. */
export function relativeOf(head: Uint8Array): string | undefined {
  for (const [signature, title] of RELATIVES) {
    if (hasAscii(head, 0, signature)) return title;
  }
  return undefined;
}
