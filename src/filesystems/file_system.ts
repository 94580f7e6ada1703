/** What every file system offers, and what their superblocks have in common. */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { FormatError } from "../core/errors.ts";
import type { Range } from "../core/range.ts";

/** What a superblock says about the volume. */
export interface FileSystemIdentity {
  /** Exact kind, short and lower case: "ext4", "fat32", "luks2". */
  readonly id: string;
  /** The {@linkcode FileSystem.id} that recognised it: "ext". */
  readonly family: string;
  /** For people: "ext4", "Linux swap". */
  readonly title: string;
  /** Undefined when it has none. May hold any character, control codes too. */
  readonly label: string | undefined;
  /** UUID or serial number as its own system writes it; undefined when it has none. */
  readonly uuid: string | undefined;
}

/** A file system, or another thing that fills a volume: one file and one line in `all.ts`. */
export interface FileSystem {
  /** Short and lower case: "ext". */
  readonly id: string;
  /** For people: "ext2/3/4". */
  readonly title: string;
  /**
   * How sure is it that the volume is its own? "exact" when the signature, the
   * plausibility of the fields and the checksum (where there is one) agree; "maybe"
   * when only the checksum does not. Never throws.
   */
  probe(input: ProbeInput): ProbeScore;
  /**
   * Reads the superblock.
   *
   * @throws {FormatError} when {@linkcode probe} answers "no".
   */
  identify(input: ProbeInput): FileSystemIdentity;
  /**
   * Reads a label that lies elsewhere than in the superblock. Its answer replaces
   * the label of {@linkcode identify}; undefined when there is none or what leads
   * to it is damaged.
   *
   * @throws {ReadError} when the medium does not deliver.
   */
  readLabel?(volume: BlockSource, input: ProbeInput): Promise<string | undefined>;
  /**
   * Which bytes of the volume are in use: files, directories, and all of the file system's
   * own structures with their copies, boot code and reserved areas. Bytes of the volume,
   * ascending, joined, inside it. What is left out was never written, or belonged to
   * something that was deleted: nothing that is there reads it. Absent where the file system
   * is only recognised.
   *
   * @throws {FormatError} when there is any doubt: a feature that is not known, a checksum
   * that is wrong, structures that contradict each other, an unclean state that matters. The
   * message says why, for "copied whole: ...".
   * @throws {ReadError} when the medium does not deliver.
   */
  usedRanges?(volume: BlockSource): Promise<readonly Range[]>;
}

/** The error of {@linkcode FileSystem.identify} for foreign bytes. */
export function notRecognised(title: string): FormatError {
  return new FormatError(`the volume does not begin like ${title}`, 0, "signature");
}

/** UTF-8 up to the first NUL, without spaces at the end; undefined when nothing is left. */
export function labelText(bytes: Uint8Array): string | undefined {
  const end = bytes.indexOf(0);
  const text = new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  return nonEmpty(text.trimEnd());
}

/** Undefined for an empty text. */
export function nonEmpty(text: string): string | undefined {
  return text === "" ? undefined : text;
}

/** Are all bytes zero? So is an identifier that was never set. */
export function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** Is it 1, 2, 4, 8 …? */
export function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}
