/**
 * What compressed images say of their content, where their format keeps a text: that it was
 * written here, how long the content is, and its digests.
 *
 * ```
 * sectorshot image
 * bytes: 31914983424
 * sha256: 9f86d081884c7d65...
 * ```
 */
import type { StoredDigest } from "../image_format.ts";

const FIRST_LINE = "sectorshot image";

/** Longer texts are from somebody else. */
const MAX_LENGTH = 4096;

const LINE = /^([a-z0-9][a-z0-9-]{0,31}): ([0-9a-f]{1,256})$/;

/** See the head of this file. */
export interface ContentNotes {
  /** Bytes. */
  readonly size: number;
  readonly digests: readonly StoredDigest[];
}

/** ASCII, with line ends. */
export function formatNotes({ size, digests }: ContentNotes): string {
  const lines = digests.map(({ algorithm, hex }) => `${algorithm}: ${hex}`);
  return [FIRST_LINE, `bytes: ${size}`, ...lines, ""].join("\n");
}

/** Undefined when it is no such text, or not all of it is. */
export function parseNotes(text: string): ContentNotes | undefined {
  const [first, bytes, ...lines] = text.slice(0, MAX_LENGTH + 1).split("\n");
  const isOurs = text.length <= MAX_LENGTH && first === FIRST_LINE && lines.pop() === "";
  const size = Number(/^bytes: (\d{1,16})$/.exec(bytes ?? "")?.[1] ?? NaN);
  if (!isOurs || !Number.isSafeInteger(size)) return undefined;
  const digests: StoredDigest[] = [];
  for (const line of lines) {
    const [, algorithm, hex] = LINE.exec(line) ?? [];
    if (algorithm === undefined || hex === undefined) return undefined;
    digests.push({ algorithm, hex });
  }
  return { size, digests };
}
