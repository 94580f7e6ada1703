import type { BlockSource, Bytes } from "../core/block.ts";
import { endOf, type Range, totalLength } from "../core/range.ts";
import {
  type ReadOutcome,
  type ReadPolicy,
  readWithSalvage,
  shortRead,
} from "./read_policy.ts";
import type { RangeMap } from "./range_map.ts";

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
}

/**
 * From the first byte to the last, each from where it can be had: what an earlier
 * run rescued (or found unreadable) from the saved image, the rest from the source.
 */
export function resumePolicy(options: ResumePolicyOptions): ReadPolicy {
  const { source, saved, map, chunkBytes, withSaved } = options;
  const parts: (Range & { readonly from: BlockSource | undefined })[] = [];
  for (const area of map.areas()) {
    const isDone = area.status === "+" || area.status === "-";
    if (!isDone) parts.push({ ...area, from: source });
    else if (withSaved) parts.push({ ...area, from: saved });
  }
  const origins = new Map<number, BlockSource | undefined>();
  let index = 0;
  let at = parts[0]?.offset ?? 0;
  return {
    totalBytes: totalLength(parts),
    next(): Range | undefined {
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
      at = end;
      return range;
    },
    async read(range: Range, into: Bytes): Promise<ReadOutcome> {
      const from = origins.get(range.offset);
      origins.delete(range.offset);
      if (from === source) {
        const outcome = await readWithSalvage(source, range, into);
        if (outcome.length < range.length) {
          throw shortRead(source, range.offset + outcome.length);
        }
        return outcome;
      }
      if (from === undefined) throw new Error("There is no saved image to read from");
      const length = await from.readAt(range.offset, into);
      if (length < range.length) throw shortRead(from, range.offset + length);
      return { length, bad: [] };
    },
  };
}
