/** Shows what is inside of files of gzip: RFC 1952, https://www.rfc-editor.org/rfc/rfc1952 */
import type { BlockSource, Bytes } from "../../core/block.ts";
import { readBytes } from "../../core/bytes.ts";
import type { Finding } from "../../core/errors.ts";
import { formatBytes, plural } from "../../core/units.ts";
import type { ZlibService } from "../../core/zlib.ts";
import type { OpenedImage, OpenOptions } from "../image_format.ts";
import { openPackedStream } from "../packed/packed_stream.ts";
import { PieceMedia } from "../pieces/piece_media.ts";
import { isPlausible, PieceTable } from "../pieces/piece_table.ts";
import { bgzfBlockBytes, findBgzfBlocks } from "./bgzf_blocks.ts";
import { END_BYTES, type MemberIndex, parseEnd, parseIndex } from "./member_index.ts";
import { isMember, MEMBER_HEAD_BYTES, memberSize, TRAILER_BYTES } from "./members.ts";

const NO_INDEX: Finding = {
  level: "warning",
  message:
    "the index is not at the end of the file: it was cut, or something was put behind it",
};

/**
 * Takes over `file`. What tells where its members are can be read in any order; whatever is
 * doubtful about that, it is read as a stream.
 *
 * @throws {FormatError} when the file is damaged at its beginning.
 */
export async function openGzip(
  file: BlockSource,
  options: OpenOptions = {},
): Promise<OpenedImage> {
  const { zlib } = options;
  if (zlib !== undefined && Number.isFinite(file.size)) {
    const image = await openOwn(file, zlib) ?? await openBgzf(file, zlib);
    if (image !== undefined) return image;
  }
  const findings = await lacksIndex(file) ? [NO_INDEX] : [];
  const image = await openPackedStream(file, "gzip", options);
  return { ...image, findings: [...image.findings, ...findings] };
}

/**
 * Was there an index at its end once? Nothing else shows that a file was cut where a member
 * ends.
 */
async function lacksIndex(file: BlockSource): Promise<boolean> {
  if (!Number.isFinite(file.size)) return false;
  return memberSize(await readBytes(file, 0, MEMBER_HEAD_BYTES)) !== undefined;
}

/** Undefined when it was not written here, or there is any doubt about it. */
async function openOwn(
  file: BlockSource,
  zlib: ZlibService,
): Promise<OpenedImage | undefined> {
  const index = await readIndex(file);
  if (index === undefined) return undefined;
  const { notes, pieceBytes, sizes } = index;
  const contents = new Uint32Array(sizes.length).fill(pieceBytes);
  if (contents.length > 0) {
    contents[contents.length - 1] = notes.size - (contents.length - 1) * pieceBytes;
  }
  const table = new PieceTable(contents, sizes);
  if (!sizes.every((size, number) => isPlausible(contents[number] ?? 0, size))) {
    return undefined;
  }
  for (const number of new Set([0, table.count - 1])) {
    if (table.count > 0 && !await saysItsSize(file, table, number)) return undefined;
  }
  const members = plural(table.count, "member");
  return {
    media: mediaOf(file, table, zlib, isMember),
    metadata: [["packed as", `gzip, ${members} of up to ${formatBytes(pieceBytes)}`]],
    findings: [],
    digests: notes.digests,
    isPacking: true,
  };
}

async function readIndex(file: BlockSource): Promise<MemberIndex | undefined> {
  const start = Math.max(0, file.size - END_BYTES);
  const end = parseEnd(await readBytes(file, start, END_BYTES), file.size);
  if (end === undefined) return undefined;
  const bytes = await readBytes(file, end.offset, start - end.offset);
  return bytes.length === start - end.offset ? parseIndex(bytes, end) : undefined;
}

/** Is the member where, and as large, as the index says? */
async function saysItsSize(
  file: BlockSource,
  table: PieceTable,
  number: number,
): Promise<boolean> {
  const { offset, length } = table.stored(number);
  if (length < MEMBER_HEAD_BYTES + TRAILER_BYTES) return false;
  return memberSize(await readBytes(file, offset, MEMBER_HEAD_BYTES)) === length;
}

/** Undefined when it is not made of blocks of BGZF. */
async function openBgzf(
  file: BlockSource,
  zlib: ZlibService,
): Promise<OpenedImage | undefined> {
  const table = await findBgzfBlocks(file);
  if (table === undefined) return undefined;
  return {
    media: mediaOf(file, table, zlib, (block) => bgzfBlockBytes(block) === block.length),
    metadata: [["packed as", `gzip, ${plural(table.count, "block")} of BGZF`]],
    findings: [],
    isPacking: true,
  };
}

/** `isPiece` says of the bytes of a member whether they are what they should be. */
function mediaOf(
  file: BlockSource,
  table: PieceTable,
  zlib: ZlibService,
  isPiece: (bytes: Bytes) => boolean,
): PieceMedia {
  return new PieceMedia({ file, table, zlib, packing: "gzip", isPiece });
}
