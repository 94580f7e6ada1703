/**
 * The rules of the progress line: on a terminal it is redrawn five times a second, so
 * that a stall is seen; elsewhere a plain line comes every ten seconds. It goes to
 * stderr, and is wiped before anything else is printed there.
 */
import type { CopyProgress, RescueFigures } from "../core/block.ts";
import { formatBytes, formatDuration, plural } from "../core/units.ts";

/** The current rate is that of the last seconds. */
const WINDOW_MILLISECONDS = 5000;

/** Figures of a progress line. */
export interface ProgressFigures {
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly badBytes: number;
  /** Bytes a second, lately. */
  readonly rate: number;
  /** Bytes a second, since the phase began. */
  readonly average: number;
  /** Undefined while it cannot be told. */
  readonly secondsLeft: number | undefined;
  /** Set where it is known how much is done, but not of how much. */
  readonly fraction?: number | undefined;
  /** Set while a failing medium is being rescued. */
  readonly rescue?: RescueFigures | undefined;
}

/** Turns progress into rates. Knows no clock: the time comes with every call. */
export class ProgressMeter {
  #samples: { readonly at: number; readonly bytes: number }[];
  readonly #startedAt: number;
  #last: CopyProgress = { doneBytes: 0, totalBytes: Infinity, badBytes: 0 };

  /** `now` in milliseconds. */
  constructor(now: number) {
    this.#startedAt = now;
    this.#samples = [{ at: now, bytes: 0 }];
  }

  /** Takes what the flow tells. */
  update(progress: CopyProgress, now: number): void {
    this.#last = progress;
    const latest = this.#samples.at(-1);
    if (latest === undefined || now - latest.at >= 100) {
      this.#samples.push({ at: now, bytes: progress.doneBytes });
    }
  }

  /** The figures as of now. */
  figures(now: number): ProgressFigures {
    const { doneBytes, totalBytes, badBytes, rescue, fraction } = this.#last;
    while (
      this.#samples.length > 2 && now - (this.#samples[1]?.at ?? now) > WINDOW_MILLISECONDS
    ) this.#samples.shift();
    const first = this.#samples[0] ?? { at: this.#startedAt, bytes: 0 };
    const perSecond = (bytes: number, since: number): number =>
      bytes / Math.max((now - since) / 1000, 0.001);
    const rate = perSecond(doneBytes - first.bytes, first.at);
    const average = perSecond(doneBytes, this.#startedAt);
    const left = fraction !== undefined && totalBytes === Infinity
      ? (now - this.#startedAt) / 1000 * (1 - fraction) / fraction
      : (totalBytes - doneBytes) / average;
    return {
      doneBytes,
      totalBytes,
      badBytes,
      rate,
      average,
      secondsLeft: Number.isFinite(left) ? left : undefined,
      ...(rescue === undefined ? {} : { rescue }),
      ...(fraction === undefined ? {} : { fraction }),
    };
  }
}

/** "reading /dev/sdb: 1.2 GiB of 29.7 GiB, 4%, 98 MiB/s (average 97 MiB/s), 4:59 left" */
export function progressText(title: string, figures: ProgressFigures): string {
  const { doneBytes, totalBytes, badBytes, rate, average, secondsLeft, rescue, fraction } =
    figures;
  const parts: string[] = rescue === undefined ? [] : [rescue.phase];
  if (Number.isFinite(totalBytes)) {
    const percent = totalBytes === 0
      ? 100
      : Math.min(100, Math.floor(doneBytes / totalBytes * 100));
    parts.push(`${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`, `${percent}%`);
  } else {
    parts.push(formatBytes(doneBytes));
    if (fraction !== undefined) parts.push(`${Math.min(100, Math.floor(100 * fraction))}%`);
  }
  parts.push(
    `${formatBytes(Math.round(rate))}/s (average ${formatBytes(Math.round(average))}/s)`,
  );
  if (secondsLeft !== undefined) parts.push(`${formatDuration(secondsLeft)} left`);
  const areas = rescue === undefined ? "" : ` in ${plural(rescue.badAreas, "area")}`;
  if (rescue !== undefined) parts.push(`${formatBytes(rescue.pendingBytes)} pending`);
  parts.push(badBytes === 0 ? "0 unreadable" : `${formatBytes(badBytes)} UNREADABLE${areas}`);
  if (rescue !== undefined && rescue.secondsSinceSuccess >= 1) {
    parts.push(`last success ${formatDuration(rescue.secondsSinceSuccess)} ago`);
  }
  return `${title}: ${parts.join(", ")}`;
}
