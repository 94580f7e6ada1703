/** Reads made one after the other on a thread of their own, without a message for each. */

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

/** What came of a series. */
export interface SeriesReply {
  /** How long each of the reads took that brought all bytes; they are the first ones. */
  readonly milliseconds: readonly number[];
  /** The error number of the next read; undefined when none failed. */
  readonly errno: number | undefined;
}

/** What one call answered; `errno` counts where `result` is negative. */
export interface ReadEnding {
  readonly result: number;
  readonly errno: number;
}

/**
 * Reads until one fails, is short at the end of the file, or a limit is reached. A read
 * that brings a part is continued behind it, where that is a multiple of `alignment`.
 */
export function readSeries(
  reads: readonly SeriesRead[],
  limits: SeriesLimits,
  alignment: number,
  pread: (address: bigint, length: number, offset: number) => ReadEnding,
): SeriesReply {
  const milliseconds: number[] = [];
  const begin = performance.now();
  let before = begin;
  for (const { address, length, offset } of reads) {
    let done = 0;
    while (done < length) {
      const { result, errno } = pread(address + BigInt(done), length - done, offset + done);
      if (result < 0) return { milliseconds, errno };
      done += result;
      if (result === 0 || result % alignment !== 0) break;
    }
    if (done < length) break;
    const now = performance.now();
    milliseconds.push(now - before);
    if (now - before >= limits.each || now - begin >= limits.all) break;
    before = now;
  }
  return { milliseconds, errno: undefined };
}
