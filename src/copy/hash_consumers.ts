import { addressOf } from "../../ffi/memory.ts";
import type { Chunk, ChunkConsumer } from "../core/block.ts";
import { toHex } from "../core/bytes.ts";
import type { HashAlgorithm, Hasher } from "../hashes/hash_algorithm.ts";
import type { HashReply, HashRequest } from "./hash_worker.ts";

/** A finished digest. */
export interface Digest {
  readonly algorithm: HashAlgorithm;
  /** Lower-case hexadecimal. */
  readonly hex: string;
}

/** Below this many bytes a thread costs more (about 50 ms) than it saves. */
export const THREAD_THRESHOLD_BYTES = 16 * 1024 * 1024;

/**
 * One consumer for each hash: on threads of their own, so that several run beside
 * each other and beside the copy; on this thread when there is little to hash.
 */
export function hashConsumers(
  algorithms: readonly HashAlgorithm[],
  totalBytes: number,
): ChunkConsumer<Digest>[] {
  return algorithms.map((algorithm) =>
    totalBytes < THREAD_THRESHOLD_BYTES
      ? new LocalHashConsumer(algorithm)
      : new ThreadedHashConsumer(algorithm)
  );
}

class LocalHashConsumer implements ChunkConsumer<Digest> {
  readonly name: string;
  readonly #algorithm: HashAlgorithm;
  readonly #hasher: Promise<Hasher>;

  constructor(algorithm: HashAlgorithm) {
    this.name = algorithm.id;
    this.#algorithm = algorithm;
    this.#hasher = algorithm.create();
  }

  async consume(chunk: Chunk): Promise<void> {
    // Continuations of one promise run in the order in which they were added, so
    // chunks that overlap in time still arrive in order.
    (await this.#hasher).update(chunk.bytes);
  }

  async finish(): Promise<Digest> {
    return { algorithm: this.#algorithm, hex: toHex((await this.#hasher).digest()) };
  }

  abort(): Promise<void> {
    return Promise.resolve();
  }
}

class ThreadedHashConsumer implements ChunkConsumer<Digest> {
  readonly name: string;
  readonly #algorithm: HashAlgorithm;
  readonly #worker: Worker;
  readonly #replies: PromiseWithResolvers<HashReply>[] = [];

  constructor(algorithm: HashAlgorithm) {
    this.name = algorithm.id;
    this.#algorithm = algorithm;
    this.#worker = new Worker(new URL("./hash_worker.ts", import.meta.url), {
      type: "module",
      name: algorithm.id,
    });
    this.#worker.onmessage = (event: MessageEvent<HashReply>) =>
      this.#replies.shift()?.resolve(event.data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      const error = new Error(`The thread for ${this.name} died: ${event.message}`);
      for (const reply of this.#replies.splice(0)) reply.reject(error);
    };
    this.#post({ start: algorithm.id });
  }

  async consume(chunk: Chunk): Promise<void> {
    await this.#ask({ address: addressOf(chunk.bytes), length: chunk.length });
  }

  async finish(): Promise<Digest> {
    const digest = await this.#ask({ finish: true });
    this.#worker.terminate();
    return { algorithm: this.#algorithm, hex: toHex(digest ?? new Uint8Array()) };
  }

  abort(): Promise<void> {
    this.#worker.terminate();
    return Promise.resolve();
  }

  #post(request: HashRequest): void {
    this.#worker.postMessage(request);
  }

  #ask(request: HashRequest): Promise<HashReply> {
    const reply = Promise.withResolvers<HashReply>();
    this.#replies.push(reply);
    this.#post(request);
    return reply.promise;
  }
}
