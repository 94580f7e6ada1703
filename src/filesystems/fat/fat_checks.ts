/** FAT specification 1.03, sections "Boot Sector and BPB" and "FAT32 FSInfo Sector Structure and Backup Boot Sector", https://download.microsoft.com/download/1/6/1/161ba512-40e2-4cc9-843a-923143f3456c/fatgen103.doc */
import type { BlockSource } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import { readAll } from "../used_ranges.ts";
import type { FatBootSector } from "./fat_boot_sector.ts";

/** From here on the number of clusters makes it FAT16, and FAT32. */
const KIND_BORDERS = [4085, 65525];
/**
 * The specification warns of systems that are wrong about the borders by up to 16
 * clusters. Windows itself takes volumes of 4085 and 4086 clusters for FAT12.
 */
const UNSURE_CLUSTERS = 16;
const DISPUTED_CLUSTERS = [4085, 4086];
const MAX_FAT16_CLUSTERS = 65524;
/** The last cluster has a number below that of the mark for bad ones, 0FFFFFF7h. */
const MAX_FAT32_CLUSTERS = 0x0ffffff5;

/** Bits of a FAT entry. */
export const ENTRY_BITS = { fat12: 12, fat16: 16, fat32: 32 } as const;

/** Bits of BS_Reserved1 that Windows sets: mounted, and in need of a surface test. */
const DIRTY_BITS = 0x03;

// Fields of the boot sector that say where everything is; its backup has the same.
// [first byte, byte behind the last]
const PLACING_FIELDS = [
  [11, 21], // BPB_BytsPerSec to BPB_TotSec16
  [22, 24], // BPB_FATSz16
  [32, 40], // BPB_TotSec32, BPB_FATSz32
  [42, 48], // BPB_FSVer, BPB_RootClus
] as const;

/**
 * Makes sure that the boot sector leaves no doubt: where each cluster is, which kind of
 * FAT it is, and that all of it is on the volume.
 *
 * @throws {FormatError} when there is any.
 */
export function checkFatBootSector(boot: FatBootSector, volumeBytes: number): void {
  const fail = (field: string, message: string): never => {
    throw new FormatError(message, 0, field);
  };
  if (!boot.hasSignature) fail("Signature_word", "its boot sector has no signature");
  if (boot.BPB_TotSec16 !== 0 && boot.BPB_TotSec32 !== 0) {
    if (boot.BPB_TotSec16 !== boot.BPB_TotSec32) {
      fail("BPB_TotSec32", "its boot sector has two different sizes");
    }
  }
  if (!(boot.totalSectors * boot.sectorBytes <= volumeBytes) || volumeBytes === Infinity) {
    fail("BPB_TotSec32", "it is larger than what holds it");
  }
  checkKind(boot, fail);
  if (boot.kind === "fat32") checkFat32(boot, fail);
  const entryBits = ENTRY_BITS[boot.kind];
  if (boot.rootLength % boot.sectorBytes !== 0) {
    fail("BPB_RootEntCnt", "its root directory does not fill its last sector");
  }
  if (boot.fatBytes * 8 < (boot.clusters + 2) * entryBits) {
    fail("BPB_FATSz", "its FAT is too small for its clusters");
  }
  if ((boot.BS_Reserved1 & DIRTY_BITS) !== 0) {
    fail("BS_Reserved1", "it was not unmounted cleanly, or needs to be checked");
  }
}

type Fail = (field: string, message: string) => never;

function checkFat32(boot: FatBootSector, fail: Fail): void {
  // BPB_TotSec16 should be 0, too, but mkfs.fat uses it for small volumes.
  if (boot.BPB_RootEntCnt !== 0) {
    fail("BPB_RootEntCnt", "its boot sector is half FAT16 and half FAT32");
  }
  if (boot.BPB_FSVer !== 0) fail("BPB_FSVer", `its version of FAT32 is ${boot.BPB_FSVer}`);
  if (boot.BPB_RootClus < 2 || boot.BPB_RootClus > boot.clusters + 1) {
    fail("BPB_RootClus", `its root directory is in cluster ${boot.BPB_RootClus}`);
  }
  if (!isMirrored(boot) && activeFat(boot) >= boot.BPB_NumFATs) {
    fail("BPB_ExtFlags", `its active FAT is number ${activeFat(boot)}`);
  }
}

/** Are twelve, sixteen or thirty-two bits an entry, for every system? */
function checkKind(boot: FatBootSector, fail: Fail): void {
  const { kind, clusters, BS_FilSysType } = boot;
  const most = kind === "fat32" ? MAX_FAT32_CLUSTERS : MAX_FAT16_CLUSTERS;
  if (clusters > most) fail("BPB_TotSec32", `${clusters} clusters are too many for ${kind}`);
  const name = BS_FilSysType?.trimEnd().toLowerCase() ?? "";
  const isNamed = Object.hasOwn(ENTRY_BITS, name);
  if (isNamed && name !== kind) {
    fail("BS_FilSysType", `its boot sector says ${name}, but ${clusters} clusters are ${kind}`);
  }
  // Without BPB_FATSz16 there is nothing that could be read as another kind.
  if (kind === "fat32") return;
  const isUnsure = KIND_BORDERS.some((at) => Math.abs(clusters - at) <= UNSURE_CLUSTERS);
  if (DISPUTED_CLUSTERS.includes(clusters) || (isUnsure && !isNamed)) {
    fail("BPB_TotSec32", `systems do not agree on what kind of FAT ${clusters} clusters are`);
  }
}

/** Are all FATs the same? FAT32 can be told to write to one only. */
export function isMirrored(boot: FatBootSector): boolean {
  return (boot.BPB_ExtFlags & 0x80) === 0;
}

/** The one that is read; the number means something only where they are not the same. */
export function activeFat(boot: FatBootSector): number {
  return isMirrored(boot) ? 0 : boot.BPB_ExtFlags & 0x0f;
}

/**
 * Compares the backup boot sector of FAT32, where there is one.
 *
 * @throws {FormatError} when it places something else.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function checkBackupBootSector(
  volume: BlockSource,
  head: Uint8Array,
  boot: FatBootSector,
): Promise<void> {
  const { BPB_BkBootSec, BPB_RsvdSecCnt, sectorBytes } = boot;
  if (BPB_BkBootSec === 0 || BPB_BkBootSec >= BPB_RsvdSecCnt) return;
  const offset = BPB_BkBootSec * sectorBytes;
  const backup = await readAll(volume, offset, head.length, "backup boot sector");
  // A formatter that made none left something else there.
  if (backup[510] !== 0x55 || backup[511] !== 0xaa) return;
  for (const [start, end] of PLACING_FIELDS) {
    for (let at = start; at < end; at++) {
      if (backup[at] === head[at]) continue;
      throw new FormatError(
        `its boot sector and the backup of it differ at byte ${at}`,
        offset + at,
        "BPB_BkBootSec",
      );
    }
  }
}
