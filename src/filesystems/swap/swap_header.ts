/** Linux swap area, union swap_header, https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/linux/swap.h */
import { hasAscii, viewOf } from "../../core/bytes.ts";

// One memory page at 0, in the byte order of the machine:
// 1024  4 version, 1
// 1028  4 last_page
// 1032  4 nr_badpages
// 1036 16 sws_uuid
// 1052 16 sws_volume
// 1536    badpages, 4 bytes each
// last 10 magic, see below
const PAGE_BYTES = [4096, 8192, 16384, 32768, 65536];
const MAGIC_BYTES = 10;
const BAD_PAGES_OFFSET = 1536;
/** What TuxOnIce writes instead of the magic, or elsewhere in the page while that stays. */
export const TUX_ON_ICE = "\xed\xc3\x02\xe9\x98\x56\xe5\x0c";
const MAGICS: readonly (readonly [string, SwapKind])[] = [
  ["SWAPSPACE2", "swap"],
  // The kind without the fields above.
  ["SWAP-SPACE", "old"],
  // While the machine hibernates: the kernel, uswsusp, kernels before 2.6.38, TuxOnIce.
  ["S1SUSPEND", "hibernated"],
  ["S2SUSPEND", "hibernated"],
  ["ULSUSPEND", "hibernated"],
  ["LINHIB0001", "hibernated"],
  [TUX_ON_ICE, "hibernated"],
];

/** What is in a swap area. */
export type SwapKind = "swap" | "old" | "hibernated";

/** A signature of a swap area, and the page size that its place gives away. */
export interface SwapSignature {
  readonly kind: SwapKind;
  readonly pageBytes: number;
}

/** What a swap area of version 1 says. */
export interface SwapHeader {
  /** Number of its last page, counting the header. */
  readonly last_page: number;
  readonly nr_badpages: number;
  /** How many of these there is room for. */
  readonly maxBadPages: number;
}

/** All signatures that are there, the smallest page first. */
export function swapSignatures(head: Uint8Array): SwapSignature[] {
  return PAGE_BYTES.flatMap((pageBytes) =>
    MAGICS.filter(([magic]) => hasAscii(head, pageBytes - MAGIC_BYTES, magic))
      .map(([, kind]) => ({ kind, pageBytes }))
  );
}

/** Reads the fields of a header of version 1; undefined when it is not. */
export function parseSwapHeader(
  head: Uint8Array,
  pageBytes: number,
): SwapHeader | undefined {
  if (head.length < pageBytes) return undefined;
  const view = viewOf(head);
  const littleEndian = view.getUint32(1024, true) === 1;
  if (!littleEndian && view.getUint32(1024, false) !== 1) return undefined;
  return {
    last_page: view.getUint32(1028, littleEndian),
    nr_badpages: view.getUint32(1032, littleEndian),
    maxBadPages: (pageBytes - BAD_PAGES_OFFSET - MAGIC_BYTES) / 4 >>> 0,
  };
}
