/** The bytes of the medium, nothing else: what dd writes. */
import type { BlockSource, Chunk, ProbeScore } from "../core/block.ts";
import { endOf, gapsBetween, intersection, type Range, totalLength } from "../core/range.ts";
import type {
  ImageFormat,
  ImageOutput,
  ImagePlan,
  ImageSummary,
  ImageWriter,
  OpenedImage,
} from "./image_format.ts";

export const raw: ImageFormat & Required<Pick<ImageFormat, "create">> = {
  id: "raw",
  title: "raw image",
  extensions: ["img", "dd", "raw", "bin", "iso"],
  probe(): ProbeScore {
    return "maybe";
  },
  open(file: BlockSource): Promise<OpenedImage> {
    return Promise.resolve({ media: file, metadata: [], findings: [] });
  },
  // Async, so that what is thrown is a rejection.
  // deno-lint-ignore require-await
  async create(output: ImageOutput, plan: ImagePlan): Promise<ImageWriter> {
    return new RawWriter(output, plan);
  },
};

class RawWriter implements ImageWriter {
  readonly name: string;
  readonly #output: ImageOutput;
  readonly #plan: ImagePlan;
  /** End of the last chunk that was asked for. */
  #end = 0;
  #holeBytes = 0;

  constructor(output: ImageOutput, plan: ImagePlan) {
    this.name = output.name;
    this.#output = output;
    this.#plan = plan;
  }

  async consume(chunk: Chunk): Promise<void> {
    this.#end = Math.max(this.#end, endOf(chunk));
    const writes = this.#dataOf(chunk).map(({ offset, length }) => {
      const start = offset - chunk.offset;
      return this.#output.writeAt(offset, chunk.bytes.subarray(start, start + length));
    });
    // All of them, also after a failure: they still use the bytes.
    for (const result of await Promise.allSettled(writes)) {
      if (result.status === "rejected") throw result.reason;
    }
  }

  /** The parts to write: all but the zeros behind what the file already had. */
  #dataOf(chunk: Chunk): readonly Range[] {
    if (!this.#plan.sparse) return [chunk];
    const unwritten = { offset: this.#output.initialSize, length: Infinity };
    const holes = chunk.zeros().flatMap((zeros) => intersection(zeros, unwritten) ?? []);
    this.#holeBytes += totalLength(holes);
    return gapsBetween(chunk, holes);
  }

  async sync(): Promise<void> {
    // A hole at the end is no part of the file yet. The cut cannot lose anything: all
    // writes that were asked for end before #end and have their turn first.
    await this.#output.setSize(Math.max(this.#end, this.#output.initialSize));
    await this.#output.flush();
  }

  async finish(): Promise<ImageSummary> {
    const size = Number.isFinite(this.#plan.size) ? this.#plan.size : this.#end;
    await this.#output.setSize(size);
    await this.#output.flush();
    return { size, holeBytes: this.#holeBytes };
  }

  abort(): Promise<void> {
    return Promise.resolve();
  }
}
