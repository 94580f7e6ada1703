/** Writes images that are a row of pieces, each of which is packed on its own. */
import type { Bytes, Chunk } from "../../core/block.ts";
import { endOf } from "../../core/range.ts";
import type { ImageOutput, ImagePlan, ImageSummary, ImageWriter } from "../image_format.ts";
import { ChunkCutter, isZero } from "./chunk_cutter.ts";
import type { ContentNotes } from "./content_notes.ts";

/** Parts below this are put together before they are written: a write has its price, too. */
const SMALL_PART_BYTES = 128 * 1024;

/** A piece as it stands in the file. */
export interface StoredPiece {
  readonly bytes: Bytes;
  /** Bytes of the medium that it holds. */
  readonly contentBytes: number;
  /** CRC-32 of the content; 0 where the container does not need it. */
  readonly crc32: number;
}

/** What stands around the pieces. */
export interface PieceContainer {
  readonly pieceBytes: number;
  /** What the file begins with. */
  readonly head: Bytes;
  /**
   * Packs each `pieceBytes` of `bytes`; the last piece may be shorter. The bytes stay as
   * they are until the pieces are written, which can be parts of them.
   */
  pack(bytes: Bytes): Promise<readonly StoredPiece[]>;
  /**
   * Takes note of the next piece of the file; the same one can come again. Answers what
   * stands between it and the next one; mostly nothing.
   */
  add(piece: StoredPiece): Bytes | undefined;
  /** What stands behind the pieces, which end at byte `offset` of the file. */
  end(notes: ContentNotes, offset: number): ContainerEnd;
}

/** See {@linkcode PieceContainer.end}. */
export interface ContainerEnd {
  /** Parts one behind the other. */
  readonly tail: readonly Bytes[];
  /** What takes the place of the head; absent where it stays as it is. */
  readonly head?: Bytes | undefined;
}

/**
 * See the head of this file. Nothing is kept but pieces under way: a chunk is given back
 * when all pieces that end in it are written, so the flow bounds the memory.
 */
export class PieceWriter implements ImageWriter {
  readonly name: string;
  readonly #output: ImageOutput;
  readonly #plan: ImagePlan;
  readonly #container: PieceContainer;
  readonly #cutter: ChunkCutter;
  /** Bytes of the medium so far. */
  #size = 0;
  /** A whole piece of zeros. */
  #zero: Promise<StoredPiece> | undefined;
  /** Byte of the file behind the pieces that have their place. */
  #fileEnd: number;
  /** Settles when all pieces so far have their place. */
  #placed: Promise<unknown>;
  /** Settles when all pieces so far are written. */
  #written: Promise<unknown>;
  #failure: { readonly cause: unknown } | undefined;

  constructor(output: ImageOutput, plan: ImagePlan, container: PieceContainer) {
    this.name = output.name;
    this.#output = output;
    this.#plan = plan;
    this.#container = container;
    this.#cutter = new ChunkCutter(container.pieceBytes);
    this.#fileEnd = container.head.length;
    this.#placed = Promise.resolve();
    this.#written = writeParts(output, 0, [container.head]);
    this.#written.catch((cause) => this.#failure ??= { cause });
  }

