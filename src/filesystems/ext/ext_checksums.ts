/** ext4 data structures, "Checksums", https://docs.kernel.org/filesystems/ext4/checksums.html */

const CRC32C_REFLECTED = 0x82f63b78;
const CRC16_REFLECTED = 0xa001;

const crc32cTable = Uint32Array.from({ length: 256 }, tableEntry(CRC32C_REFLECTED));
const crc16Table = Uint16Array.from({ length: 256 }, tableEntry(CRC16_REFLECTED));

function tableEntry(polynomial: number): (unused: unknown, byte: number) => number {
  return (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) {
      value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    }
    return value;
  };
}

/** What both checksums begin with. */
export const CRC_START = 0xffffffff;

/** CRC-32C from this value, without inversion at either end: calls can be chained. */
export function crc32cFrom(start: number, bytes: Uint8Array): number {
  let crc = start;
  for (const byte of bytes) {
    crc = (crc >>> 8) ^ (crc32cTable[(crc ^ byte) & 0xff] ?? 0);
  }
  return crc >>> 0;
}

/** CRC-16 (x^16 + x^15 + x^2 + 1, reflected), likewise; of `start` the low 16 bits count. */
export function crc16From(start: number, bytes: Uint8Array): number {
  let crc = start & 0xffff;
  for (const byte of bytes) {
    crc = (crc >>> 8) ^ (crc16Table[(crc ^ byte) & 0xff] ?? 0);
  }
  return crc;
}

/** A number as it goes into a checksum: 32 bits, little endian. */
export function littleEndian32(value: number): Uint8Array {
  return Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
}
