/**
 * Names of segments, AFFLIBv3,
 * https://github.com/sshock/AFFLIBv3/blob/master/include/afflib/afflib.h
 */

/** What a segment is for, as its name tells. */
export type SegmentKind =
  | { readonly kind: "page"; readonly page: number }
  | { readonly kind: "pageDigest"; readonly page: number; readonly algorithm: string }
  | { readonly kind: "blank" | "encrypted" | "key" | "signature" | "derived" | "value" };

/** With the largest pages, of 64 MiB, larger numbers are past 2^53-1. */
const MAX_PAGE_DIGITS = 8;

/** A page, or (AFF 1.0) a segment of the image, and its digest: page0, seg0, page0_md5. */
const PAGE = new RegExp(
  `^(?:page|seg)(0|[1-9]\\d{0,${MAX_PAGE_DIGITS - 1}})(?:_(md5|sha1|sha256))?$`,
);

/** Made from other segments: directory, parity of all pages. */
const DERIVED = new Set(["dir", "parity0"]);

/** Name of the segment that holds a page. */
export function pageName(page: number): string {
  return `page${page}`;
}

/** Tells what a segment of this name is for. */
export function segmentKind(name: string): SegmentKind {
  if (name === "") return { kind: "blank" };
  const match = PAGE.exec(name);
  if (match !== null) {
    const page = Number(match[1]);
    const algorithm = match[2];
    return algorithm === undefined
      ? { kind: "page", page }
      : { kind: "pageDigest", page, algorithm };
  }
  if (name.endsWith("/aes256")) return { kind: "encrypted" };
  if (name === "affkey_aes256" || name.startsWith("affkey_evp")) return { kind: "key" };
  const isSignature = name.endsWith("/sha256") || name === "cert-sha256" ||
    /^affbom\d+$/.test(name);
  if (isSignature) return { kind: "signature" };
  return { kind: DERIVED.has(name) ? "derived" : "value" };
}
