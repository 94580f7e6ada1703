/** exFAT specification, sections 3 and 7.3, https://learn.microsoft.com/en-us/windows/win32/fileio/exfat-specification */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { readBytes, utf16Text, viewOf } from "../core/bytes.ts";
import { hasOemName } from "./boot_sector.ts";
import {
  type FileSystem,
  type FileSystemIdentity,
  isBlank,
  nonEmpty,
  notRecognised,
} from "./file_system.ts";

// Main boot sector, little endian:
//   3  8 FileSystemName, "EXFAT   "
//  11 53 MustBeZero
//  88  4 ClusterHeapOffset, sectors
//  92  4 ClusterCount
//  96  4 FirstClusterOfRootDirectory, from 2
// 100  4 VolumeSerialNumber
// 106  2 VolumeFlags
// 108  1 BytesPerSectorShift, 9 to 12
// 109  1 SectorsPerClusterShift
// 112  1 PercentInUse
// The twelfth sector repeats the checksum of the eleven before it.
// Volume label directory entry (section 7.3):
//   0  1 EntryType, 83h
//   1  1 CharacterCount, at most 11
//   2 22 VolumeLabel, UTF-16
const CHECKED_SECTORS = 11;
const UNCHECKED_BYTES: ReadonlySet<number> = new Set([106, 107, 112]);
const DIRECTORY_ENTRY_BYTES = 32;
const VOLUME_LABEL_ENTRY = 0x83;
const MAX_LABEL_CHARACTERS = 11;
/** The label is among the first entries; a cluster can be 32 MiB. */
const MAX_DIRECTORY_BYTES = 64 * 1024;

/** The file system of large SD cards. */
export const exfat: FileSystem = { id: "exfat", title: "exFAT", probe, identify, readLabel };

interface ExfatVolume {
  /** Byte offset of the root directory. */
  readonly rootOffset: number;
  readonly clusterBytes: number;
  readonly VolumeSerialNumber: number;
  readonly isChecksumRight: boolean;
}

function parse(head: Uint8Array): ExfatVolume | undefined {
  if (head.length < 512 || !hasOemName(head, "EXFAT   ")) return undefined;
  if (!isBlank(head.subarray(11, 64))) return undefined;
  const view = viewOf(head);
  const BytesPerSectorShift = view.getUint8(108);
  const SectorsPerClusterShift = view.getUint8(109);
  if (BytesPerSectorShift < 9 || BytesPerSectorShift > 12) return undefined;
  if (BytesPerSectorShift + SectorsPerClusterShift > 25) return undefined;
  const sectorBytes = 2 ** BytesPerSectorShift;
  const clusterBytes = sectorBytes * 2 ** SectorsPerClusterShift;
  return {
    rootOffset: view.getUint32(88, true) * sectorBytes +
      (view.getUint32(96, true) - 2) * clusterBytes,
    clusterBytes,
    VolumeSerialNumber: view.getUint32(100, true),
    isChecksumRight: isBootChecksumRight(head, sectorBytes),
  };
}

function isBootChecksumRight(head: Uint8Array, sectorBytes: number): boolean {
  const checkedBytes = CHECKED_SECTORS * sectorBytes;
  if (head.length < checkedBytes + sectorBytes) return false;
  let checksum = 0;
  for (const [index, byte] of head.subarray(0, checkedBytes).entries()) {
    if (UNCHECKED_BYTES.has(index)) continue;
    checksum = ((checksum << 31) | (checksum >>> 1)) + byte >>> 0;
  }
  return viewOf(head).getUint32(checkedBytes, true) === checksum;
}

function probe(input: ProbeInput): ProbeScore {
  const volume = parse(input.head);
  if (volume === undefined) return "no";
  return volume.isChecksumRight ? "exact" : "maybe";
}

function identify(input: ProbeInput): FileSystemIdentity {
  const volume = parse(input.head);
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
  const volume = parse(input.head);
  if (volume === undefined || volume.rootOffset < 0) return undefined;
  const length = Math.min(volume.clusterBytes, MAX_DIRECTORY_BYTES);
  const root = await readBytes(source, volume.rootOffset, length);
  for (let at = 0; at + DIRECTORY_ENTRY_BYTES <= root.length; at += DIRECTORY_ENTRY_BYTES) {
    if (root[at] === 0) break;
    if (root[at] !== VOLUME_LABEL_ENTRY) continue;
    const characters = Math.min(root[at + 1] ?? 0, MAX_LABEL_CHARACTERS);
    return nonEmpty(utf16Text(root.subarray(at + 2, at + 2 + 2 * characters)));
  }
  return undefined;
}
