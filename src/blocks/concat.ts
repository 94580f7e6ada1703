import type { BlockSource, Bytes } from "../core/block.ts";
import { ReadError } from "../core/errors.ts";
import { endOf, intersection, type Range } from "../core/range.ts";

/** A source in its place among the others. */
interface Part extends Range {
  readonly source: BlockSource;
}

/** Several sources, one behind the other, as one. Closing it closes all of them. */
export class ConcatSource implements BlockSource {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly #parts: readonly Part[];

  /**
   * Takes over the sources, which know their sizes. Each of them is asked for any place in
   * it: where sizes are no multiples of a sector, it must put up with that, as files do.
   */
  constructor(name: string, sources: readonly BlockSource[]) {
    let size = 0;
    this.#parts = sources.map((source) => {
      const part = { source, offset: size, length: source.size };
      size = endOf(part);
      return part;
    });
    if (!Number.isSafeInteger(size)) throw new RangeError(`${name} has a part without an end`);
    this.name = name;
    this.size = size;
    this.sectorSize = Math.max(512, ...sources.map((source) => source.sectorSize));
  }

  async readAt(offset: number, into: Bytes): Promise<number> {
    const wanted = { offset, length: into.length };
    const reads: { readonly length: number; readonly count: Promise<number> }[] = [];
    for (const part of this.#parts) {
      const range = intersection(part, wanted);
      if (range === undefined) continue;
      const start = range.offset - offset;
      const piece = into.subarray(start, start + range.length);
      reads.push({ length: range.length, count: readPart(part, range.offset, piece) });
    }
    // All of them, also after a failure: they still fill the bytes.
    await Promise.allSettled(reads.map(({ count }) => count));
    let total = 0;
    for (const { length, count } of reads) {
      total += await count;
      // What lies behind a part that ended early is not at its place.
      if (await count < length) break;
    }
    return total;
  }

  cancel(): void {
    for (const { source } of this.#parts) source.cancel?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeAll(this.#parts.map(({ source }) => source));
  }
}

/** Closes all, also when one of them cannot be closed; that failure is told at the end. */
export async function closeAll(sources: readonly BlockSource[]): Promise<void> {
  const closed = sources.map(async (source) => await source[Symbol.asyncDispose]());
  for (const result of await Promise.allSettled(closed)) {
    if (result.status === "rejected") throw result.reason;
  }
}

/** Reads a piece of one part; `offset` counts in the whole, and so does that of an error. */
async function readPart({ source, offset: start }: Part, offset: number, into: Bytes): Promise<
  number
> {
  try {
    return await source.readAt(offset - start, into);
  } catch (error) {
    if (!(error instanceof ReadError)) throw error;
    const { message, hint, osCode } = error;
    throw new ReadError(message, start + error.offset, { hint, osCode, cause: error });
  }
}
