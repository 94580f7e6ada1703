/**
 * What earlier runs wrote to a target is compared with the source itself: nobody remembers
 * their digests.
 */
import { CompareConsumer } from "../../copy/compare_consumer.ts";
import { GONE, type ReadOutcome, type ReadPolicy, shortRead } from "../../copy/read_policy.ts";
import { runCopy } from "../../copy/run_copy.ts";
import type { BlockSource, Bytes } from "../../core/block.ts";
import { ReadError } from "../../core/errors.ts";
import { mergeRanges, piecesOf, type Range, totalLength } from "../../core/range.ts";
import type { RangeList } from "../../report/ranges_text.ts";
import type { ReadingAgain } from "../write/find_differences.ts";

/** After so many requests that fail the source is spared the rest. */
const MOST_FAILURES = 16;

/** What a comparison came to. */
export interface SourceComparison {
  readonly differing: RangeList;
  /** Places that the source does not deliver any more, or that it was not asked for. */
  readonly notCompared: readonly Range[];
}

/**
 * Compares these places. A request that fails is not taken apart: what is there was read
 * once, and to read it again is not worth what that does to a dying disk.
 *
 * @throws {ReadError} when the source goes away.
 */
export async function compareEarlier(
  source: BlockSource,
  device: BlockSource,
  ranges: readonly Range[],
  reading: ReadingAgain,
): Promise<SourceComparison> {
  const policy = new SparingPolicy(source, ranges, reading.chunkBytes);
  const { results: [comparison] } = await runCopy({
    policy,
    consumers: [new CompareConsumer(device)],
    chunkBytes: reading.chunkBytes,
    ringBytes: reading.ringBytes,
    onProgress: (progress) => reading.onProgress(progress),
    signal: reading.signal,
  });
  const { differing, differingCount, differingBytes, unreadable } = comparison;
  return {
    differing: {
      ranges: mergeRanges([...differing, ...unreadable]),
      count: differingCount + unreadable.length,
      bytes: differingBytes + totalLength(unreadable) + comparison.missingBytes,
    },
    notCompared: mergeRanges(policy.left()),
  };
}

/** Reads places of a disk that may be dying, until too many of them fail. */
class SparingPolicy implements ReadPolicy {
  readonly totalBytes: number;
  readonly #source: BlockSource;
  readonly #pieces: Generator<Range>;
  readonly #failed: Range[] = [];

  constructor(source: BlockSource, ranges: readonly Range[], chunkBytes: number) {
    this.totalBytes = totalLength(ranges);
    this.#source = source;
    this.#pieces = piecesOf(ranges, chunkBytes);
  }

  next(): Range | undefined {
    return this.#isOver ? undefined : this.#pieces.next().value ?? undefined;
  }

  async read(range: Range, into: Bytes): Promise<ReadOutcome> {
    const length = this.#isOver ? undefined : await this.#tryToRead(range, into);
    if (length === undefined) {
      this.#failed.push(range);
      into.fill(0);
      return { length: range.length, bad: [range] };
    }
    if (length < range.length) throw shortRead(this.#source, range.offset + length);
    return { length, bad: [] };
  }

  async #tryToRead({ offset }: Range, into: Bytes): Promise<number | undefined> {
    try {
      return await this.#source.readAt(offset, into);
    } catch (error) {
      if (!(error instanceof ReadError) || GONE.includes(error.osCode)) throw error;
      return undefined;
    }
  }

  /** What was not read; all of it is known at the end only. */
  left(): Range[] {
    return [...this.#failed, ...this.#pieces];
  }

  cancel(): void {
    this.#source.cancel?.();
  }

  get #isOver(): boolean {
    return this.#failed.length >= MOST_FAILURES;
  }
}
