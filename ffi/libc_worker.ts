/// <reference lib="deno.worker" />
/**
 * A thread that makes calls of the C library which can block, one after the other, and
 * reads errno right after each (on any other thread it would be another one's). Driven by
 * {@linkcode LibcThread}.
 */
import { believed, callLibc, lastErrno, type LibcArgument, type LibcCall } from "./libc.ts";
import { OsError } from "./os_error.ts";
import type { SystemReply, SystemRequest } from "./system_thread.ts";

const EINTR = 4;

/** Calls that change nothing when they fail: their errno is believed when it comes twice. */
const REPEATABLE: readonly string[] = ["open", "unlink", "flock", "rename", "renameat2"];

self.onmessage = (event: MessageEvent<SystemRequest>): void => {
  const { id, call, args } = event.data;
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

/** How a call ended; `errno` is 0 unless the result is negative. */
interface Ending {
  readonly result: number;
  readonly errno: number;
}

/** Interrupted calls are repeated. */
function once(call: LibcCall, args: readonly LibcArgument[]): Ending {
  for (;;) {
    const result = callLibc(call, args);
    const errno = result < 0 ? lastErrno() : 0;
    // An interrupted close has closed (close(2), "Dealing with error returns").
    if (result >= 0 || errno !== EINTR || call === "close") return { result, errno };
  }
}

function settled(call: LibcCall, args: readonly LibcArgument[]): Ending {
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
