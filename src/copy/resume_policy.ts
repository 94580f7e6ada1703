import type { BlockSource, Bytes } from "../core/block.ts";
import { endOf, type Range, totalLength } from "../core/range.ts";
import { ReadError } from "../core/errors.ts";
import {
  GONE,
  type Lent,
  type ReadOutcome,
  type ReadPolicy,
  readWithSalvage,
  shortRead,
} from "./read_policy.ts";
import type { Area, RangeMap } from "./range_map.ts";
import { ReadWatch } from "./read_watch.ts";

/** How {@linkcode resumePolicy} reads. */
export interface ResumePolicyOptions {
  /** The medium that is being rescued. */
  readonly source: BlockSource;
  /** What an earlier run saved of it; absent when there was none. */
  readonly saved: BlockSource | undefined;
  /** What is done. May be changed while the policy is used: it keeps its own list. */
  readonly map: RangeMap;
  /** Bytes a read. */
  readonly chunkBytes: number;
  /**
   * Pass through what was saved, too: a digest needs every byte. Otherwise only
   * what is missing is read.
   */
  readonly withSaved: boolean;
  /**
   * What follows a place of the source that cannot be read: `zero` (the default) reads
   * around it, sector by sector; `fail` is the end; `stop` ends the copy there, as if it were
   * complete, and {@linkcode ResumePolicy.trouble} is set. So it does after a slow read.
   */
  readonly onBad?: "zero" | "fail" | "stop";
  /** A read of the source that takes longer is given up: it has failed. Not with `zero`. */
  readonly readTimeoutMilliseconds?: number | undefined;
  /** Told of each read that hung and was given up. */
  readonly onAbandoned?: ((range: Range) => void) | undefined;
}

/** A read that takes longer is trouble: healthy drives deliver some MiB in a fraction of it. */
const SLOW_MILLISECONDS = 2000;

/** A policy that tells how it went. */
export interface ResumePolicy extends ReadPolicy {
  /** Where reading failed, or became slow, with `onBad: "stop"`; undefined while it did not. */
  readonly trouble: number | undefined;
}

/**
 * From the first byte to the last, each from where it can be had: what an earlier
 * run rescued (or found unreadable) from the saved image, the rest from the source.
 */
export function resumePolicy(options: ResumePolicyOptions): ResumePolicy {
  const { source, saved, map, chunkBytes, withSaved, onBad = "zero" } = options;
  const parts: (Area & { readonly from: BlockSource | undefined })[] = [];
  for (const area of map.areas()) {
    const isDone = area.status === "+" || area.status === "-";
    if (!isDone) parts.push({ ...area, from: source });
    else if (withSaved) parts.push({ ...area, from: saved });
  }
  const watch = new ReadWatch(source, options.readTimeoutMilliseconds);
  const origins = new Map<number, BlockSource | undefined>();
  /** First bytes of what the map calls so. */
  const unreadable = new Set<number>();
  let index = 0;
  let at = parts[0]?.offset ?? 0;
  let trouble: number | undefined;
  /**
   * When all reads but the last one have ended, and when all have: no more than two wait for
   * a medium that begins to fail.
   */
  let [beforeLast, last]: (Promise<unknown> | undefined)[] = [];
  const readSource = async (range: Range, into: Bytes, lent?: Lent): Promise<ReadOutcome> => {
    if (onBad === "zero") return await readWithSalvage(source, range, into);
    const ended = Promise.withResolvers<void>();
    const canBegin = beforeLast;
    [beforeLast, last] = [last, Promise.all([last, ended.promise])];
    await canBegin;
    try {
      return trouble === undefined ? await readOnce(range, into, lent) : { length: 0, bad: [] };
    } finally {
      ended.resolve();
    }
  };
  const readOnce = async (range: Range, into: Bytes, lent?: Lent): Promise<ReadOutcome> => {
    const watched = watch.begin();
    const askedAt = performance.now();
    try {
      const length = await source.readAt(range.offset, into);
      if (performance.now() - askedAt > SLOW_MILLISECONDS) trouble ??= range.offset;
      return { length, bad: [] };
    } catch (error) {
      if (!(error instanceof ReadError) || GONE.includes(error.osCode)) throw error;
      if (onBad === "fail") throw error;
      if (watched.hung) options.onAbandoned?.(range);
      trouble ??= range.offset;
      return { length: 0, bad: [] };
    } finally {
      watched.end();
      if (watched.returned !== undefined) lent?.(watched.returned);
    }
  };
  return {
    totalBytes: totalLength(parts),
    get trouble(): number | undefined {
      return trouble;
    },
    next(): Range | undefined {
      if (trouble !== undefined && onBad === "stop") return undefined;
      let part = parts[index];
      if (part !== undefined && at >= endOf(part)) {
        part = parts[++index];
        at = part?.offset ?? 0;
      }
      if (part === undefined) return undefined;
      // Chunks end on multiples of their size, also behind an odd beginning.
      const end = Math.min(at - at % chunkBytes + chunkBytes, endOf(part));
      const range = { offset: at, length: end - at };
      origins.set(range.offset, part.from);
      if (part.status === "-") unreadable.add(range.offset);
      at = end;
      return range;
    },
    async read(range: Range, into: Bytes, lent?: Lent): Promise<ReadOutcome> {
      const from = origins.get(range.offset);
      origins.delete(range.offset);
      if (from === source) {
        const outcome = await readSource(range, into, lent);
        const isTrouble = outcome.length === 0 && trouble !== undefined;
        if (outcome.length < range.length && !isTrouble) {
          throw shortRead(source, range.offset + outcome.length);
        }
        return outcome;
      }
      if (from === undefined) throw new Error("There is no saved image to read from");
      const isLost = unreadable.delete(range.offset);
      const length = await from.readAt(range.offset, into);
      if (length < range.length && !isLost) {
        throw shortRead(from, range.offset + length);
      }
      // What could not be read need not have been written: the image may end before it.
      into.fill(0, length);
      return { length: range.length, bad: [] };
    },
    cancel: () => watch.stop(),
  };
}
