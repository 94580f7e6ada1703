import { addressOf } from "../../ffi/memory.ts";
import type { Bytes } from "../core/block.ts";
import type { HashReply, HashRequest } from "./hash_worker.ts";

/** A thread that computes digests of one algorithm, one after the other. */
export class HashThread implements Disposable {
  readonly #algorithm: string;
  readonly #worker: Worker;
  readonly #replies: PromiseWithResolvers<HashReply>[] = [];

  #ended: Error | undefined;

  constructor(algorithm: string) {
    this.#algorithm = algorithm;
    this.#worker = new Worker(new URL("./hash_worker.ts", import.meta.url), {
      type: "module",
      name: algorithm,
    });
    this.#worker.onmessage = (event: MessageEvent<HashReply>) =>
      this.#replies.shift()?.resolve(event.data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      const error = new Error(`The thread for ${algorithm} died: ${event.message}`);
      this.#ended = error;
      for (const reply of this.#replies.splice(0)) reply.reject(error);
    };
  }

  /** Begins a new digest, or one for each so many bytes. */
  start(windowBytes?: number): void {
    const request: HashRequest = { start: this.#algorithm, windowBytes };
    this.#worker.postMessage(request);
  }

  /** Takes the next bytes; they must stay as they are until it resolves. */
  async update(bytes: Bytes): Promise<void> {
    await this.#ask({ address: addressOf(bytes), length: bytes.length });
  }

  /** As `update`; answers the digests of the windows that ended, one behind the other. */
  async updateWindows(bytes: Bytes): Promise<Uint8Array> {
    const request = { address: addressOf(bytes), length: bytes.length };
    return await this.#ask(request) ?? new Uint8Array();
  }

  /**
   * The digest of what came since `start`, or since the last window ended: no bytes where
   * nothing did.
   */
  async digest(): Promise<Uint8Array> {
    return await this.#ask({ finish: true }) ?? new Uint8Array();
  }

  [Symbol.dispose](): void {
    this.#ended ??= new Error("ended");
    this.#worker.terminate();
  }

  #ask(request: HashRequest): Promise<HashReply> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const reply = Promise.withResolvers<HashReply>();
    this.#replies.push(reply);
    this.#worker.postMessage(request);
    return reply.promise;
  }
}
