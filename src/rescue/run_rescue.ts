/**
 * Reads a failing medium as a {@linkcode RescueStrategy} says.
 *
 * ```ts
 * const strategy = new RescueStrategy({ map: durable.clone(), sectorSize: source.sectorSize });
 * const outcome = await runRescue({
 *   source,
 *   consumer: tracked, // writes; enters "+" into the durable map once that is done
 *   onFailed: (areas) => areas.forEach(({ range, status }) => durable.set(range, status)),
 *   strategy,
 *   signal,
 *   onProgress,
 * });
 * ```
 *
 * There are two maps: the strategy's runs ahead by what is being written; the durable one
 * is the consumer's and the caller's. Both end the same. Memory: `slots` buffers of 4 MiB
 * (of the whole place where that is smaller), or of the strategy's largest request: 16 MiB
 * unless told otherwise. For each time that reads were given up and still hang, those that
 * they have: one of a source that reads series, up to `slots` of another.
 */
import { BufferRing, type RingSlot } from "../copy/buffer_ring.ts";
import { GONE } from "../copy/read_policy.ts";
import { makeChunk } from "../copy/run_copy.ts";
import type { BlockSource, ChunkConsumer } from "../core/block.ts";
import { ImagingError, NO_ANSWER, type ReadError } from "../core/errors.ts";
import type { Range } from "../core/range.ts";
import { type Gathered, GatheredChunks } from "./gathered_chunks.ts";
import type {
  FailedArea,
  RescuePhase,
  RescueRequest,
  RescueStrategy,
} from "./rescue_strategy.ts";
import { type Placed, SeriesReader, type SeriesResults } from "./series_reader.ts";

/** How often progress is told, and how exactly times are kept, milliseconds. */
const TICK_MILLISECONDS = 100;

/** After the end: how long calls that are under way may take to end. */
const DRAIN_MILLISECONDS = 400;

/** Memory is managed in pages of this size. */
const PAGE_BYTES = 4096;

/** Buffers: requests under way, and bytes that are being written. */
const SLOTS = 4;

/** What is asked for together has at most so many bytes, or is one request. */
const SERIES_BYTES = 4 * 1024 * 1024;

/** Near trouble: it ends soon, so that what lies behind can be read by two threads. */
const UNEASY_SERIES_BYTES = 128 * 1024;

/** Reads that are asked for together, up to the first that fails. */
const SERIES_READS = 128;

/** How far a rescue is. Bytes are of the domain. */
export interface RescueProgress {
  readonly phase: RescuePhase;
  readonly pass: number;
  /** Where it reads, byte of the medium. */
  readonly position: number;
  readonly rescuedBytes: number;
  /** Not tried, or to be looked at more closely. */
  readonly pendingBytes: number;
  readonly unreadableBytes: number;
  /** Areas of unreadable sectors. */
  readonly badAreas: number;
  /** Reads that failed, of this run. */
  readonly readErrors: number;
  /** Since a read brought something, or since the beginning. */
  readonly millisecondsSinceSuccess: number;
  /** How long the oldest request has been under way; 0 without one. */
  readonly requestMilliseconds: number;
}

/** What to rescue, and how. */
export interface RescueOptions {
  readonly source: BlockSource;
  /**
   * Takes what was read: chunks without bad places, in any order. It enters them as "+"
   * into the durable map. Not told to finish.
   */
  readonly consumer: Pick<ChunkConsumer, "name" | "consume">;
  /** Enters what a failure made of these areas ("*", "/" or "-") into the durable map. */
  readonly onFailed?: ((areas: readonly FailedArea[]) => void) | undefined;
  readonly strategy: RescueStrategy;
  readonly signal?: AbortSignal | undefined;
  /** Told ten times a second, also while a request hangs. */
  readonly onProgress?: ((progress: RescueProgress) => void) | undefined;
  /** A phase or pass begins: time to save the map. */
  readonly onPhase?: ((phase: RescuePhase, pass: number) => void) | undefined;
  /** `abort`: the first failing read ends the run. */
  readonly onError?: "rescue" | "abort" | undefined;
  /** To wait after each failing read (0). */
  readonly pauseMilliseconds?: number | undefined;
  /** It is given up when nothing was read for so long (Infinity). */
  readonly timeoutMilliseconds?: number | undefined;
  /** A request under way for longer is given up: it has failed (Infinity). */
  readonly readTimeoutMilliseconds?: number | undefined;
  /** Told of each request that hung and was given up. */
  readonly onAbandoned?: ((range: Range) => void) | undefined;
  /** Buffers (4), at least 3. */
  readonly slots?: number | undefined;
}

/** Why a rescue ended. */
export type RescueEnd = "finished" | "timeout" | "max-bad-areas";

