/** FAT specification 1.03, sections "Boot Sector and BPB" and "FAT Type Determination", https://download.microsoft.com/download/1/6/1/161ba512-40e2-4cc9-843a-923143f3456c/fatgen103.doc */
import { asciiText, hasAscii, viewOf } from "../../core/bytes.ts";
import {
  type BiosParameterBlock,
  hasOemName,
  isBitLocker,
  parseBiosParameterBlock,
} from "../boot_sector.ts";
import { isPowerOfTwo } from "../file_system.ts";

// Behind the fields in boot_sector.ts, FAT32 has at 36:
//  36 4 BPB_FATSz32
//  40 2 BPB_ExtFlags
//  42 2 BPB_FSVer
//  44 4 BPB_RootClus
//  48 2 BPB_FSInfo
//  50 2 BPB_BkBootSec
// and then, at 36 (FAT12, FAT16) or at 64 (FAT32):
//  +1  1 BS_Reserved1: where Windows and Linux say that the volume is mounted
//  +2  1 BS_BootSig, 29h: the next three fields are there; 28h: only the first
//  +3  4 BS_VolID
//  +7 11 BS_VolLab
// +18  8 BS_FilSysType, "FAT12   " …: not to be relied on
const DIRECTORY_ENTRY_BYTES = 32;
const MAX_FAT12_CLUSTERS = 4084;

/** A boot sector that makes sense, and the places that follow from it. */
export interface FatBootSector extends BiosParameterBlock {
  readonly kind: "fat12" | "fat16" | "fat32";
  readonly sectorBytes: number;
  readonly clusterBytes: number;
  readonly totalSectors: number;
  /** Byte offset of the first FAT. */
  readonly fatOffset: number;
  /** Bytes of one FAT. */
  readonly fatBytes: number;
  /** Byte offset and length of the root directory; of its first cluster in FAT32. */
  readonly rootOffset: number;
  readonly rootLength: number;
  /** Byte offset of cluster 2, the first one. */
  readonly dataOffset: number;
  /** How many clusters there are; the last one is this plus one. */
  readonly clusters: number;
  /** The next four are 0 where it is not FAT32. */
  readonly BPB_ExtFlags: number;
  readonly BPB_FSVer: number;
  readonly BPB_RootClus: number;
  readonly BPB_BkBootSec: number;
  readonly BS_Reserved1: number;
  readonly BS_VolID: number | undefined;
  /** Eleven characters; other than ASCII becomes U+FFFD. */
  readonly BS_VolLab: string | undefined;
  readonly BS_FilSysType: string | undefined;
  /** Does it have the marks that a formatter leaves, beside the numbers? */
  readonly hasMarks: boolean;
}

/** Reads the boot sector at the beginning of `head`; undefined when it is not one of FAT. */
export function parseFatBootSector(head: Uint8Array): FatBootSector | undefined {
  const bpb = parseBiosParameterBlock(head);
  if (bpb === undefined || isBitLocker(head)) return undefined;
  if (hasOemName(head, "NTFS    ") || hasOemName(head, "EXFAT   ")) return undefined;
  if (!isPlausible(bpb)) return undefined;
  const { BPB_BytsPerSec: sectorBytes, BPB_SecPerClus, BPB_RsvdSecCnt, BPB_RootEntCnt } = bpb;

  const view = viewOf(head);
  // By the specification the number of clusters alone decides. But a volume without
  // BPB_FATSz16 can be read as FAT32 or not at all, and formatters can be made to write
  // FAT32 with few clusters.
  const isFat32 = bpb.BPB_FATSz16 === 0;
  if (!isFat32 && BPB_RootEntCnt === 0) return undefined;
  const fatSectors = bpb.BPB_FATSz16 || view.getUint32(36, true);
  const totalSectors = bpb.BPB_TotSec16 || bpb.BPB_TotSec32;
  const rootSectors = Math.ceil(BPB_RootEntCnt * DIRECTORY_ENTRY_BYTES / sectorBytes);
  const rootSector = BPB_RsvdSecCnt + bpb.BPB_NumFATs * fatSectors;
  const dataSector = rootSector + rootSectors;
  const clusters = Math.floor((totalSectors - dataSector) / BPB_SecPerClus);
  if (fatSectors === 0 || clusters <= 0) return undefined;

  const clusterBytes = BPB_SecPerClus * sectorBytes;
  const dataOffset = dataSector * sectorBytes;
  const rootCluster = isFat32 ? view.getUint32(44, true) : 0;
  return {
    ...bpb,
    ...extendedFields(head, isFat32 ? 64 : 36),
    kind: isFat32 ? "fat32" : clusters <= MAX_FAT12_CLUSTERS ? "fat12" : "fat16",
    sectorBytes,
    clusterBytes,
    totalSectors,
    fatOffset: BPB_RsvdSecCnt * sectorBytes,
    fatBytes: fatSectors * sectorBytes,
    rootOffset: isFat32
      ? dataOffset + (rootCluster - 2) * clusterBytes
      : rootSector * sectorBytes,
    rootLength: isFat32 ? clusterBytes : BPB_RootEntCnt * DIRECTORY_ENTRY_BYTES,
    dataOffset,
    clusters,
    BPB_ExtFlags: isFat32 ? view.getUint16(40, true) : 0,
    BPB_FSVer: isFat32 ? view.getUint16(42, true) : 0,
    BPB_RootClus: rootCluster,
    BPB_BkBootSec: isFat32 ? view.getUint16(50, true) : 0,
    hasMarks: bpb.hasJump && bpb.hasSignature &&
      hasAscii(head, (isFat32 ? 64 : 36) + 18, "FAT"),
  };
}

function isPlausible(bpb: BiosParameterBlock): boolean {
  const { BPB_BytsPerSec, BPB_SecPerClus, BPB_RsvdSecCnt, BPB_NumFATs, BPB_Media } = bpb;
  return [512, 1024, 2048, 4096].includes(BPB_BytsPerSec) &&
    isPowerOfTwo(BPB_SecPerClus) && BPB_RsvdSecCnt > 0 &&
    BPB_NumFATs > 0 && BPB_NumFATs <= 4 &&
    (BPB_Media === 0xf0 || BPB_Media >= 0xf8);
}

function extendedFields(
  head: Uint8Array,
  at: number,
): Pick<FatBootSector, "BS_Reserved1" | "BS_VolID" | "BS_VolLab" | "BS_FilSysType"> {
  const view = viewOf(head);
  const BS_BootSig = view.getUint8(at + 2);
  const hasAll = BS_BootSig === 0x29;
  return {
    BS_Reserved1: view.getUint8(at + 1),
    BS_VolID: hasAll || BS_BootSig === 0x28 ? view.getUint32(at + 3, true) : undefined,
    BS_VolLab: hasAll ? asciiText(head.subarray(at + 7, at + 18)) : undefined,
    BS_FilSysType: hasAll ? asciiText(head.subarray(at + 18, at + 26)) : undefined,
  };
}
