/** Checksums of superblocks. */
import { crc32 } from "node:zlib";

const CASTAGNOLI_REFLECTED = 0x82f63b78;

const crc32cTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) {
    value = value & 1 ? (value >>> 1) ^ CASTAGNOLI_REFLECTED : value >>> 1;
  }
  return value;
});

/** CRC-32C (RFC 3720, appendix B.4) with the usual inversion at both ends. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc = (crc >>> 8) ^ (crc32cTable[(crc ^ byte) & 0xff] ?? 0);
  }
  return ~crc >>> 0;
}

/** CRC-32 of IEEE 802.3 from this initial value, without inversion at either end. */
export function plainCrc32(bytes: Uint8Array, initial: number): number {
  return ~crc32(bytes, ~initial >>> 0) >>> 0;
}

/** A copy of the bytes with zeros in place of the field that holds their checksum. */
export function withoutField(bytes: Uint8Array, offset: number, length: number): Uint8Array {
  const copy = bytes.slice();
  copy.fill(0, offset, offset + length);
  return copy;
}
