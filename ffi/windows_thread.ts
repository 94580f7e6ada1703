/** Blocking calls of Windows, made on a thread of their own. */
import type { OsError } from "./os_error.ts";
import { SpareWorkers, SystemThread } from "./system_thread.ts";
import type { WINDOWS_CALLS, WindowsCall } from "./windows_calls.ts";
import { windowsError } from "./windows_error.ts";

type Calls = typeof WINDOWS_CALLS;

/** Makes calls of Windows, in the order in which they were asked for. */
export interface WindowsCalls extends Disposable {
  /** As {@linkcode SystemThread.abandon}. */
  abandon(): Promise<void>;
  /**
   * Makes a call of `windows_calls.ts`. Buffers in `args` are copied; memory that is to be
   * read or written is passed by address.
   *
   * @throws {OsError}
   */
  call<Name extends WindowsCall>(
    name: Name,
    ...args: Parameters<Calls[Name]>
  ): Promise<ReturnType<Calls[Name]>>;
}

const workers = new SpareWorkers(() =>
  new Worker(new URL("./windows_worker.ts", import.meta.url), {
    type: "module",
    name: "system calls",
  })
);

/** Starts a worker for the next {@linkcode WindowsThread}; keeps those that are not needed. */
export function prepareWindowsThread(): void {
  workers.prepare();
}

/** A thread for calls of Windows. */
export class WindowsThread extends SystemThread implements WindowsCalls {
  constructor() {
    super(workers);
  }

  protected override errorOf(call: string, number: number): OsError {
    return windowsError(call, number);
  }

  call<Name extends WindowsCall>(
    name: Name,
    ...args: Parameters<Calls[Name]>
  ): Promise<ReturnType<Calls[Name]>> {
    return this.ask(name, args) as Promise<ReturnType<Calls[Name]>>;
  }
}
