import { isZero } from "../../ffi/memory.ts";
import {
  type Bytes,
  type Chunk,
  type ChunkConsumer,
  type CopyProgress,
  ZERO_BLOCK_BYTES,
} from "../core/block.ts";
import { ImagingError } from "../core/errors.ts";
import { mergeRanges, type Range } from "../core/range.ts";
import { BufferRing, type RingSlot } from "./buffer_ring.ts";
import type { ReadPolicy } from "./read_policy.ts";

/** Bytes a request, unless the user says otherwise. */
export const DEFAULT_CHUNK_BYTES = 4 * 1024 * 1024;

/** Memory that the buffers of one copy take, unless there are several at once. */
export const DEFAULT_RING_BYTES = 32 * 1024 * 1024;

/** After a cancellation: how long calls that are under way may take to end. */
const DRAIN_MILLISECONDS = 400;

/** What to copy, from where to where. */
export interface CopyOptions<Consumers extends readonly ChunkConsumer[]> {
  readonly policy: ReadPolicy;
  readonly consumers: Consumers;
  /** Bytes a buffer: at least what the policy asks for at once. */
  readonly chunkBytes?: number | undefined;
  /** Bytes of all buffers together; at least two buffers are taken. */
  readonly ringBytes?: number | undefined;
  readonly onProgress?: ((progress: CopyProgress) => void) | undefined;
  /** Ends the copy. */
  readonly signal?: AbortSignal | undefined;
}

/** What every consumer answered, in their order. */
export type ConsumerResults<Consumers extends readonly ChunkConsumer[]> = {
  -readonly [Index in keyof Consumers]: Consumers[Index] extends ChunkConsumer<infer Result>
    ? Result
    : never;
};

/** What a copy came to. */
export interface CopyResult<Consumers extends readonly ChunkConsumer[]> {
  /** Bytes that were read, unreadable ones included. */
  readonly bytes: number;
  /** Unreadable places. */
  readonly bad: readonly Range[];
  readonly results: ConsumerResults<Consumers>;
}

/**
 * The one flow: reads what the policy says into a ring of buffers and hands each
 * chunk, in order, to every consumer. Reading runs ahead; each consumer goes at its
 * own pace within the ring.
 *
 * @throws {ImagingError} the first failure of the policy or of a consumer, after
 * every consumer was told to give up; kind `cancelled` after `signal`.
 */
