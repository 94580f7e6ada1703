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
 * Memory: three buffers of a place, of 4 MiB at most, while one is rescued, and its map; for
 * each time that reads were given up and still hang, what they have: a place, once two of
 * them, or a buffer.
 */
import { RangeMap } from "../copy/range_map.ts";
import { GONE, type Lent, type RangeReader, type ReadOutcome } from "../copy/read_policy.ts";
import { ReadWatch, type WatchedRead } from "../copy/read_watch.ts";
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
  /** A read that takes longer is given up: it has failed (Infinity). */
  readonly readTimeoutMilliseconds?: number | undefined;
  /** Told of each read that hung and was given up. */
  readonly onAbandoned?: ((range: Range) => void) | undefined;
  /**
   * Told while a place is rescued, ten times a second. Bytes read and pending are of that
   * place, unreadable ones and bad areas of all so far.
   */
  readonly onProgress?: ((progress: RescueProgress) => void) | undefined;
}

/** When a place is read, and what of it is told. */
interface Turn {
  /** Not before this. */
  readonly canBegin: Promise<void>;
  /** Settles when all that was asked for before is through. */
  readonly before: Promise<void>;
  readonly lent: Lent | undefined;
}

/** See the head of this file. */
export class InOrderReader implements RangeReader {
  readonly #source: BlockSource;
  readonly #options: InOrderReaderOptions;
  readonly #stop = new AbortController();
  /** Of whole places; a rescue has its own. */
  readonly #watch: ReadWatch;
  /** Reads of whole places under way. They do not reject. */
  readonly #underWay = new Set<Promise<void>>();
  /** Settles when all that was asked for is through. */
  #turn: Promise<void> = Promise.resolve();
  /** When all but the last place is. */
  #lastTurn: Promise<void> = Promise.resolve();
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
    this.#watch = new ReadWatch(source, options.readTimeoutMilliseconds);
  }

  /**
   * Reads a place. What stays unreadable, or is not to be tried, is zeros and listed.
   *
   * @throws {ReadError} when the medium went away, or a place that fails ends before the
   * medium should.
   * @throws {ImagingError} kind `cancelled` after `cancel`.
   */
  read(range: Range, into: Bytes, lent?: Lent): Promise<ReadOutcome> {
    const before = this.#turn;
    // What can be given up is: no more than two of them, as their memory is lost meanwhile.
    const canBegin = this.#source.abandon === undefined ? Promise.resolve() : this.#lastTurn;
    this.#lastTurn = before;
    const outcome = this.#read(range, into, { canBegin, before, lent });
    // What follows is read also when this failed: its own error is told to its caller.
    this.#turn = outcome.then(() => before, () => before);
    return outcome;
  }

  cancel(): void {
    this.#stop.abort();
    this.#watch.stop();
    this.#source.cancel?.();
  }

  async #read(range: Range, into: Bytes, turn: Turn): Promise<ReadOutcome> {
    await turn.canBegin;
    if (this.#isTroubled) await turn.before;
    if (this.#isSuspect) return await this.#rescue(range, into, false);
    const whole = await this.#readWhole(range, into, turn.lent);
    if (typeof whole === "number") return { length: whole, bad: [] };
    const { returned, hung } = whole;
    if (hung) this.#options.onAbandoned?.(range);
    await turn.before;
    // A rescue gives up all that is under way, but looks after its own reads only.
    await Promise.all(this.#underWay);
    if (returned === undefined) return await this.#rescue(range, into, true);
    const bytes = new Uint8Array(range.length);
    // One that only waited behind the one that hung was not tried.
    return { ...await this.#rescue(range, bytes, hung), bytes };
  }

  /** Answers how many bytes came, or how it failed. */
  async #readWhole(
    { offset }: Range,
    into: Bytes,
    lent: Lent | undefined,
  ): Promise<number | WatchedRead> {
    const watched = this.#watch.begin();
    const ended = Promise.withResolvers<void>();
    this.#underWay.add(ended.promise);
    try {
      return await this.#source.readAt(offset, into);
    } catch (error) {
      if (!(error instanceof ReadError) || GONE.includes(error.osCode)) throw error;
      this.#isTroubled = true;
      return watched;
    } finally {
      watched.end();
      if (watched.returned !== undefined) lent?.(watched.returned);
      this.#underWay.delete(ended.promise);
      ended.resolve();
    }
  }

  /** `hasFailed`: the place was asked for as a whole. */
  async #rescue(range: Range, into: Bytes, hasFailed: boolean): Promise<ReadOutcome> {
    const { retries, trim, scrape, sectorSize = this.#source.sectorSize } = this.#options;
    const { readTimeoutMilliseconds, onAbandoned } = this.#options;
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
      readTimeoutMilliseconds,
      onAbandoned,
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
