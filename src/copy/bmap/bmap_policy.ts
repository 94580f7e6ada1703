import type { BlockSource, Bytes } from "../../core/block.ts";
import { ImagingError } from "../../core/errors.ts";
import { endOf, mergeRanges, type Range, totalLength } from "../../core/range.ts";
import type { ReadOutcome, ReadPolicy } from "../read_policy.ts";

/** What of an image has to be read. */
export interface MappedImage {
  /** Bytes. */
  readonly imageSize: number;
  /** Ascending, inside of the image. */
  readonly ranges: readonly Range[];
}

/** How {@linkcode bmapPolicy} reads. */
export interface BmapPolicyOptions {
  /** Bytes a read, at most; reads end on multiples of it. */
  readonly chunkBytes: number;
  /**
   * Ranges are widened to multiples of it, which also joins what lies close together: at
   * least a sector of the target. 4096 where it is absent.
   */
  readonly grainBytes?: number | undefined;
  /** Ranges of the image that are read in any case. */
  readonly also?: readonly Range[] | undefined;
}

/** Bytes that are skipped at once. */
const SKIP_BYTES = 1024 * 1024;

/**
 * Compares the size of an image with that in its block map. Infinity says that the size is
 * not known: then `bmapPolicy` finds out.
 *
 * @throws {ImagingError} `mismatch`, with both sizes.
 */
export function compareBmap(
  { imageSize }: Pick<MappedImage, "imageSize">,
  actualSize: number,
  imageName: string,
): void {
  if (actualSize === imageSize || actualSize === Infinity) return;
  throw otherImage(`${imageName} has ${actualSize} bytes`, imageSize);
}

function otherImage(what: string, expected: number): ImagingError {
  const message = `the block map is that of another image: ${what}, by the map ${expected}`;
  return new ImagingError("mismatch", message, {
    hint: "get both again, or write the image without the map",
  });
}

/**
 * Reads what a block map says is data, in ascending order. Of an image that can only be read
 * in order (`sequential`) all is read, to its end, and the rest is skipped. A place that
 * cannot be read is the end.
 */
export function bmapPolicy(
  source: BlockSource,
  map: MappedImage,
  options: BmapPolicyOptions,
): ReadPolicy {
  const ranges = widened(map, options);
  return source.sequential
    ? streamPolicy(source, map.imageSize, ranges, options.chunkBytes)
    : seekingPolicy(source, map.imageSize, ranges, options.chunkBytes);
}

/** All that is read, on multiples of the grain but for the end of the image. */
function widened({ imageSize, ranges }: MappedImage, options: BmapPolicyOptions): Range[] {
  const { grainBytes = 4096, also = [] } = options;
  return mergeRanges([...ranges, ...also].map((range) => {
    const offset = range.offset - range.offset % grainBytes;
    const end = Math.min(Math.ceil(endOf(range) / grainBytes) * grainBytes, imageSize);
    return { offset, length: end - offset };
  }));
}

/** The ranges in pieces that end on multiples of `chunkBytes`. */
function* chunksOf(ranges: readonly Range[], chunkBytes: number): Generator<Range> {
  for (const range of ranges) {
    for (let at = range.offset; at < endOf(range);) {
      const end = Math.min(at - at % chunkBytes + chunkBytes, endOf(range));
      yield { offset: at, length: end - at };
      at = end;
    }
  }
}

function seekingPolicy(
  source: BlockSource,
  imageSize: number,
  ranges: readonly Range[],
  chunkBytes: number,
): ReadPolicy {
  const chunks = chunksOf(ranges, chunkBytes);
  return {
    totalBytes: totalLength(ranges),
    next: () => chunks.next().value ?? undefined,
    async read(range: Range, into: Bytes): Promise<ReadOutcome> {
      const length = await source.readAt(range.offset, into);
      if (length < range.length) throw endsEarly(source, range.offset + length, imageSize);
      return { length, bad: [] };
    },
    cancel: () => source.cancel?.(),
  };
}

function streamPolicy(
  source: BlockSource,
  imageSize: number,
  ranges: readonly Range[],
  chunkBytes: number,
): ReadPolicy {
  // The last one stands for the rest of the stream, and brings no bytes.
  const chunks = chunksOf(ranges, chunkBytes);
  let isOver = false;
  const stream = new SkippingStream(source, imageSize);
  return {
    totalBytes: totalLength(ranges),
    next(): Range | undefined {
      const { value, done } = chunks.next();
      if (!done) return value;
      if (isOver) return undefined;
      isOver = true;
      return { offset: imageSize, length: 0 };
    },
    async read(range: Range, into: Bytes): Promise<ReadOutcome> {
      if (range.length === 0) await stream.finish();
      else await stream.read(range.offset, into);
      return { length: range.length, bad: [] };
    },
    cancel: () => source.cancel?.(),
  };
}

/** Places of a stream, in ascending order. */
class SkippingStream {
  readonly #source: BlockSource;
  readonly #imageSize: number;
  #at = 0;
  #turn: Promise<void> = Promise.resolve();

  constructor(source: BlockSource, imageSize: number) {
    this.#source = source;
    this.#imageSize = imageSize;
  }

  /** Fills `into`. Calls may overlap; after one that failed all others fail alike. */
  read(offset: number, into: Bytes): Promise<void> {
    return this.#turn = this.#turn.then(async () => {
      await this.#skipTo(offset);
      await this.#fill(into);
    });
  }

  /** Reads to the end of the stream: only there its last checksums are looked at. */
  finish(): Promise<void> {
    return this.#turn = this.#turn.then(async () => {
      await this.#skipTo(this.#imageSize);
      const more = await this.#source.readAt(this.#at, new Uint8Array(1));
      if (more === 0) return;
      throw otherImage(`${this.#source.name} goes on at byte ${this.#at}`, this.#imageSize);
    });
  }

  async #skipTo(offset: number): Promise<void> {
    const scratch = new Uint8Array(Math.min(SKIP_BYTES, offset - this.#at));
    while (this.#at < offset) {
      await this.#fill(scratch.subarray(0, offset - this.#at));
    }
  }

  async #fill(into: Bytes): Promise<void> {
    const length = await this.#source.readAt(this.#at, into);
    this.#at += length;
    if (length < into.length) throw endsEarly(this.#source, this.#at, this.#imageSize);
  }
}

function endsEarly(source: BlockSource, offset: number, imageSize: number): ImagingError {
  return otherImage(`${source.name} ends at byte ${offset}`, imageSize);
}
