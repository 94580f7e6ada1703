/// <reference lib="deno.worker" />
/**
 * Packs and unpacks on a thread of its own, from memory that other threads own. Driven by
 * zlib_thread.ts.
 */
import { nativeBytes } from "../../ffi/memory.ts";
import type { PieceChecksum } from "../core/zlib.ts";
import type { StreamPacking } from "./zlib_engine.ts";
import type { JoinedPieces, PackForm } from "./zlib_parts.ts";
import { ZlibPieces } from "./zlib_pieces.ts";

/** Bytes that another thread owns, and leaves as they are until the answer. */
export interface ForeignBytes {
  /** Anything where there are none. */
  readonly address: bigint;
  readonly length: number;
}

/** What the worker is told. Answers come in the same order. */
export type ZlibRequest = ZlibWorkRequest | ZlibEnd;

/** What it is to do. */
export type ZlibWorkRequest =
  | { readonly pack: ForeignBytes; readonly pieceBytes: number; readonly form: PackForm }
  | {
    readonly unpack: readonly ForeignBytes[];
    readonly maxBytes: number;
    readonly packing: StreamPacking;
    /** Memory of another thread that is written into until the answer. */
    readonly places: readonly (ForeignBytes | undefined)[];
  }
  | { readonly sum: ForeignBytes; readonly pieceBytes: number; readonly kind: PieceChecksum };

/** Told last: what the thread holds of the system is given back, and it ends. */
export interface ZlibEnd {
  readonly end: true;
}

/** What comes of it, see {@linkcode ZlibPieces}. */
export type ZlibReply = JoinedPieces;

const pieces = new ZlibPieces();

self.onmessage = (event: MessageEvent<ZlibRequest>): void => {
  if ("end" in event.data) {
    pieces[Symbol.dispose]();
    self.close();
    return;
  }
  const reply = answer(event.data);
  self.postMessage(reply, [reply.bytes.buffer]);
};

function answer(request: ZlibWorkRequest): ZlibReply {
  if ("pack" in request) {
    return pieces.pack(bytesOf(request.pack), request.pieceBytes, request.form);
  }
  if ("sum" in request) {
    return pieces.checksums(bytesOf(request.sum), request.pieceBytes, request.kind);
  }
  const places = request.places.map((place) => place && bytesOf(place));
  return pieces.unpack(request.unpack.map(bytesOf), request.maxBytes, request.packing, places);
}

function bytesOf({ address, length }: ForeignBytes): Uint8Array<ArrayBuffer> {
  return length === 0 ? new Uint8Array() : nativeBytes(address, length);
}
