import type { BlockSource, Bytes } from "../core/block.ts";
import { type ImagingError, ReadError } from "../core/errors.ts";
import { endOf, mergeRanges, type Range, totalLength } from "../core/range.ts";
import { ReadWatch } from "./read_watch.ts";

/** What a read brought. */
export interface ReadOutcome {
  /** Bytes delivered: fewer than asked only where the medium ends. */
  readonly length: number;
  /** Unreadable places, in offsets of the medium; their bytes are zero. */
  readonly bad: readonly Range[];
  /** Where the bytes are, when they are not in the memory that was given. */
  readonly bytes?: Bytes | undefined;
}

/**
 * Told, before a read settles, when the system can still write to the memory that the read
 * was given: until `returned` settles.
 */
export type Lent = (returned: Promise<void>) => void;

/**
 * Decides what is read next, and what happens when that fails. It knows no devices
 * and no formats. Ranges come in ascending order.
 */
export interface ReadPolicy {
  /** Bytes that all ranges together have; Infinity when that is not known. */
  readonly totalBytes: number;
  /** How much was read, 0 to 1, where `totalBytes` is not known but this is. */
  readonly fractionRead?: number | undefined;
  /** What to read now; undefined when there is nothing left. */
  next(): Range | undefined;
  /**
   * Reads a range that `next` gave, into memory of the same length. Calls may
   * overlap.
   *
   * @throws {ImagingError} when going on makes no sense.
   */
  read(range: Range, into: Bytes, lent?: Lent): Promise<ReadOutcome>;
  /** The flow failed: nobody waits for reads under way. */
  cancel?(): void;
}

/** Reads places of a medium, whatever that takes, and decides what becomes of bad ones. */
export interface RangeReader {
  /**
   * Reads into memory of the same length. Places are asked for in ascending order; calls may
   * overlap. Fewer bytes come only where the medium ends.
   *
   * @throws {ImagingError} when going on makes no sense.
   */
  read(range: Range, into: Bytes, lent?: Lent): Promise<ReadOutcome>;
  /** Nobody waits for reads under way. */
  cancel?(): void;
}

/** Answers of a device that does not let itself be read, at no place. */
export const REFUSED: readonly (string | undefined)[] = [
  "ERROR_INVALID_FUNCTION",
  "ERROR_NOT_SUPPORTED",
  "ERROR_ACCESS_DENIED",
  "ERROR_INVALID_HANDLE",
  "FVE_E_LOCKED_VOLUME",
];

/** Answers after which no other place of the medium can be read either. */
export const GONE: readonly (string | undefined)[] = [
  ...REFUSED,
  "ENODEV",
  "ENXIO",
  "ENOMEDIUM",
  "EBADF",
];

/** First step of the search for unreadable sectors. */
const PIECE_BYTES = 64 * 1024;

/** Bytes between the beginning of a sector and this place in it. */
function sectorOffset(source: BlockSource, offset: number): number {
  return (offset + (source.sectorPhase ?? 0)) % source.sectorSize;
}

/**
 * Reads a range; where that fails, again in pieces of 64 KiB, and where a piece
 * fails sector by sector. Unreadable sectors become zero.
 *
 * @throws {ReadError} when the medium itself went away.
 */
export async function readWithSalvage(
  source: BlockSource,
  range: Range,
  into: Bytes,
): Promise<ReadOutcome> {
  try {
    return { length: await source.readAt(range.offset, into), bad: [] };
  } catch (error) {
    if (!(error instanceof ReadError) || GONE.includes(error.osCode)) throw error;
    if (range.length <= source.sectorSize - sectorOffset(source, range.offset)) {
      into.fill(0);
      return { length: range.length, bad: [range] };
    }
  }
  const step = range.length > PIECE_BYTES ? PIECE_BYTES : source.sectorSize;
  const bad: Range[] = [];
  let length = 0;
  while (length < range.length) {
    // Pieces end on multiples of the step, so that each sector is read whole.
    const offset = range.offset + length;
    const phase = (offset + (source.sectorPhase ?? 0)) % step;
    const end = Math.min(offset - phase + step, endOf(range));
    const piece = { offset, length: end - offset };
    const part = into.subarray(length, length + piece.length);
    const outcome = await readWithSalvage(source, piece, part);
    bad.push(...outcome.bad);
    length += outcome.length;
    if (outcome.length < piece.length) break;
  }
  return { length, bad: mergeRanges(bad) };
}

