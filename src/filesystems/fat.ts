/** FAT specification 1.03, sections "Boot Sector and BPB" and "FAT Type Determination", https://download.microsoft.com/download/1/6/1/161ba512-40e2-4cc9-843a-923143f3456c/fatgen103.doc */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { asciiText, hasAscii, readBytes, viewOf } from "../core/bytes.ts";
import { hasOemName, isBitLocker, parseBiosParameterBlock } from "./boot_sector.ts";
import {
  type FileSystem,
  type FileSystemIdentity,
  isPowerOfTwo,
  nonEmpty,
  notRecognised,
} from "./file_system.ts";

// Behind the fields in boot_sector.ts, FAT32 has at 36:
//  36 4 BPB_FATSz32
//  44 4 BPB_RootClus
// and then, at 36 (FAT12, FAT16) or at 64 (FAT32):
//  +2  1 BS_BootSig, 29h: the next three fields are there; 28h: only the first
//  +3  4 BS_VolID
//  +7 11 BS_VolLab
// +18  8 BS_FilSysType, "FAT12   " …: not to be relied on
// Directory entry, 32 bytes:
//   0 11 DIR_Name, E5h first: free; 00h first: the end
//  11  1 DIR_Attr
const DIRECTORY_ENTRY_BYTES = 32;
const ATTR_VOLUME_ID = 0x08;
const ATTR_LONG_NAME = 0x0f;
const MAX_ROOT_BYTES = 2 * 1024 * 1024;

const MAX_FAT12_CLUSTERS = 4084;
const NO_NAME = "NO NAME";

/** FAT12, FAT16 and FAT32. */
export const fat: FileSystem = { id: "fat", title: "FAT", probe, identify, readLabel };

interface FatVolume {
  readonly kind: "fat12" | "fat16" | "fat32";
  readonly BPB_Media: number;
  /** Byte offset of the first FAT. */
  readonly fatOffset: number;
  /** Byte offset and length of the root directory; of its first cluster in FAT32. */
  readonly rootOffset: number;
  readonly rootLength: number;
  /** Does it have the marks that a formatter leaves, beside the numbers? */
  readonly hasMarks: boolean;
  readonly BS_VolID: number | undefined;
  readonly BS_VolLab: string | undefined;
}

function parse(head: Uint8Array): FatVolume | undefined {
  const bpb = parseBiosParameterBlock(head);
  if (bpb === undefined || isBitLocker(head)) return undefined;
  if (hasOemName(head, "NTFS    ") || hasOemName(head, "EXFAT   ")) return undefined;
  const { BPB_BytsPerSec, BPB_SecPerClus, BPB_RsvdSecCnt, BPB_NumFATs, BPB_Media } = bpb;
  if (![512, 1024, 2048, 4096].includes(BPB_BytsPerSec)) return undefined;
  if (!isPowerOfTwo(BPB_SecPerClus) || BPB_RsvdSecCnt === 0) return undefined;
  if (BPB_NumFATs === 0 || BPB_NumFATs > 4) return undefined;
  if (BPB_Media !== 0xf0 && BPB_Media < 0xf8) return undefined;

  const view = viewOf(head);
  const fatSectors = bpb.BPB_FATSz16 || view.getUint32(36, true);
  const totalSectors = bpb.BPB_TotSec16 || bpb.BPB_TotSec32;
  const rootSectors = Math.ceil(bpb.BPB_RootEntCnt * DIRECTORY_ENTRY_BYTES / BPB_BytsPerSec);
  const rootSector = BPB_RsvdSecCnt + BPB_NumFATs * fatSectors;
  const dataSector = rootSector + rootSectors;
  const clusters = Math.floor((totalSectors - dataSector) / BPB_SecPerClus);
  if (fatSectors === 0 || clusters <= 0) return undefined;

  // By the specification the number of clusters alone decides. But no system can
  // read a volume without BPB_FATSz16 as anything but FAT32, and formatters can be
  // made to write FAT32 with few clusters.
  const isFat32 = bpb.BPB_FATSz16 === 0;
  if (!isFat32 && bpb.BPB_RootEntCnt === 0) return undefined;
  const extended = isFat32 ? 64 : 36;
  const bootSignature = view.getUint8(extended + 2);
  const clusterBytes = BPB_SecPerClus * BPB_BytsPerSec;
  const rootCluster = isFat32 ? view.getUint32(44, true) : 2;
  return {
    kind: isFat32 ? "fat32" : clusters <= MAX_FAT12_CLUSTERS ? "fat12" : "fat16",
    BPB_Media,
    fatOffset: BPB_RsvdSecCnt * BPB_BytsPerSec,
    rootOffset: isFat32
      ? dataSector * BPB_BytsPerSec + (rootCluster - 2) * clusterBytes
      : rootSector * BPB_BytsPerSec,
    rootLength: isFat32 ? clusterBytes : bpb.BPB_RootEntCnt * DIRECTORY_ENTRY_BYTES,
    hasMarks: bpb.hasJump && bpb.hasSignature && hasAscii(head, extended + 18, "FAT"),
    BS_VolID: bootSignature === 0x29 || bootSignature === 0x28
      ? view.getUint32(extended + 3, true)
      : undefined,
    BS_VolLab: bootSignature === 0x29
      ? shortLabel(head.subarray(extended + 7, extended + 18))
      : undefined,
  };
}

