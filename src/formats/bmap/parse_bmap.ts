/**
 * Block maps of bmap-tools, see bmap.ts
 * (https://github.com/yoctoproject/bmaptool, README and the comments in each map).
 */
import type { Bmap, BmapRange } from "./bmap.ts";
import {
  BMAP_CHECKSUM_TYPES,
  type BmapChecksum,
  checksumOfText,
  checksumOfType,
  isChecksum,
} from "./bmap_checksums.ts";
import { BmapReader, type BmapText } from "./bmap_reader.ts";
import { type BlockRun, type RawBmap, readBmap } from "./read_bmap.ts";

/** Largest map, bytes: about two million ranges. */
export const LARGEST_BMAP_BYTES = 2 ** 28;

/** bmap-tools takes that of the file system which the image lay on. */
const SMALLEST_BLOCK_BYTES = 512;
const LARGEST_BLOCK_BYTES = 2 ** 26;

/**
 * Reads a block map. Its own checksum, where the version has one, is checked, and all its
 * numbers are compared with each other. `name` is for messages.
 *
 * @throws {FormatError} naming the line (1-based) and the field that is wrong.
 */
export function parseBmap(content: string | Uint8Array, name: string): Bmap {
  const text = textOf(content, name);
  const reader = new BmapReader(text, name);
  if (/^-----BEGIN PGP SIGNED MESSAGE/.test(text)) {
    reader.fail({
      at: 0,
      field: "bmap",
      reason: "it stands inside of a signed message",
      hint: "check the signature and take what was signed: gpg --output NEW.bmap --decrypt IT",
    });
  }
  const raw = readBmap(reader);
  const checksum = checksumOf(reader, raw);
  checkFile(reader, raw, checksum, text);
  return checkedBmap(reader, raw, checksum);
}

/** The bytes as text, from which the same bytes can be made again. */
function textOf(content: string | Uint8Array, name: string): string {
  const fail = (reason: string): never =>
    new BmapReader("", name).fail({ at: 0, field: "bmap", reason });
  if (content.length > LARGEST_BMAP_BYTES) return fail("it is too large for a block map");
  if (typeof content === "string") return content;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    return fail("it is no text in UTF-8");
  }
}

function fieldOf({ fields }: RawBmap, field: string): BmapText {
  return fields.get(field) ?? { at: 0, text: "" };
}

/** The kind of all checksums. */
function checksumOf(reader: BmapReader, raw: RawBmap): BmapChecksum {
  const field = "ChecksumType";
  const { at, text } = fieldOf(raw, field);
  const checksum = checksumOfType(raw.dialect.checksumType ?? text);
  if (checksum !== undefined) return checksum;
  const shown = /^\w{1,20}$/.test(text) ? ` ${text}` : "";
  return reader.fail({
    at,
    field,
    reason: `unknown kind of checksum${shown}; known are ${BMAP_CHECKSUM_TYPES.join(", ")}`,
    hint: "make the map anew with bmaptool create, or do without it",
  });
}

/** Compares the text with its own checksum, where there is one. */
function checkFile(
  reader: BmapReader,
  raw: RawBmap,
  checksum: BmapChecksum,
  text: string,
): void {
  const field = raw.dialect.fileChecksum;
  if (field === undefined) return;
  const stored = fieldOf(raw, field);
  const { at } = stored;
  if (!isChecksum(stored.text, checksum)) {
    reader.fail({ at, field, reason: `${field} is no ${checksum.type} in lower case` });
  }
  if (checksumOfText(text, at, checksum) !== stored.text) {
    const reason = `the map was changed or damaged: its ${checksum.type} is not ${field}`;
    reader.fail({ at, field, reason });
  }
}

/** A whole number of bytes or blocks. */
function numberOf(reader: BmapReader, raw: RawBmap, field: string): number {
  const { at, text } = fieldOf(raw, field);
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(value)) return value;
  const shown = /^\d+$/.test(text) ? "is impossible: it is too large" : "is no whole number";
  return reader.fail({ at, field, reason: `${field} ${shown}` });
}

/** All numbers fit each other, and the ranges are inside of the image. */
function checkedBmap(reader: BmapReader, raw: RawBmap, checksum: BmapChecksum): Bmap {
  const imageSize = numberOf(reader, raw, "ImageSize");
  const blockSize = numberOf(reader, raw, "BlockSize");
  const blockCount = numberOf(reader, raw, "BlocksCount");
  const mappedCount = numberOf(reader, raw, "MappedBlocksCount");
  const fail = (field: string, reason: string): never =>
    reader.fail({ at: fieldOf(raw, field).at, field, reason });
  const isPowerOfTwo = Number.isInteger(Math.log2(blockSize));
  if (!isPowerOfTwo || blockSize < SMALLEST_BLOCK_BYTES || blockSize > LARGEST_BLOCK_BYTES) {
    return fail("BlockSize", `there are no blocks of ${blockSize} bytes`);
  }
  const expected = Math.ceil(imageSize / blockSize);
  if (blockCount !== expected) {
    const what = `an image of ${imageSize} bytes has ${expected} blocks of ${blockSize} bytes`;
    return fail("BlocksCount", `${what}, not ${blockCount}`);
  }
  for (const run of raw.runs) checkRun(reader, run, checksum, blockCount);
  const mapped = raw.runs.reduce((sum, { first, last }) => sum + last + 1 - first, 0);
  if (mapped !== mappedCount) {
    return fail("MappedBlocksCount", `the ranges have ${mapped} blocks, not ${mappedCount}`);
  }
  const ranges = raw.runs.map((run) => bytesOf(run, blockSize, imageSize));
  return { imageSize, blockSize, algorithm: checksum.algorithm, ranges };
}

function checkRun(
  reader: BmapReader,
  { at, last, checksum }: BlockRun,
  kind: BmapChecksum,
  blockCount: number,
): void {
  const field = "Range";
  if (last >= blockCount) {
    const reason = `block ${last} is behind the end of the image, which has ${blockCount}`;
    reader.fail({ at, field, reason });
  }
  if (checksum !== undefined && !isChecksum(checksum, kind)) {
    const reason = `the checksum of a range is no ${kind.type} in lower case`;
    reader.fail({ at, field, reason });
  }
}

/** A run of blocks in bytes, cut at the end of the image. */
function bytesOf(
  { first, last, checksum }: BlockRun,
  blockSize: number,
  imageSize: number,
): BmapRange {
  const offset = first * blockSize;
  return { offset, length: Math.min((last + 1) * blockSize, imageSize) - offset, checksum };
}
