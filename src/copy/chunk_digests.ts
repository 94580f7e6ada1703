import type { Chunk, ChunkConsumer } from "../core/block.ts";
import type { Range } from "../core/range.ts";
import { HashThread } from "./hash_thread.ts";

/** Of each SHA-256 as many bytes are kept: enough to find every accident. */
const KEPT_BYTES = 16;

/**
 * Digests of the chunks of a medium, in their order: 16 bytes for each, so that those of
 * a 4 TB disk take 16 MB.
 */
export class ChunkDigests {
  #bytes = new Uint8Array(1024 * KEPT_BYTES);
  #count = 0;

  /** How many chunks there are. */
  get count(): number {
    return this.#count;
  }

  /** Adds the digest of the next chunk. */
  add(digest: Uint8Array): void {
    const at = this.#count++ * KEPT_BYTES;
    if (at === this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(digest.subarray(0, KEPT_BYTES), at);
  }

  /** Is this the digest of the chunk at this place? False beyond the last one. */
  matches(index: number, digest: Uint8Array): boolean {
    if (index >= this.#count) return false;
    const at = index * KEPT_BYTES;
    for (let i = 0; i < KEPT_BYTES; i++) {
      if (this.#bytes[at + i] !== digest[i]) return false;
    }
    return true;
  }
}

/** Takes a digest of every chunk, on a thread of its own, and hands them over in order. */
abstract class ChunkDigester<Result> implements ChunkConsumer<Result> {
  abstract readonly name: string;
  readonly #thread = new HashThread("sha256");

  async consume(chunk: Chunk): Promise<void> {
    this.#thread.start();
    // Answers come in the order of asking, so digests are taken in the order of chunks.
    const updated = this.#thread.update(chunk.bytes);
    const [digest] = await Promise.all([this.#thread.digest(), updated]);
    this.take(chunk, digest);
  }

  finish(): Promise<Result> {
    this.#thread[Symbol.dispose]();
    return Promise.resolve(this.result());
  }

  abort(): Promise<void> {
    this.#thread[Symbol.dispose]();
    return Promise.resolve();
  }

  protected abstract take(chunk: Chunk, digest: Uint8Array): void;
  protected abstract result(): Result;
}

/**
 * Remembers a digest of every chunk: what came from a stream, or from a drive that should
 * not be read twice, can be compared later with what was written, and a difference has a
 * place.
 */
export class ChunkDigestConsumer extends ChunkDigester<ChunkDigests> {
  override readonly name = "chunk digests";
  readonly #digests = new ChunkDigests();

  protected override take(_chunk: Chunk, digest: Uint8Array): void {
    this.#digests.add(digest);
  }

  protected override result(): ChunkDigests {
    return this.#digests;
  }
}

/** Compares every chunk with the digest of the chunk at the same place; answers those that differ. */
export class ChunkDigestComparer extends ChunkDigester<readonly Range[]> {
  override readonly name = "chunk digests";
  readonly #expected: ChunkDigests;
  readonly #differing: Range[] = [];
  #index = 0;

  /** The chunks must be cut as they were when the digests were taken. */
  constructor(expected: ChunkDigests) {
    super();
    this.#expected = expected;
  }

  protected override take({ offset, length }: Chunk, digest: Uint8Array): void {
    if (!this.#expected.matches(this.#index++, digest)) {
      this.#differing.push({ offset, length });
    }
  }

  protected override result(): readonly Range[] {
    return this.#differing;
  }
}

/** Where chunks lie that came in any order, ascending, and their digests in that order. */
export interface PlacedDigests {
  readonly ranges: readonly Range[];
  readonly digests: ChunkDigests;
}

/** As {@linkcode ChunkDigestConsumer}, for chunks of any length in any order. */
export class PlacedDigestConsumer extends ChunkDigester<PlacedDigests> {
  override readonly name = "chunk digests";
  readonly #placed: { readonly range: Range; readonly digest: Uint8Array }[] = [];

  protected override take({ offset, length }: Chunk, digest: Uint8Array): void {
    this.#placed.push({ range: { offset, length }, digest: digest.slice(0, KEPT_BYTES) });
  }

  protected override result(): PlacedDigests {
    const sorted = this.#placed.toSorted((a, b) => a.range.offset - b.range.offset);
    const digests = new ChunkDigests();
    for (const { digest } of sorted) digests.add(digest);
    return { ranges: sorted.map(({ range }) => range), digests };
  }
}
