/** How a failing medium is read: the options of the rescue. */
import { parseMapFile } from "../../copy/map_file.ts";
import { SAVE_INTERVAL_MILLISECONDS } from "../../copy/tracked_consumer.ts";
import { READ_TIMEOUT_MILLISECONDS } from "../../copy/read_watch.ts";
import { ImagingError } from "../../core/errors.ts";
import type { Range } from "../../core/range.ts";
import type { FileAccess } from "../../devices/device.ts";
import {
  bytesOption,
  firstSet,
  type Invocation,
  isSet,
  type OptionSpec,
  valueOf,
} from "../command.ts";

/** Shorter, and reads of slow but healthy drives would be given up. */
const MIN_READ_TIMEOUT_MILLISECONDS = 1000;

/** What to do when a place cannot be read. */
export type OnError = "rescue" | "abort" | "zero";

/** What is put where a sector could not be read. */
export type Fill = "zeros" | "marker";

/** How a failing medium is read. */
export interface RescueOptions {
  readonly onError: OnError;
  readonly fill: Fill;
  /** How often unreadable sectors are tried again at the end. */
  readonly retries: number;
  readonly trim: boolean;
  readonly scrape: boolean;
  readonly reverse: boolean;
  /** Bytes that are skipped behind trouble: at first, and at most. */
  readonly skip: { readonly min: number; readonly max: number } | undefined;
  /** Bytes a second: slower areas are left for later. */
  readonly minRate: number | undefined;
  /** Milliseconds after which a request that hangs counts as failed; Infinity for never. */
  readonly readTimeoutMilliseconds: number;
  /** Milliseconds since the last success, after which it ends. */
  readonly timeoutMilliseconds: number | undefined;
  readonly maxBadAreas: number | undefined;
  /** Bytes; that of the source where absent. */
  readonly sectorSize: number | undefined;
  /** A map whose rescued areas are all that is read. */
  readonly domainPath: string | undefined;
  /** Milliseconds to wait after a failed read. */
  readonly pauseMilliseconds: number;
}

/** Those that hold, too, where bytes are needed in their order: digests, comparisons, streams. */
export type InOrderOptions = Pick<
  RescueOptions,
  | "onError"
  | "retries"
  | "trim"
  | "scrape"
  | "readTimeoutMilliseconds"
  | "timeoutMilliseconds"
  | "sectorSize"
>;

/** What holds where the user says nothing else. */
export const USUAL_IN_ORDER: InOrderOptions = {
  onError: "rescue",
  retries: 0,
  trim: true,
  scrape: true,
  readTimeoutMilliseconds: READ_TIMEOUT_MILLISECONDS,
  timeoutMilliseconds: undefined,
  sectorSize: undefined,
};

/** The options, for the help. */
export const RESCUE_OPTIONS: readonly OptionSpec[] = [
  {
    name: "on-error",
    value: "WHAT",
    help: "rescue: all that can be saved; zero: one pass; abort (rescue)",
  },
  { name: "retries", value: "N", help: "try unreadable sectors N times more (0)" },
  { name: "no-trim", help: "leave the edges of failed areas" },
  { name: "no-scrape", help: "leave the inside of failed areas" },
  { name: "reverse", help: "begin at the end" },
  { name: "skip-size", value: "MIN,MAX", help: "bytes to skip behind trouble" },
  { name: "min-rate", value: "N", help: "leave areas slower than N bytes a second for later" },
  {
    name: "read-timeout",
    value: "SECONDS",
    help: "a read that hangs so long has failed (60; 0: wait for ever)",
  },
  { name: "timeout", value: "SECONDS", help: "end when nothing was read for so long" },
  { name: "max-bad-areas", value: "N", help: "end when there are more bad areas" },
  { name: "sector-size", value: "N", help: "sectors of the medium (as it says)" },
  { name: "domain", value: "MAPFILE", help: "only areas that this map calls rescued" },
  { name: "pause-on-error", value: "S", help: "rest after each failed read (0)" },
  { name: "fill", value: "WHAT", help: "unreadable sectors become zeros or a marker (zeros)" },
];

