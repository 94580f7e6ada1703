/**
 * The second half of cloning a failing disk: what the copy in order has left is rescued onto
 * the target, in the order that saves most. What cannot be read becomes zeros there.
 */
import { FIRST_BLOCK_BYTES, type FirstBlockLastSink } from "../blocks/first_block_last.ts";
import type { PlacedDigestConsumer } from "../copy/chunk_digests.ts";
import type { RangeMap } from "../copy/range_map.ts";
import { READ_TIMEOUT_MILLISECONDS } from "../copy/read_watch.ts";
import { makeChunk } from "../copy/run_copy.ts";
import type { BlockSource, Chunk, CopyProgress } from "../core/block.ts";
import { intersection, mergeRanges, piecesOf, type Range } from "../core/range.ts";
import { RescueStrategy } from "../rescue/rescue_strategy.ts";
import { runRescue } from "../rescue/run_rescue.ts";
import type { CommandContext } from "./command.ts";
import { noteAbandoned, rescueProgress } from "./rescue_image.ts";

/** A rescue onto a disk. */
export interface CloneRescue {
  readonly context: CommandContext;
  readonly source: BlockSource;
  readonly target: FirstBlockLastSink;
  /** What was written so far is "+"; changed. */
  readonly map: RangeMap;
  /** Remembers what is written; absent where nothing will be verified. */
  readonly digests: PlacedDigestConsumer | undefined;
  onProgress(progress: CopyProgress): void;
}

/** Bytes of zeros that are written at once. */
const ZERO_CHUNK_BYTES = 1024 * 1024;

/**
 * Rescues all that can be read; answers what could not.
 *
 * @throws {ImagingError} when the source goes away, the target fails, or the user cancels.
 */
export async function rescueClone(rescue: CloneRescue): Promise<readonly Range[]> {
  const { context, source, target, map, digests, onProgress } = rescue;
  const take = async (chunk: Chunk): Promise<void> => {
    await Promise.all([target.writeAt(chunk.offset, chunk.bytes), digests?.consume(chunk)]);
    map.set(chunk, "+");
  };
  // The old table must be gone before more of what is new is there, which comes in any order.
  for (const area of map.ranges("?")) {
    const first = intersection(area, { offset: 0, length: FIRST_BLOCK_BYTES });
    if (first !== undefined) await target.writeAt(first.offset, new Uint8Array(first.length));
  }
  context.phase(`rescuing ${source.name}`);
  await runRescue({
    source,
    consumer: { name: target.name, consume: take },
    strategy: new RescueStrategy({
      map: map.clone(),
      sectorSize: source.sectorSize,
      sectorPhase: source.sectorPhase,
    }),
    signal: context.signal,
    onFailed: (areas) => areas.forEach(({ range, status }) => map.set(range, status)),
    onProgress: (progress) => onProgress(rescueProgress(progress)),
    readTimeoutMilliseconds: READ_TIMEOUT_MILLISECONDS,
    onAbandoned: (range) => noteAbandoned(context, range, READ_TIMEOUT_MILLISECONDS),
  });
  const bad = mergeRanges(map.ranges("-", "*", "/", "?"));
  for (const { offset, length } of piecesOf(bad, ZERO_CHUNK_BYTES)) {
    await take(makeChunk(offset, new Uint8Array(length)));
  }
  await target.flush();
  return bad;
}
