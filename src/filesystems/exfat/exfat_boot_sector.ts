/** exFAT specification, section 3, https://learn.microsoft.com/en-us/windows/win32/fileio/exfat-specification */
import { viewOf } from "../../core/bytes.ts";
import { hasOemName } from "../boot_sector.ts";
import { isBlank } from "../file_system.ts";

// Main boot sector (section 3.1), little endian:
//   3  8 FileSystemName, "EXFAT   "
//  11 53 MustBeZero
//  64  8 PartitionOffset
//  72  8 VolumeLength, sectors
//  80  4 FatOffset, sectors
//  84  4 FatLength, sectors
//  88  4 ClusterHeapOffset, sectors
//  92  4 ClusterCount
//  96  4 FirstClusterOfRootDirectory, from 2
// 100  4 VolumeSerialNumber
// 104  2 FileSystemRevision, 0100h
// 106  2 VolumeFlags
// 108  1 BytesPerSectorShift, 9 to 12
// 109  1 SectorsPerClusterShift
// 110  1 NumberOfFats, 2 for TexFAT
// 112  1 PercentInUse
// 510  2 55 AA
const BOOT_SECTOR_BYTES = 512;
/** The twelfth sector repeats the checksum of the eleven before it (section 3.4). */
const CHECKED_SECTORS = 11;
export const BOOT_REGION_SECTORS = 12;
/** VolumeFlags and PercentInUse change while the volume is in use. */
const UNCHECKED_BYTES: ReadonlySet<number> = new Set([106, 107, 112]);

/** The fields as they stand, as far as somebody asks for them. */
export interface ExfatBootSector {
  readonly VolumeLength: bigint;
  readonly FatOffset: number;
  readonly FatLength: number;
  readonly ClusterHeapOffset: number;
  readonly ClusterCount: number;
  readonly FirstClusterOfRootDirectory: number;
  readonly VolumeSerialNumber: number;
  readonly FileSystemRevision: number;
  readonly VolumeFlags: number;
  readonly NumberOfFats: number;
  readonly sectorBytes: number;
  readonly clusterBytes: number;
  readonly hasSignature: boolean;
}

/** Reads the boot sector at the beginning of `head`; undefined when it is not of exFAT. */
export function parseExfatBootSector(head: Uint8Array): ExfatBootSector | undefined {
  if (head.length < BOOT_SECTOR_BYTES || !hasOemName(head, "EXFAT   ")) return undefined;
  if (!isBlank(head.subarray(11, 64))) return undefined;
  const view = viewOf(head);
  const BytesPerSectorShift = view.getUint8(108);
  const SectorsPerClusterShift = view.getUint8(109);
  if (BytesPerSectorShift < 9 || BytesPerSectorShift > 12) return undefined;
  if (BytesPerSectorShift + SectorsPerClusterShift > 25) return undefined;
  return {
    VolumeLength: view.getBigUint64(72, true),
    FatOffset: view.getUint32(80, true),
    FatLength: view.getUint32(84, true),
    ClusterHeapOffset: view.getUint32(88, true),
    ClusterCount: view.getUint32(92, true),
    FirstClusterOfRootDirectory: view.getUint32(96, true),
    VolumeSerialNumber: view.getUint32(100, true),
    FileSystemRevision: view.getUint16(104, true),
    VolumeFlags: view.getUint16(106, true),
    NumberOfFats: view.getUint8(110),
    sectorBytes: 2 ** BytesPerSectorShift,
    clusterBytes: 2 ** (BytesPerSectorShift + SectorsPerClusterShift),
    hasSignature: head[510] === 0x55 && head[511] === 0xaa,
  };
}

/** The checksum of a boot region (section 3.4), which begins these bytes. */
export function bootChecksum(region: Uint8Array, sectorBytes: number): number {
  const checkedBytes = CHECKED_SECTORS * sectorBytes;
  let checksum = 0;
  for (let at = 0; at < checkedBytes; at++) {
    if (UNCHECKED_BYTES.has(at)) continue;
    checksum = addToChecksum(checksum, region[at] ?? 0);
  }
  return checksum;
}

/** Checksums of exFAT turn right by a bit before they take a byte (sections 3.4, 7.2.2). */
export function addToChecksum(checksum: number, byte: number): number {
  return ((checksum << 31) | (checksum >>> 1)) + byte >>> 0;
}

/** Does the sector behind the boot sectors begin with their checksum? */
export function isBootChecksumRight(region: Uint8Array, sectorBytes: number): boolean {
  const checkedBytes = CHECKED_SECTORS * sectorBytes;
  if (region.length < checkedBytes + sectorBytes) return false;
  return viewOf(region).getUint32(checkedBytes, true) === bootChecksum(region, sectorBytes);
}
