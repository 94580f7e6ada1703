/** Finds out what fills a volume. */
import type { BlockSource, ProbeInput } from "../core/block.ts";
import { readBytes } from "../core/bytes.ts";
import { FormatError } from "../core/errors.ts";
import type { Range } from "../core/range.ts";
import * as all from "./all.ts";
import type { FileSystem, FileSystemIdentity } from "./file_system.ts";

const HEAD_BYTES = 1024 * 1024;

/**
 * Recognises the file system of a volume (a partition, or a disk without any);
 * undefined when it is none that is known.
 *
 * @throws {FormatError} when two file systems claim the volume with equal right.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function identifyFileSystem(
  volume: BlockSource,
): Promise<FileSystemIdentity | undefined> {
  const recognised = await recognise(volume);
  if (recognised === undefined) return undefined;
  const { fileSystem, input } = recognised;
  const identity = fileSystem.identify(input);
  if (fileSystem.readLabel === undefined) return identity;
  return { ...identity, label: await fileSystem.readLabel(volume, input) };
}

/** What of a volume is in use, as far as that is certain. */
export type VolumeUse =
  /** Bytes of the volume: ascending, joined. */
  | { readonly used: readonly Range[]; readonly reason?: undefined }
  /** Why all of it has to be taken for used. */
  | { readonly used?: undefined; readonly reason: string };

/**
 * Asks the file system of a volume what it uses.
 *
 * @throws {ReadError} when the medium does not deliver.
 */
export async function volumeUse(volume: BlockSource): Promise<VolumeUse> {
  try {
    const recognised = await recognise(volume);
    if (recognised === undefined) return { reason: "no file system is recognized" };
    const { fileSystem, input } = recognised;
    if (fileSystem.usedRanges !== undefined) {
      return { used: await fileSystem.usedRanges(volume) };
    }
    const { title } = fileSystem.identify(input);
    return { reason: `what is used of ${title} cannot be told` };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { reason: error.message };
  }
}

async function recognise(
  volume: BlockSource,
): Promise<{ readonly fileSystem: FileSystem; readonly input: ProbeInput } | undefined> {
  const { name, size, sectorSize } = volume;
  const head = await readBytes(volume, 0, HEAD_BYTES);
  const input: ProbeInput = { name, size, sectorSize, head };
  const fileSystem = bestFileSystem(Object.values(all), input);
  return fileSystem === undefined ? undefined : { fileSystem, input };
}

function bestFileSystem(
  fileSystems: readonly FileSystem[],
  input: ProbeInput,
): FileSystem | undefined {
  const scores = fileSystems.map((fileSystem) => ({
    fileSystem,
    score: fileSystem.probe(input),
  }));
  for (const wanted of ["exact", "maybe"] as const) {
    const best = scores.filter(({ score }) => score === wanted);
    if (best.length > 1) {
      const titles = best.map(({ fileSystem }) => fileSystem.title).join(" and ");
      throw new FormatError(
        `the volume can be read as ${titles}: one is a leftover of an older use`,
        0,
        "signature",
      );
    }
    if (best[0] !== undefined) return best[0].fileSystem;
  }
  return undefined;
}
