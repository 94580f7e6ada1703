import type { RescueStrategyOptions } from "./strategy_options.ts";

/** A read that took less is not slow, whatever its rate: it may be a single sector. */
const SLOW_MILLISECONDS = 20;

/** Which reads are slow: by what was asked for, or by the average of the others so far. */
export class ReadPace {
  readonly #minRate: number | undefined;
  readonly #slowMilliseconds: number;
  #bytes = 0;
  #milliseconds = 0;

  constructor(
    { minRate, slowMilliseconds = Infinity }: Pick<
      RescueStrategyOptions,
      "minRate" | "slowMilliseconds"
    >,
  ) {
    this.#minRate = minRate;
    this.#slowMilliseconds = slowMilliseconds;
  }

  /** Was a read of so many bytes slow? If not it counts for the average. */
  isSlow(length: number, milliseconds: number): boolean {
    const rate = length / Math.max(milliseconds, 0.001) * 1000;
    const average = this.#bytes / Math.max(1, this.#milliseconds) * 1000;
    const limit = this.#minRate === 0 ? average / 10 : this.#minRate ?? 0;
    const isSlow = milliseconds > this.#slowMilliseconds ||
      (milliseconds >= SLOW_MILLISECONDS && rate < limit);
    if (!isSlow) {
      this.#bytes += length;
      this.#milliseconds += milliseconds;
    }
    return isSlow;
  }
}