  async consume(chunk: Chunk): Promise<void> {
    if (chunk.offset !== this.#size) {
      throw new Error(`${this.name} got ${chunk.offset} instead of ${this.#size}`);
    }
    this.#size = endOf(chunk);
    const runs = runsOf(this.#cutter.cut(chunk.bytes), this.#container.pieceBytes);
    const written = this.#store(runs);
    // Of zeros nothing is looked at any more: the flow need not wait for what is before.
    if (runs.some(({ bytes }) => bytes !== undefined)) await written;
    else this.#throwFailure();
  }

  async sync(): Promise<void> {
    await this.#written;
    await this.#output.flush();
  }

  async finish(): Promise<ImageSummary> {
    const rest = this.#cutter.end();
    if (rest !== undefined) await this.#store(runsOf([rest], this.#container.pieceBytes));
    await this.#written;
    const digests = await this.#plan.digests?.() ?? [];
    const { tail, head } = this.#container.end({ size: this.#size, digests }, this.#fileEnd);
    await writeParts(this.#output, this.#fileEnd, tail);
    if (head !== undefined) await this.#output.writeAt(0, head);
    await this.#output.setSize(this.#fileEnd + totalBytes(tail));
    await this.#output.flush();
    return { size: this.#size, holeBytes: 0, compression: this.#plan.compression };
  }

  abort(cause: unknown): Promise<void> {
    this.#failure ??= { cause };
    return Promise.resolve();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.cause;
  }

  /** Settles when these pieces, and all before them, are written. */
  #store(runs: readonly PieceRun[]): Promise<void> {
    const packing = this.#pack(runs);
    const placing = this.#place(packing, this.#placed);
    this.#placed = placing;
    const writing = placing.then(({ offset, parts }) =>
      writeParts(this.#output, offset, parts)
    );
    const before = this.#written;
    const written = (async (): Promise<void> => {
      // Both, also after a failure: somebody may still look at the bytes.
      await Promise.allSettled([writing, before]);
      await before;
      await writing;
    })();
    this.#written = written;
    written.catch((cause) => this.#failure ??= { cause });
    return written;
  }

  /** Packs pieces on all cores, those of zeros just once. */
  async #pack(runs: readonly PieceRun[]): Promise<StoredPiece[]> {
    const work = runs.map(async (run) => {
      if (run.bytes !== undefined) return await this.#container.pack(run.bytes);
      const zero = await this.#zeroPiece();
      return Array.from({ length: run.count }, () => zero);
    });
    // All of it, also after a failure: packing still looks at the bytes.
    await Promise.allSettled(work);
    return (await Promise.all(work)).flat();
  }

  #zeroPiece(): Promise<StoredPiece> {
    return this.#zero ??= this.#container.pack(new Uint8Array(this.#container.pieceBytes))
      .then(([piece]) => {
        if (piece === undefined) throw new Error("Zeros were packed into nothing");
        return piece;
      });
  }

  /** Where pieces stand, once all before them have their place. */
  async #place(
    packing: Promise<readonly StoredPiece[]>,
    before: Promise<unknown>,
  ): Promise<{ readonly offset: number; readonly parts: readonly Bytes[] }> {
    await Promise.allSettled([packing, before]);
    await before;
    this.#throwFailure();
    const pieces = await packing;
    const offset = this.#fileEnd;
    const parts: Bytes[] = [];
    for (const piece of pieces) {
      parts.push(piece.bytes);
      const more = this.#container.add(piece);
      if (more !== undefined) parts.push(more);
    }
    this.#fileEnd += totalBytes(parts);
    return { offset, parts };
  }
}

/** Pieces that follow each other: all of them zeros, or others that lie so in memory. */
interface PieceRun {
  count: number;
  /** Absent where they are whole pieces of zeros. */
  bytes: Bytes | undefined;
}

function runsOf(pieces: readonly Bytes[], pieceBytes: number): PieceRun[] {
  const runs: PieceRun[] = [];
  for (const piece of pieces) {
    const last = runs.at(-1);
    const isZeros = piece.length === pieceBytes && isZero(piece);
    const joined = isZeros || last?.bytes === undefined
      ? undefined
      : joinedInMemory(last.bytes, piece);
    if (last !== undefined && isZeros && last.bytes === undefined) last.count++;
    else if (last !== undefined && joined !== undefined) {
      last.count++;
      last.bytes = joined;
    } else runs.push({ count: 1, bytes: isZeros ? undefined : piece });
  }
  return runs;
}

/** Both as one where the second lies right behind the first. */
function joinedInMemory(first: Bytes, second: Bytes): Bytes | undefined {
  const isNext = first.buffer === second.buffer &&
    first.byteOffset + first.length === second.byteOffset;
  return isNext
    ? new Uint8Array(first.buffer, first.byteOffset, first.length + second.length)
    : undefined;
}

/** Writes parts one behind the other. Settles when nobody looks at them any more. */
async function writeParts(
  output: ImageOutput,
  offset: number,
  parts: readonly Bytes[],
): Promise<void> {
  const writes: Promise<void>[] = [];
  let at = offset;
  for (const part of withoutSmallParts(parts)) {
    writes.push(output.writeAt(at, part));
    at += part.length;
  }
  for (const result of await Promise.allSettled(writes)) {
    if (result.status === "rejected") throw result.reason;
  }
}

/** The same bytes in parts most of which are large. */
function withoutSmallParts(parts: readonly Bytes[]): Bytes[] {
  const result: Bytes[] = [];
  let small: Bytes[] = [];
  const joinSmall = (): void => {
    const [first] = small;
    if (first !== undefined) result.push(small.length === 1 ? first : concatenated(small));
    small = [];
  };
  for (const part of parts) {
    if (part.length === 0) continue;
    if (part.length < SMALL_PART_BYTES) small.push(part);
    else {
      joinSmall();
      result.push(part);
    }
  }
  joinSmall();
  return result;
}

function concatenated(parts: readonly Bytes[]): Bytes {
  const whole = new Uint8Array(totalBytes(parts));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function totalBytes(parts: readonly Bytes[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}
