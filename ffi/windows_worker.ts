/// <reference lib="deno.worker" />
/**
 * A thread that makes calls of Windows which can block, one after the other. Driven by
 * {@linkcode WindowsThread}.
 */
import { OsError } from "./os_error.ts";
import type { SystemReply, SystemRequest } from "./system_thread.ts";
import { WINDOWS_CALLS, type WindowsCall } from "./windows_calls.ts";

self.onmessage = (event: MessageEvent<SystemRequest>): void => {
  const { id, call, args } = event.data;
  const run = WINDOWS_CALLS[call as WindowsCall] as (...args: readonly unknown[]) => unknown;
  let result: unknown;
  let error: number | undefined;
  try {
    result = run(...args);
  } catch (cause) {
    if (!(cause instanceof OsError)) throw cause;
    error = cause.number;
  }
  self.postMessage({ id, result, error } satisfies SystemReply);
};
