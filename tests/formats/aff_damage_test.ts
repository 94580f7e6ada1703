import { assert } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Bytes } from "../../src/core/block.ts";
import { ImagingError } from "../../src/core/errors.ts";
import { endOf, gapsBetween } from "../../src/core/range.ts";
import type { OpenedImage } from "../../src/formats/image_format.ts";
import { assertBytes } from "../support/pattern.ts";
import {
  affFile,
  digestsOf,
  mixedPages,
  openAff,
  packedPage,
  quad,
  readTolerant,
  segment,
  text,
  writeAff,
  zeroPage,
} from "./aff_tools.ts";

const PAGE = 1024;
const CONTENT = mixedPages(3 * PAGE + 600, PAGE, 6);

/** What a file came to. */
interface Outcome {
  /** Why it was refused; undefined when it was opened. */
  readonly error: ImagingError | undefined;
  readonly bytes: Bytes;
  /** Are all bytes right that are not said to be damaged? */
  readonly isRight: boolean;
  /** Is there an error, damage, a finding, or a digest that differs? */
  readonly isNoticed: boolean;
}

/** Opens and reads a file. */
async function outcomeOf(file: Bytes, what: string): Promise<Outcome> {
  let image: OpenedImage;
  try {
    image = await openAff(file);
  } catch (error) {
    if (!(error instanceof ImagingError)) throw new Error(`not for ${what}`, { cause: error });
    return { error, bytes: new Uint8Array(), isRight: true, isNoticed: true };
  }
  // A size that is made up is not read to its end.
  const size = Math.min(image.media.size, CONTENT.length + 2 * PAGE);
  const { bytes, damaged } = await readTolerant(image.media, size);
  const digests = new Map(
    (await digestsOf(bytes)).map(({ algorithm, hex }) => [algorithm, hex]),
  );
  const differs = (image.digests ?? []).some(({ algorithm, hex }) =>
    digests.get(algorithm) !== hex
  );
  const isRight = gapsBetween({ offset: 0, length: bytes.length }, damaged).every((range) => {
    const end = endOf(range);
    return Buffer.compare(
      bytes.subarray(range.offset, end),
      CONTENT.subarray(range.offset, end),
    ) === 0;
  });
  const isNoticed = damaged.length > 0 || image.findings.length > 0 || differs;
  return { error: undefined, bytes, isRight, isNoticed };
}

/**
 * Places that no check covers. What they hold is shown, or not used at all: none of them
 * can change a byte of the content.
 *
 * - names, flags and values of segments that describe: text, numbers, the pattern badflag,
 *   the size of sectors; what is blank
 * - names of digests: under another name a digest is no digest any more
 * - bits that mean nothing: of the flags of pages, of zlib's header and last block
 */
function uncovered(file: Bytes): Set<number> {
  const places = new Set<number>();
  const view = Buffer.from(file.buffer, file.byteOffset, file.length);
  const add = (from: number, to: number): void => {
    for (let at = from; at < to; at++) places.add(at);
  };
  for (let at = 8; at < file.length;) {
    const nameBytes = view.readUInt32BE(at + 4);
    const dataBytes = view.readUInt32BE(at + 8);
    const name = view.toString("latin1", at + 16, at + 16 + nameBytes);
    const dataAt = at + 16 + nameBytes;
    if (name !== "pagesize") add(at + 12, at + 16);
    if (view.readUInt32BE(at + 12) === 1) add(dataAt, dataAt + dataBytes);
    const isPage = /^page\d+$/.test(name);
    const isDigest = /^(page\d+_)?(md5|sha1|sha256)$/.test(name);
    if (!isPage && name !== "pagesize" && name !== "imagesize") {
      add(at + 16, dataAt);
      if (!isDigest) add(dataAt, dataAt + dataBytes);
    }
    at += 24 + nameBytes + dataBytes;
  }
  return places;
}

/** An image as affconvert lays it out: size and digests at the end. */
async function asAffconvert(): Promise<Bytes> {
  const page = (number: number): Bytes => CONTENT.subarray(number * PAGE, (number + 1) * PAGE);
  return affFile(
    segment("badsectors", 2, quad(0)),
    segment("aff_file_type", 0, text("AFF")),
    segment("pagesize", PAGE),
    segment("sectorsize", 512),
    segment("page0", 0, page(0)),
    packedPage("page1", page(1)),
    zeroPage("page2", PAGE),
    segment("page3", 0, page(3)),
    segment("imagesize", 2, quad(CONTENT.length)),
    ...(await digestsOf(CONTENT)).map(({ algorithm, hex }) =>
      segment(algorithm, 0, Uint8Array.fromHex(hex))
    ),
  );
}

const FILES: readonly (readonly [string, () => Promise<Bytes>, boolean])[] = [
  ["ours", () => writeAff(CONTENT, { pageBytes: PAGE, evidence: { caseNumber: "17" } }), true],
  ["as affconvert makes it", asAffconvert, false],
];

for (const [name, make, hasPageDigests] of FILES) {
  Deno.test(`each byte of a file, changed (${name}): it is noticed, or it was no content`, async () => {
    const file = await make();
    assert(!(await outcomeOf(file, "unchanged")).isNoticed);
    const silent = uncovered(file);
    for (let at = 0; at < file.length; at++) {
      for (const mask of [0xff, 1 << at % 8]) {
        const changed = file.slice();
        changed[at] = (changed[at] ?? 0) ^ mask;
        const what = `byte ${at} with ${mask}`;
        const { error, bytes, isRight, isNoticed } = await outcomeOf(changed, what);
        // AFFLIB stores no digests of pages: then that of the image is all there is.
        assert(isRight || (!hasPageDigests && isInPage(file, at)), `${what}: wrong bytes`);
        assert(isNoticed || silent.has(at), `${what} is not noticed`);
        if (!isNoticed) assertBytes(bytes, CONTENT, what);
        // Only what says what kind of file it is, and how large, may end everything.
        if (error !== undefined) assert(!isInPage(file, at), `${what}: ${error.message}`);
      }
    }
  });

  Deno.test(`a file that was cut anywhere (${name}) is an error, says so, or holds all`, async () => {
    const file = await make();
    for (let length = 0; length < file.length; length++) {
      const what = `cut to ${length}`;
      const { bytes, isRight, isNoticed } = await outcomeOf(file.slice(0, length), what);
      assert(isRight, `${what}: wrong bytes`);
      // Behind the last page there are digests and names; without them all content is there.
      if (!isNoticed) assertBytes(bytes, CONTENT, what);
    }
  });
}

/** Does the byte lie in the data of a page? */
function isInPage(file: Bytes, offset: number): boolean {
  const view = Buffer.from(file.buffer, file.byteOffset, file.length);
  for (let at = 8; at < file.length;) {
    const nameBytes = view.readUInt32BE(at + 4);
    const start = at + 16 + nameBytes;
    const end = start + view.readUInt32BE(at + 8);
    const isPage = /^page\d+$/.test(view.toString("latin1", at + 16, start));
    if (isPage && offset >= start && offset < end) return true;
    at = end + 8;
  }
  return false;
}
