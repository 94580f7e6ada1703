import { assert, assertEquals, assertThrows } from "@std/assert";
import { FormatError } from "../../src/core/errors.ts";
import { pageAlgorithm } from "../../src/formats/aff/page_flags.ts";
import { segmentKind } from "../../src/formats/aff/segment_names.ts";
import {
  formatQuad,
  formatSegment,
  hasAffHeader,
  isTailOf,
  parseQuad,
  parseSegmentHead,
} from "../../src/formats/aff/segments.ts";

function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(hex.replaceAll(/\s/g, ""));
}

// From a file of AFFLIB itself: tests/encrypted.aff of AFFLIBv3, bytes 0x227 and 0x251.
const BADSECTORS = fromHex(`
  41464600 0000000a 00000008 00000002
  62616473656374 6f7273
  00000000 00000000
  41545400 0000002a`);
const AFFLIB_VERSION = fromHex(`
  41464600 0000000e 00000009 00000000
  6166666c69625f76657273696f6e
  22332e302e306136 22
  41545400 0000002f`);

Deno.test("heads and tails of segments that AFFLIB wrote are read", () => {
  assertEquals(parseSegmentHead(BADSECTORS), {
    name: "badsectors",
    flag: 2,
    dataOffset: 26,
    dataBytes: 8,
    totalBytes: 42,
  });
  assertEquals(parseSegmentHead(AFFLIB_VERSION), {
    name: "afflib_version",
    flag: 0,
    dataOffset: 30,
    dataBytes: 9,
    totalBytes: 47,
  });
  for (const bytes of [BADSECTORS, AFFLIB_VERSION]) {
    assert(isTailOf(bytes.subarray(-8), bytes.length));
    assert(!isTailOf(bytes.subarray(-8), bytes.length - 1));
    assert(!isTailOf(bytes.subarray(-7), bytes.length));
  }
});

Deno.test("segments are written as AFFLIB writes them", () => {
  assertEquals(formatSegment("badsectors", 2, formatQuad(0)), BADSECTORS);
  const version = new TextEncoder().encode('"3.0.0a6"');
  assertEquals(formatSegment("afflib_version", 0, version), AFFLIB_VERSION);
});

Deno.test("what is no head of a segment is none", () => {
  for (let length = 0; length < 26; length++) {
    assertEquals(parseSegmentHead(BADSECTORS.subarray(0, length)), undefined);
  }
  const longName = BADSECTORS.slice();
  longName[7] = 65;
  assertEquals(
    parseSegmentHead(new Uint8Array([...longName, ...new Uint8Array(99)])),
    undefined,
  );
  const otherMagic = BADSECTORS.slice();
  otherMagic[3] = 1;
  assertEquals(parseSegmentHead(otherMagic), undefined);
});

Deno.test("a 64-bit number has its lower half first", () => {
  const data = fromHex("89abcdef 00000123");
  assertEquals(parseQuad(data, "imagesize"), 0x123_89ab_cdef);
  assertEquals(formatQuad(0x123_89ab_cdef), data);
  assertEquals(formatQuad(2 ** 53 - 1), fromHex("ffffffff 001fffff"));
  const error = assertThrows(
    () => parseQuad(fromHex("00000000 00200000"), "imagesize", 77),
    FormatError,
  );
  assertEquals([error.offset, error.field], [77, "imagesize"]);
});

Deno.test("names tell what a segment is for", () => {
  const kinds: readonly (readonly [string, ReturnType<typeof segmentKind>])[] = [
    ["", { kind: "blank" }],
    ["page0", { kind: "page", page: 0 }],
    ["page12345678", { kind: "page", page: 12345678 }],
    ["seg7", { kind: "page", page: 7 }],
    ["page3_md5", { kind: "pageDigest", page: 3, algorithm: "md5" }],
    ["page3_sha256", { kind: "pageDigest", page: 3, algorithm: "sha256" }],
    ["page0/aes256", { kind: "encrypted" }],
    ["affkey_aes256", { kind: "key" }],
    ["affkey_evp0", { kind: "key" }],
    ["page0/sha256", { kind: "signature" }],
    ["cert-sha256", { kind: "signature" }],
    ["affbom0", { kind: "signature" }],
    ["parity0", { kind: "derived" }],
    ["dir", { kind: "derived" }],
  ];
  for (const [name, kind] of kinds) assertEquals(segmentKind(name), kind, name);
  const values = ["page", "page01", "page-1", "page1 ", "page1_crc", "pagesize", "segsize"];
  for (const name of [...values, "page123456789", "md5", "Page1", "page1\n", "sha256"]) {
    assertEquals(segmentKind(name), { kind: "value" }, name);
  }
});

Deno.test("the flag of a page tells how it is packed", () => {
  // As affinfo shows them for files of affconvert with -x, without, -X9, -L, and for zeros.
  const flags = [[0, "plain"], [1, "zlib"], [3, "zlib"], [0x21, "LZMA"], [
    0x33,
    "zero",
  ]] as const;
  for (const [flag, algorithm] of flags) assertEquals(pageAlgorithm(flag), algorithm);
  assertEquals(pageAlgorithm(0x11), "unknown");
  assertEquals(pageAlgorithm(0x20), "plain");
});

Deno.test("the header of the file is eight bytes", () => {
  const header = new TextEncoder().encode("AFF10\r\n\0");
  assert(hasAffHeader(header));
  for (let at = 0; at < 8; at++) {
    assert(!hasAffHeader(header.subarray(0, at)));
    const changed = header.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert(!hasAffHeader(changed));
  }
});
