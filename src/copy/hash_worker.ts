/// <reference lib="deno.worker" />
/**
 * Computes one digest on a thread of its own, over memory that other threads own.
 * Driven by the consumers of hash_consumers.ts.
 */
import { nativeBytes } from "../../ffi/memory.ts";
import type { Hasher } from "../hashes/hash_algorithm.ts";
import { findHash } from "../hashes/registry.ts";

/** What the worker is told. Answers come in the same order. */
export type HashRequest =
  | { readonly start: string }
  | { readonly address: bigint; readonly length: number }
  | { readonly finish: true };

/** The digest after `finish`; an empty answer for everything else. */
export type HashReply = Uint8Array | undefined;

let hasher: Promise<Hasher> | undefined;

self.onmessage = async (event: MessageEvent<HashRequest>): Promise<void> => {
  const request = event.data;
  if ("start" in request) {
    hasher = findHash(request.start)?.create();
    return;
  }
  const running = await hasher;
  if (running === undefined) throw new Error("The hash worker was not started");
  if ("finish" in request) {
    self.postMessage(running.digest());
    return;
  }
  running.update(nativeBytes(request.address, request.length));
  self.postMessage(undefined);
};
