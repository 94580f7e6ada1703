import { addressOf } from "../../ffi/memory.ts";
import type { Bytes } from "../core/block.ts";
import type {
  PackedPiece,
  PieceChecksum,
  PieceForm,
  PiecePacking,
  ZlibLevel,
  ZlibService,
} from "../core/zlib.ts";
import type { StreamPacking } from "./zlib_engine.ts";
import {
  packedParts,
  type PackForm,
  type Places,
  unpackedLimit,
  unpackedParts,
} from "./zlib_parts.ts";
import type { ZlibPieces } from "./zlib_pieces.ts";
import { ZlibThread, type ZlibWork } from "./zlib_thread.ts";
import type { ForeignBytes, ZlibReply, ZlibWorkRequest } from "./zlib_worker.ts";

/** Below this a call is done on the thread that asks: others would take longer to start. */
const SMALL_BYTES = 256 * 1024;

/** Unpacked bytes that a thread packs in one go, but for pieces that are larger. */
const WORK_BYTES = 256 * 1024;

/** The same for unpacking, which takes less time than asking for it does. */
const UNPACK_WORK_BYTES = 512 * 1024;

/** The same for checksums, which take a hundredth of the time of packing. */
const SUM_WORK_BYTES = 2 * 1024 * 1024;

/** Works that a thread is given ahead, so that it never waits for the main thread. */
const WORKS_AHEAD = 2;

/** More threads than this do not help anybody. */
const MAX_THREADS = 16;

/** Settings of a {@linkcode ZlibPool}. */
export interface ZlibPoolOptions {
  /** How many threads pack, 1 to 16; as many as there are cores when it is absent. */
  readonly threads?: number | undefined;
}

/**
 * Threads that pack and unpack, started by the first large call. What all calls ask for
 * waits in one queue, so no core is idle while there is work. Threads look at the
 * caller's memory itself; results are handed over without a copy where that is possible.
 */
export class ZlibPool implements ZlibService, Disposable {
  /** For small calls; loaded with the first one. */
  #pieces: Promise<ZlibPieces> | undefined;
  readonly #threadCount: number;
  readonly #threads = new Set<ZlibThread>();
  readonly #queue: ZlibWork[] = [];
  #ended: Error | undefined;

  constructor({ threads = navigator.hardwareConcurrency }: ZlibPoolOptions = {}) {
    this.#threadCount = Math.min(Math.max(1, Math.floor(threads)), MAX_THREADS);
  }

  async deflate(
    bytes: Bytes,
    pieceBytes: number,
    level: ZlibLevel,
    onlyShorter = false,
  ): Promise<readonly Bytes[]> {
    const form = { packing: "zlib", level, onlyShorter } as const;
    const packed = await this.#pack(bytes, pieceBytes, form);
    return packed.map((piece) => piece.bytes);
  }

  /** What is answered can share buffers: of up to 256 KiB, unless one piece is larger. */
  async pack(
    bytes: Bytes,
    pieceBytes: number,
    form: PieceForm,
  ): Promise<readonly PackedPiece[]> {
    return await this.#pack(bytes, pieceBytes, form);
  }

  async #pack(bytes: Bytes, pieceBytes: number, form: PackForm): Promise<PackedPiece[]> {
    this.#check(pieceBytes);
    if (bytes.length < SMALL_BYTES) {
      return packedParts((await this.#here()).pack(bytes, pieceBytes, form));
    }
    const requests = worksOf(bytes, pieceBytes, WORK_BYTES).map((work) => ({
      pack: foreign(work),
      pieceBytes,
      form,
    }));
    const replies = await this.#run(requests, bytes);
    return replies.flatMap(packedParts);
  }

  async checksums(bytes: Bytes, pieceBytes: number, kind: PieceChecksum): Promise<Uint32Array> {
    this.#check(pieceBytes);
    if (bytes.length < SMALL_BYTES) {
      return (await this.#here()).checksums(bytes, pieceBytes, kind).checksums;
    }
    const requests = worksOf(bytes, pieceBytes, SUM_WORK_BYTES).map((work) => ({
      sum: foreign(work),
      pieceBytes,
      kind,
    }));
    const replies = await this.#run(requests, bytes);
    return Uint32Array.from(replies.flatMap(({ checksums }) => [...checksums]));
  }

  async inflate(
    streams: readonly Bytes[],
    maxBytes: number,
    places: Places = [],
  ): Promise<readonly (Bytes | undefined)[]> {
    return await this.#unpack(streams, maxBytes, "zlib", places);
  }

  /** What is answered can share buffers: of up to 256 KiB, unless one piece holds more. */
  async unpack(
    pieces: readonly Bytes[],
    maxBytes: number,
    packing: PiecePacking,
  ): Promise<readonly (Bytes | undefined)[]> {
    return await this.#unpack(pieces, maxBytes, packing);
  }

  async #unpack(
    streams: readonly Bytes[],
    maxBytes: number,
    packing: StreamPacking,
    places: Places = [],
  ): Promise<readonly (Bytes | undefined)[]> {
    if (this.#ended !== undefined) throw this.#ended;
    const limits = streams.map((stream) => unpackedLimit(stream, maxBytes, packing));
    if (limits.reduce((sum, limit) => sum + limit, 0) < SMALL_BYTES) {
      const here = await this.#here();
      return unpackedParts(here.unpack(streams, maxBytes, packing, places), places);
    }
    const requests: ZlibWorkRequest[] = [];
    const placesOf: Places[] = [];
    for (let first = 0, next = 0; first < streams.length; first = next) {
      let bytes = 0;
      while (next < streams.length && bytes < UNPACK_WORK_BYTES) bytes += limits[next++] ?? 0;
      const own = places.slice(first, next);
      placesOf.push(own);
      requests.push({
        unpack: streams.slice(first, next).map(foreign),
        maxBytes,
        packing,
        places: own.map((place) => place && foreign(place)),
      });
    }
    const replies = await this.#run(requests, [...streams, ...places]);
    return replies.flatMap((reply, index) => unpackedParts(reply, placesOf[index]));
  }

  #here(): Promise<ZlibPieces> {
    return this.#pieces ??= import("./zlib_pieces.ts").then((module) =>
      new module.ZlibPieces()
    );
  }

