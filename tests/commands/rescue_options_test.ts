import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import type { Invocation } from "../../src/commands/command.ts";
import {
  IN_ORDER_OPTIONS,
  OUT_OF_ORDER_OPTIONS,
  RESCUE_OPTIONS,
  rescueOptions,
  USUAL_IN_ORDER,
} from "../../src/commands/rescue/rescue_options.ts";
import { ImagingError } from "../../src/core/errors.ts";

function given(options: Invocation["options"]): Invocation {
  return { positionals: [], options };
}

Deno.test("rescue options: what holds when none is given", () => {
  assertEquals(rescueOptions(given({})), {
    onError: "rescue",
    fill: "zeros",
    retries: 0,
    trim: true,
    scrape: true,
    reverse: false,
    skip: undefined,
    minRate: undefined,
    readTimeoutMilliseconds: 60_000,
    timeoutMilliseconds: undefined,
    maxBadAreas: undefined,
    sectorSize: undefined,
    domainPath: undefined,
    pauseMilliseconds: 0,
  });
});

Deno.test("rescue options: each is taken over", () => {
  assertEquals(
    rescueOptions(given({
      "on-error": "zero",
      "fill": "marker",
      "retries": "3",
      "no-trim": true,
      "no-scrape": true,
      "reverse": true,
      "skip-size": "64K,16M",
      "min-rate": "1M",
      "read-timeout": "2.5",
      "timeout": "1.5",
      "max-bad-areas": "0",
      "sector-size": "4K",
      "domain": "a.map",
      "pause-on-error": "0.25",
    })),
    {
      onError: "zero",
      fill: "marker",
      retries: 3,
      trim: false,
      scrape: false,
      reverse: true,
      skip: { min: 64 * 1024, max: 16 * 1024 * 1024 },
      minRate: 1024 * 1024,
      readTimeoutMilliseconds: 2500,
      timeoutMilliseconds: 1500,
      maxBadAreas: 0,
      sectorSize: 4096,
      domainPath: "a.map",
      pauseMilliseconds: 250,
    },
  );
});

Deno.test("rescue options: --read-timeout 0 waits for ever", () => {
  const { readTimeoutMilliseconds } = rescueOptions(given({ "read-timeout": "0" }));
  assertEquals(readTimeoutMilliseconds, Infinity);
});

Deno.test("rescue options: one number for --skip-size is both", () => {
  const { skip } = rescueOptions(given({ "skip-size": "1M" }));
  assertEquals(skip, { min: 1024 * 1024, max: 1024 * 1024 });
});

const REFUSED: readonly (readonly [name: string, ...values: string[]])[] = [
  ["on-error", "", "Zero", "stop", "rescue,abort"],
  ["fill", "", "ones", "MARKER"],
  ["retries", "", "-1", "1.5", "many", "0x10", "1e3", "10000000000", " 1"],
  ["skip-size", "", "0", "64K,", ",64K", "1M,64K", "1,2,3", "-1", "64K;1M", "much", "0,0"],
  ["min-rate", "", "-1", "fast"],
  ["timeout", "", "-1", "1,5", "1m", "Infinity", "1e3", "0"],
  ["read-timeout", "", "-1", "0.5", "1m", "Infinity"],
  ["max-bad-areas", "", "-1", "2.5", "few"],
  ["sector-size", "", "0", "1", "256", "513", "1000", "6144", "128K", "-512", "4096B?"],
  ["pause-on-error", "", "-1", "a while", ".5."],
];

for (const [name, ...values] of REFUSED) {
  Deno.test(`rescue options: what makes no sense for --${name} is refused with a hint`, () => {
    for (const value of values) {
      const error = assertThrows(
        () => rescueOptions(given({ [name]: value })),
        ImagingError,
        `--${name}`,
        `"${value}" was taken`,
      );
      assertEquals(error.kind, "usage");
      assertMatch(error.hint ?? "", /\S/);
    }
  });
}

Deno.test("rescue options: every one is in the help, once", () => {
  const names = RESCUE_OPTIONS.map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
  for (const { name, value, help } of RESCUE_OPTIONS) {
    assertMatch(help, /^\S.*\S$/, name);
    const options = value === undefined ? { [name]: true as const } : { [name]: "\0" };
    if (name === "domain") continue;
    if (value !== undefined) {
      assertThrows(() => rescueOptions(given(options)), ImagingError, name);
    } else assertEquals(differs(options), true, `${name} changes nothing`);
  }
});

function differs(options: Invocation["options"]): boolean {
  const [without, withIt] = [{}, options].map((each) =>
    JSON.stringify(rescueOptions(given(each)))
  );
  return without !== withIt;
}

Deno.test("rescue options: where bytes are needed in order, each holds or is refused", () => {
  const inOrder = IN_ORDER_OPTIONS.map(({ name }) => name);
  assertEquals(inOrder, [
    "on-error",
    "retries",
    "no-trim",
    "no-scrape",
    "read-timeout",
    "timeout",
    "sector-size",
  ]);
  const all = [...RESCUE_OPTIONS.map(({ name }) => name), "wait"];
  assertEquals([...inOrder, ...OUT_OF_ORDER_OPTIONS].sort(), all.sort());
});

Deno.test("rescue options: what holds in order where nothing is said", () => {
  assertEquals({ ...rescueOptions(given({})), ...USUAL_IN_ORDER }, rescueOptions(given({})));
});
