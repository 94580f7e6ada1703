import type { Chunk, ChunkConsumer } from "../../core/block.ts";
import type { FoundMap } from "./bmap_build.ts";
import { beginBmapWork, type BmapWork } from "./bmap_thread.ts";

/**
 * Makes a block map of a medium that passes whole, from its first byte. Which blocks it
 * counts as data, and how much memory it takes, is said at `BmapBuild`.
 */
export class BmapConsumer implements ChunkConsumer<FoundMap> {
  readonly name = "block map";
  readonly #work: BmapWork;

  /** `totalBytes` is Infinity where it is not known. */
  constructor(totalBytes: number) {
    this.#work = beginBmapWork({ build: true }, totalBytes);
  }

  async consume(chunk: Chunk): Promise<void> {
    await this.#work.add(chunk);
  }

  async finish(): Promise<FoundMap> {
    const result = await this.#work.finish();
    this.#work[Symbol.dispose]();
    if ("ranges" in result) return result;
    throw new Error("A block map was to be made, not checked");
  }

  abort(): Promise<void> {
    this.#work[Symbol.dispose]();
    return Promise.resolve();
  }
}
