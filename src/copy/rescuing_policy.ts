/**
 * Reads a medium in order for consumers that take nothing else, also when it fails: at the
 * first trouble all that lies from there on is rescued somewhere else, in whatever order, and
 * is read from there then. The consumers see nothing of it but a pause.
 */
import type { BlockSource, Bytes } from "../core/block.ts";
import { endOf, partsWithin, type Range } from "../core/range.ts";
import { RangeMap } from "./range_map.ts";
import { type ReadOutcome, type ReadPolicy, shortRead } from "./read_policy.ts";
import { resumePolicy } from "./resume_policy.ts";

/** What was read before a rescue began, and belongs to it. */
export interface ReadAlready {
  readonly offset: number;
  /** Only until the rescue has ended. */
  readonly bytes: Bytes;
}

/** What a rescue came to. */
export interface Rescued {
  /** Holds the medium from where the rescue began; closed by its owner. */
  readonly content: BlockSource;
  /** What could not be read; ascending. */
  readonly bad: readonly Range[];
}

/** How {@linkcode RescuingPolicy} reads. */
export interface RescuingPolicyOptions {
  readonly source: BlockSource;
  /** Bytes a read. */
  readonly chunkBytes: number;
  /** From this byte on an earlier run has rescued something; the size where it has not. */
  readonly knownFrom: number;
  /** A read in order that takes longer is given up: it is trouble. */
  readonly readTimeoutMilliseconds?: number | undefined;
  /** Told of each read in order that hung and was given up. */
  readonly onAbandoned?: ((range: Range) => void) | undefined;
  /**
   * Rescues all that lies from a byte on. Called once at most, when no other read of the
   * source is under way. `signal`: nobody waits for it any more.
   */
  rescue(
    from: number,
    already: readonly ReadAlready[],
    signal: AbortSignal,
  ): Promise<Rescued>;
}

/** A read, as {@linkcode ReadPolicy.read} is asked for it. */
type Request = Parameters<ReadPolicy["read"]>;

/** See the head of this file. */
export class RescuingPolicy implements ReadPolicy {
  readonly totalBytes: number;
  readonly #options: RescuingPolicyOptions;
  readonly #head: ReturnType<typeof resumePolicy>;
  readonly #cancelled = new AbortController();
  readonly #already: ReadAlready[] = [];
  /** First bytes of what the head gave and is not yet read. */
  readonly #ofHead = new Set<number>();
  /** Settles when it is known of every read of the head whether it is trouble. */
  #decided: Promise<void> = Promise.resolve();
  /** The first trouble. */
  #from: number | undefined;
  #failure: { readonly error: unknown } | undefined;
  #rescued: Promise<Rescued> | undefined;
  #at = 0;
  #headReads = 0;
  #successAt = 0;

  constructor(options: RescuingPolicyOptions) {
    const { source, chunkBytes, knownFrom, readTimeoutMilliseconds, onAbandoned } = options;
    this.#options = options;
    this.totalBytes = source.size;
    const map = new RangeMap({ offset: 0, length: source.size });
    map.set({ offset: knownFrom, length: source.size - knownFrom }, "+");
    this.#head = resumePolicy({
      source,
      saved: undefined,
      map,
      chunkBytes,
      withSaved: false,
      onBad: "stop",
      readTimeoutMilliseconds,
      onAbandoned,
    });
  }

  /** How long reading in order has brought nothing; 0 while nothing is read so. */
  get stalledMilliseconds(): number {
    return this.#headReads === 0 ? 0 : performance.now() - this.#successAt;
  }

  next(): Range | undefined {
    const { source, chunkBytes } = this.#options;
    const ofHead = this.#head.next();
    if (ofHead !== undefined) this.#ofHead.add(ofHead.offset);
    const start = this.#at;
    const range = ofHead ?? {
      offset: start,
      length: Math.min(start - start % chunkBytes + chunkBytes, source.size) - start,
    };
    this.#at = endOf(range);
    return range.length > 0 ? range : undefined;
  }

  async read(...request: Request): Promise<ReadOutcome> {
    const [range, into] = request;
    if (!this.#ofHead.delete(range.offset)) return await this.#readRescued(range, into);
    const outcome = await this.#readHead(request);
    if (outcome !== undefined) return outcome;
    // The system may still write to the memory of a read that was given up.
    const bytes = new Uint8Array(range.length);
    return { ...await this.#readRescued(range, bytes), bytes };
  }

  cancel(): void {
    this.#cancelled.abort();
    this.#head.cancel?.();
    this.#options.source.cancel?.();
  }

  /** Undefined when it is trouble, or lies behind such. */
  async #readHead(request: Request): Promise<ReadOutcome | undefined> {
    const [range, into] = request;
    const before = this.#decided;
    const decided = Promise.withResolvers<void>();
    this.#decided = decided.promise;
    if (this.#headReads++ === 0) this.#successAt = performance.now();
    try {
      const outcome = await this.#head.read(...request);
      // In order: what lies behind trouble is of the rescue, also when it came sooner.
      await before;
      const isWhole = outcome.length === range.length;
      if (isWhole) this.#successAt = performance.now();
      const { trouble = Infinity } = this.#head;
      if (isWhole && range.offset < (this.#from ?? trouble)) return outcome;
      this.#from ??= range.offset;
      if (isWhole) this.#already.push({ offset: range.offset, bytes: into });
      return undefined;
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    } finally {
      this.#headReads--;
      decided.resolve();
    }
  }

  async #readRescued(range: Range, into: Bytes): Promise<ReadOutcome> {
    const { content, bad } = await (this.#rescued ??= this.#rescue());
    const length = await content.readAt(range.offset, into);
    if (length < range.length) throw shortRead(content, range.offset + length);
    const lost = partsWithin(range, bad);
    for (const { offset, length } of lost) {
      into.fill(0, offset - range.offset, offset - range.offset + length);
    }
    return { length, bad: lost };
  }

  async #rescue(): Promise<Rescued> {
    const { knownFrom, rescue } = this.#options;
    await this.#decided;
    if (this.#failure !== undefined) throw this.#failure.error;
    return await rescue(this.#from ?? knownFrom, this.#already, this.#cancelled.signal);
  }
}
