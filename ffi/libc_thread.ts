/** Blocking system calls made on a thread of their own. */
import { LIBC_SYMBOLS } from "./libc.ts";
import type { LibcReply, LibcRequest } from "./libc_worker.ts";
import { OsError } from "./os_error.ts";

type CallName = keyof typeof LIBC_SYMBOLS;

/** Arguments that are addresses, from the symbol table. */
function pointerArguments(call: CallName): number[] {
  return LIBC_SYMBOLS[call].parameters.flatMap((type, index) =>
    (type as string) === "pointer" ? [index] : []
  );
}

const EINTR = 4;

/** A worker that was started ahead of its thread. */
let spare: Worker | undefined;

function startWorker(): Worker {
  return new Worker(new URL("./libc_worker.ts", import.meta.url), {
    type: "module",
    name: "system calls",
  });
}

/**
 * Starts a worker for the next {@linkcode LibcThread}, so that it is up (some 15 ms later)
 * when it is needed.
 */
export function prepareLibcThread(): void {
  spare ??= startWorker();
}

/**
 * One thread that makes system calls in the order in which they were asked
 * for. While a call blocks, the calling thread stays free.
 */
export class LibcThread implements Disposable {
  readonly #worker: Worker;
  readonly #waiting = new Map<
    number,
    {
      resolve(result: number): void;
      reject(error: Error): void;
      request: LibcRequest;
    }
  >();
  #nextId = 0;
  /** Why no more calls can be made. */
  #ended: Error | undefined;

  constructor() {
    this.#worker = spare ?? startWorker();
    spare = undefined;
    this.#worker.onmessage = (event: MessageEvent<LibcReply>) => this.#settle(event.data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      const error = new Error(
        `The thread for system calls died: ${event.message}`,
      );
      this.#ended = error;
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
  }

  /**
   * Makes a system call on the thread. Buffers in `args` are copied; memory
   * that is to be read or written is passed by address.
   *
   * @throws {OsError} when the call answers less than zero (interrupted calls
   * are repeated).
   */
  call(
    call: CallName,
    ...args: (number | bigint | Uint8Array)[]
  ): Promise<number> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      const request = { id, call, args, pointers: pointerArguments(call) };
      this.#waiting.set(id, { resolve, reject, request });
      this.#worker.postMessage(request);
    });
  }

  /** Ends the thread, also in the middle of a call. */
  [Symbol.dispose](): void {
    this.#ended ??= new Error("The thread for system calls was ended");
    this.#worker.terminate();
  }

  #settle({ id, result, errno }: LibcReply): void {
    const entry = this.#waiting.get(id);
    if (entry === undefined) return;
    // An interrupted close has closed (close(2), "Dealing with error returns").
    if (result < 0 && errno === EINTR && entry.request.call !== "close") {
      this.#worker.postMessage(entry.request);
      return;
    }
    this.#waiting.delete(id);
    if (result < 0) entry.reject(new OsError(entry.request.call, errno));
    else entry.resolve(result);
  }
}
