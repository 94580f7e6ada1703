/**
 * Reads a failing medium for whoever needs its bytes in order: digests, comparisons,
 * streams. A place that fails is rescued within itself, as a {@linkcode RescueStrategy}
 * says; what is behind it waits.
 *
 * ```ts
 * const reader = new InOrderReader(source, { retries: 1 });
 * const { bad } = await runCopy({
 *   policy: orderedPolicy(source, reader, chunkBytes),
 *   consumers,
 * });
 * ```
 *
 * Memory: three buffers of 2 MiB while a place is rescued, and its map.
 */
import { RangeMap } from "../copy/range_map.ts";
import { GONE, type RangeReader, type ReadOutcome } from "../copy/read_policy.ts";
import type { BlockSource, Bytes } from "../core/block.ts";
import { ReadError } from "../core/errors.ts";
import { endOf, mergeRanges, type Range, totalLength } from "../core/range.ts";
import { RescueStrategy, type RescueStrategyOptions } from "./rescue_strategy.ts";
import { type RescueProgress, runRescue } from "./run_rescue.ts";

/** Buffers of a rescue: one is read into, one is taken over, one is free. */
const SLOTS = 3;

/** How hard is tried. */
export interface InOrderReaderOptions
  extends Pick<RescueStrategyOptions, "retries" | "trim" | "scrape"> {
  /** Smallest request, bytes; that of the source where it is absent. */
  readonly sectorSize?: number | undefined;
  /**
   * Told while a place is rescued, ten times a second. Bytes read and pending are of that
   * place, unreadable ones and bad areas of all so far.
   */
  readonly onProgress?: ((progress: RescueProgress) => void) | undefined;
}

/** See the head of this file. */
export class InOrderReader implements RangeReader {
  readonly #source: BlockSource;
  readonly #options: InOrderReaderOptions;
  readonly #stop = new AbortController();
  /** Settles when everything that was asked for before is through. */
  #turn: Promise<void> = Promise.resolve();
  /** It failed somewhere: from then on, one place after the other. */
  #isTroubled = false;
  /** The last place had bad sectors: most likely the next one has some, too. */
  #isSuspect = false;
  #unreadableBytes = 0;
  #badAreas = 0;

  /**
   * `source` stays the caller's to close.
   *
   * @throws {RangeError} for a stream: what it did not deliver cannot be asked for again.
   */
  constructor(source: BlockSource, options: InOrderReaderOptions = {}) {
    if (source.sequential === true) throw new RangeError(`${source.name} is a stream`);
    this.#source = source;
    this.#options = options;
  }

  /**
   * Reads a place. What stays unreadable, or is not to be tried, is zeros and listed.
   *
   * @throws {ReadError} when the medium went away, or a place that fails ends before the
   * medium should.
   * @throws {ImagingError} kind `cancelled` after `cancel`.
   */
  read(range: Range, into: Bytes): Promise<ReadOutcome> {
    const before = this.#turn;
    const outcome = this.#read(range, into, before);
    // What follows is read also when this failed: its own error is told to its caller.
    this.#turn = outcome.then(() => before, () => before);
    return outcome;
  }

  cancel(): void {
    this.#stop.abort();
    this.#source.cancel?.();
  }

  async #read(range: Range, into: Bytes, before: Promise<void>): Promise<ReadOutcome> {
    if (this.#isTroubled) await before;
    if (this.#isSuspect) return await this.#rescue(range, into, false);
    try {
      return { length: await this.#source.readAt(range.offset, into), bad: [] };
    } catch (error) {
      if (!(error instanceof ReadError) || GONE.includes(error.osCode)) throw error;
    }
    this.#isTroubled = true;
    await before;
    return await this.#rescue(range, into, true);
  }

  /** `hasFailed`: the place was asked for as a whole. */
  async #rescue(range: Range, into: Bytes, hasFailed: boolean): Promise<ReadOutcome> {
    const { retries, trim, scrape, sectorSize = this.#source.sectorSize } = this.#options;
    const { offset } = range;
    const length = Math.min(range.length, this.#source.size - offset);
    if (length <= 0) return { length: 0, bad: [] };
    const map = new RangeMap({ offset, length });
    const { sectorPhase } = this.#source;
    const strategy = new RescueStrategy({
      map,
      sectorSize,
      sectorPhase,
      retries,
      trim,
      scrape,
    });
    if (hasFailed) reportWhole(strategy, length);
    let isBad = false;
    await runRescue({
      source: this.#source,
      consumer: {
        name: this.#source.name,
        consume(chunk): Promise<void> {
          into.set(chunk.bytes, chunk.offset - offset);
          return Promise.resolve();
        },
      },
      strategy,
      signal: this.#stop.signal,
      onFailed: () => {
        isBad = true;
      },
      onProgress: (progress) => this.#tell(progress),
      slots: SLOTS,
    });
    const bad = mergeRanges(map.ranges("-", "/", "*", "?"));
    for (const area of bad) into.fill(0, area.offset - offset, endOf(area) - offset);
    this.#isSuspect = isBad || bad.length > 0;
    this.#unreadableBytes += totalLength(bad);
    this.#badAreas += bad.length;
    return { length, bad };
  }

  #tell(progress: RescueProgress): void {
    this.#options.onProgress?.({
      ...progress,
      unreadableBytes: this.#unreadableBytes + progress.unreadableBytes,
      badAreas: this.#badAreas + progress.badAreas,
    });
  }
}

/** The first request has been tried already, if it is for all of the place. */
function reportWhole(strategy: RescueStrategy, length: number): void {
  const first = strategy.next();
  if (first === undefined) return;
  if (first.range.length < length) strategy.withdraw(first.range);
  else strategy.report(first.range, { ok: false, milliseconds: 0 });
}
