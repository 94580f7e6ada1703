import { assert, assertEquals, assertMatch } from "@std/assert";
import { type ProgressFigures, ProgressMeter, progressText } from "../../src/cli/progress.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

const MIB = 1024 * 1024;

function figures(more: Partial<ProgressFigures>): ProgressFigures {
  return {
    doneBytes: 0,
    totalBytes: 100 * MIB,
    badBytes: 0,
    rate: 0,
    average: 0,
    secondsLeft: undefined,
    ...more,
  };
}

Deno.test("the line has bytes, percent, both rates, the time left and what is unreadable", () => {
  assertEquals(
    progressText(
      "reading /dev/sdb",
      figures({ doneBytes: 25 * MIB, rate: 98 * MIB, average: 97.4 * MIB, secondsLeft: 299 }),
    ),
    "reading /dev/sdb: 25 MiB of 100 MiB, 25%, 98 MiB/s (average 97.4 MiB/s), " +
      "4:59 left, 0 unreadable",
  );
});

Deno.test("what is unreadable is loud", () => {
  const text = progressText("reading x", figures({ badBytes: 1536 }));
  assert(text.endsWith("1.5 KiB UNREADABLE"), text);
});

Deno.test("percent: never a hundred before the end, and never more", () => {
  const percent = (doneBytes: number, totalBytes: number): string | undefined =>
    /(\d+)%/.exec(progressText("x", figures({ doneBytes, totalBytes })))?.[1];
  assertEquals(percent(0, 1000), "0");
  assertEquals(percent(9, 1000), "0");
  assertEquals(percent(10, 1000), "1");
  assertEquals(percent(999, 1000), "99");
  assertEquals(percent(1000, 1000), "100");
  assertEquals(percent(2 ** 45 - 1, 2 ** 45), "99");
  assertEquals(percent(0, 0), "100");
  // A medium that turned out longer than it said.
  assertEquals(percent(1001, 1000), "100");
  assertEquals(percent(5000, 1000), "100");
});

Deno.test("of a stream nobody knows the total, nor the time left", () => {
  const text = progressText(
    "reading stdin",
    figures({ doneBytes: 5 * MIB, totalBytes: Infinity, rate: MIB, average: MIB }),
  );
  assertEquals(text, "reading stdin: 5 MiB, 1 MiB/s (average 1 MiB/s), 0 unreadable");
});

Deno.test("the line is one line, of a length that does not surprise", () => {
  const next = seededNumbers(61);
  const any = (): number => next(2 ** 31) * 2 ** next(22) / 3;
  for (let round = 0; round < 2000; round++) {
    const totalBytes = Math.floor(any());
    const text = progressText(
      "",
      figures({
        totalBytes,
        doneBytes: Math.floor(totalBytes * next(1000) / 999),
        badBytes: Math.floor(any()),
        rate: any(),
        average: any(),
        secondsLeft: any() / 2 ** 20,
      }),
    );
    assert(!/[\p{Cc}]|NaN|Infinity|undefined|e\+/u.test(text), text);
    assert(text.length <= 120, text);
  }
});

Deno.test("a steady rate is told as it is, with the time that is left", () => {
  const meter = new ProgressMeter(1000);
  for (let second = 1; second <= 20; second++) {
    meter.update(
      { doneBytes: second * 10 * MIB, totalBytes: 1000 * MIB, badBytes: 512 },
      1000 + second * 1000,
    );
  }
  const { rate, average, secondsLeft, doneBytes, badBytes } = meter.figures(21_000);
  assertEquals([rate, average], [10 * MIB, 10 * MIB]);
  assertEquals([doneBytes, badBytes], [200 * MIB, 512]);
  assertEquals(Math.round(secondsLeft ?? 0), 80);
});

Deno.test("the current rate follows what happened in the last seconds", () => {
  const meter = new ProgressMeter(0);
  let doneBytes = 0;
  const run = (from: number, to: number, perSecond: number): void => {
    for (let at = from + 200; at <= to; at += 200) {
      doneBytes += perSecond / 5;
      meter.update({ doneBytes, totalBytes: Infinity, badBytes: 0 }, at);
    }
  };
  run(0, 20_000, 100 * MIB);
  assert(Math.abs(meter.figures(20_000).rate - 100 * MIB) < MIB);
  run(20_000, 30_000, 10 * MIB);
  const slower = meter.figures(30_000);
  assert(Math.abs(slower.rate - 10 * MIB) < MIB, `${slower.rate / MIB}`);
  assert(Math.abs(slower.average - 70 * MIB) < MIB, `${slower.average / MIB}`);
});

Deno.test("a stall is seen: the rate falls while nothing comes", () => {
  const meter = new ProgressMeter(0);
  for (let at = 100; at <= 10_000; at += 100) {
    meter.update({ doneBytes: at * 1000, totalBytes: Infinity, badBytes: 0 }, at);
  }
  const rates = [10_000, 12_000, 14_000, 20_000, 60_000].map((at) => meter.figures(at).rate);
  for (const [index, rate] of rates.entries()) {
    if (index > 0) assert(rate < (rates[index - 1] ?? 0), `${rates}`);
  }
  assert((rates.at(-1) ?? Infinity) < 10_000, `${rates}`);
});

Deno.test("before the first bytes there is no rate and no time left", () => {
  const meter = new ProgressMeter(500);
  for (const now of [500, 501, 5000]) {
    const { rate, average, secondsLeft, totalBytes } = meter.figures(now);
    assertEquals([rate, average, secondsLeft, totalBytes], [0, 0, undefined, Infinity]);
  }
  meter.update({ doneBytes: 0, totalBytes: 1000, badBytes: 0 }, 600);
  assertEquals(meter.figures(700).secondsLeft, undefined);
});

Deno.test("at the end no time is left, and updates at one moment do no harm", () => {
  const meter = new ProgressMeter(0);
  for (const doneBytes of [10, 500, 1000]) {
    meter.update({ doneBytes, totalBytes: 1000, badBytes: 0 }, 0);
  }
  const result = meter.figures(0);
  assert(Number.isFinite(result.rate) && Number.isFinite(result.average));
  assertEquals(result.secondsLeft, 0);
});

Deno.test("a rescue tells its phase, what is left, and how long nothing came", () => {
  const meter = new ProgressMeter(0);
  const rescue = {
    phase: "copying, pass 2",
    pendingBytes: 3 * MIB,
    badAreas: 2,
    secondsSinceSuccess: 75,
  };
  meter.update({ doneBytes: 5 * MIB, totalBytes: 10 * MIB, badBytes: 1024, rescue }, 1000);
  const text = progressText("rescuing /dev/sdb", meter.figures(1000));
  assertMatch(text, /^rescuing \/dev\/sdb: copying, pass 2, 5 MiB of 10 MiB, 50%, /);
  assertMatch(text, /, 3 MiB pending, 1 KiB UNREADABLE in 2 areas, last success 1:15 ago$/);
  assertEquals(meter.figures(1000).rescue, rescue);
});
