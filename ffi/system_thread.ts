/** System calls that can block, made on a thread of their own. */

/** A call and its arguments; pointers travel as addresses in a bigint. */
export interface SystemRequest {
  readonly id: number;
  readonly call: string;
  readonly args: readonly unknown[];
}

/** What came of it. */
export interface SystemReply {
  readonly id: number;
  /** Undefined after a failure. */
  readonly result: unknown;
  /** The system's number for the error; undefined when there was none. */
  readonly error: number | undefined;
}

/** More workers are not kept. */
const MOST_SPARES = 4;

/** A call that was given up: it may still be under way in the system. */
export class AbandonedCall extends Error {
  override readonly name = "AbandonedCall";
  /**
   * Settles when the system is through with it. Until then, which may be for ever, it can
   * still write to the memory that it was given.
   */
  readonly returned: Promise<void>;

  constructor(call: string, returned: Promise<void>) {
    super(`${call} was given up without an answer`);
    this.returned = returned;
  }
}

/** A call that was not answered yet. */
interface Waiting {
  readonly call: string;
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/**
 * One thread that makes system calls in the order in which they were asked for. While a
 * call blocks, the calling thread stays free.
 */
export abstract class SystemThread implements Disposable {
  readonly #workers: SpareWorkers;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 0;
  /** Calls that were given up and have not returned; undefined when there are none. */
  #abandoned:
    | { readonly ids: Set<number>; readonly end: PromiseWithResolvers<void> }
    | undefined;
  /** Why no more calls can be made. */
  #ended: Error | undefined;

  /** Takes a worker that answers a {@linkcode SystemRequest} with a reply. */
  constructor(workers: SpareWorkers) {
    this.#workers = workers;
    this.#worker = workers.take();
    this.#worker.onmessage = (event: MessageEvent<SystemReply>) => this.#settle(event.data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      const error = new Error(`The thread for system calls died: ${event.message}`);
      this.#ended = error;
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
      this.#returned();
    };
  }

  /** The error that a number stands for. */
  protected abstract errorOf(call: string, number: number): Error;

  /** Makes a call on the thread. Buffers in `args` are copied. */
  protected ask(call: string, args: readonly unknown[]): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (this.#abandoned !== undefined) {
      return Promise.reject(new AbandonedCall(call, this.#abandoned.end.promise));
    }
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#waiting.set(id, { call, resolve, reject });
      this.#worker.postMessage({ id, call, args } satisfies SystemRequest);
    });
  }

  /**
   * Gives up the calls under way: they reject with an {@linkcode AbandonedCall}, and so do
   * further ones until the system has returned from all of them, which is when this settles.
   * A call that hangs cannot be stopped, and those behind it are still made.
   */
  abandon(): Promise<void> {
    if (this.#abandoned !== undefined) return this.#abandoned.end.promise;
    if (this.#waiting.size === 0) return Promise.resolve();
    const end = Promise.withResolvers<void>();
    this.#abandoned = { ids: new Set(this.#waiting.keys()), end };
    for (const { call, reject } of this.#waiting.values()) {
      reject(new AbandonedCall(call, end.promise));
    }
    this.#waiting.clear();
    return end.promise;
  }

  #returned(): void {
    this.#abandoned?.end.resolve();
    this.#abandoned = undefined;
  }

  /** Ends the thread, also in the middle of a call: one that was given up never returns then. */
  [Symbol.dispose](): void {
    if (this.#ended !== undefined) return;
    this.#ended = new Error("The thread for system calls was ended");
    const isIdle = this.#waiting.size === 0 && this.#abandoned === undefined;
    if (isIdle) this.#workers.giveBack(this.#worker);
    else this.#worker.terminate();
  }

  #settle({ id, result, error }: SystemReply): void {
    if (this.#abandoned?.ids.delete(id) && this.#abandoned.ids.size === 0) this.#returned();
    const entry = this.#waiting.get(id);
    if (entry === undefined) return;
    this.#waiting.delete(id);
    if (error === undefined) entry.resolve(result);
    else entry.reject(this.errorOf(entry.call, error));
  }
}

/**
 * Workers for threads. Starting one takes 15 ms, so that whoever prepares for some gets them
 * when they are up, and those that nobody needs any more are kept for others.
 */
export class SpareWorkers {
  readonly #start: () => Worker;
  /** The one that is up soonest comes first. */
  readonly #spares: Worker[] = [];
  #isKeeping = false;

  constructor(start: () => Worker) {
    this.#start = start;
  }

  /** From now on a worker is up, or soon will be; the process does not end by itself. */
  prepare(): void {
    this.#isKeeping = true;
    if (this.#spares.length === 0) this.#spares.push(this.#start());
  }

  take(): Worker {
    return this.#spares.shift() ?? this.#start();
  }

  /** Takes back a worker that does nothing, and that nobody has. */
  giveBack(worker: Worker): void {
    worker.onmessage = null;
    worker.onerror = null;
    if (this.#isKeeping && this.#spares.length < MOST_SPARES) this.#spares.push(worker);
    else worker.terminate();
  }
}
