/** Where the lines of a curve's axes stand, and what is written at them. */
import { formatBytes, formatDuration } from "../core/units.ts";

/** One axis, from 0 to `top`. */
export interface Axis {
  readonly top: number;
  /** Ascending, 0 first. */
  readonly ticks: readonly AxisTick[];
}

/** A place on an axis, and its name. */
export interface AxisTick {
  readonly value: number;
  readonly label: string;
}

/** Parts of a unit between lines. */
const RATE_STEPS = [0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500];
const MOST_RATE_STEPS = 5;

/** Rates from 0 to at least `most` bytes per second. */
export function rateAxis(most: number): Axis {
  const power = most < 1024 ? 0 : Math.floor(Math.log2(most) / 10);
  const unit = 1024 ** power;
  const name = power === 0 ? "bytes" : formatBytes(unit).replace("1 ", "");
  const units = Math.max(most, 1) / unit;
  const step = RATE_STEPS.find((each) => units / each <= MOST_RATE_STEPS) ?? 500;
  const count = Math.ceil(units / step);
  const ticks = Array.from({ length: count + 1 }, (_, index) => ({
    value: index * step * unit,
    label: index === 0 ? "0" : `${Number((index * step).toFixed(1))} ${name}/s`,
  }));
  return { top: count * step * unit, ticks };
}

const DAY = 86_400;
/** Seconds between lines. */
const TIME_STEPS = [
  ...[
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
  ],
  ...[3600, 7200, 10_800, 21_600, 43_200, DAY, 2 * DAY, 5 * DAY],
];
const MOST_TIME_STEPS = 6;

/** Times from 0 to `seconds`; the last line may stand before the end. */
export function timeAxis(seconds: number): Axis {
  const step = TIME_STEPS.find((each) => seconds / each <= MOST_TIME_STEPS) ??
    Math.ceil(seconds / MOST_TIME_STEPS / DAY) * DAY;
  const count = Math.floor(seconds / step);
  const ticks = Array.from({ length: count + 1 }, (_, index) => {
    const value = Number((index * step).toFixed(3));
    return { value, label: timeLabel(value, seconds) };
  });
  return { top: seconds, ticks };
}

/** A time on an axis that goes to `seconds`: "90 s", "12:30", "3:02". */
export function timeLabel(value: number, seconds: number): string {
  if (value === 0) return "0";
  if (seconds < 120) return `${Number(value.toFixed(3))} s`;
  if (seconds < 3600) return formatDuration(value);
  return formatDuration(value / 60);
}

/** What the labels of such an axis count. */
export function timeUnit(seconds: number): string {
  if (seconds < 120) return "seconds";
  return seconds < 3600 ? "minutes:seconds" : "hours:minutes";
}
