/** A small card image, made without root and without other programs. */

const SECTOR = 512;

/** A partition of the demonstration card. */
export interface CardPartition {
  /** Sectors. */
  readonly start: number;
  readonly sectors: number;
  /** MBR type byte. */
  readonly type: number;
}

/** 1 MiB free, 8 MiB FAT16 with a file, 6 MiB of Linux data; 16 MiB in all. */
export const CARD_BYTES = 16 * 1024 * 1024;
export const CARD_PARTITIONS: readonly CardPartition[] = [
  { start: 2048, sectors: 16384, type: 0x0e },
  { start: 18432, sectors: 12288, type: 0x83 },
];

/** The image: a master boot record, a FAT16 volume that holds `text`, and numbered sectors. */
export function cardImage(text: string): Uint8Array<ArrayBuffer> {
  const card = new Uint8Array(CARD_BYTES);
  const view = new DataView(card.buffer);
  view.setUint32(440, 0x5ec70125, true); // disk signature
  for (const [index, { start, sectors, type }] of CARD_PARTITIONS.entries()) {
    const entry = 446 + index * 16;
    card[entry] = index === 0 ? 0x80 : 0; // active
    card.set([0xfe, 0xff, 0xff, type, 0xfe, 0xff, 0xff], entry + 1); // LBA only
    view.setUint32(entry + 8, start, true);
    view.setUint32(entry + 12, sectors, true);
  }
  view.setUint16(510, 0xaa55, true);
  const [boot, data] = CARD_PARTITIONS;
  if (boot !== undefined) makeFat16(card.subarray(boot.start * SECTOR), boot.sectors, text);
  for (let sector = 0; sector < (data?.sectors ?? 0); sector++) {
    // Each sector knows its number.
    view.setUint32(((data?.start ?? 0) + sector) * SECTOR, sector + 1, true);
  }
  return card;
}

/**
 * Microsoft FAT specification (2005), sections 3 (BPB), 4 (FAT) and 6 (directory):
 * 4 reserved sectors, two FATs of 64, 512 root entries, clusters of one sector.
 */
function makeFat16(volume: Uint8Array, sectors: number, text: string): void {
  const view = new DataView(volume.buffer, volume.byteOffset);
  const ascii = (at: number, value: string): void =>
    volume.set(new TextEncoder().encode(value), at);
  const [reserved, fats, fatSectors, rootEntries] = [4, 2, 64, 512];
  volume.set([0xeb, 0x3c, 0x90]); // BS_jmpBoot
  ascii(3, "SECTSHOT"); // BS_OEMName
  view.setUint16(11, SECTOR, true); // BPB_BytsPerSec
  view.setUint8(13, 1); // BPB_SecPerClus
  view.setUint16(14, reserved, true); // BPB_RsvdSecCnt
  view.setUint8(16, fats); // BPB_NumFATs
  view.setUint16(17, rootEntries, true); // BPB_RootEntCnt
  view.setUint16(19, sectors, true); // BPB_TotSec16
  view.setUint8(21, 0xf8); // BPB_Media
  view.setUint16(22, fatSectors, true); // BPB_FATSz16
  view.setUint8(36, 0x80); // BS_DrvNum
  view.setUint8(38, 0x29); // BS_BootSig
  view.setUint32(39, 0x20260101, true); // BS_VolID
  ascii(43, "DEMO CARD  "); // BS_VolLab
  ascii(54, "FAT16   "); // BS_FilSysType
  view.setUint16(510, 0xaa55, true);
  const content = new TextEncoder().encode(text).subarray(0, SECTOR);
  for (let fat = 0; fat < fats; fat++) {
    const at = (reserved + fat * fatSectors) * SECTOR;
    view.setUint16(at, 0xfff8, true);
    view.setUint16(at + 2, 0xffff, true);
    view.setUint16(at + 4, 0xffff, true); // cluster 2: the last one of the file
  }
  const root = (reserved + fats * fatSectors) * SECTOR;
  ascii(root, "DEMO CARD  ");
  view.setUint8(root + 11, 0x08); // ATTR_VOLUME_ID
  ascii(root + 32, "README  TXT");
  view.setUint8(root + 32 + 11, 0x20); // ATTR_ARCHIVE
  view.setUint16(root + 32 + 26, 2, true); // DIR_FstClusLO
  view.setUint32(root + 32 + 28, content.length, true); // DIR_FileSize
  volume.set(content, root + rootEntries * 32);
}
