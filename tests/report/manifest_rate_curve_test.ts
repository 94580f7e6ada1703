import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { RateSample } from "../../src/report/manifest.ts";
import {
  MOST_SAMPLES,
  RateCurve,
  rateExtremes,
  resample,
} from "../../src/report/manifest_rate_curve.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

/** Bytes that the samples stand for. */
function bytesOf(samples: readonly RateSample[]): number {
  let from = 0;
  let bytes = 0;
  for (const { seconds, bytesPerSecond } of samples) {
    bytes += (seconds - from) * bytesPerSecond;
    from = seconds;
  }
  return bytes;
}

Deno.test("a steady rate is a level curve, however long it takes", () => {
  for (const seconds of [3, 100, 101, 5000, 200_000]) {
    const curve = new RateCurve();
    for (let tick = 1; tick <= 5000; tick++) {
      const at = tick / 5000 * seconds;
      curve.add(at, at * 1_000_000);
    }
    const samples = curve.samples();
    assert(samples.length <= MOST_SAMPLES, `${samples.length} samples of ${seconds} s`);
    assert(samples.length >= Math.min(MOST_SAMPLES / 2, seconds * 4) - 1);
    assertEquals(samples.at(-1)?.seconds, seconds);
    for (const { bytesPerSecond } of samples) {
      assertAlmostEquals(bytesPerSecond, 1_000_000, 1);
    }
  }
});

Deno.test("a pause shows where it was", () => {
  const curve = new RateCurve();
  curve.add(10, 1000);
  curve.add(20, 1000);
  curve.add(40, 5000);
  const samples = curve.samples();
  const rates = (from: number, to: number): Set<number> =>
    new Set(
      samples.filter(({ seconds }) => seconds > from && seconds <= to)
        .map(({ bytesPerSecond }) => bytesPerSecond),
    );
  assertEquals(rates(0, 10), new Set([100]));
  assertEquals(rates(10, 20), new Set([0]));
  assertEquals(rates(20, 40), new Set([200]));
});

Deno.test("no byte is lost or counted twice, whatever the calls", () => {
  const next = seededNumbers(1);
  for (let round = 0; round < 50; round++) {
    const curve = new RateCurve();
    let [seconds, done] = [0, 0];
    for (let call = 0; call < 2000; call++) {
      seconds += next(1000) / (next(3) === 0 ? 10 : 10_000);
      done += next(10_000_000);
      curve.add(seconds, done);
    }
    const samples = curve.samples();
    assert(samples.length <= MOST_SAMPLES);
    // Seconds are rounded to the thousandth part.
    assertAlmostEquals(bytesOf(samples), done, done * 0.01);
    const ends = samples.map((sample) => sample.seconds);
    assertEquals(ends, ends.toSorted((a, b) => a - b));
    assert(samples.every(({ bytesPerSecond }) => bytesPerSecond >= 0));
  }
});

Deno.test("what was done before is no rate, and what falls is none either", () => {
  const resumed = new RateCurve();
  resumed.add(0, 5_000_000);
  resumed.add(1, 5_001_000);
  assertEquals(new Set(resumed.samples().map((each) => each.bytesPerSecond)), new Set([1000]));
  const restarted = new RateCurve();
  restarted.add(1, 8000);
  restarted.add(2, 0);
  restarted.add(3, 100);
  assertEquals(bytesOf(restarted.samples()), 8100);
});

Deno.test("calls that say nothing change nothing", () => {
  const curve = new RateCurve();
  assertEquals(curve.samples(), []);
  curve.add(NaN, 5);
  curve.add(Infinity, 5);
  curve.add(1, NaN);
  assertEquals(curve.samples(), []);
  curve.add(1, 100);
  const before = curve.samples();
  curve.add(1, 900);
  curve.add(0.5, 2000);
  assertEquals(curve.samples(), before);
  // The 800 bytes that came in no time come with the next call.
  curve.add(2, 1000);
  assertEquals(Math.round(bytesOf(curve.samples())), 1000);
});

Deno.test("a short last span is counted with the one before", () => {
  const curve = new RateCurve();
  curve.add(1, 1000);
  curve.add(1.01, 2000);
  const samples = curve.samples();
  assertEquals(samples.length, 4);
  assertEquals(samples.at(-1)?.seconds, 1.01);
  assertEquals(samples.at(-1)?.bytesPerSecond, Math.round((250 + 1000) / 0.26));
});

Deno.test("the extremes of the curve", () => {
  assertEquals(rateExtremes([]), { bestBytesPerSecond: null, worstBytesPerSecond: null });
  const samples = [3, 9, 0, 4].map((bytesPerSecond, index) => ({
    seconds: index + 1,
    bytesPerSecond,
  }));
  assertEquals(rateExtremes(samples), { bestBytesPerSecond: 9, worstBytesPerSecond: 0 });
});

Deno.test("a curve in cells keeps its bytes", () => {
  const samples = [
    { seconds: 1, bytesPerSecond: 100 },
    { seconds: 4, bytesPerSecond: 0 },
    { seconds: 5, bytesPerSecond: 300 },
  ];
  assertEquals(resample(samples, 5), [100, 0, 0, 0, 300]);
  const means = resample(samples, 2);
  assertAlmostEquals(means[0] ?? NaN, 40);
  assertAlmostEquals(means[1] ?? NaN, 120);
  const many = resample(samples, 60);
  assertAlmostEquals(many.reduce((sum, each) => sum + each, 0) / 60 * 5, 400, 1e-6);
  assertEquals(resample([], 3), [0, 0, 0]);
});
