import type { Chunk, ChunkConsumer } from "../core/block.ts";
import { endOf, type Range } from "../core/range.ts";
import type { AreaStatus, RangeMap } from "./range_map.ts";

/** How often the map is saved, unless told otherwise. */
export const SAVE_INTERVAL_MILLISECONDS = 10_000;

/** A writer that can make what it has taken durable in the middle of its work. */
export interface SyncableConsumer<Result> extends ChunkConsumer<Result> {
  /** When it resolves, every chunk whose `consume` had resolved is on the medium. */
  sync(): Promise<void>;
}

/** What keeps a map. */
export interface TrackedConsumerOptions {
  /** What is known of the source; changed as chunks are written. */
  readonly map: RangeMap;
  /** Saves a map that never claims more than what is durable. */
  save(map: RangeMap): Promise<void>;
  readonly intervalMilliseconds: number;
}

/**
 * Puts a map beside a writer: chunks that the map calls done are not written again,
 * what was written is entered, and from time to time the map is saved, always after
 * the data that it speaks of was made durable.
 */
export class TrackedConsumer<Result> implements ChunkConsumer<Result> {
  readonly name: string;
  readonly #inner: SyncableConsumer<Result>;
  readonly #options: TrackedConsumerOptions;
  #saving: Promise<void> | undefined;
  #savedAt = performance.now();
  /** Was anything entered since the last save began? */
  #hasNews = false;
  #failure: { readonly error: unknown } | undefined;
  /** Set when a flush failed: nobody knows any more which of the later bytes are there. */
  #lost: { readonly error: unknown } | undefined;

  constructor(inner: SyncableConsumer<Result>, options: TrackedConsumerOptions) {
    this.name = inner.name;
    this.#inner = inner;
    this.#options = options;
  }

  async consume(chunk: Chunk): Promise<void> {
    const { map } = this.#options;
    const area = map.areaAt(chunk.offset);
    const isDone = area !== undefined && "+-".includes(area.status) &&
      endOf(area) >= endOf(chunk);
    if (isDone) this.#goOn();
    else await this.write(chunk);
  }

  /** Writes a chunk, whatever the map says of it: also what was unreadable before. */
  async write(chunk: Chunk): Promise<void> {
    const { map } = this.#options;
    await this.#inner.consume(chunk);
    this.#hasNews = true;
    map.set(chunk, "+");
    for (const bad of chunk.bad) map.set(bad, "-");
    this.#goOn();
  }

  /** Behind every chunk: tells of a save that failed, and begins one when it is time. */
  #goOn(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    this.saveIfDue();
  }

  /**
   * Begins a save when it is time and there is something new. Called behind every chunk, and
   * by whoever knows that none may come for long: a failing medium can keep a read for hours.
   */
  saveIfDue(): void {
    const isDue = performance.now() - this.#savedAt >= this.#options.intervalMilliseconds;
    if (isDue && this.#hasNews && this.#saving === undefined) this.#saveBeside();
  }

  /** Enters what is known of a place that could not be read. Nothing is written there. */
  mark(range: Range, status: AreaStatus): void {
    this.#options.map.set(range, status);
    this.#hasNews = true;
    this.saveIfDue();
  }

  /** Has the map saved beside the work as soon as may be; a failure ends the next chunk. */
  saveSoon(): void {
    this.#savedAt = -Infinity;
    this.#hasNews = true;
    this.saveIfDue();
  }

  async finish(): Promise<Result> {
    await this.#saving;
    if (this.#failure !== undefined) throw this.#failure.error;
    try {
      return await this.#inner.finish();
    } catch (error) {
      this.#lost = { error };
      throw error;
    }
  }

  async abort(cause: unknown): Promise<void> {
    await this.#inner.abort(cause);
  }

  /**
   * Makes everything durable that was written, then saves the map of it.
   *
   * @throws {ImagingError} also when an earlier flush failed: the system reports lost
   * bytes once, and a second flush would succeed without them.
   */
  async saveNow(): Promise<void> {
    // One at a time: both would write the same file.
    const saved = (this.#saving ?? Promise.resolve()).then(() => this.#save());
    const settled: Promise<void> = saved.catch(() => {}).then(() => {
      if (this.#saving === settled) this.#saving = undefined;
      this.#savedAt = performance.now();
    });
    this.#saving = settled;
    await saved;
  }

  async #save(): Promise<void> {
    const { map, save } = this.#options;
    // Taken before the flush: what is written during it is not in this map.
    const snapshot = map.clone();
    this.#hasNews = false;
    if (this.#lost !== undefined) throw this.#lost.error;
    try {
      await this.#inner.sync();
    } catch (error) {
      this.#lost = { error };
      throw error;
    }
    await save(snapshot);
  }

  /** Flushes and saves while the copy goes on; a failure ends the next chunk. */
  #saveBeside(): void {
    const settled: Promise<void> = this.#save()
      .catch((error: unknown) => {
        this.#failure = { error };
      })
      .finally(() => {
        if (this.#saving === settled) this.#saving = undefined;
        this.#savedAt = performance.now();
      });
    this.#saving = settled;
  }
}
