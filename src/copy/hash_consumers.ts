import type { Chunk, ChunkConsumer } from "../core/block.ts";
import { toHex } from "../core/bytes.ts";
import type { HashAlgorithm, Hasher } from "../hashes/hash_algorithm.ts";
import { HashThread } from "./hash_thread.ts";

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
  readonly #thread: HashThread;

  constructor(algorithm: HashAlgorithm) {
    this.name = algorithm.id;
    this.#algorithm = algorithm;
    this.#thread = new HashThread(algorithm.id);
    this.#thread.start();
  }

  consume(chunk: Chunk): Promise<void> {
    return this.#thread.update(chunk.bytes);
  }

  async finish(): Promise<Digest> {
    const digest = await this.#thread.digest();
    this.#thread[Symbol.dispose]();
    return { algorithm: this.#algorithm, hex: toHex(digest) };
  }

  abort(): Promise<void> {
    this.#thread[Symbol.dispose]();
    return Promise.resolve();
  }
}
