/** The file of an image, in memory. */
import { assert } from "@std/assert";
import type { Bytes } from "../../src/core/block.ts";
import { mergeRanges, type Range } from "../../src/core/range.ts";
import type { ImageOutput } from "../../src/formats/image_format.ts";

/** How the file is. */
export interface MemoryOutputOptions {
  /** What an earlier run left in it. */
  readonly initial?: Bytes;
  /** Awaited before a call takes effect; writes overtake each other by it. */
  readonly delay?: (call: number) => Promise<void> | undefined;
}

/**
 * A file that remembers which bytes were written, and what a power cut would leave.
 * Writes may overtake each other; a change of size and a flush wait for what was asked
 * for before, and what is asked for later waits for them.
 */
export class MemoryOutput implements ImageOutput {
  readonly name = "memory.img";
  readonly sectorSize = 512;
  readonly initialSize: number;
  readonly #delay: MemoryOutputOptions["delay"];
  #content: Bytes;
  #writes: Range[] = [];
  #durable: Bytes;
  #calls = 0;
  /** All that was asked for so far. */
  #all: Promise<unknown> = Promise.resolve();
  /** The last change of size or flush. */
  #barrier: Promise<unknown> = Promise.resolve();
  closed = false;

  constructor(options: MemoryOutputOptions = {}) {
    this.#content = (options.initial ?? new Uint8Array()).slice();
    this.#durable = this.#content.slice();
    this.initialSize = this.#content.length;
    this.#delay = options.delay;
  }

  /** What the file holds. */
  get content(): Bytes {
    return this.#content;
  }

  /** What it held at the last flush. */
  get durable(): Bytes {
    return this.#durable;
  }

  /** Bytes that were really written in this run; the rest takes no room. */
  get written(): readonly Range[] {
    return mergeRanges(this.#writes);
  }

  writeAt(offset: number, bytes: Bytes): Promise<void> {
    assert(Number.isSafeInteger(offset) && offset >= 0, `writes at ${offset}`);
    const call = this.#calls++;
    const done = this.#barrier.then(async () => {
      await this.#delay?.(call);
      const end = offset + bytes.length;
      if (end > this.#content.length) this.#resize(end);
      this.#content.set(bytes, offset);
      this.#writes.push({ offset, length: bytes.length });
    });
    this.#all = Promise.allSettled([this.#all, done]);
    return done;
  }

  setSize(bytes: number): Promise<void> {
    assert(Number.isSafeInteger(bytes) && bytes >= 0, `sets the size to ${bytes}`);
    return this.#alone(() => this.#resize(bytes));
  }

  flush(): Promise<void> {
    return this.#alone(() => {
      this.#durable = this.#content.slice();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  #alone(change: () => void): Promise<void> {
    const call = this.#calls++;
    const done = this.#all.then(async () => {
      await this.#delay?.(call);
      change();
    });
    this.#barrier = done;
    this.#all = done;
    return done;
  }

  #resize(bytes: number): void {
    const resized = new Uint8Array(bytes);
    resized.set(this.#content.subarray(0, bytes));
    this.#content = resized;
  }
}
