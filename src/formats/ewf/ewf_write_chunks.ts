/** Chunks of an EWF image on their way into it: cut from the flow, and packed. */
import type { Bytes } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";
import type { ZlibLevel, ZlibService } from "../../core/zlib.ts";
import { isSame, isZero } from "../pieces/chunk_cutter.ts";

export { ChunkCutter } from "../pieces/chunk_cutter.ts";

/** A chunk as it stands in the image. */
export interface PackedChunk {
  /** A zlib stream, or the plain bytes and their Adler-32? */
  readonly isPacked: boolean;
  /** What stands in the image, in this order. */
  readonly parts: readonly Bytes[];
  /** Bytes of all parts. */
  readonly length: number;
}

/** What zlib made of a chunk. */
interface Form {
  /** Absent when it did not get smaller. */
  readonly stream: Bytes | undefined;
  /** Adler-32 of the chunk, little endian. */
  readonly checksum: Bytes;
}

/** How chunks are packed. */
export interface PackerOptions {
  readonly zlib: ZlibService;
  readonly chunkBytes: number;
  readonly level: ZlibLevel;
  /** Also chunks that get larger by it? */
  readonly always: boolean;
}

/** Of the Adler-32 at the end of a zlib stream, and of a plain chunk. */
const CHECKSUM_BYTES = 4;

/** Stand for a form that is not made of the chunks at hand. */
const ZERO = -1;
const BEFORE = -2;

/** Packs chunks on all cores, and those that repeat, or hold zeros only, just once. */
export class ChunkPacker {
  readonly #options: PackerOptions;
  /** Of a whole chunk of zeros. */
  #zero: Promise<Form> | undefined;
  /** The chunk before. */
  #last: { readonly bytes: Bytes; readonly form: Promise<Form> } | undefined;

  constructor(options: PackerOptions) {
    this.#options = options;
  }

  /**
   * Packs chunks that follow those of the call before; it may still be under way. The
   * chunks may not change until the promise settles, and for as long as the result is used.
   */
  pack(chunks: readonly Bytes[]): Promise<readonly PackedChunk[]> {
    const { fresh, origins } = this.#sort(chunks);
    const forms = this.#formsOf(fresh, origins, this.#last?.form);
    this.#remember(chunks, forms);
    return forms.then((all) =>
      chunks.flatMap((chunk, index) => {
        const form = all[index];
        return form === undefined ? [] : [packed(chunk, form)];
      })
    );
  }

  /** Which chunks have to be packed, and for each chunk the index of its form there. */
  #sort(chunks: readonly Bytes[]): { fresh: Bytes[]; origins: number[] } {
    const fresh: Bytes[] = [];
    const origins: number[] = [];
    let before = this.#last?.bytes;
    for (const chunk of chunks) {
      if (chunk.length === this.#options.chunkBytes && isZero(chunk)) origins.push(ZERO);
      else if (before !== undefined && isSame(chunk, before)) {
        origins.push(origins.at(-1) ?? BEFORE);
      } else origins.push(fresh.push(chunk) - 1);
      before = chunk;
    }
    return { fresh, origins };
  }

  async #formsOf(
    fresh: readonly Bytes[],
    origins: readonly number[],
    before: Promise<Form> | undefined,
  ): Promise<readonly Form[]> {
    if (origins.includes(ZERO)) {
      this.#zero ??= this.#deflate([new Uint8Array(this.#options.chunkBytes)])
        .then(([form]) => form as Form);
    }
    const work = [this.#deflate(fresh), this.#zero, before] as const;
    // All of it, also after a failure: packing still looks at the bytes.
    await Promise.allSettled(work);
    const [made, zero, last] = await Promise.all(work);
    return origins.flatMap((origin) =>
      (origin === ZERO ? zero : origin === BEFORE ? last : made[origin]) ?? []
    );
  }

  async #deflate(chunks: readonly Bytes[]): Promise<readonly Form[]> {
    if (chunks.length === 0) return [];
    const { zlib, chunkBytes, level, always } = this.#options;
    if (level === 0 && !always) {
      const sums = await zlib.checksums(joined(chunks), chunkBytes, "adler32");
      return Array.from(sums, (sum) => ({ stream: undefined, checksum: littleEndian(sum) }));
    }
    const streams = await zlib.deflate(joined(chunks), chunkBytes, level, !always);
    return streams.map((stream, index) => ({
      stream: always || isShorter(stream, chunks[index]) ? stream : undefined,
      // A stream ends with it, most significant byte first.
      checksum: stream.slice(-CHECKSUM_BYTES).reverse(),
    }));
  }

  #remember(chunks: readonly Bytes[], forms: Promise<readonly Form[]>): void {
    const last = chunks.at(-1);
    if (last === undefined) return;
    const form = forms.then((all) => all.at(-1) as Form);
    // It is told by `pack`; here nobody may ask for it.
    form.catch(() => {});
    this.#last = { bytes: last.slice(), form };
  }
}

function packed(chunk: Bytes, { stream, checksum }: Form): PackedChunk {
  return stream === undefined
    ? { isPacked: false, parts: [chunk, checksum], length: chunk.length + checksum.length }
    : { isPacked: true, parts: [stream], length: stream.length };
}

/** The checksum alone stands for streams that are not. */
function isShorter(stream: Bytes, chunk: Bytes | undefined): boolean {
  return stream.length > CHECKSUM_BYTES && stream.length < (chunk?.length ?? 0);
}

function littleEndian(value: number): Bytes {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value, true);
  return bytes;
}

/**
 * The parts one behind the other; not copied where they lie in memory like that. Copied
 * into `into` where that is large enough.
 */
export function joined(parts: readonly Bytes[], into: Bytes = new Uint8Array()): Bytes {
  const [first] = parts;
  if (first === undefined) return new Uint8Array();
  let length = 0;
  let isOne = true;
  for (const part of parts) {
    isOne &&= part.buffer === first.buffer && part.byteOffset === first.byteOffset + length;
    length += part.length;
  }
  if (isOne) return new Uint8Array(first.buffer, first.byteOffset, length);
  const bytes = into.length >= length ? into.subarray(0, length) : new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
