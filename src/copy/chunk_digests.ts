import { toHex } from "../core/bytes.ts";
import type { Chunk, ChunkConsumer } from "../core/block.ts";
import type { Range } from "../core/range.ts";
import { HashThread } from "./hash_thread.ts";

/** A piece of a medium and the SHA-256 of its bytes. */
export interface ChunkDigest extends Range {
  readonly hex: string;
}

/**
 * Remembers a digest of every chunk, 32 bytes for some MiB: what came from a stream,
 * or from a drive that should not be read twice, can be compared later with what was
 * written, and a difference has a place.
 */
export class ChunkDigestConsumer implements ChunkConsumer<readonly ChunkDigest[]> {
  readonly name = "chunk digests";
  readonly #thread = new HashThread("sha256");
  readonly #digests: ChunkDigest[] = [];

  async consume(chunk: Chunk): Promise<void> {
    const { offset, length } = chunk;
    this.#thread.start();
    const updated = this.#thread.update(chunk.bytes);
    const finished = this.#thread.digest();
    const [digest] = await Promise.all([finished, updated]);
    this.#digests.push({ offset, length, hex: toHex(digest) });
  }

  finish(): Promise<readonly ChunkDigest[]> {
    this.#thread[Symbol.dispose]();
    return Promise.resolve(this.#digests);
  }

  abort(): Promise<void> {
    this.#thread[Symbol.dispose]();
    return Promise.resolve();
  }
}
