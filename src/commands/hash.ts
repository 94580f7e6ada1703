import type { Digest } from "../copy/hash_consumers.ts";
import { DEFAULT_CHUNK_BYTES } from "../copy/run_copy.ts";
import { ImagingError } from "../core/errors.ts";
import { totalLength } from "../core/range.ts";
import { plural } from "../core/units.ts";
import {
  type DigestLine,
  formatDigestLine,
  formatTaggedLine,
  parseDigestList,
} from "../hashes/digest_file.ts";
import type { HashAlgorithm } from "../hashes/hash_algorithm.ts";
import { findHash, hashOfLine } from "../hashes/registry.ts";
import { rangeLines, rangesJson } from "../report/ranges_text.ts";
import {
  blockSizeOption,
  type Command,
  type CommandContext,
  type CommandResult,
  hashOption,
  type Invocation,
  type Outcome,
  SHARED_OPTIONS,
  valueOf,
  worstOutcome,
} from "./command.ts";
import { digestsJson, hashMedium } from "./media/hash_medium.ts";
import { chosenPart, closedInTime, openMedium } from "./media/open_medium.ts";
import {
  IN_ORDER_OPTIONS,
  type InOrderOptions,
  rescueOptions,
} from "./rescue/rescue_options.ts";

export const hash: Command = {
  name: "hash",
  aliases: [],
  usage: "SOURCE...",
  summary: "digests of devices or of the content of images",
  details: [
    "Prints the digest of each SOURCE as sha256sum does; of several digests (--hash) each " +
    "line names its algorithm. --check FILE reads such lines and checks what they name.",
    "A place that cannot be read is rescued as `read` does it, before what is behind it is " +
    "read. Unreadable sectors count as zeros; they are listed, and the exit code is 4.",
  ],
  examples: [
    "sectorshot hash /dev/sdb",
    "sectorshot hash card.img --hash md5,sha1",
    "sectorshot hash --check SHA256SUMS",
  ],
  options: [
    SHARED_OPTIONS.hash,
    { name: "check", value: "FILE", help: "check the digests that are listed in FILE" },
    SHARED_OPTIONS.offset,
    SHARED_OPTIONS.length,
    SHARED_OPTIONS.blockSize,
    ...IN_ORDER_OPTIONS,
  ],
  positionals: { min: 0, max: Infinity },
  run,
};

async function run(invocation: Invocation, context: CommandContext): Promise<CommandResult> {
  const list = valueOf(invocation, "check");
  const rescue = rescueOptions(invocation);
  if (list !== undefined) {
    if (invocation.positionals.length > 0) {
      throw new ImagingError("usage", "cannot use --check together with a SOURCE", {
        hint: "the list itself names what is checked",
      });
    }
    return await checkList(context, list, rescue);
  }
  if (invocation.positionals.length === 0) {
    throw new ImagingError("usage", "cannot hash: a name is missing", {
      hint: "usage: sectorshot hash SOURCE...",
    });
  }
  const algorithms = hashOption(invocation);
  if (algorithms.length === 0) {
    throw new ImagingError("usage", "cannot hash with none", { hint: "name a hash" });
  }
  const text: string[] = [];
  const json: unknown[] = [];
  let outcome: Outcome = "done";
  for (const name of invocation.positionals) {
    const hashed = await hashOne(invocation, context, name, { algorithms, rescue });
    outcome = worstOutcome(outcome, hashed.outcome);
    text.push(...hashed.text);
    json.push(hashed.json);
  }
  return { outcome, text, json: { sources: json } };
}

