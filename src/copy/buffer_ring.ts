import { allocateAligned, type NativeMemory } from "../../ffi/memory.ts";
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
  readonly #chunkBytes: number;
  readonly #memory = new Map<RingSlot, NativeMemory>();
  readonly #free: RingSlot[] = [];
  readonly #waiting: ((slot: RingSlot) => void)[] = [];

  /** Allocates `slots` buffers of `chunkBytes` each. */
  constructor(chunkBytes: number, slots: number) {
    this.#chunkBytes = chunkBytes;
    for (let i = 0; i < slots; i++) this.#free.push(this.#allocate());
  }

  #allocate(): RingSlot {
    const memory = allocateAligned(this.#chunkBytes);
    const slot = { bytes: memory.bytes };
    this.#memory.set(slot, memory);
    return slot;
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

  /**
   * A call that was given up can write to a buffer until `returned` settles: it is freed
   * then, and never used again. Answers another one, which is its owner's.
   */
  replace(slot: RingSlot, returned: Promise<void>): RingSlot {
    const memory = this.#memory.get(slot);
    if (memory === undefined) throw new Error("This buffer is not of this ring");
    this.#memory.delete(slot);
    returned.then(() => memory[Symbol.dispose]());
    return this.#allocate();
  }

  /**
   * Frees the memory, but for buffers that were replaced. Only when no system call and no
   * worker uses another one.
   */
  [Symbol.dispose](): void {
    for (const memory of this.#memory.values()) memory[Symbol.dispose]();
    this.#memory.clear();
  }
}
