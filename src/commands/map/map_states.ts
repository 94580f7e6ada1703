/** The states of a rescue map in words. */
import type { AreaStatus } from "../../copy/range_map.ts";
import { ImagingError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";

/** A state and what it is called. */
export interface MapState {
  readonly status: AreaStatus;
  /** On the command line and in tables. */
  readonly name: string;
  /** In JSON. */
  readonly key: string;
}

/** All of them, in the order of the tables. */
export const MAP_STATES: readonly MapState[] = [
  { status: "+", name: "rescued", key: "rescued" },
  { status: "?", name: "non-tried", key: "nonTried" },
  { status: "*", name: "non-trimmed", key: "nonTrimmed" },
  { status: "/", name: "non-scraped", key: "nonScraped" },
  { status: "-", name: "bad-sector", key: "badSector" },
];

/**
 * "-/*", or names with commas between: "bad-sector,non-scraped".
 *
 * @throws {ImagingError} `usage` for anything else.
 */
export function parseStates(text: string): AreaStatus[] {
  const bySign = [...text].map((sign) => MAP_STATES.find(({ status }) => status === sign));
  const found = bySign.includes(undefined)
    ? text.toLowerCase().split(",").map((word) =>
      MAP_STATES.find(({ name }) => name === word.trim())
    )
    : bySign;
  const states = found.filter((state) => state !== undefined);
  if (states.length === found.length) return states.map(({ status }) => status);
  const known = MAP_STATES.map(({ status, name }) => `${status} ${name}`).join(", ");
  throw new ImagingError("usage", `cannot use the states ${printable(text)}`, {
    hint: `there are ${known}; write --list=-/ or --list bad-sector,non-scraped`,
  });
}