function probe(input: ProbeInput): ProbeScore {
  const volume = parse(input.head);
  if (volume === undefined) return "no";
  // FAT[0] repeats the media byte, and the other bits of it are ones.
  const entry = input.head.subarray(volume.fatOffset, volume.fatOffset + 3);
  if (entry.length < 3) return volume.hasMarks ? "exact" : "maybe";
  const agrees = entry[0] === volume.BPB_Media && entry[1] === 0xff && entry[2] === 0xff;
  if (agrees) return "exact";
  return volume.hasMarks ? "maybe" : "no";
}

function identify(input: ProbeInput): FileSystemIdentity {
  const volume = parse(input.head);
  if (volume === undefined) throw notRecognised(fat.title);
  const serial = volume.BS_VolID?.toString(16).padStart(8, "0").toUpperCase();
  return {
    id: volume.kind,
    family: fat.id,
    title: volume.kind.toUpperCase(),
    label: volume.BS_VolLab,
    uuid: volume.BS_VolID ? `${serial?.slice(0, 4)}-${serial?.slice(4)}` : undefined,
  };
}

/** The label in the root directory is the one that systems show and change. */
async function readLabel(
  source: BlockSource,
  input: ProbeInput,
): Promise<string | undefined> {
  const volume = parse(input.head);
  if (volume === undefined) return undefined;
  const { rootOffset, rootLength } = volume;
  if (rootOffset < 0 || rootOffset >= source.size) return volume.BS_VolLab;
  const root = await readBytes(source, rootOffset, Math.min(rootLength, MAX_ROOT_BYTES));
  for (let at = 0; at + DIRECTORY_ENTRY_BYTES <= root.length; at += DIRECTORY_ENTRY_BYTES) {
    const first = root[at];
    if (first === 0) break;
    const attributes = root[at + 11] ?? 0;
    if (first === 0xe5 || (attributes & ATTR_LONG_NAME) === ATTR_LONG_NAME) continue;
    if (attributes & ATTR_VOLUME_ID) return shortLabel(root.subarray(at, at + 11));
  }
  return undefined;
}

/** Eleven bytes in some code page; only ASCII is certain, the rest becomes U+FFFD. */
function shortLabel(bytes: Uint8Array): string | undefined {
  const text = asciiText(bytes).trimEnd();
  return text === NO_NAME ? undefined : nonEmpty(text);
}
