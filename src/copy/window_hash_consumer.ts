import type { Chunk, ChunkConsumer } from "../core/block.ts";
import { toHex } from "../core/bytes.ts";
import { endOf, type Range } from "../core/range.ts";
import type { HashAlgorithm } from "../hashes/hash_algorithm.ts";
import { type HashWindow, WINDOW_GRAIN_BYTES, type WindowFile } from "../hashes/window_file.ts";
import { HashThread } from "./hash_thread.ts";

/** Ranges beyond this many are counted, not kept. */
const KEPT_RANGES = 10_000;

/** What is hashed, and who takes it. */
export interface WindowHashOptions {
  readonly algorithms: readonly HashAlgorithm[];
  /** Bytes of a window, a multiple of 512; windows and chunks need not fit each other. */
  readonly windowBytes: number;
  /** Takes the windows in their order, one at a time: the flow waits while it does. */
  onWindow(window: HashWindow): void | Promise<void>;
}

/** What was hashed. */
export interface HashedWindows {
  readonly bytes: number;
  readonly windowCount: number;
}

/**
 * Takes digests of every so many bytes, on a thread for each algorithm. The medium must come
 * whole, from its first byte; the last window ends with it.
 */
export class WindowHashConsumer implements ChunkConsumer<HashedWindows> {
  readonly name = "hash windows";
  readonly #options: WindowHashOptions;
  readonly #threads: readonly HashThread[];
  /** End of the last chunk that was asked for. */
  #end = 0;
  #windowCount = 0;
  /** Settles when the windows of the chunk before were taken. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: WindowHashOptions) {
    const { algorithms, windowBytes } = options;
    const isWhole = Number.isSafeInteger(windowBytes) && windowBytes > 0 &&
      windowBytes % WINDOW_GRAIN_BYTES === 0;
    if (!isWhole) throw new RangeError(`A window cannot have ${windowBytes} bytes`);
    this.#options = options;
    this.#threads = algorithms.map(({ id }) => new HashThread(id));
    for (const thread of this.#threads) thread.start(windowBytes);
  }

  consume(chunk: Chunk): Promise<void> {
    if (chunk.offset !== this.#end) {
      return Promise.reject(
        new RangeError(`Cannot hash windows at ${chunk.offset}: they end at ${this.#end}`),
      );
    }
    this.#end = endOf(chunk);
    this.#turn = this.#hash(chunk, this.#end, this.#turn);
    return this.#turn;
  }

  async finish(): Promise<HashedWindows> {
    await this.#turn;
    const digests = await Promise.all(this.#threads.map((thread) => thread.digest()));
    const isOpen = this.#end % this.#options.windowBytes > 0;
    if (isOpen) await this.#handOver(digests, 0, this.#end);
    for (const thread of this.#threads) thread[Symbol.dispose]();
    return { bytes: this.#end, windowCount: this.#windowCount };
  }

  abort(): Promise<void> {
    for (const thread of this.#threads) thread[Symbol.dispose]();
    return Promise.resolve();
  }

  async #hash(chunk: Chunk, end: number, before: Promise<void>): Promise<void> {
    const work = this.#threads.map((thread) => thread.updateWindows(chunk.bytes));
    // All of them, also after a failure: the others still look at the bytes.
    await Promise.allSettled(work);
    await before;
    const digests = await Promise.all(work);
    const { windowBytes } = this.#options;
    const windowEnd = Math.floor(end / windowBytes);
    for (let index = 0; this.#windowCount < windowEnd; index++) {
      await this.#handOver(digests, index, (this.#windowCount + 1) * windowBytes);
    }
  }

  /** The next window has the digests of this number in each of `digests`. */
  async #handOver(digests: readonly Uint8Array[], index: number, end: number): Promise<void> {
    const { algorithms, windowBytes, onWindow } = this.#options;
    const first = this.#windowCount++ * windowBytes;
    await onWindow({
      first,
      last: end - 1,
      digests: algorithms.map(({ id, digestBytes }, which) => {
        const at = index * digestBytes;
        const digest = digests[which]?.subarray(at, at + digestBytes) ?? new Uint8Array();
        return { algorithm: id, hex: toHex(digest) };
      }),
    });
  }
}

/** How a medium compares with a list of windows. */
export interface WindowCheck {
  /** Bytes of the medium that the list speaks of. */
  readonly bytes: number;
  /** Windows that differ, neighbours joined, ascending; the first ten thousand ranges. */
  readonly differing: readonly Range[];
  readonly differingWindows: number;
  readonly differingBytes: number;
  /** Bytes that the list speaks of and the medium lacks. */
  readonly missingBytes: number;
  /** Bytes of the medium behind those that the list speaks of. */
  readonly furtherBytes: number;
  /** Has the list its end? Not where it was cut, or its run was interrupted. */
  readonly isComplete: boolean;
}

/** Compares what comes with a list of windows. */
export class WindowCheckConsumer implements ChunkConsumer<WindowCheck> {
  readonly name = "hash windows";
  readonly #file: WindowFile;
  readonly #hashes: WindowHashConsumer;
  readonly #differing: { offset: number; length: number }[] = [];
  #differingWindows = 0;
  #differingBytes = 0;
  #end = 0;

  constructor(file: WindowFile) {
    this.#file = file;
    this.#hashes = new WindowHashConsumer({
      algorithms: file.algorithms,
      windowBytes: file.head.windowBytes,
      onWindow: (window) => this.#compare(window),
    });
  }

  consume(chunk: Chunk): Promise<void> {
    this.#end = endOf(chunk);
    // The last window ends where the list does, also when there is more.
    const length = Math.min(chunk.length, this.#file.coveredBytes - chunk.offset);
    if (length === chunk.length) return this.#hashes.consume(chunk);
    if (length <= 0) return Promise.resolve();
    return this.#hashes.consume({ ...chunk, length, bytes: chunk.bytes.subarray(0, length) });
  }

  async finish(): Promise<WindowCheck> {
    const { bytes } = await this.#hashes.finish();
    return {
      bytes,
      differing: this.#differing,
      differingWindows: this.#differingWindows,
      differingBytes: this.#differingBytes,
      missingBytes: this.#file.coveredBytes - bytes,
      furtherBytes: this.#end - bytes,
      isComplete: this.#file.complete,
    };
  }

  async abort(): Promise<void> {
    await this.#hashes.abort();
  }

  #compare({ first, last, digests }: HashWindow): void {
    const expected = this.#file.window(first / this.#file.head.windowBytes);
    if (digests.every(({ hex }, index) => hex === expected.digests[index]?.hex)) return;
    const length = last + 1 - first;
    this.#differingWindows++;
    this.#differingBytes += length;
    const before = this.#differing.at(-1);
    if (before !== undefined && endOf(before) === first) before.length += length;
    else if (this.#differing.length < KEPT_RANGES) {
      this.#differing.push({ offset: first, length });
    }
  }
}
