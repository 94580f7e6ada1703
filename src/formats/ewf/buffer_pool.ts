import type { Bytes } from "../../core/block.ts";

/** Sizes of buffers are multiples of this, so that most fit the next time. */
const GRAIN_BYTES = 1024 * 1024;

/** So many buffers are kept, none larger than this. */
const MOST_SPARES = 8;
const LARGEST_SPARE_BYTES = 8 * 1024 * 1024;

/** Memory that is used again: to have new one costs more than what is read into it. */
export class BufferPool {
  readonly #spares: Bytes[] = [];

  /** Buffers for one piece of work: they come back at its end. */
  lease(): BufferLease {
    return new BufferLease(this);
  }

  /** At least so many bytes; what they hold is anything. */
  take(length: number): Bytes {
    const index = this.#spares.findIndex((spare) => spare.length >= length);
    const [spare] = index < 0 ? [] : this.#spares.splice(index, 1);
    return spare ?? new Uint8Array(Math.ceil(length / GRAIN_BYTES) * GRAIN_BYTES);
  }

  /** Takes back what nobody uses any more. */
  giveBack(bytes: Bytes): void {
    const isKept = this.#spares.length < MOST_SPARES && bytes.length <= LARGEST_SPARE_BYTES;
    if (isKept) this.#spares.push(bytes);
  }
}

/** See {@linkcode BufferPool.lease}. */
export class BufferLease implements Disposable {
  readonly #pool: BufferPool;
  readonly #taken: Bytes[] = [];

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** So many bytes; what they hold is anything. */
  readonly take = (length: number): Bytes => {
    const bytes = this.#pool.take(length);
    this.#taken.push(bytes);
    return bytes.subarray(0, length);
  };

  [Symbol.dispose](): void {
    for (const bytes of this.#taken.splice(0)) this.#pool.giveBack(bytes);
  }
}