  #check(pieceBytes: number): void {
    if (this.#ended !== undefined) throw this.#ended;
    if (!Number.isSafeInteger(pieceBytes) || pieceBytes < 1) {
      throw new RangeError(`pieces of ${pieceBytes} bytes`);
    }
  }

  /**
   * Ends the threads; no call can be made any more. Calls under way are rejected: at once
   * what waits, and as soon as no thread looks at their memory what is being done.
   */
  [Symbol.dispose](): void {
    const error = this.#ended ??= new Error("The threads for zlib were ended");
    for (const work of this.#queue.splice(0)) work.outcome.reject(error);
    for (const thread of this.#threads) thread.end(error);
    // Where it could not be loaded there is nothing to give back: whoever asked was told.
    this.#pieces?.then((pieces) => pieces[Symbol.dispose](), () => {});
  }

  async #run(requests: readonly ZlibWorkRequest[], memory: unknown): Promise<ZlibReply[]> {
    const works = requests.map((request) => ({
      request,
      memory,
      outcome: Promise.withResolvers<ZlibReply>(),
    }));
    this.#queue.push(...works);
    this.#feed();
    for (const { outcome } of works) {
      outcome.promise.catch((error: unknown) => this.#drop(works, error));
    }
    // All of them, also after a failure: threads still look at the memory.
    const settled = await Promise.allSettled(works.map(({ outcome }) => outcome.promise));
    return settled.map((each) => {
      if (each.status === "rejected") throw each.reason;
      return each.value;
    });
  }

  /** Forgets what waits of a call that has failed. */
  #drop(works: readonly ZlibWork[], error: unknown): void {
    for (const work of works) {
      const place = this.#queue.indexOf(work);
      if (place < 0) continue;
      this.#queue.splice(place, 1);
      work.outcome.reject(error);
    }
  }

  /** Gives out what waits, as far as threads take it. */
  #feed(): void {
    while (this.#queue.length > 0) {
      const thread = this.#freeThread();
      const work = thread === undefined ? undefined : this.#queue.shift();
      if (work === undefined) return;
      thread?.give(work);
    }
  }

  /** The thread with the least to do; a new one while all have something and more may be. */
  #freeThread(): ZlibThread | undefined {
    const [idlest] = [...this.#threads].toSorted((a, b) => a.load - b.load);
    if (idlest?.load === 0) return idlest;
    if (this.#threads.size < this.#threadCount) {
      const thread = new ZlibThread((changed) => this.#onChange(changed));
      this.#threads.add(thread);
      return thread;
    }
    return idlest !== undefined && idlest.load < WORKS_AHEAD ? idlest : undefined;
  }

  #onChange(thread: ZlibThread): void {
    if (thread.hasEnded) this.#threads.delete(thread);
    if (this.#ended === undefined) this.#feed();
  }
}

/** The bytes in works of whole pieces, of `wanted` bytes unless one piece is larger. */
function worksOf(bytes: Bytes, pieceBytes: number, wanted: number): Bytes[] {
  const workBytes = Math.ceil(wanted / pieceBytes) * pieceBytes;
  const works: Bytes[] = [];
  for (let at = 0; at < bytes.length; at += workBytes) {
    works.push(bytes.subarray(at, at + workBytes));
  }
  return works;
}

/** Where bytes lie, for another thread. */
function foreign(bytes: Bytes): ForeignBytes {
  return bytes.length === 0
    ? { address: 0n, length: 0 }
    : { address: addressOf(bytes), length: bytes.length };
}
