/** exFAT specification, section 3, https://learn.microsoft.com/en-us/windows/win32/fileio/exfat-specification */
import type { BlockSource, Bytes } from "../../core/block.ts";
import { safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { notRecognised } from "../file_system.ts";
import { readAll } from "../used_ranges.ts";
import {
  BOOT_REGION_SECTORS,
  bootChecksum,
  type ExfatBootSector,
  parseExfatBootSector,
} from "./exfat_boot_sector.ts";

const BOOT_SECTOR_BYTES = 512;
const REVISION_1_00 = 0x0100;
const MIN_FAT_OFFSET = 2 * BOOT_REGION_SECTORS;
const MAX_CLUSTERS = 2 ** 32 - 11;

// VolumeFlags (section 3.1.13); bit 3, ClearToZero, means nothing.
const ACTIVE_FAT = 0x01;
const VOLUME_DIRTY = 0x02;
const MEDIA_FAILURE = 0x04;
const RESERVED_FLAGS = 0xfff0;

/**
 * Reads the boot sector, and makes sure that it and its backup leave no doubt about where
 * everything is, that all of it is on the volume, and that the volume is clean.
 *
 * @throws {FormatError} when there is any.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function readExfatBoot(volume: BlockSource): Promise<ExfatBootSector> {
  const head = await readAll(volume, 0, BOOT_SECTOR_BYTES, "boot sector");
  const boot = parseExfatBootSector(head);
  if (boot === undefined) throw notRecognised("exFAT");
  const regionBytes = BOOT_REGION_SECTORS * boot.sectorBytes;
  const main = await readAll(volume, 0, regionBytes, "boot region");
  const backup = await readAll(volume, regionBytes, regionBytes, "backup boot region");
  checkRegion(main, boot.sectorBytes, "boot region", 0);
  checkRegion(backup, boot.sectorBytes, "backup boot region", regionBytes);
  // What else is in a boot region is code, which may have been renewed in one of them.
  const copy = parseExfatBootSector(backup);
  if (copy === undefined || !hasSamePlaces(boot, copy)) {
    throw new FormatError("its boot sector and the backup of it differ", regionBytes, "backup");
  }
  checkFlags(boot);
  checkPlaces(boot, volume.size);
  return boot;
}

/** Is the whole last sector made of the checksum of the others (section 3.4)? */
function checkRegion(region: Bytes, sectorBytes: number, what: string, offset: number): void {
  const checksum = bootChecksum(region, sectorBytes);
  const view = viewOf(region);
  for (let at = region.length - sectorBytes; at < region.length; at += 4) {
    if (view.getUint32(at, true) === checksum) continue;
    throw new FormatError(`the checksum of its ${what} is wrong`, offset + at, "BootChecksum");
  }
}

function hasSamePlaces(a: ExfatBootSector, b: ExfatBootSector): boolean {
  return a.VolumeLength === b.VolumeLength && a.FatOffset === b.FatOffset &&
    a.FatLength === b.FatLength && a.ClusterHeapOffset === b.ClusterHeapOffset &&
    a.ClusterCount === b.ClusterCount && a.NumberOfFats === b.NumberOfFats &&
    a.FirstClusterOfRootDirectory === b.FirstClusterOfRootDirectory &&
    a.sectorBytes === b.sectorBytes && a.clusterBytes === b.clusterBytes;
}

function fail(field: string, message: string): never {
  throw new FormatError(message, 0, field);
}

function checkFlags(boot: ExfatBootSector): void {
  const { VolumeFlags, FileSystemRevision, NumberOfFats } = boot;
  if (!boot.hasSignature) fail("BootSignature", "its boot sector has no signature");
  if (FileSystemRevision !== REVISION_1_00) {
    fail("FileSystemRevision", `its revision is ${FileSystemRevision.toString(16)}h, not 100h`);
  }
  if (NumberOfFats !== 1) fail("NumberOfFats", `it has ${NumberOfFats} FATs, as TexFAT has`);
  if (VolumeFlags & VOLUME_DIRTY) fail("VolumeDirty", "it was not unmounted cleanly");
  if (VolumeFlags & MEDIA_FAILURE) fail("MediaFailure", "it had media failures");
  if (VolumeFlags & (ACTIVE_FAT | RESERVED_FLAGS)) {
    fail("VolumeFlags", `its flags are odd: ${VolumeFlags.toString(16)}h`);
  }
}

/** Section 3.1, the valid ranges of the fields. */
function checkPlaces(boot: ExfatBootSector, volumeBytes: number): void {
  const { sectorBytes, ClusterCount, FatOffset, FatLength, ClusterHeapOffset } = boot;
  const VolumeLength = safeNumber(boot.VolumeLength, "VolumeLength", 72);
  if (!(VolumeLength <= volumeBytes / sectorBytes) || volumeBytes === Infinity) {
    fail("VolumeLength", "it is larger than what holds it");
  }
  if (FatOffset < MIN_FAT_OFFSET) fail("FatOffset", "its FAT begins in its boot regions");
  if (FatLength * sectorBytes < (ClusterCount + 2) * 4) {
    fail("FatLength", "its FAT is too small for its clusters");
  }
  if (ClusterHeapOffset < FatOffset + FatLength) {
    fail("ClusterHeapOffset", "its clusters begin in its FAT");
  }
  const heapSectors = ClusterCount * (boot.clusterBytes / sectorBytes);
  if (ClusterCount > MAX_CLUSTERS || ClusterHeapOffset + heapSectors > VolumeLength) {
    fail("ClusterCount", `its ${ClusterCount} clusters do not fit`);
  }
  const root = boot.FirstClusterOfRootDirectory;
  if (root < 2 || root > ClusterCount + 1) {
    fail("FirstClusterOfRootDirectory", `its root directory is in cluster ${root}`);
  }
}
