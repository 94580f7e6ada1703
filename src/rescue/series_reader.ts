import type { BufferRing, RingSlot } from "../copy/buffer_ring.ts";
import { GONE, shortRead } from "../copy/read_policy.ts";
import { ReadWatch, type WatchedRead } from "../copy/read_watch.ts";
import {
  type BlockSource,
  type PlacedRead,
  type SeriesOutcome,
  seriesResult,
} from "../core/block.ts";
import { ReadError } from "../core/errors.ts";

/** A buffer, and which byte of the medium its first one is. */
export interface Placed {
  slot: RingSlot;
  readonly low: number;
  /** Was it handed on? */
  isKept: boolean;
}

/** See {@linkcode seriesResult}. */
type RequestResult = ReturnType<typeof seriesResult>;

/** What reading a series brought. */
export interface SeriesResults {
  /** Of each request. */
  readonly results: readonly RequestResult[];
  /** Was it given up, since nothing came? */
  readonly isHung: boolean;
}

/** Reads series of places, or one at a time where a source has no series, under a watch. */
export class SeriesReader {
  readonly #source: BlockSource;
  readonly #ring: BufferRing;
  readonly #watch: ReadWatch;
  /** When the last read ended. */
  #answeredAt = 0;

  /**
   * @param ring replaces the buffers of what was given up
   * @param readTimeoutMilliseconds what takes longer is given up (Infinity)
   */
  constructor(source: BlockSource, ring: BufferRing, readTimeoutMilliseconds?: number) {
    this.#source = source;
    this.#ring = ring;
    this.#watch = new ReadWatch(source, readTimeoutMilliseconds);
  }

  /** How long the oldest request has been under way; 0 without one. */
  get milliseconds(): number {
    return this.#watch.milliseconds;
  }

  /** Nothing is given up any more. */
  stop(): void {
    this.#watch.stop();
  }

  /** Nobody waits for what is under way. */
  cancel(): void {
    this.stop();
    this.#source.cancel?.();
  }

  /**
   * Reads, under a watch. Where that was given up, the system may still write to the buffer:
   * what was read is in another one then.
   *
   * @param ahead may the next be under way while one is read?
   * @throws {ReadError} where the medium ends early; else failing reads are results
   */
  async read(
    placed: Placed,
    reads: readonly PlacedRead[],
    ahead: boolean,
  ): Promise<SeriesResults> {
    const watched = this.#watch.begin();
    let results: readonly RequestResult[] = [];
    try {
      const outcome = await this.#readSeries(reads, ahead, watched);
      results = reads.map((_, index) => seriesResult(outcome, index));
    } finally {
      watched.end();
      this.#answeredAt = performance.now();
      const good = reads.filter((_, index) => typeof results[index] === "number");
      this.#leave(placed, watched, good);
    }
    // One that only waited behind the one that hung was not tried.
    const isUntried = watched.returned !== undefined && !watched.hung &&
      !results.some((result) => result instanceof ReadError && GONE.includes(result.osCode));
    return {
      results: isUntried ? results.map(onlySuccess) : results,
      isHung: watched.hung,
    };
  }

  /** Takes another buffer for what was read, where the system still has the old one. */
  #leave(placed: Placed, { returned }: WatchedRead, good: readonly PlacedRead[]): void {
    if (returned === undefined) return;
    placed.slot = this.#ring.replace(placed.slot, returned);
    for (const { offset, into } of good) placed.slot.bytes.set(into, offset - placed.low);
  }

  async #readSeries(
    reads: readonly PlacedRead[],
    ahead: boolean,
    watched: WatchedRead,
  ): Promise<SeriesOutcome> {
    const source = this.#source;
    const [first] = reads;
    if (first === undefined) return { milliseconds: [], error: undefined };
    const askedAt = performance.now();
    if (reads.length > 1 && source.readSeries !== undefined) {
      const outcome = await source.readSeries(reads, ahead);
      const isUseful = outcome.milliseconds.length > 0 || outcome.error !== undefined;
      // The memory of one that was given up is still in use.
      if (isUseful || watched.returned !== undefined) return outcome;
    }
    return await this.#readOne(first, askedAt);
  }

  async #readOne({ offset, into }: PlacedRead, askedAt: number): Promise<SeriesOutcome> {
    const source = this.#source;
    let length: number;
    try {
      length = await source.readAt(offset, into);
    } catch (error) {
      if (!(error instanceof ReadError)) throw error;
      return { milliseconds: [], error };
    }
    if (length !== into.length) throw shortRead(source, offset + length);
    // A request that was asked for early waited for the one before.
    const since = Math.max(askedAt, this.#answeredAt);
    return { milliseconds: [performance.now() - since], error: undefined };
  }
}

function onlySuccess(result: RequestResult): RequestResult {
  return typeof result === "number" ? result : undefined;
}
