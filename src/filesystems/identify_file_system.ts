/** Finds out what fills a volume. */
import type { BlockSource, ProbeInput } from "../core/block.ts";
import { readBytes } from "../core/bytes.ts";
import { FormatError } from "../core/errors.ts";
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
  const { name, size, sectorSize } = volume;
  const head = await readBytes(volume, 0, HEAD_BYTES);
  const input: ProbeInput = { name, size, sectorSize, head };
  const fileSystem = bestFileSystem(Object.values(all), input);
  if (fileSystem === undefined) return undefined;
  const identity = fileSystem.identify(input);
  if (fileSystem.readLabel === undefined) return identity;
  return { ...identity, label: await fileSystem.readLabel(volume, input) };
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
