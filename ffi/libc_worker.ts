/// <reference lib="deno.worker" />
/**
 * A thread that makes system calls which can block, one after the other, and
 * reads errno right after each (on any other thread it would be another one's).
 * Driven by {@linkcode LibcThread}.
 */
import { lastErrno, type Libc, libc } from "./libc.ts";

/** A call and its arguments; pointers travel as addresses in a bigint. */
export interface LibcRequest {
  readonly id: number;
  readonly call: keyof Libc;
  readonly args: readonly (number | bigint | Uint8Array)[];
  /** Which arguments are addresses. */
  readonly pointers: readonly number[];
}

/** What came of it. */
export interface LibcReply {
  readonly id: number;
  readonly result: number;
  /** 0 unless the result is negative. */
  readonly errno: number;
}

self.onmessage = (event: MessageEvent<LibcRequest>): void => {
  const { id, call, args, pointers } = event.data;
  const values: unknown[] = [...args];
  for (const index of pointers) {
    values[index] = Deno.UnsafePointer.create(values[index] as bigint);
  }
  const run = libc()[call] as (...values: unknown[]) => number | bigint;
  const result = Number(run(...values));
  const errno = result < 0 ? lastErrno() : 0;
  self.postMessage({ id, result, errno } satisfies LibcReply);
};
