/** Chunks of an EWF image on their way into it: cut from the flow, and packed. */
import { Buffer } from "node:buffer";
import type { Bytes } from "../../core/block.ts";
import type { ZlibLevel, ZlibService } from "../../core/zlib.ts";

/** A chunk as it stands in the image. */
export interface PackedChunk {
  /** A zlib stream, or the plain bytes and their Adler-32? */
  readonly isPacked: boolean;
  /** What stands in the image, in this order. */
  readonly parts: readonly Bytes[];
  /** Bytes of all parts. */
  readonly length: number;
}

/** Cuts what comes in pieces of any size into chunks. */
export class ChunkCutter {
  readonly #chunkBytes: number;
  /** The beginning of the next chunk, in a buffer for all of it. */
  #rest: Bytes | undefined;
  #restBytes = 0;

  constructor(chunkBytes: number) {
    this.#chunkBytes = chunkBytes;
  }

  /** The chunks that these bytes complete: parts of them, but for the first one maybe. */
  cut(bytes: Bytes): Bytes[] {
    const chunks: Bytes[] = [];
    let at = 0;
    if (this.#rest !== undefined) {
      at = this.#keep(bytes);
      if (this.#restBytes < this.#chunkBytes) return chunks;
      chunks.push(this.#rest);
      this.#rest = undefined;
      this.#restBytes = 0;
    }
    for (; at + this.#chunkBytes <= bytes.length; at += this.#chunkBytes) {
      chunks.push(bytes.subarray(at, at + this.#chunkBytes));
    }
    if (at < bytes.length) this.#keep(bytes.subarray(at));
    return chunks;
  }

  /** What is left of the last chunk at the end of the medium; undefined when nothing is. */
  end(): Bytes | undefined {
    return this.#rest?.subarray(0, this.#restBytes);
  }

  /** Copies as much as the next chunk still needs; answers how many bytes that were. */
  #keep(bytes: Bytes): number {
    const rest = this.#rest ??= new Uint8Array(this.#chunkBytes);
    const part = bytes.subarray(0, this.#chunkBytes - this.#restBytes);
    rest.set(part, this.#restBytes);
    this.#restBytes += part.length;
    return part.length;
  }
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
    const { bytes, lengths } = await zlib.deflate(joined(chunks), chunkBytes, level);
    let end = 0;
    return chunks.map((chunk, index) => {
      const stream = bytes.subarray(end, end += lengths[index] ?? 0);
      return {
        stream: always || stream.length < chunk.length ? stream : undefined,
        // A stream ends with it, most significant byte first.
        checksum: stream.slice(-4).reverse(),
      };
    });
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

/** The parts one behind the other; not copied where they lie in memory like that. */
export function joined(parts: readonly Bytes[]): Bytes {
  const [first] = parts;
  if (first === undefined) return new Uint8Array();
  let length = 0;
  let isOne = true;
  for (const part of parts) {
    isOne &&= part.buffer === first.buffer && part.byteOffset === first.byteOffset + length;
    length += part.length;
  }
  if (isOne) return new Uint8Array(first.buffer, first.byteOffset, length);
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Chunks are compared with it piece by piece, by the runtime's own comparison. */
const ZEROS = new Uint8Array(32 * 1024);

function isZero(bytes: Bytes): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const piece = bytes.subarray(at, at + ZEROS.length);
    if (!isSame(piece, ZEROS.subarray(0, piece.length))) return false;
  }
  return true;
}

function isSame(a: Bytes, b: Bytes): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}
