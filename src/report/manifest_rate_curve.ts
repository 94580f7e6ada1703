import type { RateSample } from "./manifest.ts";

/** Most samples: enough for the width of a page. */
export const MOST_SAMPLES = 400;

/** The finest grain; a run of up to 100 seconds keeps it. */
const FIRST_SPAN_SECONDS = 0.25;

/**
 * How the rate of reading changes over time, in bounded memory: bytes are counted in spans
 * of equal length, and when there are too many spans, neighbours are joined.
 */
export class RateCurve {
  /** Bytes that came in each span. */
  #gained: number[] = [];
  #spanSeconds = FIRST_SPAN_SECONDS;
  /** The last call of `add`. */
  #seconds = 0;
  #doneBytes = 0;

  /**
   * So much is done, so long after the beginning. A first call with 0 seconds says what
   * was done before; where `doneBytes` falls, counting goes on from there.
   */
  add(seconds: number, doneBytes: number): void {
    if (!Number.isFinite(seconds) || !Number.isFinite(doneBytes)) return;
    if (seconds <= this.#seconds) {
      // Later than the beginning, what came in no time is counted with the next call.
      if (this.#seconds === 0) this.#doneBytes = doneBytes;
      return;
    }
    while (seconds > MOST_SAMPLES * this.#spanSeconds) this.#joinPairs();
    this.#spread(this.#seconds, seconds, Math.max(0, doneBytes - this.#doneBytes));
    this.#seconds = seconds;
    this.#doneBytes = doneBytes;
  }

  /** The rates so far, in the order of time. */
  samples(): RateSample[] {
    const spans = this.#gained.map((bytes, index) => ({
      end: Math.min((index + 1) * this.#spanSeconds, this.#seconds),
      bytes,
    }));
    // The last span is mostly a short one; so little time says nothing of the rate.
    const start = (spans.length - 1) * this.#spanSeconds;
    if (spans.length > 1 && this.#seconds - start < this.#spanSeconds / 2) {
      const short = spans.pop();
      const last = spans.at(-1);
      if (short !== undefined && last !== undefined) {
        last.end = short.end;
        last.bytes += short.bytes;
      }
    }
    return spans.map(({ end, bytes }, index) => ({
      seconds: Math.round(end * 1000) / 1000,
      bytesPerSecond: Math.round(bytes / (end - index * this.#spanSeconds)),
    }));
  }

  /** Counts bytes that came evenly between two moments. */
  #spread(from: number, to: number, bytes: number): void {
    const span = this.#spanSeconds;
    const rate = bytes / (to - from);
    for (let index = Math.floor(from / span); index * span < to; index++) {
      const overlap = Math.min(to, (index + 1) * span) - Math.max(from, index * span);
      this.#gained[index] = (this.#gained[index] ?? 0) + rate * overlap;
    }
  }

  #joinPairs(): void {
    const joined: number[] = [];
    for (const [index, bytes] of this.#gained.entries()) {
      const pair = Math.floor(index / 2);
      joined[pair] = (joined[pair] ?? 0) + bytes;
    }
    this.#gained = joined;
    this.#spanSeconds *= 2;
  }
}

/** The fastest and the slowest of the samples, as a report names them. */
export function rateExtremes(
  samples: readonly RateSample[],
): { bestBytesPerSecond: number | null; worstBytesPerSecond: number | null } {
  if (samples.length === 0) return { bestBytesPerSecond: null, worstBytesPerSecond: null };
  const rates = samples.map(({ bytesPerSecond }) => bytesPerSecond);
  return { bestBytesPerSecond: Math.max(...rates), worstBytesPerSecond: Math.min(...rates) };
}

/** Mean rates in `count` spans of equal length: for a picture that is so many cells wide. */
export function resample(samples: readonly RateSample[], count: number): number[] {
  const total = samples.at(-1)?.seconds ?? 0;
  const means = new Array<number>(count).fill(0);
  if (total <= 0) return means;
  const width = total / count;
  let from = 0;
  for (const { seconds, bytesPerSecond } of samples) {
    const last = Math.min(count - 1, Math.ceil(seconds / width) - 1);
    for (let index = Math.floor(from / width); index <= last; index++) {
      const overlap = Math.min(seconds, (index + 1) * width) - Math.max(from, index * width);
      means[index] = (means[index] ?? 0) + bytesPerSecond * Math.max(0, overlap) / width;
    }
    from = seconds;
  }
  return means;
}
