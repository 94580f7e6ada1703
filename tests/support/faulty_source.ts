/** A drive that fails where a rescue map says so. */
import type { RangeMap } from "../../src/copy/range_map.ts";
import type { BlockSource, Bytes, PlacedRead, SeriesOutcome } from "../../src/core/block.ts";
import { ReadError } from "../../src/core/errors.ts";
import { intersection, type Range } from "../../src/core/range.ts";
import { PatternSource } from "./pattern.ts";

/** What a failed read leaves in the buffer: as with a real drive, not what was there. */
export const GARBAGE_BYTE = 0xee;

/** What is wrong with the drive. */
export interface FaultySourceOptions {
  /** Requests that touch one of its `-` areas fail with EIO. It covers the medium. */
  readonly map: RangeMap;
  /** What the rest holds; the pattern when absent. Not closed. */
  readonly content?: BlockSource;
  readonly sectorSize?: number;
  readonly sectorPhase?: number;
  /** A bad area can be read by the n-th request that touches it; never when absent. */
  readonly readableAtTry?: number;
  /** The number (from 0) of the first read that finds the drive gone: ENODEV. */
  readonly goneAtRead?: number;
  /** The drive ends here, whatever it said when it was opened. */
  readonly endsAt?: number;
  /** Awaited before a read answers; a promise that never settles is a read that hangs. */
  readonly delay?: (
    read: number,
    offset: number,
    length: number,
  ) => Promise<void> | undefined;
  /** Does it read several places in one go? */
  readonly series?: boolean;
  /**
   * How often what hangs can be given up. What was given up writes to its memory whenever
   * something is read, as the system may; it never returns.
   */
  readonly abandons?: number;
  /** The error of reads that were given up; ETIMEDOUT when absent. */
  readonly abandonedCode?: string;
}

/** Counts and remembers its reads; see {@linkcode FaultySourceOptions}. */
export class FaultySource implements BlockSource {
  readonly name = "faulty";
  readonly size: number;
  readonly sectorSize: number;
  readonly sectorPhase: number;
  readonly #options: FaultySourceOptions;
  readonly #content: BlockSource;
  /** The requests so far, in their order. */
  readonly reads: Range[] = [];
  readonly readSeries?: NonNullable<BlockSource["readSeries"]>;
  readonly abandon?: NonNullable<BlockSource["abandon"]>;
  /** Reads that have not settled. */
  underWay = 0;
  /** Requests that a bad area failed. */
  failures = 0;
  /** How many of them each bad area has failed, by where it begins. */
  readonly #tries = new Map<number, number>();
  /** How often reads were given up. */
  abandoned = 0;
  /** Ends the reads under way. */
  readonly #giveUp = new Set<() => void>();
  /** Memory that reads were given which were given up. */
  readonly #lost: Bytes[] = [];

  constructor(options: FaultySourceOptions) {
    this.#options = options;
    this.sectorSize = options.sectorSize ?? 512;
    this.sectorPhase = options.sectorPhase ?? 0;
    this.size = options.map.range.length;
    this.#content = options.content ??
      new PatternSource(this.size, { sectorSize: this.sectorSize });
    if (options.abandons !== undefined) this.abandon = () => this.#abandon();
    if (options.series === true) {
      this.readSeries = (reads, ahead) => this.#readSeries(reads, ahead);
    }
  }

  #abandon(): Promise<void> | undefined {
    if (this.abandoned >= (this.#options.abandons ?? 0)) return undefined;
    this.abandoned++;
    for (const giveUp of this.#giveUp) giveUp();
    return new Promise(() => {});
  }

  /** Waits, unless it is given up. */
  async #wait(delay: Promise<void> | undefined, offset: number, into: Bytes): Promise<void> {
    const given = Promise.withResolvers<void>();
    const giveUp = (): void => {
      this.#lost.push(into);
      const { abandonedCode: osCode = "ETIMEDOUT" } = this.#options;
      const message = `cannot read ${this.name} at byte ${offset}: no answer (${osCode})`;
      given.reject(new ReadError(message, offset, { osCode }));
    };
    this.#giveUp.add(giveUp);
    try {
      await Promise.race([delay, given.promise]);
    } finally {
      this.#giveUp.delete(giveUp);
    }
  }

  async #readSeries(reads: readonly PlacedRead[], ahead: boolean): Promise<SeriesOutcome> {
    const milliseconds: number[] = [];
    for (const [index, read] of reads.entries()) {
      const length = await this.#tryRead(read);
      if (length instanceof ReadError) {
        // The one behind it was under way already.
        const next = ahead ? reads[index + 1] : undefined;
        if (next === undefined) return { milliseconds, error: length };
        const second = await this.#tryRead(next);
        const behind = new Map<number, number | ReadError>();
        if (second instanceof ReadError) behind.set(index + 1, second);
        else if (second === next.into.length) behind.set(index + 1, 0.1);
        return { milliseconds, error: length, behind };
      }
      if (length < read.into.length) break;
      milliseconds.push(0.1);
    }
    return { milliseconds, error: undefined };
  }

  async #tryRead({ offset, into }: PlacedRead): Promise<number | ReadError> {
    try {
      return await this.readAt(offset, into);
    } catch (error) {
      if (!(error instanceof ReadError)) throw error;
      return error;
    }
  }

  async readAt(offset: number, into: Bytes): Promise<number> {
    const { map, delay, goneAtRead = Infinity, endsAt = this.size } = this.#options;
    const read = this.reads.length;
    const range = { offset, length: into.length };
    this.reads.push(range);
    this.underWay++;
    try {
      // The memory is the source's until the read ends; this shows who looks too early.
      into.fill(GARBAGE_BYTE);
      for (const lost of this.#lost) lost.fill(GARBAGE_BYTE);
      await this.#wait(delay?.(read, offset, into.length), offset, into);
      if (read >= goneAtRead) {
        throw new ReadError(`cannot read ${this.name}: no such device (ENODEV)`, offset, {
          osCode: "ENODEV",
        });
      }
      if (this.#fails(map, range)) {
        this.failures++;
        throw new ReadError(`cannot read ${this.name}: input/output error (EIO)`, offset, {
          osCode: "EIO",
        });
      }
      const length = Math.max(0, Math.min(into.length, endsAt - offset));
      return await this.#content.readAt(offset, into.subarray(0, length));
    } finally {
      this.underWay--;
    }
  }

  #fails(map: RangeMap, range: Range): boolean {
    const { readableAtTry = Infinity } = this.#options;
    for (const bad of map.ranges("-")) {
      if (intersection(bad, range) === undefined) continue;
      const tries = (this.#tries.get(bad.offset) ?? 0) + 1;
      this.#tries.set(bad.offset, tries);
      if (tries < readableAtTry) return true;
    }
    return false;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