/** Where a map is kept. */
export const MAP_INTERVAL_OPTION: OptionSpec = {
  name: "map-interval",
  value: "SECONDS",
  help: "how often the map is saved (10)",
};

/** What only works where the image can be written at any place, also later. */
export const IN_PLACE_OPTIONS: readonly string[] = [
  "wait",
  ...RESCUE_OPTIONS.map(({ name }) => name).filter((name) => name !== "on-error"),
];

/** Names of what {@linkcode InOrderOptions} holds. */
const IN_ORDER_NAMES: readonly string[] = [
  "on-error",
  "retries",
  "no-trim",
  "no-scrape",
  "read-timeout",
  "timeout",
  "sector-size",
];

/** The options of verbs that read in order, for the help. */
export const IN_ORDER_OPTIONS: readonly OptionSpec[] = RESCUE_OPTIONS
  .filter(({ name }) => IN_ORDER_NAMES.includes(name));

/** What has no meaning where bytes are needed in their order. */
export const OUT_OF_ORDER_OPTIONS: readonly string[] = IN_PLACE_OPTIONS
  .filter((name) => !IN_ORDER_NAMES.includes(name));

/** What says how something is rescued, and where the map of it is. */
const OF_A_RESCUE: readonly string[] = [
  "map",
  "map-interval",
  ...IN_PLACE_OPTIONS.filter((name) => name !== "wait"),
];

/**
 * Refuses what has no meaning for an image that is written in order, in one go.
 *
 * @throws {ImagingError} `usage`
 */
export function checkInOrder(invocation: Invocation): void {
  const hasMarkers = valueOf(invocation, "fill") === "marker";
  const whole = firstSet(invocation, ["domain"]) ?? (hasMarkers ? "fill" : undefined);
  if (whole !== undefined) {
    throw new ImagingError(
      "usage",
      `cannot use --${whole} here: these images are written in order, in one go`,
      {
        hint: "rescue the medium into an .img first, then use `sectorshot convert`: " +
          "it knows the unreadable sectors",
      },
    );
  }
  const onError = valueOf(invocation, "on-error") ?? "rescue";
  // A read that hangs is then the end, as any that fails.
  const holds = onError === "abort" ? "read-timeout" : undefined;
  const idle = firstSet(invocation, OF_A_RESCUE.filter((name) => name !== holds));
  if (onError === "rescue" || idle === undefined) return;
  throw new ImagingError("usage", `cannot use --${idle} with --on-error ${onError}`, {
    hint: "leave out one of them",
  });
}

/**
 * Refuses what has no meaning for a stream that goes into such an image.
 *
 * @throws {ImagingError} `usage`
 */
export function checkStreamInOrder(invocation: Invocation): void {
  const name = firstSet(invocation, ["wait", ...OF_A_RESCUE]);
  if (name === undefined) return;
  throw new ImagingError("usage", `cannot use --${name} here: a stream comes once, in order`, {
    hint: `leave out --${name}`,
  });
}

/** @throws {ImagingError} `usage` */
function refuse(name: string, value: string, hint: string): never {
  throw new ImagingError("usage", `cannot use --${name} ${value}`, { hint });
}

function countOption(invocation: Invocation, name: string): number | undefined {
  const text = valueOf(invocation, name);
  if (text === undefined) return undefined;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  return Number.isNaN(value) ? refuse(name, text, "give a whole number") : value;
}

function secondsOption(invocation: Invocation, name: string): number | undefined {
  const text = valueOf(invocation, name);
  if (text === undefined) return undefined;
  const seconds = /^\d{1,7}(\.\d+)?$/.test(text) ? Number(text) : NaN;
  return Number.isNaN(seconds) ? refuse(name, text, "give seconds") : seconds * 1000;
}

