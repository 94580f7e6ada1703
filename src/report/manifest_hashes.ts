/** Digests of a report, by what was hashed. */
import type { HashFacts, HashSubject, HashVerdict, Manifest } from "./manifest.ts";
import type { Tone } from "./manifest_blocks.ts";

/** The digests of one thing. */
export interface HashGroup {
  readonly subject: HashSubject;
  /** The path of the image; null where it is none. */
  readonly image: string | null;
  /** Empty when nothing was hashed. */
  readonly lines: readonly HashFacts[];
}

/**
 * The source as read, every image as written, the source read again: each has a group,
 * also when it was not hashed, so that a report says that it was not.
 */
export function hashGroups({ hashes, images }: Manifest): HashGroup[] {
  const group = (subject: HashSubject, image: string | null): HashGroup => ({
    subject,
    image,
    lines: hashes.filter((each) =>
      each.subject === subject && (subject !== "image" || each.image === image)
    ),
  });
  const paths = new Set<string | null>(images.map(({ path }) => path));
  for (const each of hashes) if (each.subject === "image") paths.add(each.image);
  return [
    group("source", null),
    ...[...paths].map((path) => group("image", path)),
    group("sourceAgain", null),
  ];
}

/** What the lines of a group come to: the worst of them. */
export function groupVerdict({ lines }: HashGroup): HashVerdict {
  const verdicts: readonly HashVerdict[] = ["different", "same", "reference"];
  return verdicts.find((verdict) => lines.some((line) => line.verdict === verdict)) ??
    "not done";
}

/** Is a verdict good? */
export function verdictTone(verdict: HashVerdict): Tone {
  if (verdict === "same") return "good";
  return verdict === "different" ? "bad" : "open";
}

const ALGORITHM_NAMES: Readonly<Record<string, string>> = {
  md5: "MD5",
  sha1: "SHA-1",
  sha256: "SHA-256",
  sha512: "SHA-512",
  blake3: "BLAKE3",
  bytes: "byte by byte",
};

/** As people write it: "SHA-256". */
export function algorithmName(id: string): string {
  return ALGORITHM_NAMES[id] ?? id;
}

/** "MD5, SHA-256": those with this verdict. */
export function algorithmList(group: HashGroup, verdict: HashVerdict): string {
  return group.lines.filter((line) => line.verdict === verdict)
    .map(({ algorithm }) => algorithmName(algorithm)).join(", ");
}
