/**
 * Writes gzip in members that are packed on all cores, and can be read in any order:
 * RFC 1952, https://www.rfc-editor.org/rfc/rfc1952, and members.ts.
 */
import type { Bytes } from "../../core/block.ts";
import { ImagingError } from "../../core/errors.ts";
import type { ZlibLevel, ZlibService } from "../../core/zlib.ts";
import type { Compression, ImageOutput, ImagePlan, ImageWriter } from "../image_format.ts";
import type { ContentNotes } from "../pieces/content_notes.ts";
import {
  type ContainerEnd,
  type PieceContainer,
  PieceWriter,
  type StoredPiece,
} from "../pieces/piece_writer.ts";
import { SizeList } from "../pieces/size_list.ts";
import { formatIndex } from "./member_index.ts";
import { completeMember, MEMBER_HEAD_BYTES, TRAILER_BYTES } from "./members.ts";

/** Content of a member. The file gets larger by less than one percent than with one member. */
export const MEMBER_CONTENT_BYTES = 1024 * 1024;

/** What gzip itself takes. */
const DEFAULT_LEVEL: ZlibLevel = 6;
const LEVELS: Readonly<Record<Compression, ZlibLevel>> = { none: 0, fast: 1, best: 9 };

/** XFL: how hard it was tried (RFC 1952, 2.3.1). */
const SPEED_FLAGS: Readonly<Partial<Record<ZlibLevel, number>>> = { 1: 4, 9: 2 };

/**
 * Begins a file. Members hold `pieceBytes`.
 *
 * @throws {ImagingError} `usage` when nobody is there to pack.
 */
export function createGzip(
  output: ImageOutput,
  plan: ImagePlan,
  pieceBytes = MEMBER_CONTENT_BYTES,
): ImageWriter {
  const { zlib, compression } = plan;
  if (zlib === undefined) {
    throw new ImagingError("usage", `cannot compress ${output.name}: there is no zlib`);
  }
  const level = compression === undefined ? DEFAULT_LEVEL : LEVELS[compression];
  return new PieceWriter(output, plan, new GzipContainer(zlib, level, pieceBytes));
}

class GzipContainer implements PieceContainer {
  readonly pieceBytes: number;
  readonly head: Bytes = new Uint8Array();
  readonly #zlib: ZlibService;
  readonly #level: ZlibLevel;
  readonly #sizes = new SizeList();

  constructor(zlib: ZlibService, level: ZlibLevel, pieceBytes: number) {
    this.pieceBytes = pieceBytes;
    this.#zlib = zlib;
    this.#level = level;
  }

  async pack(bytes: Bytes): Promise<readonly StoredPiece[]> {
    const members = await this.#zlib.pack(bytes, this.pieceBytes, {
      packing: "deflate",
      level: this.#level,
      before: MEMBER_HEAD_BYTES,
      after: TRAILER_BYTES,
    });
    return members.map(({ bytes: member, crc32 }, index) => {
      const contentBytes = Math.min(this.pieceBytes, bytes.length - index * this.pieceBytes);
      const speedFlag = SPEED_FLAGS[this.#level] ?? 0;
      completeMember(member, { crc32, bytes: contentBytes, speedFlag });
      return { bytes: member, contentBytes, crc32 };
    });
  }

  add({ bytes }: StoredPiece): undefined {
    this.#sizes.add(bytes.length);
  }

  end(notes: ContentNotes, offset: number): ContainerEnd {
    const index = { pieceBytes: this.pieceBytes, sizes: this.#sizes.values, notes };
    return { tail: formatIndex(index, offset) };
  }
}
