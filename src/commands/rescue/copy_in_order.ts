/**
 * The first half of reading a medium that may fail: in order, until a place cannot be read or
 * takes seconds.
 */
import type { RangeMap } from "../../copy/range_map.ts";
import { resumePolicy } from "../../copy/resume_policy.ts";
import { runCopy } from "../../copy/run_copy.ts";
import type { BlockSource, ChunkConsumer, CopyProgress } from "../../core/block.ts";
import type { CommandContext } from "../command.ts";
import { gaveUp, noteAbandoned, nothingFor } from "./rescue_medium.ts";
import type { RescueOptions } from "./rescue_options.ts";

/** How exactly `--timeout` is kept. */
const TICK_MILLISECONDS = 100;

/** What a place that cannot be read means for the copy in order. */
const ON_BAD = { rescue: "stop", abort: "fail", zero: "zero" } as const;

/** What is copied, and where it goes. */
export interface OrderedCopy {
  readonly context: CommandContext;
  readonly source: BlockSource;
  /** What an earlier run saved, where that is to be passed through, too. */
  readonly saved: BlockSource | undefined;
  /** What is done. May be changed meanwhile. */
  readonly map: RangeMap;
  readonly consumers: readonly ChunkConsumer[];
  readonly chunkBytes: number;
  readonly ringBytes?: number | undefined;
  readonly rescue: RescueOptions;
  /** What to do after it was given up, as a hint. */
  readonly goOn: string;
  onProgress(progress: CopyProgress): void;
}

/**
 * Answers what the consumers answered; undefined when there was trouble, and something is left
 * to be rescued.
 *
 * @throws {ImagingError} when the medium goes away, or is given up.
 */
export async function copyInOrder(copy: OrderedCopy): Promise<readonly unknown[] | undefined> {
  const { context, source, saved, map, chunkBytes, rescue } = copy;
  const policy = resumePolicy({
    source,
    saved,
    map: map.clone(),
    chunkBytes,
    withSaved: saved !== undefined,
    onBad: ON_BAD[rescue.onError],
    readTimeoutMilliseconds: rescue.readTimeoutMilliseconds,
    onAbandoned: (range) =>
      noteAbandoned(context, source, range, rescue.readTimeoutMilliseconds),
  });
  const { timeoutMilliseconds = Infinity } = rescue;
  const late = new AbortController();
  let successAt = performance.now();
  const timer = setInterval(() => {
    if (performance.now() - successAt > timeoutMilliseconds) late.abort();
  }, TICK_MILLISECONDS);
  try {
    const { results } = await runCopy({
      policy,
      consumers: copy.consumers,
      chunkBytes,
      ringBytes: copy.ringBytes,
      onProgress: (progress) => {
        successAt = performance.now();
        copy.onProgress(progress);
      },
      signal: AbortSignal.any([context.signal, late.signal]),
    });
    return policy.trouble === undefined ? results : undefined;
  } catch (error) {
    if (!late.signal.aborted || context.signal.aborted) throw error;
    throw gaveUp(source, nothingFor(timeoutMilliseconds), copy.goOn);
  } finally {
    clearInterval(timer);
  }
}

/** The same consumer, that is not told to finish: there may be more for it. */
export function unfinished(consumer: ChunkConsumer): ChunkConsumer<void> {
  return {
    name: consumer.name,
    consume: (chunk) => consumer.consume(chunk),
    finish: () => Promise.resolve(),
    abort: () => Promise.resolve(),
  };
}
