import { toHex } from "../../core/bytes.ts";
import { DamageError, FormatError, ReadError } from "../../core/errors.ts";
import type { OwnCheck } from "../image_format.ts";
import { hashesOf, type Parts, type ToldHash } from "./hashes.ts";

/** Checks that were made. */
export class Checks {
  readonly made: OwnCheck[] = [];
  readonly #signal: AbortSignal | undefined;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** @throws the reason of the signal, once it was given. */
  throwIfEnded(): void {
    this.#signal?.throwIfAborted();
  }

  /** Compares these hashes with those of `parts`, which are gone through once. */
  async add(name: string, expected: readonly ToldHash[], parts: () => Parts): Promise<void> {
    if (expected.length === 0) return;
    let found: readonly string[];
    try {
      const kinds = expected.map(({ kind }) => kind);
      found = (await hashesOf(kinds, this.#watched(parts()))).map(toHex);
    } catch (error) {
      found = expected.map(() => problemOf(error));
    }
    for (const [index, { kind, hex }] of expected.entries()) {
      this.made.push({ name, algorithm: kind.id, expected: hex, actual: found[index] ?? "" });
    }
  }

  async *#watched(parts: Parts): AsyncGenerator<Uint8Array> {
    for await (const part of parts) {
      this.throwIfEnded();
      yield part;
    }
  }
}

/** What stands in the place of a hash that there is none of. @throws what is no such problem. */
export function problemOf(error: unknown): string {
  const isKnown = error instanceof FormatError || error instanceof DamageError ||
    error instanceof ReadError;
  if (!isKnown) throw error;
  return `none: ${error.message}`;
}
