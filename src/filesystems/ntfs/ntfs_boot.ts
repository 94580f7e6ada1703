/** NTFS documentation, file $Boot, https://flatcap.github.io/linux-ntfs/ntfs/files/boot.html */
import { safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { hasOemName, parseBiosParameterBlock } from "../boot_sector.ts";
import { isPowerOfTwo } from "../file_system.ts";

// Boot sector, little endian; beside the fields in boot_sector.ts:
//  3 8 "NTFS    "
// 13 1 sectors per cluster; above 80h: two to the power of (256 - this)
// 40 8 total sectors, without the copy of the boot sector behind them
// 48 8 cluster of $MFT
// 56 8 cluster of $MFTMirr
// 64 1 clusters per file record; negative: two to the power of (- this) bytes
// 72 8 volume serial number

/** Bytes of the sector that is read. */
export const BOOT_BYTES = 512;

const MAX_RECORD_BYTES = 64 * 1024;
const MAX_CLUSTER_BYTES = 2 * 1024 * 1024;
/** Larger sector numbers are bytes past 2^53-1. */
const MAX_SECTORS = BigInt(Number.MAX_SAFE_INTEGER) / 4096n;

/** What the boot sector says. Sizes are in bytes, and plausible. */
export interface NtfsBoot {
  /** Does the sector end in 55 AA? */
  readonly hasSignature: boolean;
  readonly sectorBytes: number;
  readonly clusterBytes: number;
  readonly recordBytes: number;
  /** Byte offset of the first file record; may lie outside of the volume. */
  readonly mftOffset: number;
  readonly totalSectors: bigint;
  readonly mftCluster: bigint;
  readonly mirrorCluster: bigint;
  readonly serial: bigint;
}

/** Where things are on a volume, in clusters that are all on it. */
export interface NtfsGeometry {
  readonly clusterBytes: number;
  readonly clusterCount: number;
  /** Bytes of a file record: a power of two, at least 512. */
  readonly recordBytes: number;
  readonly mftCluster: number;
  readonly mirrorCluster: number;
}

/** Reads the boot sector; undefined when it is not that of NTFS. */
export function parseNtfsBoot(head: Uint8Array): NtfsBoot | undefined {
  const bpb = parseBiosParameterBlock(head);
  if (bpb === undefined || !hasOemName(head, "NTFS    ")) return undefined;
  const sectorBytes = bpb.BPB_BytsPerSec;
  if (!isPowerOfTwo(sectorBytes) || sectorBytes < 256 || sectorBytes > 4096) return undefined;
  const fatFields = bpb.BPB_RsvdSecCnt + bpb.BPB_NumFATs + bpb.BPB_RootEntCnt +
    bpb.BPB_TotSec16 + bpb.BPB_FATSz16;
  if (fatFields !== 0) return undefined;
  const sectorsPerCluster = bpb.BPB_SecPerClus > 0x80
    ? 2 ** (256 - bpb.BPB_SecPerClus)
    : bpb.BPB_SecPerClus;
  if (!isPowerOfTwo(sectorsPerCluster)) return undefined;
  const view = viewOf(head);
  const clusterBytes = sectorsPerCluster * sectorBytes;
  const clustersPerRecord = view.getInt8(64);
  const recordBytes = clustersPerRecord < 0
    ? 2 ** -clustersPerRecord
    : clustersPerRecord * clusterBytes;
  if (recordBytes < 512 || recordBytes > MAX_RECORD_BYTES) return undefined;
  const mftCluster = view.getBigUint64(48, true);
  const mftOffset = mftCluster * BigInt(clusterBytes);
  if (mftOffset > BigInt(Number.MAX_SAFE_INTEGER - 16 * MAX_RECORD_BYTES)) return undefined;
  return {
    hasSignature: bpb.hasSignature,
    sectorBytes,
    clusterBytes,
    recordBytes,
    mftOffset: safeNumber(mftOffset, "$MFT"),
    totalSectors: view.getBigUint64(40, true),
    mftCluster,
    mirrorCluster: view.getBigUint64(56, true),
    serial: view.getBigUint64(72, true),
  };
}

/**
 * What follows from the boot sector for a volume of that many bytes.
 *
 * @throws {FormatError} naming the field that is impossible.
 */
export function ntfsGeometry(boot: NtfsBoot, volumeBytes: number): NtfsGeometry {
  const { sectorBytes, clusterBytes, recordBytes, totalSectors } = boot;
  const fail = (field: string, message: string): FormatError =>
    new FormatError(message, 0, field);
  if (!boot.hasSignature) throw fail("signature", "its boot sector does not end in 55 AA");
  if (clusterBytes > MAX_CLUSTER_BYTES) {
    throw fail("sectors per cluster", `its clusters of ${clusterBytes} bytes are impossible`);
  }
  if (!isPowerOfTwo(recordBytes)) {
    throw fail("file record", `its file records of ${recordBytes} bytes are impossible`);
  }
  if (totalSectors > MAX_SECTORS || Number(totalSectors) * sectorBytes > volumeBytes) {
    throw fail("total sectors", `it claims ${totalSectors} sectors, more than there are`);
  }
  const clusterCount = Math.floor(Number(totalSectors) / (clusterBytes / sectorBytes));
  const cluster = (value: bigint, field: string): number => {
    const number = safeNumber(value, field);
    if (number >= clusterCount) throw fail(field, `its ${field} lies outside of the volume`);
    return number;
  };
  return {
    clusterBytes,
    clusterCount,
    recordBytes,
    mftCluster: cluster(boot.mftCluster, "$MFT"),
    mirrorCluster: cluster(boot.mirrorCluster, "$MFTMirr"),
  };
}
