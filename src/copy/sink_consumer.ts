import type { BlockSink, Chunk, ChunkConsumer } from "../core/block.ts";

/** Writes every chunk to a sink, at the chunk's own offset. The sink stays the caller's. */
export class SinkConsumer implements ChunkConsumer<void> {
  readonly name: string;
  readonly #sink: BlockSink;

  constructor(sink: BlockSink) {
    this.name = sink.name;
    this.#sink = sink;
  }

  consume(chunk: Chunk): Promise<void> {
    return this.#sink.writeAt(chunk.offset, chunk.bytes);
  }

  /** Returns when everything is on the medium. */
  finish(): Promise<void> {
    return this.#sink.flush();
  }

  abort(): Promise<void> {
    return Promise.resolve();
  }
}
