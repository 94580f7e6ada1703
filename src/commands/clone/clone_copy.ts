/**
 * What of a disk is not yet on the target is copied there: in order until there is trouble,
 * then rescued. What cannot be read becomes zeros, or markers.
 */
import { PlacedDigestConsumer, type PlacedDigests } from "../../copy/chunk_digests.ts";
import { type Digest, hashConsumers } from "../../copy/hash_consumers.ts";
import type { RangeMap } from "../../copy/range_map.ts";
import { makeChunk } from "../../copy/run_copy.ts";
import { SinkConsumer } from "../../copy/sink_consumer.ts";
import { type SyncableConsumer, TrackedConsumer } from "../../copy/tracked_consumer.ts";
import type { BlockSource, Chunk, CopyProgress } from "../../core/block.ts";
import { gapsBetween, mergeRanges, type Range } from "../../core/range.ts";
import type { HashAlgorithm } from "../../hashes/hash_algorithm.ts";
import type { CloneMap } from "./clone_map.ts";
import type { CommandContext } from "../command.ts";
import { copyInOrder, unfinished } from "../rescue/copy_in_order.ts";
import { saveAfterFailure } from "../rescue/last_save.ts";
import { COPYING, FINISHED, type RescueStage } from "../rescue/rescue_map.ts";
import { needsRescue, rescueMedium } from "../rescue/rescue_medium.ts";
import type { RescueOptions } from "../rescue/rescue_options.ts";
import { unreadableChunks } from "../rescue/unreadable_places.ts";
import type { OpenTarget } from "../write/write_job.ts";

/** What is copied, and how. */
export interface CloneCopy {
  readonly context: CommandContext;
  readonly source: BlockSource;
  readonly open: OpenTarget;
  /** What is known of the source; changed. */
  readonly map: RangeMap;
  /** Keeps that map; absent where nobody wants to go on later. */
  readonly kept: CloneMap | undefined;
  readonly intervalMilliseconds: number;
  readonly algorithms: readonly HashAlgorithm[];
  readonly chunkBytes: number;
  readonly ringBytes: number;
  /** Is what is written remembered, for the proof? */
  readonly verify: boolean;
  readonly rescue: RescueOptions;
  /** Only these places; all where it is absent. */
  readonly domain: readonly Range[] | undefined;
  /** What to do after it was given up, as a hint. */
  readonly goOn: string;
  onProgress(progress: CopyProgress): void;
}

/** What came of it. */
export interface Cloned {
  /** Of the whole source; undefined where not all of it passed by, in order. */
  readonly digests: readonly Digest[] | undefined;
  /** Places without bytes of the source. */
  readonly bad: readonly Range[];
  /** Digests of what was written; undefined where nothing is remembered. */
  readonly written: PlacedDigests | undefined;
}

/**
 * Copies all that the options allow, durably. The first block is held back.
 *
 * @throws {ImagingError} when the source goes away, the target fails, or the user cancels;
 * the map is right in each case.
 */
export async function copyClone(copy: CloneCopy): Promise<Cloned> {
  const { context, map, kept, intervalMilliseconds, verify } = copy;
  const placed = verify ? new PlacedDigestConsumer() : undefined;
  const writer = cloneWriter(copy.open, placed);
  let stage = kept?.savedStage ?? COPYING;
  const tracked = new TrackedConsumer(writer, {
    map,
    save: async (durable) => await kept?.save(durable, copy.open.held.heldBack, stage),
    intervalMilliseconds: kept === undefined ? Infinity : intervalMilliseconds,
  });
  try {
    const digests = await copyWhatIsLeft(copy, tracked, (now) => {
      stage = now;
    });
    const bad = mergeRanges(map.ranges("-", "*", "/"));
    const isWhole = map.total("?") === 0;
    if (isWhole) { for (const chunk of fillOf(copy, bad)) await writer.consume(chunk); }
    await tracked.finish();
    if (isWhole) stage = FINISHED;
    if (kept !== undefined) await tracked.saveNow();
    const isShown = copy.rescue.fill === "zeros" || bad.length === 0;
    return { digests: isShown ? digests : undefined, bad, written: await placed?.finish() };
  } catch (error) {
    await placed?.abort();
    await tracked.abort(error);
    if (kept !== undefined) await saveAfterFailure(context, tracked);
    throw error;
  }
}

/** Answers the digests of what came in order, if that was all of the source. */
async function copyWhatIsLeft(
  copy: CloneCopy,
  tracked: TrackedConsumer<void>,
  onStage: (stage: RescueStage) => void,
): Promise<readonly Digest[] | undefined> {
  const { context, source, map, kept, rescue, domain, goOn, onProgress } = copy;
  const isFirst = map.total("?") === source.size;
  if (domain === undefined && !needsRescue(map, rescue)) {
    const results = await copyInOrder({
      context,
      source,
      saved: undefined,
      map,
      consumers: [
        unfinished(tracked),
        ...isFirst ? hashConsumers(copy.algorithms, source.size) : [],
      ],
      chunkBytes: copy.chunkBytes,
      ringBytes: copy.ringBytes,
      rescue,
      goOn,
      onProgress,
    });
    if (results !== undefined) return isFirst ? results.slice(1) as Digest[] : undefined;
  }
  await rescueMedium({
    context,
    source,
    map,
    tracked,
    options: rescue,
    domain,
    stage: kept?.savedStage,
    goOn,
    onProgress,
    onStage,
  });
  return undefined;
}

/** Writes what could be read of a chunk, and remembers it. */
function cloneWriter(
  { held }: OpenTarget,
  placed: PlacedDigestConsumer | undefined,
): SyncableConsumer<void> {
  const writer = new SinkConsumer(held);
  return {
    name: held.name,
    async consume(chunk: Chunk): Promise<void> {
      for (const part of readableParts(chunk)) {
        await Promise.all([writer.consume(part), placed?.consume(part)]);
      }
    },
    sync: () => held.flush(),
    finish: () => writer.finish(),
    abort: () => Promise.resolve(),
  };
}

/** What could not be read is written at the end, when it is known what stays so. */
function readableParts(chunk: Chunk): Chunk[] {
  if (chunk.bad.length === 0) return [chunk];
  return gapsBetween(chunk, chunk.bad).map(({ offset, length }) => {
    const start = offset - chunk.offset;
    return makeChunk(offset, chunk.bytes.subarray(start, start + length));
  });
}

/** What stands on the target where the source could not be read. */
function fillOf({ source, rescue }: CloneCopy, bad: readonly Range[]): Iterable<Chunk> {
  return unreadableChunks(source, bad, rescue.fill, rescue.sectorSize ?? source.sectorSize);
}
