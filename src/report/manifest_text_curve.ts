import type { RateSample } from "./manifest.ts";
import { rateAxis, timeLabel, timeUnit } from "./manifest_axis.ts";
import { resample } from "./manifest_rate_curve.ts";

const COLUMNS = 60;
/** Between two lines of the axis. */
const ROWS_A_STEP = 2;

/** A curve of ASCII characters, 78 columns wide at most, with its axes. */
export function curveLines(samples: readonly RateSample[]): string[] {
  const seconds = samples.at(-1)?.seconds ?? 0;
  const means = resample(samples, COLUMNS);
  const axis = rateAxis(Math.max(...means));
  const rows = (axis.ticks.length - 1) * ROWS_A_STEP;
  const labels = new Map(axis.ticks.map(({ label }, index) => [
    rows - index * ROWS_A_STEP,
    label,
  ]));
  const width = Math.max(...axis.ticks.map(({ label }) => label.length));
  const lines: string[] = [];
  for (let row = 0; row <= rows; row++) {
    const label = (labels.get(row) ?? "").padStart(width);
    if (row === rows) lines.push(`${label} +${"-".repeat(COLUMNS)}`);
    else {
      // A cell is filled where the curve reaches the middle of it.
      const level = (rows - row - 0.5) / rows * axis.top;
      const cells = means.map((rate) => rate >= level && rate > 0 ? "#" : " ").join("");
      lines.push(`${label} |${cells}`.trimEnd());
    }
  }
  const end = timeLabel(seconds, seconds);
  const blanks = " ".repeat(width + 2);
  lines.push(`${blanks}0${end.padStart(COLUMNS - 1)}`);
  return [...lines, `${blanks}time since reading began, ${timeUnit(seconds)}`];
}