/**
 * Rescues, until the strategy has nothing left to ask for. One request that hangs holds up
 * neither progress nor the end.
 *
 * @throws {ImagingError} kind `cancelled` after `signal`; the {@linkcode ReadError} after
 * which the medium is gone, or any with `onError: "abort"`; what the consumer threw. The
 * durable map is right in each case.
 */
export async function runRescue(options: RescueOptions): Promise<RescueEnd> {
  await using rescue = new Rescue(options);
  return await rescue.run();
}

/** What is read in one go; nothing at the end. */
interface Series {
  readonly requests: readonly RescueRequest[];
  /** May the next be under way while one is read? */
  readonly ahead: boolean;
}

class Rescue implements AsyncDisposable {
  readonly #options: RescueOptions;
  readonly #strategy: RescueStrategy;
  readonly #ring: BufferRing;
  /** Reads and writes under way. */
  readonly #underWay = new Set<Promise<void>>();
  readonly #reader: SeriesReader;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #onAbort = (): void => this.#cancel();
  readonly #gathered: GatheredChunks;
  #failure: { readonly error: unknown } | undefined;
  #isLate = false;
  #wake = Promise.withResolvers<undefined>();
  #successAt = performance.now();
  #pauseUntil = 0;
  #pauseTimer: ReturnType<typeof setTimeout> | undefined;
  #readErrors = 0;
  #phase = "";

