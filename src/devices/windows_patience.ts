/** Explorer, indexers and virus scanners hold things for a moment: trying again helps. */
import { OsError } from "../../ffi/os_error.ts";

/** How time passes; tests have their own. */
export interface Clock {
  sleep(milliseconds: number): Promise<void>;
}

export const REAL_CLOCK: Clock = {
  sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};

/** How often it is tried, and the first wait, which is doubled each time. */
export interface Patience {
  readonly attempts: number;
  readonly firstWaitMilliseconds: number;
  /** Errors that may pass; every other one ends it at once. */
  isPassing(error: OsError): boolean;
}

/**
 * Tries until it works.
 *
 * @throws the error of the last attempt.
 */
export async function patiently<Result>(
  patience: Patience,
  clock: Clock,
  attempt: () => Promise<Result>,
): Promise<Result> {
  const { attempts, firstWaitMilliseconds, isPassing } = patience;
  for (let count = 1;; count++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof OsError) || !isPassing(error) || count === attempts) throw error;
    }
    await clock.sleep(firstWaitMilliseconds * 2 ** (count - 1));
  }
}
