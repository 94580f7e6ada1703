/// <reference lib="deno.worker" />
/**
 * A thread that makes calls of the C library which can block, one after the other, and
 * reads errno right after each (on any other thread it would be another one's). Driven by
 * {@linkcode LibcThread}.
 */
import { callLibc, lastErrno, type LibcArgument, type LibcCall } from "./libc.ts";
import type { SystemReply, SystemRequest } from "./system_thread.ts";

const EINTR = 4;

self.onmessage = (event: MessageEvent<SystemRequest>): void => {
  const { id, call, args } = event.data;
  let result: number;
  let errno: number;
  do {
    result = callLibc(call as LibcCall, args as LibcArgument[]);
    errno = result < 0 ? lastErrno() : 0;
    // An interrupted close has closed (close(2), "Dealing with error returns").
  } while (result < 0 && errno === EINTR && call !== "close");
  self.postMessage(
    {
      id,
      result,
      error: result < 0 ? errno : undefined,
    } satisfies SystemReply,
  );
};
