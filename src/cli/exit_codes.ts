/**
 * Exit codes. They never lie: 0 is said only when everything that was asked for was
 * done and, where asked, verified.
 *
 * | code | meaning |
 * |---|---|
 * | 0 | done and, where asked, verified |
 * | 1 | usage or environment: not found, no permission, in use, no space |
 * | 2 | the data does not agree: verification failed, corrupt image |
 * | 3 | a bug in sectorshot |
 * | 4 | finished, but some sectors could not be read |
 * | 130 | cancelled by the user; what was done can be gone on with |
 */
import type { ErrorKind } from "../core/errors.ts";
import type { Outcome } from "../commands/command.ts";

/** A bug in sectorshot. */
export const EXIT_BUG = 3;

/** How a verb ended that threw nothing. */
export const EXIT_OF_OUTCOME: Readonly<Record<Outcome, number>> = {
  done: 0,
  failed: 1,
  mismatch: 2,
  unreadable: 4,
};

/** How a verb ended that failed. */
export const EXIT_OF_ERROR: Readonly<Record<ErrorKind, number>> = {
  usage: 1,
  environment: 1,
  mismatch: 2,
  corrupt: 2,
  cancelled: 130,
};
