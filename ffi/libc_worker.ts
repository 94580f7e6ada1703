/// <reference lib="deno.worker" />
/**
 * A thread that makes calls of the C library which can block, one after the other, and
 * reads errno right after each (on any other thread it would be another one's). Driven by
 * {@linkcode LibcThread}.
 */
import { believed, callLibc, lastErrno, type LibcArgument, type LibcCall } from "./libc.ts";
import { OsError } from "./os_error.ts";
import {
  type ReadEnding,
  readSeries,
  type SeriesLimits,
  type SeriesRead,
  type SeriesState,
} from "./read_series.ts";
import type { SystemReply, SystemRequest } from "./system_thread.ts";

const EINTR = 4;

/** Calls that change nothing when they fail: their errno is believed when it comes twice. */
const REPEATABLE: readonly string[] = [
  "open",
  "unlink",
  "flock",
  "rename",
  "renameat2",
  "lseek",
];

self.onmessage = (event: MessageEvent<SystemRequest>): void => {
  const { id, call, args } = event.data;
  if (call === "readSeries") {
    const result = series(...args as Parameters<typeof series>);
    self.postMessage({ id, result, error: undefined } satisfies SystemReply);
    return;
  }
  const { result, errno } = REPEATABLE.includes(call)
    ? settled(call as LibcCall, args as LibcArgument[])
    : once(call as LibcCall, args as LibcArgument[]);
  self.postMessage(
    {
      id,
      result,
      error: result < 0 ? errno : undefined,
    } satisfies SystemReply,
  );
};

/** Interrupted calls are repeated; `errno` is 0 unless the result is negative. */
function once(call: LibcCall, args: readonly LibcArgument[]): ReadEnding {
  for (;;) {
    const result = callLibc(call, args);
    const errno = result < 0 ? lastErrno() : 0;
    // An interrupted close has closed (close(2), "Dealing with error returns").
    if (result >= 0 || errno !== EINTR || call === "close") return { result, errno };
  }
}

function series(
  descriptor: number,
  reads: readonly SeriesRead[],
  state: SeriesState,
  limits: SeriesLimits,
  alignment: number,
): ReturnType<typeof readSeries> {
  return readSeries(
    reads,
    state,
    limits,
    alignment,
    (address, length, offset) =>
      once("pread", [descriptor, address, BigInt(length), BigInt(offset)]),
  );
}

function settled(call: LibcCall, args: readonly LibcArgument[]): ReadEnding {
  try {
    return { result: believed(call, () => once(call, args).result, isNegative), errno: 0 };
  } catch (error) {
    if (!(error instanceof OsError)) throw error;
    return { result: -1, errno: error.number };
  }
}

function isNegative(result: number): boolean {
  return result < 0;
}
