/**
 * CRC-32 of bytes of which only the CRC-32 of their parts is known (RFC 1952, section 8,
 * https://www.rfc-editor.org/rfc/rfc1952#section-8).
 *
 * A CRC is the remainder of a polynomial over GF(2). Putting n zero bytes behind bytes
 * multiplies theirs by x^(8n), and the CRC of a sum is the sum of the CRCs. What the CRC
 * starts from and is inverted with at its end cancels out.
 */

/** The polynomial without its term x^32; as everywhere here, bit 31 is the term x^0. */
const POLYNOMIAL = 0xedb88320;

/** x^0 and x^8. */
const ONE = 0x8000_0000;
const X8 = 0x0080_0000;

/** The product of two polynomials, modulo the polynomial of the CRC. */
function multiplied(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let term = ONE; term !== 0; term >>>= 1) {
    if ((a & term) !== 0) product ^= shifted;
    shifted = (shifted & 1) !== 0 ? (shifted >>> 1) ^ POLYNOMIAL : shifted >>> 1;
  }
  return product >>> 0;
}

/** What a CRC is multiplied by when so many zero bytes follow. */
function powerOf(bytes: number): number {
  let power = ONE;
  let square = X8;
  for (let rest = bytes; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) power = multiplied(power, square);
    square = multiplied(square, square);
  }
  return power;
}

/** Puts CRCs of bytes together that lie one behind the other. */
export class Crc32Sum {
  /** CRC-32 of all bytes so far. */
  value = 0;
  /** The last length and its power: pieces mostly have the same. */
  #length = 0;
  #power = ONE;

  /** Adds the CRC-32 of the next `length` bytes. */
  add(crc32: number, length: number): void {
    if (length !== this.#length) {
      this.#length = length;
      this.#power = powerOf(length);
    }
    this.value = (multiplied(this.#power, this.value) ^ crc32) >>> 0;
  }
}
