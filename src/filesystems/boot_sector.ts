/** FAT specification 1.03, section "Boot Sector and BPB", https://download.microsoft.com/download/1/6/1/161ba512-40e2-4cc9-843a-923143f3456c/fatgen103.doc */
import { guidText, hasAscii, viewOf } from "../core/bytes.ts";

// What FAT, NTFS and BitLocker share, little endian:
//   0 3 BS_jmpBoot, EB xx 90 or E9 xx xx
//   3 8 BS_OEMName
//  11 2 BPB_BytsPerSec
//  13 1 BPB_SecPerClus
//  14 2 BPB_RsvdSecCnt
//  16 1 BPB_NumFATs
//  17 2 BPB_RootEntCnt
//  19 2 BPB_TotSec16
//  21 1 BPB_Media
//  22 2 BPB_FATSz16
//  32 4 BPB_TotSec32
// 510 2 55 AA
const BOOT_SECTOR_BYTES = 512;

/** The BIOS parameter block, which begins volumes of several kinds. */
export interface BiosParameterBlock {
  readonly hasJump: boolean;
  readonly hasSignature: boolean;
  readonly BPB_BytsPerSec: number;
  readonly BPB_SecPerClus: number;
  readonly BPB_RsvdSecCnt: number;
  readonly BPB_NumFATs: number;
  readonly BPB_RootEntCnt: number;
  readonly BPB_TotSec16: number;
  readonly BPB_Media: number;
  readonly BPB_FATSz16: number;
  readonly BPB_TotSec32: number;
}

/** Reads the fields as they stand; undefined when there are less than 512 bytes. */
export function parseBiosParameterBlock(head: Uint8Array): BiosParameterBlock | undefined {
  if (head.length < BOOT_SECTOR_BYTES) return undefined;
  const view = viewOf(head);
  return {
    hasJump: head[0] === 0xe9 || (head[0] === 0xeb && head[2] === 0x90),
    hasSignature: head[510] === 0x55 && head[511] === 0xaa,
    BPB_BytsPerSec: view.getUint16(11, true),
    BPB_SecPerClus: view.getUint8(13),
    BPB_RsvdSecCnt: view.getUint16(14, true),
    BPB_NumFATs: view.getUint8(16),
    BPB_RootEntCnt: view.getUint16(17, true),
    BPB_TotSec16: view.getUint16(19, true),
    BPB_Media: view.getUint8(21),
    BPB_FATSz16: view.getUint16(22, true),
    BPB_TotSec32: view.getUint32(32, true),
  };
}

/** Is this what BS_OEMName says? */
export function hasOemName(head: Uint8Array, name: string): boolean {
  return hasAscii(head, 3, name);
}

// BitLocker on removable media begins with a FAT32 boot sector that is whole, and is
// told by a GUID behind the boot code (see bitlocker.ts).
const BITLOCKER_TO_GO_GUID_OFFSET = 424;
const BITLOCKER_GUIDS: ReadonlySet<string> = new Set([
  "4967D63B-2E29-4AD8-8399-F6A339E3D001",
  "92A84D3B-DD80-4D0E-9E4E-B1E3284EAED8",
]);

/** Is the volume encrypted by BitLocker, although it looks like FAT or NTFS? */
export function isBitLocker(head: Uint8Array): boolean {
  if (head.length < BOOT_SECTOR_BYTES) return false;
  if (hasOemName(head, "-FVE-FS-")) return true;
  const at = BITLOCKER_TO_GO_GUID_OFFSET;
  return BITLOCKER_GUIDS.has(guidText(head.subarray(at, at + 16)));
}
