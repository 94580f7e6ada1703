/** Finds out how a disk is divided, whatever the scheme. */
import type { BlockSource, ProbeInput } from "../core/block.ts";
import { readBytes } from "../core/bytes.ts";
import { FormatError } from "../core/errors.ts";
import * as all from "./all.ts";
import type { PartitionTable } from "./partition_table.ts";
import type { VolumeScheme } from "./volume_scheme.ts";

const HEAD_BYTES = 1024 * 1024;

/**
 * Reads the partition table of a disk or image. A disk without one, such as a
 * card that is a single file system, has the scheme "none" and no partitions.
 *
 * @throws {FormatError} when two schemes claim the disk, or its table is beyond use.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function readPartitionTable(media: BlockSource): Promise<PartitionTable> {
  const schemes: readonly VolumeScheme[] = Object.values(all);
  const head = await readBytes(media, 0, HEAD_BYTES);
  const { name, size, sectorSize } = media;
  const scheme = bestScheme(schemes, { name, size, sectorSize, head }) ??
    (head.every((byte) => byte === 0) ? await schemeElsewhere(schemes, media) : undefined);
  if (scheme !== undefined) return await scheme.read(media);
  return {
    scheme: "none",
    title: "no partition table",
    sectorSize,
    diskGuid: undefined,
    diskSignature: undefined,
    partitions: [],
    metadata: [],
    findings: [],
  };
}

function bestScheme(
  schemes: readonly VolumeScheme[],
  input: ProbeInput,
): VolumeScheme | undefined {
  const scores = schemes.map((scheme) => ({ scheme, score: scheme.probe(input) }));
  for (const wanted of ["exact", "maybe"] as const) {
    const best = scores.filter(({ score }) => score === wanted).map(({ scheme }) => scheme);
    if (best.length > 1) {
      const titles = best.map(({ title }) => title).join(" and ");
      throw new FormatError(`the partition table can be read as ${titles}`, 0, "signature");
    }
    if (best.length === 1) return best[0];
  }
  return undefined;
}

async function schemeElsewhere(
  schemes: readonly VolumeScheme[],
  media: BlockSource,
): Promise<VolumeScheme | undefined> {
  for (const scheme of schemes) {
    if (await scheme.probeElsewhere?.(media) === "exact") return scheme;
  }
  return undefined;
}
