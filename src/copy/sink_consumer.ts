import type { BlockSink, Chunk, ChunkConsumer } from "../core/block.ts";

/** Writes every chunk to a sink, at the chunk's own offset. The sink stays the caller's. */
export class SinkConsumer implements ChunkConsumer<void> {
  readonly name: string;
  readonly #sink: BlockSink;

  constructor(sink: BlockSink) {
    this.name = sink.name;
    this.#sink = sink;
  }

  async consume(chunk: Chunk): Promise<void> {
    const isWritten = await this.#writeZeros(chunk);
    if (!isWritten) await this.#sink.writeAt(chunk.offset, chunk.bytes);
  }

  /** Chunks of nothing but zeros need not be sent, where the medium makes them itself. */
  async #writeZeros(chunk: Chunk): Promise<boolean> {
    if (this.#sink.writeZeros === undefined) return false;
    const [zeros] = chunk.zeros();
    const isZero = zeros?.offset === chunk.offset && zeros.length === chunk.length;
    return isZero && await this.#sink.writeZeros({
      offset: chunk.offset,
      length: chunk.length,
    });
  }

  /** Returns when everything is on the medium. */
  finish(): Promise<void> {
    return this.#sink.flush();
  }

  abort(): Promise<void> {
    return Promise.resolve();
  }
}
