/** FAT specification 1.03, section "FAT Data Structure", https://download.microsoft.com/download/1/6/1/161ba512-40e2-4cc9-843a-923143f3456c/fatgen103.doc */
import type { FatBootSector } from "./fat_boot_sector.ts";

// An entry for each cluster, of 12, 16 or 32 bits; of the 32 bits the upper four are
// reserved and not part of the value. With the ones of 16 and 32 bits before them:
//   000h         free
//   002h …       the next cluster of the file
//   FF7h         bad: no file uses it
//   FF8h to FFFh the last cluster of a file
// FAT[0]: the media byte, and ones above it.
// FAT[1]: a last cluster's mark; in FAT16 and FAT32 the highest two bits of the value
// say that the volume was unmounted cleanly and that no disk error was seen.

/** What the values of entries mean. */
export interface EntryMarks {
  /** The bits that are the value. */
  readonly mask: number;
  readonly bad: number;
  /** This and greater: the last of a file. */
  readonly last: number;
  /** Set in FAT[1] when all is well. */
  readonly clean: number;
}

export const MARKS: Readonly<Record<FatBootSector["kind"], EntryMarks>> = {
  fat12: { mask: 0xfff, bad: 0xff7, last: 0xff8, clean: 0 },
  fat16: { mask: 0xffff, bad: 0xfff7, last: 0xfff8, clean: 0xc000 },
  fat32: { mask: 0x0fffffff, bad: 0x0ffffff7, last: 0x0ffffff8, clean: 0x0c000000 },
};

/** An entry with its reserved bits; the view begins with an entry of an even number. */
export function entryAt(view: DataView, index: number, kind: FatBootSector["kind"]): number {
  if (kind === "fat32") return view.getUint32(index * 4, true);
  if (kind === "fat16") return view.getUint16(index * 2, true);
  // Twelve bits: two in three bytes.
  const pair = view.getUint16(index + (index >>> 1), true);
  return index % 2 === 0 ? pair & 0xfff : pair >>> 4;
}
