import { addressOf } from "../../../ffi/memory.ts";
import type { Chunk } from "../../core/block.ts";
import type { FoundMap } from "./bmap_build.ts";
import type { CheckedMap, WrongRange } from "./bmap_check.ts";
import type { BmapJob, BmapTask } from "./bmap_job.ts";
import type { BmapReply, BmapRequest } from "./bmap_worker.ts";
import { THREAD_THRESHOLD_BYTES } from "../hash_consumers.ts";

/** Somebody who makes or checks a block map. */
export interface BmapWork extends Disposable {
  /** Takes the next bytes; they must stay as they are until it settles. */
  add(chunk: Chunk): Promise<WrongRange | undefined>;
  finish(): Promise<FoundMap | CheckedMap>;
}

/** Begins a task: on a thread of its own, or on this one when there is little to do. */
export function beginBmapWork(task: BmapTask, totalBytes: number): BmapWork {
  return totalBytes < THREAD_THRESHOLD_BYTES ? new LocalBmapWork(task) : new BmapThread(task);
}

class LocalBmapWork implements BmapWork {
  readonly #job: Promise<BmapJob>;

  constructor(task: BmapTask) {
    this.#job = import("./bmap_job.ts").then(({ bmapJob }) => bmapJob(task));
  }

  async add({ offset, bytes, bad }: Chunk): Promise<WrongRange | undefined> {
    // Continuations of one promise run in the order in which they were added.
    return (await this.#job).add(offset, bytes, bad);
  }

  async finish(): Promise<FoundMap | CheckedMap> {
    return (await this.#job).finish();
  }

  [Symbol.dispose](): void {}
}

class BmapThread implements BmapWork {
  readonly #worker: Worker;
  readonly #replies: PromiseWithResolvers<BmapReply>[] = [];
  #ended: Error | undefined;

  constructor(task: BmapTask) {
    this.#worker = new Worker(new URL("./bmap_worker.ts", import.meta.url), {
      type: "module",
      name: "block map",
    });
    this.#worker.onmessage = (event: MessageEvent<BmapReply>) =>
      this.#replies.shift()?.resolve(event.data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      const error = new Error(`The thread for the block map died: ${event.message}`);
      this.#ended = error;
      for (const reply of this.#replies.splice(0)) reply.reject(error);
    };
    const request: BmapRequest = { task };
    this.#worker.postMessage(request);
  }

  async add({ offset, bytes, length, bad }: Chunk): Promise<WrongRange | undefined> {
    const reply = await this.#ask({ offset, address: addressOf(bytes), length, bad });
    return "wrong" in reply ? reply.wrong : undefined;
  }

  async finish(): Promise<FoundMap | CheckedMap> {
    const reply = await this.#ask({ finish: true });
    if ("result" in reply) return reply.result;
    throw new Error("The thread for the block map lost its count");
  }

  [Symbol.dispose](): void {
    this.#ended ??= new Error("ended");
    this.#worker.terminate();
  }

  #ask(request: BmapRequest): Promise<BmapReply> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const reply = Promise.withResolvers<BmapReply>();
    this.#replies.push(reply);
    this.#worker.postMessage(request);
    return reply.promise;
  }
}
