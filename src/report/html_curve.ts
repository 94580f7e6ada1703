/** The rate of reading as a curve: SVG 1.1, https://www.w3.org/TR/SVG11/ */
import { formatBytes } from "../core/units.ts";
import type { RateSample } from "./manifest.ts";
import { rateAxis, timeAxis, timeUnit } from "./manifest_axis.ts";
import { xmlText } from "./map_svg.ts";

/** The drawing is stretched to the room there is; its labels, outside of it, are not. */
const WIDTH = 1000;
const HEIGHT = 400;

/** Two decimals at most: pages stay small. */
function number(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** A line that is as thick as its style says, however the drawing is stretched. */
function line(x1: number, y1: number, x2: number, y2: number, look: string): string {
  return `<line x1="${number(x1)}" y1="${number(y1)}" x2="${number(x2)}" y2="${number(y2)}"` +
    ` class="${look}" vector-effect="non-scaling-stroke"/>`;
}

/** A figure: the curve, its axes, and what they count. */
export function curveHtml(samples: readonly RateSample[]): string {
  const seconds = samples.at(-1)?.seconds ?? 0;
  if (!(seconds > 0)) return "";
  const most = samples.reduce((max, { bytesPerSecond }) => Math.max(max, bytesPerSecond), 0);
  const rates = rateAxis(most);
  const times = timeAxis(seconds);
  const xOf = (value: number): number => value / seconds * WIDTH;
  const yOf = (value: number): number => HEIGHT - value / rates.top * HEIGHT;
  // Each sample holds for its whole span: a line that slopes would say more than is known.
  let x = 0;
  const steps = samples.map((sample) => {
    const [from, to] = [x, xOf(sample.seconds)];
    const y = number(yOf(sample.bytesPerSecond));
    x = to;
    return `${number(from)},${y} ${number(to)},${y}`;
  }).join(" ");
  const percent = (value: number, top: number): string => number(value / top * 100);
  const name = `Rate of reading over ${number(seconds)} seconds, at most ` +
    `${formatBytes(Math.round(most))} per second`;
  return [
    '<figure><div class="curve">',
    `<div class="y">${
      rates.ticks.map(({ value, label }) =>
        `<b style="bottom:${percent(value, rates.top)}%">${xmlText(label)}</b>`
      ).join("")
    }${widest(rates.ticks.map(({ label }) => label))}</div>`,
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img"` +
    ` aria-label="${xmlText(name)}">`,
    ...rates.ticks.slice(1).map(({ value }) =>
      line(0, yOf(value), WIDTH, yOf(value), "gridline")
    ),
    ...times.ticks.slice(1).map(({ value }) =>
      line(xOf(value), 0, xOf(value), HEIGHT, "gridline")
    ),
    `<polygon class="rate-area" points="0,${HEIGHT} ${steps} ${WIDTH},${HEIGHT}"/>`,
    `<polyline class="rate-line" vector-effect="non-scaling-stroke" points="${steps}"/>`,
    line(0, HEIGHT, WIDTH, HEIGHT, "axis"),
    line(0, 0, 0, HEIGHT, "axis"),
    "</svg>",
    `<div class="x">${
      times.ticks.map(({ value, label }) => {
        const end = value > 0.95 * seconds ? ' class="end"' : "";
        return `<b${end} style="left:${percent(value, seconds)}%">${xmlText(label)}</b>`;
      }).join("")
    }</div></div>`,
    `<figcaption>Rate of reading, bytes per second, over the time since reading began` +
    ` (${timeUnit(seconds)}). Each step is the mean of its span.</figcaption></figure>`,
  ].join("\n");
}

/** Labels that are set by hand take no room: an invisible one keeps it for all of them. */
function widest(labels: readonly string[]): string {
  const longest = labels.reduce((a, b) => b.length > a.length ? b : a, "");
  return `<span style="visibility:hidden" aria-hidden="true">${xmlText(longest)}</span>`;
}