function timeoutOption(invocation: Invocation): number | undefined {
  const milliseconds = secondsOption(invocation, "timeout");
  return milliseconds === 0
    ? refuse("timeout", "0", "give seconds, more than 0")
    : milliseconds;
}

function readTimeoutOption(invocation: Invocation): number {
  const milliseconds = secondsOption(invocation, "read-timeout");
  if (milliseconds === undefined) return READ_TIMEOUT_MILLISECONDS;
  if (milliseconds > 0 && milliseconds < MIN_READ_TIMEOUT_MILLISECONDS) {
    refuse("read-timeout", String(milliseconds / 1000), "give 1 or more, or 0: wait for ever");
  }
  return milliseconds === 0 ? Infinity : milliseconds;
}

function wordOption<Word extends string>(
  invocation: Invocation,
  name: string,
  words: readonly [Word, ...Word[]],
): Word {
  const text = valueOf(invocation, name);
  if (text === undefined) return words[0];
  const found = words.find((word) => word === text);
  return found ?? refuse(name, text, `say one of ${words.join(", ")}`);
}

function skipOption(invocation: Invocation): RescueOptions["skip"] {
  const text = valueOf(invocation, "skip-size");
  if (text === undefined) return undefined;
  const parts = text.split(",");
  const hint = "give the first and the largest skip, such as 64K,16M";
  const [min = 0, max = min] = parts.map((part) =>
    bytesOption({ positionals: [], options: { "skip-size": part } }, "skip-size", 512) ?? 0
  );
  if (parts.length > 2 || min === 0 || max < min) refuse("skip-size", text, hint);
  return { min, max };
}

/**
 * Milliseconds between two saves of a map.
 *
 * @throws {ImagingError} `usage`
 */
export function mapIntervalOption(invocation: Invocation): number {
  const text = valueOf(invocation, "map-interval");
  if (text === undefined) return SAVE_INTERVAL_MILLISECONDS;
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (seconds >= 0.01 && seconds <= 3600) return seconds * 1000;
  throw new ImagingError("usage", `cannot use --map-interval ${text}`, {
    hint: "give seconds, from 0.01 to 3600",
  });
}

/**
 * The options as the user gave them.
 *
 * @throws {ImagingError} `usage`
 */
export function rescueOptions(invocation: Invocation): RescueOptions {
  const sectorSize = bytesOption(invocation, "sector-size", 512);
  const isSector = sectorSize === undefined ||
    (sectorSize >= 512 && sectorSize <= 65536 && Number.isInteger(Math.log2(sectorSize)));
  if (!isSector) refuse("sector-size", String(sectorSize), "give 512, 1024, 2048, 4096 ...");
  return {
    onError: wordOption(invocation, "on-error", ["rescue", "abort", "zero"]),
    fill: wordOption(invocation, "fill", ["zeros", "marker"]),
    retries: countOption(invocation, "retries") ?? 0,
    trim: !isSet(invocation, "no-trim"),
    scrape: !isSet(invocation, "no-scrape"),
    reverse: isSet(invocation, "reverse"),
    skip: skipOption(invocation),
    minRate: bytesOption(invocation, "min-rate", 512),
    readTimeoutMilliseconds: readTimeoutOption(invocation),
    timeoutMilliseconds: timeoutOption(invocation),
    maxBadAreas: countOption(invocation, "max-bad-areas"),
    sectorSize,
    domainPath: valueOf(invocation, "domain"),
    pauseMilliseconds: secondsOption(invocation, "pause-on-error") ?? 0,
  };
}

/**
 * The areas that a domain map calls rescued.
 *
 * @throws {ImagingError} when there is no such map, or it is none.
 */
export async function readDomain(
  files: FileAccess,
  path: string,
): Promise<readonly Range[]> {
  const content = await files.read(path);
  if (content === undefined) {
    throw new ImagingError(
      "environment",
      `cannot open the map ${path}: there is no such file`,
      {
        hint: "check the name of --domain",
      },
    );
  }
  return parseMapFile(new TextDecoder().decode(content), path).map.ranges("+");
}
