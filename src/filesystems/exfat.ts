/** exFAT specification, sections 3 and 7.3, https://learn.microsoft.com/en-us/windows/win32/fileio/exfat-specification */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { readBytes, utf16Text } from "../core/bytes.ts";
import type { Range } from "../core/range.ts";
import { isBootChecksumRight, parseExfatBootSector } from "./exfat/exfat_boot_sector.ts";
import {
  type FileSystem,
  type FileSystemIdentity,
  nonEmpty,
  notRecognised,
} from "./file_system.ts";

// Volume label directory entry (section 7.3):
//   0  1 EntryType, 83h
//   1  1 CharacterCount, at most 11
//   2 22 VolumeLabel, UTF-16
const DIRECTORY_ENTRY_BYTES = 32;
const VOLUME_LABEL_ENTRY = 0x83;
const MAX_LABEL_CHARACTERS = 11;
/** The label is among the first entries; a cluster can be 32 MiB. */
const MAX_DIRECTORY_BYTES = 64 * 1024;

/** The file system of large SD cards. */
export const exfat: FileSystem = {
  id: "exfat",
  title: "exFAT",
  probe,
  identify,
  readLabel,
  async usedRanges(volume: BlockSource): Promise<readonly Range[]> {
    return await (await import("./exfat/exfat_used_ranges.ts")).exfatUsedRanges(volume);
  },
};

function probe(input: ProbeInput): ProbeScore {
  const volume = parseExfatBootSector(input.head);
  if (volume === undefined) return "no";
  return isBootChecksumRight(input.head, volume.sectorBytes) ? "exact" : "maybe";
}

function identify(input: ProbeInput): FileSystemIdentity {
  const volume = parseExfatBootSector(input.head);
  if (volume === undefined) throw notRecognised(exfat.title);
  const serial = volume.VolumeSerialNumber.toString(16).padStart(8, "0").toUpperCase();
  return {
    id: exfat.id,
    family: exfat.id,
    title: exfat.title,
    label: undefined,
    uuid: `${serial.slice(0, 4)}-${serial.slice(4)}`,
  };
}

async function readLabel(
  source: BlockSource,
  input: ProbeInput,
): Promise<string | undefined> {
  const volume = parseExfatBootSector(input.head);
  if (volume === undefined) return undefined;
  const { ClusterHeapOffset, FirstClusterOfRootDirectory, sectorBytes, clusterBytes } = volume;
  const rootOffset = ClusterHeapOffset * sectorBytes +
    (FirstClusterOfRootDirectory - 2) * clusterBytes;
  if (rootOffset < 0) return undefined;
  const length = Math.min(clusterBytes, MAX_DIRECTORY_BYTES);
  const root = await readBytes(source, rootOffset, length);
  for (let at = 0; at + DIRECTORY_ENTRY_BYTES <= root.length; at += DIRECTORY_ENTRY_BYTES) {
    if (root[at] === 0) break;
    if (root[at] !== VOLUME_LABEL_ENTRY) continue;
    const characters = Math.min(root[at + 1] ?? 0, MAX_LABEL_CHARACTERS);
    return nonEmpty(utf16Text(root.subarray(at + 2, at + 2 + 2 * characters)));
  }
  return undefined;
}
