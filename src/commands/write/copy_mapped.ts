/** Writing what a block map calls data, and what becomes of the rest. */
import type { CheckedMap } from "../../copy/bmap/bmap_check.ts";
import { BmapChecker } from "../../copy/bmap/bmap_checker.ts";
import { bmapPolicy, compareBmap } from "../../copy/bmap/bmap_policy.ts";
import {
  ChunkDigests,
  PlacedDigestConsumer,
  type PlacedDigests,
} from "../../copy/chunk_digests.ts";
import { IsolatedGroup, type MemberResult } from "../../copy/isolated_group.ts";
import { changedPolicy, type ReadPolicy, sequentialPolicy } from "../../copy/read_policy.ts";
import { runCopy } from "../../copy/run_copy.ts";
import { SinkConsumer } from "../../copy/sink_consumer.ts";
import type { BlockSource, ChunkConsumer, CopyProgress } from "../../core/block.ts";
import { endOf, gapsBetween, partsWithin, type Range } from "../../core/range.ts";
import type { DeviceSink } from "../../devices/device.ts";
import type { Bmap } from "../../formats/bmap/bmap.ts";
import { sizeText } from "../../report/rate_text.ts";
import type { FoundBmap } from "../images/bmap_files.ts";
import type { CommandContext } from "../command.ts";
import {
  type CopiedGroup,
  errorsOf,
  FIRST_BLOCK,
  type GroupJob,
  inPasses,
  NOTHING_COPIED,
  type OpenTarget,
} from "./write_job.ts";

/** Only whole blocks are discarded. */
const DISCARD_GRAIN_BYTES = 4096;

/** Writes what a block map calls data, and checks it against the map's checksums. */
export async function copyMapped(
  job: GroupJob,
  { map }: FoundBmap,
  source: BlockSource,
  open: readonly OpenTarget[],
  onProgress: (progress: CopyProgress) => void,
): Promise<CopiedGroup> {
  const { chunkBytes, ringBytes, verify, context } = job;
  const group = new IsolatedGroup(open.map(({ held }) => new SinkConsumer(held)));
  const placed = verify ? [new PlacedDigestConsumer()] : [];
  const grainBytes = Math.max(4096, ...open.map(({ sink }) => sink.sectorSize));
  const policy = job.unmapped === "zero"
    ? zeroingPolicy(sequentialPolicy(source, { chunkBytes, onBad: "fail" }), map.ranges)
    : bmapPolicy(source, map, { chunkBytes, grainBytes, also: [FIRST_BLOCK] });
  try {
    const { results, bytes } = await runCopy({
      policy,
      consumers: [
        ...group.consumers,
        new BmapChecker(map, source.name),
        ...placed,
      ] as ChunkConsumer[],
      chunkBytes,
      ringBytes,
      onProgress: (progress) => onProgress(inPasses(progress, 0, verify)),
      signal: context.signal,
    });
    const written = results.slice(0, open.length) as MemberResult<void>[];
    const { uncheckedBytes } = results[open.length] as CheckedMap;
    if (uncheckedBytes > 0) {
      context.note({
        level: "warning",
        message: `of ${sizeText(uncheckedBytes)} the block map has no checksum`,
      });
    }
    const places = results[open.length + 1] as PlacedDigests | undefined;
    if (job.unmapped === "zero") compareBmap(map, bytes, source.name);
    if (job.unmapped === "discard") {
      await discardUnmapped(context, map, open.map(({ sink }) => sink));
    }
    return {
      bytes: map.imageSize,
      bad: [],
      digests: [],
      chunks: places?.digests ?? new ChunkDigests(),
      places: places?.ranges ?? [],
      errors: written.map(({ error }) => error),
    };
  } catch (error) {
    return { ...NOTHING_COPIED, errors: errorsOf(error, group, open.length) };
  }
}

/** A policy whose chunks are zeros where the block map has nothing. */
function zeroingPolicy(policy: ReadPolicy, mapped: readonly Range[]): ReadPolicy {
  return changedPolicy(policy, (range, into, outcome) => {
    for (const gap of gapsBetween(range, partsWithin(range, mapped))) {
      into.fill(0, gap.offset - range.offset, endOf(gap) - range.offset);
    }
    return outcome;
  });
}

/** Behind the first block, which is written last. */
async function discardUnmapped(
  context: CommandContext,
  { imageSize, ranges }: Bmap,
  sinks: readonly DeviceSink[],
): Promise<void> {
  const unmapped = gapsBetween({ offset: 0, length: imageSize }, [...ranges, FIRST_BLOCK]);
  for (const sink of sinks) {
    for (const range of unmapped) {
      const offset = Math.ceil(range.offset / DISCARD_GRAIN_BYTES) * DISCARD_GRAIN_BYTES;
      const end = endOf(range) - endOf(range) % DISCARD_GRAIN_BYTES;
      if (end <= offset) continue;
      if (await sink.discard?.({ offset, length: end - offset })) continue;
      context.note({ level: "note", message: `${sink.name} takes no --discard` });
      break;
    }
  }
}