export async function runCopy<const Consumers extends readonly ChunkConsumer[]>(
  options: CopyOptions<Consumers>,
): Promise<CopyResult<Consumers>> {
  const { policy, consumers, onProgress, signal } = options;
  const chunkBytes = options.chunkBytes ?? DEFAULT_CHUNK_BYTES;
  const ringBytes = options.ringBytes ?? DEFAULT_RING_BYTES;
  const slots = Math.max(2, Math.min(16, Math.floor(ringBytes / chunkBytes)));
  const ring = new BufferRing(chunkBytes, slots);
  const stop = Promise.withResolvers<void>();
  /** Ends the wait for a buffer. One promise for all waits would keep a trace of each. */
  let stopWaiting = (): void => {};
  const inFlight = new Set<Promise<void>>();
  const bad: Range[] = [];
  let failure: { readonly error: unknown } | undefined;
  let ended = false;
  let bytes = 0;
  let badBytes = 0;

  const fail = (error: unknown): void => {
    failure ??= { error };
    policy.cancel?.();
    stop.resolve();
    stopWaiting();
  };
  const cancel = (): void =>
    fail(new ImagingError("cancelled", "cancelled", { cause: signal?.reason }));
  if (signal?.aborted) cancel();
  signal?.addEventListener("abort", cancel);

  /** Settles when the chunk before was handed to the consumers. */
  let handedOver: Promise<void> = Promise.resolve();
  const process = async (
    range: Range,
    slot: RingSlot,
    before: Promise<void>,
    handOver: () => void,
  ): Promise<void> => {
    let lentUntil: Promise<void> | undefined;
    try {
      const into = slot.bytes.subarray(0, range.length);
      const outcome = await policy.read(range, into, (returned) => {
        lentUntil = returned;
      });
      await before;
      if (outcome.length < range.length) ended = true;
      if (failure !== undefined || outcome.length === 0) return;
      const { bytes: content = into, length, bad: lost } = outcome;
      const chunk = makeChunk(range.offset, content.subarray(0, length), lost);
      // Async, so that one that throws at once counts like one that rejects.
      const consumed = consumers.map(async (consumer) => {
        try {
          await consumer.consume(chunk);
        } catch (error) {
          // At once: it must not be given more while the others take their time.
          fail(error);
        }
      });
      handOver();
      // All of them, also after a failure: the others still look at the buffer.
      await Promise.all(consumed);
      if (failure !== undefined) return;
      bytes += chunk.length;
      for (const range of chunk.bad) {
        bad.push(range);
        badBytes += range.length;
      }
      const { totalBytes, fractionRead: fraction } = policy;
      onProgress?.({
        doneBytes: bytes,
        totalBytes,
        badBytes,
        ...(fraction === undefined ? {} : { fraction }),
      });
    } catch (error) {
      fail(error);
    } finally {
      handOver();
      ring.release(lentUntil === undefined ? slot : ring.replace(slot, lentUntil));
    }
  };

  while (failure === undefined && !ended) {
    const stopped = Promise.withResolvers<undefined>();
    stopWaiting = () => stopped.resolve(undefined);
    const slot = await Promise.race([ring.acquire(), stopped.promise]);
    if (slot === undefined) break;
    const range = failure === undefined && !ended ? policy.next() : undefined;
    if (range === undefined) {
      ring.release(slot);
      break;
    }
    const handOver = Promise.withResolvers<void>();
    const work = process(range, slot, handedOver, handOver.resolve);
    handedOver = handOver.promise;
    inFlight.add(work);
    work.then(() => inFlight.delete(work));
  }

  const drained = Promise.all(inFlight).then(() => true);
  if (await Promise.race([drained, stop.promise.then(() => false)]) === false) {
    const patience = signal?.aborted ? DRAIN_MILLISECONDS : Infinity;
    await (patience === Infinity ? drained : Promise.race([drained, delay(patience)]));
  }
  signal?.removeEventListener("abort", cancel);
  if (inFlight.size === 0) ring[Symbol.dispose]();
  // Otherwise a call that nobody can stop still uses the memory: it stays allocated.
  if (failure !== undefined) {
    for (const consumer of consumers) await consumer.abort(failure.error);
    throw failure.error;
  }
  const results: unknown[] = [];
  for (const result of await Promise.allSettled(consumers.map((each) => each.finish()))) {
    if (result.status === "fulfilled") results.push(result.value);
    else {
      for (const consumer of consumers) await consumer.abort(result.reason);
      throw result.reason;
    }
  }
  return {
    bytes,
    bad: mergeRanges(bad),
    results: results as ConsumerResults<Consumers>,
  };
}

/** A chunk of these bytes. */
export function makeChunk(offset: number, bytes: Bytes, bad: readonly Range[] = []): Chunk {
  let zeros: readonly Range[] | undefined;
  return {
    offset,
    length: bytes.length,
    bytes,
    bad,
    zeros(): readonly Range[] {
      return zeros ??= findZeros(offset, bytes);
    },
  };
}

function findZeros(offset: number, bytes: Bytes): Range[] {
  const found: Range[] = [];
  const toBoundary = (ZERO_BLOCK_BYTES - offset % ZERO_BLOCK_BYTES) % ZERO_BLOCK_BYTES;
  for (let at = toBoundary; at < bytes.length; at += ZERO_BLOCK_BYTES) {
    const block = bytes.subarray(at, at + ZERO_BLOCK_BYTES);
    if (isZero(block)) found.push({ offset: offset + at, length: block.length });
  }
  return mergeRanges(found);
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