/** How {@linkcode sequentialPolicy} reads. */
export interface SequentialPolicyOptions {
  /** Bytes a read. */
  readonly chunkBytes: number;
  /** Unreadable sectors: zeros in their place, or the end of the run. */
  readonly onBad: "zero" | "fail";
  /** With `fail`: a read that takes longer is given up, it has failed (Infinity). */
  readonly readTimeoutMilliseconds?: number | undefined;
}

/**
 * The first place that cannot be read is the end; so is a read that takes longer than
 * `readTimeoutMilliseconds`.
 */
export function strictReader(
  source: BlockSource,
  readTimeoutMilliseconds?: number,
): RangeReader {
  const watch = new ReadWatch(source, readTimeoutMilliseconds);
  return {
    async read({ offset }, into, lent): Promise<ReadOutcome> {
      const watched = watch.begin();
      try {
        return { length: await source.readAt(offset, into), bad: [] };
      } finally {
        watched.end();
        if (watched.returned !== undefined) lent?.(watched.returned);
      }
    },
    cancel(): void {
      watch.stop();
      source.cancel?.();
    },
  };
}

/** Reads as {@linkcode readWithSalvage} does. */
export function salvagingReader(source: BlockSource): RangeReader {
  return {
    read: (range, into) => readWithSalvage(source, range, into),
    cancel: () => source.cancel?.(),
  };
}

/** From the first byte to the last, once. */
export function sequentialPolicy(
  source: BlockSource,
  { chunkBytes, onBad, readTimeoutMilliseconds }: SequentialPolicyOptions,
): ReadPolicy {
  const reader = onBad === "zero"
    ? salvagingReader(source)
    : strictReader(source, readTimeoutMilliseconds);
  return orderedPolicy(source, reader, chunkBytes);
}

/** From the first byte of `source` to the last, once, as its reader reads it. */
export function orderedPolicy(
  source: BlockSource,
  reader: RangeReader,
  chunkBytes: number,
): ReadPolicy {
  let at = 0;
  return {
    totalBytes: source.size,
    get fractionRead(): number | undefined {
      return source.fractionRead;
    },
    next(): Range | undefined {
      const length = Math.min(chunkBytes, source.size - at);
      if (length <= 0) return undefined;
      at += length;
      return { offset: at - length, length };
    },
    async read(range: Range, into: Bytes, lent?: Lent): Promise<ReadOutcome> {
      const outcome = await reader.read(range, into, lent);
      if (outcome.length < range.length && Number.isFinite(source.size)) {
        throw shortRead(source, range.offset + outcome.length);
      }
      return outcome;
    },
    cancel: () => reader.cancel?.(),
  };
}

/** These ranges, one a read; places that cannot be read are zeros. */
export function rangesPolicy(source: BlockSource, ranges: readonly Range[]): ReadPolicy {
  let index = 0;
  return {
    totalBytes: totalLength(ranges),
    next: () => ranges[index++],
    async read(range: Range, into: Bytes): Promise<ReadOutcome> {
      const outcome = await readWithSalvage(source, range, into);
      if (outcome.length < range.length) throw shortRead(source, range.offset + outcome.length);
      return outcome;
    },
    cancel: () => source.cancel?.(),
  };
}

/** A policy of which every read is looked at, or changed, before it is handed on. */
export function changedPolicy(
  policy: ReadPolicy,
  change: (range: Range, into: Bytes, outcome: ReadOutcome) => ReadOutcome,
): ReadPolicy {
  return {
    totalBytes: policy.totalBytes,
    get fractionRead(): number | undefined {
      return policy.fractionRead;
    },
    next: () => policy.next(),
    read: async (range, into, lent) =>
      change(range, into, await policy.read(range, into, lent)),
    cancel: () => policy.cancel?.(),
  };
}

/** A medium of known size that ended early. */
export function shortRead(source: BlockSource, offset: number): ImagingError {
  return new ReadError(
    `cannot read ${source.name} at byte ${offset}: it ends there, ` +
      `but had ${source.size} bytes when it was opened`,
    offset,
    {
      hint: "it went away or was changed meanwhile; check it, then run the same command again",
    },
  );
}
