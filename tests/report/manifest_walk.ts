/** Every value of a report, and how it is to appear in what people read. */
import { printable } from "../../src/core/text.ts";
import type { Manifest } from "../../src/report/manifest.ts";

/** A value in a manifest, and the keys that lead to it. */
export interface Leaf {
  readonly path: readonly (string | number)[];
  readonly value: string | number | boolean | null;
}

/** All values, in the order of the manifest. */
export function leavesOf(value: unknown, path: readonly (string | number)[] = []): Leaf[] {
  if (Array.isArray(value)) {
    return value.flatMap((each, index) => leavesOf(each, [...path, index]));
  }
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([key, each]) => leavesOf(each, [...path, key]));
  }
  return [{ path, value: value as Leaf["value"] }];
}

/** The same manifest with another value in one place. */
export function withLeaf(manifest: Manifest, { path }: Leaf, value: unknown): Manifest {
  const copy = structuredClone(manifest) as unknown as Record<string | number, unknown>;
  let at = copy;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
  at[path.at(-1) ?? ""] = value;
  return copy as unknown as Manifest;
}

/** Words that stand for values. */
const WORDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  kind: { disk: "whole disk", partition: "partition", file: "file", stream: "stream" },
  algorithm: { md5: "MD5", sha1: "SHA-1", sha256: "SHA-256" },
  subject: {
    source: "The source, as it was read",
    image: "as written, read again (--verify)",
    sourceAgain: "The source, read again (--verify-source)",
  },
  verdict: { reference: "is the reference" },
  level: { warning: "WARNING", note: "NOTE" },
  state: {
    "+": "read",
    "?": "not tried",
    "*": "failed, edges not tried",
    "/": "failed, sectors not tried",
    "-": "bad sectors",
  },
};

/** Is it to be seen as itself? Pictures show the rest. */
export function isShown(manifest: Manifest, { path }: Leaf): boolean {
  if (path.includes("rateCurve")) return false;
  if (path[0] !== "areas") return true;
  const state = manifest.areas[Number(path[1])]?.state;
  return state !== "+" || path[2] === "state";
}

/** What the reader is to find of a value, without blanks and line ends. */
export function textsOf({ path, value }: Leaf): string[] {
  const key = path.findLast((each) => typeof each === "string") ?? "";
  if (value === null) return [];
  if (typeof value === "boolean") return [value ? "yes" : "no"];
  if (typeof value === "number") {
    return [Number.isInteger(value) ? value.toLocaleString("en-US") : String(value)];
  }
  const text = WORDS[key]?.[value] ??
    (["started", "ended"].includes(key) ? value.replace("T", " ") : value);
  const quoted = key === "commandLine" ? text.replaceAll("'", "'\\''") : text;
  return quoted.split("\n").map((line) => withoutBlanks(printable(line.toWellFormed())));
}

/** Lines are broken here and there; that must not matter. */
export function withoutBlanks(text: string): string {
  return text.replace(/\s+/g, "");
}
