/** An end of the flow that remembers what came, and can be slow or fail. */
import { assertEquals } from "@std/assert";
import type { Bytes, Chunk, ChunkConsumer } from "../../src/core/block.ts";
import { assertBytes } from "./pattern.ts";
import { endOf, type Range } from "../../src/core/range.ts";

/** How the consumer behaves. */
export interface CollectingConsumerOptions {
  readonly name?: string;
  /** Awaited while the chunk with this number (from 0) is held. */
  readonly delay?: (chunk: number) => Promise<void> | undefined;
  /** The number of the chunk that it fails on, and with what. */
  readonly failAt?: { readonly chunk: number; readonly error: Error };
  /** What `finish` fails with. */
  readonly failFinish?: Error;
}

/** A chunk that came. */
export interface CollectedChunk extends Range {
  readonly bytes: Bytes;
  readonly bad: readonly Range[];
}

/**
 * Copies every chunk, holds it as long as `delay` says, and fails the test when the
 * bytes changed meanwhile, or when chunks do not come in ascending order.
 */
export class CollectingConsumer implements ChunkConsumer<Bytes> {
  readonly name: string;
  readonly #options: CollectingConsumerOptions;
  readonly chunks: CollectedChunk[] = [];
  /** Chunks that it holds now, and the most that it ever held at once. */
  held = 0;
  mostHeld = 0;
  finished = false;
  /** What it was told to give up for. */
  readonly aborts: unknown[] = [];

  constructor(options: CollectingConsumerOptions = {}) {
    this.name = options.name ?? "collecting";
    this.#options = options;
  }

  async consume(chunk: Chunk): Promise<void> {
    const { delay, failAt } = this.#options;
    const last = this.chunks.at(-1);
    if (last !== undefined && chunk.offset < endOf(last)) {
      throw new Error(`the chunk at ${chunk.offset} comes after the one at ${last.offset}`);
    }
    assertEquals(chunk.bytes.length, chunk.length);
    const bytes = chunk.bytes.slice();
    const number = this.chunks.push({
      offset: chunk.offset,
      length: chunk.length,
      bytes,
      bad: chunk.bad,
    }) - 1;
    this.mostHeld = Math.max(this.mostHeld, ++this.held);
    await delay?.(number);
    assertBytes(chunk.bytes, bytes, `chunk ${number} changed while ${this.name} held it`);
    this.held--;
    if (number === failAt?.chunk) throw failAt.error;
  }

  /** All bytes that came, one behind the other. */
  finish(): Promise<Bytes> {
    this.finished = true;
    const { failFinish } = this.#options;
    return failFinish === undefined
      ? Promise.resolve(this.content())
      : Promise.reject(failFinish);
  }

  abort(cause: unknown): Promise<void> {
    this.aborts.push(cause);
    return Promise.resolve();
  }

  /** All bytes that came so far, one behind the other. */
  content(): Bytes {
    const whole = new Uint8Array(this.chunks.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const { bytes } of this.chunks) {
      whole.set(bytes, at);
      at += bytes.length;
    }
    return whole;
  }
}
