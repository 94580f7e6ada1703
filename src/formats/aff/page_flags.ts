/**
 * "Arg Flags for data pages", AFFLIBv3,
 * https://github.com/sshock/AFFLIBv3/blob/master/include/afflib/afflib.h
 */

// The flag of a page:
// 0x0001  AF_PAGE_COMPRESSED: without it the page is stored as it is
// 0x0002  AF_PAGE_COMP_MAX: compressed as well as its algorithm can
// 0x00f0  algorithm: 0x00 zlib, 0x10 bzip2 (never made), 0x20 LZMA, 0x30 zeros only, of
//         which the segment holds the number, 4 bytes, big endian
const COMPRESSED = 0x01;
const COMP_MAX = 0x02;
const ALGORITHM_MASK = 0xf0;
const ALGORITHM_ZLIB = 0x00;
const ALGORITHM_LZMA = 0x20;
const ALGORITHM_ZERO = 0x30;

export const FLAG_PLAIN = 0;
export const FLAG_ZLIB = COMPRESSED | ALGORITHM_ZLIB;
export const FLAG_ZLIB_MAX = FLAG_ZLIB | COMP_MAX;
export const FLAG_ZERO = COMPRESSED | COMP_MAX | ALGORITHM_ZERO;

/** How a page is packed. */
export type PageAlgorithm = "plain" | "zlib" | "zero" | "LZMA" | "unknown";

/** How the page with this flag is packed. */
export function pageAlgorithm(flag: number): PageAlgorithm {
  if ((flag & COMPRESSED) === 0) return "plain";
  switch (flag & ALGORITHM_MASK) {
    case ALGORITHM_ZLIB:
      return "zlib";
    case ALGORITHM_LZMA:
      return "LZMA";
    case ALGORITHM_ZERO:
      return "zero";
    default:
      return "unknown";
  }
}
