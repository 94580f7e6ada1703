import { type Digest, hashConsumers } from "../../copy/hash_consumers.ts";
import { DEFAULT_CHUNK_BYTES } from "../../copy/run_copy.ts";
import type { BlockSource } from "../../core/block.ts";
import type { Range } from "../../core/range.ts";
import type { HashAlgorithm } from "../../hashes/hash_algorithm.ts";
import type { CommandContext } from "../command.ts";
import { readWhole } from "./read_in_order.ts";
import { type InOrderOptions, USUAL_IN_ORDER } from "../rescue/rescue_options.ts";

/** The digests of a medium. */
export interface MediumDigests {
  readonly bytes: number;
  readonly digests: readonly Digest[];
  /** Unreadable places, hashed as zeros. */
  readonly bad: readonly Range[];
}

/**
 * Reads a medium once and computes all digests on the way. `how`: what is done about bad
 * places; with "fail" the first of them is the end.
 *
 * @throws {ImagingError} when the medium goes away, or the options make an end.
 */
export async function hashMedium(
  context: CommandContext,
  source: BlockSource,
  algorithms: readonly HashAlgorithm[],
  chunkBytes = DEFAULT_CHUNK_BYTES,
  how: InOrderOptions | "fail" = USUAL_IN_ORDER,
): Promise<MediumDigests> {
  const options: InOrderOptions = how === "fail"
    ? { ...USUAL_IN_ORDER, onError: "abort" }
    : how;
  const consumers = hashConsumers(algorithms, source.size);
  const reading = { source, options, consumers, chunkBytes };
  const { bytes, bad, results } = await readWhole(context, reading);
  return { bytes, bad, digests: results };
}

/** Digests by the name of their algorithm, for JSON. */
export function digestsJson(digests: readonly Digest[]): Record<string, string> {
  return Object.fromEntries(digests.map(({ algorithm, hex }) => [algorithm.id, hex]));
}

/** "sha256: 0f3a...": a line for each. */
export function digestLines(digests: readonly Digest[]): string[] {
  return digests.map(({ algorithm, hex }) => `${algorithm.id}: ${hex}`);
}