/** One of several sources: an error concerns it alone. */
async function hashOne(
  invocation: Invocation,
  context: CommandContext,
  name: string,
  { algorithms, rescue }: {
    readonly algorithms: readonly HashAlgorithm[];
    readonly rescue: InOrderOptions;
  },
): Promise<CommandResult> {
  try {
    const medium = await openMedium(context, name);
    await using _medium = closedInTime(medium);
    const { source } = chosenPart(invocation, medium);
    context.phase(`hashing ${name}`);
    const chunkBytes = blockSizeOption(invocation, source.sectorSize);
    const { bytes, bad, digests } = await hashMedium(
      context,
      source,
      algorithms,
      chunkBytes,
      rescue,
    );
    const badBytes = totalLength(bad);
    if (badBytes > 0) {
      const lines = rangeLines(
        `${name}: unreadable`,
        { ranges: bad, bytes: badBytes },
        source.sectorSize,
      );
      context.note({ level: "warning", message: lines.join("\n") });
    }
    return {
      outcome: badBytes > 0 ? "unreadable" : "done",
      text: digests.map((digest) => digestText(digest, name, algorithms.length > 1)),
      json: {
        name,
        bytes,
        hashes: digestsJson(digests),
        badBytes,
        bad: rangesJson(bad),
      },
    };
  } catch (error) {
    const isAlone = invocation.positionals.length === 1;
    if (isAlone || !(error instanceof ImagingError) || error.kind === "cancelled") throw error;
    context.note({ level: "warning", message: error.message });
    return { outcome: "failed", text: [], json: { name, error: error.message } };
  }
}

function digestText({ algorithm, hex }: Digest, name: string, isTagged: boolean): string {
  return isTagged ? formatTaggedLine(algorithm.id, hex, name) : formatDigestLine(hex, name);
}

async function checkList(
  context: CommandContext,
  path: string,
  rescue: InOrderOptions,
): Promise<CommandResult> {
  await using files = context.backend.openFiles();
  const content = await files.read(path);
  if (content === undefined) {
    throw new ImagingError("environment", `cannot open ${path}: no such file (ENOENT)`, {
      hint: "check the name",
    });
  }
  const byName = path.endsWith(".b3") || /b3sums/i.test(path) ? findHash("blake3") : undefined;
  const { lines: entries, malformed } = parseDigestList(new TextDecoder().decode(content));
  if (entries.length === 0) {
    throw new ImagingError("corrupt", `cannot check ${path}: it holds no digests`, {
      hint: "lines look like: HEX  NAME",
    });
  }
  if (malformed > 0) {
    context.note({
      level: "warning",
      message: `${path}: ${plural(malformed, "line")} cannot be understood and ` +
        `${malformed === 1 ? "is" : "are"} not checked`,
    });
  }
  const text: string[] = [];
  const json: unknown[] = [];
  let outcome: Outcome = "done";
  for (const entry of entries) {
    const algorithm = entry.algorithm === undefined && byName !== undefined
      ? byName
      : hashOfLine(entry);
    const checked = await checkEntry(context, entry, algorithm, rescue);
    outcome = worstOutcome(outcome, checked.outcome);
    text.push(`${entry.name}: ${checked.verdict}`);
    json.push({ name: entry.name, expected: entry.hex, ...checked });
  }
  return { outcome, text, json: { list: path, checked: json } };
}

async function checkEntry(
  context: CommandContext,
  entry: DigestLine,
  algorithm: HashAlgorithm | undefined,
  rescue: InOrderOptions,
): Promise<{ outcome: Outcome; verdict: string; actual: string | null }> {
  if (algorithm === undefined) {
    return { outcome: "failed", verdict: "FAILED (unknown hash)", actual: null };
  }
  try {
    const medium = await openMedium(context, entry.name);
    await using _medium = closedInTime(medium);
    context.phase(`checking ${entry.name}`);
    const { digests, bad } = await hashMedium(
      context,
      medium.source,
      [algorithm],
      DEFAULT_CHUNK_BYTES,
      rescue,
    );
    const actual = digests[0]?.hex ?? null;
    if (bad.length > 0) {
      const verdict = `FAILED (${totalLength(bad)} bytes unreadable)`;
      return { outcome: "unreadable", verdict, actual };
    }
    if (actual === entry.hex) return { outcome: "done", verdict: "OK", actual };
    // Lists of download pages speak of packed files as they lie there.
    if (medium.image?.isPacking === true) {
      await using file = await context.backend.openSource(entry.name, { direct: false });
      const ofFile = (await hashMedium(context, file, [algorithm])).digests[0]?.hex ?? null;
      if (ofFile === entry.hex) return { outcome: "done", verdict: "OK", actual: ofFile };
    }
    return { outcome: "mismatch", verdict: "FAILED", actual };
  } catch (error) {
    if (!(error instanceof ImagingError) || error.kind === "cancelled") throw error;
    return { outcome: "failed", verdict: `FAILED (${error.message})`, actual: null };
  }
}
