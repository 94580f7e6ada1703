/** NTFS documentation, files $Boot and $Volume, https://flatcap.github.io/linux-ntfs/ntfs/files/boot.html */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { hasAscii, readBytes, safeNumber, utf16Text, viewOf } from "../core/bytes.ts";
import { hasOemName, parseBiosParameterBlock } from "./boot_sector.ts";
import {
  type FileSystem,
  type FileSystemIdentity,
  isPowerOfTwo,
  nonEmpty,
  notRecognised,
} from "./file_system.ts";

// Boot sector, little endian; beside the fields in boot_sector.ts:
//  3 8 "NTFS    "
// 13 1 sectors per cluster; above 80h: two to the power of (256 - this)
// 40 8 total sectors
// 48 8 cluster of $MFT
// 64 1 clusters per file record; negative: two to the power of (- this) bytes
// 72 8 volume serial number
// File record (https://flatcap.github.io/linux-ntfs/ntfs/concepts/file_record.html):
//  0 4 "FILE"
//  4 2 offset of the update sequence: a number, then what belongs at the end of
//      each 512 bytes in its place
//  6 2 words in the update sequence
// 20 2 offset of the first attribute
// Attribute:
//  0 4 type, 60h is $VOLUME_NAME, FFFFFFFFh the end
//  4 4 length
//  8 1 0: resident
// 16 4 length of its content
// 20 2 offset of its content
const VOLUME_RECORD = 3;
const VOLUME_NAME = 0x60;
const ATTRIBUTES_END = 0xffffffff;
const UPDATE_STRIDE = 512;
const MAX_RECORD_BYTES = 64 * 1024;

/** The file system of Windows. */
export const ntfs: FileSystem = { id: "ntfs", title: "NTFS", probe, identify, readLabel };

interface NtfsVolume {
  /** Byte offset of the file record of $Volume. */
  readonly volumeRecordOffset: number;
  readonly recordBytes: number;
  readonly serial: bigint;
  readonly hasSignature: boolean;
}

function parse(head: Uint8Array): NtfsVolume | undefined {
  const bpb = parseBiosParameterBlock(head);
  if (bpb === undefined || !hasOemName(head, "NTFS    ")) return undefined;
  const { BPB_BytsPerSec } = bpb;
  if (!isPowerOfTwo(BPB_BytsPerSec) || BPB_BytsPerSec < 256 || BPB_BytsPerSec > 4096) {
    return undefined;
  }
  const fatFields = bpb.BPB_RsvdSecCnt + bpb.BPB_NumFATs + bpb.BPB_RootEntCnt +
    bpb.BPB_TotSec16 + bpb.BPB_FATSz16;
  if (fatFields !== 0) return undefined;
  const sectorsPerCluster = bpb.BPB_SecPerClus > 0x80
    ? 2 ** (256 - bpb.BPB_SecPerClus)
    : bpb.BPB_SecPerClus;
  if (!isPowerOfTwo(sectorsPerCluster)) return undefined;
  const view = viewOf(head);
  const clusterBytes = sectorsPerCluster * BPB_BytsPerSec;
  const clustersPerRecord = view.getInt8(64);
  const recordBytes = clustersPerRecord < 0
    ? 2 ** -clustersPerRecord
    : clustersPerRecord * clusterBytes;
  if (recordBytes < 512 || recordBytes > MAX_RECORD_BYTES) return undefined;
  const mftCluster = view.getBigUint64(48, true);
  const mftOffset = mftCluster * BigInt(clusterBytes);
  if (mftOffset > BigInt(Number.MAX_SAFE_INTEGER - MAX_RECORD_BYTES * VOLUME_RECORD)) {
    return undefined;
  }
  return {
    volumeRecordOffset: safeNumber(mftOffset, "$MFT") + VOLUME_RECORD * recordBytes,
    recordBytes,
    serial: view.getBigUint64(72, true),
    hasSignature: bpb.hasSignature,
  };
}

function probe(input: ProbeInput): ProbeScore {
  const volume = parse(input.head);
  if (volume === undefined) return "no";
  return volume.hasSignature ? "exact" : "maybe";
}

function identify(input: ProbeInput): FileSystemIdentity {
  const volume = parse(input.head);
  if (volume === undefined) throw notRecognised(ntfs.title);
  return {
    id: ntfs.id,
    family: ntfs.id,
    title: ntfs.title,
    label: undefined,
    uuid: volume.serial === 0n
      ? undefined
      : volume.serial.toString(16).padStart(16, "0").toUpperCase(),
  };
}

async function readLabel(
  source: BlockSource,
  input: ProbeInput,
): Promise<string | undefined> {
  const volume = parse(input.head);
  if (volume === undefined) return undefined;
  const { volumeRecordOffset, recordBytes } = volume;
  const record = await readBytes(source, volumeRecordOffset, recordBytes);
  return parseVolumeName(record);
}

/** The content of $VOLUME_NAME in a file record; undefined when something is off. */
function parseVolumeName(stored: Uint8Array): string | undefined {
  const record = withUpdates(stored);
  if (record === undefined) return undefined;
  const view = viewOf(record);
  let at = view.getUint16(20, true);
  while (at + 24 <= record.length) {
    const type = view.getUint32(at, true);
    const length = view.getUint32(at + 4, true);
    if (type === ATTRIBUTES_END || length < 16) return undefined;
    if (type === VOLUME_NAME && view.getUint8(at + 8) === 0) {
      const start = at + view.getUint16(at + 20, true);
      return nonEmpty(utf16Text(record.subarray(start, start + view.getUint32(at + 16, true))));
    }
    at += length;
  }
  return undefined;
}

/** The record with the last two bytes of each stride put back; undefined when torn. */
function withUpdates(stored: Uint8Array): Uint8Array | undefined {
  if (stored.length < UPDATE_STRIDE || !hasAscii(stored, 0, "FILE")) return undefined;
  const record = stored.slice();
  const view = viewOf(record);
  const sequence = view.getUint16(4, true);
  const words = view.getUint16(6, true);
  if (sequence + 2 * words > record.length) return undefined;
  for (let word = 1; word < words; word++) {
    const end = word * UPDATE_STRIDE - 2;
    if (end + 2 > record.length) return undefined;
    if (view.getUint16(end, true) !== view.getUint16(sequence, true)) return undefined;
    view.setUint16(end, view.getUint16(sequence + 2 * word, true), true);
  }
  return record;
}
