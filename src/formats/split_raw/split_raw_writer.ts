import type { Chunk } from "../../core/block.ts";
import { ImagingError } from "../../core/errors.ts";
import { endOf, gapsBetween, intersection, totalLength } from "../../core/range.ts";
import type { ImageOutput, ImagePlan, ImageSummary, ImageWriter } from "../image_format.ts";
import { parseSegmentName, segmentName } from "./segment_name.ts";

/** 2 GiB less 1 MiB: old file systems and programs take it, and it is whole sectors. */
export const DEFAULT_SEGMENT_BYTES = 2 ** 31 - 2 ** 20;

/** A file of the image. */
interface Segment {
  readonly name: string;
  /** Settles when the file is there. */
  readonly output: Promise<ImageOutput>;
  /** Its first byte, in the medium. */
  readonly start: number;
}

/** Writes the bytes of the medium into files of one size, but for the last one. */
export class SplitRawWriter implements ImageWriter {
  readonly name: string;
  readonly #plan: ImagePlan;
  readonly #segmentBytes: number;
  /** What all names begin with. */
  readonly #stem: string;
  /** At least the first one. */
  readonly #segments: Segment[];
  /** Segments with bytes, or holes, that are not durable yet. */
  readonly #touched = new Set<Segment>();
  /** End of the last chunk that was asked for. */
  #end = 0;
  #holeBytes = 0;
  /** The last turn of making durable. After one that failed all fail. */
  #syncing: Promise<void> = Promise.resolve();

  /** @throws {ImagingError} when the plan cannot be carried out. */
  constructor(output: ImageOutput, plan: ImagePlan) {
    this.name = output.name;
    this.#plan = plan;
    this.#segmentBytes = segmentBytesOf(plan);
    if (
      plan.folder === undefined && Number.isFinite(plan.size) &&
      plan.size > this.#segmentBytes
    ) throw noFolder(output.name);
    this.#stem = plan.folder === undefined ? output.name : stemOf(plan.folder.name);
    const name = plan.folder?.name ?? output.name;
    this.#segments = [{ name, output: Promise.resolve(output), start: 0 }];
  }

  async consume(chunk: Chunk): Promise<void> {
    this.#end = endOf(chunk);
    const writes: Promise<void>[] = [];
    const first = Math.floor(chunk.offset / this.#segmentBytes);
    for (let index = first; index * this.#segmentBytes < endOf(chunk); index++) {
      writes.push(this.#write(this.#segment(index), chunk));
    }
    await settled(writes);
  }

  sync(): Promise<void> {
    this.#syncing = this.#syncing.then(() => this.#flush());
    return this.#syncing;
  }

  async finish(): Promise<ImageSummary> {
    const { size: planned } = this.#plan;
    const size = Number.isFinite(planned) ? planned : this.#end;
    const last = Math.max(0, Math.ceil(size / this.#segmentBytes) - 1);
    // Also the file of an empty medium, and those of what never came.
    const open = Math.min(last, Math.floor(this.#end / this.#segmentBytes));
    for (let index = open; index <= last; index++) this.#touched.add(this.#segment(index));
    this.#end = size;
    await this.sync();
    const names = this.#segments.map(({ name }) => name);
    return { size, holeBytes: this.#holeBytes, files: names.length > 1 ? names : undefined };
  }

  abort(): Promise<void> {
    return Promise.resolve();
  }

  /** The segment of this number, from 0. Files come into being in their order. */
  #segment(index: number): Segment {
    while (this.#segments.length <= index) this.#segments.push(this.#nextSegment());
    return this.#segments[index] as Segment;
  }

  #nextSegment(): Segment {
    const { folder } = this.#plan;
    const index = this.#segments.length;
    const name = segmentName(this.#stem, index + 1);
    const before: Promise<unknown> = this.#segments[index - 1]?.output ?? Promise.resolve();
    const output = before.then(() => {
      if (folder === undefined) throw noFolder(this.name);
      return folder.create(name);
    });
    // Whoever writes to it is told.
    output.catch(() => {});
    return { name, output, start: index * this.#segmentBytes };
  }

  /** Writes what of a chunk belongs into a segment, but for the zeros that can be holes. */
  async #write(segment: Segment, chunk: Chunk): Promise<void> {
    const file = await segment.output;
    const { start } = segment;
    const part = intersection(chunk, { offset: start, length: this.#segmentBytes });
    if (part === undefined) return;
    const unwritten = { offset: start + file.initialSize, length: Infinity };
    const hollow = this.#plan.sparse ? intersection(part, unwritten) : undefined;
    const holes = hollow === undefined
      ? []
      : chunk.zeros().flatMap((zeros) => intersection(zeros, hollow) ?? []);
    this.#holeBytes += totalLength(holes);
    await settled(
      gapsBetween(part, holes).map(({ offset, length }) => {
        const at = offset - chunk.offset;
        return file.writeAt(offset - start, chunk.bytes.subarray(at, at + length));
      }),
    );
    this.#touched.add(segment);
  }

  /** Makes durable what was written, and ends files where it does. */
  async #flush(): Promise<void> {
    const touched = [...this.#touched];
    this.#touched.clear();
    for (const { output, start } of touched) {
      const file = await output;
      // A hole at the end is no part of the file yet. The cut cannot lose anything: all
      // writes that were asked for end before #end and have their turn first; what an older
      // run left behind that is worth nothing.
      await file.setSize(Math.min(this.#end - start, this.#segmentBytes));
      await file.flush();
    }
  }
}

/** Waits for all of them, also after a failure: they still use the bytes. */
async function settled(writes: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(writes)) {
    if (result.status === "rejected") throw result.reason;
  }
}

function segmentBytesOf({ segmentBytes, sectorSize = 512 }: ImagePlan): number {
  const bytes = segmentBytes ?? DEFAULT_SEGMENT_BYTES;
  if (Number.isSafeInteger(bytes) && bytes > 0 && bytes % sectorSize === 0) return bytes;
  throw new ImagingError("usage", `cannot split an image into files of ${bytes} bytes`, {
    hint: `choose a multiple of ${sectorSize}, the size of a sector`,
  });
}

/** What all names begin with, by that of the first file. */
function stemOf(name: string): string {
  const parsed = parseSegmentName(name);
  if (parsed?.number === 1) return parsed.stem;
  throw new ImagingError("usage", `cannot call the first file of a split image ${name}`, {
    hint: `its number is a part of the name: call it ${name}.001`,
  });
}

function noFolder(name: string): ImagingError {
  return new ImagingError("usage", `cannot split ${name}: there is room for one file only`, {
    hint: "choose a larger size for the files, or an image that is one file",
  });
}
