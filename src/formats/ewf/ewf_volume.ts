/**
 * EWF, sections "Volume section", "Disk section" and "Data section",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import type { Bytes } from "../../core/block.ts";
import { safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { EWF_SIGNATURE, putAscii, putChecksum, requireSound } from "./ewf_sections.ts";

// Volume of EnCase, FTK Imager and linen, little endian; "disk" and "data" are the same:
//    0  1  media type
//    4  4  number of chunks
//    8  4  sectors in a chunk
//   12  4  bytes in a sector
//   16  8  number of sectors; the upper half since EnCase 6
//   24 12  cylinders, heads, sectors: mostly 0
//   36  1  media flags
//   40  4  PALM volume start sector
//   48  4  SMART logs start sector, from the end
//   52  1  compression level, since EnCase 5
//   56  4  sectors that are given up together where one is bad, since EnCase 5
//   64 16  identifier of the set of segments, since EnCase 5
// 1043  5  reserved
// 1048  4  Adler-32 of the bytes before
export const VOLUME_BYTES = 1052;

// Volume of SMART and of the ASR specification, little endian:
//  0  4  reserved, 1
//  4  4  number of chunks
//  8  4  sectors in a chunk
// 12  4  bytes in a sector
// 16  4  number of sectors
// 20 65  reserved, 0
// 85  5  "SMART", or how the file header begins
// 90  4  Adler-32 of the bytes before
export const SMART_VOLUME_BYTES = 94;

/** EnCase makes chunks of at most 32768 sectors: 128 MiB where these have 4096 bytes. */
const MAX_CHUNK_BYTES = 256 * 1024 * 1024;
const MAX_SECTOR_BYTES = 1024 * 1024;

export const MEDIA_REMOVABLE = 0x00;
export const MEDIA_FIXED = 0x01;
export const MEDIA_OPTICAL = 0x03;
export const MEDIA_LOGICAL_FILES = 0x0e;
export const MEDIA_MEMORY = 0x10;

export const FLAG_IMAGE = 0x01;
export const FLAG_PHYSICAL = 0x02;
export const FLAG_FASTBLOC = 0x04;
export const FLAG_TABLEAU = 0x08;

/** What a volume section says of SMART as well as of EnCase. */
export interface EwfGeometry {
  /** 0 where the program did not know it in time. */
  readonly chunkCount: number;
  readonly chunkSectors: number;
  readonly sectorBytes: number;
  readonly sectorCount: number;
}

/** What a volume, disk or data section of EnCase says. */
export interface EwfVolume extends EwfGeometry {
  readonly mediaType: number;
  readonly mediaFlags: number;
  /** 0 none, 1 good, 2 best. */
  readonly compressionLevel: number;
  /** Sectors; 0 before EnCase 5. */
  readonly errorGranularity: number;
  /** Sixteen bytes, zero before EnCase 5. */
  readonly setIdentifier: Uint8Array;
}

/**
 * Reads a volume, disk or data section of EnCase behind its descriptor. `offset` is its
 * place in the file, for the errors.
 *
 * @throws {FormatError} naming what is wrong.
 */
export function parseVolume(bytes: Uint8Array, offset = 0): EwfVolume {
  requireSound(bytes, VOLUME_BYTES, "volume section", offset);
  const view = viewOf(bytes);
  return checkedGeometry({
    mediaType: view.getUint8(0),
    chunkCount: view.getUint32(4, true),
    chunkSectors: view.getUint32(8, true),
    sectorBytes: view.getUint32(12, true),
    sectorCount: safeNumber(view.getBigUint64(16, true), "number of sectors", offset),
    mediaFlags: view.getUint8(36),
    compressionLevel: view.getUint8(52),
    errorGranularity: view.getUint32(56, true),
    setIdentifier: bytes.slice(64, 80),
  }, offset);
}

/** The bytes of a volume, disk or data section of EnCase behind its descriptor. */
export function formatVolume(volume: EwfVolume): Bytes {
  const bytes = new Uint8Array(VOLUME_BYTES);
  const view = viewOf(bytes);
  bytes[0] = volume.mediaType;
  view.setUint32(4, volume.chunkCount, true);
  view.setUint32(8, volume.chunkSectors, true);
  view.setUint32(12, volume.sectorBytes, true);
  view.setBigUint64(16, BigInt(volume.sectorCount), true);
  bytes[36] = volume.mediaFlags;
  bytes[52] = volume.compressionLevel;
  view.setUint32(56, volume.errorGranularity, true);
  bytes.set(volume.setIdentifier.subarray(0, 16), 64);
  putChecksum(bytes, VOLUME_BYTES - 4);
  return bytes;
}

/**
 * Reads a volume section of SMART behind its descriptor. `offset` is its place in the
 * file, for the errors.
 *
 * @throws {FormatError} naming what is wrong.
 */
export function parseSmartVolume(bytes: Uint8Array, offset = 0): EwfGeometry {
  requireSound(bytes, SMART_VOLUME_BYTES, "volume section", offset);
  const view = viewOf(bytes);
  return checkedGeometry({
    chunkCount: view.getUint32(4, true),
    chunkSectors: view.getUint32(8, true),
    sectorBytes: view.getUint32(12, true),
    sectorCount: view.getUint32(16, true),
  }, offset);
}

/** Does a volume section of this form say that SMART wrote it, and not ASR's first program? */
export function isSmartVolume(bytes: Uint8Array): boolean {
  return String.fromCharCode(...bytes.subarray(85, 90)) === "SMART";
}

/** The bytes of a volume section of SMART, or of the first specification. */
export function formatSmartVolume(geometry: EwfGeometry, isSmart = true): Bytes {
  const bytes = new Uint8Array(SMART_VOLUME_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, 1, true);
  view.setUint32(4, geometry.chunkCount, true);
  view.setUint32(8, geometry.chunkSectors, true);
  view.setUint32(12, geometry.sectorBytes, true);
  view.setUint32(16, geometry.sectorCount, true);
  putAscii(bytes, 85, isSmart ? "SMART" : EWF_SIGNATURE.slice(0, 5));
  putChecksum(bytes, SMART_VOLUME_BYTES - 4);
  return bytes;
}

/**
 * The same geometry, when there can be media of it. `offset` is its place, for the errors.
 *
 * @throws {FormatError} naming the number that is impossible.
 */
export function checkedGeometry<Geometry extends EwfGeometry>(
  geometry: Geometry,
  offset: number,
): Geometry {
  const { sectorBytes, chunkSectors, sectorCount } = geometry;
  const fail = (field: string, value: number): FormatError =>
    new FormatError(`the ${field} is impossible: ${value}`, offset, field);
  if (sectorBytes < 1 || sectorBytes > MAX_SECTOR_BYTES) {
    throw fail("number of bytes in a sector", sectorBytes);
  }
  if (chunkSectors < 1 || chunkSectors * sectorBytes > MAX_CHUNK_BYTES) {
    throw fail("number of sectors in a chunk", chunkSectors);
  }
  if (!Number.isSafeInteger(sectorCount * sectorBytes)) {
    throw fail("number of sectors", sectorCount);
  }
  return geometry;
}
