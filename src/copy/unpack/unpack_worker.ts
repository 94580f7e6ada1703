/// <reference lib="deno.worker" />
/**
 * Unpacks a stream on a thread of its own. Driven by unpack_thread.ts. Buffers are handed
 * over and back, so nothing is copied on the way.
 */
import type { Bytes } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import type { Packing } from "../../core/unpack.ts";
import { makeDecoder } from "./unpack_decoders.ts";
import { type Need, Unpacking } from "./unpack_flow.ts";

/** What the worker is told; `start` comes first. */
export type UnpackRequest =
  | { readonly start: Packing }
  /** The next piece of the packed file. */
  | { readonly packed: Bytes }
  /** There are no more pieces. */
  | { readonly end: true }
  /** A buffer for what is unpacked. */
  | { readonly room: Bytes };

/** What the worker answers. */
export type UnpackReply =
  /** What was unpacked, at the beginning of its buffer. */
  | { readonly content: Bytes; readonly packedBytes: number }
  /** A buffer of packed bytes that is not needed any more. */
  | { readonly empty: ArrayBuffer }
  /** All was unpacked, and is right. */
  | { readonly done: UnpackEnd }
  /** The stream is not as it should be. */
  | { readonly damage: UnpackDamage };

/** All that was used and made. */
export interface UnpackEnd {
  readonly packedBytes: number;
  readonly contentBytes: number;
}

/** What a {@linkcode FormatError} says. */
export interface UnpackDamage {
  readonly message: string;
  readonly offset: number;
  readonly field: string;
  readonly hint: string | undefined;
}

/** Unpacks as far as it was given packed bytes and room. */
class UnpackLoop {
  readonly #unpacking: Unpacking;
  readonly #pieces: Bytes[] = [];
  readonly #rooms: Bytes[] = [];
  /** What the decoder has. */
  #piece: Bytes | undefined;
  #room: Bytes | undefined;
  #hasAllPieces = false;
  /** Bytes that were sent. */
  #contentBytes = 0;
  #need: Need | "end" = "packed";

  constructor(unpacking: Unpacking) {
    this.#unpacking = unpacking;
  }

  take(request: UnpackRequest): void {
    if ("packed" in request) this.#pieces.push(request.packed);
    if ("room" in request) this.#rooms.push(request.room);
    if ("end" in request) this.#hasAllPieces = true;
    try {
      this.#goOn();
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#need = "end";
      this.#handOver();
      const { message, offset, field, hint } = error;
      send({ damage: { message, offset, field, hint } });
    }
  }

  #goOn(): void {
    while (this.#supply()) {
      this.#need = this.#unpacking.run();
      if (this.#need !== "end") continue;
      this.#handOver();
      const packedBytes = this.#unpacking.input.offset;
      send({ done: { packedBytes, contentBytes: this.#contentBytes } });
    }
  }

  /** Gives the decoder what it needs; false where that is not there. */
  #supply(): boolean {
    switch (this.#need) {
      case "packed":
        return this.#supplyPacked();
      case "room":
        return this.#supplyRoom();
      case "end":
        return false;
    }
  }

  #supplyPacked(): boolean {
    const { input } = this.#unpacking;
    if (this.#piece !== undefined) {
      const { buffer } = this.#piece;
      this.#piece = undefined;
      send({ empty: buffer }, buffer);
    }
    this.#piece = this.#pieces.shift();
    if (this.#piece !== undefined) input.supply(this.#piece);
    else if (this.#hasAllPieces) input.end();
    else return false;
    return true;
  }

  #supplyRoom(): boolean {
    this.#handOver();
    this.#room = this.#rooms.shift();
    if (this.#room === undefined) return false;
    this.#unpacking.output.supply(this.#room);
    return true;
  }

  /** Sends what was unpacked. */
  #handOver(): void {
    const { input, output } = this.#unpacking;
    const content = this.#room?.subarray(0, output.length);
    this.#room = undefined;
    if (content === undefined) return;
    this.#contentBytes += content.length;
    send({ content, packedBytes: input.offset }, content.buffer);
  }
}

function send(reply: UnpackReply, ...buffers: ArrayBuffer[]): void {
  self.postMessage(reply, buffers);
}

let loop: Promise<UnpackLoop> | undefined;

self.onmessage = async ({ data }: MessageEvent<UnpackRequest>): Promise<void> => {
  if ("start" in data) {
    loop = makeDecoder(data.start).then((decoder) => new UnpackLoop(new Unpacking(decoder)));
  } else (await loop)?.take(data);
};
