/**
 * Reading what is needed in its order and once: for digests, comparisons, streams. What
 * cannot be read is rescued where it is, as the user's options say.
 */
import { TimedSource } from "../../blocks/timed_source.ts";
import {
  orderedPolicy,
  type RangeReader,
  salvagingReader,
  strictReader,
} from "../../copy/read_policy.ts";
import { type CopyResult, runCopy } from "../../copy/run_copy.ts";
import type { BlockSource, ChunkConsumer, CopyProgress } from "../../core/block.ts";
import { ImagingError } from "../../core/errors.ts";
import { InOrderReader, type InOrderReaderOptions } from "../../rescue/in_order_reader.ts";
import type { RescueProgress } from "../../rescue/run_rescue.ts";
import type { CommandContext } from "../command.ts";
import { noteAbandoned, nothingFor, rescueProgress } from "../rescue/rescue_medium.ts";
import type { InOrderOptions } from "../rescue/rescue_options.ts";

/** How exactly `--timeout` is kept. */
const TICK_MILLISECONDS = 100;

/** What a copy needs that reads in order. */
export interface InOrderReading {
  /** Makes what reads a medium as the options say; of the first one progress is told. */
  readonly readerOf: (source: BlockSource) => RangeReader;
  /** Ends the copy: the user cancelled, or nothing was read for too long. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: CopyProgress) => void;
}

/** A medium that is read in order, from the first byte to the last. */
export interface WholeReading<Consumers extends readonly ChunkConsumer[]> {
  readonly source: BlockSource;
  readonly options: InOrderOptions;
  readonly consumers: Consumers;
  /** Bytes a request. */
  readonly chunkBytes: number;
}

/**
 * Reads all of a medium, in order.
 *
 * @throws {ImagingError} as {@linkcode readInOrder}.
 */
export async function readWhole<const Consumers extends readonly ChunkConsumer[]>(
  context: CommandContext,
  { source, options, consumers, chunkBytes }: WholeReading<Consumers>,
): Promise<CopyResult<Consumers>> {
  return await readInOrder(
    context,
    options,
    ({ readerOf, signal, onProgress }) =>
      runCopy({
        policy: orderedPolicy(source, readerOf(source), chunkBytes),
        consumers,
        chunkBytes,
        onProgress,
        signal,
      }),
  );
}

/**
 * Runs a copy whose media are read in order.
 *
 * @throws {ImagingError} what the copy threw; `environment` when nothing was read for longer
 * than the options allow.
 */
export async function readInOrder<Result>(
  context: CommandContext,
  options: InOrderOptions,
  copy: (reading: InOrderReading) => Promise<Result>,
): Promise<Result> {
  const { timeoutMilliseconds = Infinity } = options;
  const media: TimedSource[] = [];
  const late: TimedSource[] = [];
  const stop = new AbortController();
  const timer = setInterval(() => {
    late.push(...media.filter((each) => each.millisecondsSinceSuccess > timeoutMilliseconds));
    if (late.length > 0) stop.abort();
  }, TICK_MILLISECONDS);
  const progress = new InOrderProgress(context);
  try {
    return await copy({
      readerOf(source): RangeReader {
        const timed = new TimedSource(source);
        if (media.length === 0) progress.begin(source.size);
        media.push(timed);
        return readerOf(timed, options, {
          onProgress: (rescue) => progress.showRescue(rescue, timed),
          onAbandoned: (range) =>
            noteAbandoned(context, timed, range, options.readTimeoutMilliseconds),
        });
      },
      signal: AbortSignal.any([context.signal, stop.signal]),
      onProgress: (now) => progress.show(now),
    });
  } catch (error) {
    const [medium] = late;
    const isStopped = error instanceof ImagingError && error.kind === "cancelled";
    if (medium === undefined || !isStopped || context.signal.aborted) throw error;
    throw new ImagingError(
      "environment",
      `gave up reading ${medium.name}: ${nothingFor(timeoutMilliseconds)}`,
      { hint: "check the medium; a longer --timeout waits longer" },
    );
  } finally {
    clearInterval(timer);
  }
}

/** What reads a medium as the options say. A stream that fails is at its end. */
function readerOf(
  source: BlockSource,
  { onError, ...options }: InOrderOptions,
  told: Pick<InOrderReaderOptions, "onProgress" | "onAbandoned">,
): RangeReader {
  if (onError === "abort" || source.sequential === true) {
    return strictReader(source, options.readTimeoutMilliseconds);
  }
  if (onError === "zero") return salvagingReader(source);
  return new InOrderReader(source, { ...options, ...told });
}

/** How far a copy is, also while what follows waits for a rescue. */
class InOrderProgress {
  readonly #context: CommandContext;
  #last: CopyProgress = { doneBytes: 0, totalBytes: Infinity, badBytes: 0 };

  constructor(context: CommandContext) {
    this.#context = context;
  }

  /** Before anything is through there can be trouble already. */
  begin(totalBytes: number): void {
    this.#last = { ...this.#last, totalBytes };
  }

  show(progress: CopyProgress): void {
    // Bad places count when they are found, which is before they are through.
    const badBytes = Math.max(progress.badBytes, this.#last.badBytes);
    this.#last = { ...progress, badBytes };
    this.#context.progress(this.#last);
  }

  showRescue(progress: RescueProgress, { millisecondsSinceSuccess }: TimedSource): void {
    const { badBytes, rescue } = rescueProgress({ ...progress, millisecondsSinceSuccess });
    this.#last = { ...this.#last, badBytes: Math.max(badBytes, this.#last.badBytes) };
    this.#context.progress({ ...this.#last, rescue });
  }
}
