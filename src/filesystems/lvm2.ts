/** LVM2 physical volume label, https://github.com/libyal/libvslvm/blob/main/documentation/Logical%20Volume%20Manager%20(LVM)%20format.asciidoc */
import type { ProbeInput, ProbeScore } from "../core/block.ts";
import { asciiText, hasAscii, viewOf } from "../core/bytes.ts";
import { plainCrc32 } from "./checksum.ts";
import { type FileSystem, type FileSystemIdentity, notRecognised } from "./file_system.ts";

// In one of the first four sectors of 512 bytes, little endian:
//  0  8 "LABELONE"
//  8  8 number of this sector
// 16  4 checksum of the sector from 20: CRC-32 from F597A6CFh, not inverted
// 20  4 offset of the physical volume header in the sector
// 24  8 "LVM2 001"
// The physical volume header begins with an identifier of 32 characters.
const SECTOR_BYTES = 512;
const LABEL_SECTORS = 4;
const CRC_INITIAL = 0xf597a6cf;
const ID_BYTES = 32;

/** A physical volume of LVM2. */
export const lvm2: FileSystem = { id: "lvm2", title: "LVM2 physical volume", probe, identify };

function labelSectorOf(head: Uint8Array): Uint8Array | undefined {
  for (let index = 0; index < LABEL_SECTORS; index++) {
    const sector = head.subarray(index * SECTOR_BYTES, (index + 1) * SECTOR_BYTES);
    if (sector.length < SECTOR_BYTES) return undefined;
    if (!hasAscii(sector, 0, "LABELONE") || !hasAscii(sector, 24, "LVM2 001")) continue;
    const view = viewOf(sector);
    const isPlausible = view.getBigUint64(8, true) === BigInt(index) &&
      view.getUint32(20, true) + ID_BYTES <= SECTOR_BYTES;
    if (isPlausible) return sector;
  }
  return undefined;
}

function probe(input: ProbeInput): ProbeScore {
  const sector = labelSectorOf(input.head);
  if (sector === undefined) return "no";
  const isRight = plainCrc32(sector.subarray(20), CRC_INITIAL) ===
    viewOf(sector).getUint32(16, true);
  return isRight ? "exact" : "maybe";
}

function identify(input: ProbeInput): FileSystemIdentity {
  const sector = labelSectorOf(input.head);
  if (sector === undefined) throw notRecognised(lvm2.title);
  const at = viewOf(sector).getUint32(20, true);
  const id = asciiText(sector.subarray(at, at + ID_BYTES));
  return {
    id: lvm2.id,
    family: lvm2.id,
    title: lvm2.title,
    label: undefined,
    uuid: id.replace(/^(.{6})(.{4})(.{4})(.{4})(.{4})(.{4})(.{6})$/s, "$1-$2-$3-$4-$5-$6-$7"),
  };
}
