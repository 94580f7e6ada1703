/** Blocking calls of the C library, made on a thread of their own. */
import { errnoError, type LibcArgument, type LibcCall } from "./libc.ts";
import type { OsError } from "./os_error.ts";
import type { SeriesLimits, SeriesRead, SeriesReply, SeriesState } from "./read_series.ts";
import { SpareWorkers, SystemThread } from "./system_thread.ts";

/** Makes calls of the C library, in the order in which they were asked for. */
export interface LibcCalls extends Disposable {
  /** As {@linkcode SystemThread.abandon}. */
  abandon(): Promise<void>;
  /**
   * Makes a call. Buffers in `args` are copied; memory that is to be read or written is
   * passed by address.
   *
   * @throws {OsError} when the call answers less than zero (interrupted calls
   * are repeated).
   */
  call(call: LibcCall, ...args: LibcArgument[]): Promise<number>;
  /** Makes reads of a series, or a part of them; see `readSeries` of read_series.ts. */
  readSeries(
    descriptor: number,
    reads: readonly SeriesRead[],
    state: SeriesState,
    limits: SeriesLimits,
    alignment: number,
  ): Promise<SeriesReply>;
}

const workers = new SpareWorkers(() =>
  new Worker(new URL("./libc_worker.ts", import.meta.url), {
    type: "module",
    name: "system calls",
  })
);

/** Starts a worker for the next {@linkcode LibcThread}; keeps those that are not needed. */
export function prepareLibcThread(): void {
  workers.prepare();
}

/** A thread for calls of the C library. */
export class LibcThread extends SystemThread implements LibcCalls {
  constructor() {
    super(workers);
  }

  protected override errorOf(call: string, errno: number): OsError {
    return errnoError(call, errno);
  }

  call(call: LibcCall, ...args: LibcArgument[]): Promise<number> {
    return this.ask(call, args) as Promise<number>;
  }

  readSeries(...args: Parameters<LibcCalls["readSeries"]>): Promise<SeriesReply> {
    return this.ask("readSeries", args) as Promise<SeriesReply>;
  }
}
