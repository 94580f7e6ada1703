/** Reads made one after the other on threads of their own, without a message for each. */

/** One of them. */
export interface SeriesRead {
  /** Where the bytes go. */
  readonly address: bigint;
  readonly length: number;
  /** Byte of the file. */
  readonly offset: number;
}

/** When a series ends early though nothing failed, milliseconds. */
export interface SeriesLimits {
  /** One read took so long. */
  readonly each: number;
  /** All so far took so long. */
  readonly all: number;
}

/** What a thread made of its part of a series. */
export interface SeriesReply {
  /** The reads that brought all their bytes: index in the series, and how long it took. */
  readonly done: readonly (readonly [index: number, milliseconds: number])[];
  /** The read that failed, with its error number; undefined when none did. */
  readonly failed: { readonly index: number; readonly errno: number } | undefined;
}

/** What one call answered; `errno` counts where `result` is negative. */
export interface ReadEnding {
  readonly result: number;
  readonly errno: number;
}

/**
 * What threads that share a series have in common: the next read, whether to stop, and what
 * is done, for those whose thread never replies.
 */
export type SeriesState = Int32Array<SharedArrayBuffer>;

const NEXT = 0;
const STOPPED = 1;
const DONE = 2;

/** For one series of so many reads. */
export function seriesState(count: number): SeriesState {
  return new Int32Array(new SharedArrayBuffer(4 * (DONE + count)));
}

/** No further read is begun. */
export function stopSeries(state: SeriesState): void {
  Atomics.store(state, STOPPED, 1);
}

/** The reads that brought all their bytes, also those that no thread has told of yet. */
export function doneReads(state: SeriesState): SeriesReply["done"] {
  const done: [number, number][] = [];
  for (let index = 0; index < state.length - DONE; index++) {
    const microseconds = Atomics.load(state, DONE + index);
    if (microseconds > 0) done.push([index, microseconds / 1000]);
  }
  return done;
}

/** Did a thread take up this read? */
export function isBegun(state: SeriesState, index: number): boolean {
  return index < Math.min(Atomics.load(state, NEXT), state.length - DONE);
}

/** Microseconds, and never none. */
function markDone(state: SeriesState, index: number, milliseconds: number): void {
  const microseconds = Math.min(2 ** 31 - 1, Math.max(1, Math.round(milliseconds * 1000)));
  Atomics.store(state, DONE + index, microseconds);
}

/**
 * Makes reads of a series until one fails, is short at the end of the file, or a limit is
 * reached. Several threads can do so with the same `state`: each takes the next read, and
 * stops behind the one it is at when another one has to stop. A read that brings a part is
 * continued behind it, where that is a multiple of `alignment`.
 */
export function readSeries(
  reads: readonly SeriesRead[],
  state: SeriesState,
  limits: SeriesLimits,
  alignment: number,
  pread: (address: bigint, length: number, offset: number) => ReadEnding,
): SeriesReply {
  const done: [number, number][] = [];
  const begin = performance.now();
  let before = begin;
  while (Atomics.load(state, STOPPED) === 0) {
    const index = Atomics.add(state, NEXT, 1);
    const read = reads[index];
    if (read === undefined) break;
    const { address, length, offset } = read;
    let count = 0;
    while (count < length) {
      const { result, errno } = pread(address + BigInt(count), length - count, offset + count);
      if (result < 0) {
        stopSeries(state);
        return { done, failed: { index, errno } };
      }
      count += result;
      if (result === 0 || result % alignment !== 0) break;
    }
    const now = performance.now();
    const isShort = count < length;
    if (!isShort) {
      done.push([index, now - before]);
      markDone(state, index, now - before);
    }
    if (isShort || now - before >= limits.each || now - begin >= limits.all) {
      stopSeries(state);
    }
    before = now;
  }
  return { done, failed: undefined };
}
