import { allocateAligned, type NativeMemory, PAGE_BYTES } from "../../ffi/memory.ts";
import type { Bytes } from "../core/block.ts";

/** One buffer of the ring. */
export interface RingSlot {
  /** Page-aligned native memory of the ring's chunk size. */
  readonly bytes: Bytes;
}

/**
 * A fixed number of page-aligned buffers that chunks travel in: reading runs ahead
 * of writing and hashing by at most this much, whatever the size of the disk.
 */
export class BufferRing implements Disposable {
  readonly #memory: NativeMemory;
  readonly #free: RingSlot[] = [];
  readonly #waiting: ((slot: RingSlot) => void)[] = [];

  /** Allocates `slots` buffers of `chunkBytes` each. */
  constructor(chunkBytes: number, slots: number) {
    const stride = Math.ceil(chunkBytes / PAGE_BYTES) * PAGE_BYTES;
    this.#memory = allocateAligned(stride * slots);
    for (let i = 0; i < slots; i++) {
      this.#free.push({
        bytes: this.#memory.bytes.subarray(i * stride, i * stride + chunkBytes),
      });
    }
  }

  /** A free buffer, as soon as there is one. Its bytes are what the last user left. */
  acquire(): Promise<RingSlot> {
    const slot = this.#free.pop();
    if (slot !== undefined) return Promise.resolve(slot);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Gives a buffer back. Nobody may look at its bytes any more. */
  release(slot: RingSlot): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(slot);
    else next(slot);
  }

  /** Frees the memory. Only when no system call and no worker uses a buffer. */
  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
  }
}
