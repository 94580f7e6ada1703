/** What a verb is, and what it is given. */
import type { CopyProgress } from "../core/block.ts";
import { type Finding, ImagingError } from "../core/errors.ts";
import { parseByteCount } from "../core/units.ts";
import type { DeviceBackend } from "../devices/device.ts";
import type { HashAlgorithm } from "../hashes/hash_algorithm.ts";
import { findHash, HASH_ALGORITHMS } from "../hashes/registry.ts";

/** An option of a verb. */
export interface OptionSpec {
  /** Without the dashes. */
  readonly name: string;
  /** What stands for the value in the help; absent for a switch. */
  readonly value?: string;
  readonly help: string;
}

/** What the user gave. */
export interface Invocation {
  readonly positionals: readonly string[];
  /** Values of options by name; true for switches. Absent when not given. */
  readonly options: Readonly<Record<string, string | true>>;
}

/** How a verb ended when nothing was thrown; the exit code follows from it. */
export type Outcome = "done" | "unreadable" | "mismatch" | "failed";

/** From the best to the worst. */
const OUTCOMES: readonly Outcome[] = ["done", "unreadable", "failed", "mismatch"];

/** The worse of two. */
export function worstOutcome(a: Outcome, b: Outcome): Outcome {
  return OUTCOMES.indexOf(a) >= OUTCOMES.indexOf(b) ? a : b;
}

/** What a verb gives back. */
export interface CommandResult {
  readonly outcome: Outcome;
  /** Lines for stdout. */
  readonly text: readonly string[];
  /** The result event of `--json`, without its name. */
  readonly json: Readonly<Record<string, unknown>>;
  /** Stdout carried raw bytes: the lines go elsewhere. */
  readonly stdoutIsData?: boolean;
}

/** The program itself, as reports and images name it. */
export interface ProgramIdentity {
  /** "sectorshot 0.1.0" */
  readonly text: string;
  /** "0.1.0" */
  readonly version: string;
  /** Undefined where it is not known. */
  readonly commit: string | undefined;
  /** The command line as it was given. */
  readonly arguments: readonly string[];
}

/** The world around a verb. */
export interface CommandContext {
  readonly program: ProgramIdentity;
  readonly backend: DeviceBackend;
  /** Was `--json` given? Then stdout belongs to the events. */
  readonly json: boolean;
  /** Ends the verb. */
  readonly signal: AbortSignal;
  /** Shows what is going on: "reading /dev/sdb", "verifying". */
  phase(title: string): void;
  progress(progress: CopyProgress): void;
  /** Shows something odd, or good to know. */
  note(finding: Finding): void;
  /** Shows lines, then asks for a line of text; undefined when nobody can be asked. */
  ask(lines: readonly string[], question: string): Promise<string | undefined>;
  /** A note for the end, should the user stop the verb: how to go on. */
  whenCancelled(hint: string): void;
  readonly stdin: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Raw bytes to stdout; answers how many were taken. */
  writeStdout(bytes: Uint8Array): Promise<number>;
}

/** A verb of the command line. */
export interface Command {
  readonly name: string;
  readonly aliases: readonly string[];
  /** "SOURCE IMAGE" */
  readonly usage: string;
  /** One line. */
  readonly summary: string;
  /** Paragraphs of the verb's own help. */
  readonly details: readonly string[];
  readonly examples: readonly string[];
  readonly options: readonly OptionSpec[];
  /** How many names it takes. */
  readonly positionals: { readonly min: number; readonly max: number };
  run(invocation: Invocation, context: CommandContext): Promise<CommandResult>;
}

/** Options that several verbs share. */
export const SHARED_OPTIONS = {
  hash: {
    name: "hash",
    value: "NAMES",
    help: `digests: ${HASH_ALGORITHMS.map((each) => each.id).join(",")} or none (sha256)`,
  },
  offset: {
    name: "offset",
    value: "N",
    help: "begin at byte N (K M G T: powers of 1024; s: sectors)",
  },
  length: { name: "length", value: "N", help: "only N bytes" },
  blockSize: { name: "block-size", value: "N", help: "bytes a request (4M)" },
  format: { name: "format", value: "NAME", help: "format of the image, whatever its name" },
  yes: { name: "yes", help: "do not ask" },
  unmount: { name: "unmount", help: "unmount the target first" },
  noVerify: { name: "no-verify", help: "do not read the target again" },
  cutZeros: {
    name: "cut-zeros",
    help: "leave out what does not fit, if it is nothing but zeros",
  },
} as const satisfies Record<string, OptionSpec>;

/** Was the switch given? */
export function isSet(invocation: Invocation, name: string): boolean {
  return invocation.options[name] === true;
}

/** The value of an option; undefined when it was not given. */
export function valueOf(invocation: Invocation, name: string): string | undefined {
  const value = invocation.options[name];
  return typeof value === "string" ? value : undefined;
}

/** The first of these options that was given. */
export function firstSet(
  { options }: Invocation,
  names: readonly string[],
): string | undefined {
  return names.find((name) => options[name] !== undefined);
}

/**
 * A number of bytes.
 *
 * @throws {ImagingError} `usage` when it makes no sense.
 */
export function bytesOption(
  invocation: Invocation,
  name: string,
  sectorSize: number,
): number | undefined {
  const text = valueOf(invocation, name);
  if (text === undefined) return undefined;
  const bytes = parseByteCount(text, sectorSize);
  if (bytes !== undefined) return bytes;
  throw new ImagingError("usage", `cannot use --${name} ${text}: it is no number of bytes`, {
    hint: "write it as 4096, 64K, 1.5G or 8s (sectors)",
  });
}

/** Largest and smallest `--block-size`. */
const BLOCK_SIZE_LIMITS = { min: 512, max: 16 * 1024 * 1024 };

/**
 * `--block-size`.
 *
 * @throws {ImagingError} `usage`
 */
export function blockSizeOption(
  invocation: Invocation,
  sectorSize: number,
): number | undefined {
  const bytes = bytesOption(invocation, "block-size", sectorSize);
  if (bytes === undefined) return undefined;
  const { min, max } = BLOCK_SIZE_LIMITS;
  if (bytes >= min && bytes <= max && bytes % sectorSize === 0) return bytes;
  throw new ImagingError("usage", `cannot use --block-size ${bytes}`, {
    hint: `choose a multiple of the sector size (${sectorSize}), up to 16M`,
  });
}

/**
 * `--hash`: sha256 when it was not given.
 *
 * @throws {ImagingError} `usage` for a hash that does not exist.
 */
export function hashOption(invocation: Invocation): HashAlgorithm[] {
  const text = valueOf(invocation, "hash") ?? "sha256";
  if (text === "none") return [];
  const names = new Set(text.toLowerCase().split(",").map((name) => name.trim()));
  return [...names].map((name) => {
    const algorithm = findHash(name);
    if (algorithm !== undefined) return algorithm;
    const known = HASH_ALGORITHMS.map((each) => each.id).join(", ");
    throw new ImagingError("usage", `cannot hash with "${name}": there is no such hash`, {
      hint: `there are ${known}, and none`,
    });
  });
}

/** The name at this place of the command line. The number of names was checked before. */
export function positional(invocation: Invocation, index: number): string {
  const name = invocation.positionals[index];
  if (name === undefined) throw new RangeError(`There is no name at place ${index}`);
  return name;
}