  constructor(options: RescueOptions) {
    this.#options = options;
    this.#strategy = options.strategy;
    this.#ring = new BufferRing(
      Math.max(
        Math.min(SERIES_BYTES, options.strategy.map.range.length),
        options.strategy.maxRequestBytes,
      ) + PAGE_BYTES,
      Math.max(3, options.slots ?? SLOTS),
    );
    this.#gathered = new GatheredChunks(
      this.#ring,
      (gathered) => this.#start(this.#consume(gathered)),
    );
    const { source, readTimeoutMilliseconds } = options;
    this.#reader = new SeriesReader(source, this.#ring, readTimeoutMilliseconds);
    this.#timer = setInterval(() => this.#tick(), TICK_MILLISECONDS);
    options.signal?.addEventListener("abort", this.#onAbort);
    if (options.signal?.aborted) this.#cancel();
  }

  async run(): Promise<RescueEnd> {
    while (!this.#isOver) {
      const slot = await this.#slot();
      if (slot === undefined) break;
      const series = await this.#next();
      const [first] = series.requests;
      if (first === undefined) {
        this.#ring.release(slot);
        break;
      }
      this.#tellPhase(first);
      this.#start(this.#transfer(series, slot));
    }
    await this.#drained();
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#tell();
    return this.#isLate ? "timeout" : this.#strategy.stopped ?? "finished";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#reader.stop();
    clearTimeout(this.#pauseTimer);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    await this.#drained();
    // A call that nobody can stop still uses the memory: then it stays allocated.
    if (this.#underWay.size === 0) this.#ring[Symbol.dispose]();
  }

  get #isOver(): boolean {
    return this.#failure !== undefined || this.#isLate;
  }

  /** A free buffer, as soon as there is one; undefined when it is over before. */
  async #slot(): Promise<RingSlot | undefined> {
    let slot: RingSlot | undefined;
    this.#ring.acquire().then((free) => {
      slot = free;
      this.#awake();
    });
    while (slot === undefined && !this.#isOver) await this.#wake.promise;
    return slot;
  }

  /** What to read next, as soon as that is known; empty at the end. */
  async #next(): Promise<Series> {
    const { source, pauseMilliseconds = 0 } = this.#options;
    const isSeries = source.readSeries !== undefined;
    const count = isSeries ? SERIES_READS : 1;
    while (!this.#isOver) {
      // Behind a series that ends early nothing may have been read; nor during a pause.
      const isAlone = isSeries || pauseMilliseconds > 0;
      const isFree = !isAlone || this.#strategy.pending === 0;
      if (isFree && performance.now() >= this.#pauseUntil) {
        const ahead = this.#strategy.isCalm;
        const requests = this.#strategy.series(
          ahead ? SERIES_BYTES : UNEASY_SERIES_BYTES,
          count,
        );
        if (requests.length > 0 || this.#strategy.pending === 0) return { requests, ahead };
      }
      await this.#wake.promise;
    }
    return { requests: [], ahead: false };
  }

  /** Reads, reports, and hands over to the consumer. Never rejects. */
  async #transfer({ requests, ahead }: Series, slot: RingSlot): Promise<void> {
    const ranges = requests.map(({ range }) => range);
    const low = Math.min(...ranges.map(({ offset }) => offset));
    // Pages of memory as pages of the medium: else the system splits requests.
    const shift = ranges.length === 1 ? 0 : low % PAGE_BYTES;
    const placed = { slot, low: low - shift, isKept: false };
    const reads = ranges.map(({ offset, length }) => ({
      offset,
      into: slot.bytes.subarray(offset - placed.low, offset - placed.low + length),
    }));
    try {
      const outcome = await this.#reader.read(placed, reads, ahead);
      // Too late: nobody waits for it, and the map is as it was.
      if (!this.#isOver) this.#report(ranges, placed, outcome);
    } catch (error) {
      this.#fail(error);
    }
    if (!placed.isKept) this.#ring.release(placed.slot);
    this.#awake();
  }

  /** Enters how it went, and hands on what was read. */
  #report(ranges: readonly Range[], placed: Placed, outcome: SeriesResults): void {
    const { results, isHung } = outcome;
    const untried = ranges.filter((_, index) => results[index] === undefined);
    for (const range of untried.reverse()) this.#strategy.withdraw(range);
    const good = ranges.filter((_, index) => typeof results[index] === "number");
    placed.isKept = this.#gathered.keep(placed.slot, placed.low, good);
    for (const [index, range] of ranges.entries()) {
      const result = results[index];
      if (typeof result === "number") this.#succeeded(range, result);
      else if (result !== undefined) {
        this.#failed(range, result);
        if (isHung && result.osCode === NO_ANSWER) this.#options.onAbandoned?.(range);
      }
    }
  }

  /** Gathered bytes go to the consumer. Never rejects. */
  async #consume({ slot, parts }: Gathered): Promise<void> {
    try {
      for (const { at, offset, length } of parts) {
        const bytes = slot.bytes.subarray(at, at + length);
        await this.#options.consumer.consume(makeChunk(offset, bytes));
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#ring.release(slot);
    }
  }

  #succeeded(range: Range, milliseconds: number): void {
    this.#strategy.report(range, { ok: true, milliseconds });
    this.#successAt = performance.now();
  }

  #failed(range: Range, error: ReadError): void {
    const { onError, onFailed, pauseMilliseconds = 0 } = this.#options;
    if (GONE.includes(error.osCode) || onError === "abort") throw error;
    this.#readErrors++;
    const failed = this.#strategy.report(range, { ok: false, milliseconds: 0 });
    if (failed.length > 0) onFailed?.(failed);
    if (pauseMilliseconds > 0) this.#pause(pauseMilliseconds);
  }

  #pause(milliseconds: number): void {
    this.#pauseUntil = Infinity;
    clearTimeout(this.#pauseTimer);
    this.#pauseTimer = setTimeout(() => {
      this.#pauseUntil = 0;
      this.#awake();
    }, milliseconds);
  }

  #start(work: Promise<void>): void {
    this.#underWay.add(work);
    work.finally(() => this.#underWay.delete(work));
  }

  /** Something happened that a wait may be for. */
  #awake(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers<undefined>();
    resolve(undefined);
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#reader.cancel();
    this.#awake();
  }

  #cancel(): void {
    const cause = this.#options.signal?.reason;
    this.#fail(new ImagingError("cancelled", "cancelled", { cause }));
  }

  #tick(): void {
    const { timeoutMilliseconds = Infinity } = this.#options;
    if (performance.now() - this.#successAt > timeoutMilliseconds && !this.#isOver) {
      this.#isLate = true;
      this.#reader.cancel();
      this.#awake();
    }
    this.#gathered.handOverInTime();
    this.#tell();
  }

  #tell(): void {
    const { onProgress } = this.#options;
    if (onProgress === undefined) return;
    const { phase, pass, position, totals: { bytes, badAreas } } = this.#strategy;
    const now = performance.now();
    onProgress({
      phase,
      pass,
      position,
      rescuedBytes: bytes["+"],
      pendingBytes: bytes["?"] + bytes["*"] + bytes["/"],
      unreadableBytes: bytes["-"],
      badAreas,
      readErrors: this.#readErrors,
      millisecondsSinceSuccess: now - this.#successAt,
      requestMilliseconds: this.#reader.milliseconds,
    });
  }

  #tellPhase({ phase, pass }: RescueRequest): void {
    const name = `${phase}${pass}`;
    if (name === this.#phase) return;
    this.#phase = name;
    this.#options.onPhase?.(phase, pass);
  }

  /** Settles when nothing is under way, also of what was begun meanwhile. */
  async #allDone(): Promise<void> {
    while (this.#underWay.size > 0) {
      await Promise.all(this.#underWay);
      this.#gathered.handOver();
    }
  }

  /** Waits for what is under way: to its end, or when it is over before, for a moment. */
  async #drained(): Promise<void> {
    this.#gathered.handOver();
    const all = this.#allDone();
    if (!this.#isOver) {
      await all;
      return;
    }
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, DRAIN_MILLISECONDS);
    await Promise.race([all, late.promise]);
    clearTimeout(timer);
  }
}
