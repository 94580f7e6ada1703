/** Linux RAID superblock 1.x, https://raid.wiki.kernel.org/index.php/RAID_superblock_formats */
import type { ProbeInput, ProbeScore } from "../core/block.ts";
import { uuidText, viewOf } from "../core/bytes.ts";
import { withoutField } from "./checksum.ts";
import {
  type FileSystem,
  type FileSystemIdentity,
  labelText,
  notRecognised,
} from "./file_system.ts";

// At 0 (version 1.1) or 4096 (1.2), little endian. Version 1.0 and 0.90 lie at the
// end of the volume, whose beginning is then that of the array; they are not
// recognised here.
//   0  4 magic, A92B4EFCh
//   4  4 major_version, 1
//  16 16 set_uuid
//  32 32 set_name, "host:name"
// 144  8 super_offset, the place of this superblock in sectors of 512 bytes
// 216  4 sb_csum, the sum of all words, carries added, counting itself as zero
// 220  4 max_dev
// 256  2 dev_roles, max_dev times
const PLACES = [0, 4096];
const MAGIC = 0xa92b4efc;
const FIXED_BYTES = 256;
const CSUM_OFFSET = 216;
const MAX_DEVICES = 4096;

/** A member of a Linux software RAID. */
export const linuxRaid: FileSystem = {
  id: "linux_raid",
  title: "Linux RAID member",
  probe,
  identify,
};

/** The superblock with its dev_roles. */
function superblockOf(head: Uint8Array): Uint8Array | undefined {
  for (const place of PLACES) {
    const bytes = head.subarray(place);
    if (bytes.length < FIXED_BYTES) return undefined;
    const view = viewOf(bytes);
    if (view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) !== 1) continue;
    if (view.getBigUint64(144, true) !== BigInt(place / 512)) continue;
    const devices = view.getUint32(220, true);
    const length = FIXED_BYTES + 2 * devices;
    if (devices <= MAX_DEVICES && length <= bytes.length) return bytes.subarray(0, length);
  }
  return undefined;
}

function checksum(superblock: Uint8Array): number {
  const bytes = withoutField(superblock, CSUM_OFFSET, 4);
  const view = viewOf(bytes);
  let sum = 0;
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) sum += view.getUint32(at, true);
  if (at + 2 <= bytes.length) sum += view.getUint16(at, true);
  return (sum % 2 ** 32 + Math.floor(sum / 2 ** 32)) >>> 0;
}

function probe(input: ProbeInput): ProbeScore {
  const superblock = superblockOf(input.head);
  if (superblock === undefined) return "no";
  return checksum(superblock) === viewOf(superblock).getUint32(CSUM_OFFSET, true)
    ? "exact"
    : "maybe";
}

function identify(input: ProbeInput): FileSystemIdentity {
  const superblock = superblockOf(input.head);
  if (superblock === undefined) throw notRecognised(linuxRaid.title);
  return {
    id: linuxRaid.id,
    family: linuxRaid.id,
    title: linuxRaid.title,
    label: labelText(superblock.subarray(32, 64)),
    uuid: uuidText(superblock.subarray(16, 32)),
  };
}
