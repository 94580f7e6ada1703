/**
 * sectorshot as a library: the parts that the command line is made of.
 *
 * Everything is one flow: a {@linkcode BlockSource} is read as a {@linkcode ReadPolicy}
 * says, and every {@linkcode Chunk} goes to a number of consumers: hashes, an image
 * writer, a comparer.
 *
 * @example Image a device (or file) with its SHA-256, then compare both
 * ```ts
 * import { backend, compareMedia, hashes, hashConsumers, raw, runCopy, sequentialPolicy }
 *   from "@sectorshot/sectorshot";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = await Deno.makeTempDir();
 * await Deno.writeFile(`${folder}/card`, new Uint8Array(1024 * 1024).fill(7));
 *
 * await using source = await backend.openSource(`${folder}/card`);
 * {
 *   await using files = backend.openFiles();
 *   await using file = await files.openImage(`${folder}/card.img`);
 *   const { bytes, bad, results: [image, digest] } = await runCopy({
 *     policy: sequentialPolicy(source, { chunkBytes: 4 * 1024 * 1024, onBad: "zero" }),
 *     consumers: [
 *       await raw.create(file, { size: source.size, sparse: true }),
 *       ...hashConsumers([hashes.sha256], source.size),
 *     ],
 *   });
 *   assertEquals(bytes, source.size);
 *   assertEquals(bad, []); // nothing was unreadable
 *   assertEquals(image.size, 1024 * 1024);
 *   console.log(digest?.hex);
 * }
 * await using image = await backend.openSource(`${folder}/card.img`, { direct: true });
 * const { differingCount } = await compareMedia(source, image);
 * assertEquals(differingCount, 0);
 * await Deno.remove(folder, { recursive: true });
 * ```
 *
 * @module
 */
export type {
  BlockSink,
  BlockSource,
  Bytes,
  Chunk,
  ChunkConsumer,
  CopyProgress,
  ProbeInput,
  ProbeScore,
} from "./src/core/block.ts";
export * from "./src/core/errors.ts";
export * from "./src/core/range.ts";
export { FirstBlockLastSink } from "./src/blocks/first_block_last.ts";
export { MemorySource } from "./src/blocks/memory.ts";
export { SliceSource } from "./src/blocks/slice.ts";
export { StreamConsumer, StreamSource } from "./src/blocks/stdio.ts";
export type * from "./src/devices/device.ts";
export { backend } from "./src/devices/registry.ts";
export { type Refusal, refusals, type WriteRequest } from "./src/devices/safety.ts";
export * as hashes from "./src/hashes/all.ts";
export type { HashAlgorithm, Hasher } from "./src/hashes/hash_algorithm.ts";
export { findHash } from "./src/hashes/registry.ts";
export { compareMedia, type MediaComparison } from "./src/copy/compare_media.ts";
export { type Digest, hashConsumers } from "./src/copy/hash_consumers.ts";
export { formatMapFile, type MapFile, parseMapFile } from "./src/copy/map_file.ts";
export { type Area, type AreaStatus, RangeMap } from "./src/copy/range_map.ts";
export { type ReadOutcome, type ReadPolicy, sequentialPolicy } from "./src/copy/read_policy.ts";
export { resumePolicy } from "./src/copy/resume_policy.ts";
export { type CopyOptions, type CopyResult, runCopy } from "./src/copy/run_copy.ts";
export { SinkConsumer } from "./src/copy/sink_consumer.ts";
export { TrackedConsumer } from "./src/copy/tracked_consumer.ts";
export type { ImageFormat, ImageSummary, ImageWriter } from "./src/formats/image_format.ts";
export { raw } from "./src/formats/raw.ts";
export { openImage } from "./src/formats/registry.ts";
export { identifyFileSystem } from "./src/filesystems/identify_file_system.ts";
export { readPartitionTable } from "./src/volumes/read_partition_table.ts";
