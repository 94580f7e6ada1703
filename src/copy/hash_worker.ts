/// <reference lib="deno.worker" />
/**
 * Computes one digest, or one for each window, on a thread of its own, over memory that
 * other threads own. Driven by hash_thread.ts.
 */
import { nativeBytes } from "../../ffi/memory.ts";
import type { HashAlgorithm, Hasher } from "../hashes/hash_algorithm.ts";
import { findHash } from "../hashes/registry.ts";

/** What the worker is told. Answers come in the same order. */
export type HashRequest =
  | {
    readonly start: string;
    /** A digest for each so many bytes; one for all where it is absent. */
    readonly windowBytes?: number | undefined;
  }
  | { readonly address: bigint; readonly length: number }
  | { readonly finish: true };

/**
 * After bytes the digests of the windows that they completed, one behind the other; after
 * `finish` that of what came since. An empty answer where there is none.
 */
export type HashReply = Uint8Array | undefined;

/** Digests of bytes that come in pieces. */
class WindowHasher {
  readonly #algorithm: HashAlgorithm;
  readonly #windowBytes: number;
  #hasher: Hasher | undefined;
  /** Bytes of the window so far. */
  #taken = 0;

  /** `windowBytes` is Infinity for one digest of all. */
  constructor(algorithm: HashAlgorithm, windowBytes: number) {
    this.#algorithm = algorithm;
    this.#windowBytes = windowBytes;
  }

  async update(bytes: Uint8Array): Promise<HashReply> {
    const { digestBytes } = this.#algorithm;
    const completed = Math.floor((this.#taken + bytes.length) / this.#windowBytes);
    if (completed === 0) {
      await this.#take(bytes);
      return undefined;
    }
    const digests = new Uint8Array(completed * digestBytes);
    let rest = bytes;
    for (let index = 0; index < completed; index++) {
      const length = this.#windowBytes - this.#taken;
      await this.#take(rest.subarray(0, length));
      digests.set(await this.#digest(), index * digestBytes);
      rest = rest.subarray(length);
    }
    await this.#take(rest);
    return digests;
  }

  async finish(): Promise<HashReply> {
    const isEmpty = this.#taken === 0 && Number.isFinite(this.#windowBytes);
    return isEmpty ? undefined : await this.#digest();
  }

  async #take(bytes: Uint8Array): Promise<void> {
    this.#hasher ??= await this.#algorithm.create();
    this.#hasher.update(bytes);
    this.#taken += bytes.length;
  }

  async #digest(): Promise<Uint8Array> {
    const hasher = this.#hasher ?? await this.#algorithm.create();
    this.#hasher = undefined;
    this.#taken = 0;
    return hasher.digest();
  }
}

let running: WindowHasher | undefined;
/** Requests are carried out one after the other, also where one has to wait. */
let turn: Promise<void> = Promise.resolve();

self.onmessage = (event: MessageEvent<HashRequest>): void => {
  turn = turn.then(() => carryOut(event.data));
};

async function carryOut(request: HashRequest): Promise<void> {
  if ("start" in request) {
    const algorithm = findHash(request.start);
    running = algorithm && new WindowHasher(algorithm, request.windowBytes ?? Infinity);
    return;
  }
  if (running === undefined) throw new Error("The hash worker was not started");
  self.postMessage(
    "finish" in request
      ? await running.finish()
      : await running.update(nativeBytes(request.address, request.length)),
  );
}
