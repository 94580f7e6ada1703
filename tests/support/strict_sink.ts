/** A medium in memory that insists on how it is written. */
import { assert, assertEquals } from "@std/assert";
import type { BlockSink, Bytes } from "../../src/core/block.ts";
import { assertBytes } from "./pattern.ts";
import { endOf, intersection, type Range } from "../../src/core/range.ts";

/** A call that the sink got, in the order in which they were made. */
export type SinkCall =
  | ({ readonly call: "write" } & Range)
  | { readonly call: "flush" };

/** How the sink is. */
export interface StrictSinkOptions {
  readonly sectorSize?: number;
  /** Awaited before a write takes effect. */
  readonly delay?: (call: number) => Promise<void> | undefined;
}

/**
 * Fails the test when a write is not whole sectors (but for the tail of a medium that is
 * none), goes past the end, meets another one that is under way, or when its bytes
 * change before it ended; or when a flush comes while a write is under way.
 */
export class StrictSink implements BlockSink {
  readonly name = "strict sink";
  readonly sectorSize: number;
  /** What the medium holds. */
  readonly content: Bytes;
  /** All calls so far. */
  readonly calls: SinkCall[] = [];
  readonly #delay: StrictSinkOptions["delay"];
  readonly #pending = new Set<Range>();

  /** `content` is what the medium holds before; it is written into. */
  constructor(content: Bytes, options: StrictSinkOptions = {}) {
    this.content = content;
    this.sectorSize = options.sectorSize ?? 512;
    this.#delay = options.delay;
  }

  async writeAt(offset: number, bytes: Bytes): Promise<void> {
    const range = { offset, length: bytes.length };
    const size = this.content.length;
    assert(Number.isSafeInteger(offset) && offset >= 0, `writes at ${offset}`);
    assert(endOf(range) <= size, `writes ${bytes.length} bytes at ${offset} of ${size}`);
    assertEquals(offset % this.sectorSize, 0, `writes at ${offset}`);
    if (endOf(range) !== size) {
      assertEquals(bytes.length % this.sectorSize, 0, `writes ${bytes.length} at ${offset}`);
    }
    for (const other of this.#pending) {
      assertEquals(intersection(other, range), undefined, "writes overlap in time and place");
    }
    const call = this.calls.push({ call: "write", ...range }) - 1;
    const before = bytes.slice();
    this.#pending.add(range);
    await this.#delay?.(call);
    this.#pending.delete(range);
    assertBytes(bytes, before, "bytes changed while they were being written");
    this.content.set(bytes, offset);
  }

  async flush(): Promise<void> {
    assertEquals(this.#pending.size, 0, "a flush while writes are under way");
    const call = this.calls.push({ call: "flush" }) - 1;
    await this.#delay?.(call);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
