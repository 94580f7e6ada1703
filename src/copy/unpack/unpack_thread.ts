import type { BlockSource, Bytes } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import type { Packing, UnpackedStream } from "../../core/unpack.ts";
import type { UnpackEnd, UnpackReply, UnpackRequest } from "./unpack_worker.ts";

/** Bytes that are read at once of the packed file. */
const PACKED_PIECE_BYTES = 1024 * 1024;

/** Pieces of the packed file that are read ahead. */
const PACKED_PIECES = 4;

/** Bytes that are unpacked at once. */
const CONTENT_PIECE_BYTES = 1024 * 1024;

/** Pieces that are unpacked ahead. */
const CONTENT_PIECES = 8;

/** Unpacked bytes that nobody has asked for yet. */
interface Content {
  readonly bytes: Bytes;
  /** How far the packed file was used then. */
  readonly packedBytes: number;
}

/**
 * A packed file that a thread unpacks. Reading it, unpacking, and what is done with the
 * content go on at the same time, as far as the buffers between them reach.
 */
export class UnpackThreadStream implements UnpackedStream {
  readonly #packing: Packing;
  readonly #file: BlockSource;
  #worker: Worker | undefined;
  /** Buffers for packed bytes that are free. */
  readonly #freePacked: ArrayBuffer[] = [];
  /** Bytes of the packed file that were read. */
  #readBytes = 0;
  #hasReadAll = false;
  #reading: Promise<void> | undefined;
  readonly #contents: Content[] = [];
  /** Bytes of the first content that were taken. */
  #taken = 0;
  #packedBytes = 0;
  /** What the thread says at the end: all of both files. */
  #end: UnpackEnd | undefined;
  /** Bytes of the content that were taken in all. */
  #takenBytes = 0;
  #failure: { readonly error: unknown } | undefined;
  /** Called when there may be something new to read. */
  #wake = (): void => {};

  constructor(packing: Packing, file: BlockSource) {
    this.#packing = packing;
    this.#file = file;
  }

  get packedBytes(): number {
    return this.#packedBytes;
  }

  async read(into: Bytes): Promise<number> {
    this.#start();
    let length = 0;
    while (length < into.length) {
      const content = this.#contents[0];
      if (content !== undefined) length += this.#take(content, into.subarray(length));
      else if (this.#failure !== undefined) throw this.#failure.error;
      else if (this.#end !== undefined) break;
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
    if (length < into.length && this.#end !== undefined) this.#checkEnd(this.#end);
    return length;
  }

  /** Did everything arrive? */
  #checkEnd({ packedBytes, contentBytes }: UnpackEnd): void {
    this.#packedBytes = packedBytes;
    if (this.#takenBytes === contentBytes && this.#readBytes === packedBytes) return;
    throw new Error(`Of ${contentBytes} unpacked bytes ${this.#takenBytes} arrived`);
  }

  #take({ bytes, packedBytes }: Content, into: Bytes): number {
    this.#packedBytes = packedBytes;
    const length = Math.min(into.length, bytes.length - this.#taken);
    into.set(bytes.subarray(this.#taken, this.#taken + length));
    this.#taken += length;
    this.#takenBytes += length;
    if (this.#taken === bytes.length) {
      this.#contents.shift();
      this.#taken = 0;
      // From here on the bytes are the thread's: they have no length any more.
      this.#tell({ room: new Uint8Array(bytes.buffer) });
    }
    return length;
  }

  #start(): void {
    if (this.#worker !== undefined || this.#failure !== undefined) return;
    this.#worker = new Worker(new URL("./unpack_worker.ts", import.meta.url), {
      type: "module",
      name: `unpack ${this.#packing}`,
    });
    this.#worker.onmessage = (event: MessageEvent<UnpackReply>) => this.#hear(event.data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new Error(`The thread that unpacks died: ${event.message}`));
    };
    this.#tell({ start: this.#packing });
    for (let count = 0; count < CONTENT_PIECES; count++) {
      this.#tell({ room: new Uint8Array(CONTENT_PIECE_BYTES) });
    }
    for (let count = 0; count < PACKED_PIECES; count++) {
      this.#freePacked.push(new ArrayBuffer(PACKED_PIECE_BYTES));
    }
    this.#readOn();
  }

  #tell(request: UnpackRequest): void {
    const buffers = "packed" in request
      ? [request.packed.buffer]
      : "room" in request
      ? [request.room.buffer]
      : [];
    this.#worker?.postMessage(request, buffers);
  }

  #hear(reply: UnpackReply): void {
    if (this.#failure !== undefined) return;
    if ("empty" in reply) {
      this.#freePacked.push(reply.empty);
      this.#readOn();
    } else if ("content" in reply) {
      this.#contents.push({ bytes: reply.content, packedBytes: reply.packedBytes });
      this.#wake();
    } else if ("done" in reply) {
      this.#end = reply.done;
      this.#worker?.terminate();
      this.#wake();
    } else {
      const { message, offset, field, hint } = reply.damage;
      this.#fail(new FormatError(message, offset, field, { hint }));
    }
  }

  /** Ends the thread. What was unpacked before can still be read. */
  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#worker?.terminate();
    this.#wake();
  }

  /** Reads the packed file as far as there are buffers. */
  #readOn(): void {
    this.#reading ??= this.#readPieces().finally(() => this.#reading = undefined);
  }

  async #readPieces(): Promise<void> {
    try {
      while (!this.#hasReadAll && this.#failure === undefined) {
        const buffer = this.#freePacked.pop();
        if (buffer === undefined) return;
        const piece = new Uint8Array(buffer);
        const length = await this.#file.readAt(this.#readBytes, piece);
        if (this.#failure !== undefined) return;
        this.#readBytes += length;
        this.#hasReadAll = length < piece.length;
        if (length > 0) this.#tell({ packed: piece.subarray(0, length) });
        if (this.#hasReadAll) this.#tell({ end: true });
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#contents.length = 0;
    this.#fail(new Error("The packed stream was closed"));
    // The file is in use until then.
    await this.#reading;
  }
}
