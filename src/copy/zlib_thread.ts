import type { ZlibReply, ZlibRequest, ZlibWorkRequest } from "./zlib_worker.ts";

/** A part of a call, which one thread does in one go. */
export interface ZlibWork {
  readonly request: ZlibWorkRequest;
  /** What the request points to: it stays allocated as long as the work is known. */
  readonly memory: unknown;
  /** Settled when no thread looks at the memory any more. */
  readonly outcome: PromiseWithResolvers<ZlibReply>;
}

/** A thread that packs and unpacks: one work after the other. */
export class ZlibThread {
  readonly #worker: Worker;
  readonly #given: ZlibWork[] = [];
  readonly #onChange: (thread: ZlibThread) => void;
  #ended: Error | undefined;

  /** `onChange` is called after each work, and when the thread died. */
  constructor(onChange: (thread: ZlibThread) => void) {
    this.#onChange = onChange;
    this.#worker = new Worker(new URL("./zlib_worker.ts", import.meta.url), {
      type: "module",
      name: "zlib",
    });
    this.#worker.onmessage = (event: MessageEvent<ZlibReply>) => this.#settle(event.data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#die(new Error(`A thread for zlib died: ${event.message}`));
    };
  }

  /** Is it of no use any more? */
  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  /** Works that it was given and has not done. */
  get load(): number {
    return this.#given.length;
  }

  /** Takes another work, for later when it is at one. */
  give(work: ZlibWork): void {
    this.#given.push(work);
    this.#tell(work.request);
  }

  /**
   * Ends the thread as soon as it is through with what it was given, all of which fails:
   * until then it looks at memory, which whoever asked will free.
   */
  end(error: Error): void {
    this.#ended ??= error;
    if (this.#given.length === 0) this.#tell({ end: true });
  }

  #tell(request: ZlibRequest): void {
    this.#worker.postMessage(request);
  }

  #settle(reply: ZlibReply): void {
    const work = this.#given.shift();
    if (this.#ended === undefined) work?.outcome.resolve(reply);
    else {
      work?.outcome.reject(this.#ended);
      this.end(this.#ended);
    }
    this.#onChange(this);
  }

  #die(error: Error): void {
    this.#ended ??= error;
    for (const work of this.#given.splice(0)) work.outcome.reject(error);
    this.#worker.terminate();
    this.#onChange(this);
  }
}
