/** Block maps beside images: which bytes of them have to be written (.bmap, bmap-tools). */
import { BmapConsumer } from "../../copy/bmap/bmap_consumer.ts";
import { compareBmap } from "../../copy/bmap/bmap_policy.ts";
import { sequentialPolicy } from "../../copy/read_policy.ts";
import { DEFAULT_CHUNK_BYTES, runCopy } from "../../copy/run_copy.ts";
import type { ChunkConsumer } from "../../core/block.ts";
import { ImagingError } from "../../core/errors.ts";
import { mergeRanges, partsWithin, type Range } from "../../core/range.ts";
import { folderPrefix } from "../../core/path.ts";
import type { FileAccess } from "../../devices/device.ts";
import type { Bmap } from "../../formats/bmap/bmap.ts";
import { formatBmap } from "../../formats/bmap/format_bmap.ts";
import { LARGEST_BMAP_BYTES, parseBmap } from "../../formats/bmap/parse_bmap.ts";
import { type CommandContext, type Invocation, isSet } from "../command.ts";
import { unpackedPath } from "./digest_files.ts";

/** A block map, and where it was found. */
export interface FoundBmap {
  readonly path: string;
  readonly map: Bmap;
}

/**
 * The block map beside an image: of card.img.gz it is card.img.gz.bmap, card.img.bmap or
 * card.bmap; of card.zip also card.img.bmap. Undefined when there is none.
 *
 * @throws {FormatError} when it is damaged.
 * @throws {ImagingError} when it belongs to an image of another size.
 */
export async function findBmap(
  context: CommandContext,
  files: FileAccess,
  imagePath: string,
  { size, isPacked }: {
    /** Bytes; Infinity where it is not known. */
    readonly size: number;
    readonly isPacked: boolean;
  },
): Promise<FoundBmap | undefined> {
  const candidates = [
    ...bmapCandidates(context, imagePath),
    ...isPacked ? [`${unpackedPath(imagePath)}.bmap`] : [],
  ];
  for (const path of candidates) {
    const content = await files.read(path, LARGEST_BMAP_BYTES);
    if (content === undefined) continue;
    const map = parseBmap(content, path);
    compareBmap(map, size, imagePath);
    return { path, map };
  }
  return undefined;
}

/** The name with one ending less each time. */
function bmapCandidates(context: CommandContext, imagePath: string): string[] {
  const { paths } = context.backend.host;
  const folder = folderPrefix(paths, imagePath);
  const candidates: string[] = [];
  for (let name = paths.nameOf(imagePath); name !== "";) {
    candidates.push(`${folder}${name}.bmap`);
    const dot = name.lastIndexOf(".");
    name = dot > 0 ? name.slice(0, dot) : "";
  }
  return candidates;
}

/**
 * Where `--bmap` writes the map of an image; undefined where it was not given.
 *
 * @throws {ImagingError} `usage` when there is no raw image, or a file is in the way.
 */
export async function bmapOption(
  invocation: Invocation,
  context: CommandContext,
  rawPath: string | undefined,
): Promise<string | undefined> {
  if (!isSet(invocation, "bmap")) return undefined;
  if (rawPath === undefined) {
    throw new ImagingError("usage", "cannot use --bmap: the image is a container", {
      hint: "a block map belongs to a raw image, or to a packed one (.img.gz, .img.zst, .zip)",
    });
  }
  const path = `${rawPath}.bmap`;
  const { kind } = await context.backend.locate(path);
  if (kind === "missing" || (kind === "file" && isSet(invocation, "force"))) return path;
  throw new ImagingError("usage", `cannot write the block map ${path}: it exists`, {
    hint: "move it away, choose another name, or add --force to replace it",
  });
}

/**
 * A block map that is found while the medium goes by. What it leaves out is neither data nor
 * in use: a card that keeps old bytes there is as good as one with zeros.
 */
export class BmapInTheMaking {
  readonly consumer: ChunkConsumer<void>;
  #found: Bmap | undefined;

  /** `size` is Infinity where it is not known. What is `used` is mapped, zeros too. */
  constructor(size: number, used: readonly Range[]) {
    const inner = new BmapConsumer(size);
    this.consumer = {
      name: inner.name,
      consume: (chunk) => {
        // Places that could not be read are zeros that count: these count as well.
        const bad = mergeRanges([...chunk.bad, ...partsWithin(chunk, used)]);
        return inner.consume({ ...chunk, bad });
      },
      finish: async () => {
        this.#found = await inner.finish();
      },
      abort: () => inner.abort(),
    };
  }

  /** The medium went by whole: writes the map. */
  async complete(files: FileAccess, path: string): Promise<void> {
    if (this.#found === undefined) throw new Error("The block map is not complete");
    await files.writeAtomically(path, new TextEncoder().encode(formatBmap(this.#found)));
  }
}

/**
 * Writes the block map of an image that lies at `partPath`. What could not be read counts as
 * data: its zeros stand for something.
 */
export async function mapImage(
  context: CommandContext,
  files: FileAccess,
  partPath: string,
  { path, used, unreadable }: {
    readonly path: string;
    readonly used: readonly Range[];
    readonly unreadable: readonly Range[];
  },
): Promise<void> {
  context.phase(`mapping ${partPath}`);
  await using image = await context.backend.openSource(partPath, { direct: false });
  const making = new BmapInTheMaking(image.size, mergeRanges([...used, ...unreadable]));
  await runCopy({
    policy: sequentialPolicy(image, { chunkBytes: DEFAULT_CHUNK_BYTES, onBad: "fail" }),
    consumers: [making.consumer],
    onProgress: (progress) => context.progress(progress),
    signal: context.signal,
  });
  await making.complete(files, path);
}
